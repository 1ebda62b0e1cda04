"""HEIC and AVIF are cut, turned and mirrored in the order in which their file says it."""

import itertools

import numpy as np
import pytest

from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo
from granpipe.photo.transforms import place

import draw_containers as dc
from conftest import picture, psnr

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 12, 7


def applied(levels: np.ndarray, steps) -> np.ndarray:
    """Return levels after each step, as 23008-12 words it."""
    for kind, value in steps:
        if kind == "irot":
            levels = np.rot90(levels, value)
        elif kind == "imir":
            levels = levels[::-1] if value == 0 else levels[:, ::-1]
        else:
            left, top, right, bottom = value
            levels = levels[top:bottom, left:right]
    return levels


def clap_of(sides, value) -> bytes:
    """Return the clean aperture that leaves left, top, right and bottom of a picture."""
    left, top, right, bottom = value
    across, down = (left + right - sides[0]) / 2, (top + bottom - sides[1]) / 2
    return dc.clap(right - left, bottom - top, across, down)


def said(sides, steps):
    """Return the boxes of some steps, each clean aperture for what is there before it."""
    found = []
    for kind, value in steps:
        if kind == "clap":
            found.append(clap_of(sides, value))
            sides = (value[2] - value[0], value[3] - value[1])
        elif kind == "irot":
            found.append(dc.irot(value))
            sides = sides[:: 1 if value % 2 == 0 else -1]
        else:
            found.append(dc.imir(value))
    return found


def orders():
    cuts = [("clap", (1, 2, 5, 6)), ("clap", (0, 0, 3, 2))]
    for turn, axis in itertools.product(range(4), (0, 1)):
        steps = [("irot", turn), ("imir", axis), cuts[axis]]
        yield from (list(order) for order in itertools.permutations(steps))
        yield [cuts[0], ("irot", turn), cuts[1], ("imir", axis), ("irot", 1)]


@pytest.mark.parametrize("steps", list(orders()), ids=str)
def test_each_is_applied_to_what_those_before_have_made(steps):
    levels = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    boxes = [(row, one[4:8], one[8:]) for row, one in enumerate(said((WIDTH, HEIGHT), steps))]
    placed = place((WIDTH, HEIGHT), boxes)
    left, top, right, bottom = placed.aperture
    turned = levels[top:bottom, left:right]
    quarters = {1: 0, 2: 0, 3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}[placed.orientation]
    turned = np.rot90(turned, quarters)
    if placed.orientation in {2, 4, 5, 7}:
        turned = turned[:, ::-1]
    assert np.array_equal(turned, applied(levels, steps))
    assert not placed.impossible


def test_an_aperture_must_lie_in_what_is_turned_by_then():
    turned = [(0, b"irot", b"\1"), (1, b"clap", dc.clap(10, 5)[8:])]
    assert place((12, 7), turned).impossible == {1}
    assert place((12, 7), turned[::-1]).aperture == (1, 1, 11, 6)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize("turn", [1, 2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_decoded_pictures_are_shown_so(kind, turn, axis):
    pytest.importorskip("pillow_heif").register_heif_opener()
    leaf = picture(160, 120)
    cut = ("clap", (4, 10, 64, 110))
    for steps in itertools.permutations([("irot", turn), ("imir", axis), cut]):
        data = dc.container(leaf, kind, *said(leaf.size, steps), quality=95)
        _, _, sides, small = letterbox(open_photo(data), 100)
        expected = applied(np.asarray(leaf), steps)
        assert sides == expected.shape[1::-1]
        assert psnr(np.asarray(small), expected) > 28
