"""See damage in a PNG that Pillow passes over, and the colour that is transparent in it."""

import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.png_chunks import PngChunks, chunks

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PIECE = 1 << 20
_WIDE, _ROWS = 16, 64


def check_sums(png: bytes) -> None:
    """Raise PhotoError `truncated` for a wrong checksum of a PNG's pixels, which Pillow ignores."""
    for place, end in _pixel_chunks(png):
        if zlib.crc32(png[place - 4 : end]) != int.from_bytes(png[end : end + 4], "big"):
            raise PhotoError("truncated", "the checksum of its pixels is wrong")


def check_rows(image: Image.Image, png: bytes) -> None:
    """Raise PhotoError `truncated` for a decoded PNG that lacks rows, which Pillow leaves black."""
    last = image.crop((0, image.height - 1, image.width, image.height))
    depth, colour, interlaced = png[24], png[25], png[28]
    if interlaced or last.getbbox(alpha_only=False):
        return  # Pillow counts the rows itself, or has drawn the last one
    row = 1 + (image.width * depth * _CHANNELS[colour] + 7) // 8
    if _inflated(png) < image.height * row:
        raise PhotoError("truncated", "its data end before its pixels do")


def scale_key(image: Image.Image, said: PngChunks) -> None:
    """Give the grey or colour that is transparent the level that Pillow gives its pixels."""
    key, scale = image.info.get("transparency"), said.key_scale()
    levels = said.key_levels()
    if not levels or key is None:
        return
    if image.mode == "1":
        image.info["transparency"] = 255 * levels[0]
    elif isinstance(key, int):
        image.info["transparency"] = levels[0] * scale
    elif isinstance(key, tuple):
        image.info["transparency"] = levels


def resolve_key(image: Image.Image, png: bytes) -> None:
    """Make an alpha channel for a decoded picture of 16-bit colours of which one is transparent.

    Pillow keeps the higher 8 bits of each level, which many colours share. Read in the other order
    of bytes, the same pixels give the lower ones.
    """
    key = image.info.get("transparency")
    if image.mode != "RGB" or png[24] != _WIDE or not isinstance(key, tuple):
        return
    with Image.open(BytesIO(png), formats=["PNG"]) as low:
        low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
        low.load()
        alpha = Image.new("L", image.size, 255)
        for top in range(0, image.height, _ROWS):
            box = (0, top, image.width, min(top + _ROWS, image.height))
            levels = np.asarray(image.crop(box)).astype(np.uint16) << 8 | np.asarray(low.crop(box))
            alpha.paste(Image.fromarray((levels != key).any(-1).astype(np.uint8) * 255), box)
    del image.info["transparency"]
    image.putalpha(alpha)


def _pixel_chunks(png: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the contents of each chunk of pixels begin and end."""
    return ((start, end) for kind, start, end in chunks(png) if kind == b"IDAT")


def _inflated(png: bytes) -> int:
    inflate, size = zlib.decompressobj(), 0
    for place, end in _pixel_chunks(png):
        rest = png[place:end]
        while rest and not inflate.eof:
            size += len(inflate.decompress(rest, _PIECE))
            rest = inflate.unconsumed_tail
    return size + len(inflate.flush())
