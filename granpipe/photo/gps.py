"""EXIF's GPS tags -> a position, or the reason that there is none.

Tags as in Exif 2.32, section 4.6.6 (and Exif 3.0 for the altitude references 2 and 3).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

VERDICTS = {
    "ok": "has a position",
    "no_exif": "no metadata; messengers such as WhatsApp remove it, copy the original",
    "no_gps": "no position; the camera's location was off, or sharing removed it",
    "unreadable": "the photograph or its EXIF block is damaged, or of a kind that is not read",
    "zero_denominator": "a coordinate is a fraction over 0",
    "null_island": "both coordinates are 0: the camera had no fix",
    "out_of_range": "no such latitude, longitude, minute or second",
    "missing_ref": "north or south, east or west is not said",
    "bad_ref": "north or south, east or west is said in no known way",
    "void_fix": "the receiver marked its fix as void",
}
"""Every verdict on a photograph's position, with its meaning."""

_REFS = {
    "latitude": {"n": 1, "north": 1, "s": -1, "south": -1},
    "longitude": {"e": 1, "east": 1, "w": -1, "west": -1},
}
MOST_ACCURACY, MOST_DOP = 100_000.0, 1_000.0  # above, they are none
_LIMITS = {"latitude": 90, "longitude": 180}
_COORDINATES = ("LatitudeRef", "Latitude", "LongitudeRef", "Longitude")
_BELOW_SEA_LEVEL = (1, 3)
_BELOW_AS_TEXT = ("\1", "\3")  # a number in a tag of text
NORTHS = {"T": "true", "TRUE": "true", "M": "magnetic", "MAGNETIC": "magnetic"}
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?")
_BETWEEN_NUMBERS = re.compile(r"(?:,?\s|[:;°'\"])+")
_LONGEST_QUOTE = 60
_PADDING = " \0\t\r\n"


@dataclass(frozen=True, slots=True)
class Position:
    """A place on earth.

    Attributes
    ----------
    lat, lon : float
        Decimal degrees, WGS 84; north and east are positive.
    altitude : float or None
        Metres above sea level (below: negative).
    direction : float or None
        Degrees clockwise from north that the camera looked to.
    direction_ref : str
        Which north: `true` or `magnetic`; empty where EXIF does not say, or gives no direction.
    accuracy : float or None
        Metres by which the place may be wrong, sideways.
    dop : float or None
        Dilution of precision, without a unit: how well the satellites stood.
    position_from : str
        What says so: `exif`, `xmp`, `sidecar`, `track` or `table`; of several, the first.
    """

    lat: float
    lon: float
    altitude: float | None = None
    direction: float | None = None
    direction_ref: str = ""
    accuracy: float | None = None
    dop: float | None = None
    position_from: str = "exif"


class _NoPosition(Exception):  # noqa: N818 - not an error of the program
    def __init__(self, verdict: str, detail: str = "") -> None:
        self.verdict = verdict
        self.detail = detail


def best_of(judged: Sequence[tuple[str, Position | None]]) -> tuple[str, Position | None]:
    """Return the first verdict with a position, or else the first that says more than `no_gps`."""
    return min(judged, key=lambda found: (found[1] is None, found[0] == "no_gps"))


def locate(tags: dict[str, Any], block: bytes = b"") -> tuple[str, str, Position | None]:
    """Judge the GPS tags of one photograph.

    Parameters
    ----------
    tags : dict
        Tags by name as `exifread.process_file` returns them.
    block : bytes
        The TIFF block that the tags were read from; with it, tags that point past its end are
        noticed. exifread reads such values as zeros.

    Returns
    -------
    verdict : str
        A key of `VERDICTS`.
    detail : str
        More about it; may be empty.
    position : Position or None
        Set if and only if the verdict is `ok`.

    Examples
    --------
    >>> locate({})
    ('no_gps', '', None)
    """
    gps = {name[7:]: tag for name, tag in tags.items() if name.startswith("GPS GPS")}
    gps.setdefault("HPositioningError", tags.get("GPS Tag 0x001F"))  # as exifread calls it
    try:
        if block:
            _check_whole(tags, gps, block)
        position = _position(gps)
    except _NoPosition as cause:
        return cause.verdict, cause.detail, None
    return "ok", _datum_note(gps), position


def _check_whole(tags: dict[str, Any], gps: dict[str, Any], block: bytes) -> None:
    """Check that the first table of tags, the GPS tags' and the coordinates are in the block.

    What else is cut off is read as if it were not there.
    """
    order: Literal["little", "big"] = "little" if block[:1] == b"I" else "big"
    pointers = [tag.values[:1] for name, tag in tags.items() if name.endswith(" GPSInfo")]
    starts = [int.from_bytes(block[4:8], order)]
    starts += [start for values in pointers for start in values if isinstance(start, int)]
    tables = [start + 2 + 12 * int.from_bytes(block[start : start + 2], order) for start in starts]
    coordinates = [gps[name] for name in _COORDINATES if name in gps]
    ends = tables + [tag.field_offset + tag.field_length for tag in coordinates]
    if min(starts) < 8 or max(ends) > len(block):
        raise _NoPosition("unreadable", "EXIF is damaged: its tags point outside it")


def _position(gps: dict[str, Any]) -> Position:
    given = {axis: values for axis in _REFS if (values := numbers_of(gps.get(axis.capitalize())))}
    if not given:
        raise _NoPosition("no_gps", "")
    if len(given) == 1:
        raise _NoPosition("no_gps", f"there is a {min(given)} only")
    if text_of(gps.get("Status")).upper() == "V":
        raise _NoPosition("void_fix")
    lat, lon = (_degrees(gps[axis.capitalize()], axis, values) for axis, values in given.items())
    if lat == 0 == lon:
        raise _NoPosition("null_island")
    lat, lon = _signed(gps, "latitude", lat), _signed(gps, "longitude", lon)
    direction = _direction(gps)
    north = "" if direction is None else NORTHS.get(text_of(gps.get("ImgDirectionRef")).upper(), "")
    accuracy = _positive(gps.get("HPositioningError"), MOST_ACCURACY)
    dop = _positive(gps.get("DOP"), MOST_DOP)
    return Position(lat, lon, _altitude(gps), direction, north, accuracy, dop)


def _degrees(tag: Any, axis: str, given: list[float | None]) -> float:
    """Return degrees with the sign of the numbers; the reference has not been looked at."""
    if len(given) == 3 and given[2] is None and _is_zero_over_zero(tag.values[2]):
        given = given[:2]
    values = [value for value in given if value is not None]
    if len(values) < len(given):
        raise _NoPosition("zero_denominator", _quote(axis, tag))
    if len(values) > 3 or not all(math.isfinite(value) for value in values):
        raise _NoPosition("unreadable", f"{axis} is no degrees, minutes and seconds")
    sizes = [abs(value) for value in values] + [0.0, 0.0]
    degrees = sizes[0] + sizes[1] / 60 + sizes[2] / 3600
    # ExifTool writes 11.2 degrees as 11 11 60: exactly 60 is carried over, above it is damage.
    if max(sizes[1:]) > 60 or degrees > _LIMITS[axis]:
        raise _NoPosition("out_of_range", _quote(axis, tag))
    return math.copysign(degrees, min(values))


def _quote(axis: str, tag: Any) -> str:
    return f"{axis} {' '.join(str(tag).split())[:_LONGEST_QUOTE]}"


def _signed(gps: dict[str, Any], axis: str, degrees: float) -> float:
    ref = text_of(gps.get(f"{axis.capitalize()}Ref"))
    if not ref:
        raise _NoPosition("missing_ref", f"of the {axis}")
    sign = _REFS[axis].get(ref.lower())
    if sign is None:
        raise _NoPosition("bad_ref", f"{axis} ref {ref[:20]!r}")
    if degrees < 0 < sign:
        raise _NoPosition("bad_ref", f"{axis} is negative, yet its ref is {ref[:20]!r}")
    return round(sign * abs(degrees), 7) + 0.0  # never -0.0


def _altitude(gps: dict[str, Any]) -> float | None:
    altitude = _single(gps.get("Altitude"))
    if altitude is None:
        return None
    ref = gps.get("AltitudeRef")
    below = _single(ref) in _BELOW_SEA_LEVEL or text_of(ref) in _BELOW_AS_TEXT
    return round(-abs(altitude) if below else altitude, 3) + 0.0  # never -0.0


def _direction(gps: dict[str, Any]) -> float | None:
    direction = _single(gps.get("ImgDirection"))
    return round(direction, 3) % 360 if direction is not None and 0 <= direction <= 360 else None


def _positive(tag: Any, most: float) -> float | None:
    """Return a number above 0 and up to a limit; beyond, as of Android's 0, it says nothing."""
    number = _single(tag)
    return round(number, 3) if number is not None and 0.0005 <= number <= most else None


def _datum_note(gps: dict[str, Any]) -> str:
    datum = text_of(gps.get("MapDatum"))
    is_wgs84 = re.sub(r"[^A-Z0-9]", "", datum.upper()) in {"", "WGS84", "WGS1984"}
    return "" if is_wgs84 else f"datum {datum[:40]!r} taken for WGS 84"


def numbers_of(tag: Any) -> list[float | None]:
    """Return a tag's numbers; None means a fraction over 0, NaN for text that is no number."""
    values = getattr(tag, "values", [])
    if not isinstance(values, str | bytes):
        return [_number(value) for value in values]
    words = [word for word in _BETWEEN_NUMBERS.split(text_of(tag)) if word]
    return [float(word) if _NUMBER.fullmatch(word) else math.nan for word in words]


def _number(value: Any) -> float | None:
    if isinstance(value, tuple):  # exifread leaves FLOAT and DOUBLE in tuples of one
        value = value[0]
    try:
        return float(value)
    except ZeroDivisionError:
        return None


def _is_zero_over_zero(value: Any) -> bool:
    return (value.num, value.den) == (0, 0)


def _single(tag: Any) -> float | None:
    values = numbers_of(tag)
    return values[0] if values and values[0] is not None and math.isfinite(values[0]) else None


def text_of(tag: Any) -> str:
    """Return a tag's value as text without padding, or an empty text where there is none."""
    values = getattr(tag, "values", "")
    if isinstance(values, str):  # as nearly always
        return values.strip(_PADDING)
    if isinstance(values, list) and all(isinstance(value, int) for value in values):
        values = bytes(value & 255 for value in values)
    if isinstance(values, bytes):
        values = values.decode("utf-8", "replace")
    return values.strip(_PADDING) if isinstance(values, str) else ""
