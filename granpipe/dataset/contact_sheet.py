"""Contact sheets: arrays with captions, for a look at what the network will see."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TypeVar

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from granpipe.dataset.arrays import load_array
from granpipe.dataset.names import LABELS
from granpipe.dataset.tables import rows_of
from granpipe.photo.letterbox import Pixels
from granpipe.stores.protocol import Store

Item = TypeVar("Item")

MARK, MARK_PLACE = b"tEXtSoftware\0granpipe", 37
"""What marks a PNG as one of these sheets, behind its header and a length (PNG 1.2, 4.1.1)."""

_TILE, _GAP = 144, 8
_TITLE = 22
_ROW = _TITLE + _TILE + 36
_COLUMNS, _ROWS = 8, 40
_PAPER, _INK, _FRAME = "#ffffff", "#222222", "#bbbbbb"


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of a contact sheet: a title, and square arrays in colour with captions."""

    title: str
    tiles: list[tuple[str, Pixels]]


def contact_sheet(rows: Sequence[SheetRow]) -> bytes:
    """Draw rows of captioned arrays, and return the picture as a PNG file."""
    columns = max((len(row.tiles) for row in rows), default=1)
    size = (_GAP + columns * (_TILE + _GAP), _GAP + max(len(rows), 1) * _ROW)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        top = _GAP + number * _ROW
        _write(draw, (_GAP, top), row.title, size[0] - 2 * _GAP, 14)
        for column, (caption, array) in enumerate(row.tiles):
            _draw_tile(sheet, _GAP + column * (_TILE + _GAP), top + _TITLE, caption, array)
    buffer = BytesIO()
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", "granpipe")
    sheet.save(buffer, "PNG", optimize=True, pnginfo=text)
    return buffer.getvalue()


def _draw_tile(sheet: Image.Image, left: int, top: int, caption: str, array: Pixels) -> None:
    draw = ImageDraw.Draw(sheet)
    tile = Image.fromarray(array).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
    sheet.paste(tile, (left, top))
    draw.rectangle((left - 1, top - 1, left + _TILE, top + _TILE), outline=_FRAME)
    for line, text in enumerate(caption.split("\n")):
        _write(draw, (left, top + _TILE + 1 + 13 * line), text, _TILE, 11)


def _write(
    draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int, size: int
) -> None:
    """Write as much of a text, from its end, as is not wider than this in pixels."""
    font = ImageFont.load_default(size)
    text = "".join(char if char.isprintable() else "?" for char in text)[-200:]
    while font.getlength(text) > width and len(text) > 1:
        text = "…" + text.removeprefix("…")[1:]
    draw.text(place, text, _INK, font)


def draw_dataset(dataset: Store) -> bytes:
    """Draw a contact sheet of a prepared dataset: a row a class, with up to eight photographs.

    Raises
    ------
    DatasetError
        The store holds no dataset.
    PhotoError
        An array is damaged.
    """
    sheet = []
    for label, rows in _spread([*_by(dataset, "label").items()], _ROWS):
        chosen = _spread(rows, _COLUMNS)
        tiles = [(_name(row["source"]), load_array(dataset, row)) for row in chosen]
        sheet.append(SheetRow(f"{label}: {len(rows)}", tiles))
    return contact_sheet(sheet)


def draw_copies(dataset: Store, augmented: Store) -> bytes:
    """Draw a contact sheet of an augmented set: a row a photograph, with up to seven copies.

    Raises
    ------
    DatasetError
        A store holds no such set.
    PhotoError
        An array is damaged.
    """
    copies = _by(augmented, "source")
    chosen = [
        row
        for rows in _by(dataset, "label").values()
        for row in _spread([row for row in rows if row["source"] in copies], 3)
    ]
    sheet = []
    for row in _spread(chosen, _ROWS):
        tiles = [("as prepared", load_array(dataset, row))]
        for copy in copies[row["source"]][: _COLUMNS - 1]:
            tiles.append((_what_was_done(copy), load_array(augmented, copy)))
        sheet.append(SheetRow(row["source"], tiles))
    return contact_sheet(sheet)


def _what_was_done(row: dict[str, str]) -> str:
    width = float(row["crop_right"]) - float(row["crop_left"])
    height = float(row["crop_bottom"]) - float(row["crop_top"])
    box = (int(row["right"]) - int(row["left"])) * (int(row["bottom"]) - int(row["top"]))
    names = {"flip_horizontal": "mirrored", "flip_vertical": "upside down"}
    flips = ", ".join(name for column, name in names.items() if row[column] == "1")
    return f"turned {float(row['angle']):+z.1f}°, {width * height / box:.0%} of it\n{flips}"


def _by(store: Store, column: str) -> dict[str, list[dict[str, str]]]:
    """Return the rows of labels.csv by what is in one of its columns."""
    rows: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows_of(store, LABELS):
        rows[row[column]].append(row)
    return rows


def _name(source: str) -> str:
    return " ".join(source.rpartition("/")[2].split())


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly chosen.

    >>> _spread("abcdefgh", 4)
    ['a', 'c', 'e', 'g']
    """
    count = min(most, len(items))
    return [items[index * len(items) // count] for index in range(count)]
