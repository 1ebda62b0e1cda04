"""Whether the augmented set beside a dataset is made from what the dataset holds now."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from granpipe.dataset.arrays import sha256_of
from granpipe.dataset.names import AUGMENTED, LABELS, OWN, SUMMARY
from granpipe.dataset.tables import parse_summary, read_summary
from granpipe.jobs.prepare_tables import ARRAYS
from granpipe.jobs.run import Run
from granpipe.jobs.summary_parts import arrays_digest

_PLACE = f"{AUGMENTED}/{SUMMARY}"
_SETTINGS = f"{OWN}/copies.json"
"""The settings of copies whose dataset.json is gone: whoever makes them again asks for them."""


class FormerCopies:
    """The augmented set as it was before a run; the first array that is written ends it.

    Attributes
    ----------
    are_stale : bool
        It is made from other arrays or labels than the run leaves, or unfinished.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.are_stale = False
        self._summary = self._read()

    def _read(self) -> bytes:
        """Return the set's dataset.json; empty without one."""
        try:
            return self.run.store.read(_PLACE)[0]
        except OSError:
            return b""

    def settings(self) -> dict[str, Any]:
        """Return the settings by which they were made; empty where nobody knows."""
        try:
            settings = json.loads(self.run.store.read(_SETTINGS)[0])
        except (OSError, ValueError):
            settings = None
        settings = (parse_summary(self._summary) or {}).get("settings", settings)
        return settings if isinstance(settings, dict) else {}

    def foresee(self, labels: Iterable[str]) -> None:
        """Look whether a run would leave them stale that writes these lines of labels.csv."""
        self.are_stale = self._is_stale(lambda: sha256_of(map(str.encode, labels)))

    def end_if_stale(self, digests: Mapping[str, str]) -> None:
        """Remove the dataset.json of stale copies, so that nobody reads them.

        Called with the digests of the tables before one changes, so that a kill leaves none that
        seem up to date. That of copies which are up to date after all comes back.
        """
        self.are_stale = self._is_stale(lambda: digests[LABELS])
        store, has_summary = self.run.store, bool(self._read())
        if self.are_stale and self._summary and self.run.open():
            store.write(_SETTINGS, json.dumps(self.settings()).encode())
        if self.are_stale and has_summary and read_summary(store, AUGMENTED) and self.run.open():
            self.run.store.delete(_PLACE)
        if self._summary and not (self.are_stale or has_summary) and self.run.open():
            self.run.store.write(_PLACE, self._summary)

    def _is_stale(self, labels: Callable[[], str]) -> bool:
        summary = parse_summary(self._summary)
        if summary is None:
            tables = {entry.path for entry in self.run.store.list(AUGMENTED, deep=False)}
            return f"{AUGMENTED}/{LABELS}" in tables
        if "made_from" not in summary:  # somebody else's file
            return False
        is_same = summary.get("arrays_made_from") == arrays_digest(self.run.index, ARRAYS)
        return not is_same or summary["made_from"] != labels()
