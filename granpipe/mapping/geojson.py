"""The map as GeoJSON (RFC 7946): a point for every photograph with a position."""

import json
from typing import Any

from granpipe.mapping.sighting import Options, Sightings, fields_of
from granpipe.photo.gps import Position

SIGNATURE = '{"type": "FeatureCollection", "generator": "granpipe", '
"""What every such file begins with."""


def write_geojson(sightings: Sightings, options: Options) -> str:
    """Return the file's text."""
    features = ",\n".join(
        json.dumps({"type": "Feature", "geometry": geometry, "properties": fields_of(one, options)})
        for one in sightings
        if (geometry := _geometry(one.capture.position))
    )
    return f'{SIGNATURE}"features": [\n{features}\n]}}\n'


def _geometry(position: Position | None) -> dict[str, Any] | None:
    """Return a point: longitude first, then latitude, then metres."""
    if position is None:
        return None
    height = [] if position.altitude is None else [position.altitude]
    return {"type": "Point", "coordinates": [position.lon, position.lat, *height]}
