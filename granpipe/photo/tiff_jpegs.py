"""JPEGs that are the strips or tiles of a TIFF (Adobe's technical note 2 to TIFF 6.0)."""

from PIL import Image

from granpipe.errors import PhotoError

_WIDTH, _LENGTH, _COMPRESSION, _OFFSETS, _ROWS = 256, 257, 259, 273, 278
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS = 322, 323, 324
_JPEG = 7
_HEADER, _MOST_SEGMENTS, _MOST_PARTS = 1 << 16, 64, 4096
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LARGEST_BLOCK = 32  # rows, to which the last part may be filled up


def whole_jpeg(image: Image.Image, data: bytes) -> bytes:
    """Return the beginning of the JPEG that is all of an opened TIFF; nothing where none is."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    places = tags.get(_OFFSETS, ())
    is_whole = tags.get(_COMPRESSION) == _JPEG and len(places) == 1
    return data[places[0] : places[0] + _HEADER] if is_whole else b""


def check_jpegs(image: Image.Image, data: bytes) -> None:
    """See that the JPEGs in an opened TIFF have the sides of its strips or tiles.

    Decoders draw what they find, in rows of another length.

    Raises
    ------
    PhotoError
        `truncated` where one has not.
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


def _fits(sides: tuple[int, int], width: int, rows: int, needed: int) -> bool:
    """Return whether a JPEG has the width of its part and the rows that are needed of it."""
    return sides[0] == width and needed <= sides[1] <= max(rows, needed + _LARGEST_BLOCK - 1)


def _frame_sides(data: bytes, place: int) -> tuple[int, int] | None:
    """Return width and height of the JPEG at a place; None where it does not say."""
    if data[place : place + 2] != b"\xff\xd8":
        return None
    place += 2
    for _ in range(_MOST_SEGMENTS):
        head = data[place : place + 9]
        if len(head) < 9 or head[0] != 0xFF:
            return None
        if head[1] in _FRAMES:
            height, width = (int.from_bytes(head[at : at + 2], "big") for at in (5, 7))
            return width, height
        place += 2 + int.from_bytes(head[2:4], "big")
    return None
