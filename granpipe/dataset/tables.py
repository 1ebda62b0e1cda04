"""The tables of a dataset: labels.csv, rejected.csv; dataset.json, which says that it is whole."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from tempfile import SpooledTemporaryFile
from typing import Any

from granpipe.dataset.names import LABELS, SUMMARY
from granpipe.errors import DatasetError, LayoutError
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join, open_file

REASONS = {
    "no_label": "put it into a folder named after its crop",
    "no_photograph": "add it, or remove its row from the table",
    "bad_name": "rename it",
    "unreadable": "copy the original again",
    "truncated": "copy the original again",
    "too_large": "make it smaller, or raise --max-pixels or --max-memory",
    "unsupported": "save it as JPEG or PNG",
    "crashed": "save it again with another program",
    "duplicate": "nothing to do: the same photograph is in already",
    "flagged": "check it; remove the flag from --drop to prepare it",
    "label_conflict": "delete it from the class where it does not belong",
}
"""Every reason for which a photograph is rejected, with what to do about it."""

PREPARED_COLUMNS = [
    *("path", "label", "label_index", "source", "sha256", "width", "height"),
    *("left", "top", "right", "bottom", "latitude", "longitude", "altitude", "taken_at"),
    *("utc_offset", "flags", "group", "split", "utc_offset_from", "fold"),
    *("accuracy", "dop", "position_from", "field", "field_distance", "field_crop", "field_sure"),
]
"""Header of labels.csv."""

REJECTED_COLUMNS = ["source", "reason", "detail"]
"""Header of rejected.csv."""

ALIKE_COLUMNS = ["source", "other", "distance", "label", "other_label"]
"""Header of alike.csv."""

LEAK_COLUMNS = ["source", "split", "other", "other_split", "rule", "distance"]
"""Header of leaks.csv."""

SUMMARY_FORM = 5
"""Counts what dataset.json may say: where that has grown, the next run writes it again."""

_IN_MEMORY = 4_000_000
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four: full-width


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row of rejected.csv."""

    source: str
    reason: str
    detail: str


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV table: ended by LF, quoted as in RFC 4180."""
    buffer = io.StringIO()
    # Before Python 3.13 a carriage return is quoted only where lines end with one.
    writer = csv.writer(buffer, lineterminator="\r\n")
    header = dict(zip(columns, columns, strict=True))
    for row in chain([header], rows):
        writer.writerow(map(row.get, columns))
        yield buffer.getvalue().removesuffix("\r\n") + "\n"
        buffer.seek(0)
        buffer.truncate()


def inert(value: object) -> object:
    """Return a cell that a spreadsheet does not run as a formula.

    >>> inert("=1+1"), inert("corn"), inert(-1)
    ("'=1+1", 'corn', -1)
    """
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def summary_lines(summary: Callable[[], Mapping[str, Any]]) -> Iterator[str]:
    """Yield the text of dataset.json; what it says is asked for when the text is."""
    yield json.dumps(summary(), indent=2, ensure_ascii=False) + "\n"


class Draft:
    """A table that is not in its place yet; close it when it is.

    Parameters
    ----------
    lines : iterable of str
        Its text.

    Attributes
    ----------
    digest : str
        SHA-256 of its bytes, in hexadecimal.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - read by `save`
        hasher = hashlib.sha256()
        for line in lines:
            data = line.encode()
            hasher.update(data)
            self._file.write(data)
        self.digest = hasher.hexdigest()

    def close(self) -> None:
        """Let go of it."""
        self._file.close()

    def save(self, store: Store, name: str) -> None:
        """Write the table, whole or not at all."""
        self._file.seek(0)
        with store.writer(name) as file:
            while piece := self._file.read(1 << 20):
                file.write(piece)


def read_summary(store: Store, folder: str = "", name: str = SUMMARY) -> dict[str, Any] | None:
    """Return what dataset.json says, or None where there is none that can be read."""
    path = f"{folder}/{name}" if folder else name
    try:
        return parse_summary(store.read(path)[0])
    except OSError:
        return None


def parse_summary(data: bytes) -> dict[str, Any] | None:
    """Return what the bytes of dataset.json say, or None where they are damaged."""
    try:
        summary = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return summary if isinstance(summary, dict) else None


def read_table(url: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV table.

    Parameters
    ----------
    url : str or Path
        A file, such as out/labels.csv or s3://bucket/out/labels.csv.

    Raises
    ------
    DatasetError
        There is no such table, or it is not UTF-8.
    """
    store, name = open_file(url)
    return list(rows_of(store, name))


def rows_of(store: Store, name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV table of a store, which was prepared.

    Raises
    ------
    DatasetError
        As `read_table` does.
    """
    try:
        yield from each_row(store, name)
    except FileNotFoundError as error:
        place = join(store.url, name)
        raise LayoutError(f"{place}: no such table; run granpipe prepare first") from error


def each_row(store: Store, name: str, needed: Iterable[str] = ()) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV table of a store, which takes less memory than a list of them.

    Parameters
    ----------
    store, name : Store, str
    needed : iterable of str
        Columns that the table must have.

    Raises
    ------
    FileNotFoundError
        There is no such table.
    DatasetError
        It is not UTF-8, cannot be read, or has not the columns.
    """
    with _table(store, name) as text:
        yield from _reader(text, set(needed))


def each_cells(store: Store, name: str, columns: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield some cells of each row, of two columns or more, in a third of the time of `each_row`.

    Raises
    ------
    FileNotFoundError, DatasetError
        As `each_row` does; a row that has not the columns, too.
    """
    with _table(store, name) as text:
        reader = csv.reader(text)
        header = next(reader, [])
        for column in columns:
            if column not in header:
                raise ValueError(f"no column {column}")
        chosen = itemgetter(*map(header.index, columns))
        for row in reader:
            if len(row) != len(header):
                raise ValueError(f"a row of {len(row)} cells, not {len(header)}")
            yield chosen(row)


@contextmanager
def _table(store: Store, name: str) -> Generator[io.TextIOWrapper, None, None]:
    """Open a table as text, and turn what is wrong with it into one line."""
    try:
        with io.TextIOWrapper(
            io.BufferedReader(Pieces(store.pieces(name))), "utf-8-sig", newline=""
        ) as text:
            yield text
    except FileNotFoundError:
        raise
    except IsADirectoryError as error:
        place = join(store.url, name)
        what = f"{place}: is a folder; name the table, as {join(place, LABELS)}"
        raise LayoutError(what) from error
    except (OSError, ValueError, csv.Error) as error:
        place = join(store.url, name)
        raise DatasetError(f"{place}: damaged ({error}); run granpipe prepare again") from error


class Pieces(io.RawIOBase):
    """A file that is read in pieces, so that it is never in memory as a whole."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _reader(text: io.TextIOBase, needed: set[str]) -> "csv.DictReader[str]":
    reader = csv.DictReader(text)
    if missing := needed - set(reader.fieldnames or ()):
        raise ValueError(f"no column {min(missing)}")
    return reader
