"""Find the photographs of a store, and read one."""

from collections.abc import Iterator
from dataclasses import dataclass

from granpipe.dataset.names import OWN
from granpipe.errors import DatasetError, PhotoError, UnseenError
from granpipe.photo.opening import is_photo
from granpipe.stores.protocol import Entry, Store


class Search:
    """Every photograph of a store, as it is listed, in no order; to be iterated over once.

    Names that begin with a dot, or stand below one, and names without an ending of a photograph
    are ignored and counted, but for granpipe's own. A folder below the first level that is named
    like a photograph is listed as one that cannot be read, and searched too.

    Parameters
    ----------
    store : Store
        Where to look.

    Attributes
    ----------
    unlisted : list of tuple
        The folders that could not be listed, each with the cause: nobody knows what is in them.
        Sorted, and complete, when the iteration is.
    ignored : int
        Files that are no photographs; complete when the iteration is.

    Raises
    ------
    DatasetError
        The store itself cannot be listed, or holds nothing that looks like a photograph.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.unlisted: list[tuple[str, str]] = []
        self.ignored = 0
        self._markers: list[str] = []
        self._folders: set[str] = set()

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.store.list():
            if self._is_photo(entry):
                self._folders.add(entry.path.rpartition("/")[0])
                yield entry
        yield from _misnamed_folders(self._folders)
        self.unlisted.sort()
        self.ignored -= _count_folders(self._markers, self._folders) if self._markers else 0
        if not self._folders and not self.unlisted:
            raise DatasetError(
                f"{self.store.url}: no such folder, or no photographs in it; name a folder that "
                "has some as <class>/<photograph>.jpg"
            )

    def _is_photo(self, entry: Entry) -> bool:
        if entry.is_folder:
            if not entry.path:
                raise DatasetError(
                    f"{self.store.url}: {entry.problem}; name a folder of photographs"
                )
            self.unlisted.append((entry.path, entry.problem))
            return False
        if entry.path.startswith(f"{OWN}/"):
            return False  # what the intake notes
        if is_hidden(entry.path) or not is_photo(entry.path):
            self.ignored += 1
            self._markers += [entry.path] if not entry.size else []
            return False
        return True


def is_hidden(path: str) -> bool:
    """Tell whether prepare passes over a path, since it or a folder begins with a dot."""
    if not path.startswith(".") and "/." not in path:
        return False
    # A bucket may hold keys with the parts . and .., which hide nothing.
    return any(part.startswith(".") and part not in {".", ".."} for part in path.split("/"))


def _misnamed_folders(folders: set[str]) -> list[Entry]:
    misnamed = set()
    for folder in folders:
        first, *parts = folder.split("/")
        for depth, part in enumerate(parts, start=1):
            if is_photo(part):
                misnamed.add("/".join([first, *parts[:depth]]))
    return [Entry(path, 0, "", "is a folder, though named like a photograph") for path in misnamed]


def _count_folders(markers: list[str], found: set[str]) -> int:
    """Count the empty objects that consoles write into a bucket for a folder's sake."""
    folders = found | {
        "/".join(folder.split("/")[:depth]) for folder in found for depth in range(1, 9)
    }
    return sum(marker in folders for marker in markers)


def read_photo(store: Store, photo: Entry, max_pixels: int) -> tuple[bytes, str]:
    """Return a photograph's bytes and their version.

    Raises
    ------
    PhotoError
        `unreadable` where the store does not give it; `too_large`, unread, above 8 bytes for each
        of `max_pixels`, more than any picture of that size holds.
    """
    if photo.problem:
        raise PhotoError("unreadable", photo.problem)
    if photo.size > 8 * max_pixels + 1_000_000:
        raise PhotoError("too_large", f"the file has {photo.size:,} bytes")
    if not photo.size:
        raise PhotoError("unreadable", "the file is empty")
    try:
        return store.read(photo.path)
    except FileNotFoundError as error:
        raise PhotoError("unreadable", "is gone") from error
    except OSError as error:
        raise UnseenError("unreadable", error.strerror or str(error)) from error
    except MemoryError as error:
        raise PhotoError("too_large", "not enough memory to read it") from error


def read_head(store: Store, photo: Entry, size: int) -> bytes:
    """Return a photograph's first bytes, at most so many.

    Raises
    ------
    PhotoError
        `unreadable` where the store does not give it.
    """
    smaller = Entry(photo.path, min(photo.size, size), photo.version, photo.problem)
    return read_photo(_Heads(store, size), smaller, size)[0]  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Heads:
    """A store whose files seem to end early."""

    store: Store
    size: int

    def read(self, path: str) -> tuple[bytes, str]:
        return self.store.head(path, self.size), ""
