"""The steps of `prepare`: plan, decode, leave out, deal, and bring the tables in line."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from granpipe.dataset.classes import changed_indices, former_indices, kept_classes
from granpipe.dataset.database import Items, Row
from granpipe.dataset.names import CLASSES, LABELS_FROM, SETTINGS, STATE, SURVEY
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.dataset.sources import Search
from granpipe.dataset.tables import PREPARED_COLUMNS, read_summary
from granpipe.dataset.together import Together
from granpipe.engines.processes import WorkerCrashed
from granpipe.errors import DatasetError, OptionError, PhotoError, UnseenError
from granpipe.jobs.class_folders import settle_classes
from granpipe.jobs.complete_hashes import LACKING, complete_hashes
from granpipe.jobs.deletions import check_deletions, check_planned
from granpipe.jobs.duplicates import reject_duplicates
from granpipe.jobs.given import Given
from granpipe.jobs.locate import Locator
from granpipe.jobs.photo_index import PhotoIndex
from granpipe.jobs.prepare_options import PrepareOptions, settings_of, tell_why
from granpipe.jobs.prepare_photo import Outcome, PhotoJob, PreparePhoto
from granpipe.jobs.prepare_report import PrepareReport
from granpipe.jobs.prepare_tables import PrepareTables, rejections
from granpipe.jobs.run import Progress, Run
from granpipe.jobs.screening import Screening
from granpipe.jobs.settle import settle
from granpipe.jobs.shards_run import Samples
from granpipe.jobs.split_plan import plan_split
from granpipe.jobs.stale_copies import FormerCopies
from granpipe.stores.protocol import Entry, Store

if TYPE_CHECKING:
    from granpipe.jobs.split_summary import SplitSummary

# What need not be looked at again, going by what listings say.
_UP_TO_DATE = """
INSERT INTO outcomes SELECT name, '', '', 1 FROM photos JOIN records USING (name)
    LEFT JOIN listed ON path = fold(photos.name || '.npy')
    WHERE photos.version <> '' AND photos.version = records.version AND recipe = ?
    AND (array_sha256 = 'duplicate' OR (listed.version = array_version AND array_version <> ''))
    AND width * height <= ? AND max_memory <= ?
"""
# Records of duplicates stay, so that they are not decoded again.
_KEPT = "SELECT name FROM wanted UNION SELECT name FROM duplicates"


class PrepareRun:
    """One run of `prepare`."""

    def __init__(
        self, run: Run, source: Store, options: PrepareOptions, progress: Progress
    ) -> None:
        self.run = run
        run.verifies = options.verify
        self.index = run.index
        self.source = source
        self.settings = settings_of(run.ledger, options)
        self.recipe = "" if options.force else self.settings.recipe  # of arrays that may stay
        self.options = options
        self.progress = progress
        self.split_plan = plan_split(run.ledger, options)
        is_given = self.split_plan is not None and not self.split_plan.shares
        self.given = Given.of(run.ledger, options.labels, by_split=is_given)
        together = self.split_plan.together if self.split_plan else Together()
        self.photos = PhotoIndex(run, together.metres)
        self.search = Search(source, self.photos.is_known, take_beside=self.photos.beside.take)
        splits = self.split_plan is not None and "likeness" in self.split_plan.together.rules
        self.screening = Screening.of(run.ledger, options.alike, options.drop, is_split=splits)
        self.hashes = self.screening.needs_hashes
        self.survey = options.survey.settled(run.ledger.noted(SURVEY))
        self.split: SplitSummary | None = None
        self.unseen: list[str] = []
        self.has_conflicts = False
        self.copies = FormerCopies(run)
        self.former = read_summary(run.store) or {}  # before this run takes it away
        self.former_indices = former_indices(run.ledger, self.former)
        if not options.dry_run:
            run.ledger.note(SETTINGS, self.settings.note(hashes=self.hashes))

    def plan(self) -> None:
        """Learn which photographs there are, and stop where too many arrays would go."""
        self.photos.load(self.search, self.given.depth)
        if self.given:
            self.given.load(self.photos, self.source.url)
        wishes = self.options.split, self.options.merge_classes
        settle_classes(self.index, self.source.url, *wishes, self.run.say)
        self.run.look("SELECT name FROM photos")
        for folder, cause in self.search.unlisted:
            self.photos.keep_unseen(folder, cause, self.recipe)
        check_planned(self.run, allow=self.options.allow_deletions)

    def decode(self) -> None:
        """Decode what is new or has changed."""
        if not self.options.force:
            tell_why(self.run, self.settings)
        if not (self.options.force or self.options.verify):
            settings = self.settings
            limits = (settings.recipe, settings.max_pixels, settings.max_memory)
            self.index.execute(_UP_TO_DATE, limits)
        self._work("SELECT name FROM photos WHERE name NOT IN (SELECT name FROM outcomes)")

    def _work(self, names: str, *, with_records: bool = True) -> None:
        """Prepare the photographs of a query, in their order."""
        count = self.run.choose(names)
        if not count:
            return
        self._plan()
        columns = ", ".join(f"records.{column}" for column in Record.columns())
        query = f"""SELECT photos.*, listed.version, {columns} FROM todo JOIN photos USING (name)
            LEFT JOIN records USING (name) LEFT JOIN listed ON path = fold(todo.name || '.npy')"""
        make = self._job if with_records else self._new_job
        jobs = Items(self.index, query, count, make)
        task = PreparePhoto(
            self.source,
            self.run.store,
            self.settings,
            writes=not self.options.dry_run,
            refusal=self.run.refusal,
            hashes=self.hashes,
        )
        self.run.work(task, jobs, self.options.engine, self.progress, self._take)

    def _plan(self) -> None:
        if self.options.dry_run:
            self.run.check("SELECT name FROM todo")
        else:
            self.run.plan("SELECT name FROM todo", SETTINGS)

    def _new_job(self, row: Row) -> PhotoJob:
        """Return the job of a photograph that is decoded whatever is recorded."""
        name, size, version, problem, array_version, recipe, *_ = row
        return PhotoJob(Entry(name, size, version, problem), None, (recipe and array_version) or "")

    def _job(self, row: Row) -> PhotoJob:
        job, values = self._new_job(row), row[5:]
        if values[0] != self.recipe:
            return job
        record = Record.from_values(values)
        is_there = bool(record.array_version) and row[4] == record.array_version
        has_array = is_there or record.array_sha256 == WITHOUT_ARRAY
        return replace(job, record=record, is_trusted=has_array and not self.options.verify)

    def _take(self, job: PhotoJob, result: Outcome | PhotoError | WorkerCrashed) -> None:
        name = job.photo.path
        if isinstance(result, Outcome):
            self.photos.admit(name, is_kept=result.is_kept)
            if result.record != job.record:
                self.run.add(name, result.record, is_written=not result.is_kept)
        elif isinstance(result, WorkerCrashed):
            self.photos.reject(name, PhotoError("crashed", f"its decoder {result.cause}"))
        elif isinstance(result, UnseenError) and self.photos.stands(name, self.recipe):
            self.photos.admit(name, is_kept=True)
            self.unseen.append(f"{name}: {result.detail}")
        else:
            self.photos.reject(name, result)

    # Duplicates, and what is not wanted

    def leave_out(self) -> None:
        """Reject duplicates and what is to be dropped, and see that all others have their arrays.

        Those are the arrays that the ledger records, and hashes where photographs are compared.
        Stop where too many arrays would be deleted.
        """
        reject_duplicates(self.photos, by_split=self.given.by_split)
        self._complete()
        self.screening.leave_out(self.photos)
        # A duplicate whose other half has gone since the last run needs its array again.
        self._work(
            """SELECT name FROM wanted JOIN records USING (name) JOIN photos USING (name)
            WHERE array_sha256 = 'duplicate'""",
            with_records=False,
        )
        if not self.options.dry_run:
            mismatched = "SELECT name FROM mismatched JOIN photos USING (name)"
            self.run.verify(partial(self._work, mismatched))
        check_deletions(self.run, allow=self.options.allow_deletions)

    def _complete(self) -> None:
        """Add hashes that records lack; an array that is not as recorded is made again."""
        if not self.hashes:
            return
        complete_hashes(self.run, self.options.engine, self.progress, self._plan)
        self._work(f"SELECT name FROM ({LACKING}) JOIN photos USING (name)", with_records=False)

    # Positions, groups, tables

    def locate(self) -> None:
        """Find where photographs were taken whose own file does not say so."""
        locator = Locator(self.run, self.source, self.photos.beside, self.survey)
        locator.locate(self.options.engine, self.progress)
        self.search.ignored -= self.photos.beside.used()
        if self.survey.fields:
            from granpipe.jobs.show_fields import show_fields  # noqa: PLC0415 - few need it

            self.has_conflicts = show_fields(self.run, self.survey)
        elif self.split_plan and "field" in self.split_plan.together.rules:
            raise OptionError("--keep-together field needs parcels; name them by --fields")

    def deal(self) -> None:
        """Make splits, or keep those of the tables where nothing has changed."""
        if self.screening.finds_alike:
            self.screening.find_alike(self.run, self.settings.recipe)
        if self.split_plan:
            from granpipe.jobs.settle_split import settle_split  # noqa: PLC0415 - 15 ms

            rows = self.former.get("prepared")
            self.split = settle_split(
                *(self.run, self.split_plan, self.given.depth, self.settings.recipe, rows)
            )
        if self.options.split is not None and not self.options.allow_empty:
            self._check_empty()

    def _check_empty(self) -> None:
        """Stop where a split has no photographs, before any is known to have had another."""
        shares = self.split and self.split.plan.shares
        if self.split and shares and shares.empty(self.split.split_counts):
            raise DatasetError(f"{self.split.shortage()}; --allow-empty permits it")

    def classes(self) -> list[str]:
        """Return all classes in the order of their indices."""
        labels = self.photos.counts().keys()
        # A class that is merged goes on under the label of all.
        merged = self.index.labels
        former = {merged.get(label, label): at for label, at in self.former_indices.items()}
        return kept_classes({} if self.options.reindex_labels else former, labels)

    def report(self) -> PrepareReport:
        """Return what is prepared and what is rejected, before anything is deleted."""
        unlisted = [f"{folder}: {why}" for folder, why in self.search.unlisted]
        prepared, classes = self.photos.counts(), self.classes()
        return PrepareReport(
            prepared,
            list(rejections(self.index)),
            self.photos.rejected(),
            self.given.title,
            self.photos.kept(),
            self.run.count_unwanted(),
            self.search.ignored,
            [*unlisted, *self.unseen],
            flags=self.photos.flags(),
            split=self.split,
            reindexed=changed_indices(self.former_indices, classes),
            empty=[label for label in classes if label not in prepared],
            conflicts=self.index.value("SELECT count(*) FROM conflicts"),
        )

    def foresee(self) -> None:
        """Learn what a run would do to copies."""
        self.copies.foresee(self._tables().labels())

    def finish(self) -> None:
        """Bring tables and arrays in line."""
        tables = self._tables()
        self._note_classes(tables.classes)
        notes: dict[str, Any] = {
            STATE: tables.digest(),
            CLASSES: tables.classes,
            SETTINGS: self.settings.note(hashes=self.hashes),
        }
        if self.split:
            notes |= self.split.notes
        notes |= self.screening.notes()
        if survey := self.survey.note():
            notes[SURVEY] = survey
        if self.given.table:
            notes[LABELS_FROM] = self.given.table.place
        settle(self.run, tables.tables(), notes, _KEPT, self.copies.end_if_stale)

    def _note_classes(self, classes: Sequence[str]) -> None:
        """Note the indices of classes before a table shows them, so that a kill changes none."""
        if classes != self.run.ledger.noted(CLASSES):
            self.run.ledger.note(CLASSES, classes)
            self.run.plan("SELECT name FROM wanted WHERE 0", CLASSES)

    def samples(self) -> Samples:
        """Return what shards are made of, once all is finished."""
        return Samples(self.run.store, self._tables().rows, PREPARED_COLUMNS, self.settings.size)

    def _tables(self) -> PrepareTables:
        return PrepareTables(
            *(self.index, self._settings(), self.split, self.search.ignored.total()),
            *(self.classes(), self.screening.finds_alike, self.has_conflicts),
        )

    def _settings(self) -> dict[str, Any]:
        """Return what dataset.json says of what decides on the dataset."""
        settings = self.settings.shown()
        if self.given.table:
            settings["labels"] = self.given.title
        if self.screening.drop:
            settings["drop"] = list(self.screening.drop)
        plan = self.split_plan.settings if self.split_plan else {}
        return settings | self.survey.settings() | plan
