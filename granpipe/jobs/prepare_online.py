"""Prepare photographs as they arrive, ahead of the `prepare` that will write the tables."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from granpipe.dataset.index import Index
from granpipe.dataset.names import AUGMENTED, SUMMARY, array_path
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.engines.local import Local, Standby
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError, PhotoError, UnseenError
from granpipe.jobs.batches import Batches
from granpipe.jobs.following import progress_of
from granpipe.jobs.prepare_options import noted_settings
from granpipe.jobs.prepare_photo import ArraySettings, Outcome, PhotoJob, PreparePhoto
from granpipe.jobs.run import Run
from granpipe.jobs.survey import Prepared, Survey
from granpipe.stores.protocol import Entry, Store


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
        self.engine = Standby(engine.workers) if isinstance(engine, Local) else engine
        self.survey = Survey(source, output)
        self._batches = Batches(output)

    def run(self, photos: Sequence[Entry]) -> list[Prepared]:
        """Prepare a batch, under the dataset's lock.

        Raises
        ------
        BusyError
            Another run has the lock.
        DatasetError
            A store does not answer; what was done so far is kept.
        """
        with self._batches.run() as run:
            settings, hashes = noted_settings(run.ledger)
            done = {photo.path: self._judge(run, photo.path, settings) for photo in photos}
            jobs = [PhotoJob(photo) for photo in photos if not done[photo.path]]
            task = PreparePhoto(self.source, run.store, settings, hashes=hashes, is_change=False)

            def take(job: PhotoJob, result: Outcome | PhotoError | WorkerCrashed) -> None:
                done[job.photo.path] = self._take(run, job.photo.path, result)

            if jobs:
                run.ledger.plan_names(job.photo.path for job in jobs)
                run.work(task, jobs, self.engine, progress_of(None), take)
        return [became for photo in photos if (became := done[photo.path])]

    def rest(self) -> None:
        """Let go of what is kept for the next batch, since none comes soon."""
        if isinstance(self.engine, Standby):
            self.engine.rest()

    def _judge(self, run: Run, source: str, settings: ArraySettings) -> Prepared | None:
        """Return what is to be said without decoding anything; None for what is to be prepared."""
        try:
            self.survey.check(source)
        except PhotoError as error:
            return Prepared(source, None, reason=error.reason, detail=error.detail)
        record: Record | None = run.index.record(source)
        if record and record.array_sha256 == WITHOUT_ARRAY:
            return _left_out(run.index, source, record)
        if record and settings.allows(record):
            return Prepared(source, record, is_kept=True)
        if run.is_foreign(source):
            why = "a file that granpipe did not write has the place of its array"
            return Prepared(source, None, reason="bad_name", detail=why)
        return None

    def _take(
        self, run: Run, source: str, result: Outcome | PhotoError | WorkerCrashed
    ) -> Prepared:
        if isinstance(result, Outcome):
            run.add(source, result.record, is_written=True)
            return Prepared(source, result.record)
        if isinstance(result, WorkerCrashed):
            return Prepared(source, None, reason="crashed", detail=f"its decoder {result.cause}")
        if isinstance(result, UnseenError):
            self._check_source(source, result)
        return Prepared(source, None, reason=result.reason, detail=result.detail)

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
        with self._batches.run() as run:
            gone = [
                source
                for source, sha256 in photos.items()
                if _is_ours(run.index, source, sha256) and not self.survey.is_there(source)
            ]
            for source in gone:
                for path in (SUMMARY, f"{AUGMENTED}/{SUMMARY}", array_path(source)):
                    run.store.delete(path)
                run.forget(source)
            if gone:
                run.ledger.compact()


def _is_ours(index: Index, source: str, sha256: str) -> bool:
    """Return whether a photograph of these bytes has an array, or may have one."""
    record: Record | None = index.record(source)
    if record:
        return record.sha256 == sha256
    return bool(index.value("SELECT 1 FROM planned WHERE name = ?", (source,)))


def _left_out(index: Index, source: str, record: Record) -> Prepared:
    """Return why `prepare` has decoded a photograph, and left it out."""
    query = "SELECT 1 FROM records WHERE sha256 = ? AND array_sha256 <> ?"
    is_in = index.value(query, (record.sha256, WITHOUT_ARRAY))
    reason = "duplicate" if is_in else "flagged"
    detail = "the same photograph is in already" if is_in else "prepare has left it out"
    return Prepared(source, None, is_kept=True, reason=reason, detail=detail)
