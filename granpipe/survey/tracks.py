"""Tracks of a receiver -> where it was at a time, on the great circle between two points."""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers.expat import ExpatError

from granpipe.dataset.places import EARTH
from granpipe.errors import DatasetError, LayoutError, one_line
from granpipe.photo.gps import Position
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join, open_file, open_store
from granpipe.survey.clock import Clock
from granpipe.survey.gpx import Points, read_gpx

GAP = 300
"""Seconds between two points of a track, at most, between which it is known."""

MOST_POINTS = 10_000_000
"""Points of all tracks together: they take 32 bytes each."""

_DAY = 86_400
_APART = 100.0  # metres between what two tracks say of one moment, at most


@dataclass(frozen=True, slots=True)
class _Run:
    """Points of one track, from one place to another, without a gap."""

    points: Points
    start: int
    stop: int


@dataclass(slots=True)
class Tracks:
    """Where receivers were, and how the cameras beside them were set.

    Attributes
    ----------
    clock : Clock
    runs : dict
        By day since 1970 (UTC), in the order of files and then times.
    unset : int
        Photographs, so far, whose time has no offset from UTC, and no clock gives it.
    """

    clock: Clock
    runs: dict[int, list[_Run]] = field(default_factory=lambda: defaultdict(list))
    unset: int = 0

    @classmethod
    def read(cls, places: Iterable[str], clock: Clock, gap: float = GAP) -> "Tracks":
        """Return the tracks of files and folders.

        Parameters
        ----------
        places : iterable of str
            .gpx files, and folders of them; on a disk or s3://.
        clock : Clock
        gap : float
            Seconds; where no point comes for longer, a track is not known.

        Raises
        ------
        DatasetError
            One cannot be read, or has no points with times.
        """
        tracks, count = cls(clock), 0
        for place in places:
            for store, name in _files(place):
                points = _read(store, name)
                count += len(points)
                if count > MOST_POINTS:
                    raise DatasetError(
                        f"{place}: with it tracks have over {MOST_POINTS:,} points; name fewer"
                    )
                tracks._add(points, gap)
        return tracks

    def _add(self, points: Points, gap: float) -> None:
        start = 0
        for stop in range(1, len(points) + 1):
            if stop == len(points) or points.times[stop] - points.times[stop - 1] > gap:
                first, last = (int(points.times[at] // _DAY) for at in (start, stop - 1))
                run = _Run(points, start, stop)
                for day in range(first, last + 1):
                    self.runs[day].append(run)
                start = stop

    def locate(self, taken_at: str, utc_offset: str) -> tuple[Position | None, str]:
        """Return where a photograph of this time was taken, or why tracks do not say so."""
        seconds = self.clock.seconds(taken_at, utc_offset)
        if isinstance(seconds, str):
            self.unset += seconds == "no offset"
            return None, seconds
        runs = self.runs.get(int(seconds // _DAY), [])
        places = [place for run in runs if (place := _place(run, seconds))]
        if not places:
            return None, "not there at this time"
        if any(_metres(places[0], other) > _APART for other in places[1:]):
            return None, "two tracks say two places"
        return places[0], ""


def _files(place: str) -> Iterator[tuple[Store, str]]:
    """Yield the .gpx files that a place means."""
    if place.lower().endswith(".gpx"):
        yield open_file(place)
        return
    store = open_store(place)
    names = sorted(entry.path for entry in store.list() if entry.path.lower().endswith(".gpx"))
    if not names:
        raise LayoutError(f"{place}: is no .gpx file and no folder of them; name one")
    for name in names:
        yield store, name


def _read(store: Store, name: str) -> Points:
    place = join(store.url, name)
    try:
        points = _in_order(read_gpx(store.pieces(name)))
    except FileNotFoundError as error:
        raise LayoutError(f"{place}: no such track; name one") from error
    except OSError as error:
        raise DatasetError(
            f"{place}: {error.strerror or error}; fix that, then run again"
        ) from error
    except (ExpatError, ValueError, LookupError) as error:
        raise DatasetError(f"{place}: is no GPX that can be read: {one_line(error)}") from error
    if not len(points):
        raise DatasetError(f"{place}: has no points of a track with times; export it with them")
    return points


def _in_order(points: Points) -> Points:
    """Return points in the order of time, the first of those of one moment."""
    times = points.times
    if all(times[at - 1] < times[at] for at in range(1, len(times))):
        return points
    ordered = Points()
    for at in sorted(range(len(times)), key=times.__getitem__):
        if not len(ordered) or ordered.times[-1] < times[at]:
            ordered.add(times[at], points.lats[at], points.lons[at], points.altitudes[at])
    return ordered


def _place(run: _Run, seconds: float) -> Position | None:
    """Return where a run is at a time; None outside of it."""
    points, times = run.points, run.points.times
    if not times[run.start] <= seconds <= times[run.stop - 1]:
        return None
    after = min(bisect_right(times, seconds, run.start, run.stop), run.stop - 1)
    before = max(run.start, after - 1)
    span = times[after] - times[before]
    share = (seconds - times[before]) / span if span else 0.0
    lat, lon = _between(
        *(points.lats[before], points.lons[before], points.lats[after], points.lons[after]), share
    )
    low, high = points.altitudes[before], points.altitudes[after]
    altitude = low + (high - low) * share
    return Position(
        *(round(lat, 7) + 0.0, round(lon, 7) + 0.0),
        None if math.isnan(altitude) else round(altitude, 3) + 0.0,
        position_from="track",
    )


def _between(
    lat: float, lon: float, to_lat: float, to_lon: float, share: float
) -> tuple[float, float]:
    """Return the place a share of the way along the great circle, in degrees."""
    start, end = _vector(lat, lon), _vector(to_lat, to_lon)
    across = math.dist(start, end)
    angle = 2 * math.asin(min(1.0, across / 2))
    if angle < 1e-12 or angle > math.pi - 1e-6:
        return (lat, lon) if share < 1 else (to_lat, to_lon)
    parts = math.sin((1 - share) * angle), math.sin(share * angle)
    x, y, z = (parts[0] * a + parts[1] * b for a, b in zip(start, end, strict=True))
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


def _vector(lat: float, lon: float) -> tuple[float, float, float]:
    north, east = math.radians(lat), math.radians(lon)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def _metres(start: Position, end: Position) -> float:
    across = math.dist(_vector(start.lat, start.lon), _vector(end.lat, end.lon))
    return 2 * EARTH * math.asin(min(1.0, across / 2))
