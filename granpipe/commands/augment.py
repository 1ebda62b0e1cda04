"""`granpipe augment`."""

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options, reports
from granpipe.commands.json_report import print_json
from granpipe.commands.kinds import PLACE, Checked
from granpipe.commands.reports import counted, printable
from granpipe.errors import GranpipeError

if TYPE_CHECKING:
    from granpipe.jobs.augment_run import AugmentReport

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: PLC0415, D301


_light = partial(options.option, check=checks.STRENGTH, default=0.0)


@click.command("augment", cls=options.Command)
@click.argument("dataset", type=PLACE, default="out")
@options.option(
    "--copies N",
    checks.copies,
    "Copies of each photograph; `balance` brings each class to the size of the largest, "
    "`balance:N` to N.",
    default=5,
)
@options.option("-o --output DIR", PLACE, "Folder to write.  [default: DATASET/augmented]")
@options.option("--seed N", Checked(checks.SEED), "Random seed of the copies.", default=0)
@options.option(
    "--split-only",
    checks.SIDE,
    "Make copies of the training split only, or of all.",
    former="--side",
    default="train",
)
@options.option(
    "--flip-horizontal P", checks.PROBABILITY, "Probability of a mirrored copy.", default=0.5
)
@options.option(
    "--flip-vertical P", checks.PROBABILITY, "Probability of an upside-down copy.", default=0.0
)
@options.option(
    "--rotate DEGREES", checks.DEGREES, "Largest rotation, in either direction.", default=15.0
)
@options.option(
    "--min-crop SHARE",
    checks.SHARE,
    "Smallest crop, as a fraction of the largest that fits.",
    former="--crop",
    default=0.7,
)
@_light("--brightness SHARE", what="Change brightness by up to this share.")
@_light("--contrast SHARE", what="Change contrast by up to this share.")
@_light("--warmth SHARE", what="Change red against blue by up to this share.")
@_light("--gamma SHARE", what="Change gamma by a factor of up to 1 plus this.")
@options.shards
@options.workers
@options.engine
@options.verify
@options.preview
@options.strict
@options.dry_run
@options.as_json
@options.verbose
@options.quiet
def augment_command(
    dataset: str,
    preview: str | None,
    strict: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Make flipped, rotated, cropped and, on demand, relit copies.

    DATASET is the folder that prepare wrote (default: out). Copies are the same on every machine:
    they depend on the seed, the photograph's path and the copy's number, and on nothing else. If
    DATASET has a split, only the training split gets copies. Both folders may be
    s3://bucket/prefix.

    \b
    Example:
      granpipe augment out/ --copies 5 --seed 7 --preview copies.png
    """
    from granpipe.jobs.augment import augment

    sheet = options.sheet_place(preview, dry_run=settings["dry_run"])
    progress = partial(options.progress, quiet=quiet)
    report = augment(dataset, progress=progress, say=options.say, **settings)
    try:
        if sheet and report.written.total():
            _draw(dataset, report.folder, *sheet)
    except GranpipeError:
        preview = None
        raise
    finally:
        if as_json:
            print_json(report)
        elif not quiet:
            _print(report, preview, verbose=verbose, dry_run=settings["dry_run"])
    reports.finish(report.rejected, strict=strict)


def _draw(dataset: str, folder: str, store: Any, name: str) -> None:
    from granpipe.dataset.contact_sheet import draw_copies
    from granpipe.stores.urls import open_store

    store.write(name, draw_copies(open_store(dataset), open_store(folder)))


def _print(report: "AugmentReport", preview: str | None, *, verbose: bool, dry_run: bool) -> None:
    from granpipe.jobs.augment_run import ADVICE
    from granpipe.stores.urls import join

    where = f", all in {join(report.folder, 'rejected.csv')}"
    reports.print_rejections(report.rejected, ADVICE, where, verbose=verbose)
    cells = {label: f"{count:>9,}" for label, count in report.written.items()}
    reports.print_by_class(f"{'copies':>9}", cells)
    reports.echo(
        f"{counted(report.written.total(), 'copy')} in {printable(report.folder)} "
        f"({report.kept:,} unchanged).\n{counted(len(report.rejected), 'photograph')} rejected, "
        f"{counted(report.deleted, 'array')} deleted."
    )
    if not (report.written.total() or report.rejected):
        reports.echo("No class is smaller than was asked for, so no copies are needed.")
    if report.shards:
        reports.echo(printable(str(report.shards)))
    if report.held_out:
        reports.echo(
            f"Only the training split gets copies; the others have {report.held_out:,} photographs."
        )
    if preview:
        what = "Written" if report.written.total() else "Not written, for want of copies"
        reports.echo(f"{what}: {printable(preview)}")
    if dry_run:
        reports.print_dry_run(report.unwanted, verbose=verbose)
