"""How far magnetic north is from true north, by the World Magnetic Model; offline.

Coefficients of 2010 to 2030 come with pygeomag, of the extra `fields`.
"""

from functools import cache, lru_cache
from typing import Any

_YEARS = range(2010, 2030)
_PLACES, _TIMES = 5, 4  # to a degree, and to a year, that the model is asked for


def declination(lat: float, lon: float, taken_at: str) -> float | None:
    """Return degrees from true north to magnetic north, to the east; None where nobody knows.

    That is without pygeomag or a time, in other years, and near the magnetic poles.
    """
    if not taken_at or int(taken_at[:4]) not in _YEARS:
        return None
    year = int(taken_at[:4]) + (int(taken_at[5:7]) - 0.5) / 12
    return _declination(round(lat * _PLACES), round(lon * _PLACES), int(year * _TIMES))


@lru_cache(100_000)
def _declination(lat: int, lon: int, time: int) -> float | None:
    try:
        from pygeomag.geomag import (  # noqa: PLC0415 - an extra
            BlackoutZoneException,
            CautionZoneException,
        )
    except ImportError:
        return None
    place = {"glat": lat / _PLACES, "glon": lon / _PLACES}
    try:
        found = _model(time // _TIMES).calculate(
            **place, alt=0, time=time / _TIMES, raise_in_warning_zone=True
        )
    except (BlackoutZoneException, CautionZoneException):
        return None
    return float(found.d)


@cache
def _model(year: int) -> Any:
    from pygeomag import GeoMag  # noqa: PLC0415 - an extra

    return GeoMag(base_year=year)
