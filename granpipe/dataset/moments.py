"""Mean and standard deviation of a dataset's channels, from exact sums.

Sums of whole numbers are the same in any order, so the result does not depend on the workers.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

_LEVELS = np.arange(256.0)  # of sums below 2**53, float64 is exact, and multiplied faster
_POWERS = np.stack([_LEVELS, _LEVELS**2], axis=1)
SUMS = ("red", "green", "blue", "red_squares", "green_squares", "blue_squares")
"""Fields of a record that hold what `sums` returns."""


def sums(picture: Image.Image) -> dict[str, int]:
    """Return the sums of the levels, 0 to 255, of an RGB picture, and of their squares."""
    # Pillow counts levels in a third of the time that NumPy takes.
    counts = np.array(picture.histogram(), np.float64).reshape(3, 256)
    totals = (counts @ _POWERS).T.astype(np.int64).ravel().tolist()
    return dict(zip(SUMS, totals, strict=True))


def mean_and_std(
    pixels: int, totals: Sequence[int], squares: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each channel, 0 to 1; 0 without pixels.

    The sums of so many pixels are those of each channel's levels, and of their squares.

    >>> mean_and_std(2, [255, 0, 255], [65025, 0, 65025])
    ([0.5, 0.0, 0.5], [0.5, 0.0, 0.5])
    """
    pixels = max(pixels, 1)
    variances = [
        (pixels * square - total**2) / pixels**2
        for total, square in zip(totals, squares, strict=True)
    ]
    mean = [round(total / pixels / 255, 6) for total in totals]
    return mean, [round(variance**0.5 / 255, 6) for variance in variances]
