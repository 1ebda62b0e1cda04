"""How a dataset is to be split: by what is asked for, and by what the ledger keeps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from granpipe.dataset.hold_out import HoldOut, parse_hold_out
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import LABELS, SPLIT
from granpipe.dataset.shares import SPLITS, Shares, parse_shares
from granpipe.dataset.tables import each_row
from granpipe.dataset.together import Together, parse_together
from granpipe.errors import DatasetError, OptionError
from granpipe.jobs.prepare_options import PrepareOptions
from granpipe.jobs.summary_parts import options_of
from granpipe.stores.protocol import Store

GIVEN, FIXED = "given", "given, leaks fixed"
"""What is written for shares where every photograph has a split."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How splits are made, or that they are given."""

    shares: Shares | None  # None where every photograph has a split already
    together: Together
    seed: int
    # groups that are in several of the splits given are moved to the earliest
    fix_leaks: bool = False
    folds: int = 0  # into which what is not for testing is dealt; 0 for none
    hold_out: tuple[HoldOut, ...] = ()  # what goes to the test split

    @property
    def split(self) -> str:
        """How the split was asked for."""
        return str(self.shares) if self.shares else FIXED if self.fix_leaks else GIVEN

    @property
    def settings(self) -> dict[str, Any]:
        """What dataset.json says of it."""
        split, rules = str(self.shares or GIVEN), list(map(str, self.hold_out))
        settings = {"split": split, "together": str(self.together), "seed": self.seed}
        others = {"fix_leaks": self.fix_leaks, "folds": self.folds, "hold_out": rules}
        return settings | {name: value for name, value in others.items() if value}

    def options(self) -> str:
        """Return the options that ask for it where no split is written yet.

        >>> Plan(parse_shares("70/30"), Together(), 3, folds=5).options()
        '--split 70/30 --seed 3 --folds 5'
        """
        usual = {"together": str(Together()), "seed": 0}
        named = {name: value for name, value in self.settings.items() if usual.get(name) != value}
        return options_of(named)

    def note(self, made_of: str) -> list[str]:
        """Return what the ledger keeps: the settings, and a digest of what decides on groups."""
        how = [self.split, str(self.together), str(self.seed)]
        return [*how, made_of, str(self.folds or ""), self._rules]

    @property
    def _rules(self) -> str:
        return "\n".join(map(str, self.hold_out))

    def deals_as(self, noted: Sequence[str]) -> bool:
        """Return whether photographs keep the splits that they had under settings of before."""
        split, _, seed, _, _, rules = padded(noted)
        return (split, seed, rules) == (self.split, str(self.seed), self._rules)

    def folds_as(self, noted: Sequence[str]) -> bool:
        """Return whether photographs keep the folds that they had."""
        _, _, seed, _, folds, _ = padded(noted)
        return (seed, folds) == (str(self.seed), str(self.folds or ""))


def padded(noted: Sequence[str]) -> list[str]:
    """Return a note of any version as `Plan.note` writes it."""
    return [*noted, *[""] * (6 - len(noted))]


def plan_split(ledger: Ledger, options: PrepareOptions) -> Plan | None:
    """Return how splits are made, by what is asked for and by the ledger; None for no split.

    Raises
    ------
    OptionError
        The options make no sense.
    DatasetError
        A table holds splits, and nothing says how they were made.
    """
    names = {
        "--keep-together": options.together,
        "--seed": options.seed,
        "--fix-leaks": options.fix_leaks or None,
        "--folds": options.folds or None,
        "--hold-out": options.hold_out or None,
    }
    others = [name for name, value in names.items() if value is not None]
    former = padded(ledger.noted(SPLIT) or ["none", str(Together()), "0"])
    shares = former[0] if options.split is None else options.split
    if shares == "none":
        if others:
            raise OptionError(f"{others[0]} needs a split; add --split 80/10/10")
        if options.split is None and not ledger.is_whole:
            _check_no_split(ledger.store)
        return None
    together = former[1] if options.together is None else options.together
    seed = int(former[2]) if options.seed is None else options.seed
    folds = int(former[4] or 0) if options.folds is None else options.folds
    rules = former[5].split("\n") if options.hold_out is None else options.hold_out
    hold_out = tuple(sorted(map(parse_hold_out, filter(None, rules)), key=str))
    if shares in {GIVEN, FIXED}:
        if options.hold_out:
            raise OptionError("--hold-out needs a split by shares, as --split 80/10/10")
        fixes = options.fix_leaks or (options.split is None and shares == FIXED)
        return Plan(None, parse_together(together), seed, fixes, folds)
    if options.fix_leaks:
        raise OptionError("--fix-leaks needs --split given")
    return Plan(parse_shares(shares), parse_together(together), seed, False, folds, hold_out)


def _check_no_split(store: Store) -> None:
    try:
        has_split = any(row["split"] in SPLITS for row in each_row(store, LABELS, ("split",)))
    except (DatasetError, FileNotFoundError):
        return
    if has_split:
        raise DatasetError(
            f"{store.url}: has a split, but the ledger that records its --split is lost; use "
            "--split as before, or --split none"
        )
