"""How much memory a photograph takes to decode: one formula, the same on every machine."""

from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.details import details_of

MAX_MEMORY = 700_000_000
"""Bytes that decoding one photograph may take, by default."""

# Buffers of 4 bytes a pixel that were measured at the peak, from opening to the small picture.
_BUFFERS = {"WEBP": 4, "AVIF": 3, "HEIF": 3, "TIFF": 2}
_PROGRESSIVE, _SHORTEST = 2, 48


def check_memory(
    image: Image.Image, sides: tuple[int, int], file_size: int, max_memory: int = MAX_MEMORY
) -> None:
    """Raise PhotoError `too_large` for a photograph that takes too much memory to decode.

    It is opened, and drafted where it is to be; its sides are those of before, and all sizes bytes.
    """
    needed = decoding_memory(image, sides, file_size)
    if needed > max_memory:
        raise too_much(needed, max_memory, "decode")


def too_much(needed: int, allowed: int, step: str) -> PhotoError:
    """Return the error of a photograph of which a step takes more bytes than are allowed."""
    what = f"would take {needed / 1e6:,.0f} MB to {step}, {allowed / 1e6:,.0f} MB are allowed"
    return PhotoError("too_large", what)


def decoding_memory(image: Image.Image, sides: tuple[int, int], file_size: int) -> int:
    """Return the bytes that a photograph takes to decode: its file, and 4 a pixel for each buffer.

    There are 4 buffers for WebP, 3 for AVIF and HEIC, 2 for TIFF, and 1 for the others and for the
    pixels of a JPEG at its reduced scale; 1 more for a palette, and for transparency in formats of
    one buffer or two, 2 where a PNG names one colour of 16 bits for it; 2 more, of the full size,
    for a JPEG that is progressive or of several scans, also where it is all of a TIFF. A row and a
    column count as 48 pixels at least, since Pillow keeps the place of each row, and 48 bytes of
    weights for each pixel of a side that it scales.

    Examples
    --------
    >>> decoding_memory(Image.new("RGB", (4000, 3000)), (4000, 3000), 5_000_000)
    53000000
    """
    details = details_of(image)
    buffers = _BUFFERS.get(image.format or "", 1) + (image.mode == "P")
    if buffers < 3 and image.has_transparency_data:
        buffers += 1 + bool(details.chunks and details.chunks.has_wide_key)
    width, height = (details.container and details.container.decoded) or image.size
    pixels = buffers * max(width, _SHORTEST) * max(height, _SHORTEST)
    if image.info.get("progressive") or image.info.get("scans"):
        pixels += _PROGRESSIVE * sides[0] * sides[1]
    return file_size + 4 * pixels
