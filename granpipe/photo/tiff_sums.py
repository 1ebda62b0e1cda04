"""See damage in the deflated strips or tiles of a TIFF, of which libtiff does not read the sums."""

import zlib

from PIL import Image

from granpipe.errors import PhotoError

_COMPRESSION, _FILL_ORDER, _OFFSETS, _COUNTS = 259, 266, 273, 279
_TILE_OFFSETS, _TILE_COUNTS = 324, 325
_DEFLATED = (8, 32946)
_REVERSED = 2  # bits of a byte
_PIECE = 1 << 20
_ROOM = 1.1  # by which strips may hold more than the picture, as tiles at its edges do
_LARGEST_TILE = 1 << 24


def check_sums(image: Image.Image, data: bytes) -> None:
    """Raise PhotoError `truncated` where the checksum of a deflated part is wrong (RFC 1950).

    libtiff takes as many pixels as the part is to have, and does not go on to the sum behind them.
    """
    tags = image.tag_v2  # type: ignore[attr-defined]
    if tags.get(_COMPRESSION) not in _DEFLATED or tags.get(_FILL_ORDER) == _REVERSED:
        return
    is_tiled = _TILE_OFFSETS in tags
    places = tags.get(_TILE_OFFSETS if is_tiled else _OFFSETS, ())
    counts = tags.get(_TILE_COUNTS if is_tiled else _COUNTS, ())
    left = int(16 * _ROOM * image.width * image.height) + _LARGEST_TILE
    for place, count in zip(places, counts, strict=False):
        left -= _inflated(data[place : place + count], left)
        if left <= 0:
            return


def _inflated(packed: bytes, most: int) -> int:
    """Return how many bytes were deflated, of which no more are looked at than are allowed."""
    inflate, size = zlib.decompressobj(), 0
    try:
        while packed and not inflate.eof and size < most:
            size += len(inflate.decompress(packed, _PIECE))
            packed = inflate.unconsumed_tail
    except zlib.error as error:
        raise PhotoError("truncated", "a part of its deflated pixels is damaged") from error
    return size
