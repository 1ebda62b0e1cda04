"""Photographs and the fields that they show: in an index, so that a country fits any memory."""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from granpipe.dataset.components import is_new
from granpipe.dataset.database import Database
from granpipe.errors import DatasetError
from granpipe.survey.declination import declination
from granpipe.survey.nearby import Nearby, in_rows
from granpipe.survey.parcels import Parcel, ParcelFile
from granpipe.survey.rings import turn_of
from granpipe.survey.showing import DOUBT, UNKNOWN_ACCURACY, WORST_ACCURACY, Shown, Views, show
from granpipe.survey.view import Edges, Numbers

_SCHEMA = """
CREATE TABLE parcels (number INTEGER PRIMARY KEY, name TEXT, crop TEXT, sizes BLOB, holes BLOB,
    turns BLOB, rings BLOB);
CREATE TABLE near (photo INTEGER, parcel INTEGER, PRIMARY KEY (photo, parcel)) WITHOUT ROWID;
CREATE TABLE shown (photo INTEGER PRIMARY KEY, parcel INTEGER, distance REAL, sure TEXT);
"""
_PARCELS_AT_ONCE, _POSITIONS_AT_ONCE = 2_000, 200_000
_PHOTOS_AT_ONCE, _EDGES_AT_ONCE = 1_000, 300_000
_MOST_EDGES = 1_000_000  # around one photograph: they take 200 MB


@dataclass(frozen=True, slots=True)
class Field:
    """The field that a photograph shows, as tables have it.

    Attributes
    ----------
    name, crop : str
        Its id; what is declared to grow on it, which may be empty.
    distance, sure : float, str
        As `granpipe.survey.showing.Shown` has them.
    parcel : int
        Its number in the file.
    """

    name: str
    distance: float
    crop: str
    sure: str
    parcel: int = 0


View = tuple[float, float, float | None, float | None, str, str]
"""Latitude and longitude in degrees, accuracy in metres, direction in degrees, its north, and local
time as ISO 8601."""


def views_of(photos: Iterable[View]) -> Views:
    """Return photographs in columns."""
    rows = [
        (
            *(lat, lon, UNKNOWN_ACCURACY if accuracy is None else accuracy),
            *_looking(lat, lon, direction, north, taken_at),
        )
        for lat, lon, accuracy, direction, north, taken_at in photos
    ]
    table = np.array(rows, np.float64).reshape(-1, 5)
    return Views(*(np.ascontiguousarray(column) for column in table.T))


def _looking(
    lat: float, lon: float, direction: float | None, north: str, taken_at: str
) -> tuple[float, float]:
    """Return degrees from true north, NaN where nobody knows, and how far off they may be."""
    if direction is None:
        return np.nan, 0.0
    if north == "true":
        return direction, 0.0
    aside = declination(lat, lon, taken_at) if north == "magnetic" else None
    return (direction, DOUBT) if aside is None else ((direction + aside) % 360, 0.0)


class Fields:
    """The fields of photographs; parcels near these are kept in a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.create(_SCHEMA)

    def find(self, file: ParcelFile, views: Views) -> None:
        """Find the field of each photograph; its number is its place among them.

        DatasetError means that the file cannot be used.
        """
        exact = np.flatnonzero(views.accuracy <= WORST_ACCURACY)
        if not len(exact):
            return
        # In the order of places, so that those that are looked at together see the same parcels.
        exact = exact[in_rows(views.lat[exact], views.lon[exact])]
        some = Views(*(getattr(views, name)[exact] for name in Views.__slots__))
        nearby = Nearby(some.lat, some.lon, some.reach())
        parcels = file.near(nearby.boxes())
        for batch in _batches(parcels):
            self._take(batch, nearby)
        for start in range(0, len(exact), _PHOTOS_AT_ONCE):
            rows = [
                (int(exact[photo]), field.parcel, round(field.distance, 1) + 0.0, field.sure)
                for photo, field in self._show(some, start, start + _PHOTOS_AT_ONCE)
            ]
            self.database.load("INSERT INTO shown VALUES (?, ?, ?, ?)", rows)

    def _take(self, batch: list[Parcel], nearby: Nearby) -> None:
        photo, place = nearby.pairs(np.array([parcel.bounds() for parcel in batch]))
        for at in np.unique(place).tolist():
            parcel = batch[at]
            values = (parcel.number, parcel.name, parcel.crop, *_packed(parcel))
            self.database.execute(
                "INSERT OR IGNORE INTO parcels VALUES (?, ?, ?, ?, ?, ?, ?)", values
            )
        pairs = zip(photo.tolist(), (batch[at].number for at in place.tolist()), strict=True)
        self.database.load("INSERT OR IGNORE INTO near VALUES (?, ?)", pairs)

    def _show(self, views: Views, start: int, stop: int) -> Iterator[tuple[int, Shown]]:
        """Yield photographs and what they show; parcels go by their number in the file."""
        query = """SELECT photo, parcel, length(rings) / 16 FROM near
            JOIN parcels ON number = parcel WHERE photo >= ? AND photo < ? ORDER BY 1, 2"""
        pairs = np.array(list(self.database.rows(query, (start, stop))), np.int64).reshape(-1, 3)
        for part in _parts(pairs[:, 0], pairs[:, 2]):
            photos, parcels, sizes = pairs[part].T
            if sizes.sum() > _MOST_EDGES:
                raise DatasetError(
                    f"parcels around one photograph have over {_MOST_EDGES:,} positions; "
                    "simplify those of --fields"
                )
            numbers, place = np.unique(parcels, return_inverse=True)
            edges = Edges.of([self.parcel(number) for number in numbers.tolist()])
            for photo, field in show(views, edges, photos, place.ravel()).items():
                yield photo, replace(field, parcel=int(numbers[field.parcel]))

    def parcel(self, number: int) -> Parcel:
        """Return a parcel that is near a photograph."""
        query = "SELECT name, crop, sizes, holes, turns, rings FROM parcels WHERE number = ?"
        name, crop, *packed = next(self.database.rows(query, (number,)))
        sizes, holes, turns = (np.frombuffer(data, np.int64).tolist() for data in packed[:3])
        rings = np.frombuffer(packed[3], np.float64).reshape(-1, 2)
        ends = [*itertools.accumulate(sizes, initial=0)]
        parts = [rings[start:end] for start, end in itertools.pairwise(ends)]
        return Parcel(number, name, crop, parts, [*map(bool, holes)], turns)

    def rows(self) -> Iterator[tuple[int, Field]]:
        """Yield each photograph that shows a field, by number."""
        query = """SELECT photo, name, distance, crop, sure, parcel FROM shown
            JOIN parcels ON number = parcel ORDER BY photo"""
        for photo, *values in self.database.rows(query):
            yield photo, Field(*values)

    def parcels_shown(self) -> Iterator[Parcel]:
        """Yield the parcels that photographs show."""
        query = "SELECT DISTINCT parcel FROM shown ORDER BY parcel"
        for (number,) in list(self.database.rows(query)):
            yield self.parcel(number)


def _packed(parcel: Parcel) -> tuple[bytes, ...]:
    sizes = [len(ring) for ring in parcel.rings]
    pairs = zip(parcel.rings, parcel.holes, strict=True)
    turns = [turn_of(ring, is_hole=is_hole) for ring, is_hole in pairs]
    numbers = (np.array(some, np.int64) for some in (sizes, parcel.holes, turns))
    return *(some.tobytes() for some in numbers), np.concatenate(parcel.rings).tobytes()


def _batches(parcels: Iterable[Parcel]) -> Iterator[list[Parcel]]:
    batch: list[Parcel] = []
    positions = 0
    for parcel in parcels:
        batch.append(parcel)
        positions += sum(map(len, parcel.rings))
        if len(batch) == _PARCELS_AT_ONCE or positions > _POSITIONS_AT_ONCE:
            yield batch
            batch, positions = [], 0
    if batch:
        yield batch


def _parts(photo: Numbers, edges: Numbers) -> Iterator[slice]:
    """Yield parts of pairs, whole photographs, of so many edges or one photograph."""
    starts = np.flatnonzero(is_new(photo)).tolist()
    before = np.concatenate([[0], np.cumsum(edges)])
    start = 0
    for stop in itertools.chain(starts[1:], [len(photo)]):
        after = bisect_right(starts, stop)
        following = starts[after] if after < len(starts) else len(photo)
        if stop == len(photo) or before[following] - before[start] > _EDGES_AT_ONCE:
            yield slice(start, stop)
            start = stop
