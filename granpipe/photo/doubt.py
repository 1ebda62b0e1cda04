"""Tell JPEGs that a reduced scale shows otherwise than the full size.

At a reduced scale, a decoder leaves out the coefficients of the finest detail. That shows what the
full size shows as long as all pixels come out within their range, as an encoder's do. Damage that
the codes survive sends them far beyond it: in the tables that coefficients are multiplied by or
told by, or in a difference of brightness, from which all pixels of the rows below are off.
"""

from collections.abc import Iterator
from functools import lru_cache, reduce

from PIL import Image, ImageChops

from granpipe.photo.scans import ALONE, MARKER, SCAN, find_stretches

_QUANTA, _CODES = 0xDB, 0xC4
_TABLES = (_QUANTA, _CODES)
_MOST_LEAP = 4  # cameras, libjpeg and Photoshop stay below 3 among neighbours in their order
_NEIGHBOURS = 8  # on either side
# What 8-bit pixels need of the categories of ITU T.81, tables F.1 and F.2, and of runs.
_DIFFERENCES = bytes(range(12))
_RUNS = bytes(16 * run + size for run in range(16) for size in range(11))
_HALF, _ROWS = 6, 60  # that are looked at: pixels of half a row, and rows


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
    while match := MARKER.search(data, place):
        marker, place = match[1][0], match.end()
        if marker == SCAN:
            return
        if marker not in ALONE:
            end = place + int.from_bytes(data[place : place + 2], "big")
            if marker in _TABLES:
                yield marker, data[place + 2 : end]
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
    """Tell whether in half a row each pixel has a channel at 0, or each one has one at 255."""
    sides = (2 * _HALF, min(picture.height, _ROWS))
    few = picture.resize(sides, Image.Resampling.NEAREST)
    values = few.tobytes()
    if values.count(0) < _HALF and values.count(255) < _HALF:
        return False  # as nearly always, and five times as fast
    bands = few.split()
    lows = reduce(ImageChops.darker, bands).reduce((_HALF, 1)).tobytes()
    highs = reduce(ImageChops.lighter, bands).reduce((_HALF, 1)).tobytes()
    return 0 in lows or 255 in highs
