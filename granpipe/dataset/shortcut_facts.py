"""What is recorded of photographs besides the plant, cut into cells without a look at labels.

Cells hold equal shares of the photographs, each weighing as it does in its block. So they depend on
the order of values alone, and a class that is rare or photographed at odd places moves no border.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import blocks, is_new
from granpipe.dataset.places import points

Weights: TypeAlias = NDArray[np.float64]
Cells: TypeAlias = NDArray[np.uint8]
Points: TypeAlias = NDArray[np.int32]

FINEST = 6
"""Facts are cut into 2**6 cells at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """A number that each photograph has or lacks.

    Attributes
    ----------
    name : str
        As the table calls it.
    sort : str
        circumstance, frame, or scene: then the plant may be in it.
    made : callable
        Returns an ndarray of shape (n,) or (n, columns) with one of each photograph; NaN where it
        has none. All facts together would take more memory than all else.
    depth : int
        For the test there are 2**depth cells.
    merges : int
        How often neighbouring cells are merged by two, to be tested as well.
    """

    depth: ClassVar[int] = 3
    merges: ClassVar[int] = 2
    name: str
    sort: str
    made: Callable[[], NDArray[Any]]

    def has(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which of some photographs have it."""
        has: NDArray[np.bool_] = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
        return has

    def cells(self, values: NDArray[Any], weight: Weights, depth: int) -> Cells:
        """Return the cells of m photographs that have it, of shape (columns, m).

        Weights are whole numbers, and there are 2**depth cells at most.
        """
        return by_rank(values, weight, 1 << depth)[None]


class Circle(Fact):
    """A number that begins anew after its last, as hours do."""

    period: ClassVar[float]

    def cells(self, values: NDArray[Any], weight: Weights, depth: int) -> Cells:
        return by_rank(opened(values, self.period), weight, 1 << depth)[None]


class Hour(Circle):
    """Hours of the day, 0 to 24."""

    period = 24.0


class Season(Circle):
    """Days of the year, from 1."""

    period = 365.25


class Place(Fact):
    """Latitude and longitude, in decimal degrees."""

    depth = 4

    def cells(self, values: NDArray[Any], weight: Weights, depth: int) -> Cells:
        return by_halves(on_sphere(values), weight, depth)[None]


class Columns(Fact):
    """Several numbers of each photograph, each cut by itself."""

    def cells(self, values: NDArray[Any], weight: Weights, depth: int) -> Cells:
        return np.stack([by_rank(column, weight, 1 << depth) for column in values.T])


class Words(Fact):
    """A text of each photograph, by its number; 0 where there is none."""

    merges = 0  # there are no neighbours

    def has(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        has: NDArray[np.bool_] = values != 0
        return has

    def cells(self, values: NDArray[Any], weight: Weights, depth: int) -> Cells:
        return by_frequency(values, weight, 1 << FINEST)[None]


def by_rank(values: NDArray[Any], weight: Weights, count: int) -> Cells:
    """Return the cells of numbers by their weighted middle rank, so that equal ones stay together.

    >>> by_rank(np.array([5.0, 1, 1, 9]), np.ones(4), 2)
    array([1, 0, 0, 1], dtype=uint8)
    """
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(is_new(ordered))
    own = np.add.reduceat(weight[order], starts)
    before = np.cumsum(own) - own
    share = (2 * before + own) / (2 * own.sum())
    cell = np.minimum((share * count).astype(np.uint8), count - 1)
    cells = np.empty(len(values), np.uint8)
    cells[order] = np.repeat(cell, np.diff(starts, append=len(values)))
    return cells


def opened(values: NDArray[np.float64], period: float) -> NDArray[np.float64]:
    """Return numbers of a circle that is cut open at its widest gap.

    >>> opened(np.array([23.0, 1.0, 12.0]), 24.0)
    array([11., 13.,  0.])
    """
    values = values % period
    distinct = np.unique(values)
    gaps = np.diff(np.append(distinct, distinct[0] + period))
    first = distinct[(int(np.argmax(gaps)) + 1) % len(distinct)]
    turned: NDArray[np.float64] = (values - first) % period
    return turned


def on_sphere(degrees: NDArray[np.float64]) -> Points:
    """Return points of the earth in whole metres from its centre, of shape (n, 3)."""
    metres = np.empty((len(degrees), 3), np.int32)
    for some in blocks(len(degrees)):
        metres[some] = np.rint(points(*degrees[some].T))
    return metres


def by_halves(places: Points, weight: Weights, depth: int) -> Cells:
    """Return the cells of points: each is halved along its widest axis, by rank."""
    cell = np.zeros(len(places), np.uint8)
    for level in range(depth):
        order = np.argsort(cell, kind="stable")
        bounds = np.searchsorted(cell[order], np.arange((1 << level) + 1))
        finer = cell * 2
        for node in range(1 << level):
            inside = order[bounds[node] : bounds[node + 1]]
            if len(inside) > 1:
                finer[inside] += _halves(places[inside], weight[inside])
        cell = finer
    return cell


def _halves(places: Points, weight: Weights) -> Cells:
    middle, spread = np.median(places, axis=0), np.zeros((1, 3))
    for some in blocks(len(places)):
        away = np.abs(places[some] - middle)
        spread = np.concatenate([spread, away]).sum(axis=0, keepdims=True)
    axis = int(np.argmax(spread))
    if not spread[0, axis]:
        return np.zeros(len(places), np.uint8)
    return by_rank(places[:, axis], weight, 2)


def by_frequency(words: NDArray[Any], weight: Weights, count: int) -> Cells:
    """Return the cells of words: the heaviest have their own, and all others share the last."""
    distinct, which = np.unique(words, return_inverse=True)
    own = np.bincount(which, weight, len(distinct))
    rank = np.empty(len(distinct), np.int64)
    rank[np.lexsort((distinct, -own))] = np.arange(len(distinct))
    cells: Cells = np.minimum(rank, count - 1).astype(np.uint8)[which]
    return cells
