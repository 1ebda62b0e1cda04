"""`granpipe augment`."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options, reports
from granpipe.commands.reports import counted, printable

if TYPE_CHECKING:
    from granpipe.jobs.augment import Report

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: PLC0415, D301


def _light(name: str, what: str) -> Callable[[Any], Any]:
    """Return an option for a change of the light, which is off by default."""
    number = options.Number(checks.STRENGTH)
    shown: Any = {"default": 0.0, "show_default": True, "metavar": "SHARE"}
    return click.option(f"--{name}", type=number, help=what, **shown)


@click.command("augment", cls=options.Command)
@click.argument("dataset", type=options.PLACE, default="out")
@click.option(
    "--copies",
    type=options.Checked("number", checks.copies),
    default=5,
    show_default=True,
    metavar="N",
    help="Copies of each photograph; `balance` brings each class to the size of the largest, "
    "`balance:N` to N.",
)
@click.option(
    "-o",
    "--output",
    type=options.PLACE,
    metavar="DIR",
    help="Folder to write.  [default: DATASET/augmented]",
)
@click.option(
    "--seed",
    type=options.Checked("integer", checks.SEED),
    default=0,
    show_default=True,
    metavar="N",
    help="Random seed of the copies.",
)
@click.option(
    "--split-only",
    "--side",
    "side",
    cls=options.Renamed,
    type=options.Choice(checks.SIDE),
    default="train",
    show_default=True,
    help="Make copies of the training split only, or of all.",
)
@click.option(
    "--flip-horizontal",
    type=options.Number(checks.PROBABILITY),
    default=0.5,
    show_default=True,
    metavar="P",
    help="Probability of a mirrored copy.",
)
@click.option(
    "--flip-vertical",
    type=options.Number(checks.PROBABILITY),
    default=0.0,
    show_default=True,
    metavar="P",
    help="Probability of an upside-down copy.",
)
@click.option(
    "--rotate",
    type=options.Number(checks.DEGREES),
    default=15.0,
    show_default=True,
    metavar="DEGREES",
    help="Largest rotation, in either direction.",
)
@click.option(
    "--min-crop",
    "--crop",
    "crop",
    cls=options.Renamed,
    type=options.Number(checks.SHARE),
    default=0.7,
    show_default=True,
    metavar="SHARE",
    help="Smallest crop, as a fraction of the largest that fits.",
)
@_light("brightness", "Change brightness by up to this share.")
@_light("contrast", "Change contrast by up to this share.")
@_light("warmth", "Change red against blue by up to this share.")
@_light("gamma", "Change gamma by a factor of up to 1 plus this.")
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

    if preview and settings["dry_run"]:
        raise click.UsageError("--preview needs copies, which --dry-run does not write.")
    sheet = options.sheet_place(preview) if preview else None
    progress = partial(options.progress, quiet=quiet)
    report = augment(dataset, progress=progress, say=options.say, **settings)
    if as_json:
        reports.print_json(report)
    elif not quiet:
        _print(report, verbose=verbose, dry_run=settings["dry_run"])
    if sheet:
        _draw(dataset, report.folder, *sheet)
    reports.finish(report.rejected, strict=strict)


def _draw(dataset: str, folder: str, store: Any, name: str) -> None:
    from granpipe.dataset.contact_sheet import draw_copies
    from granpipe.stores.urls import open_store

    store.write(name, draw_copies(open_store(dataset), open_store(folder)))


def _print(report: "Report", *, verbose: bool, dry_run: bool) -> None:
    from granpipe.jobs.augment_run import ADVICE
    from granpipe.stores.urls import join

    where = f", all in {join(report.folder, 'rejected.csv')}"
    reports.print_rejections(report.rejected, ADVICE, where, verbose=verbose)
    reports.echo(f"{'class':<24}{'copies':>9}")
    for label, count in sorted(report.written.items()):
        reports.echo(f"{printable(label):<24}{count:>9,}")
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
    if dry_run:
        reports.print_dry_run(report.unwanted, verbose=verbose)
