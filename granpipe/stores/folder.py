"""A folder of a disk."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from granpipe.errors import DatasetError
from granpipe.stores import disk
from granpipe.stores.locks import lock, lock_or_tell, locked
from granpipe.stores.owner import busy_with, owner_of, this_process
from granpipe.stores.protocol import Entry, Held, Store
from granpipe.stores.walk import version_of, walk

# A file may change once more within the tick of its disk's clock, FAT's being the longest.
_SETTLED = 2_000_000_000
_MOST_ROUNDS = 100
_TO_WRITE = os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0)
# Without O_NONBLOCK, opening a pipe would wait for somebody to write.
_TO_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_PROCESS = os.urandom(4).hex()


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a disk, which need not exist yet; a `Store`.

    Parameters
    ----------
    root : str
        Its path, as the user wrote it.
    scratch : str
        A folder below it for half-written files; by default beside each file. Where it is gone,
        nothing can be written: so a worker of an ended run does no harm.
    """

    root: str
    scratch: str = ""

    ahead = 0

    @property
    def url(self) -> str:
        return self.root

    def locate(self, path: str) -> bytes:
        """Return a path as the system wants it; names are UTF-8 whatever the locale."""
        inner = path.encode("utf-8", "surrogateescape")
        return os.path.join(os.fsencode(self.root), inner) if inner else os.fsencode(self.root)

    def list(self, folder: str = "", *, deep: bool = True) -> Iterator[Entry]:
        """Yield the files below a folder. Links to folders are followed last, each folder once."""
        return walk(self.locate, folder, deep=deep)

    def read(self, path: str) -> tuple[bytes, str]:
        """Return a file's bytes and version; none of what may change within its clock's tick."""
        # By the system's calls: a file object takes as long as reading a photograph.
        number = os.open(self.locate(path), _TO_READ)
        try:
            before = os.fstat(number)
            disk.check_regular(before)
            data = _read(number, before.st_size)
            after = os.fstat(number)
        finally:
            os.close(number)
        version = version_of(before)
        is_settled = time.time_ns() - before.st_mtime_ns > _SETTLED
        is_same = version == version_of(after) and len(data) == before.st_size
        return data, version if is_settled and is_same else ""

    def head(self, path: str, size: int) -> bytes:
        """Return a file's first bytes."""
        with self._open(path) as file:
            return file.read(size)

    def version(self, path: str) -> str:
        """Return a file's version, however young it is."""
        return version_of(os.stat(self.locate(path)))

    def pieces(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes, a megabyte at once."""
        with self._open(path) as file:
            while piece := file.read(1 << 20):
                yield piece

    @contextmanager
    def _open(self, path: str) -> Iterator[IO[bytes]]:
        with open(os.open(self.locate(path), _TO_READ), "rb", buffering=0) as file:
            disk.check_regular(os.fstat(file.fileno()))
            yield file

    def write(self, path: str, data: bytes | bytearray) -> str:
        """Write a file under a temporary name, and rename it."""
        with self._replacing(path) as temporary:
            # By the system's calls: a file object takes as long as writing an array.
            number = os.open(temporary, _TO_WRITE | os.O_TRUNC, 0o666)
            try:
                _write(number, data)
                return version_of(os.fstat(number))
            finally:
                os.close(number)

    @contextmanager
    def writer(self, path: str) -> Iterator[IO[bytes]]:
        """Write a large file under a temporary name; see it onto the disk, and rename it."""
        with self._replacing(path) as temporary, open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        disk.sync_folder(os.path.dirname(self.locate(path)))

    @contextmanager
    def _replacing(self, path: str) -> Iterator[bytes]:
        """Return where to write a file; it is renamed at the end."""
        with self._written(path):
            target = self._target(path)
            temporary = self._temporary(target)
            try:
                yield temporary
                self._move(temporary, target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise

    def _target(self, path: str) -> bytes:
        if self._is_linked(path):
            raise DatasetError(f"{self._name(path)}: leads through a link elsewhere; remove it")
        target = self.locate(path)
        # A link that a user named stays one, and the file that it leads to is written.
        return target if self.scratch else os.path.realpath(target)

    def _temporary(self, target: bytes) -> bytes:
        # Two machines may have processes and threads of one number.
        mark = f"{os.getpid()}-{threading.get_ident()}-{_PROCESS}"
        if self.scratch:
            return self.locate(f"{self.scratch}/{mark}")
        folder, name = os.path.split(target)
        temporary = os.path.join(folder, b".%b.%b.tmp" % (name[:80], mark.encode()))
        for _ in range(_MOST_ROUNDS):
            with suppress(FileNotFoundError, FileExistsError):  # deleted meanwhile, while empty
                os.makedirs(folder, exist_ok=True)
                os.close(os.open(temporary, _TO_WRITE, 0o666))
                break
        return temporary

    def _move(self, temporary: bytes, target: bytes) -> None:
        try:
            os.replace(temporary, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(temporary, target)

    def create(self, path: str, data: bytes) -> str | None:
        """Write a file onto the disk where there is none, by a hard link to a temporary one."""
        with self._written(path):
            target = self._target(path)
            temporary = self._temporary(target)
            if self.scratch:
                os.makedirs(os.path.dirname(target), exist_ok=True)
            try:
                with open(temporary, "wb", buffering=0) as file:
                    _write(file.fileno(), data)
                    os.link(temporary, target)
                    os.fsync(file.fileno())
            except FileExistsError:
                return None
            finally:
                with suppress(OSError):
                    os.unlink(temporary)
            disk.sync_folder(os.path.dirname(target))
            return version_of(os.stat(target))

    def replace(self, path: str, data: bytes, version: str) -> str | None:
        """Write a file onto the disk in place of this version, of two at once one alone."""
        with (
            self._written(path),
            suppress(FileNotFoundError),
            locked(self.locate(path)) as is_locked,
        ):
            if is_locked and self.version(path) == version:
                with self.writer(path) as file:
                    file.write(data)
                return self.version(path)
        return None

    def delete(self, path: str) -> None:
        """Delete a regular file, and the folders that it leaves empty; nothing through a link."""
        with self._written(path):
            target = self.locate(path)
            if self.scratch and not os.path.isdir(self.locate(self.scratch)):
                raise DatasetError(f"{self.root}: another run has begun here")
            if self._is_linked(path) or not os.path.isfile(target):
                return
            with suppress(FileNotFoundError):  # another worker was faster
                os.unlink(target)
            for depth in range(path.count("/"), 0, -1):
                with suppress(OSError):  # not empty
                    disk.remove_folder(self.locate("/".join(path.split("/")[:depth])))

    def refusal(self, path: str) -> str:
        """Return why the disk cannot have such a path."""
        return disk.refusal(self.root, path)

    def is_missing(self) -> bool:
        """Return whether nothing has its name, or a file has."""
        return not os.path.isdir(self.locate(""))

    def ignores_case(self) -> bool:
        """Look whether the deepest folder that is there goes by its name in the other case, too."""
        return disk.ignores_case(self.root)

    def is_within(self, other: Store) -> bool:
        """Return whether the folder is the other or below it, wherever links lead."""
        if not isinstance(other, Folder):
            return False
        # Path.resolve raises on a loop of links before Python 3.13; realpath never does.
        inner, outer = (Path(os.path.realpath(folder.root)) for folder in (self, other))
        return inner.is_relative_to(outer)

    def free(self) -> int | None:
        """Return the bytes that are free on the disk."""
        return disk.free(self.root)

    @contextmanager
    def hold(
        self, folder: str, say: Callable[[str], None], *, is_brief: bool = False
    ) -> Iterator[Held]:
        """Lock a file, which the system lets go of when this process ends, however it ends."""
        if self._is_linked(f"{folder}/lock"):
            raise DatasetError(f"{self._name(folder)}: is a link; remove it")
        os.makedirs(self.locate(folder), exist_ok=True)
        path = self.locate(f"{folder}/lock")
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(path, flags, 0o666), "r+b", buffering=0) as file:
            owner = lock_or_tell(file)
            if owner is not None:
                raise busy_with(self.url, owner)
            file.truncate(0)
            file.write(this_process().to_json(brief=is_brief))
            yield from self._staged(folder)
            with suppress(OSError):
                file.truncate(0)

    def holder(self, folder: str) -> str:
        """Return who has locked the file, by trying to lock it."""
        try:
            with self._open(f"{folder}/lock") as file:
                return "" if lock(file) else str(owner_of(file.read()) or "another run")
        except OSError:
            return ""

    def _staged(self, folder: str) -> Iterator[Held]:
        scratch = f"{folder}/tmp/{os.getpid()}-{time.time_ns()}"
        parent = self.locate(f"{folder}/tmp")
        if os.path.islink(parent):
            raise DatasetError(f"{self._name(folder)}/tmp: is a link; remove it")
        shutil.rmtree(parent, ignore_errors=True)
        with self._written(folder):
            os.makedirs(self.locate(scratch))
        try:
            yield Held(replace(self, scratch=scratch), lambda: None, lambda: None)
        finally:
            shutil.rmtree(parent, ignore_errors=True)

    def _is_linked(self, path: str) -> bool:
        ends = (place for place, character in enumerate(path) if character == "/")
        return any(os.path.islink(self.locate(path[:end])) for end in ends)

    def _name(self, path: str) -> str:
        return os.path.join(self.root, path)

    @contextmanager
    def _written(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what = error.strerror or error
            advice = "move it away" if isinstance(error, IsADirectoryError) else "fix that"
            raise DatasetError(f"{self._name(path)}: {what}; {advice}, then run again") from error


def _read(number: int, size: int) -> bytes:
    """Return a file's bytes, in one call where it has the size that it should have."""
    data = os.read(number, size + 1)
    if len(data) == size:
        return data
    return b"".join([data, *iter(partial(os.read, number, 1 << 20), b"")])


def _write(number: int, data: bytes | bytearray | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]
