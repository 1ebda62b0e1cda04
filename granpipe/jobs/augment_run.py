"""The steps of `augment`: plan, make the copies, and bring the tables in line."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import PIL

from granpipe import __version__
from granpipe.dataset.build import Build, Progress
from granpipe.dataset.names import (
    LABELS,
    PACK,
    REJECTED,
    STATE,
    SUMMARY,
    array_path,
    is_array_path,
    label_of,
)
from granpipe.dataset.packs import pack_path
from granpipe.dataset.tables import (
    PREPARED_COLUMNS,
    REJECTED_COLUMNS,
    Rejection,
    csv_lines,
    summary_lines,
)
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.copy_photo import (
    PARAMETER_COLUMNS,
    Copied,
    CopyPhoto,
    Job,
    box_in,
    copy_path,
)
from granpipe.jobs.packing import Packing, chosen_count
from granpipe.stores.protocol import Store

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
_MOST_ROUNDS = 3

_Row = dict[str, str]


class AugmentRun:
    """One run of `augment`: the rows that have their copies, and those that are rejected."""

    def __init__(
        self,
        build: Build,
        task: CopyPhoto,
        rows: Sequence[_Row],
        copies: int,
        settings: Mapping[str, Any],
        pack: int | None,
    ) -> None:
        self.build = build
        self.ledger = build.ledger
        self.task = task
        self.rows = rows
        self.copies = copies
        self.settings = settings
        self.rejected: dict[int, PhotoError] = {}
        self.kept = 0
        self.jobs: list[Job] = []
        self.todo: list[Job] = []
        count = chosen_count(pack, self.ledger.tables.get(PACK, []))
        paths = (path for row in rows for path in self._paths(row))
        ranks = {path: rank for rank, path in enumerate(paths)} if count else {}
        self.packing = Packing(build, task.size, count, ranks)

    def plan(self, *, verify: bool) -> None:
        """Learn which copies are not there as recorded."""
        self.build.verifies = verify
        self._check_rows()
        rows = {n: row for n, row in enumerate(self.rows) if n not in self.rejected}
        self._check_space(len(rows) * self.copies - len(self.ledger.records))
        packs = [pack_path(0)] if self.packing.count else []
        self.build.look([*(row["path"] for row in rows.values()), *packs])
        digests, untouched = _recorded(self.task.dataset, rows.values())
        self.jobs = [
            job
            for number, row in rows.items()
            for job in self._jobs(number, row, digests.get(row["path"], ""))
        ]
        known = set() if verify else untouched
        self.todo = [
            job for job in self.jobs if job.row["path"] not in known or not self._holds(job)
        ]

    def _check_rows(self) -> None:
        paths: set[str] = set()
        for number, row in enumerate(self.rows):
            path = row["path"]
            if None in row.values() or not is_array_path(path) or path != array_path(row["source"]):
                self.rejected[number] = PhotoError("unreadable", "its row of labels.csv is damaged")
            elif row["label"] != label_of(row["source"]):
                self.rejected[number] = PhotoError(
                    "unreadable", "its row has another class's label"
                )
            elif path in paths:
                self.rejected[number] = PhotoError("duplicate", "another row has the same path")
            elif why := self.build.store.refusal(copy_path(path, self.copies)):
                self.rejected[number] = PhotoError("bad_name", why)
            else:
                paths.add(path)

    def _check_space(self, arrays: int) -> None:
        needed, free = arrays * (self.task.size**2 * 3 + 128), self.build.store.free()
        if free is not None and needed > free:
            raise DatasetError(
                f"{self.build.store.url}: {arrays:,} arrays need {needed / 1e6:,.1f} MB, "
                f"{free / 1e6:,.1f} MB are free; ask for fewer --copies"
            )

    def _jobs(self, number: int, row: _Row, made_from: str) -> Iterator[Job]:
        for first in range(1, self.copies + 1, _COPIES_A_JOB):
            copies = range(first, min(first + _COPIES_A_JOB, self.copies + 1))
            paths = [copy_path(row["path"], copy) for copy in copies]
            known = [self.ledger.records.get(path, "") for path in paths]
            versions = list(map(self.build.own_version, paths))
            slots = list(map(self.packing.slot, paths)) if self.packing.count else None
            yield Job(number, row, copies, known, versions, made_from, slots)

    def _holds(self, job: Job) -> bool:
        """Tell whether the copies stand there as recorded, made from the array that is there."""
        if not all(job.known):
            return False
        try:
            key = self.task.key(job.row, job.made_from, box_in(job.row, self.task.size))
        except PhotoError:
            return False
        for path, known in zip(_paths(job), map(json.loads, job.known), strict=True):
            if known.get("key") != key or not self.build.holds(path, known):
                return False
        self.kept += len(job.copies)
        return True

    def make(self, engine: Engine, progress: Progress) -> None:
        """Make them, and see that all copies are there as recorded."""

        def work(jobs: Sequence[Job]) -> None:
            if not jobs:
                return
            self.build.plan(self.packing.files([path for job in jobs for path in _paths(job)]))
            task = replace(self.task, output=self.build.store, refusal=self.build.refusal)
            self.build.work(task, jobs, engine, progress, self._take)

        def make_again(astray: Mapping[str, str]) -> None:
            jobs = [job for job in self.jobs if not astray.keys().isdisjoint(_paths(job))]
            work([replace(job, known=[""] * len(job.copies)) for job in jobs])

        work(self.todo)
        self.build.settle(self._versions, make_again)
        for _ in range(_MOST_ROUNDS):
            broken = self.packing.arrange(self._arrays(), engine, progress)
            if not broken:
                return
            make_again(dict.fromkeys(broken, ""))
        raise DatasetError(f"{self.build.store.url}: somebody else writes packs here; end that")

    def _take(self, job: Job, result: list[Copied] | PhotoError | WorkerCrashed) -> None:
        if isinstance(result, WorkerCrashed):
            self.rejected[job.number] = PhotoError("crashed", f"the worker {result.cause}")
        elif isinstance(result, PhotoError):
            self.rejected[job.number] = result
        else:
            for path, known, copied in zip(_paths(job), job.known, result, strict=True):
                self.kept += copied.is_kept
                if copied.record != known:
                    is_written = not (copied.is_kept or job.slots)
                    self.build.add(path, copied.record, is_written=is_written)

    def _versions(self) -> Iterator[tuple[str, object]]:
        for path in self._arrays():
            record = self.ledger.get(path)
            if not record.get("place"):
                yield path, record.get("array_version")

    def _done(self) -> list[_Row]:
        return [row for number, row in enumerate(self.rows) if number not in self.rejected]

    def _paths(self, row: _Row) -> list[str]:
        return [copy_path(row["path"] or "", copy) for copy in range(1, self.copies + 1)]

    def _arrays(self) -> list[str]:
        return [path for row in self._done() for path in self._paths(row)]

    def counts(self) -> Counter[str]:
        """Return how many copies there are of each label."""
        photographs = Counter(row["label"] for row in self._done())
        return Counter({label: count * self.copies for label, count in photographs.items()})

    def rejections(self) -> list[Rejection]:
        """Return the rows of rejected.csv."""
        return [
            Rejection(
                self.rows[number]["source"] or f"row {number + 2}", error.reason, error.detail
            )
            for number, error in sorted(self.rejected.items())
        ]

    def unwanted(self) -> list[str]:
        """Return the arrays that `finish` deletes."""
        return self.build.gone(set(self._arrays()))

    def finish(self, made_from: str, arrays_made_from: str) -> None:
        """Bring tables and arrays in line.

        Parameters
        ----------
        made_from, arrays_made_from : str
            Digests of the dataset's labels.csv, and of all its arrays.
        """
        arrays = self._arrays()
        tables = {
            LABELS: csv_lines(AUGMENTED_COLUMNS, self._table()),
            REJECTED: csv_lines(REJECTED_COLUMNS, map(asdict, self.rejections())),
            SUMMARY: summary_lines(lambda: self._summary(arrays, made_from, arrays_made_from)),
        }
        about = [
            self._settings(),
            made_from,
            arrays_made_from,
            [asdict(one) for one in self.rejections()],
        ]
        state = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        notes = {STATE: [state], **self.packing.note}
        self.build.finish(self.packing.files(arrays), set(arrays), tables, notes)

    def _settings(self) -> dict[str, Any]:
        ranges = asdict(self.task.ranges)
        return {
            "copies": self.copies,
            "seed": self.task.seed,
            **ranges,
            **self.settings,
        } | self.packing.settings

    def _table(self) -> Iterator[dict[str, Any]]:
        for row in self._done():
            for copy, path in enumerate(self._paths(row), start=1):
                record = self.ledger.get(path)
                flips = {name: int(record[name]) for name in PARAMETER_COLUMNS[:2]}
                yield row | record | flips | self.packing.columns(path) | {"copy": copy}

    def _summary(
        self, arrays: Sequence[str], made_from: str, arrays_made_from: str
    ) -> dict[str, Any]:
        counts = self.counts()
        return {
            "granpipe": __version__,
            "pillow": PIL.__version__,
            "settings": self._settings(),
            "classes": dict(sorted(counts.items())),
            "copies": counts.total(),
            "rejected": len(self.rejected),
            "made_from": made_from,
            "arrays_made_from": arrays_made_from,
            "arrays_sha256": self.ledger.arrays_digest(arrays),
        }


def _recorded(dataset: Store, rows: Iterable[_Row]) -> tuple[dict[str, str], set[str]]:
    """Return the digests of arrays as prepare recorded them, and which stand there untouched."""
    try:
        prepared = Build(dataset, "prepare", lambda line: None)
    except DatasetError:  # a copy of it without its ledger: then the arrays are believed
        return {}, set()
    paths = [row["path"] for row in rows]
    prepared.look([*paths, pack_path(0)])
    records = {path: record for path in paths if (record := prepared.ledger.get(path))}
    digests = {path: record["array_sha256"] for path, record in records.items()}
    untouched = {path for path, record in records.items() if prepared.holds(path, record)}
    return digests, untouched


def _paths(job: Job) -> list[str]:
    return [copy_path(job.row["path"], copy) for copy in job.copies]
