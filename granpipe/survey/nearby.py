"""Which parcels lie near which photographs, by their boxes."""

import math
from collections.abc import Iterator

import numpy as np

from granpipe.dataset.places import ranges
from granpipe.survey.rings import Bounds
from granpipe.survey.view import Floats, Numbers

_ROW = 0.01  # degrees of latitude
_WIDE = 1024.0  # more than the degrees of a row
_METRES = 111_000.0  # of a degree of latitude, at least about
_TILE, _MOST_TILES = 0.25, 400


def in_rows(lat: Floats, lon: Floats) -> Numbers:
    """Return the order of places: by rows of latitude, and from west to east in each."""
    return np.argsort(_keys(lat, lon), kind="stable")


def _keys(lat: Floats, lon: Floats) -> Floats:
    keys: Floats = np.floor((lat + 90) / _ROW) * _WIDE + (lon + 180)
    return keys


class Nearby:
    """Photographs, in rows of latitude.

    Parameters
    ----------
    lat, lon : ndarray of shape (n,)
        In degrees.
    reach : ndarray of shape (n,)
        Metres from each to a parcel, at most.
    """

    def __init__(self, lat: Floats, lon: Floats, reach: Floats) -> None:
        self.lat, self.lon, self.reach = lat, lon, reach
        self.order = in_rows(lat, lon)
        self.keys = _keys(lat, lon)[self.order]

    def pairs(self, bounds: Floats) -> tuple[Numbers, Numbers]:
        """Return photographs and the boxes that they are near, of shape (m, 4).

        West may be below -180, and east above 180.
        """
        up = float(self.reach.max()) / _METRES
        south, north = bounds[:, 1] - up, bounds[:, 3] + up
        farthest = np.maximum(np.abs(south), np.abs(north))
        aside = np.full(len(bounds), 360.0)
        flat = farthest < 89.9
        aside[flat] = up / np.cos(np.radians(farthest[flat]))
        first = np.floor((np.maximum(south, -90) + 90) / _ROW).astype(np.int64)
        last = np.floor((np.minimum(north, 90) + 90) / _ROW).astype(np.int64)
        counts = last - first + 1
        box = np.repeat(np.arange(len(bounds)), counts)
        row = ranges(first, counts)
        west, east = (bounds[:, 0] - aside)[box] + 180, (bounds[:, 2] + aside)[box] + 180
        found = [self._between(row, west, east, box)]
        found += [
            self._between(row[some], west[some] + turn, east[some] + turn, box[some])
            for some, turn in ((west < 0, 360.0), (east > 360, -360.0))
        ]
        photo, near = (np.concatenate(parts) for parts in zip(*found, strict=True))
        # A row of latitude is wider than most photographs see; at a pole edges leave their boxes.
        own, lat = self.reach[photo] / _METRES, self.lat[photo]
        is_level = (lat >= bounds[near, 1] - own) & (lat <= bounds[near, 3] + own) | ~flat[near]
        photo, near = photo[is_level], near[is_level]
        both = np.unique(np.stack([photo, near], axis=1), axis=0)
        return both[:, 0], both[:, 1]

    def _between(
        self, row: Numbers, west: Floats, east: Floats, box: Numbers
    ) -> tuple[Numbers, Numbers]:
        start = np.searchsorted(self.keys, row * _WIDE + np.clip(west, 0, 360), "left")
        stop = np.searchsorted(self.keys, row * _WIDE + np.clip(east, 0, 360), "right")
        sizes = np.where((east >= 0) & (west <= 360), np.maximum(stop - start, 0), 0)
        return self.order[ranges(start, sizes)], np.repeat(box, sizes)

    def boxes(self) -> list[Bounds]:
        """Return some boxes around all photographs and what is near them."""
        side = _TILE
        while True:
            tile = np.floor(self.lat / side) * 10_000 + np.floor(self.lon / side)
            names = np.unique(tile)
            if len(names) <= _MOST_TILES:
                break
            side *= 2
        return [box for name in names for box in self._around(np.flatnonzero(tile == name))]

    def _around(self, photos: Numbers) -> Iterator[Bounds]:
        lat, lon = self.lat[photos], self.lon[photos]
        up = float(self.reach.max()) / _METRES
        south, north = max(-90.0, float(lat.min()) - up), min(90.0, float(lat.max()) + up)
        farthest = max(abs(south), abs(north))
        aside = up / math.cos(math.radians(farthest)) if farthest < 89.9 else 360.0
        west, east = float(lon.min()) - aside, float(lon.max()) + aside
        if east - west >= 360:
            west, east = -180.0, 180.0
        yield max(west, -180.0), south, min(east, 180.0), north
        if west < -180:
            yield west + 360, south, 180.0, north
        if east > 180:
            yield -180.0, south, east - 360, north
