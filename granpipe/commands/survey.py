"""Options on what is beside photographs, which commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options, reports

if TYPE_CHECKING:
    from granpipe.jobs.survey_options import Survey

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# ruff: noqa: PLC0415

NAMES = (
    *("track", "clock", "clock_shift", "gap"),
    *("fields", "field_id", "field_crop", "crop_names"),
)
"""The options, as Click names them."""


def _zone(text: str) -> str:
    from granpipe.survey.clock import parse_zone

    if text != "none":
        parse_zone(text)
    return text


def _shift(text: str) -> str:
    from granpipe.survey.clock import parse_shift

    if text != "none":
        parse_shift(text)
    return text


_OPTIONS = (
    click.option(
        "--track",
        type=options.PLACE,
        multiple=True,
        metavar="GPX",
        help="A .gpx file or a folder of them, to place photographs that have no position; may be "
        "repeated.",
    ),
    click.option(
        "--clock",
        type=options.Checked("zone", _zone),
        metavar="ZONE",
        help="The cameras' time zone, for photographs without one: +02:00 or Europe/Berlin.",
    ),
    click.option(
        "--clock-shift",
        type=options.Checked("time", _shift),
        metavar="TIME",
        help="Add this to the time of every photograph, as -37s of a clock that is fast.",
    ),
    click.option(
        "--gap",
        type=options.Whole(checks.GAP),
        metavar="SECONDS",
        help="A track places nothing between two points that are further apart.  [default: 300]",
    ),
    click.option(
        "--fields",
        type=options.PLACE,
        metavar="FILE",
        help="Parcels, to tell which field a photograph shows: .geojson; with the extra fields "
        ".gpkg, .shp or .parquet.",
    ),
    click.option(
        "--field-id",
        metavar="COLUMN",
        help="Column of the parcels' ids.  [default: id, field_id or another usual name]",
    ),
    click.option(
        "--field-crop",
        metavar="COLUMN",
        help="Column of the parcels' declared crops.  [default: crop or another usual name]",
    ),
    click.option(
        "--crop-names",
        type=options.PLACE,
        metavar="TABLE",
        help="Which labels a declared crop may have: columns field_crop and label.",
    ),
)


def survey(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def print_conflicts(count: int, where: str = "") -> None:
    """Print how many labels a declared crop contradicts, if any, and where they are listed."""
    if count:
        photographs = reports.counted(count, "photograph")
        reports.echo(
            f"Labels that the crop declared of the field contradicts: {photographs}{where}."
        )


def survey_of(settings: dict[str, Any]) -> "Survey":
    """Return what the options ask for, and take them out of the settings."""
    from granpipe.jobs.survey_options import Survey

    given = {name: settings.pop(name) for name in NAMES}
    tracks = given["track"]
    given["track"] = [one for one in tracks if one != "none"] if tracks else None
    return Survey(**given)
