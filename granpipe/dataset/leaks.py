"""Leaks of a split: photographs of validation or test that a rule joins to one of another split.

Each pair is joined directly, not by way of a third photograph.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.alike import alike_across
from granpipe.dataset.components import Links, Numbers, joined, links
from granpipe.dataset.grouping_input import GroupingInput
from granpipe.dataset.groups import BURST, fields_of, has_second
from granpipe.dataset.places import are_near, near_pairs
from granpipe.dataset.together import Together

LEAK_RULES = ("bytes", "group", "likeness", "field", "place", "burst", "folder")
"""What may join two photographs of two splits; the strongest first."""

MOST = 20
"""Pairs of one photograph by one rule, at most: a field may hold a hundred thousand."""

WITHOUT_DISTANCE = {"group", "field", "folder"}

_Splits = NDArray[np.int64]


def find_leaks(photos: GroupingInput, together: Together, split: _Splits) -> tuple[Links, Numbers]:
    """Return the pairs of photographs that leak.

    Parameters
    ----------
    photos : GroupingInput
        In the order of `GroupingInput.by_digest`.
    together : Together
        Its rules count, and the same bytes and the given groups.
    split : ndarray of shape (n,), int64
        The place in `granpipe.dataset.sides.SIDES` of each photograph's split.

    Returns
    -------
    pairs : Links
        The held-out photograph, of the later split, first; sorted. Their weight is the distance:
        bits for likeness, metres for place, seconds for burst, else 0.
    rules : ndarray of int64
        The strongest rule of each pair, by its place in `LEAK_RULES`.
    """
    found: list[Links] = []
    rules: list[Numbers] = []
    for number, rule in enumerate(LEAK_RULES):
        if rule in {"bytes", "group", *together.rules}:
            for some in _FINDERS[rule](photos, together, split):
                found.append(some)
                rules.append(np.full(len(some), number))
    pairs, rule_of = joined(found), np.concatenate([np.zeros(0, np.int64), *rules])
    order = np.lexsort((pairs.weight, rule_of, pairs.second, pairs.first))
    pairs, rule_of = pairs.at(order), rule_of[order]
    is_new = np.ones(len(pairs), bool)
    is_new[1:] = (np.diff(pairs.first) != 0) | (np.diff(pairs.second) != 0)
    # A pair that a stronger rule joins is that rule's, also where it has listed enough of them.
    kept = np.flatnonzero(is_new & (rule_of <= _strongest(photos, together, pairs)))
    return pairs.at(kept), rule_of[kept]


def _strongest(photos: GroupingInput, together: Together, pairs: Links) -> Numbers:
    """Return the strongest rule of those that are easily asked of a pair."""
    one, other = photos.rows[pairs.first], photos.rows[pairs.second]
    strongest = np.full(len(pairs), len(LEAK_RULES))
    holds = {"bytes": one["sha256"] == other["sha256"]}
    holds["group"] = (one["group"] > 0) & (one["group"] == other["group"])
    if "field" in together.rules:
        holds["field"] = (one["field"] > 0) & (one["field"] == other["field"])
    if "place" in together.rules:
        holds["place"] = are_near(one, other, together.metres)
    for rule, are in reversed(holds.items()):
        strongest[are] = LEAK_RULES.index(rule)
    return strongest


def _same_bytes(photos: GroupingInput, _: Together, split: _Splits) -> Iterator[Links]:
    words = np.ascontiguousarray(photos.rows["sha256"]).view(">u8").reshape(-1, 4)
    is_other = np.any(np.diff(words, axis=0) != 0, axis=1)
    return _equal(
        np.concatenate([np.zeros(min(1, len(words)), np.int64), np.cumsum(is_other)]), split
    )


def _same_group(photos: GroupingInput, _: Together, split: _Splits) -> Iterator[Links]:
    return _equal(photos.rows["group"].astype(np.int64) - 1, split)


def _same_field(photos: GroupingInput, _: Together, split: _Splits) -> Iterator[Links]:
    return _equal(photos.rows["field"].astype(np.int64) - 1, split)


def _same_folder(photos: GroupingInput, _: Together, split: _Splits) -> Iterator[Links]:
    numbers: dict[tuple[str, ...], int] = {}
    keys = [numbers.setdefault(field, len(numbers)) if field else -1 for field in fields_of(photos)]
    return _equal(np.array(keys, np.int64), split)


def _equal(keys: Numbers, split: _Splits) -> Iterator[Links]:
    """Yield pairs with the same key; those below 0 are none."""
    for later, earlier in _sides(split):
        queries, among = later[keys[later] >= 0], earlier[keys[earlier] >= 0]
        yield _between(queries, among, keys, 0)


def _near(photos: GroupingInput, together: Together, split: _Splits) -> Iterator[Links]:
    lat, lon = photos.rows["lat"], photos.rows["lon"]
    for later, earlier in _sides(split):
        yield near_pairs(lat, lon, later, earlier, together.metres, MOST)


def _bursts(photos: GroupingInput, _: Together, split: _Splits) -> Iterator[Links]:
    """Yield what one camera took within seconds, where one of the two has no position."""
    rows = photos.rows
    lost = np.isnan(rows["lat"])
    is_known = has_second(rows["taken_at"]) & (rows["camera"] > 0)
    times = np.zeros(len(rows), np.int64)
    times[is_known] = rows["taken_at"][is_known].astype("datetime64[s]").astype(np.int64)
    if not is_known.any():
        return
    # A camera's times are apart from those of all others.
    times -= times[is_known].min()
    span = int(times.max()) + 2 * BURST + 1
    keys = rows["camera"].astype(np.int64) * span + times
    for later, earlier in _sides(split):
        queries, among = later[is_known[later]], earlier[is_known[earlier]]
        for some, others in ((queries[lost[queries]], among), (queries, among[lost[among]])):
            pairs = _between(some, others, keys, BURST)
            apart = np.abs(times[pairs.first] - times[pairs.second])
            yield links(pairs.first, pairs.second, apart)


def _alike(photos: GroupingInput, _: Together, split: _Splits) -> Iterator[Links]:
    found = alike_across(photos.looks, split)
    swapped = split[found.first] < split[found.second]
    first = np.where(swapped, found.second, found.first)
    second = np.where(swapped, found.first, found.second)
    yield links(first, second, found.weight)


def _sides(split: _Splits) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield the photographs of a split, and of one before it."""
    for later in (1, 2):
        for earlier in range(later):
            yield np.flatnonzero(split == later), np.flatnonzero(split == earlier)


def _between(later: Numbers, earlier: Numbers, keys: Numbers, most: int) -> Links:
    """Return pairs whose keys differ by so much at most; `MOST` of each photograph."""
    earlier = earlier[np.argsort(keys[earlier], kind="stable")]
    starts = np.searchsorted(keys[earlier], keys[later] - most)
    stops = np.searchsorted(keys[earlier], keys[later] + most, "right")
    sizes = np.minimum(stops - starts, MOST)
    before = np.cumsum(sizes) - sizes
    places = np.arange(sizes.sum()) + np.repeat(starts - before, sizes)
    return links(np.repeat(later, sizes), earlier[places])


_FINDERS: dict[str, Callable[[GroupingInput, Together, _Splits], Iterator[Links]]] = {
    "bytes": _same_bytes,
    "group": _same_group,
    "likeness": _alike,
    "field": _same_field,
    "place": _near,
    "burst": _bursts,
    "folder": _same_folder,
}
