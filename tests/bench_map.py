"""Measure `granpipe map`: whole runs over photographs, and the writing of pages alone."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import folium
from folium.plugins import FastMarkerCluster

from granpipe.dataset.names import Photo
from granpipe.mapping.feature import Feature, MapOptions
from granpipe.mapping.writers import WRITERS
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position

from bench_photos import TINY, photographs_of
from bench_rounds import Bench, Column, Contender, granpipe, python

EXIFREAD = """
import sys
from pathlib import Path
import exifread, folium
from exifread.utils import get_gps_coords
from folium.plugins import FastMarkerCluster
places = []
for path in sorted(Path(sys.argv[1]).rglob("*.jpg")):
    with path.open("rb") as photo:
        places.append(get_gps_coords(exifread.process_file(photo, details=False)))
FastMarkerCluster(places).add_to(folium.Map()).save(sys.argv[2])
"""


def bench_map(bench: Bench) -> None:
    """Print a table of runs, and tables of pages."""
    compare_runs(bench)
    compare_pages(bench.count(10_000), bench, with_markers=True)
    compare_pages(bench.count(100_000), bench, with_markers=False)


def compare_runs(bench: Bench) -> None:
    """Print a table of runs over photographs with positions."""
    photos = TINY.draw(bench)
    paths = photographs_of(photos)
    contenders = [
        Contender("granpipe map", partial(run_map, photos, "map.html"), len(paths)),
        Contender("granpipe map -o map.csv", partial(run_map, photos, "map.csv"), len(paths)),
        Contender("exifread, FastMarkerCluster", partial(by_exifread, photos), len(paths)),
    ]
    title = f"map of {len(paths):,} JPEGs, {TINY.size}"
    bench.compete(title, contenders, 5, Column("written", page_size))


def run_map(photos: Path, name: str, out: Path) -> None:
    """Run `granpipe map`; a page has thumbnails."""
    granpipe("map", photos, "-o", out / name)


def by_exifread(photos: Path, out: Path) -> None:
    """Run a script of one process, whose page has dots alone."""
    python("-c", EXIFREAD, photos, out / "map.html")


def page_size(contender: Contender) -> str:
    """Return the megabytes of the page that a contender wrote or returned."""
    turn = contender.turns[0]
    page = turn.result
    size = len(page) if isinstance(page, str) else next(turn.folder.iterdir()).stat().st_size
    return f"{size / 1e6:.2f} MB"


def compare_pages(count: int, bench: Bench, *, with_markers: bool) -> None:
    """Print a table of pages of positions that are in memory already."""
    features = [feature(number) for number in range(count)]
    writers: dict[str, Callable[[Sequence[Feature], Path], str]] = {
        "granpipe map": by_granpipe,
        "folium FastMarkerCluster": by_cluster,
    }
    if with_markers:
        writers["folium Marker"] = by_markers
    contenders = [
        Contender(name, partial(write, features), count) for name, write in writers.items()
    ]
    title = f"page of {count:,} positions, no thumbnails"
    bench.compete(title, contenders, 3, Column("written", page_size))


def by_granpipe(features: Sequence[Feature], _: Path) -> str:
    return "".join(WRITERS[".html"].write(features, MapOptions("img", "./img/")))


def by_cluster(features: Sequence[Feature], _: Path) -> str:
    places = [place_of(feature) for feature in features]
    return FastMarkerCluster(places).add_to(folium.Map()).get_root().render()


def by_markers(features: Sequence[Feature], _: Path) -> str:
    page = folium.Map()
    for feature in features:
        folium.Marker(place_of(feature), popup=feature.photo.source).add_to(page)
    return page.get_root().render()


def place_of(feature: Feature) -> tuple[float, float]:
    """Return latitude and longitude in decimal degrees."""
    return feature.capture.position.lat, feature.capture.position.lon


def feature(number: int) -> Feature:
    """Return a photograph of one of five fields."""
    plot, lat, lon = number % 5, number * 0.618034 % 1, number * 0.414214 % 1
    position = Position(round(48 + plot + lat, 9), round(11 - lon, 9), 500.0 + plot, number % 360)
    taken_at = f"2024-06-{1 + number % 28:02}T10:{number % 60:02}:00"
    capture = Capture("ok", "", position, taken_at, "+02:00", "Drawn", "Phone 1")
    return Feature(Photo(f"crop {plot}/IMG_{number:06}.jpg"), capture)
