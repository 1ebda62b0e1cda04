"""Photographs that are dealt, by label, group and former split; for tests and measurements."""

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from granpipe.dataset import dealing
from granpipe.dataset.shares import Folds, Shares


@dataclass(frozen=True, slots=True)
class Member:
    """A photograph to put into a split: label, group, and the split that it had, or none."""

    label: str
    group: str
    former: str = ""


def groups_of(
    members: Sequence[Member], shares: Shares | Folds, held: Container[str] = ()
) -> tuple[dealing.Groups, list[str]]:
    """Return groups as `deal` takes them, and their names."""
    names = sorted({one.group for one in members})
    labels = sorted({one.label for one in members})

    def numbers(values: list[str], words: Sequence[str]) -> np.ndarray:
        places = {word: place for place, word in enumerate(words)}
        return np.array([places.get(value, dealing.NOWHERE) for value in values], np.int32)

    group = numbers([one.group for one in members], names)
    label = numbers([one.label for one in members], labels)
    former = numbers([one.former for one in members], shares.order)
    is_held = np.array([one.group in held for one in members], bool)
    former[is_held & (former == dealing.NOWHERE)] = len(shares.order)
    return dealing.Groups.of(group, label, former), names


def deal(
    members: Sequence[Member], shares: Shares | Folds, seed: int, held: Container[str] = ()
) -> dict[str, str]:
    """Return the split of each group by its name."""
    groups, names = groups_of(members, shares, held)
    splits = dealing.deal(groups, names, shares, seed).tolist()
    return {name: shares.order[split] for name, split in zip(names, splits, strict=True)}
