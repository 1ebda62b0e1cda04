"""The splits, what they are called, and their shares: training, validation and test, or folds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from granpipe.dataset.names import class_key
from granpipe.errors import OptionError

SPLITS = ("train", "validation", "test")
"""In the order in which a group that was on several takes one of them."""

_WORDS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
_SPLITS = {word: split for split, words in _WORDS.items() for word in words}
_SHARES = re.compile(r"[0-9]{1,3}/[0-9]{1,3}(/[0-9]{1,3})?", re.ASCII)
_MOST_POINTS = 10
_UNIT = 1 << 60


def split_word(text: str) -> str | None:
    """Return the split that folders and cells call so, an empty text for an empty one; else None.

    >>> split_word("Val"), split_word("training"), split_word(""), split_word("corn")
    ('validation', 'train', '', None)
    """
    return _SPLITS.get(class_key(text), None if text.strip() else "")


@dataclass(frozen=True, slots=True)
class Shares:
    """Whole percentages of each split, which make 100.

    Attributes
    ----------
    order : sequence of str
        In which a group that was on several splits takes one of them.
    whole : int
        What the shares add up to.
    is_even : bool
        All are to have the same, of every class and in all: groups move for it.
    """

    order: ClassVar[Sequence[str]] = SPLITS
    whole: ClassVar[int] = 100
    is_even: ClassVar[bool] = False
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
    """So many equal shares, for cross-validation, called 0, 1 and so on; otherwise as `Shares`."""

    is_even: ClassVar[bool] = True
    count: int

    @property
    def splits(self) -> list[str]:
        """The folds, by name."""
        return [str(number) for number in range(self.count)]

    order = splits

    @property
    def whole(self) -> int:
        return self.count

    def of(self, split: str) -> int:
        """Return the share of a fold."""
        return 1

    def weight(self, count: int) -> int:
        """Return how much a class of so many photographs counts: each as much as all others."""
        return _UNIT // (count * count)
