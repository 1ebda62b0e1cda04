"""`granpipe map`."""

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options, reports
from granpipe.commands.json_report import print_json
from granpipe.commands.kinds import PLACE, File
from granpipe.commands.reports import MOST_LINES, counted, printable
from granpipe.commands.survey import print_conflicts, survey, survey_of
from granpipe.errors import DatasetError

if TYPE_CHECKING:
    from granpipe.jobs.map_run import MapReport

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: PLC0415, D301


@click.command("map", cls=options.Command)
@click.argument("source", type=PLACE)
@options.option(
    "-o --output FILE",
    File(".html", ".geojson", ".kml", ".csv"),
    ".html, .geojson, .kml or .csv; may be repeated.  [default: map.html]",
    name="outputs",
    multiple=True,
    default=["map.html"],
    show_default=False,
)
@options.flag("--offline", "Open the page on outlines, without network requests (extra: offline).")
@options.option("--title TEXT", checks.title, "Title of page and KML.  [default: SOURCE's name]")
@options.option(
    "--thumbnails PIXELS",
    checks.THUMBNAILS,
    "Longer side of the page's pictures; 0 for none.",
    default=96,
)
@options.option(
    "--base-url ADDRESS",
    checks.address,
    "Base URL of SOURCE, as https://host/prefix/. Without it, maps from or on S3 do not link "
    "to the photographs.",
    former="--links",
)
@options.option(
    "--redact DIGITS",
    checks.DIGITS,
    "For sharing: round positions to so many decimals (2 is about 1 km); no "
    "altitudes, directions, links, paths or details.",
)
@options.option(
    "--overlay FILE",
    PLACE,
    "GeoJSON or KML to draw over the page's map, such as parcels; may be repeated.",
    multiple=True,
)
@options.option(
    "--dataset DIR",
    PLACE,
    "What prepare --split wrote: group and split become columns of .csv and .geojson.",
)
@survey
@options.workers
@options.engine
@options.dry_run
@options.as_json
@options.verbose
@options.quiet
def map_command(
    source: str,
    outputs: tuple[str, ...],
    as_json: bool,
    verbose: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Draw a map of where the photographs were taken.

    Reads the GPS position from the EXIF block of every photograph below SOURCE, a folder or
    s3://bucket/prefix. Those without one are listed with the reason.

    \b
    Example:
      granpipe map img/ -o map.html -o map.csv
    """
    from granpipe.jobs.photomap import map_photos

    settings["survey"] = survey_of(settings)
    _check_redacted(settings)
    progress = partial(options.progress, quiet=quiet)
    say = None if quiet else options.say
    report = map_photos(source, outputs, progress=progress, say=say, **settings)
    written = [] if settings["dry_run"] else list(outputs)
    if as_json:
        print_json(report, found=report.verdicts.total(), written=written)
    elif not quiet:
        pages = (name for name in written if name.lower().endswith(".html"))
        _print(report, next(pages, ""), verbose=verbose)
        if written:
            reports.echo(f"Written: {', '.join(map(printable, written))}")
        else:
            reports.print_dry_run([], verbose=verbose)
    if report.unseen:
        raise DatasetError(
            f"{counted(len(report.unseen), 'folder')} could not be read, as {report.unseen[0]}"
        )


def _check_redacted(settings: dict[str, Any]) -> None:
    """Raise UsageError where a map for sharing is to have what it leaves out."""
    exact = "exact positions"
    asked = {
        "--base-url": ("links", settings["links"]),
        "--overlay": (exact, settings["overlay"]),
        "--fields": (exact, settings["survey"].fields),
    }
    for option, (what, value) in asked.items():
        if value and settings["redact"] is not None:
            raise click.UsageError(f"--redact leaves out {what}; give it or {option}.")


def _print(report: "MapReport", page: str, *, verbose: bool) -> None:
    total = report.verdicts.total()
    _print_unmapped(report, total - report.mapped, verbose=verbose)
    reports.echo(f"{'verdict':<24}{'photographs':>12}")
    for verdict, count in sorted(report.verdicts.items()):
        reports.echo(f"{verdict:<24}{count:>12,}")
    reports.echo(
        f"{counted(total, 'photograph')} found: {report.mapped:,} on the map, "
        f"{total - report.mapped:,} not; {counted(report.ignored.total(), 'other file')} ignored."
    )
    reports.print_ignored(report.ignored)
    print_conflicts(report.conflicts, page)
    if report.matched is not None:
        reports.echo(
            f"{report.matched:,} of them are in the dataset, {total - report.matched:,} are not; "
            f"the dataset has {report.elsewhere:,} others."
        )


def _print_unmapped(report: "MapReport", count: int, *, verbose: bool) -> None:
    """Print to stderr which photographs are not on the map, and which folders were not read."""
    from granpipe.photo.gps import VERDICTS

    missing = (feature for feature in report.features if feature.capture.position is None)
    for feature in islice(missing, count if verbose else min(count, MOST_LINES)):
        capture, detail = feature.capture, feature.capture.detail and f" ({feature.capture.detail})"
        reports.echo(printable(f"{feature.photo.source}: {capture.verdict}{detail}"), err=True)
    reports.print_unlisted(report.unseen)
    if count > MOST_LINES and not verbose:
        reports.echo(f"... and {count - MOST_LINES:,} more not on the map", err=True)
    for verdict in sorted(report.verdicts.keys() - {"ok"}):
        reports.echo(f"{verdict}: {VERDICTS[verdict]}.", err=True)
