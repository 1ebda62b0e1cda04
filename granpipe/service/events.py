"""Events: which photographs have arrived. What every queue can do."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from granpipe.errors import GranpipeError


class DownError(GranpipeError):
    """A part of the online path does not answer; it may, a little later."""


@dataclass(frozen=True, slots=True)
class Event:
    """A photograph has arrived, and its bytes are in the store.

    Attributes
    ----------
    sha256 : str
        Of its bytes, in hexadecimal; the event's key.
    source : str
        Its path among the photographs.
    size : int
        Bytes.
    """

    sha256: str
    source: str
    size: int

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A photograph that cannot be used, with the reason and detail of rejected.csv."""

    sha256: str
    source: str
    reason: str
    detail: str

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def event_of(data: bytes | None) -> Event | None:
    """Return what a message tells; None where it is no event.

    >>> event_of(Event("ab", "corn/ab.jpg", 3).to_json())
    Event(sha256='ab', source='corn/ab.jpg', size=3)
    """
    try:
        fields = json.loads(data or b"")
        event = Event(fields["sha256"], fields["source"], fields["size"])
        f"{event.sha256}{event.source}".encode()
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    are_texts = isinstance(event.sha256, str) and isinstance(event.source, str)
    return event if are_texts and type(event.size) is int and event.size >= 0 else None


class Events(Protocol):
    """A queue that delivers every event at least once. All raise DownError."""

    def publish(self, event: Event) -> None:
        """Keep an event; when this returns, it is kept."""

    def take(self, most: int, seconds: float) -> list[Event]:
        """Return the next events, in the order of their arrival; wait so long for the first."""

    def reject(self, refusals: Sequence[Refusal]) -> None:
        """Put on record what cannot be used."""

    def commit(self) -> None:
        """All events that were taken are done."""

    def give_back(self) -> None:
        """Let the events that were taken since `commit` be taken again."""

    def lag(self) -> int:
        """Return how many events wait that were not taken."""

    def check(self) -> None:
        """Return where the queue answers, after a few seconds at most."""

    def close(self) -> None:
        """Let go of the queue."""
