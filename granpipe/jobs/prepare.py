"""Photographs in class folders -> arrays and tables that a network is trained on."""

import os
from collections.abc import Sequence

from granpipe import checks
from granpipe.checks import checked, checked_if_given
from granpipe.dataset.hold_out import parse_hold_out
from granpipe.engines.choice import choose
from granpipe.errors import DatasetError
from granpipe.jobs.following import Follow, log_line, progress_of
from granpipe.jobs.prepare_options import PrepareOptions
from granpipe.jobs.prepare_report import PrepareReport
from granpipe.jobs.prepare_run import PrepareRun
from granpipe.jobs.run import Run, Say, run_again
from granpipe.jobs.shards import SHARD_SIZE, Sharding
from granpipe.jobs.survey_options import Survey
from granpipe.photo.letterbox import Colour


def prepare(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    size: int | None = None,
    fill: int | str | Colour | None = None,
    max_pixels: int | None = None,
    max_memory: int | None = None,
    split: str | None = None,
    together: str | None = None,
    seed: int | None = None,
    workers: int | None = None,
    engine: str = "local",
    force: bool = False,
    verify: bool = False,
    allow_deletions: bool = False,
    merge_classes: bool = False,
    allow_empty: bool = False,
    labels: str | os.PathLike[str] | None = None,
    alike: bool | None = None,
    drop: Sequence[str] | None = None,
    fix_leaks: bool = False,
    folds: int | None = None,
    hold_out: Sequence[str] | None = None,
    dry_run: bool = False,
    reindex_labels: bool = False,
    shards: str | os.PathLike[str] | None = None,
    shard_size: int = SHARD_SIZE,
    shard_format: str = "npy",
    survey: Survey | None = None,
    progress: Follow = None,
    say: Say | None = None,
) -> PrepareReport:
    """Letterbox every photograph of SOURCE/<label>/ into an array below OUTPUT.

    Parameters
    ----------
    source, output : str or Path
        Folder or s3:// URL of class folders; folder or URL to write, which must be new, empty or
        written by this function before.
    size : int, optional
        Side of the arrays, in pixels, 1 to 4096. A dataset keeps its size and its fill unless they
        are given; a new one has 224, and black.
    fill : int, str or tuple of int, optional
        Of the padding: a grey level, 0 to 255; #rgb or #rrggbb; or red, green and blue.
    max_pixels : int, optional
        Width times height of the largest photograph that is decoded; by default, 200 million.
    max_memory : int, optional
        Megabytes (10^6 bytes) that decoding one photograph may take, by the formula of
        `granpipe.photo.memory.decoding_memory`; by default, 700.
    split : str, optional
        Percentages of training, validation and test, as 80/10/10, or of training and test; `given`
        for those that there are, as folders SOURCE/<split>/<label>/ or a column of `labels`; `none`
        for no split. By default, a dataset keeps what it has.
    together : str, optional
        What keeps photographs in one split; by default as before, or place:200,burst,likeness.
    seed : int, optional
        Another one splits otherwise; by default as before, or 0.
    workers : int, optional
        Number of processes; by default, one for each core.
    engine : str
        `local` for this machine's processes, or `spark`, which needs folders or buckets that every
        executor reaches.
    force : bool
        Decode every photograph, also those whose arrays are up to date.
    verify : bool
        Hash every photograph and array, also those whose size, time and file number are as before.
    allow_deletions : bool
        Delete also more than half of the arrays.
    merge_classes : bool
        Let class folders that differ in letter case, blanks around them or Unicode's form alone be
        one class.
    allow_empty : bool
        Let a split have no photographs that `split` asks for.
    labels : str or Path, optional
        A table that says which class each photograph is of, a file or s3:// URL; columns of other
        names as survey.csv:photo_id,crop. `none` for folders. By default, as before.
    alike : bool, optional
        Write alike.csv also without a split. By default, as before.
    drop : sequence of str, optional
        Reject what has one of these flags, of `granpipe.photo.quality.FLAGS`, and with `alike` all
        but the sharpest of those that look alike in a class. An empty one for none. By default,
        as before.
    folds : int, optional
        Deal what is not for testing to so many folds, whole groups; 0 for none. By default, as
        before.
    hold_out : sequence of str, optional
        Rules for what goes to the test split, as `country:FR`; see `granpipe.dataset.hold_out`. An
        empty one for none. By default, as before.
    fix_leaks : bool
        Of a split that is given, move each group that is in several to the earliest.
    dry_run : bool
        Decode what would be decoded, but write nothing.
    reindex_labels : bool
        Count classes anew, in their sorted order; else each keeps the index that it has, and new
        ones get the next.
    shards : str or Path, optional
        Folder or s3:// URL to write the arrays to once more, as WebDataset tar files.
    shard_size : int
        Approximate number of samples in a shard.
    shard_format : str
        `npy`; `png`, without loss; or `jpeg:95`, with a quality of 1 to 100.
    survey : Survey, optional
        What is beside photographs and says where they were taken; by default as before.
    progress : `bar` or callable, optional
        Show a bar; or what wraps the iterator over the results, and takes it and their number.
    say : callable, optional
        Called with a line on what the run waits for; by default, the log `granpipe`.

    Returns
    -------
    PrepareReport

    Raises
    ------
    OptionError
        An argument is not what it may be; nothing was done.
    DatasetError
        The run cannot go on; what was done so far is taken up by the next run.
    """
    follow, say = progress_of(progress), say or log_line
    options = PrepareOptions(
        choose(engine, workers, say),
        checked_if_given("size", size, checks.SIZE),
        checked_if_given("fill", fill, checks.colour),
        checked_if_given("max_pixels", max_pixels, checks.PIXELS),
        checked_if_given("max_memory", max_memory, checks.memory),
        checked_if_given("split", split, checks.text),
        checked_if_given("together", together, checks.text),
        checked_if_given("seed", seed, checks.SEED),
        checked_if_given("folds", folds, checks.FOLDS),
        None if hold_out is None else tuple(str(parse_hold_out(rule)) for rule in hold_out),
        checked_if_given("labels", labels, checks.place),
        alike,
        None if drop is None else checked("drop", ",".join(drop), checks.flags),
        survey or Survey(),
        fix_leaks=fix_leaks,
        force=force,
        verify=verify,
        allow_deletions=allow_deletions,
        allow_empty=allow_empty,
        merge_classes=merge_classes,
        reindex_labels=reindex_labels,
        dry_run=dry_run,
    )
    photos = options.engine.open(checked("source", source, checks.place))
    dataset = options.engine.open(checked("output", output, checks.place))
    if dataset.is_within(photos):
        raise DatasetError(f"{output}: lies in {source}; choose an output outside the photographs")
    words = {"shards": shards, "shard_size": shard_size, "shard_format": shard_format}
    sharding = Sharding.of(options.engine, "prepare", photos, dataset, **words)
    if sharding and not dry_run:
        sharding.check(say)

    def work(run: Run) -> PrepareReport:
        steps = PrepareRun(run, photos, options, follow)
        report = _prepare(steps)
        if sharding and not dry_run:
            report.shards = sharding.write(steps.samples(), follow, say, verify=verify)
        log_line(repr(report))
        return report

    return run_again(dataset, "prepare", say, work)


def _prepare(steps: PrepareRun) -> PrepareReport:
    """Do the steps of a run, and return what came of them."""
    steps.plan()
    steps.decode()
    steps.leave_out()
    steps.locate()
    steps.deal()
    report = steps.report()
    if steps.options.dry_run:
        steps.foresee()
        report.unwanted = steps.run.unwanted_paths()
    else:
        steps.finish()
    report.stale = steps.copies.are_stale
    report.stale_settings = steps.copies.settings() if report.stale else {}
    return report
