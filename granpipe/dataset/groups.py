"""Which photographs belong together, and must be in one split."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.alike import find_alike
from granpipe.dataset.components import Components, Links, Numbers, links
from granpipe.dataset.grouping_input import GroupingInput
from granpipe.dataset.places import link_places
from granpipe.dataset.together import Together

BURST = 10
"""Seconds between two photographs of a burst, at most."""

_SECONDS = len("2024-06-30T10:15:00")


@dataclass(frozen=True, slots=True)
class Groups:
    """Photographs in groups.

    Attributes
    ----------
    names : dict of str to str
        The group of each photograph, by source.
    alike : list of tuple
        Two sources in their order, and the bits in which the photographs differ, for every link of
        likeness; sorted.
    """

    names: dict[str, str]
    alike: list[tuple[str, str, int]]


class Grouping:
    """Photographs, and what links them by each rule.

    Parameters
    ----------
    photos : GroupingInput
        In any order: groups are the same.
    together : Together
    """

    def __init__(self, photos: GroupingInput, together: Together) -> None:
        self.photos = photos.by_digest()
        self.together = together
        always = {"bytes": _link_bytes, "group": _link_groups}
        linkers = always | {rule: _LINKERS[rule] for rule in together.rules}
        self._links = {rule: linker(self.photos, together) for rule, linker in linkers.items()}

    def groups(self) -> Groups:
        """Return which photographs belong together."""
        alike = self._links.get("likeness", links())
        return Groups(self._named(self._links), sorted(_pairs(self.photos.sources, alike)))

    def names_within(self, metres: float) -> dict[str, str]:
        """Return the group of each photograph, by source, were places so many metres wide."""
        together = replace(self.together, metres=metres)
        return self._named(self._links | {"place": _link_places(self.photos, together)})

    def _named(self, found: Mapping[str, Links]) -> dict[str, str]:
        components = Components(len(self.photos))
        for one in found.values():
            components.union(one)
        firsts = components.component.tolist()
        texts = {first: f"g{self.photos.digest(first)[:16]}" for first in set(firsts)}
        sources = self.photos.sources
        return {source: texts[first] for source, first in zip(sources, firsts, strict=True)}


def _pairs(sources: Sequence[str], found: Links) -> list[tuple[str, str, int]]:
    numbers = zip(found.first.tolist(), found.second.tolist(), found.weight.tolist(), strict=True)
    pairs = [(sources[one], sources[other], bits) for one, other, bits in numbers]
    return [(min(one, other), max(one, other), bits) for one, other, bits in pairs]


def _link_places(photos: GroupingInput, together: Together) -> Links:
    return link_places(photos.rows["lat"], photos.rows["lon"], together.metres)


def _link_bursts(photos: GroupingInput, _: Together) -> Links:
    """Join what one camera took within seconds, where the place of one of the two is not known."""
    known = np.flatnonzero(has_second(photos.rows["taken_at"]) & (photos.rows["camera"] > 0))
    times = photos.rows["taken_at"][known].astype("datetime64[s]").astype(np.int64)
    camera = photos.rows["camera"][known]
    order = np.lexsort((times, camera))
    number, times, camera = known[order], times[order], camera[order]
    lost = np.isnan(photos.rows["lat"][number])
    after = len(lost) - 1 - _last_before(lost[::-1])[::-1]
    here = np.tile(np.arange(len(lost)), 2)
    there = np.concatenate([_last_before(lost), after])
    is_one = (there >= 0) & (there < len(lost))
    here, there = here[is_one], there[is_one]
    near = (camera[here] == camera[there]) & (np.abs(times[here] - times[there]) <= BURST)
    return links(number[here[near]], number[there[near]])


def has_second(taken_at: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Return which times are known to the second; others are empty, or a day of a table."""
    seconds: NDArray[np.bool_] = np.char.str_len(taken_at) == _SECONDS
    return seconds


def _last_before(is_one: NDArray[np.bool_]) -> Numbers:
    """Return for every place the nearest before it that is one; -1 without any."""
    places = np.where(is_one, np.arange(len(is_one)), -1)
    latest: Numbers = np.maximum.accumulate(np.concatenate([[-1], places]))
    return latest[:-1]


def _link_looks(photos: GroupingInput, _: Together) -> Links:
    return find_alike(photos.looks)


def _link_folders(photos: GroupingInput, _: Together) -> Links:
    """Join what is in one field's folder below its class."""
    firsts: dict[tuple[str, ...], int] = {}
    fields = enumerate(fields_of(photos))
    ends = [(firsts.setdefault(field, number), number) for number, field in fields if field]
    return links(*np.array(ends, np.int64).reshape(-1, 2).T)


def fields_of(photos: GroupingInput) -> Iterator[tuple[str, ...]]:
    """Yield for each photograph its class and its field's folder; nothing where it is in none.

    Where a table says which class it is of, all of its folders are its field's.
    """
    depth = photos.depth
    for source in photos.sources:
        folders = source.split("/")[:-1]
        # Not the folder of its split: a field may be in two.
        yield tuple(folders[depth - 1 : depth + 1] if depth else folders) * (len(folders) > depth)


def _link_groups(photos: GroupingInput, _: Together) -> Links:
    """Join what a table of labels has in one group."""
    return _link_equal(photos.rows["group"])


def _link_fields(photos: GroupingInput, _: Together) -> Links:
    """Join what shows one field of a file of parcels."""
    return _link_equal(photos.rows["field"])


def _link_equal(groups: NDArray[np.int32]) -> Links:
    """Join photographs of the same number; 0 is none."""
    number = np.flatnonzero(groups > 0)
    found = np.unique(groups[number], return_index=True, return_inverse=True)
    first, place = found[1], found[2]
    return links(number[first][place.ravel()], number)


def _link_bytes(photos: GroupingInput, _: Together) -> Links:
    """Join what has the same bytes, in the order of digests."""
    words = np.ascontiguousarray(photos.rows["sha256"]).view(">u8").reshape(-1, 4)
    second = 1 + np.flatnonzero(np.all(np.diff(words, axis=0) == 0, axis=1))
    return links(second - 1, second)


_LINKERS = {
    "place": _link_places,
    "field": _link_fields,
    "burst": _link_bursts,
    "likeness": _link_looks,
    "folder": _link_folders,
}
