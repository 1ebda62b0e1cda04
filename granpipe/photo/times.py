"""EXIF's times -> the camera's local time, and what it is ahead of UTC.

Tags as in Exif 2.32, sections 4.6.5 and 4.6.6. The time and offset of the last modification
(`DateTime`, `OffsetTime`) are not those of the photograph.
"""

import math
import re
from datetime import datetime, timedelta
from typing import Any

from granpipe.photo.gps import numbers_of, text_of

_PLAIN = re.compile(r"[0-9]{4}:[0-9]{2}:[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_TIME = re.compile(
    r"([0-9]{4})[:/.-]([0-9]{1,2})[:/.-]([0-9]{1,2})[ T]+"
    r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,:][0-9]*)?\s*([Zz]|[+-][0-9:]{1,5})?"
)
_DATE = re.compile(r"([0-9]{4})[:/.-]([0-9]{1,2})[:/.-]([0-9]{1,2})")
_OFFSET = re.compile(r"([+-])(0?[0-9]|1[0-4])(?::?([0-5][0-9]))?")
_BLANK = re.compile(r"[\s0:/.-]*")
_TIMES = (
    ("EXIF DateTimeOriginal", "EXIF OffsetTimeOriginal"),
    ("EXIF DateTimeDigitized", "EXIF OffsetTimeDigitized"),
)
_QUARTER, _DAY = 15, 24 * 60
# Minutes ahead of UTC of all clocks by which anybody lives; most are whole hours.
_OFFSETS = frozenset(range(-720, 841, 60)) | {
    *(-570, -270, -210, -150, 210, 270, 330, 345, 390, 510, 525, 570, 630, 690, 765, 825)
}


def read_time(tags: dict[str, Any], lon: float | None = None) -> tuple[str, str, str]:
    """Return when a photograph was taken.

    Parameters
    ----------
    tags : dict
        As `granpipe.photo.tags.read_tags` returns them.
    lon : float, optional
        Its longitude in degrees, which decides between two days where GPS gives a time alone.

    Returns
    -------
    taken_at : str
        Local time as ISO 8601, to the second, without an offset; or empty.
    utc_offset : str
        What it is ahead of UTC, as +02:00; or empty.
    utc_offset_from : str
        `exif` where the offset is written beside the time, `gps` where it is the difference to the
        time of the position, to the quarter of an hour; empty where there is none.
    """
    for time, offset in _TIMES:
        text = text_of(tags.get(time))
        if _BLANK.fullmatch(text):
            continue
        moment, zone = _parsed(text)
        if moment is None:
            return "", "", ""  # a scan's own time would pass for the photograph's
        zone = _offset(text_of(tags.get(offset))) or zone
        if zone:
            return moment.isoformat(), zone, "exif"
        minutes = _minutes_ahead(moment, tags, lon)
        if minutes is None:
            return moment.isoformat(), "", ""
        return moment.isoformat(), _zone(minutes), "gps"
    return "", "", ""


def _parsed(text: str) -> tuple[datetime | None, str]:
    """Return the moment and the offset that a text gives; None and nothing where it gives none."""
    try:
        if _PLAIN.fullmatch(text):  # as nearly always, and eight times as fast
            return datetime.fromisoformat(f"{text[:4]}-{text[5:7]}-{text[8:]}"), ""
        found = _TIME.fullmatch(text)
        if not found:
            return None, ""
        moment = datetime(*map(int, found.groups()[:6]))  # type: ignore[arg-type]
    except ValueError:
        return None, ""
    return moment, _offset(found[7] or "")


def _offset(text: str) -> str:
    """Return what an offset means, as +05:30; nothing where it is none.

    Exif 2.32 has that form alone (section 4.6.6), and programs write +0530, +5:30, +05 and Z, too.
    """
    if text in {"Z", "z"}:
        return "+00:00"
    found = _OFFSET.fullmatch(text)
    return f"{found[1]}{found[2]:0>2}:{found[3] or '00'}" if found else ""


def _minutes_ahead(local: datetime, tags: dict[str, Any], lon: float | None) -> int | None:
    """Return how many minutes a local time is ahead of GPS's, if any clock is so much ahead."""
    seconds = _seconds_of_day(tags.get("GPS GPSTimeStamp"))
    if seconds is None:
        return None
    date = _DATE.fullmatch(text_of(tags.get("GPS GPSDate")))
    if not date:
        return _without_date(local, seconds, lon) if seconds else None
    try:
        midnight = datetime(*map(int, date.groups()))  # type: ignore[arg-type]
        ahead = local - midnight - timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None
    minutes = round(ahead.total_seconds() / 60 / _QUARTER) * _QUARTER
    return minutes if minutes in _OFFSETS else None


def _without_date(local: datetime, seconds: float, lon: float | None) -> int | None:
    """Return the offset where the day is not known; two clocks may be a day apart."""
    here = local.hour * 3600 + local.minute * 60 + local.second
    minutes = round((here - seconds) / 60 / _QUARTER) * _QUARTER
    fitting = sorted(offset for offset in _OFFSETS if (offset - minutes) % _DAY == 0)
    if len(fitting) > 1 and lon is None:
        return None
    return min(fitting, key=lambda offset: abs(offset - 4 * (lon or 0)), default=None)


def _seconds_of_day(tag: Any) -> float | None:
    numbers = [number for number in numbers_of(tag) if number is not None]
    if len(numbers) != 3 or not all(math.isfinite(number) for number in numbers):
        return None
    hours, minutes, seconds = numbers
    if not (0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds <= 60):
        return None
    return hours * 3600 + minutes * 60 + seconds


def _zone(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
