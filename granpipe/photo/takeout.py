"""What Google Takeout writes beside a photograph, as JSON -> a position, or why there is none."""

import math
from typing import Any

from granpipe.photo.gps import Position, best_of
from granpipe.photo.strict import parse_json

LARGEST = 1_000_000
"""Bytes of such a file, of which a real one has two thousand."""

# The photograph's own, then what its owner or Google placed it at.
_PLACES = ("geoDataExif", "geoData")
_LIMITS = {"latitude": 90, "longitude": 180}


def locate_takeout(data: bytes) -> tuple[str, Position | None, str]:
    """Return verdict and position of a file of Takeout, and its photograph's name, maybe empty.

    Examples
    --------
    >>> locate_takeout(b'{"title": "a.jpg", "geoData": {"latitude": 0.0, "longitude": 0.0}}')
    ('null_island', None, 'a.jpg')
    """
    try:
        fields = parse_json(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return "unreadable", None, ""
    if len(data) > LARGEST or not isinstance(fields, dict):
        return "unreadable", None, ""
    title = fields.get("title")
    found = [_place(fields.get(name)) for name in _PLACES]
    verdict, position = best_of(found)
    return verdict, position, title if isinstance(title, str) else ""


def _place(fields: Any) -> tuple[str, Position | None]:
    if not isinstance(fields, dict) or None in map(fields.get, _LIMITS):
        return "no_gps", None
    degrees = [_number(fields[axis]) for axis in _LIMITS]
    if None in degrees:
        return "unreadable", None
    lat, lon = (round(number or 0.0, 7) + 0.0 for number in degrees)  # never -0.0
    if abs(lat) > _LIMITS["latitude"] or abs(lon) > _LIMITS["longitude"]:
        return "out_of_range", None
    if lat == 0 == lon:
        return "null_island", None
    altitude = _number(fields.get("altitude"))  # 0 where it has none
    return "ok", Position(lat, lon, round(altitude, 3) if altitude else None)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
