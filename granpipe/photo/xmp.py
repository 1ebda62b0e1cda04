"""A packet of XMP -> a position, or the reason that there is none.

Properties as in the XMP specification, part 2, section 3.3 (Exif schema), and as DJI's drones write
them.
"""

import re
from xml.parsers import expat

from granpipe.photo.gps import MOST_ACCURACY, MOST_DOP, NORTHS, Position, best_of
from granpipe.photo.strict import parser_of

LARGEST = 1_000_000
"""Bytes of a packet."""

_EXIF, _DJI = "http://ns.adobe.com/exif/1.0/", "http://www.dji.com/drone-dji/1.0/"
_MARKS = (b"GPSLatitude", b"GpsLatitude")
_LONGEST_SPACE = 500  # characters of a namespace, which the parser copies with every name
_LONGEST, _DEEPEST = 100, 100
_NUMBER = r"[0-9]{1,9}(?:[.][0-9]{0,20})?"
# 48,12.5N and 48,12,30N of the specification; 48.2083, and 48.2083 N, of other programs.
_DEGREES = re.compile(rf"([+-]?{_NUMBER})(?:,({_NUMBER}))?(?:,({_NUMBER}))?\s*([NSEWnsew]?)")
_FRACTION = re.compile(rf"([+-]?{_NUMBER})(?:/({_NUMBER}))?")
_AXES = {"latitude": (90, "NS"), "longitude": (180, "EW")}
# By axis; GpsLongtitude is DJI's own spelling.
_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    _EXIF: (("GPSLatitude",), ("GPSLongitude",)),
    _DJI: (("GpsLatitude",), ("GpsLongitude", "GpsLongtitude")),
}
_Properties = dict[tuple[str, str], str]


def has_position(packet: bytes) -> bool:
    """Return whether a packet seems to say where something was taken."""
    return any(mark in packet for mark in _MARKS)


def locate_xmp(packet: bytes) -> tuple[str, Position | None]:
    """Return the verdict on the position in a packet of XMP, and the position if that is `ok`.

    Examples
    --------
    >>> locate_xmp(b"<x/>")
    ('no_gps', None)
    """
    if len(packet) > LARGEST:
        return "unreadable", None
    try:
        values = _properties(packet.strip(b"\0 \r\n\t"))
    except (expat.ExpatError, ValueError, LookupError):
        return "unreadable", None
    verdicts = [_position(values, space) for space in _NAMES]
    return best_of(verdicts)


def _position(values: _Properties, space: str) -> tuple[str, Position | None]:
    texts = [
        next((values[space, name] for name in names if (space, name) in values), "")
        for names in _NAMES[space]
    ]
    if not all(texts):
        return "no_gps", None
    if values.get((_EXIF, "GPSStatus"), "").upper() == "V":
        return "void_fix", None
    degrees = [_degrees(text, *_AXES[axis]) for text, axis in zip(texts, _AXES, strict=True)]
    for verdict in degrees:
        if isinstance(verdict, str):
            return verdict, None
    lat, lon = map(float, degrees)
    if lat == 0 == lon:
        return "null_island", None
    if space == _DJI:
        altitude = _number(values.get((_DJI, "AbsoluteAltitude")))
        return "ok", Position(lat, lon, altitude, position_from="xmp")
    return "ok", Position(lat, lon, _altitude(values), *_beside(values), "xmp")


def _degrees(text: str, limit: int, refs: str) -> float | str:
    """Return degrees, north and east positive, or the verdict on a text that gives none."""
    found = _DEGREES.fullmatch(text)
    if not found:
        return "unreadable"
    minutes, seconds, ref = float(found[2] or 0), float(found[3] or 0), found[4].upper()
    degrees = abs(float(found[1])) + minutes / 60 + seconds / 3600
    if ref and ref not in refs:
        return "bad_ref"
    if found[2] and not ref:
        return "missing_ref"
    if ref and found[1].startswith("-"):
        return "bad_ref"
    if max(minutes, seconds) > 60 or degrees > limit:
        return "out_of_range"
    is_negative = ref == refs[1] or found[1].startswith("-")
    return round(-degrees if is_negative else degrees, 7) + 0.0  # never -0.0


def _altitude(values: _Properties) -> float | None:
    altitude = _number(values.get((_EXIF, "GPSAltitude")))
    is_below = values.get((_EXIF, "GPSAltitudeRef")) == "1"
    return -abs(altitude) if is_below and altitude else altitude


def _beside(values: _Properties) -> tuple[float | None, str, float | None, float | None]:
    """Return direction, its north, accuracy and dilution of precision."""
    direction = _number(values.get((_EXIF, "GPSImgDirection")))
    direction = None if direction is None or not 0 <= direction <= 360 else direction % 360
    north = NORTHS.get(values.get((_EXIF, "GPSImgDirectionRef"), "").upper(), "")
    accuracy = _number(values.get((_EXIF, "GPSHPositioningError")))
    dop = _number(values.get((_EXIF, "GPSDOP")))
    return (
        direction,
        "" if direction is None else north,
        accuracy if accuracy and 0 < accuracy <= MOST_ACCURACY else None,
        dop if dop and 0 < dop <= MOST_DOP else None,
    )


def _number(text: str | None) -> float | None:
    """Return a number, or a fraction as XMP writes them: 5405/10."""
    found = _FRACTION.fullmatch(text or "")
    if not found or float(found[2] or 1) == 0:
        return None
    return round(float(found[1]) / float(found[2] or 1), 3) + 0.0


def _properties(packet: bytes) -> _Properties:
    """Return the properties of the two schemas: attributes, and elements of text."""
    values: _Properties = {}
    path: list[tuple[str, str]] = []
    words: list[str] = []

    def keep(key: tuple[str, str], text: str) -> None:
        if key[0] in _NAMES and len(text) <= _LONGEST:
            values.setdefault(key, text.strip())

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(path) == _DEEPEST:
            raise ValueError("too deep")
        path.append(_split(name))
        words.clear()
        for attribute, value in attributes.items():
            keep(_split(attribute), value)

    def end(_: str) -> None:
        keep(path.pop(), "".join(words))
        words.clear()

    parser = parser_of(start, end, words.append, separator=" ")
    parser.StartNamespaceDeclHandler = _check_space
    parser.Parse(packet, True)
    return values


def _split(name: str) -> tuple[str, str]:
    space, _, local = name.rpartition(" ")
    return space, local


def _check_space(_: str | None, space: str | None) -> None:
    if space and len(space) > _LONGEST_SPACE:
        raise ValueError("a namespace is too long")
