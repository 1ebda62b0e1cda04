"""Photographs within some metres are joined, anywhere on Earth."""

import math

import numpy as np
import pytest

from granpipe.dataset.components import Components, links
from granpipe.dataset.places import EARTH, link_places, points

PLACES = {
    "equator": (0.0, 0.0),
    "60 degrees": (60.0, 11.0),
    "date line": (10.0, 180.0),
    "north pole": (90.0, 0.0),
    "near the south pole": (-89.9999, 50.0),
}


def gone(lat: float, lon: float, metres: float, heading: float) -> tuple[float, float]:
    """Return where one comes from a place along a great circle; the formula for the sphere."""
    arc, phi, course = metres / EARTH, math.radians(lat), math.radians(heading)
    north = math.sin(phi) * math.cos(arc) + math.cos(phi) * math.sin(arc) * math.cos(course)
    east = math.sin(course) * math.sin(arc) * math.cos(phi)
    there = math.radians(lon) + math.atan2(east, math.cos(arc) - math.sin(phi) * north)
    return math.degrees(math.asin(north)), (math.degrees(there) + 180) % 360 - 180


def components(lat, lon, metres: float) -> list[int]:
    components = Components(len(lat))
    components.union(link_places(np.array(lat, float), np.array(lon, float), metres))
    return components.component.tolist()


@pytest.mark.parametrize("heading", [0, 45, 90, 200, 270])
@pytest.mark.parametrize("place", PLACES)
def test_199_metres_join_and_201_do_not(place, heading):
    here = PLACES[place]
    for metres, expected in ((199, [0, 0]), (201, [0, 1])):
        lat, lon = zip(here, gone(*here, metres, heading), strict=True)
        assert components(lat, lon, 200) == expected


def each_with_each(lat: np.ndarray, lon: np.ndarray, metres: float) -> list[int]:
    where, components = points(lat, lon), Components(len(lat))
    apart = np.linalg.norm(where[:, None] - where[None], axis=2)
    near = 2 * EARTH * np.arcsin(np.minimum(apart / 2 / EARTH, 1)) <= metres
    components.union(links(*np.nonzero(np.triu(near, 1))))
    return components.component.tolist()


@pytest.mark.parametrize("metres", [3, 20, 200, 5_000, 2_000_000, 20_000_000])
@pytest.mark.parametrize("place", PLACES)
def test_300_photographs_are_joined_as_comparing_each_with_each_does(place, metres):
    rng = np.random.default_rng(round(metres))
    walk = [gone(*PLACES[place], *step) for step in rng.uniform(0, (2000, 360), (300, 2))]
    lat, lon = np.round(np.array(walk), 5).T
    found = components(lat, lon, metres)
    assert found == each_with_each(lat, lon, metres)


def test_photographs_without_a_position_are_joined_with_nothing():
    assert components([1, math.nan, 1, math.nan], [2, math.nan, 2, math.nan], 200) == [0, 1, 0, 3]
    assert components([math.nan], [math.nan], 200) == [0]
    assert components([], [], 200) == []


def test_the_date_line_has_two_names():
    assert components([0, 0], [180, -180], 1) == [0, 0]


def test_points_are_as_far_from_the_centre_as_the_earth_is_wide():
    lat, lon = np.linspace(-90, 90, 181), np.linspace(-180, 180, 181)
    where = points(lat, lon)
    phi, turn = np.radians(lat), np.radians(lon)
    parts = [np.cos(phi) * np.cos(turn), np.cos(phi) * np.sin(turn), np.sin(phi)]
    assert np.abs(where - EARTH * np.stack(parts, axis=1)).max() < 1e-8


def test_a_crowd_in_two_fields_is_joined_in_time():
    rng = np.random.default_rng(0)
    lat = np.concatenate([rng.normal(50, 2e-4, 20_000), rng.normal(50.1, 2e-4, 20_000)])
    found = components(lat, rng.normal(11, 2e-4, 40_000), 200)
    assert len(set(found)) == 2
