"""The light of a copy: what changes, what does not, and that it can be drawn again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from granpipe.copies.light import light_table, relight
from granpipe.copies.transform import (
    Copier,
    Ranges,
    draw_parameters,
    generator,
)
from granpipe.photo.letterbox import Box

LIGHT = ["brightness", "contrast", "warmth", "gamma"]
BOX = Box(0, 28, 224, 196)
ALL_ON = dict.fromkeys(LIGHT, 0.4)


def drawn(**options):
    return [draw_parameters(generator(0, "a", n), BOX, Ranges(**options)) for n in range(1000)]


def by_formula(array, brightness, contrast, warmth, gamma):
    """Levels by the definition, pixel by pixel, in real numbers."""
    lit = (array / 255) ** gamma * [1 + warmth, 1, 1 - warmth] * brightness
    return ((lit - 0.5) * contrast + 0.5).clip(0, 1) * 255


def photograph(seed=0):
    rng = np.random.default_rng(seed)
    array = np.zeros((224, 224, 3), np.uint8)
    array[28:196] = rng.integers(0, 256, (168, 224, 3), np.uint8)
    return array


@given(st.floats(0, 2), st.floats(0, 2), st.floats(-1, 1), st.floats(0.5, 2))
def test_every_level_is_that_of_the_formula(brightness, contrast, warmth, gamma):
    levels = np.repeat(np.arange(256)[:, None], 3, axis=1)
    expected = by_formula(levels, brightness, contrast, warmth, gamma)
    table = light_table(brightness, contrast, warmth, gamma)
    assert np.abs(table.T - expected).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("name", LIGHT)
def test_what_is_off_is_the_photographs_own(name):
    others = {one: 0.5 for one in LIGHT if one != name}
    own = {"brightness": 1, "contrast": 1, "warmth": 0, "gamma": 1}[name]
    assert {getattr(copy, name) for copy in drawn(**others)} == {own}


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_factors_are_spread_over_their_range(name):
    factors = np.array([getattr(copy, name) for copy in drawn(**{name: 0.2})])
    assert 0.8 <= factors.min() < 0.81
    assert 1.19 < factors.max() <= 1.2
    assert factors.mean() == pytest.approx(1, abs=0.02)


def test_as_many_copies_are_darker_as_brighter_by_gamma():
    gammas = np.array([copy.gamma for copy in drawn(gamma=1)])
    assert 0.5 <= gammas.min() < 0.51
    assert 1.97 < gammas.max() <= 2
    assert np.log(gammas).mean() == pytest.approx(0, abs=0.06)


def test_light_changes_nothing_else_of_a_copy():
    for plain, lit in zip(drawn(), drawn(**ALL_ON), strict=True):
        assert plain.light == (1, 1, 0, 1) != lit.light
        assert (plain.angle, plain.crop_left, plain.crop_bottom, plain.flip_horizontal) == (
            *(lit.angle, lit.crop_left, lit.crop_bottom, lit.flip_horizontal),
        )


def test_a_lit_copy_is_the_plain_copy_through_the_table():
    array = photograph()
    for number in range(8):
        ranges = [Ranges(flip_vertical=0.5), Ranges(flip_vertical=0.5, **ALL_ON)]
        plain, lit = (draw_parameters(generator(1, "a", number), BOX, one) for one in ranges)
        expected = Copier(array, BOX).make(plain)
        relight(expected[28:196], light_table(*lit.light))
        assert np.array_equal(Copier(array, BOX).make(lit), expected)


def test_padding_keeps_its_colour():
    array = photograph()
    array[:28] = array[196:] = (9, 200, 77)
    parameters = draw_parameters(generator(1, "a", 1), BOX, Ranges(**ALL_ON))
    copy = Copier(array, BOX).make(parameters)
    assert np.array_equal(copy[:28], array[:28])
    assert np.array_equal(copy[196:], array[196:])
