"""`granpipe map`."""

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options, reports
from granpipe.commands.reports import MOST_LINES, printable
from granpipe.commands.survey import survey, survey_of
from granpipe.errors import DatasetError

if TYPE_CHECKING:
    from granpipe.jobs.photomap import Report

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: PLC0415, D301


@click.command("map", cls=options.Command)
@click.argument("source", type=options.PLACE)
@click.option(
    "-o",
    "--output",
    "outputs",
    type=options.File(".html", ".geojson", ".kml", ".csv"),
    multiple=True,
    default=["map.html"],
    metavar="FILE",
    help=".html, .geojson, .kml or .csv; may be repeated.  [default: map.html]",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Open the page on outlines, without requests to the network (extra: offline).",
)
@click.option(
    "--title",
    type=options.Checked("title", checks.title),
    metavar="TEXT",
    help="Of page and KML.  [default: SOURCE's name]",
)
@click.option(
    "--thumbnails",
    type=options.Whole(checks.THUMBNAILS),
    default=96,
    show_default=True,
    metavar="PIXELS",
    help="Longer side of the page's pictures; 0 for none.",
)
@click.option(
    "--base-url",
    "--links",
    "links",
    cls=options.Renamed,
    type=options.Checked("address", checks.address),
    metavar="ADDRESS",
    help="Where a browser finds SOURCE, as https://host/prefix/; pages from or in s3:// link to "
    "photographs with this alone.",
)
@click.option(
    "--redact",
    type=options.Whole(checks.DIGITS),
    metavar="DIGITS",
    help="For sharing: round positions to so many decimals (2 is about 1 km); no "
    "altitudes, directions, links, paths or details.",
)
@click.option(
    "--overlay",
    type=options.PLACE,
    multiple=True,
    metavar="FILE",
    help="GeoJSON or KML to lay over the page's map, as of parcels; may be repeated.",
)
@click.option(
    "--dataset",
    type=options.PLACE,
    metavar="DIR",
    help="What prepare --split wrote: group and split become columns of .csv and .geojson.",
)
@survey
@options.workers
@options.engine
@options.quiet
def map_command(source: str, outputs: tuple[str, ...], quiet: bool, **settings: Any) -> None:
    """Show on a map where the photographs were taken.

    Reads the GPS position from the EXIF block of every photograph below SOURCE, a folder or
    s3://bucket/prefix. Those without one are listed with the reason.

    \b
    Example:
      granpipe map img/ -o map.html -o map.csv
    """
    from granpipe.jobs.photomap import map_photos

    settings["survey"] = survey_of(settings)
    if settings["links"] and settings["redact"] is not None:
        raise click.UsageError("--redact leaves out links; give it or --base-url.")
    if settings["overlay"] and settings["redact"] is not None:
        raise click.UsageError("--redact leaves out exact positions; give it or --overlay.")
    progress = partial(options.progress, quiet=quiet)
    say = None if quiet else options.say
    report = map_photos(source, outputs, progress=progress, say=say, **settings)
    if not quiet:
        _print(report)
        reports.echo(f"Written: {', '.join(map(printable, outputs))}")
    if report.unseen:
        raise DatasetError(
            f"{len(report.unseen)} folders could not be listed, as {report.unseen[0]}; mend that, "
            "run again"
        )


def _print(report: "Report") -> None:
    from granpipe.photo.gps import VERDICTS

    total = report.verdicts.total()
    unmapped = total - report.mapped
    missing = (one for one in report.sightings if one.capture.position is None)
    for one in islice(missing, min(unmapped, MOST_LINES)):
        detail = f" ({one.capture.detail})" if one.capture.detail else ""
        reports.echo(printable(f"{one.photo.source}: {one.capture.verdict}{detail}"), err=True)
    if unmapped > MOST_LINES:
        reports.echo(f"... and {unmapped - MOST_LINES} more not on the map", err=True)
    for verdict in ("no_exif", "no_gps"):
        if verdict in report.verdicts:
            reports.echo(f"{verdict}: {VERDICTS[verdict]}.", err=True)
    reports.echo(f"{'verdict':<24}{'photographs':>12}")
    for verdict, count in sorted(report.verdicts.items()):
        reports.echo(f"{verdict:<24}{count:>12}")
    reports.echo(
        f"{total} photographs found: {report.mapped} on the map, {unmapped} not; "
        f"{report.ignored.total()} other files ignored."
    )
    reports.print_ignored(report.ignored)
    if report.matched is not None:
        reports.echo(
            f"{report.matched} of them have a side, {total - report.matched} are not in the "
            f"dataset; {report.elsewhere} of the dataset are not here."
        )
