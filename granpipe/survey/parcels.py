"""Parcels of a file: which fields there are, and what was declared to grow on them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from granpipe.errors import DatasetError, LayoutError, one_line
from granpipe.stores.urls import open_file
from granpipe.survey.geojson_features import read_features
from granpipe.survey.rings import (
    AREAS,
    CROPS,
    IDS,
    Bounds,
    Floats,
    OtherSystemError,
    Rings,
    jumps,
    rings_of,
    unwrapped,
)

_TABLES = (".gpkg", ".shp", ".parquet", ".geoparquet")
_LONGEST = 200
_MOST_NAMED = 3  # parcels that are not used


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """A field.

    Attributes
    ----------
    number : int
        Its place in the file.
    name, crop : str
        Its id; what is declared to grow on it, which may be empty.
    rings : list of ndarray of shape (n, 2)
        Longitudes and latitudes in degrees; the first and the last are the same.
    holes : list of bool
        Which of them are holes.
    turns : sequence of float
        1 for each ring that has the field to its left, and -1 where it is to the right.
    """

    number: int
    name: str
    crop: str
    rings: list[Floats]
    holes: list[bool]
    turns: Sequence[float] = ()

    def bounds(self) -> Bounds:
        """Return its box; west may be below -180, and east above 180."""
        west, east = math.inf, -math.inf
        south = min(float(ring[:, 1].min()) for ring in self.rings)
        north = max(float(ring[:, 1].max()) for ring in self.rings)
        for ring in self.rings:
            lon = ring[:, 0]
            lon = unwrapped(lon) if jumps(lon) else lon
            if abs(lon[-1] - lon[0]) > 180:  # around a pole
                pole = math.copysign(90.0, float(ring[:, 1].mean()))
                return -180.0, min(south, pole), 180.0, max(north, pole)
            west, east = min(west, float(lon.min())), max(east, float(lon.max()))
        return west, south, east, north


class ParcelFile:
    """A file of parcels, to be read one after another.

    Parameters
    ----------
    url : str
        GeoJSON on a disk or s3://; GeoPackage, Shapefile or GeoParquet on a disk.
    name_of, crop_of : str
        What their ids and crops are called in it; empty for the usual names.

    Attributes
    ----------
    used, unused : int
        How many parcels it gave, and how many are not as they must be.
    """

    def __init__(self, url: str, name_of: str = "", crop_of: str = "") -> None:
        self.url = url
        self.wanted = {"field-id": name_of, "field-crop": crop_of}
        self.used = self.unused = 0
        self._reasons: list[str] = []

    def near(self, boxes: Sequence[Bounds]) -> Iterator[Parcel]:
        """Yield the parcels that touch boxes, and perhaps others.

        DatasetError means that the file cannot be read, is not in WGS 84, lacks a column, or has no
        usable parcel.
        """
        try:
            if self.url.lower().endswith((".json", ".geojson")):
                yield from self._of_geojson()
            else:
                yield from self._of_tables(boxes)
        except FileNotFoundError as error:
            raise LayoutError(f"{self.url}: no such file of parcels; name one") from error
        except OSError as error:
            raise DatasetError(f"{self.url}: {error.strerror or one_line(error)}") from error
        except RecursionError as error:
            raise DatasetError(f"{self.url}: lists in lists too deep for any parcel") from error
        except (ValueError, LookupError, TypeError, OverflowError) as error:
            raise DatasetError(f"{self.url}: {one_line(error)}") from error

    def line(self) -> str:
        """Return which parcels are not used and why; nothing where all are."""
        if not self.unused:
            return ""
        more = f", and {self.unused - _MOST_NAMED:,} more" if self.unused > _MOST_NAMED else ""
        return f"{self.url}: not used: parcel {', '.join(self._reasons)}{more}"

    def _parcels(
        self, number: int, name: str, crop: str, read: Callable[[Any], Rings], shape: Any
    ) -> Iterator[Parcel]:
        """Yield a parcel, if its shape is an area that can be used."""
        try:
            rings, holes = read(shape)
        except OtherSystemError:
            raise
        except ValueError as error:
            self.unused += 1
            self._reasons += [f"{name} ({one_line(error)})"] if self.unused <= _MOST_NAMED else []
            return
        if rings:
            self.used += 1
            yield Parcel(number, name, crop, rings, holes)

    def _of_geojson(self) -> Iterator[Parcel]:
        store, name = open_file(self.url)
        seen: set[str] = set()
        keys: tuple[str, ...] | None = None
        ids: list[str] = []
        crops: list[str] = []
        for number, feature in enumerate(read_features(store.pieces(name)), 1):
            columns = feature.get("properties")
            columns = columns if isinstance(columns, dict) else {}
            if keys != tuple(columns):  # mostly those of the one before
                keys = tuple(columns)
                seen.update(keys)
                ids = _named(keys, self.wanted["field-id"], IDS)
                crops = _named(keys, self.wanted["field-crop"], CROPS)
            own = None if self.wanted["field-id"] else feature.get("id")
            title = _text(own) or _first(columns, ids) or str(number)
            crop, shape = _first(columns, crops), feature.get("geometry")
            yield from self._parcels(number, title, crop, _rings, shape)
        for option, column in self.wanted.items():
            if column and column not in seen:
                listed = ", ".join(sorted(seen)[:20]) or "nothing"
                raise ValueError(f"has no property {column}, as --{option} says, but {listed}")
        if not self.used:
            none = "has no Polygon or MultiPolygon; export the layer of the parcels"
            raise ValueError(f"parcel {self._reasons[0]}" if self._reasons else none)

    def _of_tables(self, boxes: Sequence[Bounds]) -> Iterator[Parcel]:
        if not self.url.lower().endswith(_TABLES):
            endings = ", ".join((".geojson", ".json", *_TABLES))
            raise ValueError(f"does not end in {endings}; export it as GeoJSON")
        if "://" in self.url:
            raise ValueError("is read from a disk alone; copy it there, or export it as GeoJSON")
        store, name = open_file(self.url)
        store.head(name, 1)  # a file that is missing is no matter of extras
        try:
            from granpipe.survey import parcel_tables  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise DatasetError(
                f"{self.url}: needs an extra: pip install 'granpipe[fields]'; or export it as "
                "GeoJSON, ending in .geojson"
            ) from error
        for number, columns, shape in parcel_tables.read_tables(self.url, self.wanted, boxes):
            title, crop = _text(columns.get("id")) or str(number), _text(columns.get("crop"))
            yield from self._parcels(number, title, crop, parcel_tables.rings_in, shape)


def _named(keys: Sequence[str], wanted: str, usual: Sequence[str]) -> list[str]:
    """Return which columns to look at, the first first."""
    if wanted:
        return [wanted]
    lower = {key.lower(): key for key in keys}
    return [lower[name] for name in usual if name in lower]


def _first(columns: dict[str, Any], names: list[str]) -> str:
    return next((text for name in names if (text := _text(columns.get(name)))), "")


def _text(value: Any) -> str:
    """Return an id or a crop as text; empty where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | np.number):
        return ""
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return ""
        value = int(value) if float(value).is_integer() else float(value)
    # JSON can escape half a pair of UTF-16, which no file of UTF-8 can have.
    text = str(value).replace("\0", " ").encode("utf-8", "replace").decode()
    return " ".join(text.split())[:_LONGEST]


def _rings(geometry: Any) -> Rings:
    """Return the rings of a geometry of GeoJSON."""
    if not isinstance(geometry, dict):
        return [], []
    kind, parts = geometry.get("type"), geometry.get("coordinates") or []
    parts = [parts] if kind == "Polygon" else parts
    are_lists = isinstance(parts, list) and all(isinstance(part, list) for part in parts)
    if kind in AREAS and not are_lists:
        raise ValueError("its coordinates are no lists of rings")
    return rings_of(kind, parts)
