"""Held-out photographs know how far the nearest one of training is."""

import pytest

from granpipe.dataset.names import Photo
from granpipe.mapping.feature import Feature
from granpipe.mapping.nearest import nearest_training
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position


def seen(split: str, lat: float | None = None, lon: float = 0.0) -> Feature:
    place = None if lat is None else Position(lat, lon)
    return Feature(Photo("corn/a.jpg"), Capture("ok", "", place), split=split)


def distances(*features: Feature) -> list[float | None]:
    found = nearest_training(features)
    return [found.get(number) for number in range(len(features))]


def test_a_degree_along_a_meridian_is_111_kilometres():
    assert distances(seen("train", 10), seen("test", 11))[1] == pytest.approx(111_195, abs=1)


def test_the_nearest_counts_across_the_date_line_too():
    found = distances(
        seen("train", 0, 179.999), seen("train", 0, 0), seen("validation", 0, -179.999)
    )
    assert found[:2] == [None, None]
    assert found[2] == pytest.approx(222.4, abs=0.1)


def test_one_metre_is_told_as_one_metre():
    assert distances(seen("train", 50), seen("test", 50 + 1 / 111_195))[1] == pytest.approx(
        1, abs=0.01
    )


def test_without_a_position_or_a_training_photograph_there_is_no_distance():
    assert distances(seen("test", 1), seen("", 2)) == [None, None]
    assert distances(seen("train"), seen("test", 1)) == [None, None]
    assert distances(seen("train", 1), seen("test")) == [None, None]
