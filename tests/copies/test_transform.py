"""The geometry and pixels of one copy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from granpipe.copies.transform import (
    Parameters,
    Ranges,
    draw_parameters,
    generator,
    largest_scale,
    make_copy,
    sampling_matrix,
)
from granpipe.photo.letterbox import Box, content_box

from conftest import psnr

SHAPES = [(4, 3), (3, 4), (1, 1), (5, 1), (1, 5), (16, 9), (1000, 1)]
SMOOTH_BOX = Box(0, 28, 224, 196)

boxes = st.builds(content_box, st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 300))
ranges = st.builds(
    Ranges,
    flip_horizontal=st.floats(0, 1),
    flip_vertical=st.floats(0, 1),
    rotate=st.floats(0, 180),
    crop=st.floats(0.01, 1),
)


def whole(box: Box, angle: float = 0, *, mirror: bool = False, upend: bool = False) -> Parameters:
    return Parameters(mirror, upend, angle, box.left, box.top, box.right, box.bottom)


def turned(box: Box, angle: float, share: float = 1) -> Parameters:
    """The largest centred crop at an angle, or a share of its area."""
    scale = largest_scale(box.width, box.height, angle) * math.sqrt(share)
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    half_width, half_height = scale * box.width / 2, scale * box.height / 2
    edges = (x - half_width, y - half_height, x + half_width, y + half_height)
    return Parameters(False, False, angle, *edges)


def canvas(box: Box, content, padding=(0, 0, 0), size: int = 224) -> np.ndarray:
    array = np.full((size, size, 3), padding, np.uint8)
    array[box.top : box.bottom, box.left : box.right] = content
    return array


def scene(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A smooth picture given by a formula, at points in pixels."""
    waves = (
        np.sin(x / 9) * np.cos(y / 13),
        np.cos(x / 17 + y / 11),
        np.sin(x / 23 - y / 7),
    )
    return 127.5 + 110 * np.stack(waves, axis=-1)


def smooth_canvas() -> np.ndarray:
    y, x = np.mgrid[0:224, 0:224] + 0.5
    content = scene(x, y)[SMOOTH_BOX.top : SMOOTH_BOX.bottom]
    return canvas(SMOOTH_BOX, content.round())


def analytic(parameters: Parameters) -> np.ndarray:
    """What a copy of the smooth picture is by formula, without any resampling."""
    box, angle = SMOOTH_BOX, math.radians(parameters.angle)
    v, u = np.mgrid[0 : box.height, 0 : box.width] + 0.5
    across = (u / box.width - 0.5) * (parameters.crop_right - parameters.crop_left)
    down = (v / box.height - 0.5) * (parameters.crop_bottom - parameters.crop_top)
    x = (parameters.crop_left + parameters.crop_right) / 2
    y = (parameters.crop_top + parameters.crop_bottom) / 2
    return scene(
        x + across * math.cos(angle) - down * math.sin(angle),
        y + across * math.sin(angle) + down * math.cos(angle),
    )


def content(array: np.ndarray, box: Box) -> np.ndarray:
    return array[box.top : box.bottom, box.left : box.right]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_angle_and_no_crop_brings_padding_into_the_picture(shape):
    box = content_box(*shape, 96)
    array = canvas(box, (7, 130, 250), padding=(255, 0, 9), size=96)
    for angle in range(-180, 181):
        for share in (0.05, 0.5, 1):
            assert np.array_equal(make_copy(array, box, turned(box, angle, share)), array), angle


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_no_drawn_crop_brings_padding_into_the_picture(shape):
    box = content_box(*shape, 96)
    array = canvas(box, (7, 130, 250), padding=(255, 0, 9), size=96)
    wild = Ranges(0.5, 0.5, 180, 0.01)
    for copy in range(300):
        parameters = draw_parameters(generator(1, str(shape), copy), box, wild)
        assert np.array_equal(make_copy(array, box, parameters), array), parameters


@given(boxes, ranges, st.integers(0, 2**32))
def test_the_centres_of_corner_pixels_come_from_inside_the_content_box(box, ranges, copy):
    parameters = draw_parameters(generator(0, "corn/a.jpg", copy), box, ranges)
    a, b, c, d, e, f = sampling_matrix(box, parameters)
    for x in (0.5, box.width - 0.5):
        for y in (0.5, box.height - 0.5):
            assert -1e-9 <= a * x + b * y + c <= box.width + 1e-9
            assert -1e-9 <= d * x + e * y + f <= box.height + 1e-9


@given(boxes, st.floats(-360, 360))
def test_the_largest_turned_rectangle_touches_the_box_and_stays_inside(box, angle):
    scale = largest_scale(box.width, box.height, angle)
    cos, sin = abs(math.cos(math.radians(angle))), abs(math.sin(math.radians(angle)))
    free_x = box.width - scale * (box.width * cos + box.height * sin)
    free_y = box.height - scale * (box.width * sin + box.height * cos)
    assert min(free_x, free_y) == pytest.approx(0, abs=1e-6)
    assert max(free_x, free_y) >= -1e-6


def test_no_flip_no_angle_and_no_crop_gives_the_array_itself():
    array = smooth_canvas()
    assert np.array_equal(make_copy(array, SMOOTH_BOX, whole(SMOOTH_BOX)), array)


def test_flips_alone_are_exact():
    array = smooth_canvas()
    mirrored = make_copy(array, SMOOTH_BOX, whole(SMOOTH_BOX, mirror=True))
    upended = make_copy(array, SMOOTH_BOX, whole(SMOOTH_BOX, upend=True))
    assert np.array_equal(content(mirrored, SMOOTH_BOX), content(array, SMOOTH_BOX)[:, ::-1])
    assert np.array_equal(content(upended, SMOOTH_BOX), content(array, SMOOTH_BOX)[::-1])


def test_half_a_turn_equals_two_flips():
    array = smooth_canvas()
    both = make_copy(array, SMOOTH_BOX, whole(SMOOTH_BOX, mirror=True, upend=True))
    assert np.array_equal(make_copy(array, SMOOTH_BOX, whole(SMOOTH_BOX, 180)), both)
    nearly = make_copy(array, SMOOTH_BOX, turned(SMOOTH_BOX, 179.999999))
    assert np.abs(nearly.astype(int) - both).max() <= 1


def test_a_positive_angle_turns_the_picture_counter_clockwise_as_pillow_does():
    box = Box(0, 0, 224, 224)
    array = smooth_canvas()
    by_pillow = np.asarray(Image.fromarray(array).rotate(20, Image.Resampling.BILINEAR))
    whole_size = Parameters(False, False, 20, 0, 0, 224, 224)
    with pytest.raises(ValueError, match="more than there is"):
        make_copy(array, box, whole_size)
    # What a crop of half the sides shows at twice the size is the middle of what Pillow turned.
    ours = make_copy(array, box, Parameters(False, False, 20, 56, 56, 168, 168))
    middle = Image.fromarray(ours).resize((112, 112), Image.Resampling.BOX)
    assert psnr(np.asarray(middle), by_pillow[56:168, 56:168]) > 40


@pytest.mark.parametrize("angle", [-90, -33.3, -15, -1, 0, 0.5, 7, 15, 45, 90, 135])
@pytest.mark.parametrize("share", [0.7, 1])
def test_a_copy_agrees_with_the_formula_of_the_picture(angle, share):
    parameters = turned(SMOOTH_BOX, angle, share)
    copy = make_copy(smooth_canvas(), SMOOTH_BOX, parameters)
    assert psnr(content(copy, SMOOTH_BOX), analytic(parameters)) >= 40


@pytest.mark.parametrize("angle", [-15, -7.5, 3, 11])
def test_one_resampling_beats_rotate_crop_and_resize_in_turn(angle):
    box, parameters = SMOOTH_BOX, turned(SMOOTH_BOX, angle, 0.8)
    array = smooth_canvas()
    step = Image.fromarray(content(array, box)).rotate(angle, Image.Resampling.BILINEAR)
    crop = (
        *(parameters.crop_left, parameters.crop_top - box.top),
        *(parameters.crop_right, parameters.crop_bottom - box.top),
    )
    step = step.crop(tuple(map(round, crop))).resize(step.size, Image.Resampling.BILINEAR)
    once = psnr(content(make_copy(array, box, parameters), box), analytic(parameters))
    assert once > psnr(np.asarray(step), analytic(parameters))


def test_a_copy_is_as_bright_as_what_it_shows():
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    box = content_box(1, 1, 224)
    copies = [make_copy(noise, box, turned(box, angle)) for angle in (-12, -5, 3, 9)]
    assert np.mean(copies) == pytest.approx(noise.mean(), abs=0.2)  # rounding down takes 0.5


def drawn(count: int = 4000, **options) -> list[Parameters]:
    settings = Ranges(**options)
    return [
        draw_parameters(generator(0, "corn/a.jpg", n), SMOOTH_BOX, settings) for n in range(count)
    ]


def test_flips_come_as_often_as_asked():
    copies = drawn(flip_horizontal=0.5, flip_vertical=0.1)
    assert np.mean([copy.flip_horizontal for copy in copies]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([copy.flip_vertical for copy in copies]) == pytest.approx(0.1, abs=0.02)
    assert not any(copy.flip_vertical for copy in drawn(flip_vertical=0))
    assert all(copy.flip_vertical for copy in drawn(flip_vertical=1))


def test_angles_are_uniform_over_their_range():
    angles = np.sort([copy.angle for copy in drawn(rotate=15)])
    expected = np.linspace(-15, 15, len(angles))
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is passed by 99 of 100 uniform samples.
    assert np.abs(angles - expected).max() / 30 < 1.63 / math.sqrt(len(angles))


def test_crops_are_uniform_in_area_between_the_smallest_share_and_all():
    shares = []
    for copy in drawn(crop=0.6):
        largest = largest_scale(SMOOTH_BOX.width, SMOOTH_BOX.height, copy.angle)
        width = (copy.crop_right - copy.crop_left) / (SMOOTH_BOX.width * largest)
        shares.append(width**2)
    expected = np.linspace(0.6, 1, len(shares))
    assert np.abs(np.sort(shares) - expected).max() / 0.4 < 1.63 / math.sqrt(len(shares))


@given(boxes, st.integers(0, 1000))
def test_what_a_range_leaves_unused_changes_nothing_else(box, copy):
    few = draw_parameters(generator(3, "a", copy), box, Ranges(0.5, 0, 0, 1))
    more = draw_parameters(generator(3, "a", copy), box, Ranges(0.5, 0.5, 15, 0.7))
    assert few.flip_horizontal == more.flip_horizontal


@pytest.mark.parametrize("change", [(1, "a", 1), (0, "b", 1), (0, "a", 2)])
def test_seed_path_and_number_each_change_a_copy(change):
    first = draw_parameters(generator(0, "a", 1), SMOOTH_BOX, Ranges())
    other = draw_parameters(generator(*change), SMOOTH_BOX, Ranges())
    assert first.angle != other.angle


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip_horizontal": 1.1},
        {"flip_vertical": -0.1},
        {"rotate": -1},
        {"rotate": 181},
        {"crop": 0},
        {"crop": 1.5},
        {"crop": float("nan")},
        {"brightness": -0.1},
        {"gamma": 1.1},
    ],
    ids=str,
)
def test_ranges_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="between|above"):
        Ranges(**wrong)


def test_a_copy_stays_the_same_from_version_to_version():
    drawn_once = draw_parameters(generator(7, "corn/a.jpg", 3), SMOOTH_BOX, Ranges())
    assert (drawn_once.flip_horizontal, drawn_once.flip_vertical) == (False, False)
    assert drawn_once.angle == pytest.approx(0.5208837374347908)
    assert drawn_once.crop_left == pytest.approx(8.238957073367942)
    assert drawn_once.crop_bottom == pytest.approx(189.9678372821419)
