"""How a dataset is to be split: by what is asked for, and by what the ledger keeps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from granpipe.dataset.hold_out import HoldOut, parse_hold_out
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import LABELS, SPLIT
from granpipe.dataset.shares import SPLITS, Shares, parse_shares
from granpipe.dataset.tables import each_row
from granpipe.dataset.together import Together, parse_together
from granpipe.errors import DatasetError, OptionError
from granpipe.jobs.prepare_options import PrepareOptions
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
        fixes = {"fix_leaks": True} if self.fix_leaks else {}
        split = str(self.shares or GIVEN)
        settings = {"split": split, "together": str(self.together), "seed": self.seed, **fixes}
        settings |= {"folds": self.folds} if self.folds else {}
        return settings | ({"hold_out": list(map(str, self.hold_out))} if self.hold_out else {})

    def note(self, recipe: str, photos: Iterable[tuple[str, str]]) -> list[str]:
        """Return what the ledger keeps: the settings, and a digest of all that decides on groups.

        `photos` are the SHA-256 and name of each, in order.
        """
        digest = sha256(recipe.encode())
        for photo in photos:
            digest.update("{} {}\n".format(*photo).encode())
        rules = "\n".join(map(str, self.hold_out))
        folds = str(self.folds or "")
        return [self.split, str(self.together), str(self.seed), digest.hexdigest(), folds, rules]

    def deals_as(self, noted: Sequence[str]) -> bool:
        """Return whether photographs keep the splits that they had under settings of before."""
        noted = padded(noted)
        return [noted[0], noted[2], noted[5]] == [
            *(self.split, str(self.seed), "\n".join(map(str, self.hold_out))),
        ]

    def folds_as(self, noted: Sequence[str]) -> bool:
        """Return whether photographs keep the folds that they had."""
        noted = padded(noted)
        return [noted[2], noted[4]] == [str(self.seed), str(self.folds or "")]


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
    noted = ledger.noted(SPLIT) or []
    names: dict[str, object] = {"--keep-together": options.together, "--seed": options.seed}
    names |= {"--fix-leaks": options.fix_leaks or None, "--folds": options.folds or None}
    names |= {"--hold-out": options.hold_out or None}
    others = [name for name, value in names.items() if value is not None]
    shares = options.split if options.split is not None else (noted[0] if noted else "none")
    if shares == "none":
        if others:
            raise OptionError(f"{others[0]} needs a split; add --split 80/10/10")
        if options.split is None and not ledger.is_whole:
            _check_no_split(ledger.store)
        return None
    former = list(noted[1:3]) or [str(Together()), "0"]
    together = former[0] if options.together is None else options.together
    seed = int(former[1]) if options.seed is None else options.seed
    folds = int(padded(noted)[4] or 0) if options.folds is None else options.folds
    rules = padded(noted)[5].split("\n") if options.hold_out is None else options.hold_out
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
