"""What a photograph's file and frame say that is not the plant, and a network could learn from."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from granpipe.photo.details import Details
from granpipe.photo.jpeg_header import PlainJpeg

BORDER = 8
"""Pixels of the frame that are kept: its corners, and the middles of its sides."""


def quantization_of(image: Image.Image) -> int | None:
    """Return the sum of a JPEG's first quantization table; None for other formats.

    It is table 0, which luminance uses (ITU T.81, section B.2.4.1): 64 at the best quality, some
    thousands at the worst. Encoders and their settings differ by it.
    """
    if isinstance(image, PlainJpeg):
        return image.quantization_sum
    tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
    return sum(tables[0]) if 0 in tables else None


def blocks_of(details: Details) -> str:
    """Return which blocks a file has beside its pixels: `exif`, `xmp` and `icc`, with blanks."""
    blocks = {"exif": details.exif, "xmp": details.xmp, "icc": details.profile}
    return " ".join(word for word, block in blocks.items() if block)


def border_of(pixels: NDArray[np.uint8]) -> bytes:
    """Return red, green and blue of the `BORDER` of a picture of shape (height, width, 3)."""
    height, width = pixels.shape[:2]
    middle, bottom, centre, right = height // 2, height - 1, width // 2, width - 1
    rows = [0, 0, 0, middle, middle, bottom, bottom, bottom]
    columns = [0, centre, right, 0, right, 0, centre, right]
    return pixels[rows, columns].tobytes()
