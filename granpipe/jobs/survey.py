"""What dataset and photographs have, read without the lock; for the online worker."""

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

from granpipe.dataset.ledger import Ledger, MovedError
from granpipe.dataset.ledger_file import LEDGER, state_of
from granpipe.dataset.names import STATE, array_path, check_name, is_array_path, is_utf8
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.dataset.sources import Search, is_hidden, is_passed_over
from granpipe.errors import DatasetError, PhotoError
from granpipe.stores.protocol import Entry, Store


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a photograph."""

    source: str  # its path among the photographs
    record: Record | None  # what the ledger records of it; None where it is rejected
    is_kept: bool = False  # it was prepared before, and nothing was done
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

    def unrecorded(self, photos: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Yield those of these photographs, sources and SHA-256s, that have no array."""
        query = "SELECT 1 FROM records WHERE name = ? AND sha256 = ? AND array_sha256 <> ?"
        with closing(self._read_ledger()) as ledger:
            for photo in photos:
                if not ledger.index.value(query, (*photo, WITHOUT_ARRAY)):
                    yield photo

    def recorded(self) -> Iterator[Prepared]:
        """Yield every photograph that the ledger records."""
        with closing(self._read_ledger()) as ledger:
            index = ledger.index
            query = f"SELECT name, {index.columns} FROM records ORDER BY name"
            for name, *values in index.rows(query):
                record = Record.from_values(values)
                if record.array_sha256 != WITHOUT_ARRAY:
                    yield Prepared(name, record, is_kept=True)
