"""The steps of `prepare`: plan, decode, leave out, deal, and bring the tables in line."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from granpipe.dataset.classes import former_indices, kept_classes
from granpipe.dataset.database import Items, Row
from granpipe.dataset.label_table import LabelTable
from granpipe.dataset.names import CLASSES, LABELS, LABELS_FROM, SETTINGS, SIDES, STATE, SURVEY
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.dataset.sources import Search
from granpipe.dataset.tables import PREPARED_COLUMNS, read_summary
from granpipe.dataset.together import Together
from granpipe.engines.processes import WorkerCrashed
from granpipe.errors import DatasetError, OptionError, PhotoError, UnseenError
from granpipe.jobs.class_folders import settle_classes
from granpipe.jobs.complete_hashes import LACKING, complete_hashes
from granpipe.jobs.deletions import check_planned
from granpipe.jobs.duplicates import reject_duplicates
from granpipe.jobs.given import Given
from granpipe.jobs.kept_settings import tell_why
from granpipe.jobs.locate import Locator
from granpipe.jobs.photo_index import PhotoIndex
from granpipe.jobs.prepare_options import PrepareOptions
from granpipe.jobs.prepare_photo import ArraySettings, Outcome, PhotoJob, PreparePhoto
from granpipe.jobs.prepare_tables import PrepareTables
from granpipe.jobs.run import Progress, Run
from granpipe.jobs.screening import Screening
from granpipe.jobs.settle import settle
from granpipe.jobs.shards_options import Samples, samples_of
from granpipe.jobs.split_plan import check_no_sides, plan_sides
from granpipe.jobs.stale_copies import end_stale_copies, former_copies, has_stale_copies
from granpipe.stores.protocol import Entry, Store

if TYPE_CHECKING:
    from granpipe.jobs.split_summary import Sides

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
        self,
        run: Run,
        source: Store,
        settings: ArraySettings,
        options: PrepareOptions,
        progress: Progress,
    ) -> None:
        self.run = run
        run.verifies = options.verify
        self.index = run.index
        self.source = source
        self.settings = settings
        self.options = options
        self.progress = progress
        self.side_plan = plan_sides(options.sides, run.ledger.noted(SIDES) or [])
        if options.sides.split is None and not self.side_plan and not run.ledger.is_whole:
            check_no_sides(run.store)
        self.given = Given(self._table(), self.side_plan is not None and not self.side_plan.shares)
        together = self.side_plan.together if self.side_plan else Together()
        self.photos = PhotoIndex(run, together.metres)
        splits = self.side_plan is not None and "likeness" in self.side_plan.together.rules
        self.screening = Screening.of(run.ledger, options.alike, options.drop, is_split=splits)
        self.hashes = self.screening.needs_hashes
        self.survey = options.survey.settled(run.ledger.noted(SURVEY))
        self.sides: Sides | None = None
        self.unseen: list[str] = []
        self.stale = self.has_conflicts = False
        self.copies = former_copies(run.store)
        self.former = read_summary(run.store) or {}  # before this run takes it away
        self.former_indices = former_indices(run.ledger, self.former)
        if not options.dry_run:
            run.ledger.note(SETTINGS, settings.note(hashes=self.hashes))

    def _table(self) -> LabelTable | None:
        """Return the table that labels are from, by what is asked for or as before."""
        text = self.options.labels
        if text is None:
            text = self.run.ledger.noted(LABELS_FROM) or "none"
        return None if text == "none" else LabelTable(text)

    def plan(self, search: Search) -> None:
        """Learn which photographs there are, and stop where too many arrays would go."""
        self.photos.load(search, self.given.depth)
        if self.given:
            self.given.load(self.photos, search.store.url)
        wishes = self.options.sides.split, self.options.merge_classes
        settle_classes(self.index, search.store.url, *wishes, self.run.say)
        self.run.look("SELECT name FROM photos")
        recipe = "" if self.options.force else self.settings.recipe
        for folder, cause in search.unlisted:
            self.photos.keep_unseen(folder, cause, recipe)
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
        self.index.execute("DELETE FROM todo")
        chosen = f"SELECT row_number() OVER (ORDER BY name) - 1, name FROM ({names})"
        count = self.index.execute(f"INSERT INTO todo {chosen}")
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
        if self.options.force or values[0] != self.settings.recipe:
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
        elif isinstance(result, UnseenError) and self._stands(job):
            self.photos.admit(name, is_kept=True)
            self.unseen.append(f"{name}: {result.detail}")
        else:
            self.photos.reject(name, result)

    def _stands(self, job: PhotoJob) -> bool:
        """Return whether a photograph's array is there as recorded."""
        record = self.index.record(job.photo.path)
        if not record or record.array_sha256 == WITHOUT_ARRAY or self.options.force:
            return False
        return record.recipe == self.settings.recipe and self.photos.has_array(
            job.photo.path, record
        )

    # Duplicates, and what is not wanted

    def leave_out(self) -> None:
        """Reject duplicates and what is to be dropped, and see that all others have their arrays.

        Those are the arrays that the ledger records, and hashes where photographs are compared.
        """
        reject_duplicates(self.run, self.photos, by_split=self.given.by_split)
        self._complete()
        self.screening.leave_out(self.run, self.photos)
        # A duplicate whose other half has gone since the last run needs its array again.
        self._work(
            """SELECT name FROM wanted JOIN records USING (name) JOIN photos USING (name)
            WHERE array_sha256 = 'duplicate'""",
            with_records=False,
        )
        if not self.options.dry_run:
            self.run.verify(self._make_again)

    def _make_again(self) -> None:
        self._work("SELECT name FROM mismatched JOIN photos USING (name)")

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
        if self.survey.fields:
            from granpipe.jobs.show_fields import show_fields  # noqa: PLC0415 - few need it

            self.has_conflicts = show_fields(self.run, self.survey)
        elif self.side_plan and "field" in self.side_plan.together.rules:
            raise OptionError("--keep-together field needs parcels; name them by --fields")

    def deal(self) -> None:
        """Make splits, or keep those of the tables where nothing has changed."""
        if self.screening.finds_alike:
            self.screening.find_alike(self.run, self.settings.recipe)
        if self.side_plan:
            from granpipe.jobs.deal_sides import settle_sides  # noqa: PLC0415 - 15 ms

            rows = self.former.get("prepared")
            self.sides = settle_sides(
                *(self.run, self.side_plan, self.given.depth, self.settings.recipe, rows)
            )

    def check_empty(self) -> None:
        """Stop where a split has no photographs, before any is known to have had another."""
        shares = self.sides and self.sides.plan.shares
        if self.sides and shares and shares.empty(self.sides.split_counts):
            raise DatasetError(f"{self.sides.shortage()}; --allow-empty permits it")

    def classes(self) -> list[str]:
        """Return all classes in the order of their indices."""
        labels = self.photos.counts().keys()
        # A class that is merged goes on under the label of all.
        former = {self.index.labels.get(one, one): at for one, at in self.former_indices.items()}
        return kept_classes({} if self.options.reindex_labels else former, labels)

    def finish(self, ignored: int) -> None:
        """Bring tables and arrays in line."""
        tables = self._tables(ignored)
        self._note_classes(tables.classes)
        notes: dict[str, Any] = {
            STATE: tables.digest(),
            CLASSES: tables.classes,
            SETTINGS: self.settings.note(hashes=self.hashes),
        }
        if self.sides:
            notes |= self.sides.notes
        notes |= self.screening.notes()
        if survey := self.survey.note():
            notes[SURVEY] = survey
        if self.given.table:
            notes[LABELS_FROM] = self.given.table.place
        settle(self.run, tables.tables(), notes, _KEPT, self._end_stale_copies)

    def _note_classes(self, classes: Sequence[str]) -> None:
        """Note the indices of classes before a table shows them, so that a kill changes none."""
        if classes != self.run.ledger.noted(CLASSES):
            self.run.ledger.note(CLASSES, classes)
            self.run.plan("SELECT name FROM wanted WHERE 0", CLASSES)

    def samples(self) -> Samples:
        """Return what shards are made of, once all is finished."""
        return samples_of(self.run.store, self._tables().rows, PREPARED_COLUMNS, self.settings.size)

    def _tables(self, ignored: int = 0) -> PrepareTables:
        plan = self.side_plan.settings if self.side_plan else {}
        title = self.given.table.title if self.given.table else ""
        return PrepareTables(
            *(self.index, self.settings, plan, self.sides, ignored, self.classes(), title),
            *(self.screening.drop, self.screening.finds_alike, self.survey.settings()),
            has_conflicts=self.has_conflicts,
        )

    def _end_stale_copies(self, digests: Mapping[str, str]) -> None:
        self.stale = end_stale_copies(self.run, self.copies, digests[LABELS])

    def has_stale_copies(self) -> bool:
        """Return whether the run would leave an augmented set stale; of a dry run."""
        return has_stale_copies(self.run, self.copies, self._tables().labels)
