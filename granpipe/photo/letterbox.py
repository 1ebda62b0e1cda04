"""Fit a picture into a square without cutting or stretching it."""

import io
import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from granpipe.errors import PhotoError, one_line
from granpipe.photo.colour import to_srgb
from granpipe.photo.decoding import decode
from granpipe.photo.details import details_of
from granpipe.photo.lanczos import scale
from granpipe.photo.memory import MAX_MEMORY, check_memory
from granpipe.photo.opening import JPEGS

Pixels: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]

# A JPEG is decoded at 1/2, 1/4 or 1/8 where that leaves this many times the pixels wanted a side.
_DCT_MARGIN = 1.4
# So much fine detail does a JPEG of over half a byte a pixel hold that 1.4 would show (34.8 dB
# against a full decode where others reach 39 to 45).
_DCT_MARGIN_FINE = 2.0
_FINE_BYTES_PER_PIXEL = 0.5
_TURNED = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels, half-open: `right` and `bottom` are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def content_box(width: int, height: int, size: int) -> Box:
    """Return where a picture is in a square canvas.

    Parameters
    ----------
    width, height : int
        Sides of the upright picture, in pixels.
    size : int
        Side of the canvas, in pixels.

    Returns
    -------
    Box
        Of the picture's proportions, as large as the canvas allows, centred; an odd pixel of
        padding is on the right or at the bottom.

    Examples
    --------
    >>> content_box(640, 480, 224)
    Box(left=0, top=28, right=224, bottom=196)
    >>> content_box(1, 5000, 224)
    Box(left=111, top=0, right=112, bottom=224)
    """
    scale = min(size / width, size / height)
    return _centred(max(1, round(width * scale)), max(1, round(height * scale)), size)


def _centred(width: int, height: int, size: int) -> Box:
    left, top = (size - width) // 2, (size - height) // 2
    return Box(left, top, left + width, top + height)


def content(array: Pixels, box: Box) -> Image.Image:
    """Return what is in a box of an array, as a picture."""
    return Image.fromarray(array[box.top : box.bottom, box.left : box.right])


def letterbox(
    image: Image.Image,
    size: int = 224,
    fill: Colour = (0, 0, 0),
    max_memory: int = MAX_MEMORY,
    canvas: Pixels | None = None,
) -> tuple[Pixels, Box, tuple[int, int], Image.Image]:
    """Fit a photograph, turned upright and as sRGB, into a square.

    Parameters
    ----------
    image, size, fill, max_memory
        As for `fit`; the padding has the fill colour, too.
    canvas : ndarray of shape (size, size, 3), uint8, optional
        All of the fill colour, to be drawn on and returned; by default, a new one.

    Returns
    -------
    array : ndarray of shape (size, size, 3), uint8
        Rows from the top, channels R G B.
    box : Box
        Where the photograph is in the array.
    sides : tuple of int
        Width and height of the upright photograph, before it was scaled.
    picture : PIL.Image.Image
        What is in the box, RGB; as `content` returns it, which takes longer.

    Raises
    ------
    PhotoError
        The photograph cannot be decoded.
    """
    picture, sides = fit(image, size, fill, max_memory)
    box = _centred(*picture.size, size)
    array = np.full((size, size, 3), fill, np.uint8) if canvas is None else canvas
    pixels = np.frombuffer(picture.tobytes(), np.uint8)
    array[box.top : box.bottom, box.left : box.right] = pixels.reshape(box.height, box.width, 3)
    return array, box, sides, picture


def fit(
    image: Image.Image, size: int, fill: Colour = (0, 0, 0), max_memory: int = MAX_MEMORY
) -> tuple[Image.Image, tuple[int, int]]:
    """Scale a photograph, turned upright and as sRGB, to what fits into a square.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened, not decoded yet, so that a JPEG can be decoded at a reduced scale.
    size : int
        Side of the square, in pixels.
    fill : tuple of int
        Red, green and blue, 0 to 255, behind transparent pixels.
    max_memory : int
        Bytes that decoding may take; see `granpipe.photo.memory.decoding_memory`.

    Returns
    -------
    picture : PIL.Image.Image
        RGB.
    sides : tuple of int
        Width and height of the upright photograph, before it was scaled.

    Raises
    ------
    PhotoError
        The photograph cannot be decoded.
    """
    details = details_of(image)
    profile, orientation = details.colours(), details.orientation
    aperture = details.aperture
    left, top, right, bottom = aperture or (0, 0, *image.size)
    width, height = right - left, bottom - top
    box = content_box(width, height, size)
    small = _shrink(image, (box.width, box.height), max_memory, aperture)
    sides = (height, width) if orientation in _TURNED else (width, height)
    return _on(_turn(to_srgb(small, profile), orientation), fill), sides


def _shrink(
    image: Image.Image,
    small: tuple[int, int],
    max_memory: int,
    aperture: tuple[int, int, int, int] | None,
) -> Image.Image:
    """Decode and scale a photograph; a JPEG from the smallest scale that has enough pixels."""
    sides, file_size, drafted = image.size, _file_size(image), None
    try:
        if image.format in JPEGS and not image.info.get("lossless"):
            is_fine = file_size > _FINE_BYTES_PER_PIXEL * sides[0] * sides[1]
            margin = _DCT_MARGIN_FINE if is_fine else _DCT_MARGIN
            least = math.ceil(margin * small[0]), math.ceil(margin * small[1])
            drafted = image.draft(None, least)
        check_memory(image, sides, file_size, max_memory)
        pixels = decode(image)
        if aperture:
            pixels = pixels.crop(aperture)
        return scale(pixels, small, drafted[1] if drafted else None)
    except MemoryError as error:
        raise PhotoError("too_large", "not enough memory to scale it") from error
    except (OSError, ValueError) as error:
        raise PhotoError("unsupported", f"mode {image.mode}: {one_line(error)}") from error
    except (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        # What Pillow takes for granted, as a palette where the header promises one.
        raise PhotoError("truncated", "lacks a part that its header promises") from error


def _file_size(image: Image.Image) -> int:
    file = getattr(image, "fp", None)
    if file is None:
        return 0
    place: int = file.tell()
    size: int = file.seek(0, io.SEEK_END)
    file.seek(place)
    return size


def _on(image: Image.Image, fill: Colour) -> Image.Image:
    """Show a colour behind transparent pixels."""
    if image.mode == "RGB":
        return image
    opaque = Image.new("RGB", image.size, fill)
    opaque.paste(image, mask=image)
    return opaque


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture upright; orientations as in Exif 2.32, section 4.6.4, tag 274."""
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)
