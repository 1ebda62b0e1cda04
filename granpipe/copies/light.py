"""The light of a copy: gamma, warmth, brightness and contrast, as one table for each channel."""

import numpy as np
from numpy.typing import NDArray

from granpipe.photo.letterbox import Pixels

_WHITE = 255


def light_table(
    brightness: float, contrast: float, warmth: float, gamma: float
) -> NDArray[np.uint8]:
    """Return what becomes of each level.

    Parameters
    ----------
    brightness : float
        Levels are multiplied by it.
    contrast : float
        Distances from middle grey are multiplied by it.
    warmth : float
        Red is multiplied by 1 plus this, blue by 1 minus this.
    gamma : float
        Exponent of the levels, 0 to 1; above 1 is darker.

    Returns
    -------
    ndarray of shape (3, 256), uint8
        For red, green and blue. The changes follow one another as gamma, warmth, brightness,
        contrast; the result is cut to 0 to 255 and rounded once.

    Examples
    --------
    >>> light_table(1, 1, 0, 1)[0, [0, 100, 255]].tolist()
    [0, 100, 255]
    >>> light_table(0.5, 1, 0, 1)[:, 200].tolist()
    [100, 100, 100]
    >>> light_table(1, 1, 0.1, 1)[:, 200].tolist()
    [220, 200, 180]
    """
    levels = np.arange(_WHITE + 1.0) / _WHITE
    if gamma != 1:
        levels **= gamma
    gains = np.array([[1 + warmth], [1.0], [1 - warmth]])
    lit = levels * gains * brightness
    lit = (lit - 0.5) * contrast + 0.5
    table: NDArray[np.uint8] = np.rint(lit.clip(0, 1) * _WHITE).astype(np.uint8)
    return table


def relight(pixels: Pixels, table: NDArray[np.uint8]) -> None:
    """Replace the levels of pixels, of shape (height, width, 3), by those of a `light_table`."""
    for channel, levels in enumerate(table):
        # "clip" spares a look at whether each level is in the table.
        pixels[..., channel] = levels.take(pixels[..., channel], mode="clip")
