"""`granpipe prepare`."""

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options, reports, rules
from granpipe.commands.reports import counted, printable
from granpipe.commands.survey import NAMES as SURVEY
from granpipe.commands.survey import print_conflicts, survey, survey_of
from granpipe.errors import DatasetError

if TYPE_CHECKING:
    from granpipe.jobs.prepare import Report

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: PLC0415, D301

_IN_TABLE = {
    "no_label": "give it a row with its class",
    "label_conflict": "leave one of them",
}
"""What to do about it where a table has the labels."""

_SECTIONS = {
    "Everyday": (),
    "Split": ("split", "fix_leaks", "folds", "hold_out", "together", "seed"),
    "Positions": SURVEY,
    "Scale": (
        "workers",
        "engine",
        "max_pixels",
        "max_memory",
        "force",
        "verify",
        "allow_deletions",
        "allow_empty",
        "merge_classes",
        "reindex_labels",
        "shards",
        "shard_size",
        "shard_format",
        "dry_run",
        "strict",
    ),
}


@click.command("prepare", cls=options.Sections, sections=_SECTIONS)
@click.argument("source", type=options.PLACE)
@click.argument("output", type=options.PLACE)
@click.option(
    "--size",
    type=options.Whole(checks.SIZE),
    metavar="PIXELS",
    help="Side of the arrays.  [default: as before, or 224]",
)
@click.option(
    "--fill",
    type=options.Checked("colour", checks.colour),
    help="Padding colour: grey level 0 to 255, or #rrggbb.  [default: as before, or 0]",
)
@click.option(
    "--max-pixels",
    type=options.Whole(checks.PIXELS),
    metavar="N",
    help="Reject larger photographs undecoded.  [default: 200 million]",
)
@click.option(
    "--max-memory",
    type=options.Whole(checks.MEGABYTES),
    metavar="MB",
    help="Reject what takes more memory to decode.  [default: 700]",
)
@click.option(
    "--split",
    type=options.Checked("shares", rules.shares),
    metavar="SHARES",
    help="Split into training, validation and test by percentage: 80/10/10, or 70/30 without "
    "validation; `given` keeps the splits of SOURCE/<split>/<class>/ or of --labels; none.  "
    "[default: as before]",
)
@click.option(
    "--fix-leaks",
    is_flag=True,
    help="With --split given: move groups that are in several splits to the earliest.",
)
@click.option(
    "--alike/--no-alike",
    default=None,
    help="Write alike.csv, the near-duplicates, without a split, too.",
)
@click.option(
    "--drop",
    type=options.Checked("flags", checks.flags),
    metavar="FLAGS",
    help="Reject photographs with these flags: blurred, dark, overexposed, blank, tiny, "
    "orientation, imprecise; alike for all but the sharpest of those that look alike; none.",
)
@click.option(
    "--folds",
    type=options.Whole(checks.FOLDS),
    metavar="K",
    help="Distribute what is not for testing over K folds; 0 for none.",
)
@click.option(
    "--hold-out",
    type=options.Checked("rule", rules.hold_out),
    multiple=True,
    metavar="RULE",
    help="Put groups into test by after:DATE, before:DATE, country:FR, camera:MODEL or "
    "folder:NAME/*; may be repeated; none.",
)
@click.option(
    "--labels",
    type=options.PLACE,
    metavar="TABLE",
    help="Take classes from a table's columns source and label, or TABLE:photo,crop; none for "
    "folders.",
)
@click.option(
    "--keep-together",
    "--together",
    "together",
    cls=options.Renamed,
    type=options.Checked("rules", rules.together),
    metavar="RULES",
    help="Which photographs are never separated: place:METRES, field, burst, likeness, folder.  "
    "[default: place:200,burst,likeness]",
)
@click.option(
    "--seed",
    type=options.Checked("integer", checks.SEED),
    metavar="N",
    help="Random seed of the split.  [default: 0]",
)
@survey
@options.workers
@options.engine
@click.option("--force", is_flag=True, help="Decode everything again, also what is up to date.")
@options.verify
@click.option(
    "--allow-deletions", is_flag=True, help="Permit deleting more than half of over 20 arrays."
)
@click.option(
    "--merge-classes",
    is_flag=True,
    help="Folders that differ only in case, blanks or Unicode's form are one class.",
)
@click.option(
    "--reindex-labels",
    is_flag=True,
    help="Number the classes again, in sorted order. By default they keep their label_index.",
)
@options.shards
@options.dry_run
@options.preview
@click.option("--allow-empty", is_flag=True, help="Permit a split without photographs.")
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

    if preview and settings["dry_run"]:
        raise click.UsageError("--preview needs arrays, which --dry-run does not write.")
    sheet = _sheet_place(preview, source) if preview else None
    held = settings.pop("hold_out")
    settings["survey"] = survey_of(settings)
    settings["hold_out"] = [rule for rule in held if rule != "none"] if held else None
    progress = partial(options.progress, quiet=quiet)
    report = prepare(
        source,
        output,
        progress=progress,
        say=options.say,
        **settings,
    )
    if as_json:
        reports.print_json(report, found=report.found)
    elif not quiet:
        _print(report, output, settings["dry_run"], verbose=verbose)
    if report.sides and (line := report.sides.shortage()):
        options.say(line)
    if report.reindexed:
        reports.echo(reports.reindexed(report.reindexed), err=quiet or as_json)
    if report.stale:
        line = f"The augmented set is stale now: run granpipe augment {printable(output)}"
        reports.echo(line, err=quiet or as_json)
    if sheet:
        _draw(output, *sheet)
    if report.unseen:
        what = "folders or photographs" if len(report.unseen) > 1 else "folder or photograph"
        raise DatasetError(
            f"{len(report.unseen):,} {what} could not be read, as {report.unseen[0]}; arrays made "
            "of them before are kept"
        )
    if not report.prepared:
        raise DatasetError(f"nothing was prepared: {_remedy(report, source, output)}")
    if strict and report.sides and report.sides.leaks and not report.sides.plan.fix_leaks:
        leaks = reports.counted(report.sides.leaks.total(), "leak")
        raise DatasetError(f"{leaks}, which --strict does not allow")
    reports.finish(report.rejected, strict=strict)


def _remedy(report: "Report", source: str, output: str) -> str:
    from granpipe.stores.urls import join

    if report.labels_from or any(one.reason != "no_label" for one in report.rejected):
        return f"see {join(output, 'rejected.csv')}"
    if report.sides and not report.sides.plan.shares:
        folders = join(source, "train/corn")
        return f"--split given needs folders such as {folders}; without them, use --split 80/10/10"
    corn = join(source, "corn")
    return (
        f"put each class into a folder of its own (mkdir {corn}), or use --labels TABLE; if "
        f"{source} is itself a class, name the folder above it"
    )


def _sheet_place(preview: str, source: str) -> Any:
    from granpipe.stores.urls import open_file, open_store

    if open_file(preview)[0].is_within(open_store(source)):
        raise click.UsageError("--preview may not write among the photographs.")
    return options.sheet_place(preview)


def _draw(output: str, store: Any, name: str) -> None:
    from granpipe.dataset.contact_sheet import draw_dataset
    from granpipe.stores.urls import open_store

    store.write(name, draw_dataset(open_store(output)))


def _print(report: "Report", output: str, dry_run: bool, *, verbose: bool) -> None:
    from granpipe.dataset.tables import REASONS
    from granpipe.stores.urls import join

    where = "" if dry_run else f", all in {join(output, 'rejected.csv')}"
    advice = REASONS | (_IN_TABLE if report.labels_from else {})
    reports.print_rejections(report.rejected, advice, where, report.unseen, verbose=verbose)
    known = {f"{one.source}: {one.detail}" for one in report.rejected}
    reports.print_unlisted(line for line in report.unseen if line not in known)
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
    conflicts = f"; see {printable(join(output, 'conflicts.csv'))}"
    print_conflicts(report.conflicts, "" if dry_run else conflicts)
    if report.sides:
        reports.print_sides(report.sides, join(output, "alike.csv"))
        reports.print_shortcuts(report.sides, "" if dry_run else join(output, "shortcuts.csv"))
        reports.print_leaks(report.sides, "" if dry_run else join(output, "leaks.csv"))
    reports.print_missing(report.prepared)
    if report.shards:
        reports.echo(printable(str(report.shards)))
    elif report.prepared and not dry_run:
        reports.echo(f"Written: {printable(join(output, 'labels.csv'))}")
        reports.echo(f"Next: granpipe augment {printable(output)}")
    if dry_run:
        reports.print_dry_run(report.unwanted, verbose=verbose)
