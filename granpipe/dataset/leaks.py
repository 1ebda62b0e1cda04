"""Leaks of a split: photographs of validation or test that a rule joins to one of another split.

Each pair is joined directly, not by way of a third photograph.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.alike import alike_across
from granpipe.dataset.components import Links, Numbers, is_new, joined, links
from granpipe.dataset.grouping_input import NEVER, GroupingInput
from granpipe.dataset.groups import BURST
from granpipe.dataset.places import NearPlaces, are_near, ranges
from granpipe.dataset.together import Together

LEAK_RULES = ("bytes", "group", "likeness", "field", "place", "burst", "folder")
"""What may join two photographs of two splits; the strongest first."""

MOST = 20
"""Pairs of one photograph by one rule, at most: a field may hold a hundred thousand."""

WITHOUT_DISTANCE = {"group", "field", "folder"}

_AT_ONCE = 1 << 11

_Splits: TypeAlias = NDArray[np.int8]
_Mask: TypeAlias = NDArray[np.bool_]
_Find: TypeAlias = Callable[[Numbers], Links]
# Of which photographs to ask, in their order, for pairs with those of earlier splits.
_Finder: TypeAlias = tuple[_Mask, _Find]


def find_leaks(
    photos: GroupingInput, together: Together, split: _Splits
) -> Iterator[tuple[Links, Numbers]]:
    """Yield the pairs of photographs that leak, some after the others.

    Parameters
    ----------
    photos : GroupingInput
    together : Together
        Its rules count, and the same bytes and the given groups.
    split : ndarray of shape (n,), int8
        The place in `granpipe.dataset.shares.SPLITS` of each photograph's split.

    Yields
    ------
    pairs : Links
        The held-out photograph, of the later split, first; sorted. Their weight is the distance:
        bits for likeness, metres for place, seconds for burst, else 0.
    rules : ndarray of int64
        The strongest rule of each pair, by its place in `LEAK_RULES`.
    """
    finders = [
        (number, *finder)
        for number, rule in enumerate(LEAK_RULES)
        if rule in {"bytes", "group", *together.rules}
        for finder in _finders(rule, photos, together, split)
    ]
    held = np.flatnonzero(split > 0)
    for start in range(0, len(held), _AT_ONCE):
        some = held[start : start + _AT_ONCE]
        found = [(number, find(some[asks[some]])) for number, asks, find in finders]
        rules = np.repeat([number for number, _ in found], [len(pairs) for _, pairs in found])
        yield _strongest(photos, together, joined([pairs for _, pairs in found]), rules)


def _strongest(
    photos: GroupingInput, together: Together, pairs: Links, rules: Numbers
) -> tuple[Links, Numbers]:
    """Return each pair once, with its strongest rule."""
    order = np.lexsort((pairs.weight, rules, pairs.second, pairs.first))
    pairs, rules = pairs.at(order), rules[order]
    strongest = np.flatnonzero(is_new(pairs.first, pairs.second))
    pairs, rules = pairs.at(strongest), rules[strongest]
    # A pair that a stronger rule joins is that rule's, also where it has listed enough of them.
    one, other = photos.rows[pairs.first], photos.rows[pairs.second]
    for number, rule in enumerate(LEAK_RULES):
        if rule in {"bytes", "group"} or (rule in together.rules and rule in {"field", "place"}):
            if rule == "place":
                holds = are_near(one, other, together.metres)
            else:
                holds = (one[rule] > 0) & (one[rule] == other[rule])
            rules[holds & (rules > number)] = len(LEAK_RULES)
    kept = np.flatnonzero(rules < len(LEAK_RULES))
    return pairs.at(kept), rules[kept]


def _finders(
    rule: str, photos: GroupingInput, together: Together, split: _Splits
) -> Iterator[_Finder]:
    """Return what finds the pairs of a rule."""
    match rule:
        case "likeness":
            return _alike(photos.looks, split)
        case "place":
            return _near(photos.rows, together.metres, split)
        case "burst":
            return _bursts(photos.rows, split)
    return _equal(photos.rows[rule], split)


def _equal(keys: NDArray[Any], split: _Splits) -> Iterator[_Finder]:
    """Yield what finds pairs with the same number; 0 is none."""
    for earlier, later in _splits(split):
        yield later & (keys > 0), _between(keys, earlier & (keys > 0), 0)


def _near(rows: NDArray[Any], metres: float, split: _Splits) -> Iterator[_Finder]:
    for earlier, later in _splits(split):
        near = NearPlaces(rows["lat"], rows["lon"], np.flatnonzero(earlier), metres, MOST)
        yield later, near.pairs


def _bursts(rows: NDArray[Any], split: _Splits) -> Iterator[_Finder]:
    """Yield what finds one camera's photographs of some seconds, one of two without a position."""
    camera, times = rows["camera"].astype(np.int64), rows["second"]
    is_known, lost = (times != NEVER) & (camera > 0), np.isnan(rows["lat"])
    if not is_known.any():
        return
    # A camera's times are apart from those of all others.
    times = np.where(is_known, times - times[is_known].min(), 0)
    keys = camera * (int(times.max()) + 2 * BURST + 1) + times
    for earlier, later in _splits(split):
        for one, other in ((is_known & lost, is_known), (is_known, is_known & lost)):
            yield later & one, _between(keys, earlier & other, BURST)


def _alike(looks: Iterable[bytes], split: _Splits) -> Iterator[_Finder]:
    found = alike_across(looks, split)
    is_held = split[found.first] > split[found.second]
    held = np.where(is_held, found.first, found.second)
    found = Links(held, np.where(is_held, found.second, found.first), found.weight)
    found = found.at(np.argsort(held, kind="stable"))

    def find(some: Numbers) -> Links:
        return found.at(np.arange(*np.searchsorted(found.first, [some[0], some[-1] + 1])))

    yield split > 0, find


def _splits(split: _Splits) -> Iterator[tuple[_Mask, _Mask]]:
    """Yield which photographs are of a split, and which of those after it."""
    for earlier in (0, 1):
        yield split == earlier, split > earlier


def _between(keys: NDArray[Any], earlier: _Mask, most: int) -> _Find:
    """Return what finds pairs whose keys differ by so much at most, `MOST` of each photograph."""
    among = np.flatnonzero(earlier)
    among = among[np.argsort(keys[among], kind="stable")]
    ordered = keys[among]

    def find(some: Numbers) -> Links:
        own = keys[some]
        starts = np.searchsorted(ordered, own - most)
        stops = np.searchsorted(ordered, own + most, "right")
        sizes = np.minimum(stops - starts, MOST)
        first, second = np.repeat(some, sizes), among[ranges(starts, sizes)]
        return links(first, second, np.abs(keys[first] - keys[second]))

    return find
