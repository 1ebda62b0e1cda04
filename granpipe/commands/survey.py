"""Options on what is beside photographs, which commands share."""

from typing import TYPE_CHECKING, Any

from granpipe import checks
from granpipe.commands import options, reports
from granpipe.commands.kinds import PLACE

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


survey = options.together(
    options.option(
        "--track GPX",
        PLACE,
        "A .gpx file or a folder of them, to place photographs that have no position; may be "
        "repeated.",
        multiple=True,
    ),
    options.option(
        "--clock ZONE",
        _zone,
        "The cameras' time zone, for photographs without one: +02:00 or Europe/Berlin.",
    ),
    options.option(
        "--clock-shift TIME",
        _shift,
        "Add this to the time of every photograph, as -37s of a clock that is fast.",
    ),
    options.option(
        "--gap SECONDS",
        checks.GAP,
        "A track places nothing between two points that are further apart.  [default: 300]",
    ),
    options.option(
        "--fields FILE",
        PLACE,
        "Parcels, to tell which field a photograph shows: .geojson; with the extra fields "
        ".gpkg, .shp or .parquet.",
    ),
    options.option(
        "--field-id COLUMN",
        str,
        "Column of the parcels' ids.  [default: id, field_id or another usual name]",
    ),
    options.option(
        "--field-crop COLUMN",
        str,
        "Column of the parcels' declared crops.  [default: crop or another usual name]",
    ),
    options.option(
        "--crop-names TABLE",
        PLACE,
        "Which labels a declared crop may have: columns field_crop and label.",
    ),
)
"""The options, for a command."""


def print_conflicts(count: int, table: str = "") -> None:
    """Print how many labels a declared crop contradicts, if any, and which file lists them."""
    if count:
        where = f"; see {reports.printable(table)}" if table else ""
        photographs = reports.counted(count, "photograph")
        reports.echo(
            f"Labels that the crop declared of the field contradicts: {photographs}{where}."
        )


def survey_of(settings: dict[str, Any]) -> "Survey":
    """Return what the options ask for, and take them out of the settings."""
    from granpipe.jobs.survey_options import Survey

    given = {name: settings.pop(name) for name in NAMES}
    given["track"] = options.listed(given["track"])
    return Survey(**given)
