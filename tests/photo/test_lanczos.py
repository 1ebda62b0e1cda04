"""Scaling by products of matrices: Pillow's pixels, and the same on every machine."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from granpipe.photo import lanczos
from granpipe.photo.lanczos import scale

LANCZOS = Image.Resampling.LANCZOS
SIDES = st.tuples(st.integers(1, 300), st.integers(1, 300))
WANTED = st.tuples(st.integers(8, 300), st.integers(8, 300))


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Return black and white pixels by chance, which no filter is worse for."""
    levels = np.random.default_rng(seed).integers(0, 2, (height, width, 3)) * 255
    return Image.fromarray(levels.astype(np.uint8)).convert(mode)


def by_pillow(picture: Image.Image, sides: tuple[int, int], area=None) -> np.ndarray:
    """Scale the width, and then the height; Pillow itself may begin with either."""
    left, top, right, bottom = area or (0, 0, *picture.size)
    across = picture.resize((sides[0], picture.height), LANCZOS, (left, 0, right, picture.height))
    down = across.resize(sides, LANCZOS, (0, top, sides[0], bottom))
    return np.asarray(down).astype(int)


def in_whole_numbers(picture: Image.Image, sides: tuple[int, int]) -> np.ndarray:
    """Scale with 64-bit whole numbers and the weights of `scale`."""
    levels = np.asarray(picture).astype(np.int64)
    for axis, wanted in ((1, sides[0]), (0, sides[1])):
        side = levels.shape[axis]
        first, _, parts = lanczos._weights(side, 0, side, wanted)
        weights = np.zeros((wanted, side + parts.shape[1]), np.int64)
        for row, (start, part) in enumerate(zip(first, parts, strict=True)):
            weights[row, start : start + len(part)] = part * lanczos._ONE
        sums = np.moveaxis(np.tensordot(weights[:, :side], levels, (1, axis)), 0, axis)
        over, rest = np.divmod(sums, lanczos._ONE)
        half = lanczos._ONE // 2
        levels = (over + ((rest > half) | ((rest == half) & (over % 2 == 1)))).clip(0, 255)
    return levels


@given(SIDES, WANTED, st.sampled_from(["L", "RGB"]), st.data())
def test_the_pixels_are_those_of_pillow(sides, wanted, mode, data):
    picture = noise(*sides, mode)
    ends = [sorted(data.draw(st.tuples(*[st.floats(0, side)] * 2))) for side in sides]
    area = (ends[0][0], ends[1][0], ends[0][1], ends[1][1])
    if min(area[2] - area[0], area[3] - area[1]) < 0.01:
        area = None
    scaled = scale(picture, wanted, area)
    assert (scaled.size, scaled.mode) == (wanted, mode)
    assert np.abs(np.asarray(scaled) - by_pillow(picture, wanted, area)).max() <= 2


@pytest.mark.parametrize("wanted", [(224, 168), (640, 480), (50, 40)])
def test_one_value_in_fifty_at_most_is_a_level_beside_that_of_pillow(wanted):
    picture = noise(320, 240)
    gaps = np.abs(np.asarray(scale(picture, wanted)) - by_pillow(picture, wanted))
    assert gaps.max() <= 1
    assert gaps.mean() < 0.02


@given(st.integers(1, lanczos._LONGEST), st.integers(1, 300), st.booleans())
def test_the_pixels_of_long_pictures_are_those_of_pillow(side, wanted, is_wide):
    assume(side <= lanczos._MOST_TIMES * wanted)
    picture = noise(*((side, 3) if is_wide else (3, side)))
    sides = (wanted, 5) if is_wide else (5, wanted)
    assert np.abs(np.asarray(scale(picture, sides)) - by_pillow(picture, sides)).max() <= 2


@given(SIDES, WANTED)
def test_no_sum_is_rounded(sides, wanted):
    picture = noise(*sides)
    assert np.array_equal(np.asarray(scale(picture, wanted)), in_whole_numbers(picture, wanted))


@given(st.integers(1, lanczos._LONGEST), st.integers(1, 1000), st.data())
def test_every_sum_fits_a_float32_and_weights_make_one(side, wanted, data):
    start, end = sorted(data.draw(st.tuples(*[st.floats(0, side)] * 2)))
    start, end = (start, end) if end - start > 0.01 else (0, side)
    _, _, weights = lanczos._weights(side, start, end, wanted)
    assert np.abs(weights).sum(axis=1).max() * 255 * lanczos._ONE < 2**24
    assert (weights.sum(axis=1) == 1).all()


@given(SIDES, SIDES, st.tuples(*[st.integers(0, 255)] * 3))
def test_one_colour_stays_that_colour(sides, wanted, colour):
    assert (np.asarray(scale(Image.new("RGB", sides, colour), wanted)) == colour).all()


def test_a_large_picture_is_scaled_strip_by_strip():
    picture = noise(1_400, 800)
    assert picture.width * picture.height > 2 * lanczos._AT_ONCE
    assert np.array_equal(np.asarray(scale(picture, (50, 36))), in_whole_numbers(picture, (50, 36)))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK"])
def test_other_modes_are_scaled_by_pillow(mode):
    picture = noise(60, 45, mode)
    assert scale(picture, (20, 15)) == picture.resize((20, 15), LANCZOS)


@pytest.mark.parametrize(
    ("sides", "wanted"),
    [
        *(((20_000, 3), (400, 300)), ((3, 20_000), (300, 400)), ((3, 3), (2000, 2000))),
        *(((700, 10), (10, 10)), ((10, 700), (10, 10))),
    ],
)
def test_pictures_are_scaled_by_pillow_where_weights_would_be_coarse_or_large(sides, wanted):
    picture = noise(*sides)
    assert scale(picture, wanted) == picture.resize(wanted, LANCZOS)


def test_a_picture_of_the_sides_wanted_is_not_touched(monkeypatch):
    monkeypatch.setattr(lanczos, "_narrow", None)
    picture = noise(224, 168)
    assert scale(picture, picture.size) == picture
