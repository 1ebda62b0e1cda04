"""Join photographs that were taken near one another, anywhere on Earth.

Positions become points in three dimensions, so that poles and the date line are places like any
other. Sines come from a series of products and sums, which round the same on every machine.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Components, Links, Numbers, blocks, is_new, joined, links

EARTH = 6_371_008.8
"""Mean radius of the Earth in metres (IUGG)."""

_Floats = NDArray[np.float64]

_LEAST_SIDE = 7.0  # so that the number of a cell fits into 64 bits
_MOST_AT_ONCE = 1 << 17
_ARC = math.radians(1)


def link_places(lat: _Floats, lon: _Floats, metres: float) -> Links:
    """Return links that join photographs within so many metres of one another.

    Parameters
    ----------
    lat, lon : ndarray of shape (n,)
        In decimal degrees; NaN where a photograph has no position.
    metres : float
        Along a great circle.

    Returns
    -------
    Links
        Between places in the arrays, all of weight 0, no more than hold each component together.
    """
    known = np.flatnonzero(has_place(lat, lon))
    known = known[np.lexsort((lon[known], lat[known]))]
    is_spot = is_new(lat[known], lon[known])  # many photographs may be of the very same
    spots = known[is_spot]
    cells = _Cells(points(lat[spots], lon[spots]), metres)
    return links(spots[cells.components()][np.cumsum(is_spot) - 1], known)


class NearPlaces:
    """Photographs that are found by what is near them.

    Parameters
    ----------
    lat, lon : ndarray of shape (n,)
        As for `link_places`.
    among : ndarray of int64
        Those that are found.
    metres : float
        Along a great circle.
    most : int
        Pairs of each query: the nearest, by what is found in the cubes around it.
    """

    def __init__(
        self, lat: _Floats, lon: _Floats, among: Numbers, metres: float, most: int
    ) -> None:
        self._lat, self._lon, self._most = lat, lon, most
        self._among = among[has_place(lat[among], lon[among])]
        self._cells = _Cells(points(lat[self._among], lon[self._among]), metres)

    def pairs(self, queries: Numbers) -> Links:
        """Return pairs of queries and what is near, weighing whole metres."""
        queries = queries[has_place(self._lat[queries], self._lon[queries])]
        if not (len(queries) and len(self._among)):
            return links()
        where = points(self._lat[queries], self._lon[queries])
        pairs = joined([*self._cells.near(where, self._most)])
        pairs = pairs.at(np.lexsort((pairs.second, pairs.weight, pairs.first)))
        # How many pairs of its query come before each.
        starts = np.searchsorted(pairs.first, pairs.first)
        pairs = pairs.at(np.flatnonzero(np.arange(len(pairs)) - starts < self._most))
        return links(queries[pairs.first], self._among[pairs.second], pairs.weight)


def has_place(lat: _Floats, lon: _Floats) -> NDArray[np.bool_]:
    """Return which photographs have a position."""
    has: NDArray[np.bool_] = ~(np.isnan(lat) | np.isnan(lon))
    return has


def are_near(one: NDArray[Any], other: NDArray[Any], metres: float) -> NDArray[np.bool_]:
    """Return which photographs are within so many metres of others; none without a position.

    Parameters
    ----------
    one, other : structured ndarray of shape (n,)
        With `lat` and `lon`, in decimal degrees.
    metres : float
        Along a great circle.
    """
    near: NDArray[np.bool_] = ~(np.isnan(one["lat"]) | np.isnan(other["lat"]))
    first, second = (points(some["lat"][near], some["lon"][near]) for some in (one, other))
    chord = 2 * EARTH * math.sin(min(metres / EARTH, math.pi) / 2)
    near[near] = np.sqrt(((first - second) ** 2).sum(axis=1)) <= chord
    return near


def points(lat: _Floats, lon: _Floats) -> _Floats:
    """Return points in metres from the centre of the Earth, of shape (n, 3)."""
    where = np.empty((len(lat), 3))
    for some in blocks(len(lat)):
        (north, flat), (east, near) = _sine_cosine(lat[some]), _sine_cosine(lon[some])
        where[some] = np.stack([flat * near, flat * east, north], axis=1)
    where *= EARTH
    return where


def _sine_cosine(degrees: _Floats) -> tuple[_Floats, _Floats]:
    quarter = np.rint(degrees / 90)
    angle = (degrees - 90 * quarter) * _ARC
    square = angle * angle
    sine, cosine = np.ones_like(angle), np.ones_like(angle)
    for power in range(18, 1, -2):
        sine = 1 - sine * square / (power * (power + 1))
        cosine = 1 - cosine * square / (power * (power - 1))
    sine = sine * angle
    turn = quarter.astype(np.int64) % 4
    return (
        np.choose(turn, [sine, cosine, -sine, -cosine]),
        np.choose(turn, [cosine, -sine, -cosine, sine]),
    )


class _Cells:
    """Points in cubes whose diagonal is the distance: all points of one are near one another."""

    def __init__(self, points: _Floats, metres: float) -> None:
        self.chord = 2 * EARTH * math.sin(min(metres / EARTH, math.pi) / 2)
        side = max(self.chord / math.sqrt(3) * (1 - 1e-9), _LEAST_SIDE)
        self.is_sure = side * math.sqrt(3) <= self.chord
        self.side = side
        self.corner = self._cubes(points.min(axis=0, initial=0)) - 2
        self.width = self._cubes(points.max(axis=0, initial=0)) - self.corner + 3
        self.strides = np.array([self.width[1] * self.width[2], self.width[2], 1])
        number = np.empty(len(points), np.int64)
        for some in blocks(len(points)):
            number[some] = self._numbers(self._cubes(points[some]) - self.corner)
        self.order = np.argsort(number, kind="stable")
        self.points = points[self.order]
        self.numbers, self.starts, self.sizes = np.unique(
            number[self.order], return_index=True, return_counts=True
        )

    def _cubes(self, points: _Floats) -> Numbers:
        cubes: Numbers = np.floor(points / self.side).astype(np.int64)
        return cubes

    def _numbers(self, cubes: Numbers) -> Numbers:
        numbers: Numbers = (cubes * self.strides).sum(axis=1)
        return numbers

    def components(self) -> Numbers:
        """Return for each point another that all share which are near it, or near these."""
        components = Components(len(self.points))
        if self.is_sure:
            components.component = np.repeat(self.starts, self.sizes)
        steps = [step for step in product(range(-2, 3), repeat=3) if step >= (0, 0, 0)]
        for step in sorted(steps, key=lambda step: sum(part * part for part in step)):
            if any(step) or not self.is_sure:
                for some in self._between(step, components):
                    components.join(some.first, some.second)
        found = np.empty_like(self.order)
        found[self.order] = self.order[components.component]
        return found

    def near(self, queries: _Floats, most: int) -> Iterator[Links]:
        """Yield links from queries to near points, at most so many for each and each cube."""
        home = self._cubes(queries) - self.corner
        for step in product(range(-2, 3), repeat=3):
            cube = home + step
            inside = np.flatnonzero(np.all((cube >= 0) & (cube < self.width), axis=1))
            numbers = self._numbers(cube[inside])
            cell = np.searchsorted(self.numbers, numbers)
            cell[cell == len(self.numbers)] = 0
            hit = np.flatnonzero(self.numbers[cell] == numbers)
            sizes = np.minimum(self.sizes[cell[hit]], most)
            second = ranges(self.starts[cell[hit]], sizes)
            first = np.repeat(inside[hit], sizes)
            across = queries[first] - self.points[second]
            chord = np.sqrt((across * across).sum(axis=1))
            near = np.flatnonzero(chord <= self.chord)
            metres = 2 * EARTH * np.arcsin(np.minimum(chord[near] / (2 * EARTH), 1))
            yield links(first[near], self.order[second[near]], np.rint(metres))

    def _between(self, step: tuple[int, ...], components: Components) -> Iterator[Links]:
        """Yield links between each cell and the one that is a step away."""
        wanted = self.numbers + int(np.dot(step, self.strides))
        other = np.searchsorted(self.numbers, wanted)
        other[other == len(self.numbers)] = 0
        cell = np.flatnonzero(self.numbers[other] == wanted)
        cell = cell[self._apart(self.starts[cell], self.starts[other[cell]], components)]
        point = ranges(self.starts[cell], self.sizes[cell])
        other = np.repeat(other[cell], self.sizes[cell])
        ends = np.cumsum(self.sizes[other])
        stops = np.searchsorted(ends, np.arange(_MOST_AT_ONCE, ends[-1:].sum(), _MOST_AT_ONCE))
        for part in np.split(np.arange(len(point)), np.unique(stops)):
            still = part[self._apart(point[part], self.starts[other[part]], components)]
            yield self._compare(point[still], other[still])

    def _apart(self, one: Numbers, other: Numbers, components: Components) -> NDArray[np.bool_]:
        """Return which points are not in the component of another, all of whose cell is."""
        if not self.is_sure:
            return np.ones(len(one), bool)
        apart: NDArray[np.bool_] = components.component[one] != components.component[other]
        return apart

    def _compare(self, point: Numbers, cell: Numbers) -> Links:
        """Return links between points and those of cells that are near."""
        second = ranges(self.starts[cell], self.sizes[cell])
        first = np.repeat(point, self.sizes[cell])
        across, along, up = (self.points[first] - self.points[second]).T
        near = across * across + along * along + up * up <= self.chord * self.chord
        return links(first[near], second[near])


def ranges(starts: Numbers, sizes: Numbers) -> Numbers:
    """Return the numbers of all ranges, one range after the other."""
    before: Numbers = np.cumsum(sizes) - sizes
    numbers: Numbers = np.arange(sizes.sum()) + np.repeat(starts - before, sizes)
    return numbers
