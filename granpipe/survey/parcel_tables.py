"""Parcels of GeoPackage, Shapefile and GeoParquet: the extra `fields`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyarrow import parquet

from granpipe.survey.rings import CROPS, IDS, MOST_POSITIONS, Floats, checked_ring

Row = tuple[int, int, dict[str, Any], list[Floats], list[bool]]
"""A parcel's number, its own one in the file, `id` and `crop`, rings, and which are holes."""

_Box = tuple[float, float, float, float]
_AT_ONCE = 20_000  # rows of GeoParquet
_WGS84 = ("EPSG:4326", "OGC:CRS84")
# GDAL reads what a file holds, whatever it is called: also text that names other files and URLs.
_BEGINNINGS = {".gpkg": b"SQLite format 3\0", ".shp": b"\x00\x00\x27\x0a"}
_DAMAGED = (
    *(pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FieldError),
    *(pyogrio.errors.FeatureError, pyogrio.errors.GeometryError, shapely.errors.ShapelyError),
    *(RuntimeError, AttributeError),  # of pyarrow; and of `geo` that is no object
)
_OTHER = "is not in WGS 84; export it with the coordinates EPSG:4326"


def read_tables(url: str, wanted: Mapping[str, str], boxes: Sequence[_Box]) -> Iterator[Row]:
    """Yield the parcels of a file that touch boxes, and perhaps others.

    Raises
    ------
    OSError, ValueError
        It cannot be read, is not in WGS 84, or lacks a column.
    """
    if "://" in url:
        raise ValueError("is read from a disk alone; copy it there, or export it as GeoJSON")
    if not Path(url).exists():
        raise FileNotFoundError(url)
    is_parquet = url.lower().endswith((".parquet", ".geoparquet"))
    if not is_parquet:
        _check_kind(Path(url))
    try:
        yield from (_of_parquet if is_parquet else _by_gdal)(url, wanted, boxes)
    except _DAMAGED as error:
        raise ValueError(f"cannot be read: {error}") from error


def _check_kind(path: Path) -> None:
    beginning = _BEGINNINGS.get(path.suffix.lower())
    with path.open("rb") as file:
        if not beginning or file.read(len(beginning)) != beginning:
            raise ValueError(
                "is no GeoPackage (.gpkg), Shapefile (.shp) or GeoParquet (.parquet); export it as "
                "one of these, or as GeoJSON"
            )


def _columns(listed: Sequence[str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the columns of ids and crops, as far as there are such."""
    lower = {name.lower(): name for name in listed}
    found = {}
    for kind, option, usual in (("id", "field-id", IDS), ("crop", "field-crop", CROPS)):
        name = wanted[option]
        if name and name not in listed:
            raise ValueError(
                f"has no column {name}, as --{option} says, but {', '.join(listed[:20])}"
            )
        chosen = name or next((lower[one] for one in usual if one in lower), "")
        if chosen:
            found[kind] = chosen
    return found


def _by_gdal(url: str, wanted: Mapping[str, str], boxes: Sequence[_Box]) -> Iterator[Row]:
    info = pyogrio.read_info(url)
    if info["crs"] not in _WGS84:
        raise ValueError(_OTHER)
    columns = _columns([*info["fields"]], wanted)
    seen: set[int] = set()
    for box in boxes:
        meta, numbers, shapes, values = pyogrio.raw.read(
            url, columns=[*columns.values()], bbox=box, return_fids=True
        )
        order = [*meta["fields"]]
        for at, number in enumerate(numbers.tolist()):
            if number not in seen and shapes[at] is not None:
                seen.add(number)
                cells = {kind: values[order.index(name)][at] for kind, name in columns.items()}
                rings, holes = _rings(shapely.from_wkb(shapes[at]))
                if rings:
                    yield number, number, cells, rings, holes


def _of_parquet(url: str, wanted: Mapping[str, str], boxes: Sequence[_Box]) -> Iterator[Row]:
    with parquet.ParquetFile(url) as file:
        cells = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        shape = cells.get("primary_column", "geometry")
        about = cells.get("columns", {}).get(shape, {})
        crs = about.get("crs", "default")
        name = (crs or {}).get("id", {}) if isinstance(crs, dict) else {}
        if crs != "default" and f"{name.get('authority')}:{name.get('code')}" not in _WGS84:
            raise ValueError(_OTHER)
        if about.get("encoding", "WKB") != "WKB":
            raise ValueError("has shapes that are not encoded as WKB; export it again")
        columns = _columns([one for one in file.schema_arrow.names if one != shape], wanted)
        number = 0
        for batch in file.iter_batches(_AT_ONCE, columns=[shape, *columns.values()]):
            shapes = shapely.from_wkb(batch.column(shape).to_numpy(zero_copy_only=False))
            bounds = shapely.bounds(shapes)
            near = np.zeros(len(shapes), bool)
            for west, south, east, north in boxes:
                near |= (
                    (bounds[:, 0] <= east)
                    & (bounds[:, 2] >= west)
                    & ((bounds[:, 1] <= north) & (bounds[:, 3] >= south))
                )
            for at in np.flatnonzero(near).tolist():
                cells = {kind: batch.column(one)[at].as_py() for kind, one in columns.items()}
                rings, holes = _rings(shapes[at])
                if rings:
                    yield number + at + 1, number + at + 1, cells, rings, holes
            number += len(shapes)


def _rings(shape: Any) -> tuple[list[Floats], list[bool]]:
    """Return the rings of an area; none of what is none."""
    if shape is None or shape.geom_type not in {"Polygon", "MultiPolygon"}:
        return [], []
    if shapely.get_num_coordinates(shape) > MOST_POSITIONS:
        raise ValueError(f"a parcel has over {MOST_POSITIONS:,} positions; simplify it")
    rings, holes = [], []
    for part in shapely.get_parts(shape):
        for place, ring in enumerate(shapely.get_rings(part)):
            rings.append(checked_ring(shapely.get_coordinates(ring)))
            holes.append(place > 0)
    return rings, holes
