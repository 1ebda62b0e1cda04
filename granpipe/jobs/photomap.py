"""Photographs -> where they were taken, as HTML, GeoJSON, KML and CSV."""

import os
from collections.abc import Sequence
from dataclasses import replace

from granpipe import checks
from granpipe.checks import checked, checked_if_given
from granpipe.engines.choice import choose
from granpipe.errors import OptionError
from granpipe.jobs.following import Follow, log_line, progress_of
from granpipe.jobs.map_links import (
    check_output,
    exports_of,
    folder_of,
    link_prefix,
    suffix_of,
    title_of,
)
from granpipe.jobs.map_run import MapReport, MapRun
from granpipe.jobs.run import Say
from granpipe.jobs.survey_options import Survey
from granpipe.mapping.feature import Feature, MapOptions
from granpipe.mapping.leaflet import has_leaflet, leaflet_folder
from granpipe.mapping.overlay import read_overlays
from granpipe.mapping.writers import WRITERS
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
        What `granpipe prepare --split` wrote of these photographs: its groups and splits become
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
    title = checked_if_given("title", title, checks.title)
    redact = checked_if_given("redact", redact, checks.DIGITS)
    links = checked_if_given("links", links, checks.address)
    named, layers = _listed(outputs), _listed(overlay)
    if redact is not None:
        _check_redacted(links, layers, survey.fields if survey else None)
    if not named:
        raise OptionError("outputs: name a file")
    follow, say = progress_of(progress), say or log_line
    workplace = choose(engine, workers, say)
    photos = workplace.open(checked("source", source, checks.place))
    files = [check_output(checked("outputs", output, checks.place)) for output in named]
    has_page = any(suffix_of(name) == ".html" for _, name in files)
    if has_page:
        _check_leaflet(say, offline=offline)
    shapes = read_overlays(checked("overlay", layer, checks.place) for layer in layers)
    steps = MapRun(photos, (survey or Survey()).settled(), redact, say)
    if dataset is not None:
        steps.index.load_splits(open_store(dataset))
    steps.read(workplace, follow, thumbnails if has_page and not dry_run else 0)
    steps.show_fields()
    options = MapOptions(
        title or title_of(photos),
        offline=offline,
        redact=redact,
        has_splits=steps.index.in_dataset is not None,
        thumbnails=thumbnails,
        overlay=(*shapes, *steps.fields),
        contradicted=steps.contradicted,
    )
    if not dry_run:
        _write(files, photos, steps.features, options, links)
    return steps.report()


def _check_redacted(links: str | None, layers: Sequence[_Path], fields: _Path | None) -> None:
    """Raise OptionError where a map for sharing is to have what it leaves out."""
    if links is not None:
        raise OptionError("redact leaves out links; give it or links")
    for name, places in (("overlay", layers), ("fields", fields)):
        if places:
            raise OptionError(
                f"redact leaves out exact positions, as {name} shows; give it or {name}"
            )


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
