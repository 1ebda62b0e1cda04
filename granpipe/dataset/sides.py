"""Deal groups of photographs to training, validation and test.

Only whole numbers are compared, and all groups come in an order that their names decide: the same
photographs, shares and seed give the same sides on every machine.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from granpipe.errors import OptionError

SIDES = ("train", "validation", "test")
"""In the order in which a group that was on several takes one of them."""


_MOST_POINTS = 10
_UNIT = 1 << 60
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Shares:
    """Whole percentages of each side, which make 100."""

    train: int
    validation: int
    test: int

    def __str__(self) -> str:
        if self.validation:
            return f"{self.train}/{self.validation}/{self.test}"
        return f"{self.train}/{self.test}" if self.test else "100/0/0"

    def of(self, side: str) -> int:
        """Return the percentage of a side."""
        return int(getattr(self, side))

    @property
    def order(self) -> Sequence[str]:
        """In which a group that was on several sides takes one of them."""
        return SIDES

    @property
    def whole(self) -> int:
        """What the shares add up to."""
        return 100

    def gets_largest(self, side: str) -> bool:
        """Return whether a side's first group of a class is its largest, and not its smallest."""
        return side == "train"

    def weight(self, count: int) -> int:
        """Return how much a class of so many photographs counts: by its photographs."""
        return 1

    @property
    def sides(self) -> list[str]:
        """The sides that have a share."""
        return [side for side in SIDES if self.of(side)]

    def empty(self, counts: Mapping[str, int]) -> list[str]:
        """Return the splits that were asked for and have none of so many photographs."""
        return [side for side in self.sides if not counts.get(side)]

    def missed(self, counts: Mapping[str, int]) -> list[str]:
        """Return the splits whose part of the photographs is over ten points from their share.

        >>> parse_shares("80/10/10").missed({"train": 95, "validation": 5, "test": 0})
        ['train']
        """
        whole = sum(counts.values())
        return [
            side
            for side in self.sides
            if abs(100 * counts.get(side, 0) - self.of(side) * whole) > _MOST_POINTS * whole
        ]


def parse_shares(text: str) -> Shares:
    """Return what a text says: training, validation and test, or training and test.

    Raises
    ------
    OptionError
        It names no such shares.

    Examples
    --------
    >>> parse_shares("70/30")
    Shares(train=70, validation=0, test=30)
    """
    numbers = [int(part) for part in text.split("/")] if _SHARES.fullmatch(text) else []
    if sum(numbers) != 100 or not numbers[0]:
        raise OptionError(
            f"{text!r} is no split; give whole percentages of training, validation and test, as "
            "80/10/10, or of training and test, as 70/30, that make 100"
        )
    return Shares(numbers[0], numbers[1] if len(numbers) == 3 else 0, numbers[-1])


@dataclass(frozen=True, slots=True)
class Folds:
    """Equal shares, for cross-validation; called 0, 1 and so on.

    Attributes
    ----------
    count : int
        How many.
    """

    count: int

    @property
    def sides(self) -> list[str]:
        """The folds, by name."""
        return [str(number) for number in range(self.count)]

    @property
    def order(self) -> Sequence[str]:
        """In which a group that was in several takes one of them."""
        return self.sides

    @property
    def whole(self) -> int:
        """What the shares add up to."""
        return self.count

    def of(self, side: str) -> int:
        """Return the share of a fold."""
        return 1

    def gets_largest(self, side: str) -> bool:
        """Return whether a fold's first group of a class is its largest: what is left evens out."""
        return True

    def weight(self, count: int) -> int:
        """Return how much a class of so many photographs counts: each as much as all others."""
        return _UNIT // (count * count)


_SHARES = re.compile(r"[0-9]{1,3}/[0-9]{1,3}(/[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Member:
    """A photograph to be dealt: its label, its group, and the side that it had, or none."""

    label: str
    group: str
    former: str = ""


def deal(
    members: Iterable[Member],
    shares: Shares | Folds,
    seed: int,
    held: Container[str] = (),
) -> dict[str, str]:
    """Return the side of each group.

    A group of which a photograph had a side takes it, and of several the earliest of `SIDES`. Of
    the others, each class that has enough gives its smallest to test, the next to validation and
    its largest to training, the rarest class first; what is left goes, the largest first, where
    most is wanting of its classes.

    Parameters
    ----------
    members : iterable of Member
        Every photograph.
    shares : Shares
    seed : int
        Another one deals otherwise.
    held : container of str
        Groups that go to test, unless they had another side before.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    former: dict[str, set[str]] = defaultdict(set)
    for member in members:
        groups[member.group][member.label] += 1
        if member.former in shares.order:
            former[member.group].add(member.former)
    table = _Table(groups, shares)
    for name, sides in former.items():
        table.put(name, min(sides, key=shares.order.index))
    for name in groups:
        if name in held and name not in table.sides:
            table.put(name, "test")
    order = sorted(groups, key=lambda name: (-groups[name].total(), _mixed(seed, name)))
    table.cover(order)
    for name in order:
        if name not in table.sides:
            table.put(name, table.best(name))
    if isinstance(shares, Folds):
        table.even([name for name in order if name not in former])
    return table.sides


def _mixed(seed: int, name: str) -> bytes:
    return sha256(f"{seed} {name}".encode()).digest()


class _Table:
    """The sides of groups, as far as they are dealt, and what is wanting."""

    def __init__(self, groups: Mapping[str, Counter[str]], shares: Shares | Folds) -> None:
        self.groups = groups
        self.shares = shares
        self.sides: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        for counts in groups.values():
            self.counts.update(counts)
        self.weights = {label: shares.weight(count) for label, count in self.counts.items()}
        self.wanting = {
            (label, side): count * shares.of(side)
            for label, count in self.counts.items()
            for side in shares.order
        }

    def put(self, name: str, side: str) -> None:
        self.sides[name] = side
        for label, count in self.groups[name].items():
            self.wanting[label, side] -= self.shares.whole * count

    def best(self, name: str) -> str:
        """Return the side whose squared shortfall of the group's classes sinks most."""
        return max(self.shares.sides, key=lambda side: self._relief(name, side))

    def _relief(self, name: str, side: str) -> int:
        return sum(
            count * self.weights[label] * self.wanting[label, side]
            for label, count in self.groups[name].items()
        )

    def even(self, names: Sequence[str]) -> None:
        """Move groups to other sides as long as that brings classes nearer to their shares."""
        present = Counter(
            (label, self.sides[name]) for name in self.groups for label in self.groups[name]
        )
        for _ in range(_ROUNDS):
            moved = [name for name in names if self._move(name, present)]
            if not moved:
                return

    def _move(self, name: str, present: Counter[tuple[str, str]]) -> bool:
        """Move a group to where it does most good; not the last of a class. Return whether."""
        here, labels = self.sides[name], self.groups[name]
        if any(present[label, here] == 1 for label in labels):
            return False
        side = self.best(name)
        loss = sum(
            count
            * self.weights[label]
            * (self.wanting[label, here] - self.wanting[label, side] + self.shares.whole * count)
            for label, count in labels.items()
        )
        if side == here or loss >= 0:
            return False
        self.put(name, side)
        for label, count in labels.items():
            self.wanting[label, here] += self.shares.whole * count
            present[label, here] -= 1
            present[label, side] += 1
        return True

    def cover(self, order: Sequence[str]) -> None:
        """See that every class with enough groups of its own stands on all sides with a share."""
        own = defaultdict(list)
        for name in order:
            if len(self.groups[name]) == 1:
                own[next(iter(self.groups[name]))].append(name)
        for label in sorted(own, key=lambda label: (self.counts[label], label)):
            if len(own[label]) >= len(self.shares.sides):
                self._cover(label, own[label])

    def _cover(self, label: str, own: Sequence[str]) -> None:
        here = {self.sides[name] for name in own if name in self.sides}
        free = [name for name in own if name not in self.sides]
        for side in reversed(self.shares.sides):
            if free and side not in here:
                self.put(free.pop(0 if self.shares.gets_largest(side) else -1), side)
