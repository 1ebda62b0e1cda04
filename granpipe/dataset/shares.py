"""The splits, and their shares: training, validation and test, or folds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from granpipe.errors import OptionError

SPLITS = ("train", "validation", "test")
"""In the order in which a group that was on several takes one of them."""


_MOST_POINTS = 10
_UNIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Shares:
    """Whole percentages of each split, which make 100."""

    train: int
    validation: int
    test: int

    def __str__(self) -> str:
        if self.validation:
            return f"{self.train}/{self.validation}/{self.test}"
        return f"{self.train}/{self.test}" if self.test else "100/0/0"

    def of(self, split: str) -> int:
        """Return the percentage of a split."""
        return int(getattr(self, split))

    @property
    def order(self) -> Sequence[str]:
        """In which a group that was on several splits takes one of them."""
        return SPLITS

    @property
    def is_even(self) -> bool:
        """Whether all are to have the same, of every class and in all: groups move for it."""
        return False

    @property
    def whole(self) -> int:
        """What the shares add up to."""
        return 100

    def gets_largest(self, split: str) -> bool:
        """Return whether a split's first group of a class is its largest, and not its smallest."""
        return split == "train"

    def weight(self, count: int) -> int:
        """Return how much a class of so many photographs counts: by its photographs."""
        return 1

    @property
    def splits(self) -> list[str]:
        """The splits that have a share."""
        return [split for split in SPLITS if self.of(split)]

    def empty(self, counts: Mapping[str, int]) -> list[str]:
        """Return the splits that were asked for and have none of so many photographs."""
        return [split for split in self.splits if not counts.get(split)]

    def missed(self, counts: Mapping[str, int]) -> list[str]:
        """Return the splits whose part of the photographs is over ten points from their share.

        >>> parse_shares("80/10/10").missed({"train": 95, "validation": 5, "test": 0})
        ['train']
        """
        whole = sum(counts.values())
        return [
            split
            for split in self.splits
            if abs(100 * counts.get(split, 0) - self.of(split) * whole) > _MOST_POINTS * whole
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
            f"{text!r} is not a split in whole percentages, as 80/10/10 for training, "
            "validation and test, or 70/30 for training and test"
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
    def splits(self) -> list[str]:
        """The folds, by name."""
        return [str(number) for number in range(self.count)]

    @property
    def order(self) -> Sequence[str]:
        """In which a group that was in several takes one of them."""
        return self.splits

    @property
    def is_even(self) -> bool:
        """Whether all are to have the same, of every class and in all: groups move for it."""
        return True

    @property
    def whole(self) -> int:
        """What the shares add up to."""
        return self.count

    def of(self, split: str) -> int:
        """Return the share of a fold."""
        return 1

    def gets_largest(self, split: str) -> bool:
        """Return whether a fold's first group of a class is its largest: what is left evens out."""
        return True

    def weight(self, count: int) -> int:
        """Return how much a class of so many photographs counts: each as much as all others."""
        return _UNIT // (count * count)


_SHARES = re.compile(r"[0-9]{1,3}/[0-9]{1,3}(/[0-9]{1,3})?", re.ASCII)
