"""What a split came to: groups and photographs, counted, and what is short."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from granpipe.dataset.names import PAST, RADIUS, SHORTCUTS, SPLIT
from granpipe.jobs.shortcut_table import Shortcuts
from granpipe.jobs.split_plan import Plan

_LARGE = 10
"""A group of more than one in so many photographs can be why a split is far from its share."""


@dataclass(frozen=True, slots=True)
class SplitSummary:
    """Groups and splits of a dataset, counted; the index's table `split` has those of each."""

    plan: Plan
    note: list[str]  # what the ledger is to keep: settings, and a digest
    # the same: digests and former splits, in turn, of photographs that are not there today
    past: list[str]
    labels: dict[str, int]  # the groups that each label has a photograph in
    counts: Counter[tuple[str, str]]  # photographs by label and split
    groups: int  # all
    largest: int  # photographs of the largest group
    groups_by: Counter[tuple[str, str]]  # groups by label and split
    # where a split is empty, or far from its share: the most metres of `place:`, if that is a rule,
    # for which none would be if all were dealt anew; 0 where there are no such
    radius: float
    is_first: bool  # no photograph had a split before
    conflicts: int  # links of likeness between two labels
    # photographs without a position, a time, a near-duplicate, and where it counts a field's folder
    unknown: int
    unsorted: int  # photographs in no field's folder, where such folders count
    leaks: Counter[str]  # of a split that is given: pairs that leak, by rule
    leaking: Counter[str]  # photographs of validation and test that leak
    moved: int  # photographs that are in another split than the one given
    folds: Counter[str]  # photographs of each fold, where there are folds
    not_held: int  # photographs to be held out that were trained on before, and so are not
    given: list[str]  # the splits that were given
    shortcuts: Shortcuts  # what gives classes away besides the plant

    @property
    def notes(self) -> dict[str, Any]:
        """What the ledger is to keep of it, by the names of notes."""
        notes = {SPLIT: self.note, PAST: self.past, RADIUS: self.radius}
        return notes | {SHORTCUTS: self.shortcuts.note}

    @property
    def split_counts(self) -> Counter[str]:
        """Photographs of each split."""
        counts: Counter[str] = Counter()
        for (_, split), count in self.counts.items():
            counts[split] += count
        return counts

    def shortage(self, *, is_written: bool = False) -> str:
        """Return a line on splits that are empty or far from their share; empty without any.

        Other rules deal photographs anew only where no split is written yet.
        """
        counts, shares = self.split_counts, self.plan.shares
        if not shares:
            empty = [split for split in self.given if not counts[split]]
            return f"split given: no photograph is left in {' or '.join(empty)}" if empty else ""
        empty, missed, whole = shares.empty(counts), shares.missed(counts), counts.total()
        missed = [] if self.plan.hold_out else missed  # a rule decides on the shares
        if not whole or not (empty or missed):
            return ""
        parts = [f"{split} has {100 * counts[split] / whole:.0f} %" for split in missed]
        what = f"no photograph is in {' or '.join(empty)}" if empty else ", ".join(parts)
        line = f"split {shares}: {what}: {self._cause(whole)}"
        if not self.radius:
            return line
        plan = replace(self.plan, together=replace(self.plan.together, metres=self.radius))
        if self.is_first and not is_written:
            return f"{line}; --keep-together {plan.together} would do"
        risk = "" if self.is_first else ", but may test on what a network was trained on"
        return f"{line}; --split none, and then {plan.options()} would do{risk}"

    def _cause(self, whole: int) -> str:
        """Return why a split of so many photographs is not as it was asked for."""
        if self.radius == self.plan.together.metres:
            return "photographs keep their splits"
        if self.radius or _LARGE * self.largest > whole:
            return f"the largest group has {self.largest} of {whole} photographs"
        if self.scarce:
            return "some classes have fewer groups than there are splits"
        return "classes have few groups"

    @property
    def scarce(self) -> list[str]:
        """The labels with fewer groups than there are splits."""
        wanted = len(self.plan.shares.splits) if self.plan.shares else 0
        return sorted(label for label, groups in self.labels.items() if groups < wanted)
