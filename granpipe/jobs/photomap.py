"""Photographs -> where they were taken, as HTML, GeoJSON, KML and CSV."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from granpipe.dataset.names import LABELS, Photo
from granpipe.dataset.sources import Found, find_photos
from granpipe.dataset.tables import rows_of
from granpipe.engines.choice import choose
from granpipe.engines.processes import WorkerCrashed
from granpipe.errors import DatasetError
from granpipe.jobs.run import Progress, Say
from granpipe.jobs.see_photo import Job, SeePhoto
from granpipe.mapping.nearest import with_nearest
from granpipe.mapping.page import leaflet_folder
from granpipe.mapping.sighting import SIDE_COLUMNS, Options, Sighting
from granpipe.mapping.writers import WRITERS
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.stores.files import check_free
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Entry, Store
from granpipe.stores.urls import open_file, open_store

THUMBNAIL_BYTES = 16_000_000
"""What the thumbnails of one page may take, about; then only some photographs have one."""

_Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Report:
    """What `map_photos` found: a sighting for every photograph, in the order of the sources.

    `unseen` names the folders that could not be listed, with the cause. `matched` counts those
    that a dataset with sides has, too, and `elsewhere` those that it has and the folder does not;
    both are None without one.
    """

    sightings: list[Sighting]
    ignored: int
    unseen: list[str]
    matched: int | None = None
    elsewhere: int | None = None

    @property
    def verdicts(self) -> Counter[str]:
        return Counter(sighting.capture.verdict for sighting in self.sightings)


def map_photos(
    source: _Path,
    outputs: Sequence[_Path],
    *,
    offline: bool = False,
    thumbnails: int = 96,
    redact: int | None = None,
    links: str | None = None,
    dataset: _Path | None = None,
    workers: int | None = None,
    engine: str = "local",
    progress: Progress = lambda results, total: results,
    say: Say = lambda line: None,
) -> Report:
    """Write where the photographs of a folder or bucket were taken.

    Parameters
    ----------
    source : str or Path
        Any folder or s3:// URL of photographs; its first level of folders gives the classes.
    outputs : sequence of str or Path
        Files or s3:// URLs to write; the suffix chooses: .html, .geojson, .kml or .csv.
    offline : bool
        Put Leaflet into the page, which then asks the network for nothing but chosen tiles.
    thumbnails : int
        Longer side of the page's thumbnails, in pixels; 0 for none.
    redact : int, optional
        Round positions to so many decimals of a degree, and leave out altitudes, directions,
        details of the verdicts and links to the photographs.
    links : str, optional
        Address below which the page finds the photographs. Unless given, a page in a folder links
        to photographs in a folder, and no other page links at all.
    dataset : str or Path, optional
        What `granpipe prepare --split` wrote of these photographs: its groups and sides become
        columns, by source.
    workers : int, optional
        Number of processes; one a core unless given.
    engine : str
        `local` for this machine's processes, or `spark`, which needs folders or buckets that every
        executor reaches.
    progress : callable
        Wraps the iterator over the results; takes it and their number.
    say : callable
        Told, in a line, what goes on.

    Returns
    -------
    Report

    Raises
    ------
    DatasetError
        There are no photographs, an output cannot be written, or Leaflet's files are missing.
    """
    workplace = choose(engine, workers, say)
    photos = workplace.open(source)
    files = [check_output(output) for output in outputs]
    has_page = any(_suffix(name) == ".html" for _, name in files)
    if has_page and offline:
        leaflet_folder()
    sides = _sides(dataset) if dataset is not None else None
    found = find_photos(photos)
    jobs = list(_jobs(found.photos, thumbnails if has_page else 0))
    results = workplace.run(SeePhoto(photos), jobs, None)
    with closing(results):
        sightings = _sightings(found, progress(results, len(jobs)))
    if sides is not None:
        sightings = with_nearest([_with_side(sighting, sides) for sighting in sightings])
    if redact is not None:
        sightings = [_redacted(sighting, redact) for sighting in sightings]
    for store, name in files:
        options = Options(
            _title(photos), offline=offline, redact=redact, has_sides=sides is not None
        )
        if redact is None:
            folder = None if links else _folder(photos, store)
            options = replace(options, links=_link_prefix(photos, store, links), folder=folder)
        store.write(name, WRITERS[_suffix(name)].write(sightings, options).encode())
    unseen = [f"{folder}: {why}" for folder, why in found.unlisted]
    if sides is None:
        return Report(sightings, found.ignored, unseen)
    matched = sum(sighting.photo.source in sides for sighting in sightings)
    return Report(sightings, found.ignored, unseen, matched, len(sides) - matched)


def _sides(dataset: _Path) -> dict[str, tuple[str, str]]:
    """Return group and side of every photograph of a dataset, by source."""
    store = open_store(dataset)
    sides = {
        row["source"]: (row["group"] or "", row["split"] or "")
        for row in rows_of(store, LABELS)
        if row.keys() >= {"source", *SIDE_COLUMNS} and row["source"]
    }
    if not any(split for _, split in sides.values()):
        raise DatasetError(
            f"{store.url}: has no sides; run granpipe prepare --split 80/10/10 first"
        )
    return sides


def _with_side(sighting: Sighting, sides: Mapping[str, tuple[str, str]]) -> Sighting:
    group, split = sides.get(sighting.photo.source, ("", ""))
    return replace(sighting, group=group, split=split)


def _jobs(photos: Sequence[Entry], side: int) -> Iterator[Job]:
    """Yield each photograph and the side of its thumbnail, 0 for none, within the budget."""
    step = -(-len(photos) * side**2 // (2 * THUMBNAIL_BYTES))
    for number, photo in enumerate(photos):
        yield Job(photo, 0 if step and number % step else side)


def _sightings(
    found: Found, results: Iterator[tuple[Capture, str] | WorkerCrashed]
) -> list[Sighting]:
    sightings = [Sighting(Photo(name), Capture("unreadable", why)) for name, why in found.unlisted]
    for photo, result in zip(found.photos, results, strict=True):
        if isinstance(result, WorkerCrashed):
            capture, thumbnail = Capture("unreadable", f"its decoder {result.cause}"), ""
        else:
            capture, thumbnail = result
        sightings.append(Sighting(Photo(photo.path), capture, thumbnail))
    return sorted(sightings, key=lambda sighting: sighting.photo.source)


def check_output(output: _Path) -> tuple[Store, str]:
    """Return the store and name of a map's file.

    Raises
    ------
    DatasetError
        No map can be written under this name.
    """
    if _suffix(os.fspath(output)) not in WRITERS:
        raise DatasetError(f"{output}: end the name in {', '.join(WRITERS)}")
    store, name = open_file(output)
    check_free(store, name, WRITERS[_suffix(os.fspath(output))].signature.encode())
    return store, name


def _suffix(name: str) -> str:
    return Path(name).suffix.lower()


def _title(photos: Store) -> str:
    if isinstance(photos, Folder):
        return Path(photos.root).resolve().name
    return photos.url.rpartition("/")[2]


def _link_prefix(photos: Store, output: Store, links: str | None) -> str | None:
    """Return what stands before a source in a link from the page, percent-encoded."""
    if links is not None:
        return links if links.endswith("/") else f"{links}/"
    folder = _folder(photos, output)
    if folder is None and isinstance(photos, Folder) and isinstance(output, Folder):
        return Path(photos.root).resolve().as_uri() + "/"  # another drive
    return folder and quote(os.fsencode(folder))


def _folder(photos: Store, output: Store) -> str | None:
    """Return the way from a file's folder to the photographs, if both are on one disk.

    It begins with "./", which keeps a name with a colon from being read as a scheme.
    """
    if not (isinstance(photos, Folder) and isinstance(output, Folder)):
        return None
    try:
        # Links on the way stay: browsers, too, resolve the page's address by its letters alone.
        return f"./{Path(os.path.relpath(photos.root, output.root)).as_posix()}/"
    except ValueError:  # another drive
        return None


def _redacted(sighting: Sighting, digits: int) -> Sighting:
    position = sighting.capture.position
    rounded = position and Position(_rounded(position.lat, digits), _rounded(position.lon, digits))
    # A detail may quote coordinates that were not understood.
    capture = replace(sighting.capture, position=rounded, detail="")
    return replace(sighting, capture=capture, nearest_training=None)


def _rounded(degrees: float, digits: int) -> float:
    return round(degrees, digits) + 0.0  # never -0.0, which would tell the hemisphere
