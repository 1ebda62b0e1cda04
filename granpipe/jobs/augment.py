"""A prepared dataset -> flipped, turned and cropped copies of every photograph."""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import PIL

from granpipe import __version__
from granpipe.copies.transform import Parameters, Ranges, draw_parameters, generator, make_copy
from granpipe.dataset.files import (
    AUGMENTED,
    LABELS,
    PREPARED_COLUMNS,
    REJECTED,
    REJECTED_COLUMNS,
    Ledger,
    Rejection,
    array_digest,
    is_below,
    load_array,
    read_summary,
    read_table,
    save_array,
    write_summary,
    write_table,
)
from granpipe.engines import processes as parallel
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.prepare import Progress
from granpipe.photo.letterbox import Box

PARAMETER_COLUMNS = [parameter.name for parameter in fields(Parameters)]
"""Columns of an augmented labels.csv from which a copy can be made again."""

ADVICE = {
    "unreadable": "run granpipe prepare again",
    "duplicate": "run granpipe prepare again",
    "crashed": "run granpipe augment again",
}
"""Every reason for which a photograph has no copies, with what to do about it."""

AUGMENTED_COLUMNS = [*PREPARED_COLUMNS, "copy", "seed", *PARAMETER_COLUMNS]
"""Header of an augmented labels.csv."""

_KEYS = {"key", "array_sha256", "seed", *PARAMETER_COLUMNS}
_COPIES_A_JOB = 10


@dataclass(slots=True)
class Report:
    """What `augment` did.

    Attributes
    ----------
    written : Counter
        Copies in the set, by label.
    rejected : list of Rejection
        Photographs of the dataset that have none.
    kept, deleted : int
        Copies that were there already; arrays of an earlier set that are gone.
    folder : Path
        Where the set is.
    """

    folder: Path
    written: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejection] = field(default_factory=list)
    kept: int = 0
    deleted: int = 0


def augment(
    dataset: Path,
    copies: int = 5,
    *,
    output: Path | None = None,
    seed: int = 0,
    ranges: Ranges = Ranges(),  # noqa: B008 - frozen
    workers: int | None = None,
    progress: Progress = lambda results, total: results,
) -> Report:
    """Make copies of every photograph of a dataset.

    Parameters
    ----------
    dataset : Path
        What `granpipe prepare` wrote.
    copies : int
        Copies of each photograph, numbered from 1.
    output : Path, optional
        Folder to write; DATASET/augmented unless given.
    seed : int
        Another seed makes other copies.
    ranges : Ranges
        What flips, angles and crops are drawn from.
    workers : int, optional
        Number of processes; one a core unless given.
    progress : callable
        Wraps the iterator over the results; takes it and their number.

    Returns
    -------
    Report

    Raises
    ------
    DatasetError
        The run cannot go on; what was done so far is taken up by the next run.
    """
    made_from = _check_dataset(dataset)
    rows = sorted(read_table(dataset / LABELS), key=lambda row: row.get("source") or "")
    _check_columns(dataset / LABELS, rows)
    ledger = Ledger(output or dataset / AUGMENTED, "augment", _KEYS)
    _check_space(ledger, len(rows) * copies, int(made_from["settings"]["size"]))
    task = _Task(str(dataset), str(ledger.folder), ledger.scratch, seed, ranges)
    run = _Run(ledger, task, copies)
    try:
        run.make(rows, workers or os.cpu_count() or 1, progress)
        return run.finish(rows, str(made_from.get("arrays_sha256")))
    finally:
        ledger.close()


def copy_path(path: str, copy: int) -> str:
    """Return where a copy stands, relative to the augmented set.

    >>> copy_path("corn/IMG_1.JPG.npy", 3)
    'corn/IMG_1.JPG.3.npy'
    """
    return f"{path.removesuffix('.npy')}.{copy}.npy"


def parameters_of(row: dict[str, str]) -> tuple[Box, Parameters]:
    """Return what `make_copy` takes, from a row of an augmented labels.csv.

    Raises
    ------
    PhotoError
        `unreadable`: the row is damaged.
    """
    try:
        flips = [row[name] == "1" for name in PARAMETER_COLUMNS[:2]]
        return _box(row), Parameters(*flips, *(float(row[name]) for name in PARAMETER_COLUMNS[2:]))
    except (KeyError, TypeError, ValueError) as error:
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: {error}") from error


def _check_dataset(dataset: Path) -> dict[str, Any]:
    summary = read_summary(dataset)
    if summary and "made_from" in summary:
        raise DatasetError(f"{dataset}: is an augmented set itself; name the dataset it is of")
    settings = summary and summary.get("settings")
    if not (summary and isinstance(settings, dict) and isinstance(settings.get("size"), int)):
        raise DatasetError(
            f"{dataset}: holds no finished dataset; run granpipe prepare SOURCE {dataset} first"
        )
    return summary


def _check_columns(path: Path, rows: Sequence[dict[str, str]]) -> None:
    if not rows:
        raise DatasetError(f"{path}: holds no photographs; see rejected.csv beside it")
    missing = [column for column in PREPARED_COLUMNS if column not in rows[0]]
    if missing:
        raise DatasetError(f"{path}: has no column {missing[0]}; run granpipe prepare again")


def _check_space(ledger: Ledger, arrays: int, size: int) -> None:
    folder = ledger.folder
    while not folder.exists():
        folder = folder.parent
    needed = (arrays - len(ledger.records)) * (size * size * 3 + 128)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DatasetError(
            f"{ledger.folder}: {arrays:,} arrays need {needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB "
            "are free; ask for fewer --copies"
        )


def _box(row: dict[str, str]) -> Box:
    return Box(*(int(row[side]) for side in ("left", "top", "right", "bottom")))


@dataclass(frozen=True, slots=True)
class _Job:
    row: dict[str, str]
    copies: range
    known: list[str]


@dataclass(frozen=True, slots=True)
class _Task:
    """Make some copies of one photograph; runs in a worker."""

    dataset: str
    output: str
    scratch: str
    seed: int
    ranges: Ranges

    def __call__(self, job: _Job) -> list[str] | PhotoError:
        """Return the records of the copies, empty where the known one still holds."""
        try:
            return self._make(job)
        except PhotoError as error:
            return error

    def _make(self, job: _Job) -> list[str]:
        path, source = job.row["path"], job.row["source"]
        array = load_array(Path(self.dataset, path))
        box = _box_in(job.row, len(array))
        made_from = hashlib.sha256(array.tobytes()).hexdigest()
        records = []
        for copy, known in zip(job.copies, job.known, strict=True):
            parameters = draw_parameters(generator(self.seed, source, copy), box, self.ranges)
            key = self._key(made_from, box, parameters)
            target = copy_path(path, copy)
            if known and self._holds(target, json.loads(known), key):
                records.append("")
                continue
            made = make_copy(array, box, parameters)
            digest = save_array(Path(self.output), target, made, self.scratch)
            record = {"key": key, "array_sha256": digest, "seed": self.seed, **asdict(parameters)}
            records.append(json.dumps(record))
        return records

    def _key(self, made_from: str, box: Box, parameters: Parameters) -> str:
        """Return what stands for all that decides on a copy's bytes."""
        recipe = (__version__, PIL.__version__, made_from, self.seed, astuple(box))
        return hashlib.sha256(repr((recipe, astuple(parameters))).encode()).hexdigest()[:32]

    def _holds(self, target: str, known: dict[str, Any], key: str) -> bool:
        return bool(
            known["key"] == key and known["array_sha256"] == array_digest(Path(self.output), target)
        )


def _box_in(row: dict[str, str], size: int) -> Box:
    """Return a row's content box; PhotoError unless it lies inside a canvas of this size."""
    try:
        box = _box(row)
    except (TypeError, ValueError) as error:
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: {error}") from error
    if not (0 <= box.left < box.right <= size and 0 <= box.top < box.bottom <= size):
        raise PhotoError("unreadable", f"its content box is not inside its array of side {size}")
    return box


class _Run:
    """One run of `augment`: the rows that have their copies, and those that are rejected."""

    def __init__(self, ledger: Ledger, task: _Task, copies: int) -> None:
        self.ledger = ledger
        self.task = task
        self.copies = copies
        self.rejected: dict[int, PhotoError] = {}
        self.kept = 0

    def make(self, rows: Sequence[dict[str, str]], workers: int, progress: Progress) -> None:
        numbers = self._usable(rows)
        self.ledger.plan([path for number in numbers for path in self._paths(rows[number])])
        parts = [
            range(first, min(first + _COPIES_A_JOB, self.copies + 1))
            for first in range(1, self.copies + 1, _COPIES_A_JOB)
        ]
        jobs = [(number, self._job(rows[number], part)) for number in numbers for part in parts]
        with closing(parallel.run(self.task, [job for _, job in jobs], workers)) as results:
            for (number, job), result in zip(jobs, progress(results, len(jobs)), strict=True):
                self._take(number, job, result)

    def _usable(self, rows: Sequence[dict[str, str]]) -> list[int]:
        paths: set[str] = set()
        for number, row in enumerate(rows):
            path = row["path"]
            if None in row.values() or not is_below(path) or path != f"{row['source']}.npy":
                self.rejected[number] = PhotoError("unreadable", "its row of labels.csv is damaged")
            elif path in paths:
                self.rejected[number] = PhotoError("duplicate", "another row has the same path")
            else:
                paths.add(path)
        return [number for number in range(len(rows)) if number not in self.rejected]

    def _paths(self, row: dict[str, str]) -> list[str]:
        return [copy_path(row["path"], copy) for copy in range(1, self.copies + 1)]

    def _job(self, row: dict[str, str], copies: range) -> _Job:
        paths = (copy_path(row["path"], copy) for copy in copies)
        return _Job(row, copies, [self.ledger.records.get(path, "") for path in paths])

    def _take(self, number: int, job: _Job, result: list[str] | PhotoError | parallel.Lost) -> None:
        if isinstance(result, parallel.Lost):
            self.rejected[number] = PhotoError("crashed", f"the worker {result.cause}")
        elif isinstance(result, PhotoError):
            self.rejected[number] = result
        else:
            for copy, record in zip(job.copies, result, strict=True):
                if record:
                    self.ledger.add(copy_path(job.row["path"], copy), record)
                else:
                    self.kept += 1

    def finish(self, rows: Sequence[dict[str, str]], made_from: str) -> Report:
        """Bring tables and arrays on disk in line, and return the report."""
        folder = self.ledger.folder
        done = [row for number, row in enumerate(rows) if number not in self.rejected]
        paths = [path for row in done for path in self._paths(row)]
        report = Report(folder, self._counts(done), self._rejections(rows), self.kept)
        report.deleted = self.ledger.unwanted(paths)
        write_table(folder, LABELS, AUGMENTED_COLUMNS, self._rows(done))
        write_table(folder, REJECTED, REJECTED_COLUMNS, map(asdict, report.rejected))
        self.ledger.finish(paths)
        write_summary(folder, self._summary(report, paths, made_from))
        return report

    def _counts(self, rows: Sequence[dict[str, str]]) -> Counter[str]:
        photographs = Counter(row["label"] for row in rows)
        return Counter({label: count * self.copies for label, count in photographs.items()})

    def _rejections(self, rows: Sequence[dict[str, str]]) -> list[Rejection]:
        return [
            Rejection(rows[number]["source"] or f"row {number + 2}", error.reason, error.detail)
            for number, error in sorted(self.rejected.items())
        ]

    def _rows(self, rows: Sequence[dict[str, str]]) -> Iterator[dict[str, Any]]:
        for row in rows:
            for copy, path in enumerate(self._paths(row), start=1):
                record = json.loads(self.ledger.records[path])
                flips = {name: int(record[name]) for name in PARAMETER_COLUMNS[:2]}
                yield row | record | flips | {"path": path, "copy": copy}

    def _summary(self, report: Report, paths: Sequence[str], made_from: str) -> dict[str, Any]:
        arrays = hashlib.sha256()
        for path in paths:
            record = json.loads(self.ledger.records[path])
            arrays.update(f"{record['array_sha256']}  {path}\n".encode())
        return {
            "granpipe": __version__,
            "pillow": PIL.__version__,
            "settings": {
                "copies": self.copies,
                "seed": self.task.seed,
                **asdict(self.task.ranges),
            },
            "classes": dict(sorted(report.written.items())),
            "copies": report.written.total(),
            "rejected": len(report.rejected),
            "made_from": made_from,
            "arrays_sha256": arrays.hexdigest(),
        }
