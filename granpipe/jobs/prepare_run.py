"""The steps of `prepare`: plan, decode, tell twins apart, and bring the tables in line."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from granpipe.dataset.build import Build, Progress
from granpipe.dataset.made import Made
from granpipe.dataset.names import (
    AUGMENTED,
    LABELS,
    PACK,
    PAST,
    SIDES,
    STATE,
    array_path,
    check_name,
    folded,
    label_of,
    source_of,
)
from granpipe.dataset.packs import find, is_pack, pack_path
from granpipe.dataset.records import has_text, number_in, text_in
from granpipe.dataset.roll import Arrays, Roll, short
from granpipe.dataset.sources import Found, Photos
from granpipe.dataset.tables import (
    Draft,
    read_summary,
)
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError, PhotoError, UnseenError
from granpipe.jobs.deal_sides import Sides, Wish, check_no_sides, plan_sides, settle_sides
from granpipe.jobs.packing import Packing, Ranks, chosen_count
from granpipe.jobs.prepare_photo import LIMITED, TWIN, Job, Outcome, PreparePhoto, Settings
from granpipe.jobs.prepare_tables import PrepareTables
from granpipe.jobs.read_off import ReadOff, lacks
from granpipe.stores.protocol import Entry, Store

_FEW = 20
_MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """How a run goes about it; see `granpipe.jobs.prepare.prepare`."""

    engine: Engine
    force: bool
    verify: bool
    allow_deletions: bool
    dry_run: bool
    sides: Wish
    pack: int | None


class PrepareRun:
    """One run of `prepare`."""

    def __init__(
        self,
        build: Build,
        source: Store,
        settings: Settings,
        options: Options,
        progress: Progress,
    ) -> None:
        self.build = build
        build.verifies = options.verify
        self.ledger = build.ledger
        self.source = source
        self.settings = settings
        self.options = options
        self.progress = progress
        self.photos = Photos()
        self.roll = Roll()
        # What their records tell of photographs that were in at some time.
        self.flagged: dict[str, str] = {}
        self.twins: set[str] = set()
        self.untold: set[str] = set()  # some of it is to be read off their arrays
        self.packed: set[str] = set()  # in packs; asked where none are wanted
        self.side_plan = plan_sides(options.sides, self.ledger.tables.get(SIDES, []))
        if options.sides.split is None and not self.side_plan and not self.ledger.is_whole:
            check_no_sides(build.store)
        self.looks = self.side_plan is not None and "likeness" in self.side_plan.together.rules
        self.sides: Sides | None = None
        self.unseen: list[str] = []
        self.packing = Packing(build, settings.size, 0, {})
        self.former = read_summary(build.store) or {}  # before this run takes it away

    def plan(self, found: Found) -> None:
        """Learn which photographs there are, and stop where too many arrays would go.

        Takes them out of `found`, so that no photograph is in memory twice.
        """
        for folder, cause in found.unlisted:
            self.roll.reject(folder, PhotoError("unreadable", cause))
        count = chosen_count(self.options.pack, self.ledger.tables.get(PACK, []))
        named = [photo.path for photo in found.photos] if count else []
        found.photos.reverse()
        while found.photos:
            self._take_name(found.photos.pop())
        if self.build.ignores_case:
            self._reject_alike()
        self.build.look(chain(map(array_path, self.photos), [pack_path(0)] if count else []))
        self._keep_unseen(found)
        # A name that this disk cannot have counts, too: packs are the same wherever they stand.
        known = {*self.roll.digests, *filter(label_of, named)} if count else set()
        self.packing = Packing(self.build, self.settings.size, count, Ranks(sorted(known)))
        gone = self.build.gone(Arrays(self.photos, self.roll.digests))
        new = sum(array_path(source) not in self.ledger.records for source in self.photos)
        self._check_share(len(gone) - new)  # even if all new ones only moved

    def _take_name(self, photo: Entry) -> None:
        try:
            check_name(photo.path)
        except PhotoError as error:
            self.roll.reject(photo.path, error)
            return
        if why := self.build.store.refusal(array_path(photo.path)):
            self.roll.reject(photo.path, PhotoError("bad_name", why))
        else:
            self.photos[photo.path] = photo

    def _reject_alike(self) -> None:
        """Reject names that are one file where the disk ignores case."""
        counts = Counter(map(folded, self.photos))
        for source in [source for source in self.photos if counts[folded(source)] > 1]:
            error = PhotoError("bad_name", "differs from another in letter case only")
            self.roll.reject(source, error)
            del self.photos[source]

    def _keep_unseen(self, found: Found) -> None:
        """Leave alone what stands in the dataset from folders that could not be listed."""
        paths = {*self.ledger.records, *self.ledger.replaceable} if found.unlisted else set()
        paths = {path for path in paths if not is_pack(path)}
        for source in filter(found.hides, sorted(map(source_of, paths))):
            record = self._record(source)
            if not record and not self.build.version(array_path(source)):
                continue
            if not record:
                folder, cause = found.unlisted[0]
                raise DatasetError(
                    f"{folder}: {cause}; mend that: the ledger does not tell what came from it"
                )
            if record["recipe"] != self.settings.recipe or self.options.force:
                folder, cause = found.unlisted[0]
                raise DatasetError(
                    f"{folder}: {cause}; mend that: with other settings its arrays would be lost"
                )
            if record["array_sha256"] == TWIN:
                self.roll.twins.append(source)
            elif self._has_array(array_path(source), record):
                known = self.ledger.records[array_path(source)]
                self._admit(source, record["sha256"], known, is_kept=True)

    def _has_array(self, path: str, record: Mapping[str, Any]) -> bool:
        if self.build.holds(path, record):
            return True
        return find(self.build.store, path, record, self.settings.size) is not None

    def decode(self) -> None:
        """Decode what is new or has changed."""
        trusted: dict[str, bool] = {}  # those that are known: whether their arrays are, too
        sources = [source for source in self.photos if not self._is_done(source, trusted)]

        def make(source: str) -> Job:
            if source not in trusted:
                return self._new_job(source)
            known = self.ledger.records[array_path(source)]
            return self._new_job(source, known, is_trusted=trusted[source])

        self._work(Made(sources, make))

    def _is_done(self, source: str, trusted: dict[str, bool]) -> bool:
        """Tell whether all is as recorded of a photograph, and then take it in."""
        path = array_path(source)
        known = "" if self.options.force else self.ledger.records.get(path, "")
        version = self.photos.version(source)
        if self._is_as_recorded(path, version, known):
            self._admit(source, text_in(known, "sha256"), known, is_kept=True)
            return True
        record = json.loads(known) if known else {}
        if record.get("recipe") != self.settings.recipe:
            return False
        has_array = record["array_sha256"] == TWIN or self.build.holds(path, record)
        is_allowed = self.settings.allows(record)
        is_same = bool(record["version"]) and record["version"] == version
        if self.options.verify or not (has_array and is_allowed and is_same):
            trusted[source] = has_array and not self.options.verify
            return False
        self._admit(source, record["sha256"], known, is_kept=True)
        return True

    def _is_as_recorded(self, path: str, photo_version: str, known: str) -> bool:
        """Tell, without parsing its record, whether a photograph and its array are as recorded."""
        return (
            bool(photo_version)
            and not self.options.verify
            and has_text(known, "version", photo_version)
            and has_text(known, "recipe", self.settings.recipe)
            and self.build.holds_at(path, text_in(known, "place"), text_in(known, "array_version"))
            and self.settings.allows({name: number_in(known, name) for name in LIMITED})
        )

    def _admit(self, source: str, sha256: str, record: str, *, is_kept: bool) -> None:
        """Take a photograph in, and learn from its record what later steps ask of all."""
        self.roll.admit(source, sha256, is_kept=is_kept)
        self._learn(source, record)
        if not self.packing.count and text_in(record, "place"):
            self.packed.add(source)

    def _learn(self, source: str, record: str) -> None:
        # Reading the records of 100,000 photographs once more for each step takes seconds.
        self.flagged.pop(source, None)
        if flags := text_in(record, "flags"):
            self.flagged[source] = sys.intern(flags)
        is_twin = has_text(record, "array_sha256", TWIN)
        (self.twins.add if is_twin else self.twins.discard)(source)
        is_told = not lacks(record, looks=self.looks)
        (self.untold.discard if is_told else self.untold.add)(source)

    def _new_job(self, source: str, known: str = "", *, is_trusted: bool = False) -> Job:
        path = array_path(source)
        version = self.build.own_version(path)
        return Job(self.photos[source], known, version, is_trusted, self.packing.slot(path))

    def _work(self, jobs: Made[str, Job]) -> None:
        if not jobs:
            return
        self._plan(list(map(array_path, jobs.keys)))
        writes, refusal = not self.options.dry_run, self.build.refusal
        store = self.build.store
        task = PreparePhoto(self.source, store, self.settings, writes, refusal, self.looks)
        self.build.work(task, jobs, self.options.engine, self.progress, self._take)

    def _stands(self, job: Job) -> bool:
        """Tell whether a photograph's array stands there as recorded."""
        record = json.loads(job.known) if job.known else {}
        if not record or record["array_sha256"] == TWIN:
            return False
        return self._has_array(array_path(job.photo.path), record)

    def _plan(self, paths: Sequence[str]) -> None:
        files = self.packing.files(paths)
        self.build.check(files) if self.options.dry_run else self.build.plan(files)

    def _take(self, job: Job, result: Outcome | PhotoError | WorkerCrashed) -> None:
        source = job.photo.path
        if isinstance(result, WorkerCrashed):
            self.roll.reject(source, PhotoError("crashed", f"its decoder {result.cause}"))
        elif isinstance(result, UnseenError) and self._stands(job):
            self._admit(source, json.loads(job.known)["sha256"], job.known, is_kept=True)
            self.unseen.append(f"{source}: {result.detail}")
        elif isinstance(result, PhotoError):
            self.roll.reject(source, result)
        else:
            self._admit(source, result.sha256, result.record, is_kept=result.is_kept)
            if result.record != job.known:
                path = array_path(source)
                is_written = not (result.is_kept or job.slot)
                self.build.add(path, result.record, is_written=is_written)

    def _record(self, source: str) -> dict[str, Any]:
        return self.ledger.get(array_path(source))

    def reject_twins(self) -> None:
        """Reject twins, and see that all others have the arrays that the ledger records."""
        for source in self.roll.reject_twins():
            record = self._record(source)
            if record and record["array_sha256"] != TWIN:
                text = json.dumps(record | {"array_sha256": TWIN}, separators=(",", ":"))
                self.build.add(array_path(source), text, is_written=False)
        # A twin whose other half has gone since the last run needs its array again.
        twins = self.twins & self.roll.digests.keys() & self.photos.keys()
        without = sorted(twins - self.roll.made)
        self._work(Made(without, self._new_job))
        if not self.options.dry_run:
            self.build.settle(self._versions, self._make_again)

    def _versions(self) -> Iterator[tuple[str, object]]:
        for source in filter(self.photos.__contains__, self.roll.sources):
            record = self._record(source)
            if not record.get("place"):
                yield array_path(source), record.get("array_version")

    def _make_again(self, astray: Mapping[str, str]) -> None:
        def make(source: str) -> Job:
            path = array_path(source)
            job = self._new_job(source, self.ledger.records.get(path, ""))
            return replace(job, array_version=astray[path])

        self._work(Made(list(map(source_of, astray)), make))

    def complete(self) -> None:
        """Read off arrays what records lack; an array that is not as recorded is made again."""
        records = self.ledger.records
        untold = sorted(self.untold & self.roll.digests.keys())
        todo = [path for path in map(array_path, untold) if path in records]
        astray = []

        def take(item: tuple[str, str], told: str | WorkerCrashed) -> None:
            if isinstance(told, str) and told:
                self.build.add(item[0], told, is_written=False)
                self._learn(source_of(item[0]), told)
            else:
                astray.append(source_of(item[0]))

        if todo:
            self._plan(todo)
            task = ReadOff(self.build.store, self.looks, self.settings.size)
            items = [(path, records[path]) for path in todo]
            self.build.work(task, items, self.options.engine, self.progress, take)
            self._work(Made([one for one in astray if one in self.photos], self._new_job))

    def pack(self) -> None:
        """Bring arrays into packs, or out of them."""
        for _ in range(_MOST_ROUNDS if not self.options.dry_run else 0):
            packed = self.packed & self.roll.digests.keys()
            paths = Made(self.roll.sources if self.packing.count else sorted(packed), array_path)
            broken = self.packing.arrange(paths, self.options.engine, self.progress)
            if not broken:
                return
            sources = filter(self.photos.__contains__, map(source_of, broken))
            self._work(Made(list(sources), self._new_job))
        if not self.options.dry_run:
            raise DatasetError(f"{self.build.store.url}: somebody else writes packs here; end that")

    def deal(self) -> None:
        """Deal sides, or keep those of the tables where nothing has changed."""
        if self.side_plan:
            recipe, rows = self.settings.recipe, self.former.get("prepared")
            self.sides = settle_sides(self.build, self.side_plan, recipe, self.roll.sources, rows)

    def flags(self) -> Counter[str]:
        """Return how many photographs have each flag."""
        told = (words for source, words in self.flagged.items() if source in self.roll.digests)
        return Counter(word for words in told for word in words.split())

    def unwanted(self) -> list[str]:
        """Return the arrays that `finish` deletes."""
        return self.build.gone(Arrays(self.roll.digests))

    def check_deletions(self) -> None:
        """Stop where too many arrays would go; those of photographs that moved do not count."""
        gone = self.unwanted()
        here = set(self.roll.digests.values() if gone else ())
        moved = sum(short(self.ledger.get(path).get("sha256", "")) in here for path in gone)
        self._check_share(len(gone) - moved)

    def _check_share(self, lost: int) -> None:
        if 2 * lost <= _FEW or self.options.allow_deletions:
            return
        standing = self.build.count_standing()
        if standing > _FEW and 2 * lost > standing:
            raise DatasetError(
                f"{self.build.store.url}: this would delete {lost} of {standing} arrays, as their "
                "photographs are gone or rejected; look at SOURCE, or say --allow-deletions"
            )

    def finish(self, ignored: int) -> None:
        """Bring tables and arrays in line."""
        told = self._told(ignored)
        twins = {one for one in self.roll.twins if self.ledger.records.get(array_path(one))}
        notes = {STATE: [told.digest()], **self.packing.note}
        if self.sides:
            notes |= {SIDES: self.sides.note, PAST: list(self.sides.past)}
        arrays = Arrays(self.roll.digests)
        known = Arrays(self.roll.digests, twins)
        self.build.finish(self.packing.files(arrays), known, told.tables(), notes)

    def _told(self, ignored: int = 0) -> PrepareTables:
        plan = self.side_plan.settings if self.side_plan else {}
        return PrepareTables(
            self.ledger, self.roll, self.settings, self.packing, plan, self.sides, ignored
        )

    def has_stale_copies(self) -> bool:
        """Tell whether the augmented set beside the arrays was made from others."""
        augmented = read_summary(self.build.store, AUGMENTED)
        if not augmented:
            return False
        arrays = self.ledger.arrays_digest(map(array_path, self.roll.sources))
        labels = self.ledger.tables.get(LABELS, ["", ""])[1]
        if self.options.dry_run:
            with closing(Draft(self._told().labels())) as draft:
                labels = draft.digest
        return (augmented.get("made_from"), augmented.get("arrays_made_from")) != (labels, arrays)
