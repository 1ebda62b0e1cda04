"""Flags find what is doubtful, and leave sharp and well-lit pictures alone."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from granpipe.photo.letterbox import content, letterbox
from granpipe.photo.quality import FLAGS, flags, sharpness

from conftest import ROOT


def flagged(grey: Image.Image, *sides: int) -> str:
    return flags(grey, sharpness(np.asarray(grey)), *sides)


def flags_of(image: Image.Image, size: int = 224) -> list[str]:
    array, box, (width, height), _ = letterbox(image, size)
    return flagged(content(array, box).convert("L"), width, height, size).split()


def blurred(image: Image.Image, share: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(share * image.width))


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    paths = sorted((ROOT / "img").glob("*/*"))
    return [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in paths]


@pytest.fixture(scope="module")
def real(photos) -> list[Image.Image]:
    kinds = ("challenge", "gps", "orientation")
    paths = sorted(path for kind in kinds for path in (photos / kind).rglob("*.jpg"))
    return [ImageOps.exif_transpose(Image.open(path)).convert("RGB") for path in paths]


def test_no_drawn_picture_is_flagged(drawn):
    assert [flags_of(image) for image in drawn] == 25 * [[]]


def test_no_sharp_photograph_is_flagged_but_for_its_size(real):
    assert len(real) == 21
    found = [flag for image in real for flag in flags_of(image)]
    assert set(found) <= {"tiny"}


def test_blurring_by_a_hundredth_of_the_width_is_always_found(drawn, real):
    for image in drawn + real:
        assert "blurred" in flags_of(blurred(image, 0.01))


def test_darkening_a_sharp_picture_does_not_make_it_blurred(drawn):
    dark = [flags_of(ImageEnhance.Brightness(image).enhance(0.2)) for image in drawn]
    assert dark == 25 * [["dark"]]


def test_overexposed_pictures_are_found(drawn):
    bright = [flags_of(ImageEnhance.Brightness(image).enhance(3)) for image in drawn]
    assert sum("overexposed" in found for found in bright) >= 24


def noise(low: int, high: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(1).integers(low, high, shape, np.uint8)


@pytest.mark.parametrize(("share", "expected"), [(0.29, ""), (0.31, "overexposed")])
def test_three_tenths_at_level_250_are_overexposed(share, expected):
    picture = noise(80, 200, (100, 100))
    picture[: round(100 * share)] = 250 + noise(0, 2, (round(100 * share), 100))
    assert flagged(Image.fromarray(picture), 300, 300, 224) == expected


@pytest.mark.parametrize(("level", "expected"), [(63, "dark"), (64, "")])
def test_dark_is_where_nineteen_of_twenty_pixels_are_below_64(level, expected):
    picture = noise(0, 60, (100, 100))
    picture[:5] = 200 + noise(0, 40, (5, 100))
    picture[5] = level
    picture[0] = level  # 4 of 100 are bright beyond doubt, 2 are at the level
    assert flagged(Image.fromarray(picture), 300, 300, 224) == expected


@pytest.mark.parametrize(("levels", "expected"), [(8, "blank"), (12, "")])
def test_blank_is_where_nearly_all_lies_within_eight_levels(levels, expected):
    picture = noise(100, 100 + levels, (100, 100))
    picture[0] = 0
    assert flagged(Image.fromarray(picture), 300, 300, 224) == expected


def test_blank_pictures_are_not_called_blurred(drawn):
    assert flags_of(Image.new("RGB", (640, 480), (90, 90, 90))) == ["blank"]
    slope = np.tile((100 + np.arange(224) // 32).astype(np.uint8), (168, 1))
    assert flagged(Image.fromarray(slope), 640, 480, 224) == "blank"
    assert flags_of(Image.new("RGB", (100, 480))) == ["dark", "blank", "tiny"]


@pytest.mark.parametrize(("sides", "expected"), [((224, 500), []), ((223, 500), ["tiny"])])
def test_tiny_is_where_the_shorter_side_has_fewer_pixels_than_the_array(drawn, sides, expected):
    assert flags_of(drawn[0].resize(sides)) == expected


@pytest.mark.parametrize("shape", [(1, 1), (1, 224), (224, 1), (3, 3), (4, 5)])
def test_pictures_of_any_shape_are_judged(shape):
    assert set(flagged(Image.fromarray(noise(0, 255, shape)), 300, 300, 224).split()) <= set(FLAGS)


def test_a_smooth_slope_has_half_the_steps_and_noise_more():
    slope = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)
    assert sharpness(slope) == 0.5
    assert sharpness(noise(0, 255, (100, 100))) > 1.5
