"""shortcuts.csv: what gives the classes of a split dataset away besides the plant."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from hashlib import sha256
from typing import Any, Self

from granpipe.dataset.names import SHORTCUTS
from granpipe.dataset.tables import csv_lines
from granpipe.jobs.run import Run


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A row: columns as README.md explains them; numbers with a fraction as they are written."""

    feature: str
    sort: str
    verdict: str
    photographs: int
    groups: int
    classes: int
    right: str
    chance: str
    p: str
    given_away: str
    apart: str
    clue: str


SHORTCUT_COLUMNS = [field.name for field in fields(Shortcut)]
"""Header of shortcuts.csv."""


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """The rows of a table, and what they were made from."""

    key: str  # identifies all that decides on them
    rows: Sequence[Shortcut]

    @property
    def note(self) -> list[Any]:
        """What the ledger keeps."""
        return [self.key, [list(astuple(row)) for row in self.rows]]

    @classmethod
    def from_note(cls, note: Any) -> Self | None:
        """Return what a note of the ledger says; None where it says nothing."""
        try:
            key, rows = note
            return cls(key, [Shortcut(*row) for row in rows])
        except (TypeError, ValueError):
            return None

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table."""
        return csv_lines(SHORTCUT_COLUMNS, map(asdict, self.rows))


def settle_shortcuts(run: Run, groups: Sequence[str]) -> Shortcuts:
    """Return the rows that the ledger notes where nothing has changed; else look for them anew.

    `groups` is all that decides on groups and records.
    """
    decides = repr([*groups, sorted(run.index.labels.items())])
    key = sha256(decides.encode("utf-8", "replace")).hexdigest()
    noted = Shortcuts.from_note(run.ledger.noted(SHORTCUTS))
    if noted and noted.key == key:
        return noted
    from granpipe.jobs.find_shortcuts import find_rows  # noqa: PLC0415 - none where noted

    return Shortcuts(key, [Shortcut(*row) for row in find_rows(run.index)])
