"""What is doubtful about a photograph, in words, judged by its array."""

from itertools import accumulate
from operator import sub

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from granpipe.photo.likeness import Grey

FLAGS = {
    "blurred": "its finest detail is as faint as after blurring",
    "dark": "95 of 100 pixels are below level 64",
    "overexposed": "over 30 of 100 pixels are at level 250 or above",
    "blank": "98 of 100 pixels lie within 8 levels",
    "tiny": "its shorter side has fewer pixels than the array",
    "orientation": "EXIF or XMP turns it otherwise than what counts: see granpipe/photo/README.md",
    "imprecise": "its position may be further off than what place: joins",
}
"""Every flag, in the order in which they are written.

Measured on 226 pictures that are neither (21 photographs of 14 scenes, 205 drawn fields): none was
called blurred, dark, overexposed or blank; `tiny` and `orientation` are no matters of judgement. Of
the same pictures blurred by a hundredth of their width (sigma) all are found, by half of that 28 to
52 of 100; of those smeared along one direction by 2 to 3 hundredths at most 29. At a fifth of their
light all are dark, at three tenths 12 to 38 of 100.
"""

_SHARPEST_BLURRED = 0.56
_DARK, _BRIGHT, _FLAT = 64, 250, 8


def flags(
    grey: Image.Image,
    steepness: float,
    width: int,
    height: int,
    size: int,
    *,
    is_contradicted: bool = False,
) -> str:
    """Return the words from `FLAGS` that hold, separated by blanks; all but `imprecise`.

    They are judged by the luminance of what is in the array, of mode L, by its `sharpness`, by the
    sides of the photograph itself and that of the array, in pixels, and by `is_contradicted`.
    """
    # How many pixels are below each level, so that any range takes one subtraction.
    below = list(accumulate(grey.histogram(), initial=0))
    pixels = below[-1]
    is_blank = _is_blank(below)
    holds = {
        "blurred": not is_blank and steepness < _SHARPEST_BLURRED,
        "dark": 20 * (pixels - below[_DARK]) < pixels,
        "overexposed": 10 * (pixels - below[_BRIGHT]) > 3 * pixels,
        "blank": is_blank,
        "tiny": min(width, height) < size,
        "orientation": is_contradicted,
    }
    return " ".join(word for word in holds if holds[word])


def _is_blank(below: list[int]) -> bool:
    within: int = max(map(sub, below[_FLAT:], below))
    return 50 * within >= 49 * below[-1]


def sharpness(picture: Grey) -> float:
    """Return how much steeper a picture is than at half its size, the less of both directions.

    It is 0.5 for a smooth slope, 1 and more where neighbouring pixels have little in common.
    """
    height, width = (side // 2 * 2 for side in picture.shape)
    if min(height, width) < 4:
        return 1.0
    fine = picture[:height, :width].astype(np.int16)
    upper, lower = fine[::2], fine[1::2]
    rows = upper + lower
    coarse = rows[:, ::2] + rows[:, 1::2]
    # Every second step of the fine picture is enough, and takes half the time.
    across = _ratio(upper[:, 1:] - upper[:, :-1], coarse[:, 1:] - coarse[:, :-1])
    return min(across, _ratio(lower - upper, coarse[1:] - coarse[:-1]))


def _ratio(steps: NDArray[np.int16], wide: NDArray[np.int16]) -> float:
    total, wide_total = _sum_of_sizes(steps), _sum_of_sizes(wide)
    return total * 4 * wide.size / (steps.size * wide_total) if wide_total else 1.0


def _sum_of_sizes(steps: NDArray[np.int16]) -> int:
    return int(np.abs(steps, out=steps).sum())
