"""Delete a photograph for good: bytes, position and note at once, its array with the next batch."""

from dataclasses import dataclass
from hashlib import sha256 as sha256_of

from granpipe.dataset.names import check_name, label_of
from granpipe.dataset.sources import is_hidden
from granpipe.errors import DatasetError, PhotoError
from granpipe.service.events import Event
from granpipe.service.gate import Gate
from granpipe.service.intake import Intake
from granpipe.service.marks import mark
from granpipe.service.positions import Positions


@dataclass(frozen=True, slots=True)
class Erasure:
    """Deletes photographs.

    Attributes
    ----------
    intake : Intake
        Knows where they are.
    positions : Positions
    index : Gate
        Before the positions.
    """

    intake: Intake
    positions: Positions
    index: Gate

    def erase(self, sha256: str) -> str:
        """Delete a photograph, and return where it was; empty where there is no such photograph.

        Its note goes last: where something fails on the way, the same request does the rest.

        Raises
        ------
        DatasetError, DownError
            The store, the queue or the index does not answer.
        """
        store, events = self.intake.gates
        with store.passed(), events.passed(), self.index.passed():
            if source := self._find(sha256):
                photos = self.intake.photos
                mark(photos, sha256, label_of(source))
                self.intake.delete(source)
                forget(self.positions, sha256, source)
                self.intake.events.publish(Event(sha256, source, 0, is_deleted=True))
                self.intake.forget(sha256)
        return source

    def _find(self, sha256: str) -> str:
        """Return the path of a photograph, whoever put it there."""
        if source := self.intake.noted(sha256):
            return source
        known = self.positions.get(sha256)
        if not known or not _is_sound(known.source):
            return ""
        try:
            data, _ = self.intake.photos.read(known.source)
        except FileNotFoundError:
            return known.source
        except OSError as error:
            raise DatasetError(f"{known.source}: {error.strerror or error}") from error
        # Another photograph may have got the name of this one.
        return known.source if sha256_of(data).hexdigest() == sha256 else ""


def _is_sound(source: str) -> bool:
    """Return whether a path of the index is a photograph's, as prepare takes it."""
    try:
        check_name(source)
    except PhotoError:
        return False
    return not is_hidden(source)


def forget(positions: Positions, sha256: str, source: str) -> None:
    """Delete a photograph from the index, unless it is there under another path by now."""
    known = positions.get(sha256)
    if known and known.source == source:
        positions.delete([sha256])
