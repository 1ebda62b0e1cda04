"""Read the tags that granpipe asks for out of an EXIF block.

exifread reads every tag there is, at ten microseconds each and more, and a camera writes sixty. So
a block in which all is in order is read here, for what is asked for alone, and exifread reads the
others, whole. Tables are as in TIFF 6.0, section 2, and Exif 2.32, section 4.6.2.
"""

import logging
import struct
from collections.abc import Container
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

from granpipe.errors import PhotoError, one_line
from granpipe.photo.tiff import BIG_PREFIXES, entries, values

# exifread warns of every odd tag on stderr, where it would tear the progress bar.
logging.getLogger("exifread").addHandler(logging.NullHandler())

Tags: TypeAlias = dict[str, Any]

_ORIENTATION, _EXIF, _GPS = 0x0112, 0x8769, 0x8825
_CAMERA = {0x010F: "Image Make", 0x0110: "Image Model"}
_POINTERS = {_EXIF: "Image ExifOffset", _GPS: "Image GPSInfo"}
_IMAGE = _CAMERA | _POINTERS
_TIMES = {
    0x9003: "EXIF DateTimeOriginal",
    0x9004: "EXIF DateTimeDigitized",
    0x9011: "EXIF OffsetTimeOriginal",
    0x9012: "EXIF OffsetTimeDigitized",
}
_POSITION = {
    1: "GPS GPSLatitudeRef",
    2: "GPS GPSLatitude",
    3: "GPS GPSLongitudeRef",
    4: "GPS GPSLongitude",
    5: "GPS GPSAltitudeRef",
    6: "GPS GPSAltitude",
    7: "GPS GPSTimeStamp",
    9: "GPS GPSStatus",
    11: "GPS GPSDOP",
    16: "GPS GPSImgDirectionRef",
    17: "GPS GPSImgDirection",
    18: "GPS GPSMapDatum",
    29: "GPS GPSDate",
    31: "GPS GPSHPositioningError",
}
_TABLES = {_EXIF: _TIMES | {_GPS: ""}, _GPS: _POSITION | {_GPS: ""}}

_ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 2, 3, 4, 5, 10
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 5: "I", 6: "b", 7: "B", 8: "h", 9: "i", 10: "i"}
_REALS = {11: (4, "f"), 12: (8, "d")}
_MOST_VALUES = 50  # exifread shortens what it prints of more
_LARGEST = 1 << 17  # a TIFF file, whose tags may be anywhere


class OddBlockError(Exception):
    """A block is not put together as cameras do it."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A fraction of EXIF, whose denominator may be 0."""

    num: int
    den: int

    def __float__(self) -> float:
        return self.num / self.den

    def __repr__(self) -> str:
        from exifread.utils import Ratio as Reduced  # noqa: PLC0415 - for messages alone

        return repr(Reduced(self.num, self.den))


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, with those attributes of exifread's that granpipe uses.

    Attributes
    ----------
    values : str or list
        Text, or numbers.
    field_type : int
        TIFF's number of their type.
    field_offset, field_length : int
        Where they begin in the block, and their length, in bytes.
    """

    values: Any
    field_type: int
    field_offset: int
    field_length: int

    def __str__(self) -> str:
        is_single = isinstance(self.values, list) and len(self.values) == 1
        return str(self.values[0] if is_single else self.values)


def read_tags(block: bytes) -> Tags:
    """Return the tags of a TIFF block.

    Parameters
    ----------
    block : bytes
        An EXIF block, without what marks it as one, or a TIFF file.

    Returns
    -------
    dict
        `Tag` by the names that exifread gives: camera, times and position; all there are, as
        exifread returns them, of a block that is not in order.

    Raises
    ------
    PhotoError
        `unreadable` where the block is damaged.
    """
    order = order_of(block)
    if not order:
        raise PhotoError("unreadable", "EXIF does not begin like TIFF")
    try:
        return _plain_tags(block, order)
    except (OddBlockError, struct.error):
        return _all_tags(block)


def read_orientation(block: bytes) -> int:
    """Return the orientation in a TIFF block, 1 to 8; 1 where none is said.

    A number of any type is taken, and of several the first, as ExifTool does.
    """
    order = order_of(block)
    if not order:
        return _usable(_find_orientation(block))
    try:
        places, _ = read_table(block, order, block[4:8], {_ORIENTATION})
        if not places:
            return 1
        place = places[_ORIENTATION]
        kind, count, value = struct.unpack_from(f"{order}HIH", block, place + 2)
        if (kind, count) != (_SHORT, 1):  # as cameras do not write it
            value = first_number(block, order, place)
    except (OddBlockError, struct.error):
        value = _find_orientation(block)
    return _usable(value)


def _usable(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1


def _find_orientation(block: bytes) -> int:
    """Return the orientation of a BigTIFF, or in a first table that is not in order; 1 for none."""
    try:
        for number, kind, count, place in entries(block):
            if number == _ORIENTATION and block.startswith(BIG_PREFIXES):
                return values(block, kind, count, place)[0]
            if number == _ORIENTATION:
                return first_number(block, order_of(block), place - 8)
    except (OddBlockError, struct.error, LookupError, OverflowError):
        pass
    return 1


def first_number(block: bytes, order: str, place: int) -> int:
    """Return the first number of an entry, of any type; 0 where it is none, or no whole one."""
    kind, count = struct.unpack_from(f"{order}HI", block, place + 2)
    if kind in _REALS and count:
        start = place + 8
        if count * _REALS[kind][0] > 4:
            (start,) = struct.unpack_from(f"{order}I", block, start)
        value = struct.unpack_from(order + _REALS[kind][1], block, start)[0]
    else:
        values = _tag(block, order, place).values
        value = values.strip(" \0") if isinstance(values, str) else (values or [0])[0]
    try:
        number = float(value)
        return int(number) if number.is_integer() else 0
    except (ValueError, ZeroDivisionError, OverflowError):
        return 0


def order_of(block: bytes) -> str:
    """Return the order of bytes in a TIFF block as `struct` writes it; empty where it is none."""
    return {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4], "")


def _plain_tags(block: bytes, order: str) -> Tags:
    """Return the tags of a block as cameras write it; OddBlockError for another."""
    if len(block) > _LARGEST:
        raise OddBlockError
    image, following = read_table(block, order, block[4:8], _IMAGE)
    if any(following) and read_table(block, order, following, _POINTERS) != ({}, bytes(4)):
        raise OddBlockError
    tags = {_IMAGE[number]: _tag(block, order, place) for number, place in image.items()}
    for number, wanted in _TABLES.items():
        if number in image:
            pointer = tags[_IMAGE[number]]
            if (pointer.field_type, pointer.field_length) != (_LONG, 4):
                raise OddBlockError
            start = block[pointer.field_offset : pointer.field_offset + 4]
            places, _ = read_table(block, order, start, wanted)
            if _GPS in places:
                raise OddBlockError
            tags |= {wanted[inner]: _tag(block, order, place) for inner, place in places.items()}
    return tags


def read_table(
    block: bytes, order: str, pointer: bytes, wanted: Container[int]
) -> tuple[dict[int, int], bytes]:
    """Return where the wanted entries of a table are, by number, and the pointer to the next.

    OddBlockError or struct.error mean that the table is not whole, or has an entry twice.
    """
    (start,) = struct.unpack(f"{order}I", pointer)
    (count,) = struct.unpack_from(f"{order}H", block, start)
    end = start + 2 + 12 * count
    if start < 8 or end + 4 > len(block):
        raise OddBlockError
    # All numbers at once: one by one they take most of the time.
    numbers = struct.unpack_from(order + "H10x" * count, block, start + 2)
    places: dict[int, int] = {}
    for row, number in enumerate(numbers):
        if number in wanted:
            if number in places:
                raise OddBlockError
            places[number] = start + 2 + 12 * row
    return places, block[end : end + 4]


def _tag(block: bytes, order: str, place: int) -> Tag:
    kind, count, offset = struct.unpack_from(f"{order}HII", block, place + 2)
    if kind not in _SIZES:
        raise OddBlockError
    size = count * _SIZES[kind]
    start = place + 8 if size <= 4 else offset
    if not 8 <= start <= len(block) - size or (count > _MOST_VALUES and kind != _ASCII):
        raise OddBlockError
    if kind == _ASCII:
        return Tag(_text(block[start : start + size]), kind, start, size)
    pairs = kind in {_RATIONAL, _SRATIONAL}
    letters = _LETTERS[kind] * (2 * count if pairs else count)
    values = list(struct.unpack_from(order + letters, block, start))
    if pairs:
        return Tag(list(map(Ratio, values[::2], values[1::2])), kind, start, size)
    return Tag(values, kind, start, size)


def _text(data: bytes) -> str:
    try:
        return data.partition(b"\0")[0].decode()
    except UnicodeDecodeError as error:
        raise OddBlockError from error


def _all_tags(block: bytes) -> Tags:
    """Return all tags of a block, by exifread."""
    import exifread  # noqa: PLC0415 - takes as long as a hundred blocks that are in order

    try:
        return dict(exifread.process_file(_Stream(block), details=False, extract_thumbnail=False))
    except Exception as error:  # exifread raises nearly anything on hostile blocks
        raise PhotoError("unreadable", f"EXIF is damaged: {one_line(error)}") from error


class _Stream(BytesIO):
    """An EXIF block that ends the reading of hostile tags.

    Tables of tags may overlap, and 64 KB of them keep exifread busy for minutes. This much patience
    is a second or less; a photograph's block needs a thousandth of it.
    """

    patience = 4_000_000

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.patience -= len(data) + 8
        if self.patience < 0:
            raise ValueError("too many tags")
        return data
