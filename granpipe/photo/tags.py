"""Read the tags that granpipe asks for out of an EXIF block, by exifread.

exifread reads every tag there is, at ten microseconds each and more, and a camera writes sixty. So
it is given the block with shorter tables: what is asked for, as it stands there. A block with
anything out of order it is given whole. Tables are as in TIFF 6.0, section 2, and Exif 2.32, 4.6.2.
"""

import logging
import struct
from collections.abc import Container
from io import BytesIO
from typing import Any, TypeAlias

import exifread

from granpipe.errors import PhotoError
from granpipe.photo.opening import one_line

# exifread warns of every odd tag on stderr, where it would tear the progress bar.
logging.getLogger("exifread").addHandler(logging.NullHandler())

Tags: TypeAlias = dict[str, Any]
_Entries: TypeAlias = dict[int, bytes]

_EXIF, _GPS = 0x8769, 0x8825
_CAMERA = {0x010F, 0x0110}
_TABLES = {
    _EXIF: {0x9003, 0x9004, 0x9011, 0x9012},  # two times and their offsets
    _GPS: {1, 2, 3, 4, 5, 6, 9, 17, 18},  # coordinates, altitude, status, direction, datum
}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_ONE_LONG = 4, 1
_NONE = bytes(4)
_MOST_VALUES = 999  # exifread reads no more numbers of a tag
_LARGEST = 1 << 17  # a whole TIFF file is not copied


class _OddError(Exception):
    """A block is not put together as cameras do it."""


def read_tags(block: bytes) -> tuple[Tags, bytes]:
    """Return the tags of a TIFF block.

    Parameters
    ----------
    block : bytes
        An EXIF block, without what marks it as one, or a TIFF file.

    Returns
    -------
    tags : dict
        By name as `exifread.process_file` returns them: camera, times and position, or all.
    block : bytes
        The one that they were read from, which their offsets lead into.

    Raises
    ------
    PhotoError
        `unreadable` where the block is damaged.
    """
    if not block.startswith((b"II*\0", b"MM\0*")):
        raise PhotoError("unreadable", "EXIF does not begin like TIFF")
    try:
        block = _shortened(block)
        stream = BytesIO(block)
    except (_OddError, struct.error):
        stream = _Stream(block)
    try:
        return dict(exifread.process_file(stream, details=False, extract_thumbnail=False)), block
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


def _shortened(block: bytes) -> bytes:
    """Return a block with shorter tables behind it, to which it leads instead of its own.

    Raises
    ------
    _OddError
        A camera would not write it so.
    """
    if len(block) > _LARGEST:
        raise _OddError
    order = "<" if block[:1] == b"I" else ">"
    image, following = _read_table(block, order, block[4:8], _CAMERA | _TABLES.keys())
    if following != _NONE and _read_table(block, order, following, {_GPS}) != ({}, _NONE):
        raise _OddError
    place = len(block) + _length(image)
    tables = []
    for number, wanted in _TABLES.items():
        start = image.get(number, b"")
        if not start:
            continue
        if start[2:8] != struct.pack(f"{order}HI", *_ONE_LONG):
            raise _OddError
        entries, _ = _read_table(block, order, start[8:], wanted | {_GPS})
        if _GPS in entries:
            raise _OddError
        image[number] = start[:8] + struct.pack(f"{order}I", place)
        place += _length(entries)
        tables.append(entries)
    begin = block[:4] + struct.pack(f"{order}I", len(block)) + block[8:]
    return begin + b"".join(_table_of(entries, order) for entries in (image, *tables))


def _read_table(
    block: bytes, order: str, pointer: bytes, wanted: Container[int]
) -> tuple[_Entries, bytes]:
    """Return the entries of a table that are wanted, by number, and the pointer to the next one."""
    (start,) = struct.unpack(f"{order}I", pointer)
    (count,) = struct.unpack_from(f"{order}H", block, start)
    end = start + 2 + 12 * count
    if start < 8 or end + 4 > len(block):
        raise _OddError
    entries: _Entries = {}
    heads = struct.iter_unpack(f"{order}HHII", block[start + 2 : end])
    for place, (number, kind, values, offset) in zip(range(start + 2, end, 12), heads, strict=True):
        if number not in wanted:
            continue
        size = values * _SIZES.get(kind, _LARGEST)  # of an unknown type, too large
        is_within = size <= 4 or 8 <= offset <= len(block) - size
        if number in entries or values > _MOST_VALUES or not is_within:
            raise _OddError
        entries[number] = block[place : place + 12]
    return entries, block[end : end + 4]


def _length(entries: _Entries) -> int:
    return 2 + 12 * len(entries) + 4


def _table_of(entries: _Entries, order: str) -> bytes:
    return struct.pack(f"{order}H", len(entries)) + b"".join(entries.values()) + _NONE
