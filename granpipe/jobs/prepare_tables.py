"""The tables of a prepared dataset: labels, rejects, near-duplicates, shortcuts, the summary."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import PIL

from granpipe import __version__
from granpipe.dataset.database import Row
from granpipe.dataset.index import Index
from granpipe.dataset.moments import SUMS, statistics
from granpipe.dataset.names import (
    ALIKE,
    CONFLICTS,
    LABELS,
    LEAKS,
    REJECTED,
    SHORTCUTS,
    SUMMARY,
    array_path,
)
from granpipe.dataset.tables import (
    ALIKE_COLUMNS,
    LEAK_COLUMNS,
    PREPARED_COLUMNS,
    REJECTED_COLUMNS,
    SUMMARY_FORM,
    Rejection,
    csv_lines,
    split_counts,
    summary_lines,
)
from granpipe.jobs.command_line import command_line
from granpipe.jobs.prepare_photo import ArraySettings
from granpipe.jobs.split_summary import Sides

_PHOTOS = "FROM wanted JOIN records USING (name)"
_FIELD = ("field", "field_distance", "field_crop", "field_sure")
_TABLE = dict.fromkeys(("latitude", "longitude", "altitude", "position_from", "flags"), "positions")


@dataclass(frozen=True, slots=True)
class PrepareTables:
    """The tables of one run of `prepare`.

    Attributes
    ----------
    index : Index
        Its tables wanted, outcomes and records, and with splits `split` and `alike`.
    settings : ArraySettings
    side_settings : mapping
        How splits were asked for; empty without splits.
    sides : Sides or None
    ignored : int
        Files that are no photographs.
    classes : sequence of str
        All classes, in the order of their indices.
    labels_from : str
        The table that has the labels; empty where folders have.
    drop : sequence of str
        Which flags are left out.
    has_alike : bool
        Near-duplicates are listed, also without a split.
    survey : mapping
        What is beside photographs; empty where nothing is.
    has_conflicts : bool
        Labels were compared with what is declared of fields.
    """

    index: Index
    settings: ArraySettings
    side_settings: Mapping[str, Any]
    sides: Sides | None
    ignored: int
    classes: Sequence[str]
    labels_from: str = ""
    drop: Sequence[str] = ()
    has_alike: bool = False
    survey: Mapping[str, Any] = field(default_factory=dict)
    has_conflicts: bool = False

    def tables(self) -> dict[str, Iterator[str]]:
        """Return the lines of each table by its name; dataset.json last."""
        tables = {
            LABELS: self.labels(),
            REJECTED: csv_lines(REJECTED_COLUMNS, map(asdict, self._rejections())),
        }
        if self.sides or self.has_alike:
            tables[ALIKE] = csv_lines(ALIKE_COLUMNS, alike_rows(self.index))
        if self.has_conflicts:
            from granpipe.jobs.show_fields import conflict_lines  # noqa: PLC0415 - few need it

            tables[CONFLICTS] = conflict_lines(self.index)
        if self.sides:
            tables[SHORTCUTS] = self.sides.shortcuts.lines()
            if not self.sides.plan.shares:
                tables[LEAKS] = csv_lines(LEAK_COLUMNS, leak_rows(self.index))
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
        about = json.dumps([self._settings(), *beside])
        digest = hashlib.sha256(about.encode())
        for table in ("given", "located", "radius", "fields", "conflicts"):
            for row in self.index.rows(f"SELECT * FROM {table} ORDER BY 1"):
                digest.update(json.dumps(row).encode())
        for rejection in self._rejections():
            digest.update(json.dumps(asdict(rejection)).encode())
        return digest.hexdigest()

    def _rejections(self) -> Iterator[Rejection]:
        return rejections(self.index)

    def _labels(self) -> dict[str, int]:
        """Return how many photographs each class has, in the order of the indices."""
        query = "SELECT label(name), count(*) FROM wanted GROUP BY 1"
        counts: dict[str, int] = dict(self.index.rows(query))
        return {label: counts.get(label, 0) for label in self.classes}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of labels.csv, and all that is recorded of each array."""
        numbers = {label: number for number, label in enumerate(self.classes)}
        split = "LEFT JOIN split USING (name)" if self.sides else ""
        sides = "split.grp, split.split, fold" if self.sides else "'', '', ''"
        names = self.index.columns.split(", ")
        columns = ", ".join(f"{_TABLE.get(name, 'records')}.{name}" for name in names)
        fields = "fields.field, distance, crop, sure"
        query = f"""SELECT name, label(name), {sides}, given.taken_at, {fields}, {columns} {_PHOTOS}
            JOIN positions USING (name) {split} LEFT JOIN given ON given.photo = name
            LEFT JOIN fields ON fields.photo = name ORDER BY name"""
        for name, label, grp, side, fold, taken_at, *values in self.index.rows(query):
            row = dict(zip([*_FIELD, *names], values, strict=True))
            yield row | {
                "path": array_path(name),
                "label": label,
                "label_index": numbers[label],
                "source": name,
                "group": grp,
                "split": side,
                "fold": fold,
                "taken_at": row["taken_at"] or taken_at,
            }

    def _counts(self) -> Row:
        query = "SELECT count(*) - total(reason <> ''), total(reason <> '') FROM outcomes"
        return tuple(map(int, next(self.index.rows(query))))

    def _summary(self) -> dict[str, Any]:
        prepared, rejected = self._counts()
        return {
            "granpipe": __version__,
            "pillow": PIL.__version__,
            "command": command_line("prepare SOURCE OUTPUT", self._settings()),
            "settings": self._settings(),
            "classes": self._labels(),
            "splits": self._splits(),
            "found": prepared + rejected,
            "prepared": prepared,
            "rejected": rejected,
            "ignored": self.ignored,
            **self._statistics(),
            "arrays_sha256": arrays_digest(self.index),
        }

    def _splits(self) -> dict[str, dict[str, int]]:
        """Return how many photographs of each class each split has, where there are splits."""
        if not self.sides:
            return {}
        query = "SELECT split, label(name), count(*) FROM split GROUP BY 1, 2"
        counts = {(side, label): count for side, label, count in self.index.rows(query)}
        return split_counts(counts, self.classes)

    def _statistics(self) -> dict[str, Any]:
        """Return mean and std: those of training, so that nothing of the other splits leaks."""
        split = "train" if self.sides else ""
        training = f"{_PHOTOS} JOIN split USING (name) WHERE split = 'train'"
        sums = ", ".join(f"sum({name})" for name in SUMS)
        query = f"SELECT count(*), sum((right - left) * (bottom - top)), {sums} "
        row = next(self.index.rows(query + (training if split else _PHOTOS)))
        count, pixels, *totals = (value or 0 for value in row)
        return statistics(split, count, pixels, totals)

    def _settings(self) -> dict[str, Any]:
        return {
            "size": self.settings.size,
            "fill": list(self.settings.fill),
            "max_pixels": self.settings.max_pixels,
            "max_memory": self.settings.max_memory,
            **({"labels": self.labels_from} if self.labels_from else {}),
            **({"drop": list(self.drop)} if self.drop else {}),
            **self.survey,
            **self.side_settings,
        }


def arrays_digest(index: Index) -> str:
    """Return one SHA-256 for the bytes and places of all arrays."""
    digest = hashlib.sha256()
    for array, name in index.rows(f"SELECT array_sha256, name {_PHOTOS} ORDER BY name"):
        digest.update(f"{array}  {array_path(name)}\n".encode())
    return digest.hexdigest()


def rejections(index: Index) -> Iterator[Rejection]:
    """Yield the rows of rejected.csv; names that are no UTF-8 as they are shown."""
    query = """SELECT CAST(name AS BLOB), reason, detail FROM outcomes
        WHERE reason <> '' ORDER BY name"""
    for name, reason, detail in index.rows(query):
        yield Rejection(name.decode("utf-8", "backslashreplace"), reason, detail)


def alike_rows(index: Index) -> Iterator[dict[str, Any]]:
    """Yield the rows of alike.csv."""
    for source, other, distance in index.rows(
        "SELECT * FROM alike ORDER BY source, other, distance"
    ):
        pair = {"source": source, "other": other, "distance": distance}
        labels = index.label_of(source), index.label_of(other)
        yield pair | dict(zip(("label", "other_label"), labels, strict=True))


def leak_rows(index: Index) -> Iterator[dict[str, Any]]:
    """Yield the rows of leaks.csv: by the splits that were given, whatever was mended."""
    query = """SELECT source, one.split, other, two.split, rule, distance FROM leaks
        JOIN given AS one ON one.photo = source JOIN given AS two ON two.photo = other
        ORDER BY source, other"""
    names = ("source", "split", "other", "other_split", "rule", "distance")
    for row in index.rows(query):
        yield dict(zip(names, row, strict=True))
