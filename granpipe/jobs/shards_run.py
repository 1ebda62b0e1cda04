"""Shards of a whole dataset: plan, write, and bring shards.json in line."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from granpipe import __version__
from granpipe.dataset.arrays import array_digest
from granpipe.dataset.database import Items, Row
from granpipe.dataset.names import SHARDS, STATE
from granpipe.dataset.record import ShardRecord
from granpipe.dataset.shards import (
    PLACE_BITS,
    Form,
    Sample,
    key_of,
    place_of,
    row_json,
    shard_bits,
    shard_name,
)
from granpipe.dataset.tables import read_summary, summary_lines
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError
from granpipe.jobs.make_shard import MakeShard, ShardJob, pack
from granpipe.jobs.run import Progress, Run
from granpipe.jobs.settle import settle
from granpipe.stores.protocol import Store

_SCHEMA = """
CREATE TABLE samples (split TEXT, place INTEGER, copy INTEGER, key TEXT, path TEXT, label INTEGER,
    cells TEXT, array_sha256 TEXT, shard TEXT);
CREATE TABLE wanted (name TEXT PRIMARY KEY, split TEXT, samples INTEGER, key TEXT) WITHOUT ROWID;
CREATE TABLE todo (number INTEGER PRIMARY KEY, name TEXT, key TEXT);
"""
# All first copies, all second ones: so neighbours are of different photographs.
_IN_ORDER = "ORDER BY shard, copy, key"
_UNWRITTEN = """
SELECT name, wanted.key FROM wanted LEFT JOIN records USING (name)
    LEFT JOIN listed ON path = fold(wanted.name || suffix())
    WHERE NOT ifnull(records.key = wanted.key AND listed.version = array_version, 0)
"""


@dataclass(frozen=True, slots=True)
class Samples:
    """What shards are made of: the arrays of a dataset that is finished."""

    dataset: Store
    # of its labels.csv, each with `array_sha256` beside the columns
    rows: Callable[[], Iterator[Mapping[str, Any]]]
    columns: Sequence[str]  # of labels.csv
    size: int  # side of the arrays, in pixels


@dataclass(frozen=True, slots=True)
class ShardsReport:
    """What was written.

    Attributes
    ----------
    folder : str
    shards, samples : int
    kept, deleted : int
        Shards that were up to date already, and that are gone.
    """

    folder: str
    shards: int
    samples: int
    kept: int
    deleted: int

    def __str__(self) -> str:
        shards = f"{self.shards:,} shard{'s' * (self.shards != 1)}"
        samples = f"{self.samples:,} sample{'s' * (self.samples != 1)}"
        counted = f"{shards} of {samples} in {self.folder}"
        return f"{counted} ({self.kept:,} unchanged), {self.deleted:,} deleted."


class ShardsRun:
    """One run that writes shards."""

    def __init__(self, run: Run, samples: Samples, size: int, form: Form) -> None:
        self.run = run
        self.index = run.index
        self.samples = samples
        self.size = size
        self.form = form
        self.summary = read_summary(samples.dataset) or {}
        self.made = 0
        self.index.create(_SCHEMA)

    def plan(self, *, verify: bool) -> None:
        """Learn which samples there are, and which shards are not there as recorded."""
        self.run.verifies = verify
        self.index.load("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, '')", self._rows())
        self._spread()
        self.index.create("CREATE INDEX in_order ON samples (shard, copy, key);")
        self.index.load("INSERT INTO wanted VALUES (?, ?, ?, ?)", list(self._shards()))
        self.run.look()
        if verify:
            self._forget_damaged()

    def _rows(self) -> Iterator[Row]:
        for row in self.samples.rows():
            copy = int(row.get("copy") or 0)
            key = key_of(row["source"], row["sha256"], copy)
            about = (row["split"] or "", place_of(key), copy, key, row["path"])
            cells = row_json(row, self.samples.columns)
            yield (*about, int(row["label_index"]), cells, row["array_sha256"])

    def _spread(self) -> None:
        """Say in which shard each sample is: so many of each split that none is empty."""
        counts = list(self.index.rows("SELECT split, count(*) FROM samples GROUP BY split"))
        for split, count in counts:
            bits = shard_bits(count, self.size)
            query = "SELECT count(DISTINCT place >> ?) FROM samples WHERE split = ?"
            while self.index.value(query, (PLACE_BITS - bits, split)) < 1 << bits:
                bits -= 1
            names = ((shard_name(split, number, 1 << bits), number) for number in range(1 << bits))
            self.index.create(
                "CREATE TEMP TABLE IF NOT EXISTS names (name TEXT, number INTEGER PRIMARY KEY);"
            )
            self.index.execute("DELETE FROM names")
            self.index.load("INSERT INTO names VALUES (?, ?)", names)
            self.index.execute(
                """UPDATE samples SET shard = (SELECT name FROM names WHERE number = place >> ?)
                WHERE split = ?""",
                (PLACE_BITS - bits, split),
            )

    def _shards(self) -> Iterator[Row]:
        """Yield a row of the table `wanted` for each shard."""
        columns = "shard, split, key, path, label, cells, array_sha256"
        rows = self.index.rows(f"SELECT {columns} FROM samples {_IN_ORDER}")
        for (name, split), of_shard in groupby(rows, lambda row: row[:2]):
            digest, count = hashlib.sha256(self.form.recipe.encode()), 0
            for row in of_shard:
                count += 1
                digest.update(json.dumps(row[2:]).encode())
            yield name, split, count, digest.hexdigest()

    def _forget_damaged(self) -> None:
        for name, digest in list(self.index.rows("SELECT name, array_sha256 FROM records")):
            if array_digest(self.run.store, self.index.path_of(name)) != digest:
                self.index.execute("DELETE FROM listed WHERE path = fold(? || suffix())", (name,))

    def make(self, engine: Engine, progress: Progress) -> None:
        """Write the shards that are not there, and see that all are there as recorded."""

        def work(query: str) -> None:
            count = self.run.choose(query)
            if not count:
                return
            self._check_space()
            self.run.plan("SELECT name FROM todo")
            items = Items(self.index, "SELECT * FROM todo", count, self._job)
            task = MakeShard(self.samples.dataset, self.run.store, self.form, self.run.refusal)
            self.run.work(task, items, engine, progress, self._take)

        work(_UNWRITTEN)
        self.run.verify(lambda: work("SELECT name, key FROM wanted JOIN mismatched USING (name)"))

    def _check_space(self) -> None:
        """Stop where arrays as they are do not fit; other formats take less, nobody knows what."""
        query = "SELECT sum(samples) FROM todo JOIN wanted USING (name)"
        needed = int(self.index.value(query)) * (3 * self.samples.size**2 + 3 * 1024)
        free = self.run.store.free()
        if self.form.name == "npy" and free is not None and needed > free:
            raise DatasetError(
                f"{self.run.store.url}: the shards need {needed / 1e6:,.1f} MB, "
                f"{free / 1e6:,.1f} MB are free; take --shard-format png or another disk"
            )

    def _job(self, row: Row) -> ShardJob:
        _, name, key = row
        columns = "key, path, label, cells, array_sha256"
        query = f"SELECT {columns} FROM samples WHERE shard = ? {_IN_ORDER}"
        samples = [Sample(*values) for values in self.index.rows(query, (name,))]
        return ShardJob(name, key, pack(samples))

    def _take(self, job: ShardJob, result: ShardRecord | WorkerCrashed) -> None:
        if isinstance(result, WorkerCrashed):
            raise DatasetError(
                f"{self.run.store.url}/{self.index.path_of(job.name)}: the worker {result.cause}; "
                "run again"
            )
        self.made += 1
        self.run.add(job.name, result, is_written=True)

    def report(self) -> ShardsReport:
        """Return what was written."""
        count, samples = next(self.index.rows("SELECT count(*), sum(samples) FROM wanted"))
        kept = count - min(count, self.made)
        return ShardsReport(
            self.run.store.url, count, samples or 0, kept, self.run.count_unwanted()
        )

    def finish(self, made_by: str) -> None:
        """Write shards.json, last of all, and delete shards that are not wanted."""
        about = self._about(made_by)
        state = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        settle(self.run, {SHARDS: summary_lines(lambda: self._summary(about))}, {STATE: state})

    def _about(self, made_by: str) -> dict[str, Any]:
        summary = self.summary
        names = ("classes", "splits", "mean", "std", "mean_of")
        return {
            "granpipe": __version__,
            "made_by": made_by,
            "format": str(self.form),
            "shard_size": self.size,
            **{name: summary[name] for name in names if name in summary},
            "arrays_made_from": summary.get("arrays_sha256"),
        }

    def _summary(self, about: Mapping[str, Any]) -> dict[str, Any]:
        query = """SELECT name, split, records.samples, size, array_sha256
            FROM wanted JOIN records USING (name) ORDER BY name"""
        names = ("name", "split", "samples", "bytes", "sha256")
        shards = [
            dict(zip(names, (self.index.path_of(name), split or "all", *values), strict=True))
            for name, split, *values in self.index.rows(query)
        ]
        total = sum(shard["samples"] for shard in shards)
        return {**about, "samples": total, "shards": shards}
