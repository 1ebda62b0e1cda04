"""Photographs in class folders -> arrays and tables that a network is trained on."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from granpipe import checks
from granpipe.checks import Value, checked
from granpipe.dataset.classes import changed_indices
from granpipe.dataset.hold_out import parse_hold_out
from granpipe.dataset.sources import Search
from granpipe.dataset.tables import Rejection
from granpipe.engines.choice import choose
from granpipe.errors import DatasetError
from granpipe.jobs.deletions import check_deletions
from granpipe.jobs.following import Follow, log_line, progress_of, say_of
from granpipe.jobs.kept_settings import settings_of
from granpipe.jobs.prepare_options import PrepareOptions
from granpipe.jobs.prepare_run import PrepareRun
from granpipe.jobs.prepare_tables import rejections
from granpipe.jobs.run import Run, Say, run_again
from granpipe.jobs.shards import check_target, write_shards
from granpipe.jobs.shards_options import SHARD_SIZE, ShardsReport, shards_wish
from granpipe.jobs.split_plan import Wish
from granpipe.jobs.survey_options import Survey
from granpipe.photo.letterbox import Colour

if TYPE_CHECKING:
    from granpipe.jobs.split_summary import Sides


@dataclass(slots=True, repr=False)
class PrepareReport:
    """What `prepare` did, or would do.

    Attributes
    ----------
    prepared : Counter
        Photographs with an array, by label.
    rejected : list of Rejection
        In the order of their sources.
    rejected_by : Counter
        How many they are, by label; empty for those without one.
    labels_from : str
        The table that labels are from; empty where they are from folders.
    kept, deleted : int
        Photographs that were not decoded again, arrays deleted.
    ignored : Counter
        Files that are no photographs, by their ending.
    unseen : list of str
        Folders that could not be listed and photographs that could not be read, with the cause;
        what was prepared from them before was left as it was.
    stale : bool
        The augmented set beside the arrays was made from others, and its dataset.json is gone.
    flags : Counter
        Photographs with each flag; of a dry run, those that are up to date.
    sides : Sides or None
        Groups and splits, where the dataset has them.
    reindexed : list of tuple
        Each class that has another label_index than before, with the former and the new one.
    shards : ShardsReport or None
        Which shards were written, where they were asked for.
    unwanted : list of str
        Of a dry run: the arrays that a run would delete.
    conflicts : int
        Photographs whose label is surely not what is declared of their field.
    """

    prepared: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejection] = field(default_factory=list)
    rejected_by: Counter[str] = field(default_factory=Counter)
    labels_from: str = ""
    kept: int = 0
    deleted: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    unseen: list[str] = field(default_factory=list)
    stale: bool = False
    flags: Counter[str] = field(default_factory=Counter)
    sides: "Sides | None" = None
    reindexed: list[tuple[str, int, int]] = field(default_factory=list)
    shards: ShardsReport | None = None
    unwanted: list[str] = field(default_factory=list)
    conflicts: int = 0

    @property
    def found(self) -> int:
        return self.prepared.total() + len(self.rejected)

    def __repr__(self) -> str:
        counted = f"{self.found} photographs found, {self.prepared.total()} prepared ({self.kept} "
        counted += f"up to date already), {len(self.rejected)} rejected"
        return f"<prepare: {counted}, {self.deleted} arrays deleted{', stale copies' * self.stale}>"


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
    shape = (
        _checked("size", size, checks.SIZE),
        _checked("fill", fill, checks.colour),
        _checked("max_pixels", max_pixels, checks.PIXELS),
        None
        if max_memory is None
        else checks.MEGABYTE * checked("max_memory", max_memory, checks.MEGABYTES),
    )
    wish = Wish(
        _checked("split", split, checks.text),
        _checked("together", together, checks.text),
        _checked("seed", seed, checks.SEED),
        fix_leaks,
        _checked("folds", folds, checks.FOLDS),
        None if hold_out is None else tuple(str(parse_hold_out(rule)) for rule in hold_out),
    )
    follow, say = progress_of(progress), say_of(say)
    workplace = choose(engine, workers, say)
    photos = workplace.open(checked("source", source, checks.place))
    dataset = workplace.open(checked("output", output, checks.place))
    if dataset.is_within(photos):
        raise DatasetError(f"{output}: lies in {source}; choose an output outside the photographs")
    wished = shards_wish(workplace, shards, shard_size, shard_format, photos, dataset)
    options = PrepareOptions(
        *(workplace, force, verify, allow_deletions, dry_run, reindex_labels, wish, merge_classes),
        _checked("labels", labels, checks.place),
        alike,
        None if drop is None else checked("drop", ",".join(drop), checks.flags),
        survey or Survey(),
    )

    if wished and not dry_run:
        check_target(wished, "prepare", say)

    def work(run: Run) -> PrepareReport:
        settings = settings_of(run, *shape)
        steps = PrepareRun(run, photos, settings, options, follow)
        search = Search(photos, steps.photos.is_known, take_beside=steps.photos.beside.take)
        steps.plan(search)
        steps.decode()
        steps.leave_out()
        check_deletions(run, allow=allow_deletions)
        steps.locate()
        search.ignored -= steps.photos.beside.used()
        steps.deal()
        if split is not None and not allow_empty:
            steps.check_empty()
        report = PrepareReport(
            steps.photos.counts(),
            list(rejections(run.index)),
            steps.photos.rejected(),
            steps.given.table.title if steps.given.table else "",
            kept=steps.photos.kept(),
            deleted=run.count_unwanted(),
            ignored=search.ignored,
            unseen=[*(f"{folder}: {why}" for folder, why in search.unlisted), *steps.unseen],
            flags=steps.photos.flags(),
            sides=steps.sides,
            conflicts=run.index.value("SELECT count(*) FROM conflicts"),
            reindexed=changed_indices(steps.former_indices, steps.classes()),
        )
        if dry_run:
            report.stale = steps.has_stale_copies()
            report.unwanted = run.unwanted_paths()
        else:
            steps.finish(search.ignored.total())
            report.stale = steps.stale
            if wished:
                about = steps.samples(), "prepare", workplace
                report.shards = write_shards(wished, *about, follow, say, verify=verify)
        log_line(repr(report))
        return report

    return run_again(dataset, "prepare", say, work)


def _checked(name: str, value: Any, check: Callable[[Any], Value]) -> Value | None:
    """Return what an argument means that need not be given."""
    return None if value is None else checked(name, value, check)
