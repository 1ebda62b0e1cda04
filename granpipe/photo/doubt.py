"""Tell JPEGs that a reduced scale shows otherwise than the full size.

At a reduced scale, a decoder leaves out the coefficients of the finest detail. That shows what the
full size shows as long as all pixels come out within their range, as an encoder's do. Damage that
the codes survive sends them far beyond it: in the tables that coefficients are multiplied by or
told by, or in a difference of brightness, from which all pixels of the rows below are off.
"""

from collections.abc import Iterator
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from granpipe.errors import PhotoError
from granpipe.photo.opening import open_photo
from granpipe.photo.scans import ALONE, MARKER, SCAN, find_stretches

_QUANTA, _CODES = 0xDB, 0xC4
_TABLES = (_QUANTA, _CODES)
_MOST_LEAP = 4  # cameras, libjpeg and Photoshop stay below 3 among neighbours in their order
_NEIGHBOURS = 8  # on either side
# What 8-bit pixels need of the categories of ITU T.81, tables F.1 and F.2, and of runs.
_DIFFERENCES = bytes(range(12))
_RUNS = bytes(16 * run + size for run in range(16) for size in range(11))
_THIRD, _ROWS = 4, 60  # that are looked at: pixels of a third of a row, and rows
# How far a block's mean may lie outside 0 to 255: by rounding less than one; of colours, which
# stand for up to four blocks, some more. In ten photographs at most 0.02 % of the blocks did.
_MOST_BRIGHTNESS, _MOST_COLOUR, _FEW = 16, 24, 0.005
_ANY_PIXELS = 1 << 62  # their number was judged before
_KINDS = {"RGB": "YCbCr", "L": "L"}


def has_odd_tables(image: Image.Image, data: bytes) -> bool:
    """Tell whether a JPEG has a table that no encoder writes.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened, not decoded.
    data : bytes
        Its file.
    """
    tiles = getattr(image, "tile", [])
    place = tiles[0][2] if tiles else 0
    if not image.info.get("progressive"):
        return any(_is_odd(*table) for table in _tables(data, place))
    headers = (data[one.header : one.start] for one in find_stretches(data, place))
    return any(_is_odd(*table) for header in headers for table in _tables(header))


def _tables(data: bytes, place: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the segments before a scan that define tables: marker and contents."""
    for marker, start, end in _segments(data, place):
        yield marker, data[start:end]


def _segments(data: bytes, place: int) -> Iterator[tuple[int, int, int]]:
    while match := MARKER.search(data, place):
        marker, place = match[1][0], match.end()
        if marker == SCAN:
            return
        if marker not in ALONE:
            end = place + int.from_bytes(data[place : place + 2], "big")
            if marker in _TABLES:
                yield marker, place + 2, end
            place = end


@lru_cache(maxsize=256)  # most photographs of a folder share their tables
def _is_odd(marker: int, contents: bytes) -> bool:
    return _has_odd_codes(contents) if marker == _CODES else _has_odd_quanta(contents)


def _has_odd_codes(contents: bytes) -> bool:
    while contents:
        kind, count = contents[0], sum(contents[1:17])
        symbols, contents = contents[17 : 17 + count], contents[17 + count :]
        unknown = symbols.translate(None, _RUNS if kind > 0xF else _DIFFERENCES)
        if unknown or len(set(symbols)) < count:
            return True
    return False


def _has_odd_quanta(contents: bytes) -> bool:
    while contents:
        width = 2 if contents[0] > 0xF else 1
        numbers, contents = contents[1 : 1 + 64 * width], contents[1 + 64 * width :]
        starts = range(0, len(numbers), width)
        if _leaps([int.from_bytes(numbers[start : start + width], "big") for start in starts]):
            return True
    return False


def _leaps(quanta: list[int]) -> bool:
    """Tell whether one of 64 numbers, in the order of their frequencies, is unlike those around."""
    for place, quantum in enumerate(quanta):
        around = sorted(quanta[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1])
        low, high = sorted((quantum, around[len(around) // 2]))
        if high - 1 > _MOST_LEAP * max(low, 1):
            return True
    return False


def has_clipped_row(picture: Image.Image) -> bool:
    """Tell whether each pixel of a third of a row has a channel at 0, or each has one at 255."""
    sides = (3 * _THIRD, min(picture.height, _ROWS))
    few = picture.resize(sides, Image.Resampling.NEAREST)
    values = few.tobytes()
    if values.count(0) < _THIRD and values.count(255) < _THIRD:
        return False  # as nearly always, and five times as fast
    bands = few.split()
    lows = reduce(ImageChops.darker, bands).reduce((_THIRD, 1)).tobytes()
    highs = reduce(ImageChops.lighter, bands).reduce((_THIRD, 1)).tobytes()
    return 0 in lows or 255 in highs


def has_impossible_blocks(data: bytes) -> bool:
    """Tell whether blocks of a JPEG are brighter than white or darker than black, or may be.

    A white sky is not: no mean of pixels is. Damage in a difference of brightness clips as the sky
    is clipped, but the means, decoded again with smaller quanta, show where they really lie. That
    takes less than a fifth of what a decode in full size and its scaling take.

    Parameters
    ----------
    data : bytes
        A JPEG that Pillow opens.
    """
    image = open_photo(data, _ANY_PIXELS)
    kind = _KINDS.get(image.mode)
    small, factors = _of_small_quanta(data, image.tile[0][2])  # type: ignore[attr-defined]
    if not kind or not factors:
        return True
    try:
        image = open_photo(small, _ANY_PIXELS)
        image.draft(kind, (1, 1))
        tables = [layer[3] for layer in image.layer]  # type: ignore[attr-defined]
        means = (np.asarray(image, np.float32) - 128).reshape(image.height, image.width, -1)
        scales = np.array([factors[table] for table in tables], np.float32)
        return _lie_outside(means * scales + 128)
    except (PhotoError, OSError, LookupError, ValueError):
        return True  # not to be told by this


def _of_small_quanta(data: bytes, place: int) -> tuple[bytes, dict[int, float]]:
    """Return a JPEG with about half the quanta for means, and nearly no detail.

    With it, by which factor the means of each table shrank; none where one cannot be halved.
    """
    small, factors = bytearray(data), {}
    for marker, start, end in _segments(data, place):
        for at in range(start, end - 64, 65) if marker == _QUANTA else ():
            quantum = data[at + 1]
            if data[at] > 0xF or quantum < 2:  # wider numbers, or one
                return b"", {}
            half = (quantum + 1) // 2
            small[at + 1 : at + 65] = bytes([half]) + b"\1" * 63
            factors[data[at]] = quantum / half
    return bytes(small), factors


def _lie_outside(means: NDArray[np.float32]) -> bool:
    """Tell whether means of brightness, and two of colour (JFIF 1.02), are no picture's."""
    bright = means[..., 0]
    if bright.min() < -_MOST_BRIGHTNESS or bright.max() > 255 + _MOST_BRIGHTNESS:
        return True
    if means.shape[2] == 1:
        return False
    blue, red = means[..., 1] - 128, means[..., 2] - 128
    channels = (bright + 1.402 * red, bright - 0.344 * blue - 0.714 * red, bright + 1.772 * blue)
    outside = [(one < -_MOST_COLOUR) | (one > 255 + _MOST_COLOUR) for one in channels]
    return bool(np.any(outside, axis=0).mean() > _FEW)
