"""Which part of the earth a map of some positions shows at first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FEWEST = 4
_NEAR = 0.9
_FAR = 10.0
_SMALLEST = 0.01

Degrees = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Extent:
    """A window on the earth, in decimal degrees.

    Attributes
    ----------
    south, west, north, east : float
        The edges; east exceeds 180 where the window crosses the antimeridian.
    outliers : list of int
        Indices of the positions outside, so far away that they would hide all the others.
    """

    south: float
    west: float
    north: float
    east: float
    outliers: list[int]


def extent(lats: Sequence[float], lons: Sequence[float]) -> Extent | None:
    """Return the smallest window that holds all positions but far outliers; None without any.

    Examples
    --------
    >>> extent([-17.0, -16.9], [179.9, -179.9])
    Extent(south=-17.0, west=179.9, north=-16.9, east=180.1, outliers=[])
    """
    if not lats:
        return None
    lat, lon = np.array(lats), _unwrapped(np.array(lons))
    outside = _outliers(lat, lon)
    lat, lon = lat[~outside], _unwrapped(lon[~outside])
    west = float((lon.min() + 180) % 360 - 180)
    east = west + float(lon.max() - lon.min())
    return Extent(
        south=float(lat.min()),
        west=round(west, 9),
        north=float(lat.max()),
        east=round(east, 9),
        outliers=np.flatnonzero(outside).tolist(),
    )


def _unwrapped(lon: Degrees) -> Degrees:
    """Return longitudes as one run of numbers, cut open at their widest gap."""
    around = np.sort(np.unique(lon % 360))
    gaps = np.diff(around, append=around[0] + 360)
    start = float(around[(gaps.argmax() + 1) % len(around)])
    return np.asarray((lon - start) % 360 + start)


def _outliers(lat: Degrees, lon: Degrees) -> NDArray[np.bool_]:
    """Return which positions are over ten times as far from the middle as nine in ten are."""
    middle_lat, middle_lon = np.median(lat), np.median(lon)
    away_lon = (lon - middle_lon + 180) % 360 - 180
    distances = np.hypot(lat - middle_lat, away_lon * np.cos(np.radians(middle_lat)))
    if len(lat) < _FEWEST:
        return np.zeros(len(lat), np.bool_)
    near = np.sort(distances)[int(_NEAR * (len(lat) - 1))]
    return np.asarray(distances > max(_FAR * near, _SMALLEST), np.bool_)
