"""The tables of a prepared dataset: labels, rejects, near-duplicates, shortcuts, the summary."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from granpipe.dataset.arrays import sha256_of
from granpipe.dataset.database import Row
from granpipe.dataset.index import Index
from granpipe.dataset.names import (
    ALIKE,
    CONFLICTS,
    LABELS,
    LEAKS,
    REJECTED,
    SHORTCUTS,
    SUMMARY,
    array_path,
    shown_bytes,
)
from granpipe.dataset.tables import (
    ALIKE_COLUMNS,
    LEAK_COLUMNS,
    PREPARED_COLUMNS,
    REJECTED_COLUMNS,
    SUMMARY_FORM,
    Rejection,
    csv_lines,
    summary_lines,
)
from granpipe.jobs.split_summary import SplitSummary
from granpipe.jobs.summary_parts import arrays_digest, made_by, split_counts, statistics_of

_PHOTOS = "FROM wanted JOIN records USING (name)"
ARRAYS = f"{_PHOTOS} ORDER BY name"
"""Where a query finds all arrays, in order."""

_ALIKE = """SELECT source, other, distance, label(source), label(other) FROM alike
    ORDER BY source, other, distance"""
# By the splits that were given, whatever was moved since.
_LEAKS = """SELECT source, first.split, other, second.split, rule, distance FROM leaks
    JOIN given AS first ON first.photo = source JOIN given AS second ON second.photo = other
    ORDER BY source, other"""
_CONFLICTS = "SELECT * FROM conflicts ORDER BY source"
_FIELD = ("field", "field_distance", "field_crop", "field_sure")
_TABLE = dict.fromkeys(("latitude", "longitude", "altitude", "position_from", "flags"), "positions")


@dataclass(frozen=True, slots=True)
class PrepareTables:
    """The tables of one run of `prepare`, by the tables of its index."""

    index: Index
    settings: dict[str, Any]  # as dataset.json says them
    split: SplitSummary | None
    ignored: int  # files that are no photographs
    classes: Sequence[str]  # all, in the order of their indices
    has_alike: bool  # near-duplicates are listed, also without a split
    has_conflicts: bool  # labels were compared with what is declared of fields

    def tables(self) -> dict[str, Iterator[str]]:
        """Return the lines of each table by its name; dataset.json last."""
        tables = {
            LABELS: self.labels(),
            REJECTED: csv_lines(REJECTED_COLUMNS, map(asdict, rejections(self.index))),
        }
        if self.split or self.has_alike:
            tables[ALIKE] = _lines(self.index, ALIKE_COLUMNS, _ALIKE)
        if self.has_conflicts:
            from granpipe.survey.crops import CONFLICT_COLUMNS  # noqa: PLC0415 - few need it

            tables[CONFLICTS] = _lines(self.index, CONFLICT_COLUMNS, _CONFLICTS)
        if self.split:
            tables[SHORTCUTS] = self.split.shortcuts.lines()
            if not self.split.plan.shares:
                tables[LEAKS] = _lines(self.index, LEAK_COLUMNS, _LEAKS)
        return tables | {SUMMARY: summary_lines(self._summary)}

    def labels(self) -> Iterator[str]:
        """Return the lines of labels.csv."""
        return csv_lines(PREPARED_COLUMNS, self.rows())

    def digest(self) -> str:
        """Return a digest of all that the tables say beside the records."""
        beside = [
            self.ignored,
            self.index.labels,
            self.has_conflicts,
            *self._counts(),
            *self.classes,
            SUMMARY_FORM,
        ]
        tables = ("given", "located", "radius", "fields", "conflicts")
        rows = [self.index.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]
        rejected = map(asdict, rejections(self.index))
        parts = chain([[self.settings, *beside]], *rows, rejected)
        return sha256_of(json.dumps(part).encode() for part in parts)

    def _labels(self) -> dict[str, int]:
        """Return how many photographs each class has, in the order of the indices."""
        query = "SELECT label(name), count(*) FROM wanted GROUP BY 1"
        counts: dict[str, int] = dict(self.index.rows(query))
        return {label: counts.get(label, 0) for label in self.classes}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of labels.csv, and all that is recorded of each array."""
        numbers = {label: number for number, label in enumerate(self.classes)}
        join = "LEFT JOIN split USING (name)" if self.split else ""
        splits = "split.grp, split.split, fold" if self.split else "'', '', ''"
        names = self.index.columns.split(", ")
        columns = ", ".join(f"{_TABLE.get(name, 'records')}.{name}" for name in names)
        fields = "fields.field, distance, crop, sure"
        query = f"""SELECT name, label(name), {splits}, given.taken_at, {fields}, {columns}
            {_PHOTOS} JOIN positions USING (name) {join} LEFT JOIN given ON given.photo = name
            LEFT JOIN fields ON fields.photo = name ORDER BY name"""
        for name, label, grp, split, fold, taken_at, *values in self.index.rows(query):
            row = dict(zip([*_FIELD, *names], values, strict=True))
            yield row | {
                "path": array_path(name),
                "label": label,
                "label_index": numbers[label],
                "source": name,
                "group": grp,
                "split": split,
                "fold": fold,
                "taken_at": row["taken_at"] or taken_at,
            }

    def _counts(self) -> Row:
        query = "SELECT count(*) - total(reason <> ''), total(reason <> '') FROM outcomes"
        return tuple(map(int, next(self.index.rows(query))))

    def _summary(self) -> dict[str, Any]:
        prepared, rejected = self._counts()
        return {
            **made_by("prepare SOURCE OUTPUT", self.settings),
            "classes": self._labels(),
            "splits": self._splits(),
            "found": prepared + rejected,
            "prepared": prepared,
            "rejected": rejected,
            "ignored": self.ignored,
            **self._statistics(),
            "arrays_sha256": arrays_digest(self.index, ARRAYS),
        }

    def _splits(self) -> dict[str, dict[str, int]]:
        """Return how many photographs of each class each split has, where there are splits."""
        query = "SELECT split, label(name), count(*) FROM split GROUP BY 1, 2"
        return split_counts(self.index, query, self.classes) if self.split else {}

    def _statistics(self) -> dict[str, Any]:
        """Return mean and std: those of training, so that nothing of the other splits leaks."""
        if not self.split:
            return statistics_of(self.index, "", _PHOTOS)
        training = f"{_PHOTOS} JOIN split USING (name) WHERE split = 'train'"
        return statistics_of(self.index, "train", training)


def rejections(index: Index) -> Iterator[Rejection]:
    """Yield the rows of rejected.csv; names that are no UTF-8 as they are shown."""
    query = """SELECT CAST(name AS BLOB), reason, detail FROM outcomes
        WHERE reason <> '' ORDER BY name"""
    for name, reason, detail in index.rows(query):
        yield Rejection(shown_bytes(name), reason, detail)


def _lines(index: Index, columns: Sequence[str], query: str) -> Iterator[str]:
    """Return the lines of a table, by a query for its columns in their order."""
    rows = (dict(zip(columns, row, strict=True)) for row in index.rows(query))
    return csv_lines(columns, rows)
