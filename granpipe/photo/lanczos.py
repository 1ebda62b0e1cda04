"""Scale a picture by the Lanczos filter, in half of Pillow's time, to Pillow's pixels.

A row of pixels times a matrix of weights is the scaled row, and a picture has hundreds of rows, so
that the library behind NumPy's products does the work. Far from the diagonal the weights are 0:
pixels next to each other share a matrix of their own, which covers what they see. Weights are
multiples of 2**-15, and levels are whole numbers. No sum needs more than a float32 holds, so that
no order of additions makes other pixels on another machine.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float32]

_SUPPORT = 3  # zero crossings on either side, as everybody's Lanczos has
_ONE = 1 << 15
_TOGETHER = 16  # pixels that share a matrix
_AT_ONCE = 1 << 17  # pixels, so that a large picture is never whole in two kinds of numbers
_LONGEST = 1 << 14  # pixels of a side; of longer ones the weights take too much memory
_LINES = {"L": "L", "RGB": "RGB;L"}  # Pillow's names of whole rows of one channel after another


@dataclass(frozen=True, slots=True)
class _Part:
    """Pixels next to each other: where they are, what they see, and how much of it each takes."""

    made: slice
    seen: slice
    weights: Floats  # of shape (seen, made)


def scale(
    picture: Image.Image,
    sides: tuple[int, int],
    area: tuple[float, float, float, float] | None = None,
) -> Image.Image:
    """Return a picture scaled to other sides.

    Parameters
    ----------
    picture : PIL.Image.Image
        Decoded, of any mode that Pillow scales.
    sides : tuple of int
        Width and height wanted, in pixels.
    area : tuple of float, optional
        Left, top, right and bottom of what is to be shown, in pixels; all of it unless given.

    Returns
    -------
    PIL.Image.Image
        Of the same mode. Of L and RGB, a value in a thousand is a level beside what `Image.resize`
        returns where it scales the width first; other modes it scales itself.
    """
    lines = _LINES.get(picture.mode)
    if not lines or max(*picture.size, *sides) > _LONGEST:
        return picture.resize(sides, Image.Resampling.LANCZOS, area)
    width, height = sides
    left, top, right, bottom = area or (0, 0, *picture.size)
    channels = len(picture.getbands())
    narrow = _narrow(picture, lines, _parts(picture.width, left, right, width), width)
    narrow = narrow.reshape(picture.height, channels * width)
    scaled = np.empty((height, channels * width), np.float32)
    for part in _parts(picture.height, top, bottom, height):
        np.matmul(part.weights.T, narrow[part.seen], out=scaled[part.made])
    pixels = _levels(scaled).astype(np.uint8)
    return Image.frombytes(picture.mode, sides, pixels.tobytes(), "raw", lines)


def _narrow(picture: Image.Image, lines: str, parts: list[_Part], width: int) -> Floats:
    """Return the levels of a picture of the same height and another width, channel by channel."""
    channels = len(picture.getbands())
    narrow = np.empty((picture.height * channels, width), np.float32)
    step = max(1, _AT_ONCE // picture.width)
    for top in range(0, picture.height, step):
        bottom = min(top + step, picture.height)
        strip = picture.crop((0, top, picture.width, bottom)) if step < picture.height else picture
        data = np.frombuffer(strip.tobytes("raw", lines), np.uint8)
        rows = data.reshape(-1, picture.width).astype(np.float32)
        made = narrow[top * channels : bottom * channels]
        for part in parts:
            np.matmul(rows[:, part.seen], part.weights, out=made[:, part.made])
        _levels(made)
    return narrow


def _levels(numbers: Floats) -> Floats:
    """Make numbers whole levels, 0 to 255, where they stand."""
    np.rint(numbers, out=numbers)
    return np.clip(numbers, 0, 255, out=numbers)


@lru_cache(maxsize=32)  # a camera's photographs have the same sides
def _parts(side: int, start: float, end: float, wanted: int) -> list[_Part]:
    """Return what makes a side of so many pixels of the part from start to end of another."""
    first, last, weights = _weights(side, start, end, wanted)
    parts = []
    for begin in range(0, wanted, _TOGETHER):
        made = slice(begin, min(begin + _TOGETHER, wanted))
        seen = slice(int(first[begin]), int(last[made.stop - 1]))
        matrix = np.zeros((seen.stop - seen.start, made.stop - begin), np.float32)
        pixels, taps = np.nonzero(weights[made])
        matrix[first[made][pixels] - seen.start + taps, pixels] = weights[made][pixels, taps]
        parts.append(_Part(made, seen, matrix))
    return parts


def _weights(
    side: int, start: float, end: float, wanted: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the first pixel that each wanted one sees, the one behind the last, their weights."""
    step = (end - start) / wanted
    reach = max(step, 1.0)  # of half a lobe
    centres = start + (np.arange(wanted) + 0.5) * step
    first = np.maximum(centres - _SUPPORT * reach + 0.5, 0).astype(np.int64)
    last = np.minimum(centres + _SUPPORT * reach + 0.5, side).astype(np.int64)
    places = first[:, None] + np.arange((last - first).max())
    distances = (places + 0.5 - centres[:, None]) / reach
    weights = np.sinc(distances) * np.sinc(distances / _SUPPORT)
    weights[(places >= last[:, None]) | (abs(distances) >= _SUPPORT)] = 0
    # Their running sum is rounded rather than themselves: so they make one, whatever their number.
    running = weights.cumsum(axis=1) / weights.sum(axis=1, keepdims=True)
    return first, last, np.diff(np.rint(running * _ONE), prepend=0) / _ONE
