"""The map as a CSV table: a row for every photograph, with or without a position."""

from collections.abc import Iterator

from granpipe.dataset.tables import csv_lines, inert
from granpipe.mapping.feature import Features, MapOptions, fields_of

SIGNATURE = "source,label,verdict,detail,latitude,longitude,altitude,direction,taken_at,"
"""What every such table begins with, those of earlier versions with fewer columns, too."""


def write_csv(features: Features, options: MapOptions) -> Iterator[str]:
    """Yield the table's text."""
    rows = (
        {name: inert(value) for name, value in fields_of(feature, options).items()}
        for feature in features
    )
    yield from csv_lines(options.columns, rows)
