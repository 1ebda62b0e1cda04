"""Intake: the bytes of a photograph go into the store, and an event tells of them."""

import hashlib
import threading
from dataclasses import dataclass

from granpipe.dataset.names import OWN, array_path, check_name, is_array_path
from granpipe.errors import DatasetError, GranpipeError, PhotoError
from granpipe.photo.opening import MAX_PIXELS, open_photo
from granpipe.service.events import Event, Events
from granpipe.stores.protocol import Store

UNLABELLED = "unlabelled"
LARGEST = 40_000_000
"""Bytes of the largest photograph that is taken."""

_SUFFIXES = {
    **{"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"},
    **{"BMP": ".bmp", "AVIF": ".avif", "HEIF": ".heic"},
}
_LONGEST_LABEL = 100
# Opening a header sets Pillow's own limit, which threads share, for a moment.
_OPENING = threading.Lock()


class RefusedError(GranpipeError):
    """An upload is not taken.

    Parameters
    ----------
    status : int
        The HTTP status that says so.
    message : str
        Why, in a line.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes photographs in.

    Attributes
    ----------
    photos : Store
        Where they are kept, as <label>/<sha256>.<ext>; no name of a stranger is part of a path.
    events : Events
        Who is told.
    """

    photos: Store
    events: Events

    def receive(self, data: bytes, label: str) -> str:
        """Keep a photograph, tell of it, and return how Pillow calls its kind of picture.

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
            raise RefusedError(422, f"label: {why}")
        self._claim(sha256, source)
        self.photos.create(source, data)
        self.events.publish(Event(sha256, source, len(data)))
        return kind

    def _claim(self, sha256: str, source: str) -> None:
        """Note where these bytes stand; the first note counts."""
        if self.photos.create(_note(sha256), source.encode()) is not None:
            return
        there = self.find(sha256)
        if there != source:
            label = there.rpartition("/")[0]
            raise RefusedError(409, f"the same photograph is there already, as {label}")

    def find(self, sha256: str) -> str:
        """Return the path of a photograph that was received; empty where there is none.

        Raises
        ------
        DatasetError
            The store does not answer.
        """
        try:
            return self.photos.read(_note(sha256))[0].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise DatasetError(f"{self.photos.url}: {error.strerror or error}") from error


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


def kind_of(data: bytes) -> tuple[str, str]:
    """Return how Pillow calls a kind of picture, and the ending of its files' names.

    Raises
    ------
    RefusedError
        It is no picture that prepare would take.
    """
    try:
        with _OPENING:
            image = open_photo(data, MAX_PIXELS)
    except PhotoError as error:
        raise RefusedError(415, str(error)) from error
    suffix = _SUFFIXES.get(image.format or "")
    if not suffix:
        raise RefusedError(415, f"unsupported: {image.format} is no format of photographs")
    kinds = (kind for kind in type(image).__mro__ if not kind.__module__.startswith("granpipe."))
    return str(next(kinds)), suffix
