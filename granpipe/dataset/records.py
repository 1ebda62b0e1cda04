"""The texts of a ledger, of which a large one does not fit into memory."""

import os
from collections.abc import Iterable, Iterator, MutableMapping
from tempfile import TemporaryFile
from typing import IO

IN_MEMORY = 24_000_000
"""Characters that are kept in memory; what comes after them stands in a file of no name."""

_LENGTH_BITS = 24
_HAS_PREAD = hasattr(os, "pread")


def text_in(record: str, name: str) -> str:
    """Return a text in a record, which is JSON without blanks; empty where it has none.

    To look into a record takes a tenth of the time that parsing takes, of 100,000 a second. A quote
    inside of another text has a backslash before it, so that none is taken for this one.

    >>> text_in('{"width":3,"flags":"blurred dark"}', "flags")
    'blurred dark'
    """
    return record.partition(f'"{name}":"')[2].partition('"')[0]


def has_text(record: str, name: str, text: str) -> bool:
    """Tell whether a record has this text; faster than to cut it out.

    >>> has_text('{"width":3,"flags":"dark"}', "flags", "dark")
    True
    """
    return f'"{name}":"{text}"' in record


def with_text(record: str, name: str, text: str) -> str:
    """Return a record with another text, which needs no backslash, in place of the one it has.

    >>> with_text('{"place":"a#1","width":3}', "place", "b#7")
    '{"place":"b#7","width":3}'
    """
    before, key, rest = record.partition(f'"{name}":"')
    return before + key + text + rest[rest.index('"') :]


def number_in(record: str, name: str) -> int:
    """Return a whole number in a record, which must have it.

    >>> number_in('{"width":3,"flags":"blurred dark"}', "width")
    3
    """
    return int(record.partition(f'"{name}":')[2].partition(",")[0])


class Records(MutableMapping[str, str]):
    """Texts by path, in the order in which the paths came.

    >>> records = Records({"corn/a.jpg.npy": "text"})
    >>> records["corn/a.jpg.npy"], len(records), records.get("corn/b.jpg.npy", "")
    ('text', 1, '')
    """

    def __init__(self, texts: Iterable[tuple[str, str]] | dict[str, str] = ()) -> None:
        self._places: dict[str, str | int] = {}
        self._size = 0
        self._end = 0
        self._is_dirty = False
        self._file: IO[bytes] | None = None
        self.update(texts)

    def __getitem__(self, path: str) -> str:
        place = self._places[path]
        return place if isinstance(place, str) else self._read(place)

    def get(self, path: str, default: str = "") -> str:  # type: ignore[override]
        """Return a text, or the default where there is none."""
        place = self._places.get(path, default)
        return place if isinstance(place, str) else self._read(place)

    def _read(self, place: int) -> str:
        if self._is_dirty:
            self._opened().flush()
            self._is_dirty = False
        file, start, size = self._opened(), place >> _LENGTH_BITS, place & ((1 << _LENGTH_BITS) - 1)
        if _HAS_PREAD:  # one call of the system, not two
            return _text(os.pread(file.fileno(), size, start))
        file.seek(start)
        return _text(file.read(size))

    def __setitem__(self, path: str, text: str) -> None:
        self._places[path] = self._placed(text)

    def _placed(self, text: str) -> str | int:
        # One that is too long for its place in the file is none that a photograph has.
        if len(text) < 64 or self._size < IN_MEMORY or len(text) >> (_LENGTH_BITS - 2):
            self._size += len(text)
            return text
        file, data = self._opened(), _bytes(text)
        start, self._end, self._is_dirty = self._end, self._end + len(data), True
        if not _HAS_PREAD:
            file.seek(start)
        file.write(data)
        return start << _LENGTH_BITS | len(data)

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            # Closed, and gone, with the last word of these records.
            self._file = TemporaryFile(buffering=1 << 20)  # noqa: SIM115
        return self._file

    def __delitem__(self, path: str) -> None:
        del self._places[path]

    def __contains__(self, path: object) -> bool:
        return path in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def keep(self, paths: Iterable[str]) -> None:
        """Forget all others; those that stay are in this order from now on."""
        self._places = {path: self._places[path] for path in paths}

    def sort(self) -> None:
        """Put them in the order of their paths."""
        self.keep(sorted(self._places))

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()


class RecordsFile(MutableMapping[str, str]):
    """Texts by path, in the order of their paths, in a file of no name: slower, and no memory.

    >>> records = RecordsFile()
    >>> records["corn/a.jpg.npy"] = "text"
    >>> records["corn/a.jpg.npy"], len(records), records.get("corn/b.jpg.npy", "")
    ('text', 1, '')
    """

    def __init__(self) -> None:
        import sqlite3  # noqa: PLC0415 - for who needs it

        # A database of no name is gone with its connection.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE texts (path BLOB PRIMARY KEY, text BLOB) WITHOUT ROWID")

    def __getitem__(self, path: str) -> str:
        text = self._find(path)
        if text is None:
            raise KeyError(path)
        return text

    def get(self, path: str, default: str = "") -> str:  # type: ignore[override]
        """Return a text, or the default where there is none."""
        text = self._find(path)
        return default if text is None else text

    def _find(self, path: str) -> str | None:
        query = "SELECT text FROM texts WHERE path = ?"
        row = self._file.execute(query, (_bytes(path),)).fetchone()
        return row and _text(row[0])

    def __setitem__(self, path: str, text: str) -> None:
        row = (_bytes(path), _bytes(text))
        self._file.execute("INSERT OR REPLACE INTO texts VALUES (?, ?)", row)

    def __delitem__(self, path: str) -> None:
        self._file.execute("DELETE FROM texts WHERE path = ?", (_bytes(path),))

    def __contains__(self, path: object) -> bool:
        return self._find(str(path)) is not None

    def __iter__(self) -> Iterator[str]:
        for row in self._file.execute("SELECT path FROM texts ORDER BY path"):
            yield _text(row[0])

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM texts").fetchone()[0])

    def keep(self, paths: Iterable[str]) -> None:
        """Forget all others."""
        kept = set(paths)
        for path in [path for path in self if path not in kept]:
            del self[path]

    def sort(self) -> None:
        """Do nothing: they are in the order of their paths."""

    def __del__(self) -> None:
        self._file.close()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
