"""The rows of labels.csv whose photographs are to have copies, in the index of a run."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from granpipe.dataset.arrays import sha256_of
from granpipe.dataset.database import Row
from granpipe.dataset.names import LABELS, array_path, class_key, is_array_path, label_of
from granpipe.dataset.tables import PREPARED_COLUMNS, csv_lines, rows_of
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.copy_counts import deal_copies, most_copies
from granpipe.jobs.copy_photo import CopyPhoto, box_in, copy_name
from granpipe.jobs.following import log_rejection
from granpipe.jobs.run import Run
from granpipe.photo.letterbox import Box
from granpipe.stores.urls import join

# A photograph is a row of labels.csv; it has copies unless `reason` says why not.
_SCHEMA = """
CREATE TABLE cells (number INTEGER PRIMARY KEY, source TEXT, cells TEXT);
CREATE TABLE photos (number INTEGER PRIMARY KEY, source TEXT, label TEXT, cells TEXT,
    reason TEXT, detail TEXT, made_from TEXT, is_trusted INTEGER, key TEXT,
    left INTEGER, top INTEGER, right INTEGER, bottom INTEGER, split TEXT, family TEXT,
    copies INTEGER);
"""


class LabelsRows:
    """The table `photos` of an augment run, with so many copies; see `granpipe.jobs.copy_counts`.

    Attributes
    ----------
    made_from : str
        SHA-256 of labels.csv as prepare writes it.
    has_splits : bool
    held_out : int
        Photographs of validation and test, which have no copies unless `side` is `all`.
    """

    def __init__(self, run: Run, task: CopyPhoto, copies: int | str, side: str) -> None:
        self.run = run
        self.index = run.index
        self.index.create(_SCHEMA)
        self.task = task
        self.copies = copies
        self.side = side
        self.is_given = False
        self.has_splits = False
        self.held_out = 0
        self.made_from = ""

    def read(self, summary: Mapping[str, Any]) -> None:
        """Read labels.csv, in whatever order its rows are; dataset.json promises so many.

        Raises
        ------
        DatasetError
            The table is not as prepare wrote it, or no photograph is to have copies.
        """
        settings = summary["settings"]
        # Then the first folder is no label.
        self.is_given = "labels" in settings or str(settings.get("split")).startswith("given")
        found = self._load(summary.get("prepared"))
        self.made_from = sha256_of(map(str.encode, csv_lines(PREPARED_COLUMNS, self._rows())))
        self.has_splits = any(row["split"] for row in self._rows())
        marks = ", ".join("?" * 16)
        self.index.load(f"INSERT INTO photos VALUES ({marks})", self._photos(found))
        deal_copies(self.index, self.copies)
        self.held_out = found - self.index.value("SELECT count(*) FROM photos")
        if self.held_out == found:
            raise DatasetError(
                "the training split is empty; use --split-only all for copies of all"
            )

    def _load(self, promised: object) -> int:
        """Load the rows into the table `cells`; return how many they are."""
        rows = (
            (number, row.get("source") or "", json.dumps(row))
            for number, row in enumerate(rows_of(self.task.dataset, LABELS))
        )
        self.index.load("INSERT INTO cells VALUES (?, ?, ?)", rows)
        place = join(self.task.dataset.url, LABELS)
        first = next(self._rows(), None)
        if not first:
            raise DatasetError(f"{place}: holds no photographs; see rejected.csv beside it")
        if missing := [column for column in PREPARED_COLUMNS if column not in first]:
            raise DatasetError(f"{place}: has no column {missing[0]}; run granpipe prepare again")
        found = self.index.value("SELECT count(*) FROM cells")
        if promised is not None and promised != found:
            raise DatasetError(
                f"{place}: has {found} rows, dataset.json promises {promised}; run granpipe "
                "prepare again"
            )
        return int(found)

    def _rows(self) -> Iterator[dict[str, str]]:
        """Yield the rows of labels.csv in the order of their sources."""
        for (cells,) in self.index.rows("SELECT cells FROM cells ORDER BY source, number"):
            yield json.loads(cells)

    def _photos(self, found: int) -> Iterator[Row]:
        """Yield a row of the table `photos` for each photograph that may have copies."""
        most = most_copies(self.copies, found)
        side, before = self.side if self.has_splits else "all", ""
        # A damaged row is to be rejected.
        rows = (
            row for row in self._rows() if side in {"all", row["split"]} or None in row.values()
        )
        for number, row in enumerate(rows):
            try:
                box = self._check(row, before, most)
                before, reason, detail = row["path"], "", ""
            except PhotoError as error:
                box, reason, detail = Box(0, 0, 0, 0), error.reason, error.detail
                log_rejection(row["source"] or f"row {number + 2}", error)
            source = row["source"] or f"row {number + 2}"
            about = (number, source, row["label"], json.dumps(row), reason, detail, "", 0, "")
            family = row["group"] or source
            edges = (box.left, box.top, box.right, box.bottom)
            yield (*about, *edges, row["split"] or "", family, 0)

    def _check(self, row: dict[str, str], before: str, most: int) -> Box:
        """Return a row's content box; PhotoError where there can be no copies of it."""
        path = row["path"]
        if None in row.values() or not is_array_path(path) or path != array_path(row["source"]):
            raise PhotoError("unreadable", "its row of labels.csv is damaged")
        folder = row["label"] if self.is_given else label_of(row["source"])
        if class_key(row["label"]) != class_key(folder):
            raise PhotoError("unreadable", "its row has another class's label")
        if path == before:  # rows come in order
            raise PhotoError("duplicate", "another row has the same path")
        if why := self.run.store.refusal(array_path(copy_name(row["source"], most))):
            raise PhotoError("bad_name", why)
        return box_in(row, self.task.size)
