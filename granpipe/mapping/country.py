"""The country of a position, about, by the outlines of land.npz."""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from granpipe.mapping.land import UNITS, atlas

_NEAR = 50  # cells to a degree, in which positions share their country
_ASHORE = 0.5  # degrees from a coast, whose outline is coarse, at most
_AT_ONCE = 2_000_000

_Floats = NDArray[np.float64]


def countries_of(lats: Sequence[float], lons: Sequence[float]) -> NDArray[np.int64]:
    """Return the country of each position, by its place in `country_names`; -1 at sea.

    Degrees are decimal, and NaN for none.
    """
    positions = np.column_stack([np.asarray(lons, float), np.asarray(lats, float)])
    countries = np.full(len(positions), -1)
    placed = np.flatnonzero(~np.isnan(positions).any(axis=1))
    cells = (np.floor(positions[placed] * _NEAR) + 0.5) / _NEAR
    places, place = np.unique(cells, axis=0, return_inverse=True)
    countries[placed] = _around(places)[place.ravel()]
    return countries


def country_names() -> list[set[str]]:
    """Return by what each country may be called: its name and its codes, casefolded."""
    land = atlas()
    names = zip(land["names"].tolist(), land["codes"].tolist(), strict=True)
    return [
        {name.casefold(), *(code.casefold() for code in codes if code)} for name, codes in names
    ]


def _around(places: _Floats) -> NDArray[np.int64]:
    """Return the country that lies around each place, or else the nearest on shore."""
    inside, nearest = np.full((2, len(places)), -1)
    away = np.full(len(places), _ASHORE)
    for country, rings in groupby(_rings(), lambda pair: pair[0]):
        is_odd = np.zeros(len(places), bool)  # a ring in a ring of the same country is a hole
        for _, ring in rings:
            for some, line in _near(places, ring):
                within, distance = _compared(places[some], line)
                is_odd[some[within]] ^= True
                is_closer = distance < away[some]
                closer = some[is_closer]
                nearest[closer], away[closer] = country, distance[is_closer]
        inside[is_odd] = country
    return np.where(inside >= 0, inside, nearest)


def _near(places: _Floats, ring: _Floats) -> Iterator[tuple[NDArray[np.int64], _Floats]]:
    """Yield numbers of places about a ring, some at once, and the ring where it is near them."""
    for shift in (0, -360, 360):  # a ring goes on beyond the date line
        line = ring + np.array([shift, 0])
        low, high = line.min(axis=0) - _ASHORE, line.max(axis=0) + _ASHORE
        near = np.flatnonzero(np.all((places >= low) & (places <= high), axis=1))
        step = max(1, _AT_ONCE // len(line))
        for start in range(0, len(near), step):
            yield near[start : start + step], line


def _compared(places: _Floats, line: _Floats) -> tuple[NDArray[np.bool_], _Floats]:
    """Return whether a ring surrounds each place, and how many degrees it is away, about."""
    x, y = places[:, :1], places[:, 1:]
    (x1, y1), (x2, y2) = line[:-1].T, line[1:].T
    crosses = (y1 > y) != (y2 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x1 + (y - y1) / (y2 - y1) * (x2 - x1)
    is_inside = np.count_nonzero(crosses & (x < at), axis=1) % 2 == 1
    squeeze = np.cos(np.radians(y))
    distance = np.hypot((x - x1) * squeeze, y - y1).min(axis=1)
    return is_inside, distance


@cache
def _rings() -> list[tuple[int, _Floats]]:
    """Return each ring's country and vertices, of shape (n, 2): longitude and latitude."""
    land = atlas()
    arcs, starts = land["arcs"], land["ring_starts"]
    rings = []
    for country, start, end in zip(land["ring_countries"], starts[:-1], starts[1:], strict=True):
        lines = []
        for arc in land["rings"][start:end].tolist():
            number = max(arc, ~arc)
            line = land["vertices"][arcs[number] : arcs[number + 1]]
            lines.append(line if arc >= 0 else line[::-1])
        rings.append((int(country), _unbroken(np.concatenate(lines) / UNITS)))
    return rings


def _unbroken(line: _Floats) -> _Floats:
    """Return a ring that goes on beyond 180 degrees, where it crosses the date line.

    One that runs around a pole, as Antarctica's, is closed along it.
    """
    turns = np.round(np.diff(line[:, 0]) / 360)
    shifted = line.copy()
    shifted[1:, 0] -= 360 * np.cumsum(turns)
    first, last = shifted[0], shifted[-1]
    if first[0] != last[0]:
        pole = math.copysign(90, first[1])
        shifted = np.vstack([shifted, (last[0], pole), (first[0], pole), first])
    return shifted
