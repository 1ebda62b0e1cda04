"""A database of one run, in a temporary file, so that memory does not grow with its rows."""

import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkstemp
from typing import Any, Generic, TypeVar, overload

from granpipe.errors import DatasetError

Item = TypeVar("Item")
Row = tuple[Any, ...]

_DISK_ERRORS = {
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT),
}
_AT_ONCE = 500
_CACHE_KB = 8_000


class Database:
    """One SQLite file, which nobody else reads and which goes with its run, however that ends.

    Parameters
    ----------
    script : str
        Creates tables, in SQL.
    file : str, optional
        A database that is this run's from now on. By default, an empty one.
    """

    def __init__(self, script: str, file: str = "") -> None:
        self._file = file or temporary_file()
        # Engines ask for items in threads of their own.
        self._connection = sqlite3.connect(
            self._file, isolation_level=None, check_same_thread=False
        )
        self.execute("PRAGMA trusted_schema = OFF")
        self._connection.executescript(
            f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
            f"PRAGMA cache_size = -{_CACHE_KB}; PRAGMA temp_store = FILE;"
        )
        # All that a run does is one transaction, which nothing ends but other tables.
        self._connection.execute("BEGIN")
        self.create(script)
        self._remove()  # a kill leaves nothing behind where an open file may have no name

    def close(self) -> None:
        """Let go of the database, which is gone then."""
        self._connection.close()
        self._remove()

    def _remove(self) -> None:
        with suppress(OSError):
            Path(self._file).unlink()

    def _sql(self, query: str) -> str:
        """Return a query as SQLite is asked it."""
        return query

    def create(self, script: str) -> None:
        """Create tables, in SQL."""
        with index_errors():
            self._connection.executescript(script)  # which ends the transaction
            self._connection.execute("BEGIN")

    def execute(self, query: str, values: Sequence[object] = ()) -> int:
        """Change rows; return how many."""
        try:  # a context manager takes as long as the query
            return self._connection.execute(self._sql(query), values).rowcount
        except sqlite3.Error as error:
            raise _index_error(error) from error

    def load(self, query: str, rows: Iterable[Sequence[object]]) -> None:
        """Do the same change with each row of values."""
        with index_errors():
            self._connection.executemany(self._sql(query), rows)

    def rows(self, query: str, values: Sequence[object] = ()) -> Iterator[Row]:
        """Yield the rows of a query, which reads no table that changes meanwhile."""
        with index_errors():
            yield from self._connection.execute(self._sql(query), values)

    def row(self, query: str, values: Sequence[object] = ()) -> Row | None:
        """Return the first row of a query; None where there is none."""
        try:  # as in `execute`
            row: Row | None = self._connection.execute(self._sql(query), values).fetchone()
        except sqlite3.Error as error:
            raise _index_error(error) from error
        return row

    def value(self, query: str, values: Sequence[object] = ()) -> Any:
        """Return the first value of a query's first row; None where there is none."""
        row = self.row(query, values)
        return row[0] if row else None


class Items(Sequence[Item], Generic[Item]):
    """What is made of the rows of a table, whose column `number` counts them from 0.

    Parameters
    ----------
    database : Database
    query : str
        Selects the rows, without a condition or an order.
    make : callable
        Returns the item of a row.
    """

    def __init__(
        self, database: Database, query: str, count: int, make: Callable[[Row], Item]
    ) -> None:
        self._database = database
        self._query = f"{query} WHERE number >= ? AND number < ? ORDER BY number"
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        if isinstance(place, slice):
            start, stop, _ = place.indices(self._count)
            return list(map(self._make, list(self._database.rows(self._query, (start, stop)))))
        return self[range(self._count)[place] : range(self._count)[place] + 1][0]

    def __iter__(self) -> Iterator[Item]:
        for start in range(0, self._count, _AT_ONCE):
            yield from self[start : start + _AT_ONCE]


def temporary_file() -> str:
    """Return the name of a new, empty file in the temporary folder."""
    try:
        number, name = mkstemp(".sqlite", "granpipe-")
    except OSError as error:
        raise _no_index(error.strerror or str(error)) from error
    os.close(number)
    return name


@contextmanager
def index_errors() -> Generator[None, None, None]:
    """Turn what a disk does to the database into one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise _index_error(error) from error


def _index_error(error: sqlite3.Error) -> Exception:
    # Python's own errors, as of a database that is closed, have no code.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DISK_ERRORS:
        return error
    return _no_index(str(error))


def _no_index(why: str) -> DatasetError:
    return DatasetError(
        f"{gettempdir()}: the run's index cannot be kept there: {why}; make space, or set TMPDIR "
        "to another folder"
    )
