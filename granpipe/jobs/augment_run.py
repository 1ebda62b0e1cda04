"""The steps of `augment`: plan, make the copies, and bring the tables in line."""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from granpipe.dataset.database import Items, Row
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import STATE
from granpipe.dataset.record import CopyRecord
from granpipe.dataset.tables import Rejection
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.augment_tables import AUGMENTED_COLUMNS, AugmentTables, copy_rows
from granpipe.jobs.copy_photo import Copied, CopyJob, CopyPhoto, copy_name
from granpipe.jobs.following import log_rejection
from granpipe.jobs.labels_rows import LabelsRows
from granpipe.jobs.run import Progress, Run
from granpipe.jobs.settle import settle
from granpipe.jobs.shards_run import Samples, ShardsReport
from granpipe.photo.letterbox import Box

ADVICE = {
    "unreadable": "run granpipe prepare again",
    "duplicate": "run granpipe prepare again",
    "crashed": "run granpipe augment again",
    "bad_name": "rename the photograph, or write elsewhere",
}
"""Every reason for which a photograph has no copies, with what to do about it."""

_COPIES_A_JOB = 10
_SCHEMA = """
CREATE TABLE copies (name TEXT PRIMARY KEY, photo INTEGER, copy INTEGER) WITHOUT ROWID;
CREATE TABLE todo (number INTEGER PRIMARY KEY, photo INTEGER, first INTEGER);
CREATE VIEW wanted AS SELECT name FROM copies JOIN photos ON number = photo WHERE reason = '';
"""
_TO_DO = """SELECT * FROM (SELECT todo.number, first, photo, source, made_from, copies,
    left, top, right, bottom FROM todo JOIN photos ON photos.number = photo)"""
_NOT_AS_RECORDED = """
SELECT name, photo, copy FROM copies JOIN photos ON photos.number = photo
    LEFT JOIN records USING (name) LEFT JOIN listed ON path = fold(copies.name || '.npy')
    WHERE reason = '' AND NOT (is_trusted AND ifnull(records.key = photos.key, 0)
        AND ifnull(array_version <> '' AND listed.version = array_version, 0))
"""


@dataclass(slots=True, repr=False)
class AugmentReport:
    """What `augment` did.

    Attributes
    ----------
    folder : str
        Where the set is.
    written : Counter
        Copies in the set, by label.
    rejected : list of Rejection
        Photographs of the dataset that have none.
    kept, deleted : int
        Copies that were there already; arrays of an earlier set that are gone.
    held_out : int
        Photographs of validation and test, which have none.
    shards : ShardsReport or None
        Which shards were written, where they were asked for.
    unwanted : list of str
        Of a dry run: the arrays that a run would delete.
    """

    folder: str
    written: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejection] = field(default_factory=list)
    kept: int = 0
    deleted: int = 0
    held_out: int = 0
    shards: ShardsReport | None = None
    unwanted: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        counted = f"{self.written.total()} copies in {self.folder} ({self.kept} up to date already)"
        counted += f", {len(self.rejected)} photographs rejected, {self.deleted} arrays deleted"
        return f"<augment: {counted}, {self.held_out} photographs held out>"


class AugmentRun:
    """One run of `augment`."""

    def __init__(self, run: Run, task: CopyPhoto, copies: int | str, side: str) -> None:
        self.run = run
        self.index = run.index
        self.labels = LabelsRows(run, task, copies, side)
        self.index.create(_SCHEMA)
        self.task = task
        self.copies = copies

    def plan(self, summary: Mapping[str, Any], *, verify: bool) -> None:
        """Learn which copies are not there as recorded; with `verify`, read all arrays.

        `summary` is the dataset.json of the photographs.
        """
        self.labels.read(summary)
        self.run.verifies = verify
        self.index.create("CREATE TABLE numbers (copy INTEGER PRIMARY KEY);")
        most = self.index.value("SELECT ifnull(max(copies), 0) FROM photos")
        numbers = ((copy,) for copy in range(1, most + 1))
        self.index.load("INSERT INTO numbers VALUES (?)", numbers)
        self.index.execute(
            """INSERT INTO copies SELECT source || '.' || copy, number, copy
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
            prepared = Ledger(self.task.dataset, "prepare")
        except DatasetError:  # a copy of it without its ledger: then the arrays are believed
            return
        with closing(prepared):
            Run(prepared, self.run.say).look("SELECT name FROM records")
            records = """SELECT array_sha256, ifnull(listed.version = array_version, 0), name
                FROM records LEFT JOIN listed ON path = fold(name || '.npy')
                WHERE array_version <> ''"""
            self.index.create("CREATE INDEX by_source ON photos (source);")
            self.index.load(
                "UPDATE photos SET made_from = ?, is_trusted = ? WHERE source = ?",
                prepared.index.rows(records),
            )
        if verify:
            self.index.execute("UPDATE photos SET is_trusted = 0")
        self._add_keys()

    def _add_keys(self) -> None:
        """Say what decides on the copies of each photograph whose array is there untouched."""
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
            first = f"(copy - 1) / {_COPIES_A_JOB} * {_COPIES_A_JOB} + 1"
            jobs = f"SELECT DISTINCT photo, {first} AS first FROM ({copies})"
            count = self.run.choose(jobs, "photo, first")
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
        self.index.execute(f"INSERT INTO written SELECT name FROM ({_NOT_AS_RECORDED})")

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
                if copied.record != record:
                    name = copy_name(job.source, copy)
                    self.run.add(name, copied.record, is_written=not copied.is_kept)

    def _reject(self, job: CopyJob, error: PhotoError) -> None:
        log_rejection(job.source, error)
        values = (error.reason, error.detail, job.number)
        self.index.execute("UPDATE photos SET reason = ?, detail = ? WHERE number = ?", values)

    def report(self) -> AugmentReport:
        """Return what is made, before anything is deleted."""
        counted = self.counts(), self.rejections(), self.kept(), self.run.count_unwanted()
        return AugmentReport(self.run.store.url, *counted, self.labels.held_out)

    def counts(self) -> Counter[str]:
        """Return how many copies there are of each label."""
        query = "SELECT label, sum(copies) FROM photos WHERE reason = '' GROUP BY label"
        return Counter(dict(self.index.rows(query)))

    def kept(self) -> int:
        """Return how many copies were there already."""
        query = "SELECT count(*) FROM wanted WHERE name NOT IN (SELECT name FROM written)"
        return int(self.index.value(query))

    def rejections(self) -> list[Rejection]:
        """Return the rows of rejected.csv."""
        query = "SELECT source, reason, detail FROM photos WHERE reason <> '' ORDER BY number"
        return [Rejection(*row) for row in self.index.rows(query)]

    def finish(self, prepared: Mapping[str, Any]) -> None:
        """Bring tables and arrays in line; `prepared` is the dataset.json of the photographs."""
        ranges = asdict(self.task.ranges)
        split = {"side": self.labels.side} if self.labels.has_splits else {}
        tables = AugmentTables(
            self.index,
            {"copies": self.copies, "seed": self.task.seed, **ranges, **split},
            self.rejections(),
            self._classes(prepared),
            self.labels.has_splits,
            self.labels.made_from,
            str(prepared.get("arrays_sha256")),
        )
        settle(self.run, tables.tables(), {STATE: tables.digest()})

    def samples(self) -> Samples:
        """Return what shards are made of, once all is finished."""
        rows = partial(copy_rows, self.index)
        return Samples(self.run.store, rows, AUGMENTED_COLUMNS, self.task.size)

    def _classes(self, prepared: Mapping[str, Any]) -> list[str]:
        """Return all classes of the dataset in the order of their indices."""
        classes = prepared.get("classes")
        known = list(classes) if isinstance(classes, dict) else []
        return known + sorted(self.counts().keys() - set(known))
