"""What gives the class of a photograph away besides the plant?  Arrays in, findings out.

`granpipe.dataset.permutation` says whether a fact has to do with the classes at all, and
`granpipe.dataset.shortcut_scores` how well it predicts them in groups that it has not seen.

All that is added up are whole numbers, and random bits are those of PCG64, which are the same in
every NumPy. So neither the order of photographs nor their names matter, as long as classes and
groups are numbered by something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Numbers, is_new
from granpipe.dataset.permutation import Blocks, Cut, p_values, shared
from granpipe.dataset.shortcut_facts import FINEST, Fact
from granpipe.dataset.shortcut_scores import score

STRONG, WEAK, NONE, FEW, CONSTANT = "strong", "weak", "none", "few", "constant"
"""Verdicts: it gives classes away; it does, a little; it does not; too few groups to say; all have
the same, or none has it."""

LEAST_GROUPS = 40
"""Groups without which nothing is said."""

LEAST_OF_CLASS = 5
"""Groups of a class; those with fewer are left out."""

MOST_CLASSES = 100
"""Classes that are judged: those with the most groups."""

EXCHANGES = 499
_LEVEL = 0.01
_GAIN = 0.1  # more right than by chance, to be strong
_GIVEN = 0.5  # so far is a class distinguished from all others that is given away
_ENOUGH = 10  # groups of such a class


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one fact.

    Attributes
    ----------
    feature, sort, verdict : str
    photographs, groups, classes : int
        That have it and are judged.
    right, chance : float or None
        Share of the photographs whose class it predicts, and what chance would; all classes weigh
        alike.
    p : float or None
        How often exchanged labels are given away as much as these by any fact.
    given_away : tuple of int
        Classes that it distinguishes from all others by half at least, the first most.
    apart : tuple of int
        The two classes that are furthest apart.
    most : int or None
        The class that it distinguishes most.
    """

    feature: str
    sort: str
    verdict: str
    photographs: int
    groups: int
    classes: int
    right: float | None = None
    chance: float | None = None
    p: float | None = None
    given_away: tuple[int, ...] = ()
    apart: tuple[int, ...] = ()
    most: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """A fact that can be judged: of the photographs that have it, in classes that have enough."""

    fact: Fact
    finding: Finding
    cut: Cut


def find_shortcuts(
    label: NDArray[Any], group: NDArray[Any], facts: Sequence[Fact], exchanges: int = EXCHANGES
) -> list[Finding]:
    """Return which facts give the classes of photographs away.

    Parameters
    ----------
    label, group : ndarray of shape (n,)
        The number of each photograph's class and group, from 0.
    facts : sequence of Fact
        Their values have the order of the photographs.
    exchanges : int
        How often labels are exchanged.
    """
    classes = int(label.max(initial=-1)) + 1
    chosen = _chosen(_groups_of(label, group, classes))
    places = np.flatnonzero(np.isin(label, chosen))
    places = places[np.lexsort((label[places], group[places]))]
    groups, judged = len(_distinct(np.sort(group))), len(_distinct(group[places]))
    if len(chosen) < 2 or judged < LEAST_GROUPS:
        counts = (len(label), groups) if groups < LEAST_GROUPS else (len(places), judged)
        return [Finding(one.name, one.sort, FEW, *counts, len(chosen)) for one in facts]
    blocks = Blocks.of(group[places], np.searchsorted(chosen, label[places]))
    prepared = [_prepare(one, places, blocks, len(chosen)) for one in facts]
    cuts = [one.cut for one in prepared if isinstance(one, _Case)]
    chances = iter(p_values(cuts, blocks, len(chosen), exchanges))
    return [
        _judged(one, places, blocks, chosen, next(chances)) if isinstance(one, _Case) else one
        for one in prepared
    ]


def _groups_of(label: NDArray[Any], group: NDArray[Any], classes: int) -> Numbers:
    """Return how many groups each class is in."""
    pairs = np.sort(group.astype(np.int64) * classes + label)
    return np.bincount(_distinct(pairs) % max(classes, 1), minlength=classes)


def _distinct(numbers: NDArray[Any]) -> NDArray[Any]:
    """Return each of sorted numbers once; NumPy's `unique` takes ten times as long."""
    return numbers[is_new(numbers)]


def _chosen(groups: Numbers) -> Numbers:
    """Return the classes that have enough groups, in their order; of too many the largest."""
    enough = np.flatnonzero(groups >= LEAST_OF_CLASS)
    return np.sort(enough[np.argsort(-groups[enough], kind="stable")[:MOST_CLASSES]])


def _prepare(fact: Fact, places: Numbers, blocks: Blocks, classes: int) -> _Case | Finding:
    """Return a fact in cells for its test; or what is found without one."""
    values = fact.made()
    here = np.flatnonzero(fact.has(values)[places])
    has = _groups_of(blocks.label[here], blocks.group[here], classes)
    own = np.flatnonzero(has >= LEAST_OF_CLASS)
    values = values[places[here]]
    is_constant = not len(values) or bool((values == values[0]).all())
    if not is_constant and len(own) < classes:
        is_own = np.isin(blocks.label[here], own)
        here, values = here[is_own], values[is_own]
    groups = len(_distinct(blocks.group[here]))
    finding = Finding(fact.name, fact.sort, NONE, len(here), groups, len(own))
    if is_constant:
        return replace(finding, verdict=CONSTANT)
    if len(own) < 2 or groups < LEAST_GROUPS:
        return replace(finding, verdict=FEW)
    is_all = len(here) == len(places)
    weight = blocks.weight if is_all else shared(blocks.block[here])
    cells = fact.cells(values, weight, fact.depth)
    if not np.ptp(cells, axis=1).any():
        return replace(finding, verdict=CONSTANT)
    count = 1 << fact.depth if fact.merges else int(cells.max()) + 1
    cut = Cut(None if is_all else here.astype(np.int32), own, weight, cells, count, fact.merges)
    return _Case(fact, finding, cut)


def _judged(case: _Case, places: Numbers, blocks: Blocks, chosen: Numbers, p: float) -> Finding:
    """Return what is found of a fact: how well it predicts classes, and whether that is chance."""
    own, weight = case.cut.own, case.cut.weight
    here = slice(None) if case.cut.here is None else case.cut.here
    label, cells, depth = np.searchsorted(own, blocks.label[here]), case.cut.cells, _depth(case)
    if depth > case.fact.depth:
        cells = case.fact.cells(case.fact.made()[places[here]], weight, depth)
    scores = score(cells, blocks.fold[here], label, weight, len(own))
    chance = 1 / len(own)
    finding = replace(case.finding, right=scores.right, chance=chance, p=p)
    if p > _LEVEL:
        return finding
    alone, has = np.round(scores.alone, 9), _groups_of(label, blocks.group[here], len(own))
    order = np.argsort(-alone, kind="stable")
    given = [one for one in order if alone[one] >= _GIVEN and has[one] >= _ENOUGH]
    is_strong = bool(given) or scores.right - chance >= _GAIN
    apart = np.unravel_index(int(np.argmax(np.round(scores.pair, 9))), scores.pair.shape)
    names = chosen[own]
    return replace(
        finding,
        verdict=STRONG if is_strong else WEAK,
        given_away=tuple(names[given].tolist()),
        apart=tuple(names[list(apart)].tolist()),
        most=int(names[order[0]]),
    )


def _depth(case: _Case) -> int:
    """Return into how many cells a fact is cut to predict: the more groups, the more."""
    depth = case.fact.depth
    is_fixed = len(case.cut.cells) > 1 or not case.fact.merges
    while not is_fixed and depth < FINEST and 4 ** (depth + 1) <= case.finding.groups:
        depth += 1
    return depth
