"""The map as an HTML page: what the page is told of the photographs."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from granpipe.mapping.extent import extent
from granpipe.mapping.page import SIGNATURE, render_page
from granpipe.mapping.sighting import Options, Sighting, Sightings
from granpipe.photo.exif import Capture
from granpipe.photo.gps import VERDICTS, Position

__all__ = ["SIGNATURE", "write_html"]


def write_html(sightings: Sightings, options: Options) -> str:
    """Return the page's text."""
    on_map = [sighting for sighting in sightings if sighting.capture.position]
    labels = sorted({sighting.photo.label for sighting in sightings})
    cameras = sorted({_camera(sighting.capture) for sighting in on_map})
    totals = Counter(sighting.photo.label for sighting in sightings)
    number = {label: index for index, label in enumerate(labels)}
    camera = {name: index for index, name in enumerate(cameras)}
    zones = sorted({_digits_and_zone(sighting.capture)[1] for sighting in on_map})
    zone = {name: index for index, name in enumerate(zones)}
    positions = [sighting.capture.position for sighting in on_map if sighting.capture.position]
    window = extent([place.lat for place in positions], [place.lon for place in positions])
    data = {
        "title": options.title,
        "labels": labels,
        "totals": [totals[label] for label in labels],
        "zones": zones,
        "cameras": cameras,
        "points": [
            _point(one, place, number[one.photo.label], zone, camera)
            for one, place in zip(on_map, positions, strict=True)
        ],
        "missing": [
            [one.photo.source, number[one.photo.label], one.capture.verdict, one.capture.detail]
            for one in sightings
            if one.capture.position is None
        ],
        "reasons": VERDICTS,
        "links": options.links,
        "bounds": window and [[window.south, window.west], [window.north, window.east]],
        "outliers": window.outliers if window else [],
        "digits": options.redact,
    }
    return render_page(data, offline=options.offline)


def _point(
    one: Sighting, place: Position, label: int, zone: Mapping[str, int], camera: Mapping[str, int]
) -> list[Any]:
    altitude = None if place.altitude is None else round(place.altitude, 1)
    direction = None if place.direction is None else round(place.direction) % 360
    digits, zone_name = _digits_and_zone(one.capture)
    point = [
        *(round(place.lat, 6), round(place.lon, 6), label, one.photo.source, digits),
        *(zone[zone_name], camera[_camera(one.capture)], altitude, direction),
        one.thumbnail or None,
    ]
    while point[-1] is None:
        point.pop()
    return point


def _digits_and_zone(capture: Capture) -> tuple[int | None, str]:
    """Return 2024-06-27T15:10:02 as 20240627151002, half as long in the page; and the zone."""
    digits = re.sub("[^0-9]", "", capture.taken_at)
    return int(digits) if digits else None, capture.utc_offset


def _camera(capture: Capture) -> str:
    """Return make and model; most models name their make already."""
    if capture.model.lower().startswith(capture.make.lower()):
        return capture.model
    return f"{capture.make} {capture.model}".strip()
