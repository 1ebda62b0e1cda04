"""The map as a CSV table: a row for every photograph, with or without a position."""

from collections.abc import Iterator

from granpipe.dataset.tables import csv_lines, inert
from granpipe.mapping.sighting import Options, Sightings, fields_of

SIGNATURE = "source,label,verdict,detail,latitude,longitude,altitude,direction,taken_at,"
"""What every such table begins with, those of earlier versions with fewer columns, too."""


def write_csv(sightings: Sightings, options: Options) -> Iterator[str]:
    """Yield the table's text."""
    rows = (
        {name: inert(value) for name, value in fields_of(one, options).items()} for one in sightings
    )
    yield from csv_lines(options.columns, rows)
