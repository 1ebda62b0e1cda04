"""`granpipe prepare`."""

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options, reports, rules
from granpipe.commands.json_report import print_json
from granpipe.commands.kinds import PLACE, Checked
from granpipe.commands.reports import counted, printable
from granpipe.commands.survey import NAMES as SURVEY
from granpipe.commands.survey import print_conflicts, survey, survey_of
from granpipe.errors import DatasetError, GranpipeError

if TYPE_CHECKING:
    from granpipe.jobs.prepare_report import PrepareReport

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: PLC0415, D301

_IN_TABLE = {"no_label": "give it a row with its class", "label_conflict": "leave one of them"}
"""What to do about it where a table has the labels."""

_TABLES = ("rejected", "conflicts", "shortcuts", "leaks")

_SECTIONS = {
    "Everyday": (),
    "Split": ("split", "fix_leaks", "folds", "hold_out", "together", "seed"),
    "Positions": SURVEY,
    "Scale": (
        *("workers", "engine", "max_pixels", "max_memory", "force", "verify", "allow_deletions"),
        *("allow_empty", "merge_classes", "reindex_labels", "shards", "shard_size", "shard_format"),
        *("dry_run", "strict"),
    ),
}


@click.command("prepare", cls=options.Sections, sections=_SECTIONS)
@click.argument("source", type=PLACE)
@click.argument("output", type=PLACE)
@options.option("--size PIXELS", checks.SIZE, "Side of the arrays.  [default: as before, or 224]")
@options.option(
    "--fill COLOUR",
    checks.colour,
    "Padding colour: grey level 0 to 255, or #rrggbb.  [default: as before, or 0]",
)
@options.option(
    "--max-pixels N", checks.PIXELS, "Reject larger photographs undecoded.  [default: 200 million]"
)
@options.option(
    "--max-memory MB", checks.MEGABYTES, "Reject what takes more memory to decode.  [default: 700]"
)
@options.option(
    "--split SHARES",
    rules.shares,
    "Split into training, validation and test by percentage: 80/10/10, or 70/30 without "
    "validation; `given` keeps the splits of SOURCE/<split>/<class>/ or of --labels; none.  "
    "[default: as before]",
)
@options.flag(
    "--fix-leaks", "With --split given: move groups that are in several splits to the earliest."
)
@click.option(
    "--alike/--no-alike",
    default=None,
    help="Write alike.csv, the near-duplicates, without a split, too.",
)
@options.option(
    "--drop FLAGS",
    checks.flags,
    "Reject photographs with these flags: blurred, dark, overexposed, blank, tiny, "
    "orientation, imprecise; alike for all but the sharpest of those that look alike; none.",
)
@options.option(
    "--folds K", checks.FOLDS, "Distribute what is not for testing over K folds; 0 for none."
)
@options.option(
    "--hold-out RULE",
    rules.hold_out,
    "Put groups into test by after:DATE, before:DATE, country:FR, camera:MODEL or "
    "folder:NAME/*; may be repeated; none.",
    multiple=True,
)
@options.option(
    "--labels TABLE",
    PLACE,
    "Take classes from a table's columns source and label, or TABLE:photo,crop; none for folders.",
)
@options.option(
    "--keep-together RULES",
    rules.together,
    "Which photographs are never separated: place:METRES, field, burst, likeness, folder.  "
    "[default: place:200,burst,likeness]",
    former="--together",
)
@options.option("--seed N", Checked(checks.SEED), "Random seed of the split.  [default: 0]")
@survey
@options.workers
@options.engine
@options.flag("--force", "Decode everything again, also what is up to date.")
@options.verify
@options.flag("--allow-deletions", "Permit deleting more than half of over 20 arrays.")
@options.flag(
    "--merge-classes", "Folders that differ only in case, blanks or Unicode's form are one class."
)
@options.flag(
    "--reindex-labels",
    "Number the classes again, in sorted order. By default they keep their label_index.",
)
@options.shards
@options.dry_run
@options.preview
@options.flag("--allow-empty", "Permit a split without photographs.")
@options.strict
@options.as_json
@options.verbose
@options.quiet
def prepare_command(
    source: str,
    output: str,
    preview: str | None,
    strict: bool,
    as_json: bool,
    verbose: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Turn photographs into 224x224 arrays and a labels CSV.

    Every photograph SOURCE/<class>/<name> becomes OUTPUT/<class>/<name>.npy, uint8 of shape
    (224, 224, 3), letterboxed: wholly visible, centred, its proportions kept. It also gets a row in
    OUTPUT/labels.csv or, with a reason, in OUTPUT/rejected.csv. A second run decodes only what has
    changed. SOURCE and OUTPUT are folders, or s3://bucket/prefix.

    With --split, photographs that belong together are in the same split, and stay there in later
    runs.

    \b
    Examples:
      granpipe prepare img/ out/ --preview sheet.png
      granpipe prepare img/ out/ --split 80/10/10
    """
    from granpipe.jobs.prepare import prepare

    dry_run = settings["dry_run"]
    sheet = options.sheet_place(preview, source, dry_run=dry_run)
    settings["survey"] = survey_of(settings)
    settings["hold_out"] = options.listed(settings["hold_out"])
    progress = partial(options.progress, quiet=quiet)
    report = prepare(source, output, progress=progress, say=options.say, **settings)
    try:
        if sheet:
            _draw(output, *sheet)
    except GranpipeError:
        preview = None
        raise
    finally:
        if as_json:
            print_json(report, found=report.found)
        elif not quiet:
            _print(report, output, preview, verbose=verbose, dry_run=dry_run)
        _print_changes(report, output, err=quiet or as_json, dry_run=dry_run)
    _check(report, source, output, strict=strict)


def _print_changes(report: "PrepareReport", output: str, *, err: bool, dry_run: bool) -> None:
    """Print what a user must know of, also where the report itself is not printed."""
    if report.split and (line := report.split.shortage(is_written=not dry_run)):
        options.say(line)
    if report.reindexed:
        reports.echo(reports.reindexed(report.reindexed), err=err)
    if report.stale:
        command = _augment_again(output, report.stale_settings)
        reports.echo(f"The augmented set is stale now: run {printable(command)}", err=err)


def _augment_again(output: str, settings: dict[str, Any]) -> str:
    """Return the command that makes copies by the same settings."""
    from granpipe.commands.augment import augment_command
    from granpipe.jobs.summary_parts import command_line

    if not settings:
        return f"granpipe augment {output} with the same options"
    usual = {param.name: param.default for param in augment_command.params}
    others = {name: value for name, value in settings.items() if usual.get(name, value) != value}
    return command_line(f"augment {output}", others)


def _check(report: "PrepareReport", source: str, output: str, *, strict: bool) -> None:
    """Raise DatasetError where a run has not done what was asked for."""
    if report.unseen:
        what = "folders or photographs" if len(report.unseen) > 1 else "folder or photograph"
        raise DatasetError(
            f"{len(report.unseen):,} {what} could not be read, as {report.unseen[0]}; arrays made "
            "of them before are kept"
        )
    if not report.prepared:
        raise DatasetError(f"nothing was prepared: {_remedy(report, source, output)}")
    if strict and report.split and report.split.leaks and not report.split.plan.fix_leaks:
        leaks = reports.counted(report.split.leaks.total(), "leak")
        raise DatasetError(f"{leaks}, which --strict does not allow")
    reports.finish(report.rejected, strict=strict)


def _remedy(report: "PrepareReport", source: str, output: str) -> str:
    from granpipe.stores.urls import join

    if report.labels_from or any(rejection.reason != "no_label" for rejection in report.rejected):
        return f"see {join(output, 'rejected.csv')}"
    if report.split and not report.split.plan.shares:
        folders = join(source, "train/corn")
        return f"--split given needs folders such as {folders}; without them, use --split 80/10/10"
    corn = join(source, "corn")
    return (
        f"put each class into a folder of its own (mkdir {corn}), or use --labels TABLE; if "
        f"{source} is itself a class, name the folder above it"
    )


def _draw(output: str, store: Any, name: str) -> None:
    from granpipe.dataset.contact_sheet import draw_dataset
    from granpipe.stores.urls import open_store

    store.write(name, draw_dataset(open_store(output)))


def _print(
    report: "PrepareReport", output: str, preview: str | None, *, verbose: bool, dry_run: bool
) -> None:
    from granpipe.stores.urls import join

    written = {name: "" if dry_run else join(output, f"{name}.csv") for name in _TABLES}
    _print_rejected(report, written["rejected"], verbose=verbose)
    rejected = {label or "(no class)": count for label, count in report.rejected_by.items()}
    reports.print_classes(report.prepared, Counter(rejected))
    reports.echo(
        f"{counted(report.found, 'photograph')} found: {report.prepared.total():,} prepared "
        f"({report.kept:,} unchanged), {len(report.rejected):,} rejected.\n"
        f"{counted(report.ignored.total(), 'other file')} ignored, "
        f"{counted(report.deleted, 'array')} deleted."
    )
    reports.print_ignored(report.ignored)
    reports.print_flags(report.flags)
    print_conflicts(report.conflicts, written["conflicts"])
    if report.split:
        reports.print_split(report.split, join(output, "alike.csv"))
        reports.print_shortcuts(report.split, written["shortcuts"])
        reports.print_leaks(report.split, written["leaks"])
    reports.print_missing(report.prepared)
    if report.empty:
        reports.print_empty(report.empty)
    if dry_run:
        reports.print_dry_run(report.unwanted, verbose=verbose)
    else:
        _print_written(report, output, preview)


def _print_rejected(report: "PrepareReport", table: str, *, verbose: bool) -> None:
    from granpipe.dataset.tables import REASONS

    where = f", all in {table}" if table else ""
    advice = REASONS | (_IN_TABLE if report.labels_from else {})
    reports.print_rejections(report.rejected, advice, where, report.unseen, verbose=verbose)
    printed = {f"{rejection.source}: {rejection.detail}" for rejection in report.rejected}
    reports.print_unlisted(line for line in report.unseen if line not in printed)


def _print_written(report: "PrepareReport", output: str, preview: str | None) -> None:
    from granpipe.stores.urls import join

    if report.shards:
        reports.echo(printable(str(report.shards)))
    files = [join(output, "labels.csv")] if report.prepared and not report.shards else []
    if files := [*files, *([preview] if preview else [])]:
        reports.echo(f"Written: {', '.join(map(printable, files))}")
    if report.prepared and not (report.shards or report.stale):
        reports.echo(f"Next: granpipe augment {printable(output)}")
