"""Photographs -> where they were taken, as HTML, GeoJSON, KML and CSV."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from granpipe import checks
from granpipe.checks import checked
from granpipe.dataset.names import Photo
from granpipe.dataset.sidecars import Beside
from granpipe.dataset.sources import Search
from granpipe.engines.choice import choose
from granpipe.engines.processes import WorkerCrashed
from granpipe.errors import OptionError
from granpipe.jobs.following import Follow, progress_of, say_of
from granpipe.jobs.map_index import MapIndex
from granpipe.jobs.map_links import (
    check_output,
    exports_of,
    folder_of,
    link_prefix,
    suffix_of,
    title_of,
)
from granpipe.jobs.map_report import MapReport
from granpipe.jobs.map_tracks import on_track
from granpipe.jobs.run import Say
from granpipe.jobs.see_photo import MapJob, SeePhoto
from granpipe.jobs.survey_options import Settled, Survey, tell_unset
from granpipe.mapping.feature import Feature, MapOptions
from granpipe.mapping.leaflet import has_leaflet, leaflet_folder
from granpipe.mapping.overlay import read_overlays
from granpipe.mapping.shape import Shape
from granpipe.mapping.writers import WRITERS
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store

_Path = str | os.PathLike[str]


def map_photos(
    source: _Path,
    outputs: _Path | Sequence[_Path] = "map.html",
    *,
    offline: bool = False,
    title: str | None = None,
    overlay: _Path | Sequence[_Path] = (),
    thumbnails: int = 96,
    redact: int | None = None,
    links: str | None = None,
    dataset: _Path | None = None,
    workers: int | None = None,
    engine: str = "local",
    survey: Survey | None = None,
    dry_run: bool = False,
    progress: Follow = None,
    say: Say | None = None,
) -> MapReport:
    """Write where the photographs of a folder or bucket were taken.

    Parameters
    ----------
    source : str or Path
        Any folder or s3:// URL of photographs; its first level of folders gives the classes.
    outputs : str or Path, or a sequence of them
        Files or s3:// URLs to write; the suffix chooses: .html, .geojson, .kml or .csv.
    offline : bool
        Open the page on outlines: it asks the network for nothing until the reader chooses tiles.
        Otherwise it opens on satellite images. It holds Leaflet where the extra is installed.
    title : str, optional
        What page and KML are called; by default, the name of the photographs' folder.
    overlay : str or Path, or a sequence of them
        Files of GeoJSON or KML, whose areas, lines and places lie over the page's map.
    thumbnails : int
        Longer side of the page's thumbnails, in pixels; 0 for none.
    redact : int, optional
        Round positions to so many decimals of a degree, and leave out altitudes, directions,
        details of the verdicts and links to the photographs.
    links : str, optional
        Address below which the page finds the photographs. By default, a page in a folder links
        to photographs in a folder, and no other page links at all.
    dataset : str or Path, optional
        What `granpipe prepare --split` wrote of these photographs: its groups and sides become
        columns, by source.
    workers : int, optional
        Number of processes; by default, one for each core.
    engine : str
        `local` for this machine's processes, or `spark`, which needs folders or buckets that every
        executor reaches.
    survey : Survey, optional
        What is beside photographs and says where they were taken.
    dry_run : bool
        Read the photographs, but write nothing.
    progress : `bar` or callable, optional
        Show a bar; or what wraps the iterator over the results, and takes it and their number.
    say : callable, optional
        Called with a line on what goes on; by default, the log `granpipe`.

    Returns
    -------
    MapReport

    Raises
    ------
    OptionError
        An argument is not what it may be; nothing was done.
    DatasetError
        There are no photographs, an output cannot be written, or Leaflet's files are missing.
    """
    thumbnails = checked("thumbnails", thumbnails, checks.THUMBNAILS)
    title = None if title is None else checked("title", title, checks.title)
    redact = None if redact is None else checked("redact", redact, checks.DIGITS)
    links = None if links is None else checked("links", links, checks.address)
    layers = _listed(overlay)
    if redact is not None:
        _check_redacted(links, layers, survey.fields if survey else None)
    named = _listed(outputs)
    if not named:
        raise OptionError("outputs: name a file")
    follow, say = progress_of(progress), say_of(say)
    workplace = choose(engine, workers, say)
    photos = workplace.open(checked("source", source, checks.place))
    files = [check_output(checked("outputs", output, checks.place)) for output in named]
    has_page = any(suffix_of(name) == ".html" for _, name in files)
    if has_page:
        _check_leaflet(say, offline=offline)
    shapes = read_overlays(checked("overlay", layer, checks.place) for layer in layers)
    settled = (survey or Survey()).settled()
    tracks = settled.tracks()
    index = MapIndex()
    search = Search(photos, take_beside=index.beside.take, has_classes=False)
    if dataset is not None:
        index.load_sides(open_store(dataset))
    index.load(search)
    jobs = index.jobs(thumbnails if has_page and not dry_run else 0)
    verdicts: Counter[str] = Counter()

    def seen() -> Iterator[Feature]:
        look = SeePhoto(photos, keeps_all=tracks is not None)
        with closing(workplace.run(look, jobs, None)) as results:
            for job, result in zip(jobs, follow(results, len(jobs)), strict=True):
                seen = _feature(job, result, index.beside)
                feature = on_track(seen, tracks) if tracks else seen
                verdicts[feature.capture.verdict] += 1
                yield feature if redact is None else _redacted(feature, redact)

    features = index.keep(seen())
    search.ignored -= index.beside.used()
    if tracks and (line := tell_unset(tracks)):
        say(line)
    parcels, contradicted = _fields(index, features, settled, say)
    if redact is None and index.sides:
        index.measure(features)
    options = MapOptions(
        title or title_of(photos),
        offline=offline,
        redact=redact,
        has_sides=index.sides is not None,
        thumbnails=thumbnails,
        overlay=(*shapes, *parcels),
        contradicted=contradicted,
    )
    if not dry_run:
        _write(files, photos, features, options, links)
    unseen = [f"{folder}: {why}" for folder, why in search.unlisted]
    report = MapReport(
        features, verdicts, verdicts["ok"], search.ignored, unseen, conflicts=len(contradicted)
    )
    return report if index.sides is None else _with_sides(report, index.sides, index.matched)


def _with_sides(report: MapReport, sides: int, matched: int) -> MapReport:
    """Return a report that counts the photographs of a dataset, too."""
    return replace(report, matched=matched, elsewhere=sides - matched)


def _check_redacted(links: str | None, layers: Sequence[_Path], fields: _Path | None) -> None:
    """Raise OptionError where a map for sharing is to have what it leaves out."""
    if links is not None:
        raise OptionError("redact leaves out links; give it or links")
    for name, places in (("overlay", layers), ("fields", fields)):
        if places:
            raise OptionError(
                f"redact leaves out exact positions, as {name} shows; give it or {name}"
            )


def _fields(
    index: MapIndex, features: Sequence[Feature], survey: Settled, say: Say
) -> tuple[tuple[Shape, ...], frozenset[str]]:
    """Return the fields that photographs show, and the sources of labels that they contradict."""
    if not survey.fields:
        return (), frozenset()
    from granpipe.jobs.map_fields import show_fields  # noqa: PLC0415 - few need it

    return show_fields(index, features, survey, say)


def _check_leaflet(say: Say, *, offline: bool) -> None:
    if offline:
        leaflet_folder()
    elif not has_leaflet():
        say(
            "the page needs the network to show its map, unless you pip install 'granpipe[offline]'"
        )


def _write(
    files: Sequence[tuple[Store, str]],
    photos: Store,
    features: Sequence[Feature],
    options: MapOptions,
    links: str | None,
) -> None:
    tables = [(store, name) for store, name in files if suffix_of(name) != ".html"]
    for store, name in files:
        if options.redact is None:
            options = replace(
                options,
                links=link_prefix(photos, store, links),
                folder=None if links else folder_of(photos, store),
                exports=exports_of(store, tables),
            )
        with store.writer(name) as file:
            for text in WRITERS[suffix_of(name)].write(features, options):
                file.write(text.encode())


def _listed(paths: _Path | Sequence[_Path]) -> list[_Path]:
    return [paths] if isinstance(paths, str | os.PathLike) else list(paths)


def _feature(job: MapJob, result: tuple[Capture, str] | WorkerCrashed, beside: Beside) -> Feature:
    if isinstance(result, WorkerCrashed):
        result = Capture("unreadable", f"its decoder {result.cause}"), ""
    elif job.beside and _asks_others(result[0]):
        beside.use(job.beside)
    return Feature(Photo(job.photo.path), *result)


def _asks_others(capture: Capture) -> bool:
    """Return whether a photograph's own file does not say where it was taken."""
    return capture.position is None or capture.position.position_from not in {"exif", "xmp"}


def _redacted(feature: Feature, digits: int) -> Feature:
    position = feature.capture.position
    rounded = position and Position(
        *(_rounded(position.lat, digits), _rounded(position.lon, digits)),
        position_from=position.position_from,
    )
    # A detail may quote coordinates that were not understood.
    capture = replace(feature.capture, position=rounded, detail="")
    return replace(feature, capture=capture, nearest_training=None)


def _rounded(degrees: float, digits: int) -> float:
    return round(degrees, digits) + 0.0  # never -0.0, which would give the hemisphere away
