"""See damage in a PNG that Pillow passes over; chunks as in the PNG specification, section 5."""

import zlib
from collections.abc import Iterator

from PIL import Image

from granpipe.errors import PhotoError

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PIECE = 1 << 20


def check_sums(png: bytes) -> None:
    """Compare the checksums of a PNG's pixels, which Pillow does not while it decodes.

    Raises
    ------
    PhotoError
        `truncated` where one is wrong.
    """
    for place, end in _pixel_chunks(png):
        if zlib.crc32(png[place - 4 : end]) != int.from_bytes(png[end : end + 4], "big"):
            raise PhotoError("truncated", "the checksum of its pixels is wrong")


def check_rows(image: Image.Image, png: bytes) -> None:
    """See that a decoded PNG has all of its rows; Pillow leaves those black that its data lack.

    Raises
    ------
    PhotoError
        `truncated` where it has not.
    """
    last = image.crop((0, image.height - 1, image.width, image.height))
    depth, colour, interlaced = png[24], png[25], png[28]
    if interlaced or last.getbbox(alpha_only=False):
        return  # Pillow counts the rows itself, or has drawn the last one
    row = 1 + (image.width * depth * _CHANNELS[colour] + 7) // 8
    if _inflated(png) < image.height * row:
        raise PhotoError("truncated", "its data end before its pixels do")


def _pixel_chunks(png: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the contents of each chunk of pixels begin and end."""
    place = 8
    while place + 12 <= len(png):
        end = place + 8 + int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            yield place + 8, end
        place = end + 4


def _inflated(png: bytes) -> int:
    inflate, size = zlib.decompressobj(), 0
    for place, end in _pixel_chunks(png):
        rest = png[place:end]
        while rest and not inflate.eof:
            size += len(inflate.decompress(rest, _PIECE))
            rest = inflate.unconsumed_tail
    return size + len(inflate.flush())
