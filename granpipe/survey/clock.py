"""A camera's clock: what its time is in UTC."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from granpipe.errors import OptionError

_OFFSET = re.compile(r"([+-])(0?[0-9]|1[0-4]):?([0-5][0-9])?")
_SHIFT = re.compile(
    r"([+-]?)(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)s?)?"
)
_SECONDS = len("2024-06-30T10:15:00")
_MOST_SHIFT = 10 * 366 * 86_400.0


@dataclass(frozen=True, slots=True)
class Clock:
    """How cameras are set.

    Attributes
    ----------
    zone : tzinfo or None
        That of photographs that do not say their offset.
    shift : float
        Seconds that are added to the time of every photograph.
    """

    zone: tzinfo | None = None
    shift: float = 0.0

    def seconds(self, taken_at: str, utc_offset: str) -> float | str:
        """Return when a photograph was taken, in seconds since 1970 (UTC), or why nobody knows.

        Examples
        --------
        >>> Clock().seconds("1970-01-01T02:00:10", "+02:00")
        10.0
        >>> Clock().seconds("1970-01-01T02:00:10", "")
        'no offset'
        """
        if len(taken_at) != _SECONDS:
            return "no time"
        try:
            zone = _fixed(utc_offset) if utc_offset else self.zone
            if zone is None:
                return "no offset"
            moment = datetime.fromisoformat(taken_at).replace(tzinfo=zone)
            if moment.utcoffset() != moment.replace(fold=1).utcoffset():
                return "an hour that this zone's clocks have twice or never"
            return moment.timestamp() + self.shift
        except (ValueError, OverflowError):
            return "no time"


def _fixed(text: str) -> tzinfo | None:
    found = _OFFSET.fullmatch(text)
    if not found:
        return None
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-ahead if found[1] == "-" else ahead)


def parse_zone(text: str) -> tzinfo:
    """Return what a text such as +02:00 or Europe/Berlin means; raise OptionError for others."""
    if zone := _fixed(text):
        return zone
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - few need it

    try:
        # `localtime` is on many machines a file beside the zones, with this computer's own one.
        return ZoneInfo("" if text.casefold() == "localtime" else text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise OptionError(
            f"{text[:60]!r} is no offset as +02:00 and no zone as Europe/Berlin; where this "
            "machine knows no zones, pip install tzdata"
        ) from error


def parse_shift(text: str) -> float:
    """Return the seconds of a text such as -37s, +1h, 1h2m3s or 90; raise OptionError for others.

    Examples
    --------
    >>> parse_shift("-37s"), parse_shift("+1h2m3.5s"), parse_shift("90")
    (-37.0, 3723.5, 90.0)
    """
    found = _SHIFT.fullmatch(text.strip())
    parts = [float(part) if part else 0.0 for part in found.groups()[1:]] if found else []
    seconds = sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))
    if not found or not any(found.groups()[1:]) or seconds > _MOST_SHIFT:
        raise OptionError(f"{text[:60]!r} is no time to add, as -37s, +1h or 1h2m3s")
    return -seconds if found[1] == "-" else seconds
