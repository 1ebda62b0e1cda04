"""Deal groups of photographs to training, validation and test, or to folds.

Only whole numbers are compared, and all groups come in an order that their names decide: the same
photographs, shares and seed give the same splits on every machine.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Numbers, by_row
from granpipe.dataset.shares import Folds, Shares

NOWHERE = int(np.iinfo(np.int32).max)
"""The place among splits of what has none."""

_ROUNDS = 10
_Present: TypeAlias = list[list[int]]


def earliest(group: NDArray[Any], split: NDArray[Any]) -> Numbers:
    """Return the earliest split of the photographs of each group."""
    found = np.full(group.max(initial=-1) + 1, NOWHERE)
    np.minimum.at(found, group, split)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Groups of photographs by number, in the order of their names.

    Attributes
    ----------
    starts : ndarray of shape (groups + 1,)
        Where the classes of each begin in the next two.
    label, count : ndarray
        A class, by its number in the order of their names, and how many photographs are of it.
    former : ndarray of shape (groups,)
        The split that it is to have, by its place in `shares.order`, or `NOWHERE`. The place behind
        the last means that one, too: for what is held out, unless a photograph had another.
    """

    starts: Numbers
    label: Numbers
    count: Numbers
    former: Numbers

    @classmethod
    def of(cls, group: NDArray[Any], label: NDArray[Any], former: NDArray[Any]) -> Self:
        """Return the groups of photographs, of which each array says something, in one order."""
        labels, former = int(label.max(initial=-1)) + 1, earliest(group, former)
        pairs, count = np.unique(group.astype(np.int64) * labels + label, return_counts=True)
        number, label = np.divmod(pairs, max(labels, 1))
        return cls(np.searchsorted(number, np.arange(len(former) + 1)), label, count, former)

    def __len__(self) -> int:
        return len(self.former)

    def with_all(self) -> Self:
        """Return the same with one class more, the last, of which all photographs are."""
        ends, group = self.starts[1:], np.arange(len(self) + 1)
        label = np.insert(self.label, ends, self.label.max(initial=-1) + 1)
        count = np.insert(self.count, ends, self.sizes())
        return type(self)(self.starts + group, label, count, self.former)

    def sizes(self) -> Numbers:
        """Return how many photographs each has."""
        return np.diff(np.concatenate([[0], np.cumsum(self.count)])[self.starts])


def deal(groups: Groups, names: Iterable[str], shares: Shares | Folds, seed: int) -> Numbers:
    """Return the split of each group, by its place in `shares.order`.

    A group of which a photograph had a split takes it, and of several the earliest. Of the others,
    each class that has enough gives its smallest to test, the next to validation and its largest to
    training, the rarest class first; what is left goes, the largest first, where most is wanting of
    its classes.

    Parameters
    ----------
    groups : Groups
    names : iterable of str
        Theirs, in order.
    shares : Shares or Folds
    seed : int
        Another one gives other splits.
    """
    order = np.lexsort((*_mixed(seed, names).T[::-1], -groups.sizes()))
    # All photographs are a class more, so that folds are of one size.
    table = _Table(groups.with_all() if shares.is_even else groups, shares)
    had = np.flatnonzero(groups.former != NOWHERE)
    for group, split in by_row(had, groups.former[had].clip(max=len(shares.order) - 1)):
        table.put(group, split)
    table.cover(order)
    for group in order.data:
        if table.at[group] == NOWHERE:
            table.put(group, table.best(group))
    if shares.is_even:
        table.spread(order[groups.former[order] == NOWHERE])
    return table.split


def _mixed(seed: int, names: Iterable[str]) -> NDArray[np.uint64]:
    """Return a digest of each name, of shape (groups, 4)."""
    digests = bytearray()
    for name in names:
        digests += sha256(f"{seed} {name}".encode()).digest()
    return np.frombuffer(digests, ">u8").reshape(-1, 4)


class _Table:
    """The splits of groups, as far as they are known, and what is wanting."""

    def __init__(self, groups: Groups, shares: Shares | Folds) -> None:
        self.groups, self.shares = groups, shares
        self.split = np.full(len(groups), NOWHERE)
        self.chosen = [shares.order.index(split) for split in shares.splits]
        self.starts, self.at = groups.starts.data, self.split.data
        self.label, self.count = groups.label.data, groups.count.data
        counts = list(map(int, np.bincount(groups.label, groups.count)))
        self.counts = counts
        self.weights = [shares.weight(count) if count else 0 for count in counts]
        self.wanting = [[count * shares.of(split) for count in counts] for split in shares.order]
        self.short = [sum(wanting) for wanting in self.wanting]

    def _labels(self, group: int) -> Iterator[tuple[int, int]]:
        """Yield the classes of a group, and how many of its photographs are of each."""
        some = slice(self.starts[group], self.starts[group + 1])
        return zip(self.label[some], self.count[some], strict=True)

    def put(self, group: int, split: int, times: int = 1) -> None:
        """Take a group's photographs from what is wanting of a split, or with -1 give them back."""
        self.at[group] = split
        wanting, whole = self.wanting[split], times * self.shares.whole
        for label, count in self._labels(group):
            wanting[label] -= whole * count
            self.short[split] -= whole * count

    def best(self, group: int) -> int:
        """Return the split whose squared shortfall of the group's classes sinks most.

        Of several, that which is most short of photographs of any class.
        """
        parts = [(label, count * self.weights[label]) for label, count in self._labels(group)]

        def relief(split: int) -> tuple[int, int]:
            wanting = self.wanting[split]
            return sum([weight * wanting[label] for label, weight in parts]), self.short[split]

        return max(self.chosen, key=relief)

    def cover(self, order: Numbers) -> None:
        """See that every class with enough groups of its own is in all splits with a share."""
        is_pure = np.diff(self.groups.starts) == 1 + self.shares.is_even
        order = order[is_pure[order]]
        labels = self.groups.label[self.groups.starts[order]]
        by_label = np.argsort(labels, kind="stable")
        order, labels = order[by_label], labels[by_label]
        for label in sorted(set(labels.tolist()), key=lambda label: (self.counts[label], label)):
            own = order[slice(*np.searchsorted(labels, [label, label + 1]))]
            if len(own) >= len(self.chosen):
                self._cover(own)

    def _cover(self, own: Numbers) -> None:
        here = set(self.split[own].tolist())
        free = deque(own[self.split[own] == NOWHERE].tolist())
        for split in reversed(self.chosen):
            if free and split not in here:
                # Training gets its largest, and so do folds: what is left evens out.
                is_largest = split == 0 or self.shares.is_even
                self.put(free.popleft() if is_largest else free.pop(), split)

    def spread(self, free: Numbers) -> None:
        """Move groups to other splits as long as that brings classes nearer to their shares.

        Then each class with enough groups, and all, are to be in every fold.
        """
        owner = np.repeat(np.arange(len(self.groups)), np.diff(self.groups.starts))
        shape = len(self.shares.order), len(self.counts)
        places = self.split[owner] * shape[1] + self.groups.label
        present = np.bincount(places, minlength=shape[0] * shape[1]).reshape(shape).tolist()
        for _ in range(_ROUNDS):
            if not sum([self._move(group, present) for group in free.data]):
                break
        sizes = np.bincount(self.groups.label).tolist()
        # Of all photographs first, where as many groups have another class.
        for label in sorted(range(-1, len(sizes) - 1), key=sizes.__getitem__):
            for split in self.chosen * (sizes[label] >= len(self.chosen)):
                if not present[split][label]:
                    names = owner[self.groups.label == label % len(sizes)]
                    self._bring(names[np.isin(names, free)], split, present)

    def _bring(self, names: Numbers, split: int, present: _Present) -> None:
        """Move a group of a class to a split that has none, from where no class misses it."""
        spare = [
            group
            for group in names.tolist()
            if all(present[self.at[group]][label] > 1 for label, _ in self._labels(group))
        ]
        if spare:
            # The smallest does least harm to the shares.
            sizes = self.groups.sizes()
            self._shift(min(spare, key=sizes.__getitem__), split, present)

    def _shift(self, group: int, split: int, present: _Present) -> None:
        here = self.at[group]
        self.put(group, here, -1)
        self.put(group, split)
        for label, _ in self._labels(group):
            present[here][label] -= 1
            present[split][label] += 1

    def _move(self, group: int, present: _Present) -> bool:
        """Move a group to where it does most good; not the last of a class. Return whether."""
        here, labels = self.at[group], list(self._labels(group))
        if any(present[here][label] == 1 for label, _ in labels):
            return False
        split = self.best(group)
        now, then, whole = self.wanting[here], self.wanting[split], self.shares.whole
        loss = sum(
            count * self.weights[label] * (now[label] - then[label] + whole * count)
            for label, count in labels
        )
        if split == here or loss >= 0:
            return False
        self._shift(group, split, present)
        return True
