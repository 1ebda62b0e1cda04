"""Deal groups of photographs to training, validation and test, or to folds.

Only whole numbers are compared, and all groups come in an order that their names decide: the same
photographs, shares and seed give the same splits on every machine.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from granpipe.dataset.sides import Folds, Shares

_ROUNDS = 10
_ALL = "\0"  # no class is called so


@dataclass(frozen=True, slots=True)
class Member:
    """A photograph to put into a split: label, group, and the split that it had, or none."""

    label: str
    group: str
    former: str = ""


def deal(
    members: Iterable[Member],
    shares: Shares | Folds,
    seed: int,
    held: Container[str] = (),
) -> dict[str, str]:
    """Return the split of each group.

    A group of which a photograph had a split takes it, and of several the earliest of
    `shares.order`. Of the others, each class that has enough gives its smallest to test, the next
    to validation and its largest to training, the rarest class first; what is left goes, the
    largest first, where most is wanting of its classes.

    Parameters
    ----------
    members : iterable of Member
        Every photograph.
    shares : Shares or Folds
    seed : int
        Another one gives other splits.
    held : container of str
        Groups that go to test, unless they had another split before.
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
    if shares.is_even:
        free = [name for name in order if name not in former]
        table.even(free)
        table.fill(free)
    return table.sides


def _mixed(seed: int, name: str) -> bytes:
    return sha256(f"{seed} {name}".encode()).digest()


class _Table:
    """The splits of groups, as far as they are known, and what is wanting."""

    def __init__(self, groups: Mapping[str, Counter[str]], shares: Shares | Folds) -> None:
        self.shares = shares
        # All photographs are a class more, so that folds are of one size.
        self.groups = {
            name: counts + Counter({_ALL: counts.total()}) if shares.is_even else counts
            for name, counts in groups.items()
        }
        self.sides: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        for counts in self.groups.values():
            self.counts.update(counts)
        self.weights = {label: shares.weight(count) for label, count in self.counts.items()}
        self.wanting = {
            (label, side): count * shares.of(side)
            for label, count in self.counts.items()
            for side in shares.order
        }
        self.short: Counter[str] = Counter()
        for (_, side), count in self.wanting.items():
            self.short[side] += count

    def put(self, name: str, side: str) -> None:
        self.sides[name] = side
        self._count(name, side, 1)

    def _count(self, name: str, side: str, times: int) -> None:
        """Take a group's photographs from what is wanting of a split, or with -1 give them back."""
        for label, count in self.groups[name].items():
            self.wanting[label, side] -= times * self.shares.whole * count
            self.short[side] -= times * self.shares.whole * count

    def best(self, name: str) -> str:
        """Return the split whose squared shortfall of the group's classes sinks most.

        Of several, that which is most short of photographs of any class.
        """
        return max(self.shares.sides, key=lambda side: (self._relief(name, side), self.short[side]))

    def _relief(self, name: str, side: str) -> int:
        return sum(
            count * self.weights[label] * self.wanting[label, side]
            for label, count in self.groups[name].items()
        )

    def even(self, names: Sequence[str]) -> None:
        """Move groups to other splits as long as that brings classes nearer to their shares."""
        present = Counter(
            (label, self.sides[name]) for name in self.groups for label in self.groups[name]
        )
        for _ in range(_ROUNDS):
            moved = [name for name in names if self._move(name, present)]
            if not moved:
                return

    def fill(self, names: Sequence[str]) -> None:
        """Move groups so that each class with enough of them, and all, are in every fold."""
        by_label = defaultdict(list)
        for name, labels in self.groups.items():
            for label in labels:
                by_label[label].append(name)
        present = Counter(
            (label, self.sides[one]) for label, some in by_label.items() for one in some
        )
        free = set(names)
        for label in sorted(by_label, key=lambda label: (len(by_label[label]), label)):
            if len(by_label[label]) >= len(self.shares.sides):
                for side in self.shares.sides:
                    if not present[label, side]:
                        self._bring(
                            label, side, [one for one in by_label[label] if one in free], present
                        )

    def _bring(
        self, label: str, side: str, names: Sequence[str], present: Counter[tuple[str, str]]
    ) -> None:
        """Move a group of a class to a split that has none, from where no class misses it."""
        spare = [
            name
            for name in names
            if all(present[one, self.sides[name]] > 1 for one in self.groups[name])
        ]
        if spare:
            # The smallest does least harm to the shares.
            name = min(spare, key=lambda name: (self.groups[name][_ALL], name))
            self._shift(name, side, present)

    def _shift(self, name: str, side: str, present: Counter[tuple[str, str]]) -> None:
        here = self.sides[name]
        self._count(name, here, -1)
        self.put(name, side)
        for label in self.groups[name]:
            present[label, here] -= 1
            present[label, side] += 1

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
        self._shift(name, side, present)
        return True

    def cover(self, order: Sequence[str]) -> None:
        """See that every class with enough groups of its own is in all splits with a share."""
        own = defaultdict(list)
        for name in order:
            labels = self.groups[name].keys() - {_ALL}
            if len(labels) == 1:
                own[next(iter(labels))].append(name)
        for label in sorted(own, key=lambda label: (self.counts[label], label)):
            if len(own[label]) >= len(self.shares.sides):
                self._cover(label, own[label])

    def _cover(self, label: str, own: Sequence[str]) -> None:
        here = {self.sides[name] for name in own if name in self.sides}
        free = [name for name in own if name not in self.sides]
        for side in reversed(self.shares.sides):
            if free and side not in here:
                self.put(free.pop(0 if self.shares.gets_largest(side) else -1), side)
