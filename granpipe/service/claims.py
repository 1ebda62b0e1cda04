"""Where the bytes of a photograph belong: notes, uploads that are under way, marks of deleted ones.

A note `.granpipe/received/xx/<sha256>` has the one path of a photograph; the first one counts. It
is written before the bytes, so that bytes never come to a path that is not theirs. Meanwhile an
empty file `.granpipe/arriving/<sha256>/<label>/<id>.<ext>` says that they are on their way: where
one is left, an upload was killed, and the next one of the same bytes goes on from there.

A note is emptied and never deleted, and has another text each time: whoever replaces it must see
that it is still as it was. By a mark `.granpipe/deleted/xx/<sha256>/<label>` a phone that sends a
photograph once more, under the label that it had when it was deleted, is refused.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from granpipe.dataset.names import OWN, label_of
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

_MARKS = f"{OWN}/deleted"
_ARRIVING = f"{OWN}/arriving"
_ARRIVAL = re.compile(_ARRIVING.replace(".", r"\.") + r"/([0-9a-f]{64})/([^/]+)/\w+(\.[a-z]+)")
_NO_FILE = FileNotFoundError, NotADirectoryError
_SOURCE = re.compile(r"[^/]+/([0-9a-f]{64})\.[a-z]+")


@dataclass(frozen=True, slots=True)
class Note:
    """Where a photograph's bytes belong.

    Attributes
    ----------
    source : str
        The path; empty where they belong nowhere.
    version : str
        The note's, in the store.
    """

    source: str
    version: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """An upload that is under way, or was killed.

    Attributes
    ----------
    sha256, source : str
        Of the photograph; where its bytes go.
    path : str
        Of the file that says so.
    size : int
        Its bytes; none but where `discard` was killed.
    """

    sha256: str
    source: str
    path: str
    size: int = 0


class Claims:
    """The notes, arrivals and marks of a store of photographs. All raise DatasetError."""

    def __init__(self, photos: Store) -> None:
        self.photos = photos

    def look(self, sha256: str) -> Note | None:
        """Return the note of a photograph; None where there never was one."""
        path = _note(sha256)
        try:
            data, version = self.photos.read(path)
            if not version:  # of a disk's young file, which may change between two looks
                version = self.photos.version(path)
                data, _ = self.photos.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._down(error) from error
        source = data.decode("utf-8", "replace").partition("\n")[0]
        return Note(source if is_source(source, sha256) else "", version)

    def take(self, sha256: str, source: str, note: Note | None) -> bool:
        """Note a path in place of the note that was seen; False where that has changed."""
        text = f"{source}\n{uuid4().hex}".encode()
        if note is None:
            return self.photos.create(_note(sha256), text) is not None
        return self.photos.replace(_note(sha256), text, note.version) is not None

    def free(self, sha256: str, note: Note) -> None:
        """Empty a note, unless it has changed."""
        self.photos.replace(_note(sha256), b"", note.version)

    @contextmanager
    def arriving(self, sha256: str, source: str) -> Iterator[Arrival]:
        """Say that bytes are on their way; where that fails, they may still come."""
        suffix = source.rpartition(".")[2]
        path = f"{_ARRIVING}/{sha256}/{label_of(source)}/{uuid4().hex}.{suffix}"
        self.photos.write(path, b"")
        yield Arrival(sha256, source, path)
        self.photos.delete(path)

    def arrivals(self, sha256: str = "", label: str = "") -> Iterator[Arrival]:
        """Yield what is on its way: everything, of a photograph, or of one under a label."""
        for entry in self.photos.list("/".join(filter(None, (_ARRIVING, sha256, label)))):
            if found := _ARRIVAL.fullmatch(entry.path):
                source = f"{found[2]}/{found[1]}{found[3]}"
                yield Arrival(found[1], source, entry.path, entry.size)

    def mark(self, sha256: str, label: str) -> None:
        """Note that a photograph is deleted that had this label."""
        self.photos.create(_mark(sha256, label), b"")

    def unmark(self, sha256: str, label: str) -> None:
        """Let a photograph be posted again under this label."""
        self.photos.delete(_mark(sha256, label))

    def is_marked(self, sha256: str, source: str) -> bool:
        """Return whether a photograph was deleted that had the label of this path."""
        return self.is_there(_mark(sha256, label_of(source)))

    def marked(self) -> Iterator[tuple[str, str]]:
        """Yield the SHA-256 and the label of every photograph that was deleted."""
        for entry in self.photos.list(_MARKS):
            if not entry.is_folder:
                _, sha256, label = entry.path.rsplit("/", 2)
                yield sha256, label

    def is_there(self, path: str) -> bool:
        """Return whether a file is in the store."""
        try:
            self.photos.version(path)
        except _NO_FILE:
            return False
        except OSError as error:
            raise self._down(error) from error
        return True

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; None where there is no such file."""
        try:
            return self.photos.read(path)[0]
        except _NO_FILE:
            return None
        except OSError as error:
            raise self._down(error) from error

    def _down(self, error: OSError) -> DatasetError:
        return DatasetError(f"{self.photos.url}: {error.strerror or error}")

    def delete(self, source: str) -> None:
        """Delete a photograph, and the position beside it."""
        self.photos.delete(source)
        self.photos.delete(f"{source}.xmp")

    def discard(self, arrival: Arrival) -> None:
        """Delete what came after a photograph had been deleted, and empty its note.

        Somebody may post it again this moment, and find it there; so the arrival has its bytes
        meanwhile.
        """
        sha256, source = arrival.sha256, arrival.source
        note, data = self.look(sha256), self.read(source)
        if data is None or not self.is_marked(sha256, source):
            return
        self.photos.write(arrival.path, data)
        if note and note.source == source:
            self.free(sha256, note)
        self.delete(source)
        self.restore(arrival)

    def restore(self, arrival: Arrival) -> None:
        """Write the bytes that an arrival has where they belong, if they belong there again."""
        note, source = self.look(arrival.sha256), arrival.source
        is_wanted = note and note.source == source and not self.is_marked(arrival.sha256, source)
        if is_wanted and (data := self.read(arrival.path)):
            self.photos.create(source, data)
        self.photos.write(arrival.path, b"")


def is_source(path: str, sha256: str) -> bool:
    """Return whether a path is one that photographs of this SHA-256 are kept under.

    >>> is_source("corn/" + 64 * "a" + ".jpg", 64 * "a"), is_source("corn/a", 64 * "a")
    (True, False)
    """
    found = _SOURCE.fullmatch(path)
    return found is not None and found[1] == sha256


def _note(sha256: str) -> str:
    return f"{OWN}/received/{sha256[:2]}/{sha256}"


def _mark(sha256: str, label: str) -> str:
    return f"{_MARKS}/{sha256[:2]}/{sha256}/{label}"
