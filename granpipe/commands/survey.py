"""Options on what stands beside photographs, which commands share."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import options

if TYPE_CHECKING:
    from granpipe.jobs.survey_options import Survey

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# ruff: noqa: PLC0415

NAMES = ("track", "clock", "clock_shift", "gap")
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
        help="A .gpx file or a folder of them: where a receiver was when photographs without a "
        "position were taken; again and again.",
    ),
    click.option(
        "--clock",
        type=options.Checked("zone", _zone),
        metavar="ZONE",
        help="What cameras are set to whose photographs do not say so: +02:00 or Europe/Berlin.",
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
        help="Where a track has no point for longer, it is not known.  [default: 300]",
    ),
)


def survey(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def survey_of(settings: dict[str, Any]) -> "Survey":
    """Return what the options ask for, and take them out of the settings."""
    from granpipe.jobs.survey_options import Survey

    told = {name: settings.pop(name) for name in NAMES}
    tracks = told["track"]
    told["track"] = [one for one in tracks if one != "none"] if tracks else None
    return Survey(**told)
