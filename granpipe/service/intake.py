"""Intake: the bytes of a photograph go into the store, and an event announces them."""

import hashlib
import re
import time
from dataclasses import dataclass

from granpipe.dataset.names import OWN, array_path, check_name, is_array_path
from granpipe.errors import DatasetError, GranpipeError, PhotoError
from granpipe.photo.exif import read_capture
from granpipe.photo.opening import MAX_PIXELS, open_photo
from granpipe.service.events import Event, Events
from granpipe.service.gate import Gate
from granpipe.service.marks import is_marked
from granpipe.stores.protocol import Store

UNLABELLED = "unlabelled"
LARGEST = 40_000_000
"""Bytes of the largest photograph that is taken."""

_SUFFIXES = {
    **{"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"},
    **{"BMP": ".bmp", "AVIF": ".avif", "HEIF": ".heic"},
}
_LONGEST_LABEL = 100
_SOURCE = re.compile(r"[^/]+/([0-9a-f]{64})\.[a-z]+")


class RefusedError(GranpipeError):
    """An upload is not taken.

    Parameters
    ----------
    status : int
        The HTTP status that says so.
    message : str
        Why, in a line.
    reason : str
        Why, in a word for the log.
    """

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Received:
    """A photograph that was taken in.

    Attributes
    ----------
    kind : str
        How Pillow calls its kind of picture.
    sha256, source : str
        Of its bytes; its path among the photographs.
    """

    kind: str
    sha256: str
    source: str


class Intake:
    """Takes photographs in.

    Parameters
    ----------
    photos : Store
        Where they are kept, as <label>/<sha256>.<ext>; no name of a stranger is part of a path.
    events : Events
        Where its event goes.
    """

    def __init__(self, photos: Store, events: Events) -> None:
        self.photos = photos
        self.events = events
        self.gates = (
            Gate("store", lambda: next(photos.list(f"{OWN}/none", deep=False), None)),
            Gate("events", events.check),
        )

    def receive(self, data: bytes, label: str, place: bytes = b"") -> Received:
        """Keep a photograph and publish an event.

        Parameters
        ----------
        data : bytes
            The photograph.
        label : str
            Its class.
        place : bytes
            XMP with a position, which is kept beside it where it has none itself.

        Raises
        ------
        RefusedError
            It is no picture, its label cannot be one, or its bytes have another label already.
        DatasetError, DownError
            The store, or the queue, does not answer.
        """
        check_label(label)
        kind, suffix = kind_of(data)
        sha256 = hashlib.sha256(data).hexdigest()
        source = f"{label}/{sha256}{suffix}"
        if why := self.photos.refusal(source):
            raise RefusedError(422, f"label: {why}", "label")
        store, events = self.gates
        with store.passed():
            self._check_mark(sha256, label)
            self._keep(sha256, source, data)
            if place and not has_position(data):
                self.photos.create(f"{source}.xmp", place)
            try:
                self._check_mark(sha256, label)
            except RefusedError:  # it was deleted just now
                self.delete(source)
                raise
        with events.passed():
            self.events.publish(Event(sha256, source, len(data), at=time.time()))
        return Received(kind, sha256, source)

    def _keep(self, sha256: str, source: str, data: bytes) -> None:
        """Write the bytes, and then note where they are; the first note counts.

        Raises
        ------
        RefusedError
            They are there already, under another label.
        """
        self._check_claim(sha256, source)
        is_new = self._write(source, data)
        if self.photos.create(_note(sha256), source.encode()) is not None:
            return
        try:
            self._check_claim(sha256, source)
        except RefusedError:  # somebody was faster
            if is_new:
                self.photos.delete(source)
            raise
        self.photos.create(_note(sha256), source.encode())  # in place of one that led to nothing

    def _check_mark(self, sha256: str, label: str) -> None:
        """Raise RefusedError where this photograph was deleted, and had this label."""
        if is_marked(self.photos, sha256, label):
            what = "this photograph was deleted; only under another label is it taken again"
            raise RefusedError(410, what, "deleted")

    def _check_claim(self, sha256: str, source: str) -> None:
        """Raise RefusedError where these bytes are kept, whole, under another label.

        A note that leads to nothing counts for nothing, and is removed with what it leads to.
        """
        noted = self._noted(sha256)
        if noted in {None, source}:
            return
        is_path = is_source(noted, sha256)
        if is_path and hashlib.sha256(self._read(noted) or b"").hexdigest() == sha256:
            label = noted.rpartition("/")[0]
            what = f"the same photograph is there already, as {label}"
            raise RefusedError(409, what, "label_conflict")
        if is_path:
            self.photos.delete(noted)
        self.photos.delete(_note(sha256))

    def _write(self, source: str, data: bytes) -> bool:
        """Write the bytes unless they are there, whole; return whether they were not."""
        if self.photos.create(source, data) is not None:
            return True
        if self._read(source) == data:
            return False
        with self.photos.writer(source) as file:  # over what a disk without power has left
            file.write(data)
        return True

    def noted(self, sha256: str) -> str:
        """Return where a photograph was received, whether it is there or not."""
        source = self._noted(sha256) or ""
        return source if is_source(source, sha256) else ""

    def delete(self, source: str) -> None:
        """Delete a photograph, and the position beside it."""
        self.photos.delete(source)
        self.photos.delete(f"{source}.xmp")

    def forget(self, sha256: str) -> None:
        """Delete the note of a photograph."""
        self.photos.delete(_note(sha256))

    def find(self, sha256: str) -> str:
        """Return the path of a photograph that was received; empty where there is none.

        Raises
        ------
        DatasetError, DownError
            The store does not answer.
        """
        with self.gates[0].passed():
            noted = self.noted(sha256)
            try:
                return noted if noted and self.photos.version(noted) else ""
            except FileNotFoundError:
                return ""
            except OSError as error:
                raise self._down(error) from error

    def _noted(self, sha256: str) -> str | None:
        """Return where a photograph is kept, by its note; None where there is no note."""
        note = self._read(_note(sha256))
        return None if note is None else note.decode("utf-8", "replace")

    def _read(self, path: str) -> bytes | None:
        """Return a file's bytes; None where there is no such file."""
        try:
            return self.photos.read(path)[0]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._down(error) from error

    def _down(self, error: OSError) -> DatasetError:
        return DatasetError(f"{self.photos.url}: {error.strerror or error}")


def is_source(path: str, sha256: str) -> bool:
    """Return whether a path is one that photographs of this SHA-256 are kept under.

    >>> is_source("corn/" + 64 * "a" + ".jpg", 64 * "a"), is_source("corn/a", 64 * "a")
    (True, False)
    """
    found = _SOURCE.fullmatch(path)
    return found is not None and found[1] == sha256


def _note(sha256: str) -> str:
    return f"{OWN}/received/{sha256[:2]}/{sha256}"


def check_label(label: str) -> None:
    """Raise RefusedError where prepare takes no class of this name.

    >>> check_label("corn")
    >>> check_label("../corn")
    Traceback (most recent call last):
        ...
    granpipe.service.intake.RefusedError: label: may hold no / and not begin with a dot
    """
    source = f"{label}/{'0' * 64}.jpg"
    if not label or "/" in label or label.startswith("."):
        raise RefusedError(422, "label: may hold no / and not begin with a dot")
    if "\N{REPLACEMENT CHARACTER}" in label:
        raise RefusedError(422, "label: write it in UTF-8")
    if len(label) > _LONGEST_LABEL or not label.isprintable() or label != label.strip():
        raise RefusedError(422, "label: at most 100 printable characters, no blanks around them")
    try:
        check_name(source)
    except PhotoError as error:
        raise RefusedError(422, f"label: {error.detail}") from error
    if not is_array_path(array_path(source)):
        raise RefusedError(422, "label: cannot be a folder's name")


def has_position(data: bytes) -> bool:
    """Return whether a photograph that was opened says where it was taken."""
    return read_capture(open_photo(data, MAX_PIXELS), data).position is not None


def kind_of(data: bytes) -> tuple[str, str]:
    """Return how Pillow calls a kind of picture, and the ending of its files' names.

    Raises
    ------
    RefusedError
        It is no picture that prepare would take.
    """
    try:
        image = open_photo(data, MAX_PIXELS)
    except PhotoError as error:
        raise RefusedError(415, str(error), error.reason) from error
    suffix = _SUFFIXES.get(image.format or "")
    if not suffix:
        raise RefusedError(
            415, f"unsupported: {image.format} is no format of photographs", "unsupported"
        )
    kinds = (kind for kind in type(image).__mro__ if not kind.__module__.startswith("granpipe."))
    return str(next(kinds)), suffix
