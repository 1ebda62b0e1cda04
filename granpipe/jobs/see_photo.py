"""What a worker does for `map`: one photograph -> what its EXIF says, and a thumbnail."""

import base64
import io
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from granpipe.dataset.sidecars import fetch_sidecars, read_sidecars
from granpipe.dataset.sources import read_head, read_photo
from granpipe.engines.worker import Steps
from granpipe.errors import PhotoError
from granpipe.photo.exif import Capture, read_capture
from granpipe.photo.letterbox import fit
from granpipe.photo.opening import MAX_PIXELS, open_photo
from granpipe.stores.protocol import Entry, Store

_HEAD = 1 << 17  # an EXIF block has 64 KB at most, and a colour profile may be before it


@dataclass(frozen=True, slots=True)
class MapJob:
    """A photograph to look at."""

    photo: Entry
    thumbnail: int  # its side in pixels; 0 for none
    beside: tuple[str, ...] = ()  # paths of its sidecars

    def __reduce__(self) -> tuple[Any, ...]:  # a third of the time that a dataclass takes
        return MapJob, (self.photo, self.thumbnail, self.beside)


_Fetched = bytes | PhotoError


@dataclass(frozen=True, slots=True)
class SeePhoto(Steps):
    """Look at one photograph, in a worker: what its EXIF says, and its thumbnail."""

    source: Store
    keeps_all: bool = False  # without a position, photographs with a time have thumbnails, too

    @property
    def ahead(self) -> int:
        return self.source.ahead

    def sample(self, job: MapJob) -> tuple[Store, str]:
        return self.source, job.photo.path

    def weight(self, job: MapJob) -> int:
        return _HEAD

    def fetch(self, job: MapJob) -> _Fetched:
        try:
            return read_head(self.source, job.photo, _HEAD)
        except PhotoError as error:
            return error

    def work(self, job: MapJob, fetched: _Fetched) -> tuple[Capture, str]:
        try:
            return self._look(job, fetched)
        except PhotoError as error:
            return Capture("unreadable", error.detail), ""

    def _look(self, job: MapJob, fetched: _Fetched) -> tuple[Capture, str]:
        if isinstance(fetched, PhotoError):
            raise fetched
        if len(fetched) < job.photo.size and not _tells_all(fetched):
            fetched = self._whole(job)
        image = open_photo(fetched)
        capture = self._completed(job, read_capture(image, fetched))
        is_placed = capture.position or (self.keeps_all and capture.taken_at)
        if not (is_placed and job.thumbnail):
            return capture, ""
        if len(fetched) < job.photo.size:
            image = open_photo(self._whole(job))
        return capture, _thumbnail(image, job.thumbnail)

    def _completed(self, job: MapJob, capture: Capture) -> Capture:
        """Return what is known of a photograph, with its place by a sidecar where it has none."""
        if capture.position or not job.beside:
            return capture
        sidecar = read_sidecars(job.photo.path, fetch_sidecars(self.source, job.beside))
        if sidecar.position:
            return replace(capture, verdict="ok", detail="", position=sidecar.position)
        detail = "; ".join(filter(None, [capture.detail, sidecar.detail]))
        return replace(capture, detail=detail)

    def _whole(self, job: MapJob) -> bytes:
        return read_photo(self.source, job.photo, MAX_PIXELS)[0]


def _tells_all(head: bytes) -> bool:
    """Return whether a photograph's first bytes hold its EXIF block, or show that there is none.

    A JPEG's blocks are all before its pixels; where these begin in time, no block is missing.
    """
    try:
        return open_photo(head).format in {"JPEG", "MPO"}
    except PhotoError:
        return False


def _thumbnail(image: Image.Image, side: int) -> str:
    try:
        picture, _ = fit(image, side, fill=(255, 255, 255))
    except PhotoError:
        return ""  # the position counts, even of a photograph whose pixels are cut off
    buffer = io.BytesIO()
    picture.info = {}  # Pillow would write the comment that its file has
    picture.save(buffer, "JPEG", quality=70, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
