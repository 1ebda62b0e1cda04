"""The geometry and pixels of one augmented copy: a turned crop, drawn back, flipped and relit.

A copy shows a rectangle of the photograph, turned by `angle` about its own centre and wholly
inside the content box, so that no pixel has to be invented. One affine resampling draws it onto
the content box, whose light may then be changed; the padding stays as it is.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from granpipe.checks import DEGREES, PROBABILITY, SHARE, STRENGTH, checked
from granpipe.copies.light import light_table, relight
from granpipe.copies.sampling import Matrix, Sampler
from granpipe.photo.letterbox import Box, Pixels


@dataclass(frozen=True, slots=True)
class Ranges:
    """What the parameters of copies are drawn from.

    Attributes
    ----------
    flip_horizontal, flip_vertical : float
        Probabilities, 0 to 1, of a mirrored and of an upside-down copy.
    rotate : float
        Angles are uniform between minus and plus this, in degrees, 0 to 180.
    crop : float
        A copy shows a share of the largest rectangle that the turn leaves; its area is uniform
        between this, above 0, and 1.
    brightness, contrast, warmth : float
        Levels, their distances from middle grey, and red against blue change by factors that are
        uniform between 1 minus and 1 plus this, 0 to 1.
    gamma : float
        Exponents are between 1 / (1 + this) and 1 + this, 0 to 1, uniform in their logarithms.

    Raises
    ------
    OptionError
        One of them is outside of its bounds.
    """

    flip_horizontal: float = 0.5
    flip_vertical: float = 0.0
    rotate: float = 15.0
    crop: float = 0.7
    brightness: float = 0.0
    contrast: float = 0.0
    warmth: float = 0.0
    gamma: float = 0.0

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            # An angle of 5 and one of 5.0 are the same in dataset.json, too.
            object.__setattr__(self, name, checked(name, getattr(self, name), check))


_CHECKS = {
    "flip_horizontal": PROBABILITY,
    "flip_vertical": PROBABILITY,
    "rotate": DEGREES,
    "crop": SHARE,
    **dict.fromkeys(("brightness", "contrast", "warmth", "gamma"), STRENGTH),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What makes one copy of a photograph.

    Attributes
    ----------
    flip_horizontal, flip_vertical : bool
        Mirror the copy, turn it upside down; done after the turn.
    angle : float
        Degrees that the photograph is turned counter-clockwise.
    crop_left, crop_top, crop_right, crop_bottom : float
        The rectangle shown, in pixels of the canvas, before it is turned about its own centre.
    brightness, contrast, warmth, gamma : float
        The light; see `granpipe.copies.light.light_table`. Done last.
    """

    flip_horizontal: bool
    flip_vertical: bool
    angle: float
    crop_left: float
    crop_top: float
    crop_right: float
    crop_bottom: float
    brightness: float = 1.0
    contrast: float = 1.0
    warmth: float = 0.0
    gamma: float = 1.0

    @property
    def light(self) -> tuple[float, float, float, float]:
        """Brightness, contrast, warmth and gamma."""
        return self.brightness, self.contrast, self.warmth, self.gamma


AS_IT_WAS = (1.0, 1.0, 0.0, 1.0)
"""The light of a copy that is the photograph's own."""


def generator(seed: int, source: str, copy: int) -> np.random.Generator:
    """Return the random generator of one copy, which depends on these three and nothing else."""
    digest = hashlib.sha256(f"{seed}\n{copy}\n{source}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def largest_scale(width: float, height: float, angle: float) -> float:
    """Return how large a turned rectangle fits into an upright one of its proportions.

    Parameters
    ----------
    width, height : float
        Sides of the upright rectangle.
    angle : float
        Degrees.

    Returns
    -------
    float
        The k for which a rectangle of sides k * width and k * height, turned by `angle`, just
        fits: its bounding box, k * (w cos + h sin) by k * (w sin + h cos), touches the sides.

    Examples
    --------
    >>> largest_scale(4, 3, 0)
    1.0
    >>> largest_scale(4, 3, 90)
    0.75
    """
    cos, sin = _cos_sin(angle)
    cos, sin = abs(cos), abs(sin)
    return min(width / (width * cos + height * sin), height / (width * sin + height * cos))


def draw_parameters(rng: np.random.Generator, box: Box, ranges: Ranges) -> Parameters:
    """Draw the parameters of one copy of the photograph in a box.

    Always takes ten numbers from the generator, in the same order, whether a range uses them or
    not: another --rotate changes no flip, and --brightness changes no angle.
    """
    mirror, upend, turn, area, right, down, *light = rng.random(10).tolist()
    angle = ranges.rotate * (2 * turn - 1)
    share = ranges.crop + (1 - ranges.crop) * area
    scale = largest_scale(box.width, box.height, angle) * math.sqrt(share)
    width, height = scale * box.width, scale * box.height
    cos, sin = map(abs, _cos_sin(angle))
    # What the turned rectangle leaves free of the box, on both sides together.
    spare_x = max(0.0, box.width - width * cos - height * sin)
    spare_y = max(0.0, box.height - width * sin - height * cos)
    x = (box.left + box.right) / 2 + spare_x * (right - 0.5)
    y = (box.top + box.bottom) / 2 + spare_y * (down - 0.5)
    return Parameters(
        mirror < ranges.flip_horizontal,
        upend < ranges.flip_vertical,
        angle,
        x - width / 2,
        y - height / 2,
        x + width / 2,
        y + height / 2,
        *_draw_light(light, ranges),
    )


def _draw_light(numbers: list[float], ranges: Ranges) -> tuple[float, float, float, float]:
    """Return brightness, contrast, warmth and gamma, from four numbers between 0 and 1."""
    # 0.0 + makes a zero of minus zero.
    brightness, contrast, warmth, gamma = (2 * number - 1 for number in numbers)
    return (
        *(1 + ranges.brightness * brightness, 1 + ranges.contrast * contrast),
        *(0.0 + ranges.warmth * warmth, (1 + ranges.gamma) ** gamma),
    )


def make_copy(array: Pixels, box: Box, parameters: Parameters) -> Pixels:
    """Make one copy of a letterboxed photograph.

    Parameters
    ----------
    array : ndarray of shape (size, size, 3), uint8
        As `granpipe prepare` wrote it.
    box : Box
        Where the photograph is in it.
    parameters : Parameters

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        A new array. Flips alone are exact; a turn or a crop is resampled once, bilinearly; the
        light is changed last.

    Raises
    ------
    ValueError
        The parameters show more than the content box.
    """
    return Copier(array, box).make(parameters)


class Copier:
    """Makes copies of one photograph, for which some work is done once; see `make_copy`."""

    def __init__(self, array: Pixels, box: Box) -> None:
        self.array = array
        self.box = box
        self.picture = array[box.top : box.bottom, box.left : box.right]
        self.sampler: Sampler | None = None

    def make(self, parameters: Parameters) -> Pixels:
        """Make one copy."""
        copy = self.array.copy()
        self.draw(parameters, copy)
        return copy

    def draw(self, parameters: Parameters, copy: Pixels) -> None:
        """Draw one copy over a copy of the photograph's array."""
        box = self.box
        content = copy[box.top : box.bottom, box.left : box.right]
        shown = content[:, ::-1] if parameters.flip_horizontal else content
        shown = shown[::-1] if parameters.flip_vertical else shown
        if not _is_whole(box, parameters):
            self.sampler = self.sampler or Sampler(self.picture)
            self.sampler.draw(sampling_matrix(box, parameters), shown)
        elif parameters.angle % 360 == 180:
            shown[:] = self.picture[::-1, ::-1]
        else:
            shown[:] = self.picture
        if parameters.light != AS_IT_WAS:
            relight(content, light_table(*parameters.light))


def sampling_matrix(box: Box, parameters: Parameters) -> Matrix:
    """Return where each point of the content box is drawn from, before the flips.

    Of the result a, b, c, d, e, f the point (x, y) shows what stood at (a x + b y + c,
    d x + e y + f). Both are in pixels from the box's corner; centres of pixels end in .5.
    """
    cos, sin = _cos_sin(parameters.angle)
    scale_x = (parameters.crop_right - parameters.crop_left) / box.width
    scale_y = (parameters.crop_bottom - parameters.crop_top) / box.height
    a, b = cos * scale_x, -sin * scale_y
    d, e = sin * scale_x, cos * scale_y
    x = (parameters.crop_left + parameters.crop_right) / 2 - box.left
    y = (parameters.crop_top + parameters.crop_bottom) / 2 - box.top
    half_width, half_height = box.width / 2, box.height / 2
    return (
        *(a, b, x - a * half_width - b * half_height),
        *(d, e, y - d * half_width - e * half_height),
    )


def _is_whole(box: Box, parameters: Parameters) -> bool:
    """Return whether a copy shows the whole photograph, upright or upside down."""
    edges = (
        *(parameters.crop_left - box.left, parameters.crop_top - box.top),
        *(parameters.crop_right - box.right, parameters.crop_bottom - box.bottom),
    )
    return parameters.angle % 180 == 0 and max(map(abs, edges)) < 1e-9


def _cos_sin(angle: float) -> tuple[float, float]:
    if angle % 90 == 0:  # where the library's values are off by 1e-16
        return [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][int(angle // 90) % 4]
    return math.cos(math.radians(angle)), math.sin(math.radians(angle))
