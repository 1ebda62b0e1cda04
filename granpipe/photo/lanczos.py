"""Scale a picture by the Lanczos filter: a photograph in half of Pillow's time, to its pixels.

A row of pixels times a matrix of weights is the scaled row, and a picture has hundreds of rows, so
that the library behind NumPy's products does the work. Far from the diagonal the weights are 0:
pixels next to each other share a matrix of their own, which covers what they see.

Levels are whole numbers, and weights multiples of 2**-15. No sum needs more than a float32 holds,
so that no order of additions makes other pixels on another machine; the weights themselves come
from sums, products and quotients alone, which IEEE 754 rounds the same way everywhere.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float32]

_LOBES = 3  # on either side, as everybody's Lanczos has
_ONE = 1 << 15
_TOGETHER = 16  # pixels that share a matrix
_AT_ONCE = 1 << 19  # pixels, so that a large picture is never whole in two kinds of numbers
# Beyond these, Pillow is as fast, or takes less memory, or has finer weights.
_LONGEST, _MOST_PIXELS, _MOST_TIMES = 1 << 13, 1 << 21, 64
_MODES = ("L", "RGB")
# sin(x) / x is their sum, each times a power of x**2, the highest first; exact for x up to pi.
_SINC = [(-1) ** power / math.factorial(2 * power + 1) for power in range(15, -1, -1)]


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
        Left, top, right and bottom of what is to be shown, in pixels; by default, all of it.

    Returns
    -------
    PIL.Image.Image
        Of the same mode. Levels are within two of those of `Image.resize` where it scales the
        width first; of a photograph's, one in a thousand is another.
    """
    area = area or (0, 0, *picture.size)
    if not _gains(picture, sides, area):
        return picture.resize(sides, Image.Resampling.LANCZOS, area)
    (width, height), (left, top, right, bottom) = sides, area
    narrow = _narrow(picture, _parts(picture.width, left, right, width), width)
    scaled = np.empty((len(narrow), height, width), np.float32)
    for part in _parts(picture.height, top, bottom, height):
        np.matmul(part.weights.T, narrow[:, part.seen], out=scaled[:, part.made])
    levels = _levels(scaled).astype(np.uint8)
    channels = [Image.frombytes("L", sides, channel.tobytes()) for channel in levels]
    return Image.merge(picture.mode, channels)


def _gains(
    picture: Image.Image, sides: tuple[int, int], area: tuple[float, float, float, float]
) -> bool:
    """Return whether a picture is scaled better here than by Pillow."""
    width, height = sides
    left, top, right, bottom = area
    return (
        picture.mode in _MODES
        and not (picture.size == sides and area == (0, 0, *sides))
        and max(*picture.size, *sides) <= _LONGEST
        and max(picture.height, height) * width <= _MOST_PIXELS
        and right - left <= _MOST_TIMES * width
        and bottom - top <= _MOST_TIMES * height
    )


def _narrow(picture: Image.Image, parts: list[_Part], width: int) -> Floats:
    """Return the levels of a picture scaled to another width, one channel after another."""
    step, strips = max(1, _AT_ONCE // picture.width), []
    for top in range(0, picture.height, step):
        bottom = min(top + step, picture.height)
        strip = picture.crop((0, top, picture.width, bottom)) if step < picture.height else picture
        channels = strip.split()
        rows = np.empty((len(channels) * strip.height, picture.width), np.float32)
        for channel, levels in zip(channels, np.split(rows, len(channels)), strict=True):
            levels[:] = np.frombuffer(channel.tobytes(), np.uint8).reshape(levels.shape)
        narrow = np.empty((len(rows), width), np.float32)
        for part in parts:
            np.matmul(rows[:, part.seen], part.weights, out=narrow[:, part.made])
        strips.append(_levels(narrow).reshape(len(channels), -1, width))
    return strips[0] if len(strips) == 1 else np.concatenate(strips, axis=1)


def _levels(numbers: Floats) -> Floats:
    """Make numbers whole levels, 0 to 255, where they are."""
    np.rint(numbers, out=numbers)
    return np.clip(numbers, 0, 255, out=numbers)


@lru_cache(maxsize=32)  # a camera's photographs have the same sides
def _parts(side: int, start: float, end: float, wanted: int) -> list[_Part]:
    """Return what makes a side of so many pixels of the part from start to end of another."""
    first, last, weights = _weights(side, start, end, wanted)
    begins = np.arange(0, wanted, _TOGETHER)
    pixels = np.arange(wanted)
    part, column = np.divmod(pixels, _TOGETHER)
    rows = (first - first[begins][part])[:, None] + np.arange(weights.shape[1])
    matrices = np.zeros((len(begins), rows.max() + 1, _TOGETHER), np.float32)
    matrices[part[:, None], rows, column[:, None]] = weights
    parts = []
    for begin, matrix in zip(begins.tolist(), matrices, strict=True):
        made = slice(begin, min(begin + _TOGETHER, wanted))
        seen = slice(int(first[begin]), int(last[made.stop - 1]))
        weights_of = matrix[: seen.stop - seen.start, : made.stop - begin]
        parts.append(_Part(made, seen, weights_of))
    return parts


def _weights(
    side: int, start: float, end: float, wanted: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the first pixel that each wanted one sees, the one behind the last, their weights."""
    step = (end - start) / wanted
    reach = max(step, 1.0)  # of a lobe
    centres = start + (np.arange(wanted) + 0.5) * step
    first = np.maximum(centres - _LOBES * reach + 0.5, 0).astype(np.int64)
    last = np.minimum(centres + _LOBES * reach + 0.5, side).astype(np.int64)
    taps = np.arange((last - first).max())
    distances = taps + (first + 0.5 - centres)[:, None]
    squares = (distances * (math.pi / _LOBES / reach)) ** 2
    weights = _lanczos(squares)
    weights[(squares >= math.pi**2) | (taps >= (last - first)[:, None])] = 0
    # Their running sum is rounded rather than themselves: so they make one, whatever their number.
    running = weights.cumsum(axis=1)
    running *= _ONE / running[:, -1:]
    return first, last, np.diff(np.rint(running), prepend=0) / _ONE


def _lanczos(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return sinc(x) sinc(3 x), where sinc(x) is sin(x) / x, for squares of x up to pi."""
    sinc = np.full_like(squares, _SINC[0])
    for factor in _SINC[1:]:
        sinc *= squares
        sinc += factor
    sinc *= sinc
    return sinc * (1 - 4 / 3 * sinc * squares)  # since sin 3x = 3 sin x - 4 sin**3 x
