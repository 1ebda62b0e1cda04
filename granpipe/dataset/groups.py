"""Which photographs belong together, and must be in one split."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.alike import find_alike
from granpipe.dataset.components import Components, Links, Numbers, links
from granpipe.dataset.grouping_input import NEVER, GroupingInput
from granpipe.dataset.places import link_places
from granpipe.dataset.together import Together

BURST = 10
"""Seconds between two photographs of a burst, at most."""


class Grouping:
    """Photographs, and what links them by each rule.

    Parameters
    ----------
    photos : GroupingInput
    together : Together

    Attributes
    ----------
    alike : Links
        Of likeness, weighing the bits in which two photographs differ.
    """

    def __init__(self, photos: GroupingInput, together: Together) -> None:
        self.photos = photos
        self.together = together
        rules = ("bytes", "group", *together.rules)
        self._links = {rule: self._linked(rule) for rule in rules}
        self.alike = self._links.get("likeness", links())

    def firsts(self, metres: float | None = None) -> Numbers:
        """Return the number of the first photograph of the group of each.

        Parameters
        ----------
        metres : float, optional
            How far apart photographs of one place may be, instead of what the rules say.
        """
        found = self._links
        if metres is not None:
            found = found | {"place": self._link_places(metres)}
        components = Components(len(self.photos))
        for some in found.values():
            components.join(some.first, some.second)
        return components.component

    def _linked(self, rule: str) -> Links:
        match rule:
            case "place":
                return self._link_places(self.together.metres)
            case "burst":
                return _link_bursts(self.photos.rows)
            case "likeness":
                return find_alike(self.photos.looks)
        return _link_equal(self.photos.rows[rule])

    def _link_places(self, metres: float) -> Links:
        return link_places(self.photos.rows["lat"], self.photos.rows["lon"], metres)


def _link_bursts(rows: NDArray[Any]) -> Links:
    """Join what one camera took within seconds, where the place of one of the two is not known."""
    known = np.flatnonzero((rows["second"] != NEVER) & (rows["camera"] > 0))
    number = known[np.lexsort((rows["second"][known], rows["camera"][known]))]
    times, camera = rows["second"][number], rows["camera"][number]
    lost = np.isnan(rows["lat"][number])
    after = len(lost) - 1 - _last_before(lost[::-1])[::-1]
    here = np.tile(np.arange(len(lost)), 2)
    there = np.concatenate([_last_before(lost), after])
    is_one = (there >= 0) & (there < len(lost))
    here, there = here[is_one], there[is_one]
    near = (camera[here] == camera[there]) & (np.abs(times[here] - times[there]) <= BURST)
    return links(number[here[near]], number[there[near]])


def _last_before(is_one: NDArray[np.bool_]) -> Numbers:
    """Return for every place the nearest before it that is one; -1 without any."""
    places = np.where(is_one, np.arange(len(is_one)), -1)
    latest: Numbers = np.maximum.accumulate(np.concatenate([[-1], places]))
    return latest[:-1]


def _link_equal(values: NDArray[np.int32]) -> Links:
    """Join photographs with the same value; 0 is none."""
    number = np.flatnonzero(values > 0)
    _, first, which = np.unique(values[number], return_index=True, return_inverse=True)
    earliest = first[which.ravel()]
    is_other = earliest != np.arange(len(number))
    return links(number[earliest[is_other]], number[is_other])
