"""The map as GeoJSON (RFC 7946): a point for every photograph with a position."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from granpipe.mapping.feature import Feature, MapOptions, fields_of
from granpipe.photo.gps import Position

SIGNATURE = '{"type": "FeatureCollection", "generator": "granpipe", '
"""What every such file begins with."""


def write_geojson(features: Iterable[Feature], options: MapOptions) -> Iterator[str]:
    """Yield the file's text."""
    yield f'{SIGNATURE}"features": [\n'
    comma = ""
    for feature in features:
        if geometry := _geometry(feature.capture.position):
            properties = fields_of(feature, options)
            written = {"type": "Feature", "geometry": geometry, "properties": properties}
            yield comma + json.dumps(written)
            comma = ",\n"
    yield "\n]}\n"


def _geometry(position: Position | None) -> dict[str, Any] | None:
    """Return a point: longitude first, then latitude, then metres."""
    if position is None:
        return None
    height = [] if position.altitude is None else [position.altitude]
    return {"type": "Point", "coordinates": [position.lon, position.lat, *height]}
