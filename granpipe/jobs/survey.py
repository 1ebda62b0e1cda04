"""What dataset and photographs have, read without the lock; for the online worker."""

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

from granpipe.dataset.index import Index
from granpipe.dataset.ledger import Ledger, MovedError
from granpipe.dataset.ledger_file import LEDGER, state_of
from granpipe.dataset.names import REJECTED, STATE, array_path, check_name, is_array_path, is_utf8
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.dataset.sources import Search, is_hidden, is_passed_over
from granpipe.dataset.tables import rows_of
from granpipe.errors import DatasetError, PhotoError
from granpipe.stores.protocol import Entry, Store

_REJECTIONS = """
CREATE TABLE rejections (source TEXT PRIMARY KEY, reason TEXT, detail TEXT) WITHOUT ROWID;
"""
_REJECTED = """
SELECT source, reason, detail, ifnull(sha256, '') FROM rejections LEFT JOIN records ON name = source
WHERE reason <> 'no_photograph'
AND (sha256 IS NULL OR sha256 NOT IN (SELECT sha256 FROM records WHERE array_sha256 <> ?))
ORDER BY ifnull(instr(source, sha256), 0) = 0, source
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a photograph."""

    source: str  # its path among the photographs
    record: Record | None  # what the ledger records of it; None where it is rejected
    is_kept: bool = False  # prepare, or an earlier batch, has said so before
    reason: str = ""  # why it is rejected, as in rejected.csv
    detail: str = ""

    @property
    def is_rejected(self) -> bool:
        return bool(self.reason)


class Survey:
    """Reads the ledger as often as it is asked.

    Parameters
    ----------
    source, output : Store
        The photographs; the dataset.
    """

    def __init__(self, source: Store, output: Store) -> None:
        self.source = source
        self.output = output
        self._state = "", ""

    def check(self, source: str) -> None:
        """Raise PhotoError for a path that is no photograph's, or has no array."""
        check_name(source)
        path = array_path(source)
        if is_hidden(source) or is_passed_over(self.source, source):
            raise PhotoError("bad_name", "is no photograph's name")
        if why := self.output.refusal(path) or ("" if is_array_path(path) else "makes no path"):
            raise PhotoError("bad_name", why)

    def is_there(self, source: str) -> bool:
        """Return whether a photograph is in its store, or may be."""
        try:
            self.check(source)
            self.source.version(source)
        except FileNotFoundError:
            return False
        except (PhotoError, OSError):
            return True
        return True

    def state(self) -> str:
        """Return what stands for the tables as `prepare` wrote them last."""
        version = state_of(self.output).get(LEDGER, "")
        if version != self._state[0]:
            with closing(self._read_ledger()) as ledger:
                self._state = version, str(ledger.noted(STATE))
        return self._state[1]

    def _read_ledger(self) -> Ledger:
        while True:
            with suppress(MovedError):
                return Ledger(self.output, "prepare")

    @contextmanager
    def look(self) -> Iterator["Snapshot"]:
        """Return what the dataset has now."""
        with closing(self._read_ledger()) as ledger:
            yield Snapshot(ledger.index, self._rejections(ledger))

    def _rejections(self, ledger: Ledger) -> Iterator[tuple[str, str, str]]:
        """Yield the rows of rejected.csv, if that is as `prepare` wrote it."""
        noted = (ledger.noted("tables") or {}).get(REJECTED, [""])[0]
        with suppress(OSError):
            if noted and self.output.version(REJECTED) == noted:
                for row in rows_of(self.output, REJECTED):
                    yield row["source"], row["reason"], row["detail"]

    def missing(self) -> list[Entry]:
        """Return the photographs of the source that the ledger does not record; none if empty."""
        query = "SELECT 1 FROM records WHERE name = ?"
        with closing(self._read_ledger()) as ledger:
            try:
                missing = [
                    photo
                    for photo in Search(self.source)
                    if not is_utf8(photo.path) or not ledger.index.value(query, (photo.path,))
                ]
            except DatasetError:
                # An empty source is no error here; one that does not answer says so again.
                next(iter(self.source.list()), None)
                return []
        return sorted(missing, key=lambda photo: photo.path)


class Snapshot:
    """What the ledger and rejected.csv say at one moment.

    Parameters
    ----------
    index : Index
        The ledger's.
    rejections : iterable
        The rows of rejected.csv.
    """

    def __init__(self, index: Index, rejections: Iterable[tuple[str, str, str]]) -> None:
        self._index = index
        index.create(_REJECTIONS)
        index.load("INSERT OR REPLACE INTO rejections VALUES (?, ?, ?)", rejections)

    def has_array(self, source: str, sha256: str) -> bool:
        """Return whether a photograph of these bytes has an array."""
        query = "SELECT 1 FROM records WHERE name = ? AND sha256 = ? AND array_sha256 <> ?"
        return bool(self._index.value(query, (source, sha256, WITHOUT_ARRAY)))

    def rejection(self, source: str) -> Prepared | None:
        """Return why `prepare` has rejected a photograph, if it has."""
        query = "SELECT source, reason, detail FROM rejections WHERE source = ?"
        row = self._index.row(query, (source,))
        return _rejected(*row) if row else None

    def recorded(self) -> Iterator[Prepared]:
        """Yield every photograph that has an array."""
        query = f"SELECT name, {self._index.columns} FROM records ORDER BY name"
        for name, *values in self._index.rows(query):
            record = Record.from_values(values)
            if record.array_sha256 != WITHOUT_ARRAY:
                yield Prepared(name, record, is_kept=True)

    def rejected(self) -> Iterator[tuple[Prepared, str]]:
        """Yield what `prepare` has rejected, with its SHA-256 where that is recorded.

        Those that the intake named by it come first. Photographs whose bytes have an array under
        another path are left out.
        """
        for source, reason, detail, sha256 in self._index.rows(_REJECTED, (WITHOUT_ARRAY,)):
            yield _rejected(source, reason, detail), sha256


def _rejected(source: str, reason: str, detail: str) -> Prepared:
    return Prepared(source, None, is_kept=True, reason=reason, detail=detail)
