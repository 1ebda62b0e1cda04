"""What a run of `prepare` knows of photographs: which there are, and what came of each."""

from collections import Counter
from dataclasses import replace

from granpipe.dataset.arrays import array_digest
from granpipe.dataset.database import Row
from granpipe.dataset.names import array_path, check_name, is_utf8, shown_bytes
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.dataset.sidecars import Beside
from granpipe.dataset.sources import Search
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.following import log_rejection
from granpipe.jobs.run import Run
from granpipe.stores.protocol import Entry

# Every photograph is in `outcomes` in the end: without a reason it has an array. `located` are the
# places of those whose own file says none; `positions` has all of them, and which are imprecise.
_SCHEMA = """
CREATE TABLE photos (name TEXT PRIMARY KEY, size INTEGER, version TEXT, problem TEXT)
    WITHOUT ROWID;
CREATE TABLE outcomes (name TEXT PRIMARY KEY, reason TEXT, detail TEXT, is_kept INTEGER)
    WITHOUT ROWID;
CREATE TABLE given (photo TEXT PRIMARY KEY, label TEXT, split TEXT, grp TEXT, latitude REAL,
    longitude REAL, taken_at TEXT) WITHOUT ROWID;
CREATE TABLE located (photo TEXT PRIMARY KEY, latitude REAL, longitude REAL, altitude REAL,
    position_from TEXT) WITHOUT ROWID;
CREATE TABLE fields (photo TEXT PRIMARY KEY, field TEXT, distance REAL, crop TEXT, sure TEXT)
    WITHOUT ROWID;
CREATE TABLE conflicts (source TEXT PRIMARY KEY, label TEXT, field TEXT, crop TEXT, distance REAL,
    sure TEXT) WITHOUT ROWID;
CREATE TABLE radius (metres REAL);
CREATE VIEW positions AS SELECT name, coalesce(records.latitude, located.latitude) AS latitude,
    coalesce(records.longitude, located.longitude) AS longitude,
    coalesce(records.altitude, located.altitude) AS altitude, accuracy, dop, direction,
    direction_ref, coalesce(located.position_from, records.position_from) AS position_from,
    trim(flags || iif(accuracy > metres, ' imprecise', '')) AS flags,
    ifnull(accuracy > metres, 0) AS is_imprecise
    FROM records CROSS JOIN radius LEFT JOIN located ON photo = name;
CREATE TABLE alike (source TEXT, other TEXT, distance INTEGER);
CREATE TABLE duplicates (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE todo (number INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE numbered (number INTEGER PRIMARY KEY, name TEXT, alike INTEGER);
CREATE VIEW wanted AS SELECT name FROM outcomes WHERE reason = '';
"""


class PhotoIndex:
    """The tables that prepare adds to a run's index.

    Parameters
    ----------
    run : Run
    radius : float
        Metres; a position that may be further off is imprecise.

    Attributes
    ----------
    beside : Beside
        Files that may be photographs' sidecars.
    """

    def __init__(self, run: Run, radius: float) -> None:
        self.run = run
        self.index = run.index
        self.index.create(_SCHEMA)
        self.beside = Beside(self.index)
        self.index.execute("INSERT INTO radius VALUES (?)", (radius,))

    def load(self, search: Search, depth: int = 1) -> None:
        """Take in every photograph that is found; reject those that cannot have an array.

        `depth` is in how many folders a photograph must be to have a label.
        """
        photos = filter(None, (self._row(photo, depth) for photo in search))
        self.index.load("INSERT OR REPLACE INTO photos VALUES (?, ?, ?, ?)", photos)
        if self.run.ignores_case:
            self._reject_same_files()

    def is_known(self, file: Entry) -> bool:
        """Return whether a file was a photograph before, and has not changed since."""
        query = "SELECT 1 FROM records WHERE name = ? AND version = ? AND version <> ''"
        values = (file.path, file.version)
        return is_utf8(file.path) and bool(self.index.value(query, values))

    def _row(self, photo: Entry, depth: int) -> Row | None:
        """Return a photograph's row of the index; None where its name is rejected."""
        try:
            check_name(photo.path, depth)
            if why := self.run.store.refusal(array_path(photo.path)):
                raise PhotoError("bad_name", why)  # noqa: TRY301
        except PhotoError as error:
            self.reject(photo.path, error)
            return None
        return photo.path, photo.size, photo.version, photo.problem

    def _reject_same_files(self) -> None:
        """Reject names that are one file where the disk ignores case."""
        query = """SELECT name FROM photos WHERE fold(name) IN
            (SELECT fold(name) FROM photos GROUP BY fold(name) HAVING count(*) > 1)"""
        for (name,) in list(self.index.rows(query)):
            error = PhotoError("bad_name", "differs from another in letter case only")
            self.reject(name, error)
            self.index.execute("DELETE FROM photos WHERE name = ?", (name,))

    def keep_unseen(self, folder: str, cause: str, recipe: str) -> None:
        """Leave alone what is in the dataset from a folder that could not be listed.

        Raises
        ------
        DatasetError
            What came from it is not known, or would be lost: `recipe` says how arrays are made now.
        """
        query = """SELECT name FROM (SELECT name FROM ours UNION SELECT name FROM replaceable)
            WHERE name > ? AND name < ?"""
        for (name,) in list(self.index.rows(query, (f"{folder}/", f"{folder}0"))):
            record: Record | None = self.index.record(name)
            if not record:
                if self._version(name):
                    raise DatasetError(
                        f"{folder}: {cause}; fix that first: the ledger does not say "
                        "what came from it"
                    )
            elif record.recipe != recipe:
                raise DatasetError(
                    f"{folder}: {cause}; fix that first: with other settings its "
                    "arrays would be lost"
                )
            elif record.array_sha256 == WITHOUT_ARRAY:
                self.index.execute("INSERT OR IGNORE INTO duplicates VALUES (?)", (name,))
            elif self._has_array(name, record):
                self.admit(name, is_kept=True)

    def _version(self, name: str) -> str:
        """Return the version in which an array is there; empty where there is none."""
        query = "SELECT version FROM listed WHERE path = fold(? || '.npy')"
        return self.index.value(query, (name,)) or ""

    def stands(self, name: str, recipe: str) -> bool:
        """Return whether a photograph has an array by a recipe, and it is there as recorded."""
        record: Record | None = self.index.record(name)
        if not record or record.array_sha256 == WITHOUT_ARRAY or record.recipe != recipe:
            return False
        return self._has_array(name, record)

    def _has_array(self, name: str, record: Record) -> bool:
        if record.array_version and self._version(name) == record.array_version:
            return True
        return array_digest(self.run.store, array_path(name)) == record.array_sha256

    def admit(self, name: str, *, is_kept: bool) -> None:
        """Take a photograph for prepared."""
        self.index.execute("INSERT OR REPLACE INTO outcomes VALUES (?, '', '', ?)", (name, is_kept))

    def reject(self, name: str, error: PhotoError) -> None:
        """Note why a photograph has no array."""
        log_rejection(name, error)
        # A name may be other bytes than UTF-8.
        values = (name.encode("utf-8", "surrogateescape"), error.reason, error.detail)
        query = "INSERT OR REPLACE INTO outcomes VALUES (CAST(? AS TEXT), ?, ?, 0)"
        self.index.execute(query, values)

    def leave_out(self, name: str, error: PhotoError) -> None:
        """Reject a photograph whose record stays, so that it is not decoded again."""
        self.reject(name, error)
        self.index.execute("INSERT OR IGNORE INTO duplicates VALUES (?)", (name,))
        record: Record = self.index.record(name)
        if record.array_sha256 != WITHOUT_ARRAY:
            self.run.add(name, replace(record, array_sha256=WITHOUT_ARRAY), is_written=False)

    def counts(self) -> Counter[str]:
        """Return how many photographs of each label have an array."""
        query = "SELECT label(name), count(*) FROM wanted GROUP BY 1"
        return Counter(dict(self.index.rows(query)))

    def rejected(self) -> Counter[str]:
        """Return how many photographs of each label are rejected; without one, of an empty text."""
        query = """SELECT CAST(label(name) AS BLOB), count(*) FROM outcomes WHERE reason <> ''
            GROUP BY 1"""
        rows = self.index.rows(query)
        return Counter({shown_bytes(label or b""): count for label, count in rows})

    def kept(self) -> int:
        """Return how many of them were not decoded again."""
        return int(self.index.value("SELECT count(*) FROM outcomes WHERE is_kept AND reason = ''"))

    def flags(self) -> Counter[str]:
        """Return how many photographs have each flag."""
        query = """SELECT flags, count(*) FROM wanted JOIN positions USING (name)
            WHERE flags <> '' GROUP BY flags"""
        found: Counter[str] = Counter()
        for words, count in self.index.rows(query):
            found.update(dict.fromkeys(words.split(), count))
        return found
