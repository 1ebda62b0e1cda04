"""The map as an HTML page: what the page is told of the photographs."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from granpipe.mapping.colours import COLOURS
from granpipe.mapping.extent import extent
from granpipe.mapping.land import outlines
from granpipe.mapping.page import SIGNATURE, render_page
from granpipe.mapping.sighting import Options, Sighting, Sightings
from granpipe.photo.exif import Capture
from granpipe.photo.gps import VERDICTS, Position

__all__ = ["SIGNATURE", "write_html"]

_SIDES = ("train", "validation", "test")


def write_html(sightings: Sightings, options: Options) -> str:
    """Return the page's text."""
    on_map = [one for one in sightings if one.capture.position]
    positions = [one.capture.position for one in on_map if one.capture.position]
    lats, lons = [place.lat for place in positions], [place.lon for place in positions]
    names = _Names(sightings)
    totals = Counter(one.photo.label for one in sightings)
    window = extent(lats, lons)
    data = {
        "title": options.title,
        "colours": COLOURS,
        "labels": list(names.labels),
        "totals": [totals[label] for label in names.labels],
        "zones": list(names.zones),
        "cameras": list(names.cameras),
        "sides": list(names.sides),
        "groups": list(names.groups),
        "points": [names.point(one, at) for one, at in zip(on_map, positions, strict=True)],
        "missing": [
            [
                *(one.photo.source, names.labels[one.photo.label]),
                *(one.capture.verdict, one.capture.detail),
            ]
            for one in sightings
            if one.capture.position is None
        ],
        "reasons": VERDICTS,
        "links": options.links,
        "bounds": window and [[window.south, window.west], [window.north, window.east]],
        "outliers": window.outliers if window else [],
        "digits": options.redact,
        "land": outlines(lats, lons),
    }
    return render_page(data, offline=options.offline)


class _Names:
    """Names that many photographs share, each with the number that stands for it in the page."""

    def __init__(self, sightings: Sightings) -> None:
        on_map = [one for one in sightings if one.capture.position]
        members = Counter(one.group for one in on_map if one.group)
        self.labels = _numbered(one.photo.label for one in sightings)
        self.cameras = _numbered(_camera(one.capture) for one in on_map)
        self.zones = _numbered(_digits_and_zone(one.capture)[1] for one in on_map)
        self.groups = _numbered(group for group, count in members.items() if count > 1)
        sides = {one.split for one in on_map}
        self.sides = {side: k for k, side in enumerate(_in_order(sides))} if sides - {""} else {}

    def point(self, one: Sighting, place: Position) -> list[Any]:
        altitude = None if place.altitude is None else round(place.altitude, 1)
        direction = None if place.direction is None else round(place.direction) % 360
        nearest = None if one.nearest_training is None else round(one.nearest_training)
        digits, zone = _digits_and_zone(one.capture)
        point = [
            *(round(place.lat, 6), round(place.lon, 6)),
            *(self.labels[one.photo.label], one.photo.source, digits, self.zones[zone]),
            *(self.cameras[_camera(one.capture)], altitude, direction, one.thumbnail or None),
            *(self.sides.get(one.split), self.groups.get(one.group), nearest),
        ]
        while point[-1] is None:
            point.pop()
        return point


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(set(names)))}


def _in_order(sides: set[str]) -> list[str]:
    """Return train, validation and test in this order; the empty side comes last."""
    return [side for side in (*_SIDES, *sorted(sides - {*_SIDES, ""}), "") if side in sides]


def _digits_and_zone(capture: Capture) -> tuple[int | None, str]:
    """Return 2024-06-27T15:10:02 as 20240627151002, half as long in the page; and the zone."""
    digits = re.sub("[^0-9]", "", capture.taken_at)
    return int(digits) if digits else None, capture.utc_offset


def _camera(capture: Capture) -> str:
    """Return make and model; most models name their make already."""
    if capture.model.lower().startswith(capture.make.lower()):
        return capture.model
    return f"{capture.make} {capture.model}".strip()
