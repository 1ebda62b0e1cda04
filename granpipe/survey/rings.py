"""Rings of parcels: longitudes and latitudes in degrees, the first and the last the same."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Bounds = tuple[float, float, float, float]
"""West, south, east and north in degrees."""

Rings = tuple[list[Floats], list[bool]]
"""The rings of an area, and which of them are holes; none of what is no area."""

MOST_POSITIONS = 50_000
"""Positions of a parcel."""

AREAS = {"Polygon", "MultiPolygon"}
"""What GeoJSON calls them."""

IDS = ("id", "field_id", "parcel_id", "fid", "objectid")
CROPS = ("crop", "crop_name", "ec_hcat_n", "declared_crop", "culture")
"""What columns of names and of crops are called where nobody says so, in lower case."""


class OtherSystemError(ValueError):
    """Coordinates are not in WGS 84, and so those of the whole file."""

    def __init__(self) -> None:
        super().__init__("is not in WGS 84; export it with the coordinates EPSG:4326")


def checked_ring(positions: Any) -> Floats:
    """Return a ring, closed; raise ValueError for other than pairs of degrees."""
    try:
        ring = np.array(positions, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("a position is no pair of numbers") from error
    if not ring.size:
        return np.zeros((0, 2))
    if ring.ndim != 2 or ring.shape[1] < 2:
        raise ValueError("a position is no pair of numbers")
    ring = ring[:, :2]
    (west, south), (east, north) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
    # Some programs write 180.001 for what is across the antimeridian. NaN is in no range.
    if not (-360 <= west <= east <= 360 and -90 <= south <= north <= 90):
        raise OtherSystemError
    return ring if (ring[0] == ring[-1]).all() else np.concatenate([ring, ring[:1]])


def rings_of(kind: object, parts: Iterable[Iterable[Any]]) -> Rings:
    """Return the rings of an area, by its kind in GeoJSON and the positions of each of its parts.

    ValueError means that it cannot be used.
    """
    if kind == "GeometryCollection":
        raise ValueError("is a GeometryCollection; export its areas as a MultiPolygon")
    rings, holes, count = [], [], 0
    for part in parts if kind in AREAS else ():
        for place, positions in enumerate(part):
            ring = checked_ring(positions)
            count += len(ring)
            if count > MOST_POSITIONS:
                raise ValueError(f"has over {MOST_POSITIONS:,} positions; simplify it")
            if len(ring) >= 4:
                rings.append(ring)
                holes.append(place > 0)
    return rings, holes


def jumps(lon: Floats) -> bool:
    """Return whether longitudes go over more than half of the world, as across the antimeridian."""
    return bool(lon.max() - lon.min() > 180)


def unwrapped(lon: Floats) -> Floats:
    """Return longitudes without jumps across the antimeridian."""
    steps = np.diff(lon)
    return np.concatenate([lon[:1], lon[0] + np.cumsum(steps - 360 * np.rint(steps / 360))])


def turn_of(ring: Floats, *, is_hole: bool) -> float:
    """Return 1 where the field lies to the left of a ring, and -1 where to the right."""
    lon, lat = ring[:, 0], ring[:, 1]
    lon = unwrapped(lon) if jumps(lon) else lon - lon[0]
    if abs(lon[-1] - lon[0]) > 180:  # eastward around the north pole, that lies to the left
        is_left = (lon[-1] > lon[0]) == (lat.mean() > 0)
    else:
        height = lat - lat[0]
        is_left = float(lon[:-1] @ height[1:] - lon[1:] @ height[:-1]) > 0
    return 1.0 if is_left != is_hole else -1.0
