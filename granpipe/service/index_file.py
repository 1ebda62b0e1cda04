"""The index as a SQLite file, for one machine."""

import json
from collections.abc import Sequence
from typing import Any

from granpipe.service.database import Database
from granpipe.service.events import Refusal
from granpipe.service.positions import PAGE, Known, Page, Positions, Window, in_parts

# Earlier versions had an R*Tree. With a million photographs, a window of 0.02 degrees takes 10 ms
# instead of 2 without it, one of 0.2 degrees 24 instead of 14, and a wider one as long.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS photographs (
    number INTEGER PRIMARY KEY, sha256 TEXT UNIQUE, source TEXT, label TEXT, facts TEXT,
    lat REAL, lon REAL);
DROP TABLE IF EXISTS places;
CREATE INDEX IF NOT EXISTS photographs_by_place ON photographs (lat, lon);
CREATE INDEX IF NOT EXISTS photographs_by_label ON photographs (label);
CREATE TABLE IF NOT EXISTS changes (number INTEGER);
INSERT INTO changes SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM changes);
"""
_COLUMNS = "sha256, source, facts"
_ANYWHERE = f"""
SELECT {_COLUMNS}, number FROM photographs
WHERE number > ? AND (? = '' OR label = ?) ORDER BY number LIMIT ?
"""  # noqa: S608 - no text of a stranger
# The first latitude is repeated, so that a later page starts where the last one ended.
_IN_WINDOW = f"""
SELECT {_COLUMNS}, lat, lon, number FROM photographs
WHERE lat BETWEEN ? AND ? AND (lon BETWEEN ? AND ? OR lon BETWEEN ? AND ?)
AND (lat, lon, number) > (?, ?, ?) AND (? = '' OR label = ?)
ORDER BY lat, lon, number LIMIT ?
"""  # noqa: S608 - no text of a stranger
_CHANGED = "UPDATE changes SET number = number + 1"


class IndexFile(Positions):
    """The file `positions.sqlite` of a folder."""

    def __init__(self, folder: str) -> None:
        self._database = Database(folder, "positions.sqlite", _SCHEMA)

    def put(self, photos: Sequence[Known]) -> list[Refusal]:
        """Write rows, all or none."""
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO photographs (sha256, source, label, facts, lat, lon) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET "
                "source = excluded.source, label = excluded.label, facts = excluded.facts, "
                "lat = excluded.lat, lon = excluded.lon",
                map(_row, photos),
            )
            connection.execute(_CHANGED)
        return []

    def delete(self, digests: Sequence[str]) -> None:
        """Delete rows, all or none."""
        with self._database.transaction() as connection:
            rows = ((digest,) for digest in digests)
            connection.executemany("DELETE FROM photographs WHERE sha256 = ?", rows)
            connection.execute(_CHANGED)

    def find(self, digests: Sequence[str]) -> dict[str, Known]:
        """Return the rows of digests."""
        found = list[Known]()
        for part in in_parts(digests):
            marks = ",".join("?" * len(part))
            query = f"SELECT {_COLUMNS} FROM photographs WHERE sha256 IN ({marks})"  # noqa: S608
            found += map(_known, self._rows(query, part))
        return {known.sha256: known for known in found}

    def page(
        self, window: Window | None = None, label: str = "", after: Any = None, limit: int = PAGE
    ) -> Page:
        """Return rows by way of the index on places, or by number."""
        if window is None:
            rows = self._rows(_ANYWHERE, (after or 0, label, label, limit))
            last = rows[-1][3] if rows else None
        else:
            spans = [*window.spans()[0], *window.spans()[-1]]
            after = after or (window.south, -181.0, 0)
            values = (after[0], window.north, *spans, *after, label, label, limit)
            rows = self._rows(_IN_WINDOW, values)
            last = rows[-1][3:] if rows else None
        return [_known(row) for row in rows], last if len(rows) == limit else None

    def _rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        with self._database.transaction() as connection:
            return connection.execute(query, values).fetchall()

    def labels(self) -> list[str]:
        """Return the classes of all rows."""
        query = "SELECT DISTINCT label FROM photographs ORDER BY label"
        return [label for (label,) in self._rows(query, ())]

    def stamp(self) -> object:
        """Return how often rows were written."""
        return self._rows("SELECT number FROM changes", ())[0][0]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _row(photo: Known) -> tuple[Any, ...]:
    facts = json.dumps(photo.facts)
    return photo.sha256, photo.source, photo.label, facts, *(photo.place or (None, None))


def _known(row: Sequence[Any]) -> Known:
    sha256, source, facts = row[:3]
    return Known(sha256, source, json.loads(facts))
