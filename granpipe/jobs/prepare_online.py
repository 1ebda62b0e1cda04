"""Prepare photographs as they arrive, ahead of the `prepare` that will write the tables."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any

from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import (
    AUGMENTED,
    ENGINE_FOLDER,
    OWN,
    SETTINGS,
    SUMMARY,
    array_path,
    label_of,
    source_of,
)
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine, WorkFolder
from granpipe.errors import DatasetError, PhotoError, UnseenError
from granpipe.jobs.prepare_photo import ArraySettings, Outcome, PhotoJob, PreparePhoto
from granpipe.jobs.survey import Prepared, Survey
from granpipe.photo.memory import MAX_MEMORY
from granpipe.photo.opening import MAX_PIXELS
from granpipe.stores.protocol import Entry, Held, Store

_MOST_PARTS = 100


class OnlinePreparer:
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
        self._last: Ledger | None = None
        self.survey = Survey(source, output)
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
            settings, hashes = _settings_of(ledger)
            done: dict[str, Prepared | None] = {
                photo.path: self._judge(ledger, photo.path, settings) for photo in photos
            }
            jobs = [PhotoJob(photo) for photo in photos if not done[photo.path]]
            task = PreparePhoto(self.source, lock.store, settings, hashes=hashes, is_change=False)
            try:
                for made in self._work(ledger, lock, task, jobs):
                    done[made.source] = made
            finally:
                ledger.flush()
            lock.check()
            if len(ledger.parts) > _MOST_PARTS:
                ledger.compact()
            ledger.look_again()
        return [one for photo in photos if (one := done[photo.path])]

    def _ledger(self, held: Store) -> Ledger:
        """Return the ledger, read again where another run has written it."""
        if self._last:
            self._last.store = held
            if not self._last.follow():
                self._last.close()
                self._last = None
        if not self._last:
            self._last, self._foreign = Ledger(held, "prepare"), {}
        if not self._last.is_whole:
            # Nobody knows then which arrays a table lists; prepare finds out, and starts afresh.
            raise DatasetError(f"{self.output.url}: its ledger is damaged; run granpipe prepare")
        return self._last

    def _judge(self, ledger: Ledger, source: str, settings: ArraySettings) -> Prepared | None:
        """Return what is to be said without decoding anything; None for what is to be prepared."""
        try:
            self.survey.check(source)
        except PhotoError as error:
            return Prepared(source, None, reason=error.reason, detail=error.detail)
        record: Record | None = ledger.index.record(source)
        if record and record.array_sha256 == WITHOUT_ARRAY:
            query = "SELECT 1 FROM records WHERE sha256 = ? AND array_sha256 <> ?"
            if ledger.index.value(query, (record.sha256, WITHOUT_ARRAY)):
                return Prepared(
                    source, None, reason="duplicate", detail="the same photograph is in already"
                )
            return Prepared(source, None, reason="flagged", detail="prepare has left it out")
        if record and settings.allows(record):
            return Prepared(source, record, is_kept=True)
        if source in self._foreign_in(ledger, label_of(source)):
            why = "a file that granpipe did not write has the place of its array"
            return Prepared(source, None, reason="bad_name", detail=why)
        return None

    def erase(self, photos: Mapping[str, str]) -> None:
        """Delete the arrays of photographs that are gone, and their records, under the lock.

        What `prepare` wrote of them is no longer true: dataset.json goes, and that of the copies.

        Parameters
        ----------
        photos : mapping
            The SHA-256 of each, by its path; one that is there is left alone.

        Raises
        ------
        BusyError
            Another run has the lock.
        """
        with self.output.hold(OWN, lambda line: None, is_brief=True) as lock:
            ledger = self._ledger(lock.store)
            gone = [
                source
                for source, sha256 in photos.items()
                if self._is_ours(ledger, source, sha256) and not self.survey.is_there(source)
            ]
            for source in gone:
                for path in (SUMMARY, f"{AUGMENTED}/{SUMMARY}", array_path(source)):
                    lock.store.delete(path)
                for table in ("records", "planned"):
                    ledger.index.execute(f"DELETE FROM {table} WHERE name = ?", (source,))
            if gone:
                ledger.compact()
                ledger.look_again()

    def _is_ours(self, ledger: Ledger, source: str, sha256: str) -> bool:
        """Return whether a photograph of these bytes has an array, or may have one."""
        record: Record | None = ledger.index.record(source)
        if record:
            return record.sha256 == sha256
        return bool(ledger.index.value("SELECT 1 FROM planned WHERE name = ?", (source,)))

    def _foreign_in(self, ledger: Ledger, label: str) -> set[str]:
        """Return the names of what stood in a class folder and is not in the ledger."""
        if label not in self._foreign:
            ours = """SELECT 1 FROM records WHERE name = ?1
                UNION SELECT 1 FROM planned WHERE name = ?1
                UNION SELECT 1 FROM replaceable WHERE name = ?1"""
            names = (source_of(entry.path) for entry in self.output.list(label))
            self._foreign[label] = {one for one in names if not ledger.index.value(ours, (one,))}
        return self._foreign[label]

    def _work(
        self, ledger: Ledger, lock: Held, task: PreparePhoto, jobs: Sequence[PhotoJob]
    ) -> Iterator[Prepared]:
        if not jobs:
            return
        ledger.plan_names([job.photo.path for job in jobs])
        with closing(self.engine.run(task, jobs, WorkFolder(lock.store, ENGINE_FOLDER))) as results:
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


def _taken(ledger: Ledger, source: str, result: Outcome | PhotoError | WorkerCrashed) -> Prepared:
    if isinstance(result, WorkerCrashed):
        return Prepared(source, None, reason="crashed", detail=f"its decoder {result.cause}")
    if isinstance(result, PhotoError):
        return Prepared(source, None, reason=result.reason, detail=result.detail)
    ledger.add(source, result.record)
    return Prepared(source, result.record)


def _settings_of(ledger: Ledger) -> tuple[ArraySettings, bool]:
    """Return how the dataset is prepared, else the defaults; and whether records have hashes."""
    noted: dict[str, Any] | None = ledger.noted(SETTINGS)
    if not noted:
        return ArraySettings(224, (0, 0, 0), MAX_PIXELS, MAX_MEMORY), False
    red, green, blue = noted["fill"]
    settings = ArraySettings(
        noted["size"], (red, green, blue), noted["max_pixels"], noted["max_memory"]
    )
    return settings, noted["hashes"]
