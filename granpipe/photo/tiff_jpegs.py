"""JPEGs that are the strips or tiles of a TIFF (Adobe's technical note 2 to TIFF 6.0)."""

import struct

from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.jpeg_holes import ZeroCodes, find_hole
from granpipe.photo.unread import FRAMES, segments

_WIDTH, _LENGTH, _COMPRESSION, _OFFSETS, _ROWS = 256, 257, 259, 273, 278
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 322, 323, 324
_COUNTS, _TILE_COUNTS, _TABLES = 279, 325, 347
_JPEG = 7
_HEADER, _MOST_PARTS = 1 << 16, 4096
_LARGEST_BLOCK = 32  # rows, to which the last part may be filled up


def whole_jpeg(image: Image.Image, data: bytes) -> bytes:
    """Return the beginning of the JPEG that is all of an opened TIFF; nothing where none is."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    places = tags.get(_OFFSETS, ())
    is_whole = tags.get(_COMPRESSION) == _JPEG and len(places) == 1
    return data[places[0] : places[0] + _HEADER] if is_whole else b""


def check_jpegs(image: Image.Image, data: bytes) -> None:
    """Raise PhotoError `truncated` where a JPEG in a TIFF has other sides than its strip or tile.

    Decoders draw what they find, in rows of another length. So it is where codes are zeros.
    """
    tags = image.tag_v2  # type: ignore[attr-defined]
    if tags.get(_COMPRESSION) != _JPEG:
        return
    if _TILE_OFFSETS in tags:
        places, width, rows = tags[_TILE_OFFSETS], tags[_TILE_WIDTH], tags[_TILE_LENGTH]
        last, in_a_plane = rows, 1
    else:
        places, width, height = tags.get(_OFFSETS, ()), tags[_WIDTH], tags[_LENGTH]
        rows = min(tags.get(_ROWS) or height, height)
        last, in_a_plane = height - (height - 1) // rows * rows, -(-height // rows)
    for number, place in enumerate(places[:_MOST_PARTS], start=1):
        sides = _frame_sides(data, place)
        if sides and not _fits(sides, width, rows, rows if number % in_a_plane else last):
            what = (
                f"a part of it is to have {width} x {rows} pixels, and has {sides[0]} x {sides[1]}"
            )
            raise PhotoError("truncated", what)
    counts = tags.get(_TILE_COUNTS if _TILE_OFFSETS in tags else _COUNTS, ())
    tables = tags.get(_TABLES, b"")
    for place, count in zip(places, counts, strict=False):
        if _lacks_codes(data, place, place + count, tables):
            raise PhotoError("truncated", "a part of its codes was never written, or is erased")


def _lacks_codes(data: bytes, start: int, end: int, tables: bytes) -> bool:
    """Return whether the JPEG between two places has zeros among its codes that no picture has."""
    hole = find_hole(data, start, end)
    if hole < 0 or not isinstance(tables, bytes):
        return False
    zeros = ZeroCodes()
    zeros.read(tables[2:-2])
    zeros.read(data[start + 2 : hole])
    return not zeros.are_flat and any(data[hole : min(end, len(data)) - 2].lstrip(b"\0"))


def _fits(sides: tuple[int, int], width: int, rows: int, needed: int) -> bool:
    """Return whether a JPEG has the width of its part and the rows that are needed of it."""
    return sides[0] == width and needed <= sides[1] <= max(rows, needed + _LARGEST_BLOCK - 1)


def _frame_sides(data: bytes, place: int) -> tuple[int, int] | None:
    """Return width and height of the JPEG at a place; None where it does not say."""
    head = data[place : place + _HEADER]
    for marker, start, end in segments(head) if head.startswith(b"\xff\xd8") else ():
        if marker in FRAMES and end - start >= 6:
            height, width = struct.unpack_from(">HH", head, start + 1)
            return width, height
    return None
