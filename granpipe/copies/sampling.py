"""Draw a picture through an affine map, by bilinear interpolation.

A pixel's three channels are in lanes of 16 bits of one 64-bit number, which is looked up at once
and weighed lane by lane, in whole numbers: the same levels on every machine, in half the time of
Pillow's transform, which rounds each level down.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from granpipe.photo.letterbox import Pixels

Matrix: TypeAlias = tuple[float, float, float, float, float, float]

_ONE = 256  # a pixel's side, and a weight of one
_BITS = 8
_HALF = _ONE // 2
_LANES = np.int64(0x0001_0001_0001_0001)  # times a weight: that weight in each lane
_SLACK = 0.25  # pixels
# As many pixels at once as stay in a processor's own cache.
_AT_ONCE = 26_000


class Sampler:
    """A picture of shape (height, width, 3), uint8, to draw from."""

    def __init__(self, picture: Pixels) -> None:
        self.height, self.width, _ = picture.shape
        # With the pixels of its edges once more, which points near the edges are drawn from.
        tables = np.empty((2, self.height + 2, self.width + 2), np.int64)
        levels, steps = tables
        lanes = _lanes(levels)
        for channel in range(3):
            lanes[1:-1, 1:-1, channel] = picture[..., channel]
        lanes[..., 3] = 0
        levels[0], levels[-1] = levels[1], levels[-2]
        levels[:, 0], levels[:, -1] = levels[:, 1], levels[:, -2]
        steps[:, -1] = 0
        # Lanes hold numbers up to 2**16, and less than 0 as what is missing to it.
        np.subtract(lanes[:, 1:], lanes[:, :-1], out=_lanes(steps)[:, :-1])
        lanes *= _ONE
        lanes += _HALF
        self._levels, self._steps = tables.reshape(2, -1)

    def draw(self, matrix: Matrix, drawn: Pixels) -> None:
        """Draw the picture as another of the same sides sees it.

        Parameters
        ----------
        matrix : tuple of six float
            a, b, c, d, e, f: the point (x, y) shows what is at (a x + b y + c, d x + e y + f),
            in pixels from the corner; centres of pixels end in .5.
        drawn : ndarray of shape (height, width, 3), uint8
            Written: within 2 levels of what real numbers give, on average the same.

        Raises
        ------
        ValueError
            The other picture sees what is outside of this one.
        """
        a, b, c, d, e, f = matrix
        for x, y in ((0, 0), (self.width, 0), (0, self.height), (self.width, self.height)):
            across, down = a * x + b * y + c, d * x + e * y + f
            is_inside = 0 <= across + _SLACK <= self.width + 2 * _SLACK
            if not (is_inside and 0 <= down + _SLACK <= self.height + 2 * _SLACK):
                raise ValueError("shows more than there is")
        columns = np.arange(0.5, self.width)
        rows = np.arange(0.5, self.height)[:, None]
        # In the picture with its second edges, from the centre of the first pixel.
        x_part, x_down = _parts(a * columns + c + 0.5), _parts(b * rows)
        y_part, y_down = _parts(d * columns + f + 0.5), _parts(e * rows)
        step = max(1, _AT_ONCE // self.width)
        for top in range(0, self.height, step):
            part = slice(top, top + step)
            self._draw_rows(x_part + x_down[part], y_part + y_down[part], drawn[part])

    def _draw_rows(self, x: NDArray[np.int32], y: NDArray[np.int32], drawn: Pixels) -> None:
        rows = y >> _BITS
        rows *= self.width + 2
        rows += x >> _BITS
        places = rows.astype(np.int64)
        across, down = _weights(x), _weights(y)
        upper = self._between_columns(places, across)
        places += self.width + 2
        lower = self._between_columns(places, across)
        lower -= upper
        lower *= down
        upper <<= _BITS
        upper |= _HALF
        lower += upper
        lower >>= _BITS
        lanes = lower.reshape(*drawn.shape[:2], 4)
        for channel in range(3):
            drawn[..., channel] = lanes[..., channel]

    def _between_columns(
        self, places: NDArray[np.int64], weights: NDArray[np.uint16]
    ) -> NDArray[np.uint16]:
        # All places are in the tables; "wrap" spares a look at that.
        levels = self._steps.take(places, mode="wrap").view(np.uint16)
        levels *= weights
        levels += self._levels.take(places, mode="wrap").view(np.uint16)
        levels >>= _BITS
        return levels


def _weights(lengths: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Return in each lane what lengths have beyond whole pixels."""
    return ((lengths & (_ONE - 1)) * _LANES).view(np.uint16)


def _lanes(numbers: NDArray[np.int64]) -> NDArray[np.uint16]:
    """Return the lanes of numbers, as a view with one axis more."""
    return numbers.view(np.uint16).reshape(*numbers.shape, 4)


def _parts(lengths: NDArray[np.floating]) -> NDArray[np.int32]:
    whole: NDArray[np.int32] = np.rint(lengths * _ONE).astype(np.int32)
    return whole
