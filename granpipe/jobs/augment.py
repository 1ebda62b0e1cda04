"""A prepared dataset -> flipped, rotated and cropped copies of every photograph."""

import os
from itertools import islice
from typing import Any

from granpipe import checks
from granpipe.checks import checked, checked_if_given
from granpipe.copies.transform import Ranges
from granpipe.dataset.ledger_file import state_of
from granpipe.dataset.names import AUGMENTED, OWN, SUMMARY
from granpipe.dataset.tables import read_summary
from granpipe.engines.choice import choose
from granpipe.errors import BusyError, DatasetError, LayoutError, OptionError
from granpipe.jobs.augment_run import AugmentReport, AugmentRun
from granpipe.jobs.copy_photo import CopyPhoto
from granpipe.jobs.following import Follow, log_line, progress_of
from granpipe.jobs.run import Run, Say, run_again
from granpipe.jobs.shards import SHARD_SIZE, Sharding
from granpipe.photo.kinds import is_photo
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join

_LARGEST_SIZE = 4096


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
        `train`: where the dataset has splits, photographs of training alone have copies; or `all`.
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
    follow, say = progress_of(progress), say or log_line
    workplace = choose(engine, workers, say)
    source = workplace.open(place)
    folder = checked_if_given("output", output, checks.place) or join(place, AUGMENTED)
    target = workplace.open(folder)
    words = {"shards": shards, "shard_size": shard_size, "shard_format": shard_format}
    sharding = Sharding.of(workplace, "augment", source, target, **words)
    summary = _check_dataset(source)
    task = CopyPhoto(source, target, int(summary["settings"]["size"]), seed, ranges)
    if sharding and not dry_run:
        sharding.check(say)

    def work(run: Run) -> AugmentReport:
        steps = AugmentRun(run, task, copies, side)
        steps.plan(summary, verify=verify)
        if dry_run:
            steps.foresee()
        else:
            steps.make(workplace, follow)
        _check_same(source, summary)
        report = steps.report()
        if dry_run:
            report.unwanted = run.unwanted_paths()
            return report
        _finish(steps, source, summary)
        if sharding:
            report.shards = sharding.write(steps.samples(), follow, say, verify=verify)
        log_line(repr(report))
        return report

    return run_again(target, "augment", say, work)


def _finish(steps: AugmentRun, source: Store, summary: dict[str, Any]) -> None:
    """Write the tables; DatasetError where prepare was faster than they were written."""
    steps.finish(summary)
    if read_summary(source) != summary:
        steps.run.store.delete(SUMMARY)
        _check_same(source, summary)


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
    if not state_of(place) and any(is_photo(file.path) for file in islice(place.list(), 1000)):
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
