"""A run that brings the arrays of a dataset in line with what is wanted.

prepare and augment are such runs: they look at what stands there, plan, work, take the results into
the ledger, and finish: delete what is not wanted, write the tables, and last dataset.json.
"""

from array import array
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from contextlib import ExitStack, closing, contextmanager, nullcontext
from itertools import chain, filterfalse
from typing import Any

from granpipe.dataset.arrays import array_digest, begin_change
from granpipe.dataset.ledger import Ledger, MovedError
from granpipe.dataset.names import ALIKE, DESK, LABELS, REJECTED, SUMMARY
from granpipe.dataset.packs import HALVES, is_pack, read_place
from granpipe.dataset.records import text_in
from granpipe.dataset.recovery import recover
from granpipe.dataset.standing import Standing
from granpipe.dataset.tables import Draft
from granpipe.dataset.waiting import held
from granpipe.engines.parcels import clear
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine, Item, Place, Result
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Held, Store
from granpipe.stores.urls import join

Progress = Callable[[Iterator[Any], int], Iterator[Any]]
"""Wraps an iterator over results; takes it and their number."""

Say = Callable[[str], None]
"""Told, in a line, what the run waits for."""

_TABLES = (LABELS, REJECTED, ALIKE, SUMMARY)
_MOST_ROUNDS = 3


class Build:
    """One run.

    Parameters
    ----------
    store : Store
        The dataset, which may not exist yet.
    command : str
        Who writes here, `prepare` or `augment`.
    say : callable
        Told whom the run waits for.
    lock : Held, optional
        Where the run has the lock already.

    Attributes
    ----------
    ledger : Ledger
        What is known of the arrays.
    store : Store
        The dataset; held by this run alone from `plan` on.
    verifies : bool
        Tables are hashed, whatever size and time say of them.
    refusal : str
        Why nothing can be written, where a lock cannot be had; empty otherwise.

    Raises
    ------
    DatasetError
        The store holds files and is not one that this command wrote.
    """

    def __init__(self, store: Store, command: str, say: Say, lock: Held | None = None) -> None:
        self._say = say
        self._stack = ExitStack()
        self._held = lock
        self.store = store
        self.ledger = Ledger(store, command)
        recover(self.ledger, say)
        self.refusal = ""
        self.verifies = False
        self._written = array("q")  # of each path its hash, which takes a tenth of the memory
        self._standing = Standing(store)
        self._fold = self._standing.fold

    @property
    def ignores_case(self) -> bool:
        return self._standing.ignores_case

    def count_standing(self) -> int:
        """Return how many arrays of ours stood there before the run."""
        return sum(map(self._stood, self.ledger.records))

    def _stood(self, path: str) -> bool:
        file = read_place(text_in(self.ledger.records[path], "place")).path or path
        return file in self._standing and not is_pack(path)

    def gone(self, arrays: Set[str]) -> list[str]:
        """Return the arrays that stood there before the run, alone or in a pack, but for these."""
        return sorted(filter(self._stood, self._but_for(arrays)))

    def _but_for(self, arrays: Set[str]) -> Iterator[str]:
        """Yield the paths of the ledger but for these."""
        if self._fold is str:
            return filterfalse(arrays.__contains__, self.ledger.records)
        folded = set(map(self._fold, arrays))
        return (path for path in self.ledger.records if self._fold(path) not in folded)

    def look(self, paths: Iterable[str]) -> None:
        """List what stands in the folders of these arrays, and of all that the ledger knows."""
        self._standing.look(paths, self.ledger.records)

    def version(self, path: str) -> str:
        """Return the version in which an array stands there; empty where there is none."""
        return self._standing.version(path)

    def stands(self, path: str, version: object) -> bool:
        """Tell whether an array stands there as recorded, going by its version."""
        return bool(version) and self.version(path) == version

    def holds(self, path: str, record: Mapping[str, Any]) -> bool:
        """Tell whether a photograph's array stands as recorded, alone or in a pack, by versions."""
        return self.holds_at(path, record.get("place", ""), record.get("array_version"))

    def holds_at(self, path: str, place: str, version: object) -> bool:
        """Tell the same of a record that has this place and this version."""
        if not place:
            return self.stands(path, version)
        pack = read_place(place).path
        return self.stands(pack, text_in(self.ledger.records.get(pack, ""), "array_version"))

    def own_version(self, path: str) -> str:
        """Return the version in which a file of ours stands there; empty where none does."""
        return self.version(path) if self._is_ours(path) else ""

    def _is_ours(self, path: str) -> bool:
        """Tell whether what stands at a path of the ledger was written by us."""
        record = self.ledger.records.get(path)
        if not record or not text_in(record, "place"):
            return record is not None
        # The array is in a pack, and its path free for whoever comes, unless it was to be ours.
        return path in self.ledger.announced or self.stands(path, text_in(record, "array_version"))

    def plan(self, paths: Collection[str]) -> None:
        """Take the lock, and note that these arrays may be written.

        Where no lock can be had, `refusal` says why, and the run may go on without writing.

        Raises
        ------
        DatasetError
            A file that granpipe did not write has an array's place, or another run is writing.
        """
        self.check(paths)
        if paths and self._open():
            self.ledger.plan(paths)

    def check(self, paths: Iterable[str]) -> None:
        """Raise DatasetError where a file that granpipe did not write has an array's place."""
        there = {self._fold(path): path for path in paths if path in self._standing}
        ours = (path for path in self.ledger.records if self._fold(path) in there)
        for path in chain(filter(self._is_ours, ours), self.ledger.replaceable):
            there.pop(self._fold(path), None)
        if there:
            place = join(self.store.url, next(iter(there.values())))
            raise DatasetError(f"{place}: was not written by granpipe; move it away")

    def _open(self) -> bool:
        if self._held or self.refusal:
            return not self.refusal
        try:
            self._held = self._stack.enter_context(held(self.store, self._say))
        except OSError as error:
            self.refusal = f"{self.store.url}: {error.strerror or error}; mend that, run again"
            return False
        if self.ledger.has_moved():
            raise MovedError
        self.store = self.ledger.store = self._held.store
        clear(self.store, DESK)  # of a run that was killed
        return True

    def work(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        engine: Engine,
        progress: Progress,
        take: Callable[[Item, Result | WorkerCrashed], None],
    ) -> None:
        """Do a task for every item, and hand each item with its result to `take`, in order."""
        place = Place(self.store, DESK) if self._held else None
        # Closed at once when an error or Ctrl-C ends the loop, so that no worker writes on.
        with closing(engine.run(task, items, place)) as results:
            for item, result in zip(items, progress(results, len(items)), strict=True):
                take(item, result)

    def add(self, path: str, record: str, *, is_written: bool) -> None:
        """Note an array's record, and whether this run has written it."""
        if is_written:
            self._written.append(hash(path))
        if self._held:
            self._held.watch()
            self.ledger.add(path, record)
        else:
            self.ledger.note(path, record)

    def begin_change(self) -> None:
        """Take dataset.json away: what stands there is being changed."""
        begin_change(self.store)  # type: ignore[arg-type]

    def check_lock(self) -> None:
        """Write what is known, and ask whether this run still holds the lock."""
        self.ledger.flush()
        if self._held:
            self._held.check()

    def move(self, path: str, target: str) -> str:
        """Move a file of ours in place of another, and return its version."""
        if self._held:
            self._held.watch()
        self._written.append(hash(target))
        return self.store.move(path, target)

    def settle(
        self,
        versions: Callable[[], Iterable[tuple[str, object]]],
        make_again: Callable[[Mapping[str, str]], None],
    ) -> None:
        """Look whether every array stands there as recorded, if this run has written any.

        A worker of an ended run, or somebody else, may have written one in the meantime.

        Parameters
        ----------
        versions : callable
            Returns path and recorded version of every array, folder by folder.
        make_again : callable
            Sees to the arrays that stand there otherwise, given by path with the version that does.
        """
        for _ in range(_MOST_ROUNDS):
            astray = self._standing.astray(versions()) if self._written else {}
            if not astray:
                return
            make_again(astray)
        raise DatasetError(f"{self.store.url}: somebody else writes arrays here; end that")

    def finish(
        self,
        arrays: Collection[str],
        known: Set[str],
        tables: Mapping[str, Iterable[str]],
        notes: Mapping[str, list[str]],
    ) -> None:
        """Delete every other array, write the tables that changed, and put the ledger in order.

        Parameters
        ----------
        arrays : collection of str
            Paths of the arrays that stay.
        known : set of str
            Paths of the records that stay.
        tables : mapping
            By name, the lines of each table; dataset.json last. A table of ours that is not among
            them goes.
        notes : mapping
            What the ledger keeps beside the versions of the tables, written after them. Of these
            `state` stands for all that the tables tell beside the records: where it is as before,
            and nothing else has changed, they are not made again.
        """
        files = arrays if isinstance(arrays, Set) else set(arrays)
        if self._is_settled(known, files, tables, notes):
            return
        with ExitStack() as stack:
            drafts = {
                name: stack.enter_context(closing(Draft(lines))) for name, lines in tables.items()
            }
            self._settle(known, files, drafts, notes)

    def _is_settled(
        self,
        known: Set[str],
        arrays: Set[str],
        tables: Iterable[str],
        notes: Mapping[str, list[str]],
    ) -> bool:
        """Tell whether all stands there as the last run left it, and is to be as it was then."""
        there, noted = self._table_versions(), self.ledger.tables
        return (
            not self.verifies
            and self.ledger.is_compact
            and not self._written
            and all(noted.get(name) == note for name, note in notes.items())
            and all(noted.get(name, [""])[0] == there.get(name) for name in tables)
            and noted.keys() == {*tables, *notes}
            and self._is_all(known, arrays)
            and not self._others(arrays)
        )

    def _is_all(self, known: Set[str], arrays: Set[str]) -> bool:
        """Tell whether the ledger has nothing but these records."""
        return all(map(arrays.__contains__, filterfalse(known.__contains__, self.ledger.records)))

    def _settle(
        self,
        known: Set[str],
        arrays: Set[str],
        drafts: Mapping[str, Draft],
        notes: Mapping[str, list[str]],
    ) -> None:
        others = self._others(arrays)
        there = self._table_versions()
        changed = [
            name
            for name, draft in drafts.items()
            if self.ledger.tables.get(name) != [there.get(name), draft.digest]
            or (self.verifies and array_digest(self.store, name) != draft.digest)
        ]
        changed += [name for name in self.ledger.tables if name in there and name not in drafts]
        is_settled = self.ledger.is_compact and self._is_all(known, arrays)
        if not (others or changed or self._written) and (is_settled or not self._open()):
            return
        if not self._open() or self._held is None:
            is_copy = set(changed) <= drafts.keys() and not (others or self._written)
            digests = (array_digest(self.store, one) == drafts[one].digest for one in changed)
            if is_copy and all(digests):
                return  # only the versions are others, which nobody can note here
            raise DatasetError(self.refusal)
        self.ledger.flush()
        self._held.check()
        if others or changed or self._written:
            begin_change(self.store)  # type: ignore[arg-type]
        for path in [*others, *(name for name in changed if name not in drafts)]:
            self.store.delete(path)
        for name in drafts:
            if name in changed or ((changed or others or self._written) and name == SUMMARY):
                drafts[name].save(self.store, name)
        versions = self._table_versions()
        self.ledger.tables = {
            name: [versions.get(name, ""), draft.digest] for name, draft in drafts.items()
        } | {**notes}
        self.ledger.compact(lambda path: path in known or path in arrays)
        for entry in list(self.store.list(HALVES)):
            self.store.delete(entry.path)

    def _others(self, arrays: Set[str]) -> list[str]:
        """Return the arrays of ours, of today or before this run, but for these."""
        others = {path: hash(path) for path in self._but_for(arrays)}
        written = set(filter(set(others.values()).__contains__, self._written))
        stood = (path for path in others if path in self._standing and self._is_ours(path))
        return sorted({*stood, *(path for path, one in others.items() if one in written)})

    def has_table(self, name: str) -> bool:
        """Tell whether a table stands there as the last run wrote it."""
        version = self._table_versions().get(name, "")
        return bool(version) and self.ledger.tables.get(name, [""])[0] == version

    def _table_versions(self) -> dict[str, str]:
        return {
            entry.path: entry.version
            for entry in self.store.list(deep=False)
            if entry.path in _TABLES
        }

    def close(self) -> None:
        """Keep what was done, and let go of the lock."""
        try:
            if self._held:
                self.ledger.flush()
        finally:
            self._stack.close()


def run_build(store: Store, command: str, say: Say, work: Callable[[Build], Result]) -> Result:
    """Do the work of a run, again from the start where another run came in between."""
    is_held = False
    while True:
        try:
            with _opened(store, command, say, is_held=is_held) as build:
                return work(build)
        except MovedError:
            # Where one batch follows another, only who has the lock already can read in peace.
            is_held = True


@contextmanager
def _opened(store: Store, command: str, say: Say, *, is_held: bool) -> Generator[Build, None, None]:
    with held(store, say) if is_held else nullcontext() as lock:
        build = Build(lock.store if lock else store, command, say, lock)
        try:
            yield build
        finally:
            build.close()
