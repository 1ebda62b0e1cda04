"""The map as a CSV table: a row for every photograph, with or without a position."""

from collections.abc import Iterator

from granpipe.dataset.tables import csv_lines
from granpipe.mapping.sighting import Options, Sightings, fields_of

SIGNATURE = "source,label,verdict,detail,latitude,longitude,altitude,direction,taken_at,"
"""What every such table begins with, those of earlier versions with fewer columns, too."""

_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four: full-width


def write_csv(sightings: Sightings, options: Options) -> Iterator[str]:
    """Yield the table's text."""
    rows = (
        {name: _inert(value) for name, value in fields_of(one, options).items()}
        for one in sightings
    )
    yield from csv_lines(options.columns, rows)


def _inert(value: object) -> object:
    """Return a cell that a spreadsheet does not run as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
