"""Intake: the bytes of a photograph go into the store, and an event announces them."""

import hashlib
import time
from dataclasses import dataclass

from granpipe.dataset.names import OWN, array_path, check_name, is_array_path, label_of
from granpipe.errors import DatasetError, GranpipeError, PhotoError
from granpipe.photo.exif import read_capture
from granpipe.photo.opening import MAX_PIXELS, open_photo
from granpipe.service.claims import Claims, Note
from granpipe.service.events import Event, Events
from granpipe.service.gate import Gate
from granpipe.stores.protocol import Store

UNLABELLED = "unlabelled"
LARGEST = 40_000_000
"""Bytes of the largest photograph that is taken."""

_SUFFIXES = {
    **{"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif"},
    **{"BMP": ".bmp", "AVIF": ".avif", "HEIF": ".heic"},
}
_LONGEST_LABEL = 100
_MOST_ROUNDS = 20
_PAUSE = 0.01  # seconds, and longer each round


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
        self.claims = Claims(photos)
        self.gates = (
            Gate("store", lambda: next(photos.list(f"{OWN}/none", deep=False), None)),
            Gate("events", events.check),
        )

    def receive(
        self, data: bytes, label: str, place: bytes = b"", *, again: bool = False
    ) -> Received:
        """Keep a photograph and publish an event.

        Parameters
        ----------
        data : bytes
            The photograph.
        label : str
            Its class.
        place : bytes
            XMP with a position, which is kept beside it where it has none itself.
        again : bool
            Take it also where it was deleted under this label.

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
        self._check_folder(source)
        beside = b"" if place and has_position(data) else place
        store, events = self.gates
        with store.passed():
            kept, is_new = self._keep(sha256, source, data, beside, again=again)
        if is_new or kept == source:
            with events.passed():
                self.events.publish(Event(sha256, kept, len(data), at=time.time()))
        if kept != source:
            what = f"the same photograph is there already, as {label_of(kept)}"
            raise RefusedError(409, what, "label_conflict")
        return Received(kind, sha256, source)

    def _keep(
        self, sha256: str, source: str, data: bytes, place: bytes, *, again: bool
    ) -> tuple[str, bool]:
        """Keep bytes where they belong; return that path, and whether something was written."""
        claims = self.claims
        for number in range(_MOST_ROUNDS):
            time.sleep(_PAUSE * number)  # others are at it
            is_marked = claims.is_marked(sha256, source)
            if is_marked and not again:
                what = "this photograph was deleted; send it with again=1, or under another label"
                raise RefusedError(410, what, "deleted")
            note = claims.look(sha256)
            goal, is_kept = self._goal(sha256, source, note)
            is_own = goal == source
            if is_kept and not (is_own and (place or again)):
                return goal, False
            with claims.arriving(sha256, goal) as arrival:
                if not claims.take(sha256, goal, note):
                    continue
                if is_own and is_marked:  # and take it anew: what deletes it may have seen the mark
                    claims.unmark(sha256, label_of(source))
                    continue
                self._write(goal, data)
                if is_own and place:
                    self.photos.create(f"{goal}.xmp", place)
                if not claims.is_marked(sha256, goal):
                    return goal, True
                claims.discard(arrival)
        raise DatasetError(f"{self.photos.url}: others change the same photograph all the time")

    def _check_folder(self, source: str) -> None:
        """Raise RefusedError where a file has the place of the label's folder."""
        try:
            self.photos.version(source)
        except NotADirectoryError as error:
            if not self.photos.is_missing():
                raise RefusedError(422, "label: a file has this name", "label") from error
        except OSError:  # is judged where the photograph is written
            pass

    def _goal(self, sha256: str, source: str, note: Note | None) -> tuple[str, bool]:
        """Return where bytes belong, and whether they are there, whole.

        That is where they were noted, unless somebody has removed them from there.
        """
        noted = note.source if note else ""
        if not noted:
            return source, False
        data = self.claims.read(noted)
        if data is not None and hashlib.sha256(data).hexdigest() == sha256:
            return noted, True
        if data is not None or noted == source:
            return noted, False
        is_coming = any(self.claims.arrivals(sha256, label_of(noted)))
        # Asked again, since an upload that ended meanwhile has left its bytes.
        is_gone = not is_coming and not self.claims.is_there(noted)
        return (source if is_gone or self.claims.is_marked(sha256, noted) else noted), False

    def _write(self, source: str, data: bytes) -> None:
        """Write the bytes unless they are there, whole."""
        if self.photos.create(source, data) is None and self.claims.read(source) != data:
            with self.photos.writer(source) as file:  # over what a disk without power has left
                file.write(data)

    def find(self, sha256: str) -> str:
        """Return the path of a photograph that was received; empty where there is none.

        Raises
        ------
        DatasetError, DownError
            The store does not answer.
        """
        with self.gates[0].passed():
            note = self.claims.look(sha256)
            return note.source if note and note.source and self.claims.is_there(note.source) else ""


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
