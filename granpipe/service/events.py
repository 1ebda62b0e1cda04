"""Events: which photographs have arrived. What every queue can do."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from granpipe.errors import GranpipeError

_SHA256 = re.compile("[0-9a-f]{64}")
_LONGEST = 10_000  # bytes of a message; that of a path of six-byte escapes has less
_LONGEST_PATH = 1_024  # bytes, as of an object's key
_LARGEST = 1 << 40
_LONGEST_DETAIL = 200


class DownError(GranpipeError):
    """A part of the online path does not answer; it may, a little later."""


@dataclass(frozen=True, slots=True)
class Event:
    """A photograph has arrived, and its bytes are in the store; or it was deleted.

    Attributes
    ----------
    sha256 : str
        Of its bytes, 64 hexadecimal digits; the event's key.
    source : str
        Its path among the photographs.
    size : int
        Bytes.
    is_deleted : bool
        Its array and its record are to go.
    at : float
        When it was published, in seconds since 1970; 0 where nobody knows.
    """

    sha256: str
    source: str
    size: int
    is_deleted: bool = False
    at: float = field(default=0.0, compare=False)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A photograph or a message that cannot be used, with a reason and a detail.

    Attributes
    ----------
    sha256, source : str
        Of the photograph; empty and the message's place where it is no event.
    reason, detail : str
        As in rejected.csv; `bad_event` for a message that is no event.
    """

    sha256: str
    source: str
    reason: str
    detail: str

    @property
    def key(self) -> str:
        return self.sha256 or self.source

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def event_of(data: bytes | None, place: str = "") -> Event | Refusal:
    """Return the event of a message; a refusal where it is no event.

    Parameters
    ----------
    data : bytes
        The message, of anybody.
    place : str
        Its place in the queue.

    Examples
    --------
    >>> event_of(Event("ab" * 32, "corn/ab.jpg", 3).to_json()).source
    'corn/ab.jpg'
    >>> event_of(b"{}", "photographs-0-17")
    Refusal(sha256='', source='photographs-0-17', reason='bad_event', detail="'sha256'")
    """
    try:
        return _checked(data or b"")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        return Refusal("", place, "bad_event", repr(str(error))[1:-1][:_LONGEST_DETAIL])


def _checked(data: bytes) -> Event:
    if len(data) > _LONGEST:
        raise ValueError(f"has {len(data):,} bytes")
    fields = json.loads(data)
    sha256, source, size = fields["sha256"], fields["source"], fields["size"]
    if not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise ValueError("sha256: not 64 hexadecimal digits")
    if not (isinstance(source, str) and 0 < len(source.encode()) <= _LONGEST_PATH):
        raise ValueError("source: not a path of at most 1,024 bytes")
    if type(size) is not int or not 0 <= size < _LARGEST:
        raise ValueError("size: not a number of bytes")
    at = fields.get("at", 0.0)
    at = float(at) if isinstance(at, int | float) and 0 <= at < _LARGEST else 0.0
    return Event(sha256, source, size, fields.get("is_deleted") is True, at)


class Events(Protocol):
    """A queue that delivers every event at least once. All raise DownError."""

    def publish(self, event: Event) -> None:
        """Keep an event; when this returns, it is kept."""

    def take(self, most: int, seconds: float) -> list[Event | Refusal]:
        """Return the next events, in the order of their arrival; wait so long for the first.

        What is in the queue and no event is a refusal.
        """

    def reject(self, refusals: Sequence[Refusal]) -> None:
        """Put on record what cannot be used."""

    def commit(self) -> None:
        """All events that were taken are done."""

    def give_back(self) -> None:
        """Let the events that were taken since `commit` be taken again."""

    def wait(self, seconds: float) -> None:
        """Do nothing for so long, without leaving others what was taken."""

    def lag(self) -> int:
        """Return how many events wait that this worker has not taken; -1 where it is not known."""

    def is_drained(self) -> bool:
        """Return whether every worker has done its events; False where it is not known."""

    def check(self) -> None:
        """Return where the queue answers, after a few seconds at most."""

    def close(self) -> None:
        """Let go of the queue."""
