"""Labels in a table: which photograph is of which class, and what else it says of it."""

import codecs
import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from granpipe.dataset.shares import split_word
from granpipe.dataset.tables import Pieces
from granpipe.errors import LayoutError
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join, open_file

_PATHS = ("source", "path", "file_name", "filename")
_LABELS = ("label", "class")
_FACTS = {"latitude", "longitude", "taken_at"}
_MISSING = {"na", "n/a", "nan", "null", "none"}
_OPTIONAL = ("group", "split", "latitude", "longitude", "taken_at")
# Two names of columns behind the table's own, as in survey.csv:photo_id,crop.
_WITH_COLUMNS = re.compile(r"(.+):([^/\\:,]+),([^/\\:,]+)", re.DOTALL)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2})?")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
# The first line of some of Excel's.
_SEPARATOR = re.compile(r'"?sep=([,;\t])"?\r?\n', re.IGNORECASE)
_LONGEST_CELL = 1_000_000


class LabelRow(NamedTuple):
    """A row of a table of labels.

    Attributes
    ----------
    number : int
        Of its line in the table, the header's being 1, where no cell has a line's end in it.
    path : str
        Which photograph it is about, as the table says it, with forward slashes.
    label, group, split, taken_at : str
        May be empty; a split is one of `granpipe.dataset.shares.SPLITS`.
    latitude, longitude : float or None
        Decimal degrees, WGS 84; both or none.
    """

    number: int
    path: str
    label: str
    group: str
    split: str
    latitude: float | None
    longitude: float | None
    taken_at: str


def read_cells(store: Store, name: str) -> Iterator[list[str]]:
    """Yield the rows of a table as cells, its header first.

    Raises
    ------
    LayoutError
        There is no such table, or it cannot be read.
    """
    url = join(store.url, name)
    try:
        head = store.head(name, 1 << 16)
        if head.startswith(_SPREADSHEETS):
            raise LayoutError(f"{url}: is a spreadsheet; save it as CSV, in UTF-8")
        text = _text(store.pieces(name), head)
        first = text.readline()
        if said := _SEPARATOR.fullmatch(first):
            first = text.readline()
        delimiter = said[1] if said else max(",;\t", key=re.sub('"[^"]*"', "", first).count)
        yield next(csv.reader([first], delimiter=delimiter), [])
        former = csv.field_size_limit(_LONGEST_CELL)
        try:
            yield from csv.reader(text, delimiter=delimiter)
        finally:
            csv.field_size_limit(former)
    except FileNotFoundError as error:
        raise LayoutError(f"{url}: no such table; name one") from error
    except UnicodeError as error:
        raise LayoutError(f"{url}: is not UTF-8 or UTF-16; save it as CSV UTF-8") from error
    except OSError as error:
        raise LayoutError(f"{url}: {error.strerror or error}; fix that, then run again") from error
    except csv.Error as error:
        raise LayoutError(f"{url}: is no table ({error})") from error


class LabelTable:
    """A table of labels, to be read row by row.

    Parameters
    ----------
    text : str
        A file or URL, and perhaps two columns behind it: survey.csv:photo_id,crop.

    Raises
    ------
    DatasetError
        There is no such store.
    """

    def __init__(self, text: str) -> None:
        named = _WITH_COLUMNS.fullmatch(text)
        self.text = text
        self.columns: Sequence[str] = named.groups()[1:] if named else ()
        self.store, self.name = open_file(named[1] if named else text)
        self.url = join(self.store.url, self.name)

    @property
    def title(self) -> str:
        """The table as dataset.json names it: without its folder, the same on any machine."""
        columns = ":" + ",".join(self.columns) if self.columns else ""
        return self.name + columns

    @property
    def place(self) -> str:
        """The table as any later run finds it, wherever that is started."""
        is_file = "://" not in self.store.url
        folder = str(Path(self.store.url).absolute()) if is_file else self.store.url
        return join(folder, self.title)

    def rows(self) -> Iterator[LabelRow]:
        """Yield each row.

        Raises
        ------
        LayoutError
            There is no such table, it cannot be read, lacks a column, or a cell is not what it
            may be.
        """
        table = read_cells(self.store, self.name)
        places = self._places([cell.strip() for cell in next(table)])
        for number, cells in enumerate(table, start=2):
            if any(cell.strip() for cell in cells):
                yield self._row(number, cells, places)

    def _places(self, header: Sequence[str]) -> dict[str, int]:
        """Return in which cell of a row each value is, by the header."""
        words = [cell.casefold() for cell in header]
        places = {name: words.index(name) for name in _OPTIONAL if name in words}
        wanted = zip(("path", "label"), (_PATHS, _LABELS), strict=True)
        for place, (value, usual) in enumerate(wanted):
            names = self.columns[place : place + 1] or usual
            found = [words.index(name.casefold()) for name in names if name.casefold() in words]
            if not found:
                listed = ", ".join(header[:20]) or "nothing"
                raise LayoutError(
                    f"{self.url}: has no column {' or '.join(names)}, but {listed}; name the "
                    f"columns of photographs and classes, as {self.name}:photo,crop"
                )
            places[value] = found[0]
        return places

    def _row(self, number: int, cells: Sequence[str], places: dict[str, int]) -> LabelRow:
        def cell(name: str) -> str:
            place = places.get(name, len(cells))
            text = cells[place].strip() if place < len(cells) else ""
            return "" if name in _FACTS and text.casefold() in _MISSING else text

        def wrong(name: str, wanted: str) -> LayoutError:
            return LayoutError(f"{self.url}: row {number}: {name} is {cell(name)!r}, {wanted}")

        split = split_word(cell("split"))
        if split is None:
            raise wrong("split", "not train, validation or test")
        degrees = [_degrees(cell(name), most) for name, most in _DEGREES]
        for (name, most), value in zip(_DEGREES, degrees, strict=True):
            if value is None and cell(name):
                raise wrong(name, f"not degrees between -{most} and {most}")
        taken_at = cell("taken_at").replace(" ", "T", 1)
        if taken_at and not _is_time(taken_at):
            raise wrong("taken_at", "not a time as 2024-06-30T10:15:00")
        latitude, longitude = degrees if None not in degrees else (None, None)
        path = cell("path").replace("\\", "/").removeprefix("./")
        label, group = cell("label"), cell("group")
        return LabelRow(number, path, label, group, split, latitude, longitude, taken_at)


def _is_time(text: str) -> bool:
    """Return whether a text is a day or a second that there was."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return bool(_TIME.fullmatch(text))


_DEGREES = (("latitude", 90), ("longitude", 180))


def _degrees(text: str, most: int) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= most else None


def _text(pieces: Iterator[bytes], head: bytes) -> io.TextIOWrapper:
    """Return the text of a file, whose first bytes say how it is encoded."""
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
    return io.TextIOWrapper(io.BufferedReader(Pieces(pieces)), encoding, newline="")
