"""Make the split of a dataset: whole groups, dealt or as given, and folds of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Numbers, by_row
from granpipe.dataset.database import Row
from granpipe.dataset.dealing import NOWHERE, Groups, deal, earliest
from granpipe.dataset.groups import Grouping
from granpipe.dataset.index import Index
from granpipe.dataset.leaks import LEAK_RULES, WITHOUT_DISTANCE, find_leaks
from granpipe.dataset.shares import SPLITS, Folds, Shares
from granpipe.jobs.grouping import add_alike
from granpipe.jobs.split_plan import Plan

_RADII = (1000, 750, 500, 400, 300, 200, 150, 100, 75, 50, 40, 30, 20, 15, 10, 5, 2, 1)
_LABELS = "SELECT label(name) FROM numbered ORDER BY number"
_HELD = "iif(held.name IS NULL, '', 'held')"
_ANEW = f"SELECT {_HELD} FROM numbered LEFT JOIN held USING (name) ORDER BY number"
_FORMER = f"""SELECT coalesce(one.split, other.split, {_HELD})
    FROM numbered JOIN records USING (name) LEFT JOIN held USING (name)
    LEFT JOIN former_bytes AS one ON one.sha256 = records.sha256
    LEFT JOIN former_names AS other ON other.name = numbered.name ORDER BY number"""
_FOLDS = """SELECT coalesce(one.fold, other.fold) FROM numbered JOIN records USING (name)
    LEFT JOIN former_folds AS one ON one.key = records.sha256
    LEFT JOIN former_folds AS other ON other.key = numbered.name ORDER BY number"""
_GIVEN = "SELECT split FROM numbered JOIN given ON photo = name ORDER BY number"
_LEAK = """INSERT INTO leaks SELECT one.name, other.name, ?, ? FROM numbered AS one
    JOIN numbered AS other WHERE one.number = ? AND other.number = ?"""

# What is held out is to be in what is behind the last of them.
_SPLITS = (*SPLITS, "held")
_Places: TypeAlias = NDArray[np.int32]


def make_split(index: Index, plan: Plan, grouping: Grouping) -> float:
    """Fill the index's tables `split`, `alike` and `leaks`; return `SplitSummary.radius`."""
    add_alike(index, grouping)
    photos, radius = _Photos.of(index, grouping), 0.0
    if plan.shares:
        split = photos.deal(plan.shares, plan.seed)
        if not _is_fair(split, plan.shares):
            anew = replace(photos, former=_places(index, _ANEW, _SPLITS))
            radius = _widest(plan, plan.shares, grouping, anew)
    else:
        split = _places(index, _GIVEN, SPLITS)
        index.load(_LEAK, _leaks(grouping, split))
        if plan.fix_leaks:
            split = earliest(photos.group, split).astype(np.int32)[photos.group]
    fold = np.full_like(split, NOWHERE)
    if plan.folds:
        free, folds = split != SPLITS.index("test"), Folds(plan.folds)
        former = _places(index, _FOLDS, folds.order)
        fold[free] = replace(photos, former=former).at(free).deal(folds, plan.seed)
    index.load("INSERT INTO split VALUES (?, ?, ?, ?)", _rows(index, photos, split, fold))
    return radius


@dataclass(frozen=True, slots=True, eq=False)
class _Photos:
    """What decides where photographs go, in the order of their names."""

    group: Numbers  # its place in the order of the groups' names
    label: _Places  # the class's place in the order of their names
    former: _Places  # the place of the split that it had among `_SPLITS`, or of its fold
    digest: NDArray[np.uint64]  # of each group: its name, as a number

    @classmethod
    def of(cls, index: Index, grouping: Grouping) -> Self:
        classes = sorted(label for (label,) in index.rows(f"SELECT DISTINCT * FROM ({_LABELS})"))
        group, digest = _groups(grouping)
        label, former = _places(index, _LABELS, classes), _places(index, _FORMER, _SPLITS)
        return cls(group, label, former, digest)

    def at(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the same of some photographs."""
        own, group = np.unique(self.group[chosen], return_inverse=True)
        label, former = self.label[chosen], self.former[chosen]
        return type(self)(group.ravel(), label, former, self.digest[own])

    def deal(self, shares: Shares | Folds, seed: int) -> _Places:
        """Return the split of each photograph."""
        groups = Groups.of(self.group, self.label, self.former)
        splits = deal(groups, map("g{:016x}".format, self.digest.data), shares, seed)
        return splits.astype(np.int32)[self.group]


def _groups(grouping: Grouping, metres: float | None = None) -> tuple[Numbers, NDArray[np.uint64]]:
    """Return each photograph's group, and the groups' names, as `_Photos` has them."""
    firsts, rows = grouping.firsts(metres), grouping.photos.rows
    is_first = firsts == np.arange(len(firsts))
    group = np.empty_like(firsts)
    group[rows["place"]] = (np.cumsum(is_first) - 1)[firsts]
    return group, rows["digest"][is_first]


def _places(index: Index, query: str, words: Sequence[str]) -> _Places:
    """Return the place among words of what a query says of each photograph, or `NOWHERE`."""
    places = {word: place for place, word in enumerate(words)}
    return np.fromiter((places.get(word, NOWHERE) for (word,) in index.rows(query)), np.int32)


def _is_fair(split: _Places, shares: Shares) -> bool:
    """Return whether each split has about its share."""
    counts = dict(zip(SPLITS, np.bincount(split, minlength=len(SPLITS)).tolist(), strict=True))
    return not (shares.missed(counts) or shares.empty(counts))


def _widest(plan: Plan, shares: Shares, grouping: Grouping, photos: _Photos) -> float:
    """Return the most metres of `place:` for which every split would have about its share.

    Those of the plan where former splits alone are in the way, whatever its rules are; else 0.
    """

    def is_fair(metres: float | None) -> bool:
        group, digest = _groups(grouping, metres)
        split = replace(photos, group=group, digest=digest).deal(shares, plan.seed)
        return _is_fair(split, shares)

    too_wide = plan.together.metres
    if is_fair(None):
        return too_wide
    for metres in _RADII if "place" in plan.together.rules else ():
        if metres < too_wide:
            if is_fair(metres):
                return _between(metres, too_wide, is_fair)
            too_wide = metres
    return 0.0


def _between(fair: float, too_wide: float, is_fair: Callable[[float], bool]) -> float:
    """Return the most whole metres that are fair, between some that are and some that are not."""
    while too_wide - fair > 1:
        middle = float(int(fair + too_wide) // 2)
        if is_fair(middle):
            fair = middle
        else:
            too_wide = middle
    return fair


def _leaks(grouping: Grouping, split: _Places) -> Iterator[Row]:
    """Yield rule and distance of each leak, and the numbers of its photographs."""
    place = grouping.photos.rows["place"]
    for pairs, rules in find_leaks(grouping.photos, grouping.together, split[place]):
        ends = place[pairs.first], place[pairs.second]
        for rule, distance, *numbers in by_row(rules, pairs.weight, *ends):
            name = LEAK_RULES[rule]
            yield name, None if name in WITHOUT_DISTANCE else distance, *numbers


def _rows(index: Index, photos: _Photos, split: _Places, fold: _Places) -> Iterator[Row]:
    """Yield the rows of the table `split`."""
    names = index.rows("SELECT name FROM numbered ORDER BY number")
    columns = by_row(photos.digest[photos.group], split, fold)
    for (name,), (digest, place, number) in zip(names, columns, strict=True):
        yield name, f"g{digest:016x}", SPLITS[place], "" if number == NOWHERE else str(number)
