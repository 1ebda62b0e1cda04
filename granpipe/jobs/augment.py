"""A prepared dataset -> flipped, rotated and cropped copies of every photograph."""

import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from granpipe import checks
from granpipe.checks import checked
from granpipe.copies.transform import Ranges
from granpipe.dataset.ledger_file import state_of
from granpipe.dataset.names import AUGMENTED, OWN, SUMMARY
from granpipe.dataset.tables import Rejection, read_summary
from granpipe.engines.choice import choose
from granpipe.errors import BusyError, DatasetError, LayoutError, OptionError
from granpipe.jobs.augment_run import AugmentRun
from granpipe.jobs.copy_photo import CopyPhoto
from granpipe.jobs.following import Follow, log_line, progress_of, say_of
from granpipe.jobs.run import Run, Say, run_again
from granpipe.jobs.shards import check_target, write_shards
from granpipe.jobs.shards_options import SHARD_SIZE, ShardsReport, shards_wish
from granpipe.photo.kinds import is_photo
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join

_LARGEST_SIZE = 4096


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


def augment(
    dataset: str | os.PathLike[str] = "out",
    copies: int | str = 5,
    *,
    output: str | os.PathLike[str] | None = None,
    seed: int = 0,
    side: str = "train",
    flip_horizontal: float | None = None,
    flip_vertical: float | None = None,
    rotate: float | None = None,
    crop: float | None = None,
    brightness: float | None = None,
    contrast: float | None = None,
    warmth: float | None = None,
    gamma: float | None = None,
    ranges: Ranges | None = None,
    workers: int | None = None,
    engine: str = "local",
    verify: bool = False,
    dry_run: bool = False,
    shards: str | os.PathLike[str] | None = None,
    shard_size: int = SHARD_SIZE,
    shard_format: str = "npy",
    progress: Follow = None,
    say: Say | None = None,
) -> AugmentReport:
    """Make copies of every photograph of a dataset.

    Parameters
    ----------
    dataset : str or Path
        What `granpipe prepare` wrote: a folder or an s3:// URL.
    copies : int or str
        Copies of each photograph, numbered from 1; or `balance` for so many that every class has,
        photographs and copies together, as many as the largest has photographs; or `balance:N`
        for N. They are spread evenly over the groups of a class.
    output : str or Path, optional
        Folder or URL to write; by default, DATASET/augmented.
    seed : int
        Another seed makes other copies.
    side : str
        `train`: where the dataset has sides, photographs of that side alone have copies; or `all`.
    flip_horizontal, flip_vertical, rotate, crop : float, optional
        Probabilities, degrees and a share of the area; as in `Ranges`, with its defaults.
    brightness, contrast, warmth, gamma : float, optional
        How much the light changes; as in `Ranges`, which by default it does not.
    ranges : Ranges, optional
        All eight of them at once.
    workers : int, optional
        Number of processes; by default, one for each core.
    engine : str
        `local` for this machine's processes, or `spark`, which needs folders or buckets that every
        executor reaches.
    verify : bool
        Hash every array, also those whose size, time and file number are as before.
    dry_run : bool
        Say what would be made and deleted, but write nothing.
    shards : str or Path, optional
        Folder or s3:// URL to write the copies to once more, as WebDataset tar files.
    shard_size, shard_format : int, str
        As for `prepare`.
    progress : `bar` or callable, optional
        Show a bar; or what wraps the iterator over the results, and takes it and their number.
    say : callable, optional
        Called with a line on what the run waits for; by default, the log `granpipe`.

    Returns
    -------
    AugmentReport

    Raises
    ------
    OptionError
        An argument is not what it may be; nothing was done.
    DatasetError
        The run cannot go on; what was done so far is taken up by the next run.
    """
    copies, seed = checked("copies", copies, checks.copies), checked("seed", seed, checks.SEED)
    side, place = checked("side", side, checks.SIDE), checked("dataset", dataset, checks.place)
    given = {"flip_horizontal": flip_horizontal, "flip_vertical": flip_vertical}
    given |= {"rotate": rotate, "crop": crop}
    light = {"brightness": brightness, "contrast": contrast, "warmth": warmth, "gamma": gamma}
    ranges = _ranges(ranges, given | light)
    follow, say = progress_of(progress), say_of(say)
    workplace = choose(engine, workers, say)
    source = workplace.open(place)
    there = join(place, AUGMENTED) if output is None else checked("output", output, checks.place)
    target = workplace.open(there)
    wished = shards_wish(workplace, shards, shard_size, shard_format, source, target)
    summary = _check_dataset(source)

    if wished and not dry_run:
        check_target(wished, "augment", say)

    def work(run: Run) -> AugmentReport:
        task = CopyPhoto(source, target, int(summary["settings"]["size"]), seed, ranges)
        steps = AugmentRun(run, task, copies, side)
        steps.labels.read(summary)
        steps.plan(verify=verify)
        if dry_run:
            steps.foresee()
        else:
            steps.make(workplace, follow)
        _check_same(source, summary)
        report = AugmentReport(
            run.store.url,
            steps.counts(),
            steps.rejections(),
            steps.kept(),
            run.count_unwanted(),
            steps.labels.held_out,
        )
        if dry_run:
            report.unwanted = run.unwanted_paths()
            return report
        steps.finish(summary)
        if read_summary(source) != summary:  # prepare was faster than the tables were written
            run.store.delete(SUMMARY)
            _check_same(source, summary)
        if wished:
            about = steps.samples(), "augment", workplace
            report.shards = write_shards(wished, *about, follow, say, verify=verify)
        log_line(repr(report))
        return report

    return run_again(target, "augment", say, work)


def _ranges(ranges: Ranges | None, given: dict[str, float | None]) -> Ranges:
    given = {name: value for name, value in given.items() if value is not None}
    if ranges is None:
        return Ranges(**given)  # type: ignore[arg-type]
    if given or not isinstance(ranges, Ranges):
        raise OptionError(f"ranges: give it as Ranges(...), or {next(iter(given), 'rotate')} alone")
    return ranges


def _check_dataset(dataset: Store) -> dict[str, Any]:
    summary = read_summary(dataset)
    if summary and "made_from" in summary:
        raise DatasetError(f"{dataset.url}: is an augmented set itself; name the dataset it is of")
    if not summary and (owner := dataset.holder(OWN)):
        raise BusyError(f"{dataset.url}: {owner} is preparing it; wait for it")
    settings = summary and summary.get("settings")
    size = settings.get("size") if isinstance(settings, dict) else None
    if not summary or type(size) is not int or not 1 <= size <= _LARGEST_SIZE:
        raise _no_dataset(dataset)
    return summary


def _no_dataset(place: Store) -> DatasetError:
    """Return what to do where prepare has not written a dataset, or not to its end."""
    if place.is_missing():
        return LayoutError(f"{place.url}: no such folder; name the folder that prepare wrote")
    if not state_of(place) and any(is_photo(one.path) for one in islice(place.list(), 1000)):
        out = f"{place.url.rstrip('/')}-arrays"
        return LayoutError(
            f"{place.url}: holds photographs, not a dataset; run granpipe prepare {place.url} "
            f"{out} and then granpipe augment {out}"
        )
    return DatasetError(
        f"{place.url}: holds no finished dataset; run granpipe prepare SOURCE {place.url} first"
    )


def _check_same(dataset: Store, summary: dict[str, Any]) -> None:
    if read_summary(dataset) != summary:
        raise DatasetError(f"{dataset.url}: changed while its copies were made; run augment again")
