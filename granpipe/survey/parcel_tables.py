"""Parcels of GeoPackage, Shapefile and GeoParquet: the extra `fields`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyarrow import parquet

from granpipe.survey.rings import CROPS, IDS, Bounds, OtherSystemError, Rings, rings_of

ParcelRow = tuple[int, dict[str, Any], Any]
"""A parcel's number, its `id` and `crop`, and its shape."""

_AT_ONCE = 20_000  # rows of GeoParquet
_WGS84 = ("EPSG:4326", "OGC:CRS84")
# GDAL reads what a file holds, whatever it is called: also text that names other files and URLs.
_BEGINNINGS = {".gpkg": b"SQLite format 3\0", ".shp": b"\x00\x00\x27\x0a"}
_DAMAGED = (
    *(pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FieldError),
    *(pyogrio.errors.FeatureError, pyogrio.errors.GeometryError, shapely.errors.ShapelyError),
    *(RuntimeError, AttributeError),  # of pyarrow; and of `geo` that is no object
)


def read_tables(
    url: str, wanted: Mapping[str, str], boxes: Sequence[Bounds]
) -> Iterator[ParcelRow]:
    """Yield the parcels of a file that touch boxes, and perhaps others.

    Raises
    ------
    OSError, ValueError
        It cannot be read, is not in WGS 84, or lacks a column.
    """
    is_parquet = url.lower().endswith((".parquet", ".geoparquet"))
    if not is_parquet:
        _check_kind(Path(url))
    try:
        yield from (_of_parquet if is_parquet else _by_gdal)(url, wanted, boxes)
    except _DAMAGED as error:
        raise ValueError(f"cannot be read: {error}") from error


def _check_kind(path: Path) -> None:
    beginning = _BEGINNINGS[path.suffix.lower()]
    with path.open("rb") as file:
        if file.read(len(beginning)) != beginning:
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
        chosen = name or next((lower[column] for column in usual if column in lower), "")
        if chosen:
            found[kind] = chosen
    return found


def _by_gdal(url: str, wanted: Mapping[str, str], boxes: Sequence[Bounds]) -> Iterator[ParcelRow]:
    info = pyogrio.read_info(url)
    if info["crs"] not in _WGS84:
        raise OtherSystemError
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
                yield number, cells, shapely.from_wkb(shapes[at])


def _of_parquet(
    url: str, wanted: Mapping[str, str], boxes: Sequence[Bounds]
) -> Iterator[ParcelRow]:
    with parquet.ParquetFile(url) as file:
        cells = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        shape = cells.get("primary_column", "geometry")
        about = cells.get("columns", {}).get(shape, {})
        crs = about.get("crs", "default")
        code = (crs or {}).get("id", {}) if isinstance(crs, dict) else {}
        if crs != "default" and f"{code.get('authority')}:{code.get('code')}" not in _WGS84:
            raise OtherSystemError
        if about.get("encoding", "WKB") != "WKB":
            raise ValueError("has shapes that are not encoded as WKB; export it again")
        columns = _columns([name for name in file.schema_arrow.names if name != shape], wanted)
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
                cells = {kind: batch.column(name)[at].as_py() for kind, name in columns.items()}
                yield number + at + 1, cells, shapes[at]
            number += len(shapes)


def rings_in(shape: Any) -> Rings:
    """Return the rings of a shape; raise ValueError where they cannot be used."""
    rings = (shapely.get_rings(part) for part in shapely.get_parts(shape))
    parts = (map(shapely.get_coordinates, of_part) for of_part in rings)
    return rings_of(getattr(shape, "geom_type", None), parts)
