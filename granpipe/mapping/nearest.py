"""How far a photograph that is held out stands from the nearest one of training."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.places import EARTH, points
from granpipe.mapping.sighting import Sighting

_AT_ONCE = 4_000_000  # products


def with_nearest(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Return the sightings with `nearest_training`, in metres along the ground.

    Only those that have a position and stand on another side than train get one, where any of
    training has a position.
    """
    placed = [number for number, one in enumerate(sightings) if one.capture.position]
    training = [number for number in placed if sightings[number].split == "train"]
    held_out = [number for number in placed if sightings[number].split in {"validation", "test"}]
    told = list(sightings)
    if training:
        distances = _nearest(_points(sightings, held_out), _points(sightings, training))
        for number, metres in zip(held_out, distances, strict=True):
            told[number] = replace(sightings[number], nearest_training=metres)
    return told


def _points(sightings: Sequence[Sighting], numbers: Sequence[int]) -> NDArray[np.float64]:
    places = [place for number in numbers if (place := sightings[number].capture.position)]
    lat, lon = np.array([(place.lat, place.lon) for place in places], float).reshape(-1, 2).T
    return points(lat, lon) / EARTH


def _nearest(ones: NDArray[np.float64], others: NDArray[np.float64]) -> list[float]:
    step = max(1, _AT_ONCE // len(others))
    found = []
    for start in range(0, len(ones), step):
        some = ones[start : start + step]
        chords = np.linalg.norm(some - others[(some @ others.T).argmax(axis=1)], axis=1)
        found += [2 * EARTH * math.asin(min(1.0, chord / 2)) for chord in chords]
    return found
