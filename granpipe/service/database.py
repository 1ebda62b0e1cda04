"""A SQLite file, which the threads and processes of the online path share."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from granpipe.service.events import DownError

_PATIENCE = 10.0  # seconds that one writer waits for another


class Database:
    """A SQLite file in a folder, with a connection for every thread.

    Parameters
    ----------
    folder : str
        Where it is; made where there is none.
    name : str
        Of the file.
    schema : str
        Statements that make its tables where there are none.
    """

    def __init__(self, folder: str, name: str, schema: str) -> None:
        self.path = Path(folder, name)
        self._schema = schema
        self._local = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all or nothing of what is in the block.

        Raises
        ------
        DownError
            The file cannot be read or written.
        """
        try:
            connection = self._connection()
            with connection:
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise DownError(f"{self.path}: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        # A file that somebody deletes lives on, unseen, for those who have it open.
        if known is None or self._number() != self._local.number:
            self.close()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            known = sqlite3.connect(self.path, timeout=_PATIENCE)
            known.execute("PRAGMA journal_mode=WAL")
            known.execute("PRAGMA synchronous=FULL")
            known.executescript(self._schema)
            self._local.connection, self._local.number = known, self._number()
        return known

    def _number(self) -> int:
        try:
            return self.path.stat().st_ino
        except FileNotFoundError:
            return -1

    def close(self) -> None:
        """Close this thread's connection."""
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if known is not None:
            known.close()
            del self._local.connection
