"""Parcels, ways and places that somebody lays over the map: GeoJSON (RFC 7946) or KML.

Such a file may come from anywhere. It is read up to a size, and whatever is wrong with it is one
error; its names are text, which the page never takes for markup.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.parsers.expat import ExpatError

from granpipe.dataset.names import class_key
from granpipe.errors import DatasetError, LayoutError
from granpipe.mapping.land import as_text
from granpipe.mapping.overlay_kml import read_kml
from granpipe.mapping.shape import AREA, LEAST, LINE, PLACE, Line, Shape
from granpipe.photo.strict import parse_json
from granpipe.stores.urls import open_file
from granpipe.survey.geojson_features import WGS84

LARGEST = 20_000_000
"""Bytes of a file."""
MOST_POSITIONS = 500_000
"""Positions of all files together: they take about 3 MB of the page."""

_UNITS = 1_000_000  # to a degree: 0.1 metres
_LONGEST_NAME = 200
_NAMES = ("name", "title", "label", "field", "parcel", "id")
_KINDS = {
    "Point": (PLACE, 0),
    "MultiPoint": (PLACE, 1),
    "LineString": (LINE, 1),
    "MultiLineString": (LINE, 2),
    "Polygon": (AREA, 2),
    "MultiPolygon": (AREA, 3),
}
"""What each geometry of GeoJSON is, and how deep its positions are in lists."""


def read_overlays(files: Iterable[str | os.PathLike[str]]) -> tuple[Shape, ...]:
    """Return the shapes of some files, in their order.

    Parameters
    ----------
    files : iterable of str or Path
        Files or s3:// URLs; what they hold shows whether it is GeoJSON or KML.

    Raises
    ------
    DatasetError
        One is missing, too large, no such file, or not in WGS 84.
    """
    shapes: list[Shape] = []
    for file in files:
        shapes.extend(_read(os.fspath(file)))
        count = sum(len(line) for shape in shapes for part in shape.parts for line in part)
        if count > MOST_POSITIONS:
            raise DatasetError(
                f"{file}: has too many positions ({count:,} of at most {MOST_POSITIONS:,}); "
                "simplify it"
            )
    return tuple(shapes)


def written(shapes: Sequence[Shape], labels: Mapping[str, int]) -> Iterator[list[Any]]:
    """Yield what web/overlay.js reads: name, kind, the positions as text, and of fields the crop.

    A crop that is called like a class has the class's number, and so its colour.
    """
    crops = {class_key(label): number for label, number in labels.items()}
    others = sorted({class_key(shape.crop) for shape in shapes if shape.crop} - crops.keys())
    crops |= {crop: number for number, crop in enumerate(others, len(crops))}
    for shape in shapes:
        parts = (" ".join(_text(line) for line in part) for part in shape.parts)
        beside = [] if shape.crop is None else [shape.crop, crops.get(class_key(shape.crop), -1)]
        yield [shape.name[:_LONGEST_NAME], shape.kind, ";".join(parts), *beside]


def _text(line: Line) -> str:
    lon = lat = 0
    steps: list[int] = []
    for east, north in line:
        steps += [round(east * _UNITS) - lon, round(north * _UNITS) - lat]
        lon, lat = lon + steps[-2], lat + steps[-1]
    return as_text(steps)


def _read(file: str) -> list[Shape]:
    store, name = open_file(file)
    try:
        data = store.head(name, LARGEST + 1)
    except FileNotFoundError as error:
        raise LayoutError(f"{file}: no such file; name a file to overlay") from error
    except OSError as error:
        raise DatasetError(f"{file}: {error.strerror or error}; name a file to overlay") from error
    if len(data) > LARGEST:
        raise DatasetError(f"{file}: is larger than {LARGEST // 1_000_000} MB; simplify it")
    try:
        shapes = [*_shapes(data.removeprefix(b"\xef\xbb\xbf").lstrip())]
        for shape in shapes:
            _check(shape)
    except RecursionError as error:
        raise DatasetError(
            f"{file}: lists in lists too deep for any map; export it again"
        ) from error
    except (ValueError, LookupError, OverflowError, ExpatError) as error:
        raise DatasetError(f"{file}: {_words(error)}") from error
    if not shapes:
        raise DatasetError(f"{file}: has no areas, lines or places; export the layer of them")
    return shapes


def _words(error: Exception) -> str:
    """Return what is wrong, in a line of bounded length."""
    if isinstance(error, _NotUsableError):
        return str(error)
    return f"is damaged: {' '.join(str(error).split())[:100]}; export it again"


class _NotUsableError(ValueError):
    """The file is whole, and of no use here; its text says why."""


def _shapes(data: bytes) -> Iterable[Shape]:
    if data[:1] in {b"{", b"["}:
        return _of_object(parse_json(data), "")
    if data[:1] == b"<" or data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return read_kml(data)
    if data.startswith(b"PK"):
        raise _NotUsableError(
            "is an archive, as .kmz and zipped shapefiles are; unpack or export it"
        )
    raise _NotUsableError("is neither GeoJSON nor KML; export it as one of them")


def _of_object(value: Any, name: str) -> Iterator[Shape]:
    """Yield the shapes of an object of GeoJSON: features, a feature, or a geometry."""
    if not isinstance(value, dict):
        raise ValueError("an object of GeoJSON is missing")  # noqa: TRY004 - of a file
    _check_system(value.get("crs"))
    kind = value.get("type")
    if kind == "FeatureCollection":
        for feature in _listed(value.get("features")):
            yield from _of_object(feature, name)
    elif kind == "Feature":
        if value.get("geometry") is not None:
            yield from _of_object(value["geometry"], _name_of(value))
    elif kind == "GeometryCollection":
        for geometry in _listed(value.get("geometries")):
            yield from _of_object(geometry, name)
    elif isinstance(kind, str) and kind in _KINDS:
        yield from _of_geometry(*_KINDS[kind], value.get("coordinates"), name)
    else:
        raise ValueError("a type of GeoJSON is missing or unknown")


def _check_system(crs: Any) -> None:
    """Raise ValueError for coordinates that are not in WGS 84, as old files may say."""
    if crs is not None and not WGS84.search(json.dumps(crs)):
        raise _NotUsableError("is not in WGS 84; export it with the coordinates EPSG:4326")


def _name_of(feature: dict[str, Any]) -> str:
    properties = feature.get("properties")
    by_name = {"id": feature.get("id")}
    if isinstance(properties, dict):
        by_name |= {key.lower(): value for key, value in properties.items()}
    names = (by_name.get(key) for key in _NAMES)
    return next((str(name) for name in names if isinstance(name, str | int) and str(name)), "")


def _of_geometry(kind: int, depth: int, value: Any, name: str) -> Iterator[Shape]:
    for _ in range(depth, 3 if kind == AREA else 2):
        value = [value]
    if kind == AREA:
        parts = [[_line(ring) for ring in _listed(part)] for part in _listed(value)]
    else:
        parts = [[_line(line)] for line in _listed(value)]
    whole = tuple(tuple(part) for part in parts if part and len(part[0]) >= LEAST[kind])
    if whole:
        yield Shape(name, kind, whole)


def _line(value: Any) -> Line:
    line = []
    for position in _listed(value):
        lon, lat, *_ = _listed(position) if position else (None, None)
        if not isinstance(lon, int | float) or not isinstance(lat, int | float):
            raise ValueError("a position is no pair of numbers")  # noqa: TRY004 - of a file
        line.append((float(lon), float(lat)))
    return tuple(line)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("a list of GeoJSON is missing")  # noqa: TRY004 - of a file
    return value


def _check(shape: Shape) -> None:
    for part in shape.parts:
        for line in part:
            for lon, lat in line:
                if not (math.isfinite(lon) and abs(lon) <= 180 and abs(lat) <= 90):
                    raise _NotUsableError(
                        "has positions beyond 180 degrees east or 90 north: it is not in WGS 84; "
                        "export it with the coordinates EPSG:4326"
                    )
