"""A prepared dataset -> flipped, turned and cropped copies of every photograph."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from granpipe.copies.transform import Ranges
from granpipe.dataset.build import Build, Progress, Say, run_build
from granpipe.dataset.names import AUGMENTED, LABELS, OWN
from granpipe.dataset.packs import at_home
from granpipe.dataset.tables import PREPARED_COLUMNS, Rejection, csv_lines, read_summary, rows_of
from granpipe.errors import BusyError, DatasetError
from granpipe.jobs.augment_run import AugmentRun
from granpipe.jobs.copy_photo import CopyPhoto
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join, open_store

_LARGEST_SIZE = 4096

_Row = dict[str, str]


@dataclass(slots=True)
class Report:
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
    """

    folder: str
    written: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejection] = field(default_factory=list)
    kept: int = 0
    deleted: int = 0
    held_out: int = 0


def augment(
    dataset: str | os.PathLike[str],
    copies: int = 5,
    *,
    output: str | os.PathLike[str] | None = None,
    seed: int = 0,
    side: str = "train",
    ranges: Ranges = Ranges(),  # noqa: B008 - frozen
    pack: int | None = None,
    workers: int | None = None,
    verify: bool = False,
    progress: Progress = lambda results, total: results,
    say: Say = lambda line: None,
) -> Report:
    """Make copies of every photograph of a dataset.

    Parameters
    ----------
    dataset : str or Path
        What `granpipe prepare` wrote: a folder or an s3:// URL.
    copies : int
        Copies of each photograph, numbered from 1.
    output : str or Path, optional
        Folder or URL to write; DATASET/augmented unless given.
    seed : int
        Another seed makes other copies.
    side : str
        `train`: where the dataset has sides, photographs of that side alone have copies; or `all`.
    ranges : Ranges
        What flips, angles and crops are drawn from.
    pack : int, optional
        How many copies share a file; 0 for a file each. Unless given, as before.
    workers : int, optional
        Number of processes; one a core unless given.
    verify : bool
        Hash every array, also those whose size, time and file number are as before.
    progress : callable
        Wraps the iterator over the results; takes it and their number.
    say : callable
        Told, in a line, whom the run waits for.

    Returns
    -------
    Report

    Raises
    ------
    DatasetError
        The run cannot go on; what was done so far is taken up by the next run.
    """
    source = open_store(dataset)
    target = open_store(output or join(os.fspath(dataset), AUGMENTED))
    summary = _check_dataset(source)
    rows = sorted(rows_of(source, LABELS), key=lambda row: row.get("source") or "")
    _check_columns(source, rows)
    _check_count(source, rows, summary)
    chosen, settings = _chosen(rows, side)
    made_from = _digest(rows)

    def work(build: Build) -> Report:
        task = CopyPhoto(source, target, int(summary["settings"]["size"]), seed, ranges)
        run = AugmentRun(build, task, [*map(at_home, chosen)], copies, settings, pack)
        run.plan(verify=verify)
        run.make(workers or os.cpu_count() or 1, progress)
        _check_same(source, summary)
        report = Report(
            build.store.url,
            run.counts(),
            run.rejections(),
            run.kept,
            len(run.unwanted()),
            len(rows) - len(chosen),
        )
        run.finish(made_from, str(summary.get("arrays_sha256")))
        return report

    return run_build(target, "augment", say, work)


def _check_dataset(dataset: Store) -> dict[str, Any]:
    summary = read_summary(dataset)
    if summary and "made_from" in summary:
        raise DatasetError(f"{dataset.url}: is an augmented set itself; name the dataset it is of")
    if not summary and (owner := dataset.holder(OWN)):
        raise BusyError(f"{dataset.url}: {owner} is preparing it; wait for it")
    settings = summary and summary.get("settings")
    size = settings.get("size") if isinstance(settings, dict) else None
    if not summary or type(size) is not int or not 1 <= size <= _LARGEST_SIZE:
        raise DatasetError(
            f"{dataset.url}: holds no finished dataset; run granpipe prepare SOURCE "
            f"{dataset.url} first"
        )
    return summary


def _check_columns(dataset: Store, rows: Sequence[dict[str, str]]) -> None:
    place = join(dataset.url, LABELS)
    if not rows:
        raise DatasetError(f"{place}: holds no photographs; see rejected.csv beside it")
    missing = [column for column in PREPARED_COLUMNS if column not in rows[0]]
    if missing:
        raise DatasetError(f"{place}: has no column {missing[0]}; run granpipe prepare again")


def _check_count(dataset: Store, rows: Sequence[dict[str, str]], summary: dict[str, Any]) -> None:
    if summary.get("prepared", len(rows)) != len(rows):
        raise DatasetError(
            f"{join(dataset.url, LABELS)}: has {len(rows)} rows, dataset.json promises "
            f"{summary['prepared']}; run granpipe prepare again"
        )


def _chosen(rows: Sequence[_Row], side: str) -> tuple[Sequence[_Row], dict[str, str]]:
    """Return the rows that are to have copies, and what the summary tells of the choice."""
    if not any(row["split"] for row in rows):
        return rows, {}
    # A damaged row is for the run to reject.
    chosen = [row for row in rows if side in {"all", row["split"]} or None in row.values()]
    if not chosen:
        raise DatasetError("no photograph is for training; say --side all for copies of all")
    return chosen, {"side": side}


def _digest(rows: Sequence[_Row]) -> str:
    """Return the SHA-256 of labels.csv as prepare writes it, in whatever order the rows came."""
    digest = hashlib.sha256()
    for line in csv_lines(PREPARED_COLUMNS, rows):
        digest.update(line.encode())
    return digest.hexdigest()


def _check_same(dataset: Store, summary: dict[str, Any]) -> None:
    if read_summary(dataset) != summary:
        raise DatasetError(f"{dataset.url}: changed while its copies were made; run augment again")
