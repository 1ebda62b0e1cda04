"""The tables of an augmented set: labels, rejects, the summary."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from granpipe.dataset.index import Index
from granpipe.dataset.names import LABELS, REJECTED, SUMMARY, array_path
from granpipe.dataset.record import CopyRecord
from granpipe.dataset.tables import (
    PREPARED_COLUMNS,
    REJECTED_COLUMNS,
    SUMMARY_FORM,
    Rejection,
    csv_lines,
    summary_lines,
)
from granpipe.jobs.copy_photo import FIRST, PARAMETER_COLUMNS
from granpipe.jobs.summary_parts import arrays_digest, made_by, split_counts, statistics_of

AUGMENTED_COLUMNS = [*PREPARED_COLUMNS, "copy", "seed", *PARAMETER_COLUMNS]
"""Header of an augmented labels.csv."""

_COPIES = """FROM copies JOIN photos ON photos.number = photo JOIN records USING (name)
    WHERE reason = ''"""


@dataclass(frozen=True, slots=True)
class AugmentTables:
    """The tables of one run of `augment`, by the index's tables copies, photos and records."""

    index: Index
    settings: dict[str, Any]
    rejected: Sequence[Rejection]
    classes: Sequence[str]  # all of the dataset, in the order of their indices
    has_splits: bool
    made_from: str  # SHA-256 of the labels.csv that copies are made from
    arrays_made_from: str  # and of all arrays

    def tables(self) -> dict[str, Iterator[str]]:
        """Return the lines of each table by its name; dataset.json last."""
        return {
            LABELS: csv_lines(AUGMENTED_COLUMNS, copy_rows(self.index)),
            REJECTED: csv_lines(REJECTED_COLUMNS, map(asdict, self.rejected)),
            SUMMARY: summary_lines(self._summary),
        }

    def digest(self) -> str:
        """Return a digest of all that the tables say beside the records."""
        made_from = self.made_from, self.arrays_made_from
        rejected = [asdict(rejection) for rejection in self.rejected]
        about = [self.settings, *made_from, self.classes, rejected, SUMMARY_FORM]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()

    def _summary(self) -> dict[str, Any]:
        query = "SELECT label, sum(copies) FROM photos WHERE reason = '' GROUP BY label"
        counts: dict[str, int] = dict(self.index.rows(query))
        split = "train" if self.has_splits else ""
        first = f"{_COPIES} AND split = ? AND copy = ?"
        return {
            **made_by("augment DATASET", self.settings),
            "classes": {label: counts.get(label, 0) for label in self.classes},
            "splits": self._splits(),
            "copies": sum(counts.values()),
            "rejected": len(self.rejected),
            **statistics_of(self.index, split, first, (split, FIRST)),
            "made_from": self.made_from,
            "arrays_made_from": self.arrays_made_from,
            "arrays_sha256": arrays_digest(self.index, f"{_COPIES} ORDER BY photo, copy"),
        }

    def _splits(self) -> dict[str, dict[str, int]]:
        """Return how many copies of each class there are in each split, where there are splits."""
        query = """SELECT split, label, sum(copies) FROM photos WHERE reason = ''
            GROUP BY split, label"""
        return split_counts(self.index, query, self.classes) if self.has_splits else {}


def copy_rows(index: Index) -> Iterator[dict[str, Any]]:
    """Yield the rows of labels.csv, and all that is recorded of each copy."""
    names = CopyRecord.columns()
    columns = ", ".join(f"records.{name}" for name in names)
    query = f"SELECT name, copy, cells, {columns} {_COPIES} ORDER BY photo, copy"
    for name, copy, cells, *values in index.rows(query):
        about = {"path": array_path(name), "copy": copy}
        yield _cells(cells) | dict(zip(names, values, strict=True)) | about


@lru_cache(1)  # the copies of a photograph follow each other
def _cells(text: str) -> dict[str, Any]:
    cells: dict[str, Any] = json.loads(text)
    return cells
