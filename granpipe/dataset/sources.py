"""Find the photographs of a store, and read one."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from granpipe.dataset.names import OWN
from granpipe.dataset.sidecars import ENDINGS
from granpipe.errors import DatasetError, LayoutError, PhotoError, UnseenError
from granpipe.photo.kinds import (
    HEAD,
    HEAD_OF_TIFF,
    begins_like_photo,
    ending_of,
    is_never_photo,
    is_photo,
    is_seldom_photo,
)
from granpipe.photo.memory import too_much
from granpipe.photo.tiff import PREFIXES
from granpipe.stores.protocol import IS_FILE, Entry, Store

_AT_ONCE = 1_000  # files whose first bytes are read together


class Search:
    """Every photograph of a store, as it is listed, in no order; to be iterated over once.

    A file is a photograph by its ending (`granpipe.photo.kinds`), or else by its first bytes. Raw
    photographs and films are none by their ending, and in a bucket, where a look costs a request,
    neither are texts and the like. Names that begin with a dot, or are below one, and other files
    are ignored and counted, but for granpipe's own. A folder below the first level that is named
    like a photograph is listed as one that cannot be read, and searched too.

    Parameters
    ----------
    store : Store
        Where to look.
    is_known : callable, optional
        Returns of a file whether it was a photograph before, so that its bytes need not be read.
    take_beside : callable
        Called with the path of each file that may be a photograph's sidecar.
    has_classes : bool
        The photographs should be in folders of their classes.

    Attributes
    ----------
    unlisted : list of tuple
        The folders that could not be listed, each with the cause: nobody knows what is in them.
        Sorted, and complete, when the iteration is.
    ignored : Counter
        Files that are no photographs, by their ending, `hidden` and an empty text among them;
        complete when the iteration is.

    Raises
    ------
    DatasetError
        The store itself cannot be listed, or holds nothing that looks like a photograph.
    """

    def __init__(
        self,
        store: Store,
        is_known: Callable[[Entry], bool] = lambda _: False,
        *,
        take_beside: Callable[[str], None] = lambda _: None,
        has_classes: bool = True,
    ) -> None:
        self.store = store
        self.is_known = is_known
        self.take_beside = take_beside
        self.has_classes = has_classes
        self.unlisted: list[tuple[str, str]] = []
        self.ignored: Counter[str] = Counter()
        self._markers: list[str] = []
        self._folders: set[str] = set()

    def __iter__(self) -> Iterator[Entry]:
        doubtful: list[Entry] = []
        for entry in self.store.list():
            if self._is_photo(entry, doubtful):
                yield self._found(entry)
            if len(doubtful) == _AT_ONCE:
                yield from self._photos_among(doubtful)
                doubtful.clear()
        yield from self._photos_among(doubtful)
        yield from _misnamed_folders(self._folders)
        self.unlisted.sort()
        self._forget_markers()
        if not self._folders and not self.unlisted:
            if self.store.is_missing():
                raise LayoutError(f"{self.store.url}: no such folder; name the photographs' folder")
            count = self.ignored.total()
            files = "file" if count == 1 else "files"
            endings = named_endings(self.ignored, 3)
            others = f" among its {count:,} {files} ({endings})" if count else ""
            layout = "put them into <class>/<photograph>.jpg"
            what = layout if self.has_classes else "name a folder that has some"
            raise DatasetError(f"{self.store.url}: has no photographs{others}; {what}")

    def _is_photo(self, entry: Entry, doubtful: list[Entry]) -> bool:
        """Return whether a file is a photograph; one that is to be looked at is doubtful."""
        if entry.is_folder:
            if not entry.path:
                raise _unlisted(self.store.url, entry.problem)
            self.unlisted.append((entry.path, entry.problem))
            return False
        if entry.path.startswith(f"{OWN}/"):
            return False  # what the intake notes
        ending = ending_of(entry.path)
        if is_hidden(entry.path):
            self.ignored["hidden"] += 1
        elif is_photo(entry.path):
            return True
        elif is_passed_over(self.store, entry.path):
            if ending in ENDINGS:
                self.take_beside(entry.path)
            self.ignored[ending] += 1
        elif entry.size and self.is_known(entry):
            return True
        elif entry.size and not entry.problem:
            if ending in ENDINGS:
                self.take_beside(entry.path)
            doubtful.append(entry)
        else:
            self.ignored[ending] += 1
            self._markers.append(entry.path)
        return False

    def _found(self, photo: Entry) -> Entry:
        self._folders.add(photo.path.rpartition("/")[0])
        return photo

    def _photos_among(self, files: Sequence[Entry]) -> Iterator[Entry]:
        """Yield those files whose first bytes are a photograph's, or cannot be read."""
        if not files:
            return
        with ThreadPoolExecutor(max(1, self.store.ahead)) as threads:
            heads = (threads.map if self.store.ahead else map)(self._head, files)
            for file, head in zip(files, heads, strict=True):
                if isinstance(head, str) and not is_seldom_photo(file.path):
                    yield self._found(Entry(file.path, file.size, file.version, head))
                elif isinstance(head, bytes) and begins_like_photo(head):
                    yield self._found(file)
                else:
                    self.ignored[ending_of(file.path)] += 1

    def _head(self, file: Entry) -> bytes | str:
        """Return a file's first bytes, or why they cannot be read."""
        try:
            head = self.store.head(file.path, HEAD)
            is_tiff = head.startswith(PREFIXES)
            return self.store.head(file.path, HEAD_OF_TIFF) if is_tiff else head
        except FileNotFoundError:
            return b""
        except OSError as error:
            return error.strerror or str(error)

    def _forget_markers(self) -> None:
        """Let go of the empty objects that consoles write into a bucket for a folder's sake."""
        folders = self._folders | {
            "/".join(folder.split("/")[:depth]) for folder in self._folders for depth in range(1, 9)
        }
        self.ignored -= Counter(ending_of(marker) for marker in self._markers if marker in folders)


def named_endings(files: Counter[str], most: int) -> str:
    """Return how many files have each ending, the most frequent first.

    >>> named_endings(Counter({".txt": 2000, "": 1, ".md": 3, ".py": 3}), 2)
    '.txt 2,000, .md 3, others 4'
    """
    in_order = sorted(files.items(), key=lambda pair: (-pair[1], pair[0]))
    parts = [f"{ending or 'no ending'} {count:,}" for ending, count in in_order[:most]]
    if rest := sum(count for _, count in in_order[most:]):
        parts.append(f"others {rest:,}")
    return ", ".join(parts)


def _unlisted(url: str, problem: str) -> DatasetError:
    """Return the error of a SOURCE that cannot be listed."""
    if problem == IS_FILE:
        return LayoutError(f"{url}: {problem}; name the photographs' folder")
    return DatasetError(f"{url}: {problem}; make it readable, or name another folder")


def is_passed_over(store: Store, path: str) -> bool:
    """Return whether a file's name says enough for it to be ignored unseen."""
    return is_never_photo(path) or (bool(store.ahead) and is_seldom_photo(path))


def is_hidden(path: str) -> bool:
    """Return whether prepare passes over a path, since it or a folder begins with a dot."""
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


def read_photo(
    store: Store, photo: Entry, max_pixels: int, max_memory: int | None = None
) -> tuple[bytes, str]:
    """Return a photograph's bytes and their version.

    Raises
    ------
    PhotoError
        `unreadable` where the store does not give it; `too_large`, unread, above 8 bytes for each
        of `max_pixels`, more than any picture of that size holds, or where the file alone takes
        more than the bytes that decoding may take.
    """
    if not photo.problem and photo.size > 8 * max_pixels + 1_000_000:
        raise PhotoError("too_large", f"the file has {photo.size:,} bytes")
    if max_memory is not None and photo.size > max_memory:
        raise too_much(photo.size, max_memory, "decode")
    with _reading(photo):
        return store.read(photo.path)


def read_head(store: Store, photo: Entry, size: int) -> bytes:
    """Return a photograph's first bytes, at most so many; raise as `read_photo` does."""
    with _reading(photo):
        return store.head(photo.path, size)


@contextmanager
def _reading(photo: Entry) -> Generator[None, None, None]:
    """Turn what is wrong with a photograph's file, or reading it, into a PhotoError."""
    if photo.problem:
        raise PhotoError("unreadable", photo.problem)
    if not photo.size:
        raise PhotoError("unreadable", "the file is empty")
    try:
        yield
    except FileNotFoundError as error:
        raise PhotoError("unreadable", "is gone") from error
    except OSError as error:
        raise UnseenError("unreadable", error.strerror or str(error)) from error
    except MemoryError as error:
        raise PhotoError("too_large", "not enough memory to read it") from error
