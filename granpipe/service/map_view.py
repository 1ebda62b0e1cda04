"""The map of what has arrived: GeoJSON of a window, and the page, drawn now and then."""

import hashlib
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from flask import Request, Response

from granpipe.dataset.names import Photo
from granpipe.mapping.feature import Feature, MapOptions
from granpipe.mapping.geojson import write_geojson
from granpipe.mapping.html import write_html
from granpipe.mapping.leaflet import has_leaflet
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.service.intake import RefusedError
from granpipe.service.positions import Known, Positions, Window

_TITLE = "photographs"
_BETWEEN_DRAWINGS = 2.0  # seconds
_DRAWING = 0.33  # most of the time that is spent on it
_PIECE = 1 << 16
_MOST_STREAMS = 8  # answers of any length at once: of a slow reader's, a thread waits for the end
_PROCESS = os.urandom(4).hex()


def feature_of(known: Known) -> Feature:
    """Return a photograph as the map's files have it."""
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
    return Feature(Photo(known.source), capture)


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
        raise RefusedError(400, "bbox: write west,south,east,north in degrees", "bbox") from error
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        what = "bbox: west and east from -180 to 180, south and north -90 to 90"
        raise RefusedError(400, what, "bbox")
    return Window(west, south, east, north)


class MapView:
    """The page of `granpipe map` over all that is known, without thumbnails; and its GeoJSON."""

    def __init__(self, positions: Positions, clock: Callable[[], float] = time.monotonic) -> None:
        self._positions = positions
        self._clock = clock
        self._turn = threading.Lock()
        self._streams = threading.BoundedSemaphore(_MOST_STREAMS)
        self._page: list[bytes] = []
        self._stamp: object = None
        self._next = 0.0

    def geojson(self, request: Request, window: Window, label: str) -> Response:
        """Return the photographs of a window, as they are read; nothing where nothing changed."""
        etag = _etag(self._positions.stamp(), window, label)
        if request.if_none_match.contains_weak(etag):
            return _finished(Response(status=304), etag)
        if not self._streams.acquire(blocking=False):
            raise RefusedError(503, "many are reading positions; ask again later", "busy")
        try:
            seen = (feature_of(known) for known in self._positions.within(window, label))
            texts = write_geojson(seen, MapOptions(_TITLE))
            # What fails at once is reported; after that, the answer can only be cut.
            begun = chain([next(texts), next(texts)], texts)
        except BaseException:
            self._streams.release()
            raise
        pieces = _pieces(text.encode() for text in begun)
        response = _sent(request, _packed(pieces), pieces, "application/geo+json", etag)
        response.call_on_close(self._streams.release)
        return response

    def page(self, request: Request) -> Response:
        """Return the page, drawn again where something has changed and the last one is no news."""
        # One request draws; while there is a page, others are given that.
        if self._turn.acquire(blocking=not self._page):
            try:
                self._draw()
            finally:
                self._turn.release()
        etag = _etag(self._stamp)
        if request.if_none_match.contains_weak(etag):
            return _finished(Response(status=304), etag)
        return _sent(request, self._page, _unpacked(self._page), "text/html", etag)

    def _draw(self) -> None:
        began = self._clock()
        if self._page and began < self._next:
            return
        stamp = self._positions.stamp()
        if not self._page or stamp != self._stamp:
            seen = [feature_of(known) for known in self._positions.all()]
            texts = write_html(seen, MapOptions(_TITLE, offline=has_leaflet()))
            self._page = [*_packed(_pieces(text.encode() for text in texts))]
            self._stamp = stamp
            took = self._clock() - began
            self._next = began + took + max(_BETWEEN_DRAWINGS, took / _DRAWING)


def _etag(*facts: object) -> str:
    return hashlib.sha256(repr((_PROCESS, *facts)).encode()).hexdigest()[:16]


def _sent(
    request: Request, packed: Iterable[bytes], plain: Iterable[bytes], mimetype: str, etag: str
) -> Response:
    is_packed = request.accept_encodings.quality("gzip") > 0
    response = Response(packed if is_packed else plain, mimetype=mimetype)
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    return _finished(response, etag)


def _finished(response: Response, etag: str) -> Response:
    """Let browsers keep an answer, and ask each time whether it is still the right one."""
    response.set_etag(etag, weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Accept-Encoding"
    return response


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield bytes in pieces of some size, of which each costs the server as much as a small one."""
    held, size = list[bytes](), 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _packed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gzip = zlib.compressobj(6, wbits=31)
    yield from filter(None, map(gzip.compress, pieces))
    yield gzip.flush()


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gunzip = zlib.decompressobj(wbits=31)
    yield from filter(None, map(gunzip.decompress, pieces))
