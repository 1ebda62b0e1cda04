"""The steps of `augment`: plan, make the copies, and bring the tables in line."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import PIL

from granpipe import __version__
from granpipe.dataset.database import Items, Row
from granpipe.dataset.moments import SUMS, statistics
from granpipe.dataset.names import (
    LABELS,
    REJECTED,
    STATE,
    SUMMARY,
    array_path,
)
from granpipe.dataset.record import CopyRecord
from granpipe.dataset.tables import (
    PREPARED_COLUMNS,
    REJECTED_COLUMNS,
    SUMMARY_FORM,
    Rejection,
    csv_lines,
    split_counts,
    summary_lines,
)
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.command_line import command_line
from granpipe.jobs.copy_photo import FIRST, PARAMETER_COLUMNS, Copied, CopyJob, CopyPhoto, copy_name
from granpipe.jobs.following import log_rejection
from granpipe.jobs.labels_rows import LabelsRows
from granpipe.jobs.run import Progress, Run
from granpipe.jobs.settle import settle
from granpipe.jobs.shards_options import Samples, samples_of
from granpipe.photo.letterbox import Box

ADVICE = {
    "unreadable": "run granpipe prepare again",
    "duplicate": "run granpipe prepare again",
    "crashed": "run granpipe augment again",
    "bad_name": "rename the photograph, or write elsewhere",
}
"""Every reason for which a photograph has no copies, with what to do about it."""

AUGMENTED_COLUMNS = [*PREPARED_COLUMNS, "copy", "seed", *PARAMETER_COLUMNS]
"""Header of an augmented labels.csv."""

_COPIES_A_JOB = 10
_SCHEMA = """
CREATE TABLE copies (name TEXT PRIMARY KEY, photo INTEGER, copy INTEGER, is_made INTEGER)
    WITHOUT ROWID;
CREATE TABLE todo (number INTEGER PRIMARY KEY, photo INTEGER, first INTEGER);
CREATE VIEW wanted AS SELECT name FROM copies JOIN photos ON number = photo WHERE reason = '';
"""
_TO_DO = """SELECT * FROM (SELECT todo.number, first, photo, source, made_from, copies,
    left, top, right, bottom FROM todo JOIN photos ON photos.number = photo)"""
_NOT_AS_RECORDED = """
SELECT photo, copy FROM copies JOIN photos ON photos.number = photo
    LEFT JOIN records USING (name) LEFT JOIN listed ON path = fold(copies.name || '.npy')
    WHERE reason = '' AND NOT (is_trusted AND ifnull(records.key = photos.key, 0)
        AND ifnull(array_version <> '' AND listed.version = array_version, 0))
"""


class AugmentRun:
    """One run of `augment`."""

    def __init__(self, run: Run, task: CopyPhoto, copies: int | str, side: str) -> None:
        self.run = run
        self.index = run.index
        self.labels = LabelsRows(run, task, copies, side)
        self.index.create(_SCHEMA)
        self.task = task
        self.copies = copies

    def plan(self, *, verify: bool) -> None:
        """Learn which copies are not there as recorded; with `verify`, read all arrays."""
        self.run.verifies = verify
        self.index.create("CREATE TABLE numbers (copy INTEGER PRIMARY KEY);")
        most = self.index.value("SELECT ifnull(max(copies), 0) FROM photos")
        numbers = ((copy,) for copy in range(1, most + 1))
        self.index.load("INSERT INTO numbers VALUES (?)", numbers)
        self.index.execute(
            """INSERT INTO copies SELECT source || '.' || copy, number, copy, 0
            FROM photos JOIN numbers ON copy <= copies WHERE reason = ''"""
        )
        missing = "SELECT count(*) FROM wanted WHERE name NOT IN (SELECT name FROM records)"
        self._check_space(int(self.index.value(missing)))
        self.run.look()
        self._recall(verify=verify)

    def _check_space(self, arrays: int) -> None:
        needed, free = arrays * (self.task.size**2 * 3 + 128), self.run.store.free()
        if free is not None and needed > free:
            raise DatasetError(
                f"{self.run.store.url}: {arrays:,} arrays need {needed / 1e6:,.1f} MB, "
                f"{free / 1e6:,.1f} MB are free; ask for fewer --copies"
            )

    def _recall(self, *, verify: bool) -> None:
        """Take from prepare's ledger which bytes arrays have, and which are there untouched."""
        try:
            prepared = Run(self.task.dataset, "prepare", lambda line: None)
        except DatasetError:  # a copy of it without its ledger: then the arrays are believed
            return
        try:
            prepared.look("SELECT name FROM records")
            records = """SELECT array_sha256, ifnull(listed.version = array_version, 0), name
                FROM records LEFT JOIN listed ON path = fold(name || '.npy')
                WHERE array_version <> ''"""
            self.index.create("CREATE INDEX by_source ON photos (source);")
            self.index.load(
                "UPDATE photos SET made_from = ?, is_trusted = ? WHERE source = ?",
                prepared.index.rows(records),
            )
        finally:
            prepared.close()
        if verify:
            self.index.execute("UPDATE photos SET is_trusted = 0")
        query = """SELECT number, source, made_from, left, top, right, bottom FROM photos
            WHERE is_trusted AND reason = ''"""
        keys = (
            (self.task.key(source, made_from, Box(*box)), number)
            for number, source, made_from, *box in list(self.index.rows(query))
        )
        self.index.load("UPDATE photos SET key = ? WHERE number = ?", keys)

    def make(self, engine: Engine, progress: Progress) -> None:
        """Make the copies that are not there, and see that all are there as recorded."""

        def work(copies: str) -> None:
            self.index.execute("DELETE FROM todo")
            first = f"(copy - 1) / {_COPIES_A_JOB} * {_COPIES_A_JOB} + 1"
            count = self.index.execute(
                f"""INSERT INTO todo SELECT row_number() OVER (ORDER BY photo, first) - 1, *
                FROM (SELECT DISTINCT photo, {first} AS first FROM ({copies}))"""
            )
            if not count:
                return
            self.run.plan(
                f"""SELECT name FROM copies JOIN todo USING (photo)
                WHERE copy >= first AND copy < first + {_COPIES_A_JOB}"""
            )
            items = Items(self.index, _TO_DO, count, self._job)
            task = replace(self.task, output=self.run.store, refusal=self.run.refusal)
            self.run.work(task, items, engine, progress, self._take)

        work(_NOT_AS_RECORDED)
        self.run.verify(lambda: work("SELECT photo, copy FROM mismatched JOIN copies USING (name)"))

    def foresee(self) -> None:
        """Take the copies that are not there for made, without making them."""
        self.index.execute(
            f"UPDATE copies SET is_made = 1 WHERE (photo, copy) IN ({_NOT_AS_RECORDED})"
        )

    def _job(self, row: Row) -> CopyJob:
        _, first, photo, source, made_from, most, *box = row
        numbers = range(first, min(first + _COPIES_A_JOB, most + 1))
        columns = ", ".join(f"records.{column}" for column in CopyRecord.columns())
        query = f"""SELECT copy, listed.version, {columns} FROM copies
            LEFT JOIN records USING (name) LEFT JOIN listed ON path = fold(copies.name || '.npy')
            WHERE copies.name IN ({", ".join("?" * len(numbers))}) ORDER BY copy"""
        copies: list[tuple[int, CopyRecord | None, str]] = []
        names = [copy_name(source, number) for number in numbers]
        for copy, version, *values in self.index.rows(query, names):
            record = CopyRecord.from_values(values) if values[0] is not None else None
            copies.append((copy, record, (record and version) or ""))
        return CopyJob(photo, source, Box(*box), copies, made_from)

    def _take(self, job: CopyJob, result: list[Copied] | PhotoError | WorkerCrashed) -> None:
        if isinstance(result, WorkerCrashed):
            self._reject(job, PhotoError("crashed", f"the worker {result.cause}"))
        elif isinstance(result, PhotoError):
            self._reject(job, result)
        else:
            for (copy, record, _), copied in zip(job.copies, result, strict=True):
                name = copy_name(job.source, copy)
                is_made = (int(not copied.is_kept), name)
                self.index.execute("UPDATE copies SET is_made = ? WHERE name = ?", is_made)
                if copied.record != record:
                    self.run.add(name, copied.record, is_written=not copied.is_kept)

    def _reject(self, job: CopyJob, error: PhotoError) -> None:
        log_rejection(job.source, error)
        values = (error.reason, error.detail, job.number)
        self.index.execute("UPDATE photos SET reason = ?, detail = ? WHERE number = ?", values)

    def counts(self) -> Counter[str]:
        """Return how many copies there are of each label."""
        query = "SELECT label, sum(copies) FROM photos WHERE reason = '' GROUP BY label"
        return Counter(dict(self.index.rows(query)))

    def kept(self) -> int:
        """Return how many copies were there already."""
        query = "SELECT count(*) FROM wanted JOIN copies USING (name) WHERE NOT is_made"
        return int(self.index.value(query))

    def rejections(self) -> list[Rejection]:
        """Return the rows of rejected.csv."""
        query = "SELECT source, reason, detail FROM photos WHERE reason <> '' ORDER BY number"
        return [Rejection(*row) for row in self.index.rows(query)]

    def finish(self, prepared: Mapping[str, Any]) -> None:
        """Bring tables and arrays in line.

        Parameters
        ----------
        prepared : mapping
            The dataset.json of the photographs.
        """
        rejected = [asdict(one) for one in self.rejections()]
        arrays_made_from, classes = str(prepared.get("arrays_sha256")), self._classes(prepared)
        tables = {
            LABELS: csv_lines(AUGMENTED_COLUMNS, self.rows()),
            REJECTED: csv_lines(REJECTED_COLUMNS, rejected),
            SUMMARY: summary_lines(lambda: self._summary(arrays_made_from, classes)),
        }
        made_from = [self.labels.made_from, arrays_made_from, classes]
        about = [self._settings(), *made_from, rejected, SUMMARY_FORM]
        state = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        settle(self.run, tables, {STATE: state})

    def samples(self) -> Samples:
        """Return what shards are made of, once all is finished."""
        return samples_of(self.run.store, self.rows, AUGMENTED_COLUMNS, self.task.size)

    def _classes(self, prepared: Mapping[str, Any]) -> list[str]:
        """Return all classes of the dataset in the order of their indices."""
        classes = prepared.get("classes")
        known = list(classes) if isinstance(classes, dict) else []
        return known + sorted(self.counts().keys() - set(known))

    def _settings(self) -> dict[str, Any]:
        ranges = asdict(self.task.ranges)
        side = {"side": self.labels.side} if self.labels.has_sides else {}
        return {"copies": self.copies, "seed": self.task.seed, **ranges, **side}

    def _copies(self, columns: str) -> Iterator[Row]:
        """Yield columns of every copy, in the order of photographs and copies."""
        return self.index.rows(
            f"""SELECT {columns} FROM copies JOIN photos ON photos.number = photo
            JOIN records USING (name) WHERE reason = '' ORDER BY photo, copy"""
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of labels.csv, and all that is recorded of each copy."""
        names = CopyRecord.columns()
        columns = ", ".join(f"records.{name}" for name in names)
        for name, copy, cells, *values in self._copies(f"name, copy, cells, {columns}"):
            row: dict[str, Any] = json.loads(cells)
            row |= dict(zip(names, values, strict=True))
            yield row | {"path": array_path(name), "copy": copy}

    def _summary(self, arrays_made_from: str, classes: list[str]) -> dict[str, Any]:
        counts, digest = self.counts(), hashlib.sha256()
        for array, name in self._copies("array_sha256, name"):
            digest.update(f"{array}  {array_path(name)}\n".encode())
        return {
            "granpipe": __version__,
            "pillow": PIL.__version__,
            "command": command_line("augment DATASET", self._settings()),
            "settings": self._settings(),
            "classes": {label: counts[label] for label in classes},
            "splits": self._splits(classes),
            "copies": counts.total(),
            "rejected": len(self.rejections()),
            **self._statistics(),
            "made_from": self.labels.made_from,
            "arrays_made_from": arrays_made_from,
            "arrays_sha256": digest.hexdigest(),
        }

    def _splits(self, classes: list[str]) -> dict[str, dict[str, int]]:
        """Return how many copies of each class there are in each split, where there are splits."""
        query = """SELECT split, label, sum(copies) FROM photos WHERE reason = ''
            GROUP BY split, label"""
        counts = {(split, label): count for split, label, count in self.index.rows(query)}
        return split_counts(counts, classes) if self.labels.has_sides else {}

    def _statistics(self) -> dict[str, Any]:
        split = "train" if self.labels.has_sides else ""
        sums = ", ".join(f"sum({name})" for name in SUMS)
        query = f"""SELECT count(*), sum((right - left) * (bottom - top)), {sums}
            FROM copies JOIN photos ON photos.number = photo JOIN records USING (name)
            WHERE reason = '' AND split = ? AND copy = ?"""
        row = next(self.index.rows(query, (split, FIRST)))
        count, pixels, *totals = (value or 0 for value in row)
        return statistics(split, count, pixels, totals)
