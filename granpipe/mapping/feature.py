"""What the map's files say of a photograph, and what they need to know beside it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from granpipe.dataset.names import Photo, shown
from granpipe.mapping.shape import Shape
from granpipe.photo.exif import Capture
from granpipe.survey.fields import Field

COLUMNS = [
    *("source", "label", "verdict", "detail", "latitude", "longitude", "altitude", "direction"),
    *("taken_at", "utc_offset", "make", "model", "path"),
]
"""Header of the CSV table, and names of GeoJSON's properties and KML's data."""

SPLIT_COLUMNS = ["group", "split"]
"""Further columns where the splits of a dataset are shown."""

LATER_COLUMNS = ["direction_ref", "utc_offset_from", "accuracy", "dop", "position_from"]
LATER_COLUMNS += ["field", "field_distance", "field_crop", "field_sure"]
"""Columns that came later: they come last, so that no other moves."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A photograph, what its EXIF says, and what the page shows beside it.

    Attributes
    ----------
    photo, capture : Photo, Capture
        The photograph, and what its EXIF says.
    thumbnail : str
        A JPEG file in base64, or empty.
    split, group : str
        Its split (train, validation, test) and group in a dataset; empty where none is known.
    nearest_training : float or None
        Metres to the nearest photograph of training.
    field : Field or None
        The field that it shows.
    """

    photo: Photo
    capture: Capture
    thumbnail: str = ""
    split: str = ""
    group: str = ""
    nearest_training: float | None = None
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class MapOptions:
    """What the files need to know beside the photographs.

    Attributes
    ----------
    title : str
        What the photographs are called together.
    links : str or None
        What comes before a source in a link to a photograph, percent-encoded; None for no links.
    offline : bool
        The page opens on outlines, and not on satellite tiles.
    redact : int or None
        Decimals that positions were rounded to.
    folder : str or None
        The way from the file to the photographs' folder, with a slash behind it; None where there
        is none, or links take its place.
    has_splits : bool
        The features have groups and splits.
    thumbnails : int
        Longer side of the page's thumbnails, in pixels.
    exports : tuple of str
        Links to what the run writes into the file's folder beside pages, percent-encoded.
    overlay : tuple of Shape
        What the page lays over its map.
    contradicted : collection of str
        Photographs whose label is not what is declared of their field, by source.
    """

    title: str
    links: str | None = None
    offline: bool = False
    redact: int | None = None
    folder: str | None = None
    has_splits: bool = False
    thumbnails: int = 96
    exports: tuple[str, ...] = ()
    overlay: tuple[Shape, ...] = ()
    contradicted: Collection[str] = ()

    @property
    def columns(self) -> list[str]:
        """Header of the CSV table, and names of GeoJSON's properties."""
        return [*COLUMNS, *(SPLIT_COLUMNS if self.has_splits else ()), *LATER_COLUMNS]

    def path_of(self, source: str) -> str:
        """Return where a program that reads the file finds a photograph; empty where it cannot.

        >>> MapOptions("img", folder="./img/").path_of("a b.jpg")
        './img/a b.jpg'
        """
        return self.link_to(source) if self.folder is None else shown(self.folder + source)

    def link_to(self, source: str) -> str:
        """Return a photograph's address, percent-encoded; empty where there are no links.

        >>> MapOptions("img", links="https://host/").link_to("a b.jpg")
        'https://host/a%20b.jpg'
        """
        encoded = quote(source.encode("utf-8", "surrogateescape"))
        return "" if self.links is None else self.links + encoded


Features = Sequence[Feature]


def fields_of(feature: Feature, options: MapOptions) -> dict[str, Any]:
    """Return a photograph's cells, by column; what is not known is None."""
    capture, place, field = feature.capture, feature.capture.position, feature.field
    source, label = feature.photo.source, feature.photo.label
    values = (
        *(shown(source), shown(label), capture.verdict, capture.detail),
        *(place and place.lat, place and place.lon, place and place.altitude),
        *(place and place.direction, capture.taken_at, capture.utc_offset),
        *(capture.make, capture.model, options.path_of(source)),
        *((feature.group, feature.split) if options.has_splits else ()),
        *(place and place.direction_ref, capture.utc_offset_from),
        *(place and place.accuracy, place and place.dop, place and place.position_from),
        *((field.name, field.distance, field.crop, field.sure) if field else (None,) * 4),
    )
    cells = (None if value == "" else value for value in values)
    return dict(zip(options.columns, cells, strict=True))
