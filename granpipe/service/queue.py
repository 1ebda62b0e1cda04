"""Events in a SQLite file: every worker does all of them, so one is enough."""

import threading
import time
from collections.abc import Sequence

from granpipe.service.database import Database
from granpipe.service.events import Event, Refusal, event_of

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB);
CREATE TABLE IF NOT EXISTS photographs_rejected (
    sha256 TEXT, source TEXT PRIMARY KEY, reason TEXT, detail TEXT);
"""
_BETWEEN_LOOKS = 0.1


class QueueFile:
    """The file `events.sqlite` of a folder; an `Events`."""

    def __init__(self, folder: str) -> None:
        self._database = Database(folder, "events.sqlite", _SCHEMA)
        self._taken = 0
        self._turn = threading.Lock()

    def publish(self, event: Event) -> None:
        """Add a row."""
        # Writers that SQLite lets wait sleep ever longer, and overtake each other.
        with self._turn, self._database.transaction() as connection:
            connection.execute("INSERT INTO events (event) VALUES (?)", (event.to_json(),))

    def take(self, most: int, seconds: float) -> list[Event | Refusal]:
        """Return the next rows."""
        ends = time.monotonic() + seconds
        while True:
            with self._database.transaction() as connection:
                rows = connection.execute(
                    "SELECT number, event FROM events WHERE number > ? ORDER BY number LIMIT ?",
                    (self._taken, most),
                ).fetchall()
            if rows:
                self._taken = rows[-1][0]
                return [event_of(event, f"event-{number}") for number, event in rows]
            if time.monotonic() > ends:
                return []
            time.sleep(_BETWEEN_LOOKS)

    def reject(self, refusals: Sequence[Refusal]) -> None:
        """Add a row for each, in place of the one of the same photograph."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO photographs_rejected VALUES (?, ?, ?, ?)",
                [(bad.sha256, bad.source, bad.reason, bad.detail) for bad in refusals],
            )

    def commit(self) -> None:
        """Delete the rows that were taken."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM events WHERE number <= ?", (self._taken,))

    def give_back(self) -> None:
        """Begin again with the first row."""
        self._taken = 0

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)

    def lag(self) -> int:
        """Return how many rows were not taken."""
        with self._database.transaction() as connection:
            query = "SELECT count(*) FROM events WHERE number > ?"
            return int(connection.execute(query, (self._taken,)).fetchone()[0])

    def is_drained(self) -> bool:
        """Return whether there are no rows, as one worker does all of them."""
        return self.lag() == 0

    def check(self) -> None:
        """Open the file."""
        self.lag()

    def close(self) -> None:
        """Close the file."""
        self._database.close()
