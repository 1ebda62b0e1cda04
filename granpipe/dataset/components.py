"""Which things hang together: a spanning forest of links, in whole arrays at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

_BLOCK = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """Pairs of things by number, each with a weight; arrays of one length."""

    first: Numbers
    second: Numbers
    weight: Numbers

    def __len__(self) -> int:
        return len(self.first)

    def at(self, places: Numbers) -> "Links":
        """Return the links at these places."""
        return Links(self.first[places], self.second[places], self.weight[places])


def by_row(*columns: NDArray[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of columns, as numbers of Python's, of which there is one at a time."""
    return zip(*(column.data for column in columns), strict=True)


def links(first: object = (), second: object = (), weight: object = 0) -> Links:
    """Return links from anything that makes arrays of whole numbers; one weight may do for all."""
    one = np.asarray(first, np.int64)
    return Links(
        one, np.asarray(second, np.int64), np.broadcast_to(np.asarray(weight, np.int64), one.shape)
    )


def joined(parts: "list[Links]") -> Links:
    """Return the links of all parts, one after the other."""
    parts = [links(), *parts]
    return Links(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def is_new(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows of sorted columns are not as the one before; the first never is.

    >>> is_new(np.array([1, 1, 1, 2]), np.array([5, 5, 6, 6])).tolist()
    [True, False, True, True]
    """
    new: NDArray[np.bool_] = np.arange(len(columns[0])) == 0
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new


def blocks(count: int) -> Iterator[slice]:
    """Yield all numbers below a count, so many at once that what is made of them is small."""
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))


class Components:
    """Things that links join into components.

    Parameters
    ----------
    count : int
        Number of things.

    Attributes
    ----------
    component : ndarray of shape (count,), int64
        The smallest number of a thing in the component of each.

    Examples
    --------
    >>> components = Components(5)
    >>> len(components.union(links([0, 3, 0], [3, 4, 4], [2, 1, 9])))
    2
    >>> components.component.tolist()
    [0, 1, 2, 0, 0]
    """

    def __init__(self, count: int) -> None:
        self.component: Numbers = np.arange(count)

    def union(self, links: Links) -> Links:
        """Join components, and return those links that did, the lightest first.

        This is Boruvka's way: in every round each component takes its lightest link to another.
        Of links that weigh the same, that between smaller numbers is the lighter.
        """
        links = links.at(np.lexsort((links.second, links.first, links.weight)))
        taken = np.zeros(len(links), bool)
        left = np.arange(len(links))
        while True:
            one, other = self.component[links.first[left]], self.component[links.second[left]]
            apart = one != other
            left, one, other = left[apart], one[apart], other[apart]
            if not len(left):
                return links.at(np.flatnonzero(taken))
            taken[left[self._join(one, other)]] = True

    def join(self, first: Numbers, second: Numbers) -> None:
        """Join components by links between things, in less memory than `union` takes."""
        while True:
            one, other = self.component[first], self.component[second]
            apart = np.flatnonzero(one != other)
            if not len(apart):
                return
            first, second, one, other = first[apart], second[apart], one[apart], other[apart]
            towards = np.arange(len(self.component))
            np.minimum.at(towards, np.maximum(one, other), np.minimum(one, other))
            self.component = _ends(towards)[self.component]

    def _join(self, one: Numbers, other: Numbers) -> Numbers:
        """Join components, each by its first link to another; return these links."""
        count = len(self.component)
        lightest = np.full(count, len(one))
        for ends in (one, other):
            np.minimum.at(lightest, ends, np.arange(len(one)))
        joining = np.flatnonzero(lightest < len(one))
        link = lightest[joining]
        towards = np.arange(count)
        towards[joining] = np.where(one[link] == joining, other[link], one[link])
        # Two that took the same link point at each other: there the smaller one stays.
        stays = joining[(towards[towards[joining]] == joining) & (joining < towards[joining])]
        towards[stays] = stays
        towards = _ends(towards)
        smallest = np.arange(count)
        np.minimum.at(smallest, towards, np.arange(count))
        self.component = smallest[towards[self.component]]
        return link


def _ends(towards: Numbers) -> Numbers:
    """Return where each thing gets to that goes on from one to the next; the last go nowhere."""
    while not np.array_equal(further := towards[towards], towards):
        towards = further
    return towards
