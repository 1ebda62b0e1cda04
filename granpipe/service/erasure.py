"""Delete a photograph for good: bytes, position and note at once, its array with the next batch."""

from dataclasses import dataclass
from hashlib import sha256 as sha256_of

from granpipe.dataset.names import check_name, label_of
from granpipe.dataset.sources import is_hidden
from granpipe.errors import PhotoError
from granpipe.service.events import Event
from granpipe.service.gate import Gate
from granpipe.service.intake import Intake
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

        Its note is emptied last: where something fails on the way, the same request does the rest.

        Raises
        ------
        DatasetError, DownError
            The store, the queue or the index does not answer.
        """
        (store, events), claims = self.intake.gates, self.intake.claims
        with store.passed(), events.passed(), self.index.passed():
            source = ""
            for source in self._find(sha256):
                claims.mark(sha256, label_of(source))
                self._delete(sha256, source)
            for arrival in claims.arrivals(sha256):  # of uploads that were killed behind a deletion
                if claims.is_marked(sha256, arrival.source) and claims.is_there(arrival.source):
                    self._delete(sha256, arrival.source)
                    source = source or arrival.source
        return source

    def _delete(self, sha256: str, source: str) -> None:
        claims = self.intake.claims
        note = claims.look(sha256)
        claims.delete(source)
        # Before the index forgets it, by which alone some photographs are found.
        self.intake.events.publish(Event(sha256, source, 0, is_deleted=True))
        forget(self.positions, sha256, source)
        if note and note.source == source:
            claims.free(sha256, note)

    def _find(self, sha256: str) -> list[str]:
        """Return the paths of a photograph, whoever put it there."""
        note, known = self.intake.claims.look(sha256), self.positions.get(sha256)
        found = [note.source] if note and note.source else []
        if known and known.source not in found and _is_sound(known.source):
            data = self.intake.claims.read(known.source)
            # Another photograph may have got the name of this one.
            if data is None or sha256_of(data).hexdigest() == sha256:
                found.append(known.source)
        return found


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
