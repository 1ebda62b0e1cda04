"""The files that `granpipe map` writes: a page, GeoJSON and a CSV table, as text."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from granpipe.dataset.files import csv_lines
from granpipe.mapping.extent import extent
from granpipe.mapping.page import SIGNATURE, render_page
from granpipe.photo.exif import Capture
from granpipe.photo.gps import VERDICTS, Position
from granpipe.photo.opening import Photo

COLUMNS = [
    *("source", "label", "verdict", "detail", "latitude", "longitude", "altitude", "direction"),
    *("taken_at", "make", "model"),
]
"""Header of the CSV table."""

_GEOJSON_SIGNATURE = '{"type": "FeatureCollection", "generator": "granpipe", '
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four: full-width


@dataclass(frozen=True, slots=True)
class Sighting:
    """A photograph, what its EXIF tells, and a thumbnail: a JPEG file in base64, or empty."""

    photo: Photo
    capture: Capture
    thumbnail: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What the page needs to know beside the photographs.

    Attributes
    ----------
    source : Path
        The folder of the photographs, which the page links to.
    offline : bool
        The page carries Leaflet itself.
    redact : int or None
        Decimals that positions were rounded to; then there are no links.
    """

    source: Path
    offline: bool = False
    redact: int | None = None


def _as_html(sightings: Sequence[Sighting], output: Path, options: Options) -> str:
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
        "title": options.source.resolve().name,
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
        "links": None if options.redact is not None else _link_prefix(options.source, output),
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
    """Return 2024-06-27T15:10:02+02:00 as 20240627151002 and +02:00: half as long in the page."""
    time, zone = capture.taken_at[:19], capture.taken_at[19:]
    return int(re.sub("[^0-9]", "", time)) if time else None, zone


def _camera(capture: Capture) -> str:
    """Return make and model; most models name their make already."""
    if capture.model.lower().startswith(capture.make.lower()):
        return capture.model
    return f"{capture.make} {capture.model}".strip()


def _link_prefix(source: Path, output: Path) -> str | None:
    """Return what stands before a source in a link from the page, percent-encoded."""
    try:
        # Links on the way stay: browsers, too, resolve the page's address by its letters alone.
        relative = os.path.relpath(source, output.parent)
    except ValueError:  # another drive
        return source.resolve().as_uri() + "/"
    # "./" keeps a name with a colon from being read as a scheme.
    return "./" + quote(os.fsencode(Path(relative).as_posix())) + "/"


def _as_geojson(sightings: Sequence[Sighting], *_: object) -> str:
    features = ",\n".join(
        json.dumps({"type": "Feature", "geometry": geometry, "properties": _fields(sighting)})
        for sighting in sightings
        if (geometry := _geometry(sighting.capture.position))
    )
    return f'{_GEOJSON_SIGNATURE}"features": [\n{features}\n]}}\n'


def _geometry(position: Position | None) -> dict[str, Any] | None:
    """Return a point as in RFC 7946: longitude first, then latitude, then metres."""
    if position is None:
        return None
    height = [] if position.altitude is None else [position.altitude]
    return {"type": "Point", "coordinates": [position.lon, position.lat, *height]}


def _as_csv(sightings: Sequence[Sighting], *_: object) -> str:
    rows = ({name: _inert(value) for name, value in _fields(one).items()} for one in sightings)
    return "".join(csv_lines(COLUMNS, rows))


def _inert(value: object) -> object:
    """Return a cell that a spreadsheet does not run as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _fields(sighting: Sighting) -> dict[str, Any]:
    capture, place = sighting.capture, sighting.capture.position
    values = (
        *(_utf8(sighting.photo.source), _utf8(sighting.photo.label)),
        *(capture.verdict, capture.detail),
        *(place and place.lat, place and place.lon, place and place.altitude),
        *(place and place.direction, capture.taken_at, capture.make, capture.model),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _utf8(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Writer:
    """How a kind of file is written, and what every such file of ours begins with."""

    write: Callable[[Sequence[Sighting], Path, Options], str]
    signature: str


WRITERS: Mapping[str, Writer] = {
    ".html": Writer(_as_html, SIGNATURE),
    ".geojson": Writer(_as_geojson, _GEOJSON_SIGNATURE),
    ".csv": Writer(_as_csv, ",".join(COLUMNS) + "\n"),
}
"""By the suffix of a file, in lower case."""
