"""Which kind of file is written for which suffix."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from granpipe.mapping import geojson, html, kml, table
from granpipe.mapping.feature import Features, MapOptions


@dataclass(frozen=True, slots=True)
class Writer:
    """How the text of a kind of file is written, and what every such file of ours begins with."""

    write: Callable[[Features, MapOptions], Iterator[str]]
    signature: str


WRITERS: Mapping[str, Writer] = {
    ".html": Writer(html.write_html, html.SIGNATURE),
    ".geojson": Writer(geojson.write_geojson, geojson.SIGNATURE),
    ".kml": Writer(kml.write_kml, kml.SIGNATURE),
    ".csv": Writer(table.write_csv, table.SIGNATURE),
}
"""By the suffix of a file, in lower case."""
