"""What every store can do, and what it promises.

Paths are relative to the store, with forward slashes; bytes of a name that are no UTF-8 are kept as
Python's surrogate escapes, whatever the locale. What one path cannot do is an OSError, which the
caller judges; a store that as a whole does not answer, or cannot be written, is a DatasetError.
Every operation may be called again: the second time changes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol

IS_FILE = "is a file, not a folder"
"""The problem of a folder that is none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing says of one file, or of a folder that could not be listed.

    Attributes
    ----------
    path : str
        Relative to the store.
    size : int
        Bytes.
    version : str
        Another one when the file has other bytes: a folder's file number, time and size, or a
        bucket's etag. Empty where nothing can be said.
    problem : str
        Why the file cannot be read, or the folder not be listed; mostly empty.
    is_folder : bool
        Only ever true of a folder with a problem.
    """

    path: str
    size: int
    version: str
    problem: str = ""
    is_folder: bool = False

    def __reduce__(self) -> tuple[Any, ...]:  # a third of the time that a dataclass takes
        return Entry, (self.path, self.size, self.version, self.problem, self.is_folder)


@dataclass(frozen=True, slots=True)
class Held:
    """A store while this run alone may write below it.

    Attributes
    ----------
    store : Store
        Use this one to write: what a run that lost its lock still wants to write comes to nothing
        where the disk can see to that.
    check : callable
        Asks, and raises DatasetError where the lock was lost; call it before what cannot be undone.
    watch : callable
        Raises DatasetError where it is known by now that the lock was lost; it asks nobody.
    """

    store: "Store"
    check: Callable[[], None]
    watch: Callable[[], None]


class Store(Protocol):
    """A place for files. See the module for what all operations promise."""

    @property
    def url(self) -> str:
        """The store as a user names it, for messages."""

    @property
    def ahead(self) -> int:
        """How many transfers are worth having under way beside the work; 0 on a disk."""

    def list(self, folder: str = "", *, deep: bool = True) -> Iterator[Entry]:
        """Yield the files below a folder, in no order; none where there is no such folder.

        Without `deep`, only those directly in it.
        """

    def read(self, path: str) -> tuple[bytes, str]:
        """Return a file's bytes and their version, which is empty while the file is too young.

        Raises FileNotFoundError, or another OSError.
        """

    def head(self, path: str, size: int) -> bytes:
        """Return a file's first bytes, at most so many. Raises as `read` does."""

    def version(self, path: str) -> str:
        """Return a file's version. Raises as `read` does."""

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield a large file's bytes, a megabyte or so at once. Raises as `read` does."""

    def write(self, path: str, data: bytes | bytearray) -> str:
        """Write a file, whole or not at all, and return its version."""

    def create(self, path: str, data: bytes) -> str | None:
        """Write a file where there is none and return its version; None where there is one."""

    def replace(self, path: str, data: bytes, version: str) -> str | None:
        """Write a file in place of this version; None where it has another."""

    def writer(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Write a large file by and by; it appears, whole, when the block ends without an error."""

    def delete(self, path: str) -> None:
        """Delete a file, and the folders that it leaves empty."""

    def hold(
        self, folder: str, say: Callable[[str], None], *, is_brief: bool = False
    ) -> AbstractContextManager[Held]:
        """Let this run alone write, under a lock in a folder of its own.

        A brief one is worth waiting for, and others are informed. Raises BusyError where another
        run holds it, OSError where no lock can be had.
        """

    def holder(self, folder: str) -> str:
        """Return who holds the lock of `hold`, in words; empty where nobody is seen to."""

    def refusal(self, path: str) -> str:
        """Return why no file of this path can be kept here, or an empty text."""

    def is_missing(self) -> bool:
        """Return whether it is known that there is no such folder."""

    def ignores_case(self) -> bool:
        """Return whether names that differ in letter case alone are one file here."""

    def is_within(self, other: "Store") -> bool:
        """Return whether this is the other store, or a part of it."""

    def free(self) -> int | None:
        """Return how many bytes can still be written here; None where nobody knows."""
