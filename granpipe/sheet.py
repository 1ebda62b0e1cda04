"""Contact sheets: arrays with captions, for a look at what the network will see."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image, ImageDraw, ImageFont

from granpipe.dataset import LABELS, load_array, read_table, write_file
from granpipe.errors import DatasetError
from granpipe.letterbox import Pixels

Item = TypeVar("Item")

_TILE = 144
_GAP = 8
_CAPTION = 18
_PAPER, _INK, _FRAME = "#ffffff", "#222222", "#bbbbbb"


def contact_sheet(rows: Sequence[Sequence[tuple[str, Pixels]]]) -> bytes:
    """Draw rows of captioned arrays.

    Parameters
    ----------
    rows : sequence of sequences of (str, ndarray)
        A caption and an array of shape (size, size, 3), uint8, for each tile.

    Returns
    -------
    bytes
        A PNG file.
    """
    columns = max((len(row) for row in rows), default=1)
    width = _GAP + columns * (_TILE + _GAP)
    height = _GAP + max(len(rows), 1) * (_TILE + _CAPTION + _GAP)
    sheet = Image.new("RGB", (width, height), _PAPER)
    for row_index, row in enumerate(rows):
        for column, (caption, array) in enumerate(row):
            left = _GAP + column * (_TILE + _GAP)
            _draw_tile(sheet, left, _GAP + row_index * (_TILE + _CAPTION + _GAP), caption, array)
    buffer = BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _draw_tile(sheet: Image.Image, left: int, top: int, caption: str, array: Pixels) -> None:
    draw = ImageDraw.Draw(sheet)
    draw.text((left, top), _shortened(caption), _INK, ImageFont.load_default(12))
    tile = Image.fromarray(array).resize((_TILE, _TILE), Image.Resampling.LANCZOS)
    sheet.paste(tile, (left, top + _CAPTION))
    frame = (left - 1, top + _CAPTION - 1, left + _TILE, top + _CAPTION + _TILE)
    draw.rectangle(frame, outline=_FRAME)


def _shortened(caption: str) -> str:
    font = ImageFont.load_default(12)
    text = "".join(char if char.isprintable() else "?" for char in caption)[-60:]
    while font.getlength(text) > _TILE and len(text) > 1:
        text = "…" + text.removeprefix("…")[1:]
    return text


def save_sheet(path: Path, sheet: bytes) -> None:
    """Write a contact sheet; DatasetError unless the name ends in .png and is free or a PNG."""
    if path.suffix.lower() != ".png":
        raise DatasetError(f"{path}: a contact sheet is a .png file; name one")
    write_file(path, sheet, b"\x89PNG")


def draw_dataset(folder: Path) -> bytes:
    """Draw a contact sheet of a prepared dataset: a row a class, with up to eight photographs.

    Raises
    ------
    DatasetError
        The folder holds no dataset.
    PhotoError
        An array is damaged.
    """
    classes: dict[str, list[str]] = {}
    for row in read_table(folder / LABELS):
        classes.setdefault(row["label"], []).append(row["path"])
    return contact_sheet(
        [
            [(path.removesuffix(".npy"), load_array(folder / path)) for path in _spread(paths, 8)]
            for paths in _spread(list(classes.values()), 40)
        ]
    )


def _spread(items: Sequence[Item], most: int) -> list[Item]:
    """Return at most so many items, evenly chosen.

    >>> _spread("abcdefgh", 4)
    ['a', 'c', 'e', 'g']
    """
    count = min(most, len(items))
    return [items[index * len(items) // count] for index in range(count)]
