"""Whether facts and classes have to do with one another, or chance alone would do as much.

Pearson's chi-square (Pearson 1900) of blocks by cell and class is compared with the same for labels
that whole groups have exchanged (a permutation test). The largest standardised value of all facts
counts (Westfall and Young 1993, max-T), so that fifteen facts raise no more false alarms than one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Numbers, is_new
from granpipe.dataset.shortcut_facts import FINEST, Cells, Weights

FOLDS = 5
UNIT = 720_720
"""Weight of a block, which its photographs share: whole numbers, so that sums have no order.

It is divided by all numbers up to 16, so that blocks weigh the same to the last digit.
"""

_AT_ONCE = 1 << 15  # numbers in the tables of exchanges that are made together, for each column

_LABELS_AT_ONCE = 1 << 19  # labels of photographs, in the same exchanges
_PACKED = 3  # columns that are counted together where that is worth it
_WORTH = 8  # photographs for each number of their table

_Reals = NDArray[np.float64]
_Packs = list[tuple[NDArray[np.integer[Any]], int]]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Photographs in the order of groups and then classes, and the blocks that they are of.

    A block is the photographs of one class in one group. It counts as one, whatever its size, since
    photographs of one field are no independent cases.

    Attributes
    ----------
    group, label, block : ndarray of shape (n,)
        Numbers of each photograph, from 0.
    weight : ndarray of shape (n,)
        Of each photograph where all have a fact.
    classes : ndarray of shape (blocks,)
    alike : list of ndarray of shape (groups, width)
        The blocks of groups that have the same number of them.
    """

    group: NDArray[np.int32]
    label: Numbers
    block: Numbers
    weight: Weights
    classes: Numbers
    alike: list[Numbers]

    @classmethod
    def of(cls, group: NDArray[Any], label: Numbers) -> "Blocks":
        is_first, number = is_new(group, label), np.cumsum(is_new(group)) - 1
        own = number[is_first]
        width = np.bincount(own)[own]
        alike = [np.flatnonzero(width == one).reshape(-1, one) for one in np.unique(width).tolist()]
        block = np.cumsum(is_first) - 1
        number = number.astype(np.int32)
        return cls(number, label, block, shared(block), label[is_first], alike)

    @property
    def fold(self) -> NDArray[np.int32]:
        """The fold of each photograph: groups go to the folds in turn."""
        return self.group % np.int32(FOLDS)

    def exchanged(self, rng: np.random.PCG64) -> Numbers:
        """Return labels of photographs: groups get those of others with as many, in any order."""
        new = np.empty_like(self.classes)
        for places in self.alike:
            count, width = places.shape
            mixed = self.classes[places[_order(rng, 1, count)[0]]]
            if width > 1:
                mixed = np.take_along_axis(mixed, _order(rng, count, width), axis=1)
            new[places] = mixed
        return new[self.block]


def shared(block: Numbers) -> Weights:
    """Return the weights of photographs, of which those of a block share one unit."""
    return (UNIT // np.bincount(block).clip(1))[block].astype(np.float64)


def _order(rng: np.random.PCG64, rows: int, width: int) -> Numbers:
    """Return a random order of so many numbers in each row: sorted keys with the number behind."""
    bits = np.uint64(width.bit_length())
    keys = rng.random_raw(rows * width).reshape(rows, width) << bits
    keys |= np.arange(width, dtype=np.uint64)
    keys.sort(axis=1)  # in half the time of argsort
    keys &= (np.uint64(1) << bits) - np.uint64(1)
    return keys.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The photographs that have a fact, in the fact's cells.

    Attributes
    ----------
    here : ndarray of shape (m,) or None
        Those photographs, by their place among the blocks; None for all.
    own : ndarray of int
        The classes that they are of, in their order.
    weight : ndarray of shape (m,)
    cells : ndarray of shape (columns, m), uint8
    count, merges : int
        Of cells in each column; how often neighbours among them are merged by two, too.
    """

    here: NDArray[np.int32] | None
    own: Numbers
    weight: Weights
    cells: Cells
    count: int
    merges: int

    def statistic(self, packs: _Packs, labels: Sequence[Numbers], classes: int) -> _Reals:
        """Return what chi-square is of the cells and each of these labels; columns are added up.

        Parameters
        ----------
        packs : list
            As `packs` returns them.
        labels : sequence of ndarray of shape (n,)
        classes : int
        """
        tables = np.empty((len(labels), len(self.cells), classes, self.count))
        for turn, label in enumerate(labels):
            mine = label if self.here is None else label[self.here]
            first = 0
            for pack, width in packs:
                end = first + width
                tables[turn, first:end] = self._counted(pack, width, mine, classes)
                first = end
        total: _Reals = _at_depths(tables[:, :, self.own], self.merges).sum(axis=1)
        return total

    def packs(self, classes: int) -> _Packs:
        """Return columns, each with its number; of many photographs three columns as one."""
        width = _PACKED if classes * self.count**_PACKED * _WORTH < len(self.weight) else 1
        packs: _Packs = []
        for start in range(0, len(self.cells), width):
            columns = self.cells[start : start + width]
            pack = columns[0] if len(columns) == 1 else columns[0].astype(np.uint16)
            for column in columns[1:]:
                pack = pack * np.uint16(self.count) + column
            packs.append((pack, len(columns)))
        return packs

    def _counted(
        self, pack: NDArray[np.integer[Any]], width: int, label: Numbers, classes: int
    ) -> _Reals:
        """Return blocks by class and cell for each of the packed columns."""
        cells = self.count**width
        counted = np.bincount(label * cells + pack, self.weight, classes * cells)
        table: _Reals = counted.astype(np.float64, copy=False)
        if width == 1:
            return table.reshape(1, classes, cells)
        shaped = table.reshape(classes, *[self.count] * width)
        axes = range(1, width + 1)
        return np.stack(
            [shaped.sum(axis=tuple(axis for axis in axes if axis != one)) for one in axes]
        )


def p_values(cuts: Sequence[Cut], blocks: Blocks, classes: int, exchanges: int) -> list[float]:
    """Return how often exchanged labels have any fact that gives away as much as each does."""
    if not cuts:
        return []
    rng = np.random.PCG64(0)
    step = max(1, min(100, _AT_ONCE // (classes << FINEST), _LABELS_AT_ONCE // len(blocks.label)))
    packed, parts = [cut.packs(classes) for cut in cuts], []
    for start in range(0, exchanges + 1, step):
        turns = range(start, min(start + step, exchanges + 1))
        labels = [blocks.exchanged(rng) if turn else blocks.label for turn in turns]
        statistics = [
            cut.statistic(packs, labels, classes) for cut, packs in zip(cuts, packed, strict=True)
        ]
        parts.append(np.stack(statistics))
    root = np.sqrt(np.round(np.concatenate(parts, axis=1), 6))
    # With the real labels among the others, as they are under the null hypothesis.
    mean, deviation = root.mean(axis=1, keepdims=True), root.std(axis=1, keepdims=True)
    z = np.where(deviation > 0, (root - mean) / np.where(deviation > 0, deviation, 1), 0)
    highest = np.sort(z[:, 1:].max(axis=0))
    as_high = len(highest) - np.searchsorted(highest, z[:, 0])
    found: list[float] = ((1 + as_high) / (exchanges + 1)).tolist()
    return found


def _at_depths(tables: _Reals, merges: int) -> _Reals:
    """Return the chi-square of tables (..., classes, cells), and of cells merged by two, added."""
    total = _chi_square(tables)
    for _ in range(merges):
        tables = tables.reshape(*tables.shape[:-1], -1, 2).sum(axis=-1)
        total = total + _chi_square(tables)
    return total


def _chi_square(tables: _Reals) -> _Reals:
    rows, columns = tables.sum(axis=-1, keepdims=True), tables.sum(axis=-2, keepdims=True)
    expected = rows * columns / np.maximum(rows.sum(axis=-2, keepdims=True), 1)
    terms = (tables - expected) ** 2 / np.maximum(expected, 1e-9)
    total: _Reals = terms.sum(axis=(-1, -2)) / UNIT
    return total
