"""Photographs -> where they were taken, as HTML, GeoJSON and CSV."""

import base64
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from granpipe.dataset.files import check_free, write_file
from granpipe.engines import processes as parallel
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.prepare import Progress
from granpipe.mapping.mapfiles import WRITERS, Options, Sighting
from granpipe.mapping.page import leaflet_folder
from granpipe.photo.exif import Capture, read_capture
from granpipe.photo.gps import Position
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import Found, Photo, find_photos, open_file, open_photo

THUMBNAIL_BYTES = 16_000_000
"""What the thumbnails of one page may take, about; then only some photographs have one."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `map_photos` found: a sighting for every photograph, in the order of the sources."""

    sightings: list[Sighting]
    ignored: int

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(sighting.capture.verdict for sighting in self.sightings)


def map_photos(
    source: Path,
    outputs: Sequence[Path],
    *,
    offline: bool = False,
    thumbnails: int = 96,
    redact: int | None = None,
    workers: int | None = None,
    progress: Progress = lambda results, total: results,
) -> Report:
    """Write where the photographs below a folder were taken.

    Parameters
    ----------
    source : Path
        Any folder of photographs; its first level of folders gives the classes.
    outputs : sequence of Path
        Files to write; the suffix chooses: .html, .geojson or .csv.
    offline : bool
        Put Leaflet into the page, which then asks the network for nothing but chosen tiles.
    thumbnails : int
        Longer side of the page's thumbnails, in pixels; 0 for none.
    redact : int, optional
        Round positions to so many decimals of a degree, and leave out altitudes, directions,
        details of the verdicts and links to the photographs.
    workers : int, optional
        Number of processes; one a core unless given.
    progress : callable
        Wraps the iterator over the results; takes it and their number.

    Returns
    -------
    Report

    Raises
    ------
    DatasetError
        There are no photographs, an output cannot be written, or Leaflet's files are missing.
    """
    for output in outputs:
        check_output(output)
    has_page = any(_suffix(output) == ".html" for output in outputs)
    if has_page and offline:
        leaflet_folder()
    found = find_photos(source)
    if not found.photos and not found.unlisted:
        raise DatasetError(f"{source}: no photographs; name a folder that has some")
    jobs = list(_jobs(found.photos, thumbnails if has_page else 0))
    with closing(parallel.run(_Task(str(source)), jobs, workers or os.cpu_count() or 1)) as results:
        sightings = _sightings(found, progress(results, len(jobs)))
    if redact is not None:
        sightings = [_redacted(sighting, redact) for sighting in sightings]
    for output in outputs:
        writer = WRITERS[_suffix(output)]
        text = writer.write(sightings, output, Options(source, offline, redact))
        write_file(output, text.encode())
    return Report(sightings, found.ignored)


def _jobs(photos: Sequence[Photo], side: int) -> Iterator[tuple[str, int]]:
    """Yield each source and the side of its thumbnail, 0 for none, evenly within the budget."""
    step = -(-len(photos) * side**2 // (2 * THUMBNAIL_BYTES))
    for number, photo in enumerate(photos):
        yield photo.source, 0 if step and number % step else side


def _sightings(
    found: Found, results: Iterator[tuple[Capture, str] | parallel.Lost]
) -> list[Sighting]:
    sightings = [Sighting(Photo(name), Capture("unreadable", why)) for name, why in found.unlisted]
    for photo, result in zip(found.photos, results, strict=True):
        if isinstance(result, parallel.Lost):
            capture, thumbnail = Capture("unreadable", f"its decoder {result.cause}"), ""
        else:
            capture, thumbnail = result
        sightings.append(Sighting(photo, capture, thumbnail))
    return sorted(sightings, key=lambda sighting: sighting.photo.source)


def check_output(output: Path) -> None:
    """Raise DatasetError unless a map can be written under this name."""
    if _suffix(output) not in WRITERS:
        raise DatasetError(f"{output}: end the name in {', '.join(WRITERS)}")
    check_free(output, WRITERS[_suffix(output)].signature.encode())


def _suffix(output: Path) -> str:
    return output.suffix.lower()


@dataclass(frozen=True, slots=True)
class _Task:
    """Look at one photograph; runs in a worker."""

    source: str

    def __call__(self, job: tuple[str, int]) -> tuple[Capture, str]:
        source, thumbnail = job
        path = Path(self.source, source)
        try:
            with open_file(path) as file:
                image = open_photo(file)
                capture = read_capture(image, path.read_bytes() if image.format == "TIFF" else None)
                wanted = thumbnail if capture.position else 0
                return capture, _thumbnail(image, wanted) if wanted else ""
        except PhotoError as error:
            return Capture("unreadable", error.detail), ""


def _thumbnail(image: Image.Image, side: int) -> str:
    try:
        array, box, _ = letterbox(image, side, fill=(255, 255, 255))
    except PhotoError:
        return ""  # the position counts, even of a photograph whose pixels are cut off
    content = array[box.top : box.bottom, box.left : box.right]
    buffer = io.BytesIO()
    Image.fromarray(content.copy()).save(buffer, "JPEG", quality=70, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _redacted(sighting: Sighting, digits: int) -> Sighting:
    position = sighting.capture.position
    rounded = position and Position(_rounded(position.lat, digits), _rounded(position.lon, digits))
    # A detail may quote coordinates that were not understood.
    return replace(sighting, capture=replace(sighting.capture, position=rounded, detail=""))


def _rounded(degrees: float, digits: int) -> float:
    return round(degrees, digits) + 0.0  # never -0.0, which would tell the hemisphere
