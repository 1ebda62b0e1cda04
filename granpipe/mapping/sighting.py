"""What the map's files tell of a photograph, and what they need to know beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from granpipe.dataset.names import Photo, shown
from granpipe.photo.exif import Capture

COLUMNS = [
    *("source", "label", "verdict", "detail", "latitude", "longitude", "altitude", "direction"),
    *("taken_at", "utc_offset", "make", "model"),
]
"""Header of the CSV table, and names of GeoJSON's properties."""

SIDE_COLUMNS = ["group", "split"]
"""Further columns where the sides of a dataset are shown."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A photograph, what its EXIF tells, and a thumbnail: a JPEG file in base64, or empty.

    `group` and `split` are those of a dataset; empty without one, or where it has no such source.
    """

    photo: Photo
    capture: Capture
    thumbnail: str = ""
    group: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """What the page needs to know beside the photographs.

    Attributes
    ----------
    title : str
        What the photographs are called together.
    links : str or None
        What stands before a source in a link to a photograph, percent-encoded; None for no links.
    offline : bool
        The page carries Leaflet itself.
    redact : int or None
        Decimals that positions were rounded to.
    has_sides : bool
        The sightings tell groups and sides.
    """

    title: str
    links: str | None = None
    offline: bool = False
    redact: int | None = None
    has_sides: bool = False

    @property
    def columns(self) -> list[str]:
        """Header of the CSV table, and names of GeoJSON's properties."""
        return [*COLUMNS, *SIDE_COLUMNS] if self.has_sides else COLUMNS


Sightings = Sequence[Sighting]


def fields_of(sighting: Sighting, options: Options) -> dict[str, Any]:
    """Return a photograph's cells, by column."""
    capture, place = sighting.capture, sighting.capture.position
    values = (
        *(shown(sighting.photo.source), shown(sighting.photo.label)),
        *(capture.verdict, capture.detail),
        *(place and place.lat, place and place.lon, place and place.altitude),
        *(place and place.direction, capture.taken_at, capture.utc_offset),
        *(capture.make, capture.model),
        *((sighting.group, sighting.split) if options.has_sides else ()),
    )
    return dict(zip(options.columns, values, strict=True))
