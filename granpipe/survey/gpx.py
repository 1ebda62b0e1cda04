"""The points of a GPX file, 1.0 or 1.1; times that say no offset are UTC, as GPX 1.1 has it."""

import math
from array import array
from collections.abc import Iterable
from datetime import UTC, datetime

from granpipe.photo.strict import parser_of

LARGEST = 50_000_000
"""Bytes of a file."""

_DEEPEST, _LONGEST = 100, 60


class Points:
    """Points of a track, in the order of the file.

    Attributes
    ----------
    times, lats, lons, altitudes : array of float
        Seconds since 1970 (UTC); degrees; metres, NaN where there is none.
    """

    def __init__(self) -> None:
        self.times, self.lats, self.lons = array("d"), array("d"), array("d")
        self.altitudes = array("d")

    def __len__(self) -> int:
        return len(self.times)

    def add(self, time: float, lat: float, lon: float, altitude: float) -> None:
        """Take in a point."""
        self.times.append(time)
        self.lats.append(lat)
        self.lons.append(lon)
        self.altitudes.append(altitude)


def read_gpx(pieces: Iterable[bytes]) -> Points:
    """Return the points of tracks that have a time and a place.

    Raises
    ------
    ExpatError, ValueError, LookupError
        It is no GPX, is damaged or too large, or has a document type.

    Examples
    --------
    >>> point = b"<trkpt lat='46.9' lon='7.4'><time>2024-06-27T13:10:02Z</time></trkpt>"
    >>> read_gpx([b"<gpx><trk><trkseg>" + point + b"</trkseg></trk></gpx>"]).lats
    array('d', [46.9])
    """
    reader = _Reader()
    parser = parser_of(reader.start, reader.end, reader.text)
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > LARGEST:
            raise ValueError(f"larger than {LARGEST // 1_000_000} MB; split it")
        parser.Parse(piece, False)
    parser.Parse(b"", True)
    return reader.points


class _Reader:
    """Follows the elements of a file, and keeps the points of its tracks."""

    def __init__(self) -> None:
        self.points = Points()
        self._path: list[str] = []
        self._place: tuple[float, float] | None = None  # of the point that is read
        self._texts: dict[str, str] = {}
        self._words: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if not self._path and name != "gpx":
            raise ValueError("the element gpx is missing")
        if len(self._path) == _DEEPEST:
            raise ValueError(f"over {_DEEPEST} elements in one another")
        is_of_point = bool(self._path) and self._path[-1] == "trkpt"
        self._path.append(name)
        if name == "trkpt":
            self._place, self._texts = _place(attributes), {}
        self._words = [] if is_of_point and name in {"time", "ele"} else None

    def text(self, text: str) -> None:
        if self._words is not None:
            self._words.append(text[:_LONGEST])
            if len(self._words) > _LONGEST:
                self._words = None

    def end(self, _: str) -> None:
        name = self._path.pop()
        if self._words is not None:
            self._texts[name] = "".join(self._words).strip()
            self._words = None
        if name == "trkpt" and self._place:
            time = _seconds(self._texts.get("time", ""))
            if time is not None:
                self.points.add(time, *self._place, _altitude(self._texts.get("ele", "")))
            self._place = None


def _place(attributes: dict[str, str]) -> tuple[float, float] | None:
    try:
        lat, lon = float(attributes["lat"]), float(attributes["lon"])
    except (KeyError, ValueError):
        return None
    is_place = abs(lat) <= 90 and abs(lon) <= 180 and (lat or lon)  # which NaN is not
    return (lat, lon) if is_place else None


def _seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text.upper())
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


def _altitude(text: str) -> float:
    try:
        altitude = float(text)
    except ValueError:
        return math.nan
    return altitude if math.isfinite(altitude) else math.nan
