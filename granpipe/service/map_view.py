"""The map of what has arrived: GeoJSON of a window, and the page, drawn now and then."""

import threading
import time
from collections.abc import Callable

from granpipe.dataset.names import Photo
from granpipe.mapping.geojson import write_geojson
from granpipe.mapping.html import write_html
from granpipe.mapping.leaflet import has_leaflet
from granpipe.mapping.sighting import Options, Sighting
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.service.intake import RefusedError
from granpipe.service.positions import Known, Positions, Window

_TITLE = "photographs"
_BETWEEN_DRAWINGS = 2.0  # seconds


def sighting_of(known: Known) -> Sighting:
    """Return a photograph as the map's files tell of it."""
    facts = known.facts
    position = known.place and Position(*known.place, altitude=facts.get("altitude"))
    if facts["state"] == "rejected":
        verdict, detail = "unreadable", f"{facts['reason']}: {facts['detail']}"
    else:
        verdict, detail = ("ok" if position else "no_gps"), ""
    capture = Capture(
        verdict,
        detail,
        position or None,
        facts.get("taken_at") or "",
        facts.get("utc_offset") or "",
        model=facts.get("camera") or "",
        utc_offset_from=facts.get("utc_offset_from") or "",
    )
    return Sighting(Photo(known.source), capture)


def geojson(positions: Positions, window: Window, label: str) -> str:
    """Return the photographs of a window."""
    seen = [sighting_of(known) for known in positions.within(window, label)]
    return "".join(write_geojson(seen, Options(_TITLE)))


def window_of(text: str) -> Window:
    """Return the window that `w,s,e,n` names, in degrees.

    >>> window_of("-10,40,5,50")
    Window(west=-10.0, south=40.0, east=5.0, north=50.0)

    Raises
    ------
    RefusedError
        It names none.
    """
    if not text:
        return Window()
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError as error:
        raise RefusedError(400, "bbox: write west,south,east,north in degrees") from error
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise RefusedError(400, "bbox: west and east from -180 to 180, south and north -90 to 90")
    return Window(west, south, east, north)


class MapView:
    """The page of `granpipe map` over all that is known, without thumbnails."""

    def __init__(self, positions: Positions, clock: Callable[[], float] = time.monotonic) -> None:
        self._positions = positions
        self._clock = clock
        self._turn = threading.Lock()
        self._page = b""
        self._stamp: object = None
        self._drawn = 0.0

    def page(self) -> bytes:
        """Return the page, drawn again where something has changed and the last one is no news."""
        with self._turn:
            is_young = self._page and self._clock() - self._drawn < _BETWEEN_DRAWINGS
            if not is_young and (stamp := self._positions.stamp()) != self._stamp:
                seen = [sighting_of(known) for known in self._positions.all()]
                options = Options(_TITLE, offline=has_leaflet())
                self._page = "".join(write_html(seen, options)).encode()
                self._stamp, self._drawn = stamp, self._clock()
            return self._page
