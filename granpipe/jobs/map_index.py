"""What a run of `map` knows of photographs, in a temporary file: which there are, what was seen."""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter

from granpipe.dataset.database import Database, Items, Row
from granpipe.dataset.names import LABELS, Photo, class_key, label_of
from granpipe.dataset.sidecars import Beside
from granpipe.dataset.sources import Search
from granpipe.dataset.tables import rows_of
from granpipe.errors import DatasetError
from granpipe.jobs.see_photo import MapJob
from granpipe.mapping.feature import SPLIT_COLUMNS, Feature
from granpipe.mapping.nearest import nearest_training
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.stores.protocol import Entry, Store
from granpipe.survey.fields import Field

THUMBNAIL_BYTES = 16_000_000
"""What the thumbnails of one page may take, about; then only some photographs have one."""

# A name may be other bytes than UTF-8.
_SCHEMA = """
CREATE TABLE found (name BLOB PRIMARY KEY, size INTEGER, version TEXT, problem TEXT) WITHOUT ROWID;
CREATE TABLE photos (number INTEGER PRIMARY KEY, name BLOB, size INTEGER, version TEXT,
    problem TEXT);
CREATE TABLE splits (name BLOB PRIMARY KEY, groups TEXT, split TEXT, given TEXT) WITHOUT ROWID;
CREATE TABLE features (number INTEGER PRIMARY KEY, data BLOB);
"""


class MapIndex:
    """The tables of one run.

    Attributes
    ----------
    beside : Beside
        Files that may be photographs' sidecars.
    in_dataset : int or None
        How many photographs a dataset with splits has; None where nobody asked.
    matched : int
        How many of those were taken in.
    """

    def __init__(self) -> None:
        self.database = Database(_SCHEMA)
        self.beside = Beside(self.database)
        self.in_dataset: int | None = None
        self.matched = 0

    def load(self, search: Search) -> None:
        """Take in every photograph that is found."""
        rows = ((_bytes(entry.path), entry.size, entry.version, entry.problem) for entry in search)
        self.database.load("INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?)", rows)
        query = "INSERT INTO photos SELECT row_number() OVER (ORDER BY name) - 1, * FROM found"
        self.database.execute(query)

    def load_splits(self, dataset: Store) -> None:
        """Take in group and split of every photograph of a dataset; DatasetError if it has none."""
        rows = (
            (_bytes(row["source"]), row["group"] or "", row["split"] or "", _given(row))
            for row in rows_of(dataset, LABELS)
            if row.keys() >= {"source", *SPLIT_COLUMNS} and row["source"]
        )
        self.database.load("INSERT OR REPLACE INTO splits VALUES (?, ?, ?, ?)", rows)
        if not self.database.value("SELECT 1 FROM splits WHERE split <> ''"):
            raise DatasetError(
                f"{dataset.url}: has no split; run granpipe prepare --split 80/10/10 first"
            )
        self.in_dataset = int(self.database.value("SELECT count(*) FROM splits"))

    def jobs(self, side: int) -> Sequence[MapJob]:
        """Return a job for each photograph, in the order of names.

        `side` is of their thumbnails, in pixels, 0 for none; for the budget, not all may have one.
        """
        count = self.database.value("SELECT count(*) FROM photos")
        has_beside = bool(self.beside)
        step = -(-count * side**2 // (2 * THUMBNAIL_BYTES))

        def job(row: Row) -> MapJob:
            number, name, *others = row
            photo = Entry(_text(name), *others)
            beside = self.beside.of(photo.path) if has_beside else ()
            return MapJob(photo, 0 if step and number % step else side, beside)

        return Items(self.database, "SELECT * FROM photos", count, job)

    def keep(self, features: Iterable[Feature]) -> Sequence[Feature]:
        """Take in what was seen, in the order of names; return it with the dataset's splits."""
        rows = ((number, self._packed(feature)) for number, feature in enumerate(features))
        self.database.load("INSERT INTO features VALUES (?, ?)", rows)
        count = self.database.value("SELECT count(*) FROM features")
        return Items(self.database, "SELECT data FROM features", count, _feature)

    def measure(self, features: Sequence[Feature]) -> None:
        """Add to what was kept how far training is."""
        query = "UPDATE features SET data = ? WHERE number = ?"
        for number, metres in nearest_training(features).items():
            data = _packed(replace(features[number], nearest_training=metres))
            self.database.execute(query, (data, number))

    def add_fields(self, fields: Iterable[tuple[int, Field]]) -> None:
        """Add to what was kept which field a photograph shows, by its number."""
        query = "SELECT data FROM features WHERE number = ?"
        for number, field in fields:
            feature = _feature(next(self.database.rows(query, (number,))))
            data = _packed(replace(feature, field=field))
            self.database.execute("UPDATE features SET data = ? WHERE number = ?", (data, number))

    def _packed(self, feature: Feature) -> bytes:
        if self.in_dataset:
            query = "SELECT groups, split, given FROM splits WHERE name = ?"
            side = next(self.database.rows(query, (_bytes(feature.photo.source),)), None)
            self.matched += side is not None
            group, split, given = side or ("", "", "")
            photo = Photo(feature.photo.source, given)
            feature = replace(feature, photo=photo, group=group, split=split)
        return _packed(feature)


def _packed(feature: Feature) -> bytes:
    capture, place = feature.capture, feature.capture.position
    # Of plain values, in a tenth of the time that dataclasses take.
    values = (
        (feature.photo.source, feature.photo.given),
        place and _packed_place(place),
        (capture.verdict, capture.detail),
        (
            capture.taken_at,
            capture.utc_offset,
            capture.make,
            capture.model,
            capture.utc_offset_from,
        ),
        (feature.thumbnail, feature.split, feature.group, feature.nearest_training),
        feature.field and _packed_field(feature.field),
    )
    return pickle.dumps(values)


_packed_field = attrgetter(*Field.__slots__)
_packed_place = attrgetter(*Position.__slots__)


def _feature(row: Row) -> Feature:
    photo, place, verdict, times, beside, field = pickle.loads(row[0])  # noqa: S301 - our own file
    captured = (*verdict, place and Position(*place), *times)
    seen = Feature(Photo(*photo), Capture(*captured), *beside)
    return replace(seen, field=Field(*field)) if field else seen


def _given(row: Mapping[str, str]) -> str:
    """Return a photograph's label, if it is not the name of its first folder."""
    label = row.get("label") or ""
    return "" if class_key(label) == class_key(label_of(row["source"])) else label


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
