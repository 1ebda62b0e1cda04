"""What uploads leave that are killed on the way: what comes after a deletion, and old arrivals."""

import time

from granpipe.service.claims import Arrival, Claims
from granpipe.service.events import Event, Events

_TERM = 900.0  # seconds in which every upload has ended, however slow its store


class Leftovers:
    """Looks at all uploads that are under way, again and again.

    Parameters
    ----------
    claims : Claims
    events : Events
        Where it is said what was found.
    """

    def __init__(self, claims: Claims, events: Events) -> None:
        self.claims = claims
        self.events = events
        self._seen: dict[str, float] = {}  # when each arrival was seen first

    def clear(self) -> None:
        """Delete what nobody was told that it was received, and let go of old arrivals.

        How old one is, no clock but that of this process says: it was seen so long ago.
        """
        now, seen = time.monotonic(), dict[str, float]()
        for arrival in self.claims.arrivals():
            since = self._seen.get(arrival.path, now)
            self._look_at(arrival)
            if now - since > _TERM:
                self._end(arrival)
            else:
                seen[arrival.path] = since
        self._seen = seen

    def _look_at(self, arrival: Arrival) -> None:
        """Delete a photograph that was deleted before its bytes came."""
        claims = self.claims
        is_late = claims.is_marked(arrival.sha256, arrival.source)
        if is_late and claims.is_there(arrival.source):
            claims.discard(arrival)
            if not claims.is_there(arrival.source):
                self._publish(arrival, size=0, is_deleted=True)
        elif arrival.size:
            claims.restore(arrival)

    def _end(self, arrival: Arrival) -> None:
        """Announce what has come, since its own process may not have done so."""
        note = self.claims.look(arrival.sha256)
        data = self.claims.read(arrival.source)
        if data and note and note.source == arrival.source:
            self._publish(arrival, size=len(data), is_deleted=False)
        self.claims.photos.delete(arrival.path)

    def _publish(self, arrival: Arrival, *, size: int, is_deleted: bool) -> None:
        event = Event(arrival.sha256, arrival.source, size, is_deleted=is_deleted, at=time.time())
        self.events.publish(event)
