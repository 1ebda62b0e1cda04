"""How far a photograph that is held out is from the nearest one of training."""

import math
from array import array
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.places import EARTH, points
from granpipe.mapping.feature import Feature

_AT_ONCE = 4_000_000  # products


def nearest_training(features: Iterable[Feature]) -> dict[int, float]:
    """Return the distance to the nearest photograph of training, in metres along the ground.

    Of those, by their number, that have a position and are in another split than train, where
    any of training has a position.
    """
    numbers = array("q")
    places: dict[bool, array[float]] = {True: array("d"), False: array("d")}
    for number, feature in enumerate(features):
        if (place := feature.capture.position) and feature.split in {"train", "validation", "test"}:
            is_training = feature.split == "train"
            places[is_training].extend((place.lat, place.lon))
            numbers.extend(() if is_training else (number,))
    if not places[True]:
        return {}
    return dict(zip(numbers, _nearest(_points(places[False]), _points(places[True])), strict=True))


def _points(places: "array[float]") -> NDArray[np.float64]:
    lat, lon = np.array(places).reshape(-1, 2).T
    return points(lat, lon) / EARTH


def _nearest(places: NDArray[np.float64], others: NDArray[np.float64]) -> list[float]:
    step = max(1, _AT_ONCE // len(others))
    found = []
    for start in range(0, len(places), step):
        some = places[start : start + step]
        chords = np.linalg.norm(some - others[(some @ others.T).argmax(axis=1)], axis=1)
        found += [2 * EARTH * math.asin(min(1.0, chord / 2)) for chord in chords]
    return found
