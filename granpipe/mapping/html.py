"""The map as an HTML page: what the page shows of the photographs."""

import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from granpipe.mapping.colours import COLOURS
from granpipe.mapping.extent import extent
from granpipe.mapping.feature import Features, MapOptions
from granpipe.mapping.land import outlines
from granpipe.mapping.overlay import written
from granpipe.mapping.page import SIGNATURE, front_coded, render_page
from granpipe.photo.exif import Capture
from granpipe.photo.gps import VERDICTS

__all__ = ["SIGNATURE", "write_html"]

_SPLITS = ("train", "validation", "test")
_NORTHS = {"true": 1, "magnetic": 2}


def write_html(features: Features, options: MapOptions) -> Iterator[str]:
    """Yield the page's text."""
    names = _Names(features)
    window = extent(names.lats, names.lons)
    data = {
        "title": options.title,
        "colours": COLOURS,
        "labels": list(names.labels),
        "totals": list(names.totals.values()),
        "zones": list(names.zones),
        "cameras": list(names.cameras),
        "splits": list(names.splits),
        "groups": list(names.groups),
        "points": front_coded(names.points(features)),
        "missing": names.missing(features),
        "reasons": VERDICTS,
        "links": options.links,
        "exports": options.exports,
        "picture": options.thumbnails,
        "bounds": window and [[window.south, window.west], [window.north, window.east]],
        "outliers": window.outliers if window else [],
        "digits": options.redact,
        "overlay": written(options.overlay, names.labels),
        "conflicts": names.conflicts(features, options.contradicted),
        "land": outlines(names.lats, names.lons),
    }
    yield from render_page(data, offline=options.offline)


class _Names:
    """Names that many photographs share, each with its number in the page.

    Beside them are the photographs of each label, and all positions, in their order.
    """

    def __init__(self, features: Features) -> None:
        self.lats, self.lons = array("d"), array("d")
        totals: Counter[str] = Counter()
        members: Counter[str] = Counter()
        cameras, zones, splits = set(), set(), set()
        for feature in features:
            totals[feature.photo.label] += 1
            if place := feature.capture.position:
                self.lats.append(place.lat)
                self.lons.append(place.lon)
                cameras.add(_camera(feature.capture))
                zones.add(feature.capture.utc_offset)
                splits.add(feature.split)
                members[feature.group] += 1
        self.totals = dict(sorted(totals.items()))
        self.labels = _numbered(totals)
        self.cameras = _numbered(cameras)
        self.zones = _numbered(zones)
        self.groups = _numbered(group for group, count in members.items() if group and count > 1)
        self.splits = (
            {split: k for k, split in enumerate(_in_order(splits))} if splits - {""} else {}
        )

    def points(self, features: Features) -> Iterator[list[Any]]:
        """Yield what the page shows of each photograph with a position."""
        for feature in features:
            capture, place = feature.capture, feature.capture.position
            if place is None:
                continue
            altitude = None if place.altitude is None else round(place.altitude, 1)
            direction = None if place.direction is None else round(place.direction) % 360
            nearest = None if feature.nearest_training is None else round(feature.nearest_training)
            digits, zone = _digits(capture.taken_at), self.zones[capture.utc_offset]
            point = [
                *(round(place.lat, 6), round(place.lon, 6)),
                *(self.labels[feature.photo.label], feature.photo.source, digits, zone),
                *(self.cameras[_camera(capture)], altitude, direction, feature.thumbnail or None),
                *(self.splits.get(feature.split), self.groups.get(feature.group), nearest),
                *(_NORTHS.get(place.direction_ref), place.accuracy and round(place.accuracy, 1)),
            ]
            while point[-1] is None:
                point.pop()
            yield point

    def conflicts(
        self, features: Features, contradicted: Collection[str]
    ) -> Iterator[tuple[int, str, str]]:
        """Yield the points whose field is declared to bear another crop: its id, and that."""
        placed = (feature for feature in features if feature.capture.position)
        for number, feature in enumerate(placed if contradicted else ()):
            if feature.field and feature.photo.source in contradicted:
                yield number, feature.field.name, feature.field.crop

    def missing(self, features: Features) -> Iterator[list[Any]]:
        """Yield what the page shows of each photograph without a position."""
        for feature in features if len(self.lats) < len(features) else ():
            if feature.capture.position is None:
                why = feature.capture.verdict, feature.capture.detail
                yield [feature.photo.source, self.labels[feature.photo.label], *why]


def _numbered(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted(names))}


def _in_order(splits: set[str]) -> list[str]:
    """Return train, validation and test in this order; the empty split comes last."""
    return [split for split in (*_SPLITS, *sorted(splits - {*_SPLITS, ""}), "") if split in splits]


def _digits(taken_at: str) -> int | None:
    """Return 2024-06-27T15:10:02 as 20240627151002, half as long in the page."""
    digits = re.sub("[^0-9]", "", taken_at)
    return int(digits) if digits else None


def _camera(capture: Capture) -> str:
    """Return make and model; most models name their make already."""
    if capture.model.lower().startswith(capture.make.lower()):
        return capture.model
    return f"{capture.make} {capture.model}".strip()
