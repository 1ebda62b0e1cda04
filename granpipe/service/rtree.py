"""The index as a SQLite file with an R*Tree."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from granpipe.service.database import Database
from granpipe.service.positions import Known, Window, in_parts

# The tree keeps single precision, rounded outwards; the exact position stands beside it.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS photographs (
    number INTEGER PRIMARY KEY, sha256 TEXT UNIQUE, source TEXT, label TEXT, facts TEXT,
    lat REAL, lon REAL);
CREATE VIRTUAL TABLE IF NOT EXISTS places USING rtree (number, west, east, south, north);
CREATE TABLE IF NOT EXISTS changes (number INTEGER);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes);
"""
_COLUMNS = "sha256, source, facts"
_IN_WINDOW = f"""
SELECT {_COLUMNS} FROM photographs JOIN places USING (number)
WHERE east >= ? AND west <= ? AND north >= ? AND south <= ?
AND lon BETWEEN ? AND ? AND lat BETWEEN ? AND ? AND (? = '' OR label = ?)
ORDER BY source
"""  # noqa: S608 - no text of a stranger


class IndexFile:
    """The file `positions.sqlite` of a folder; a `Positions`."""

    def __init__(self, folder: str) -> None:
        self._database = Database(folder, "positions.sqlite", _SCHEMA)

    def put(self, photos: Sequence[Known]) -> None:
        """Write rows, all or none."""
        with self._database.transaction() as connection:
            for photo in photos:
                lat, lon = photo.place or (None, None)
                row = connection.execute(
                    "INSERT INTO photographs (sha256, source, label, facts, lat, lon) "
                    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET "
                    "source = excluded.source, label = excluded.label, facts = excluded.facts, "
                    "lat = excluded.lat, lon = excluded.lon RETURNING number",
                    (photo.sha256, photo.source, photo.label, json.dumps(photo.facts), lat, lon),
                ).fetchone()
                connection.execute("DELETE FROM places WHERE number = ?", row)
                if lat is not None:
                    place = (*row, lon, lon, lat, lat)
                    connection.execute("INSERT INTO places VALUES (?, ?, ?, ?, ?)", place)
            connection.execute("UPDATE changes SET number = number + 1")

    def delete(self, digests: Sequence[str]) -> None:
        """Delete rows, all or none."""
        with self._database.transaction() as connection:
            for sha256 in digests:
                query = "DELETE FROM photographs WHERE sha256 = ? RETURNING number"
                for row in connection.execute(query, (sha256,)).fetchall():
                    connection.execute("DELETE FROM places WHERE number = ?", row)
            connection.execute("UPDATE changes SET number = number + 1")

    def get(self, sha256: str) -> Known | None:
        """Return a row."""
        found = self._rows(f"SELECT {_COLUMNS} FROM photographs WHERE sha256 = ?", (sha256,))  # noqa: S608
        return next(found, None)

    def lacking(self, digests: Sequence[str]) -> set[str]:
        """Return the digests that no row has."""
        there = set()
        with self._database.transaction() as connection:
            for part in in_parts(digests):
                marks = ",".join("?" * len(part))
                query = f"SELECT sha256 FROM photographs WHERE sha256 IN ({marks})"  # noqa: S608
                there |= {row[0] for row in connection.execute(query, part)}
        return set(digests) - there

    def within(self, window: Window, label: str = "") -> Iterator[Known]:
        """Yield rows by way of the tree."""
        for west, east in window.spans():
            box = (west, east, window.south, window.north)
            yield from self._rows(_IN_WINDOW, (*box, *box, label, label))

    def all(self) -> Iterator[Known]:
        """Yield all rows."""
        return self._rows(f"SELECT {_COLUMNS} FROM photographs ORDER BY source", ())  # noqa: S608

    def _rows(self, query: str, values: tuple[Any, ...]) -> Iterator[Known]:
        with self._database.transaction() as connection:
            for sha256, source, facts in connection.execute(query, values):
                yield Known(sha256, source, json.loads(facts))

    def stamp(self) -> object:
        """Return how often rows were written."""
        with self._database.transaction() as connection:
            return connection.execute("SELECT number FROM changes").fetchone()[0]

    def close(self) -> None:
        """Close the file."""
        self._database.close()
