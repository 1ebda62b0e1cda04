"""Prepare photographs as they arrive, ahead of the `prepare` that will write the tables."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from granpipe.dataset.arrays import add_array
from granpipe.dataset.ledger import Ledger, MovedError
from granpipe.dataset.names import (
    DESK,
    OWN,
    array_path,
    check_name,
    is_array_path,
    label_of,
    source_of,
)
from granpipe.dataset.packs import is_pack
from granpipe.dataset.records import RecordsFile
from granpipe.dataset.sources import find_photos, is_hidden
from granpipe.dataset.tables import read_summary
from granpipe.engines.parcels import clear
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine, Place
from granpipe.errors import DatasetError, PhotoError, UnseenError
from granpipe.jobs.prepare_photo import TWIN, Job, Outcome, PreparePhoto, Settings
from granpipe.photo.memory import MAX_MEMORY
from granpipe.photo.opening import MAX_PIXELS, is_photo
from granpipe.stores.protocol import Entry, Held, Store

_MOST_PARTS = 100


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a photograph.

    Attributes
    ----------
    source : str
        Its path among the photographs.
    record : dict
        What the ledger records of it; empty where it is rejected.
    is_kept : bool
        It was prepared before, and nothing was done.
    reason, detail : str
        Why it is rejected, as in rejected.csv.
    """

    source: str
    record: dict[str, Any]
    is_kept: bool = False
    reason: str = ""
    detail: str = ""

    @property
    def is_rejected(self) -> bool:
        return bool(self.reason)


class PrepareAhead:
    """Batches of photographs -> arrays, and parts of the ledger.

    Arrays that a table may list already are left alone, so dataset.json stays as true as it is.

    Parameters
    ----------
    source, output : Store
        The photographs; the dataset.
    engine : Engine

    Raises
    ------
    DatasetError
        One lies in the other.
    """

    def __init__(self, source: Store, output: Store, engine: Engine) -> None:
        if output.is_within(source):
            raise DatasetError(f"{output.url}: lies in {source.url}; choose an output outside")
        self.source = source
        self.output = output
        self.engine = engine
        self._known: Ledger | None = None
        self._foreign: dict[str, set[str]] = {}

    def run(self, photos: Sequence[Entry]) -> list[Prepared]:
        """Prepare a batch, under the dataset's lock.

        Raises
        ------
        BusyError
            Another run has the lock.
        DatasetError
            A store does not answer; what was done so far is kept.
        """
        with self.output.hold(OWN, lambda line: None, is_brief=True) as lock:
            ledger = self._ledger(lock.store)
            settings, looks = _settings_of(lock.store)
            done: dict[str, Prepared | None] = {
                photo.path: self._judge(ledger, photo.path, settings) for photo in photos
            }
            jobs = [Job(photo) for photo in photos if not done[photo.path]]
            task = PreparePhoto(self.source, lock.store, settings, looks=looks, save=add_array)
            try:
                for made in self._work(ledger, lock, task, jobs):
                    done[made.source] = made
            finally:
                ledger.flush()
            lock.check()
            if ledger.parts > _MOST_PARTS:
                ledger.compact()
            ledger.look_again()
        return [one for photo in photos if (one := done[photo.path])]

    def _ledger(self, held: Store) -> Ledger:
        """Return the ledger, read again where another run has written it."""
        if self._known:
            self._known.store = held
        if not self._known or self._known.has_moved():
            # A worker lives for months, while its dataset grows: none of it stays in memory.
            self._known, self._foreign = Ledger(held, "prepare", RecordsFile()), {}
        if not self._known.is_whole:
            # Nobody knows then which arrays a table lists; prepare finds out, and starts afresh.
            raise DatasetError(f"{self.output.url}: its ledger is damaged; run granpipe prepare")
        return self._known

    def _judge(self, ledger: Ledger, source: str, settings: Settings) -> Prepared | None:
        """Return what is to be said without decoding anything; None for what is to be prepared."""
        path = array_path(source)
        try:
            self._check(source)
        except PhotoError as error:
            return Prepared(source, {}, reason=error.reason, detail=error.detail)
        record = ledger.get(path)
        if record and record["array_sha256"] == TWIN:
            return Prepared(source, {}, reason="duplicate", detail="its twin is in")
        if record and settings.allows(record):
            return Prepared(source, record, is_kept=True)
        if path in self._foreign_in(ledger, label_of(source)):
            why = "a file that granpipe did not write has the place of its array"
            return Prepared(source, {}, reason="bad_name", detail=why)
        return None

    def _check(self, source: str) -> None:
        """Raise PhotoError for a path that is no photograph's, or has no array."""
        check_name(source)
        path = array_path(source)
        if is_hidden(source) or not is_photo(source):
            raise PhotoError("bad_name", "is no photograph's name")
        if why := self.output.refusal(path) or ("" if is_array_path(path) else "makes no path"):
            raise PhotoError("bad_name", why)

    def _foreign_in(self, ledger: Ledger, label: str) -> set[str]:
        """Return what stood in a class folder of the dataset and is not in the ledger."""
        if label not in self._foreign:
            there = (entry.path for entry in self.output.list(label))
            known = (ledger.records, ledger.replaceable)
            self._foreign[label] = {path for path in there if not any(path in one for one in known)}
        return self._foreign[label]

    def _work(
        self, ledger: Ledger, lock: Held, task: PreparePhoto, jobs: Sequence[Job]
    ) -> Iterator[Prepared]:
        if not jobs:
            return
        ledger.plan([array_path(job.photo.path) for job in jobs])
        clear(lock.store, DESK)  # of a worker that was killed
        with closing(self.engine.run(task, jobs, Place(lock.store, DESK))) as results:
            for job, result in zip(jobs, results, strict=True):
                lock.watch()
                if isinstance(result, UnseenError):
                    self._check_source(job.photo.path, result)
                yield _taken(ledger, job.photo.path, result)

    def _check_source(self, source: str, error: UnseenError) -> None:
        """Raise DatasetError where a photograph was not given since its store does not answer.

        Rejected is one that is unreadable while others are not.
        """
        is_back = False
        with suppress(OSError):
            is_back = bool(self.source.head(source, 1))
        first = next(iter(self.source.list(deep=False)), None)
        if is_back or (first and first.is_folder and first.problem):
            raise DatasetError(f"{self.source.url}: {error.detail}") from error

    def _records(self) -> Mapping[str, str]:
        while True:
            with suppress(MovedError):
                return Ledger(self.output, "prepare", RecordsFile()).records

    def missing(self) -> list[Entry]:
        """Return the photographs of the source that the ledger does not know; none if empty."""
        records = self._records()
        try:
            found = find_photos(self.source)
        except DatasetError:
            # An empty source is no error here; one that does not answer says so again.
            next(iter(self.source.list()), None)
            return []
        return [photo for photo in found.photos if not records.get(array_path(photo.path))]

    def recorded(self) -> Iterator[Prepared]:
        """Yield every photograph that the ledger records."""
        for path, text in self._records().items():
            record = json.loads(text) if text and not is_pack(path) else {}
            if record and record["array_sha256"] != TWIN:
                yield Prepared(source_of(path), record, is_kept=True)


def _taken(ledger: Ledger, source: str, result: Outcome | PhotoError | WorkerCrashed) -> Prepared:
    if isinstance(result, WorkerCrashed):
        return Prepared(source, {}, reason="crashed", detail=f"its decoder {result.cause}")
    if isinstance(result, PhotoError):
        return Prepared(source, {}, reason=result.reason, detail=result.detail)
    ledger.add(array_path(source), result.record)
    return Prepared(source, json.loads(result.record))


def _settings_of(output: Store) -> tuple[Settings, bool]:
    """Return how the dataset was prepared, else the defaults; and whether records tell looks."""
    told = (read_summary(output) or {}).get("settings")
    told = told if isinstance(told, dict) else {}
    values = [told.get(name) for name in ("size", "max_pixels", "max_memory")]
    fill = told.get("fill")
    is_sound = isinstance(fill, list) and len(fill) == 3 and _are_numbers([*values, *fill])
    if not is_sound:
        return Settings(224, (0, 0, 0), MAX_PIXELS, MAX_MEMORY), False
    size, max_pixels, max_memory = (int(value) for value in values if value is not None)
    red, green, blue = (int(channel) for channel in fill or ())
    looks = "likeness" in str(told.get("together", ""))
    return Settings(size, (red, green, blue), max_pixels, max_memory), looks


def _are_numbers(values: Iterable[object]) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)
