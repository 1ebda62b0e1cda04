"""How well classes are predicted from cells: a table of them learns, and judges other groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Numbers, is_new
from granpipe.dataset.permutation import FOLDS, UNIT
from granpipe.dataset.shortcut_facts import Cells, Weights

_PRIOR = 4  # groups of each class that every cell is thought to have had, spread as all are
_AT_ONCE = 1 << 16
_DIGITS = 9  # to which scores are compared, so that no rounding decides

_Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What cells predict of photographs in groups that they did not learn from.

    Attributes
    ----------
    right : float
        Share of the photographs whose class is predicted; classes weigh alike.
    alone : ndarray of shape (classes,)
        How far each class is distinguished from all others: 0 by chance, 1 always.
    pair : ndarray of shape (classes, classes)
        How far every two are distinguished from one another.
    """

    right: float
    alone: _Reals
    pair: _Reals


def score(
    cells: Cells, fold: NDArray[Any], label: Numbers, weight: Weights, classes: int
) -> Scores:
    """Predict the class of each photograph by what the other folds have in its cells.

    Parameters
    ----------
    cells : ndarray of shape (columns, n)
        Columns count as if they were independent (naive Bayes).
    fold, label : ndarray of shape (n,)
        The fold of its group, 0 to 4, and its class.
    weight : ndarray of shape (n,)
    classes : int
    """
    count = int(cells.max()) + 1
    tables = [_table(column, fold, label, weight, (FOLDS, count, classes)) for column in cells]
    likely = [_log_shares(table) for table in tables]
    tally = _Tally(np.bincount(label, weight, classes).astype(np.float64))
    if len(cells) == 1:  # all photographs of a cell, class and fold are predicted alike
        table = tables[0].reshape(-1, classes)
        row, label = np.nonzero(table)
        fold, cells = row // count, (row[None] % count).astype(np.uint8)
        weight = table[row, label]
    step = max(1, _AT_ONCE // classes)
    for start in range(0, len(label), step):
        some = slice(start, start + step)
        scores = np.zeros((len(label[some]), classes))
        for part, column in zip(likely, cells, strict=True):
            scores += part[fold[some] * count + column[some]]
        tally.add(scores, label[some], weight[some])
    return tally.scores()


def _table(
    cells: NDArray[np.uint8],
    fold: NDArray[Any],
    label: Numbers,
    weight: Weights,
    shape: tuple[int, int, int],
) -> _Reals:
    _, count, classes = shape
    at = (fold * count + cells) * classes + label
    table: _Reals = np.bincount(at, weight, FOLDS * count * classes).astype(np.float64)
    return table.reshape(shape)


def _log_shares(table: _Reals) -> _Reals:
    """Return, for each fold and cell, how likely the cell is in each class, by the other folds."""
    train = table.sum(axis=0) - table
    share = train.sum(axis=2, keepdims=True)
    share /= np.maximum(train.sum(axis=(1, 2), keepdims=True), 1)
    prior = _PRIOR * UNIT
    likely = (train + prior * share) / (train.sum(axis=1, keepdims=True) + prior)
    logs: _Reals = np.log(np.maximum(likely, 1e-300)).reshape(-1, table.shape[2])
    return logs


class _Tally:
    """Adds up by class what scores say: sums of whole numbers, which have no order.

    Parameters
    ----------
    sizes : ndarray of shape (classes,)
        The weight of all photographs of each class.
    """

    def __init__(self, sizes: _Reals) -> None:
        self._sizes, count = sizes, len(sizes)
        self._right = np.zeros(count)
        self._above = np.zeros((count, count))  # of each class: above chance by the score of each
        self._over = np.zeros((count, count))  # of each class: its own score over each other

    def add(self, scores: _Reals, label: Numbers, weight: Weights) -> None:
        order = np.argsort(label, kind="stable")
        scores, label, weight = scores[order], label[order], weight[order]
        starts = np.flatnonzero(is_new(label))
        own, mine = label[starts], (np.arange(len(label)), label)
        scores = np.round(scores - scores.max(axis=1, keepdims=True), _DIGITS)
        is_best = scores == 0
        right = np.floor(weight * is_best[mine] / is_best.sum(axis=1))
        self._right[own] += np.add.reduceat(right, starts)
        share = np.exp(scores)
        share *= len(self._sizes) / share.sum(axis=1, keepdims=True)
        above = weight[:, None] * np.sign(np.round(share - 1, _DIGITS))
        self._above[own] += np.add.reduceat(above, starts)
        over = weight[:, None] * np.sign(scores[mine][:, None] - scores)
        self._over[own] += np.add.reduceat(over, starts)

    def scores(self) -> Scores:
        above, over = self._above / self._sizes[:, None], self._over / self._sizes[:, None]
        own = np.diag(above)
        others = (above.sum(axis=0) - own) / max(len(own) - 1, 1)
        right = float((self._right / self._sizes).mean())
        return Scores(right, (own - others) / 2, (over + over.T) / 2)
