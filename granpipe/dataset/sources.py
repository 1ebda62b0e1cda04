"""Find the photographs of a store, and read one."""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field

from granpipe.dataset.names import OWN
from granpipe.errors import DatasetError, PhotoError, UnseenError
from granpipe.photo.opening import is_photo
from granpipe.stores.protocol import Entry, Store


@dataclass(slots=True)
class Found:
    """What a search found: photographs by sorted source, and what is no photograph.

    Attributes
    ----------
    photos : list of Entry
        The photographs; those with a `problem` cannot be read.
    unlisted : list of tuple
        The folders that could not be listed, each with the cause: nobody knows what is in them.
    ignored : int
        Files that are no photographs.
    """

    photos: list[Entry] = field(default_factory=list)
    unlisted: list[tuple[str, str]] = field(default_factory=list)
    ignored: int = 0

    def hides(self, source: str) -> bool:
        """Tell whether a photograph of this path may stand in a folder that was not listed."""
        return any(source.startswith(f"{folder}/") for folder, _ in self.unlisted)


class Photos(MutableMapping[str, Entry]):
    """Entries by path in a third of their memory, each made anew when it is asked for.

    >>> photos = Photos()
    >>> photos["corn/a.jpg"] = Entry("corn/a.jpg", 123, "4f-2")
    >>> photos["corn/a.jpg"].size, photos.version("corn/a.jpg")
    (123, '4f-2')
    """

    def __init__(self) -> None:
        self._told: dict[str, str | Entry] = {}

    def __getitem__(self, path: str) -> Entry:
        told = self._told[path]
        if isinstance(told, Entry):
            return told
        size, _, version = told.partition(" ")
        return Entry(path, int(size), version)

    def version(self, path: str) -> str:
        """Return the version of an entry, without making it."""
        told = self._told[path]
        return told.version if isinstance(told, Entry) else told.partition(" ")[2]

    def __setitem__(self, path: str, entry: Entry) -> None:
        has_more = entry.problem or entry.is_folder
        self._told[path] = entry if has_more else f"{entry.size} {entry.version}"

    def __delitem__(self, path: str) -> None:
        del self._told[path]

    def __contains__(self, path: object) -> bool:
        return path in self._told

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)


def find_photos(store: Store) -> Found:
    """Find every photograph of a store.

    Names that begin with a dot, or stand below one, and names without an ending of a photograph
    are ignored and counted, but for granpipe's own. A folder below the first level that is named
    like a photograph is listed as one that cannot be read, and searched too.

    Parameters
    ----------
    store : Store
        Where to look.

    Returns
    -------
    Found
        Photographs in the order of their sources.

    Raises
    ------
    DatasetError
        The store itself cannot be listed, or holds nothing that looks like a photograph.
    """
    found = Found()
    markers = []
    for entry in store.list():
        if entry.is_folder:
            if not entry.path:
                raise DatasetError(f"{store.url}: {entry.problem}; name a folder of photographs")
            found.unlisted.append((entry.path, entry.problem))
        elif entry.path.startswith(f"{OWN}/"):
            continue  # what the intake notes
        elif is_hidden(entry.path) or not is_photo(entry.path):
            found.ignored += 1
            markers += [entry.path] if not entry.size else []
        else:
            found.photos.append(entry)
    found.photos += _misnamed_folders(found.photos)
    found.photos.sort(key=lambda photo: photo.path)
    found.unlisted.sort()
    found.ignored -= _count_folders(markers, found.photos) if markers else 0
    if not found.photos and not found.unlisted:
        raise DatasetError(
            f"{store.url}: no such folder, or no photographs in it; name a folder that has some as "
            "<class>/<photograph>.jpg"
        )
    return found


def is_hidden(path: str) -> bool:
    """Tell whether prepare passes over a path, since it or a folder begins with a dot."""
    if not path.startswith(".") and "/." not in path:
        return False
    # A bucket may hold keys with the parts . and .., which hide nothing.
    return any(part.startswith(".") and part not in {".", ".."} for part in path.split("/"))


def _misnamed_folders(photos: list[Entry]) -> list[Entry]:
    misnamed = set()
    for folder in {photo.path.rpartition("/")[0] for photo in photos}:
        first, *parts = folder.split("/")
        for depth, part in enumerate(parts, start=1):
            if is_photo(part):
                misnamed.add("/".join([first, *parts[:depth]]))
    return [Entry(path, 0, "", "is a folder, though named like a photograph") for path in misnamed]


def _count_folders(markers: list[str], photos: list[Entry]) -> int:
    """Count the empty objects that consoles write into a bucket for a folder's sake."""
    folders = {photo.path.rpartition("/")[0] for photo in photos}
    folders |= {"/".join(folder.split("/")[:depth]) for folder in folders for depth in range(1, 9)}
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
