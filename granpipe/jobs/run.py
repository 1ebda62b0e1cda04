"""One run: it brings the arrays of a dataset in line with what is wanted.

prepare, augment and the online worker are such runs. Each looks at what is in OUTPUT, plans,
works, takes the results into the ledger, verifies that every array is as recorded, and
finishes: deletes what is not wanted, writes the tables, and last dataset.json. The online worker's
are brief and many: they verify and finish nothing, and keep the ledger open from one to the next.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from typing import Any

from granpipe.dataset.index import Index
from granpipe.dataset.ledger import Ledger, MovedError
from granpipe.dataset.names import ENGINE_FOLDER, TABLES, is_utf8, label_of
from granpipe.dataset.record import ArrayRecord
from granpipe.dataset.recovery import recover
from granpipe.dataset.waiting import acquire
from granpipe.engines.heartbeat import clear
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine, Item, Result, WorkFolder
from granpipe.errors import DatasetError
from granpipe.stores.files import cannot_write, check_free
from granpipe.stores.protocol import Held, Store
from granpipe.stores.urls import join

Progress = Callable[[Iterator[Any], int], Iterator[Any]]
"""Wraps an iterator over results; takes it and their number."""

Say = Callable[[str], None]
"""Called with a line on what the run waits for."""

_MOST_ROUNDS = 3
UNWANTED = """SELECT name FROM ours
    WHERE fold(name) NOT IN (SELECT fold(name) FROM wanted)
    AND fold(name || suffix()) IN (SELECT path FROM listed)"""

_MISMATCHED = """INSERT INTO mismatched SELECT wanted.name FROM wanted JOIN records USING (name)
    LEFT JOIN listed_again ON path = fold(wanted.name || suffix())
    WHERE listed_again.version IS NOT records.array_version"""
_NOW_LISTED = """INSERT OR REPLACE INTO listed SELECT listed_again.* FROM mismatched
    JOIN listed_again ON path = fold(name || suffix())"""


class Run:
    """One run.

    Parameters
    ----------
    ledger : Ledger
        What is recorded of the dataset.
    say : callable
        Called with a line on whom the run waits for.
    lock : Held, optional
        Where the run has the lock already.

    Attributes
    ----------
    ledger : Ledger
    index : Index
        The ledger's. Its table `wanted` names the arrays that are to be there in the end.
    store : Store
        The dataset; held by this run alone from `plan` on.
    verifies : bool
        Tables are hashed, whatever size and time say of them.
    refusal : str
        Why nothing can be written, where a lock cannot be had; empty otherwise.
    """

    def __init__(self, ledger: Ledger, say: Say, lock: Held | None = None) -> None:
        self.say = say
        self._stack = ExitStack()
        self.lock = lock
        self.ledger = ledger
        self.store = ledger.store
        self.index: Index = ledger.index
        self.refusal = ""
        self.verifies = False
        self.has_written = False
        self.ignores_case = self.store.ignores_case()
        if self.ignores_case:
            self.index.ignore_case()

    def close(self) -> None:
        """Keep what was done, and let go of the lock."""
        with self._stack:
            if self.lock:
                self.ledger.flush()

    # What is there

    def look(self, wanted: str = "SELECT name FROM wanted", table: str = "listed") -> None:
        """List the folders of the arrays of a query, and of all that are recorded."""
        self.index.execute(f"DELETE FROM {table}")
        names = f"{wanted} UNION ALL SELECT name FROM ours"
        first = "substr(name, 1, max(0, instr(name, '/') - 1))"
        for (folder,) in sorted(self.index.rows(f"SELECT DISTINCT {first} FROM ({names})")):
            self._list(folder, table)

    def _list(self, folder: str, table: str = "listed") -> None:
        query = f"INSERT OR REPLACE INTO {table} VALUES (fold(?), ?)"
        self.index.load(query, self._listed(folder))

    def _listed(self, folder: str) -> Iterator[tuple[str, str]]:
        for entry in self.store.list(folder, deep=bool(folder)):
            if entry.is_folder:
                raise DatasetError(f"{self.store.url}/{entry.path}: {entry.problem}")
            if entry.path.endswith(self.index.kind.suffix) and is_utf8(entry.path):
                yield entry.path, entry.version

    def count_standing(self) -> int:
        """Return how many arrays of ours were there before the run."""
        query = "SELECT count(*) FROM ours JOIN listed ON path = fold(name || suffix())"
        return int(self.index.value(query))

    def count_unwanted(self) -> int:
        """Return how many arrays of ours are there that are not wanted."""
        return int(self.index.value(f"SELECT count(*) FROM ({UNWANTED})"))

    def unwanted(self) -> list[str]:
        """Return their names."""
        return [name for (name,) in self.index.rows(f"{UNWANTED} ORDER BY name")]

    def unwanted_paths(self) -> list[str]:
        """Return where they are, relative to the dataset."""
        return [self.index.path_of(name) for name in self.unwanted()]

    # Working

    def plan(self, names: str, *notes: str) -> None:
        """Take the lock, and note that the arrays of a query may be written, and some notes.

        These outlive a kill. Where no lock can be had, `refusal` says why, and the run may go on
        without writing.

        Raises
        ------
        DatasetError
            A file that granpipe did not write has an array's place, or another run is writing.
        """
        self.check(names)
        if self.open():
            self.ledger.plan(names, notes)

    def check(self, names: str) -> None:
        """Raise DatasetError where a file that granpipe did not write has an array's place."""
        query = f"""SELECT name FROM ({names}) JOIN listed ON path = fold(name || suffix())
            WHERE fold(name) NOT IN (SELECT fold(name) FROM ours)
            AND fold(name) NOT IN (SELECT fold(name) FROM replaceable) ORDER BY name LIMIT 1"""
        if name := self.index.value(query):
            if not self.lock and self.ledger.has_moved():  # the online worker has just written it
                raise MovedError
            place = join(self.store.url, self.index.path_of(name))
            raise DatasetError(f"{place}: was not written by granpipe; move it away")

    def is_foreign(self, name: str) -> bool:
        """Return whether a file that granpipe did not write has an array's place.

        Its folder is listed once for all runs that share a ledger.
        """
        folder = label_of(name)
        if self.index.execute("INSERT OR IGNORE INTO looked_into VALUES (?)", (folder,)):
            self._list(folder)
        query = """SELECT 1 FROM listed WHERE path = fold(?1 || suffix())
            AND NOT EXISTS (SELECT 1 FROM ours WHERE name = ?1)"""
        return bool(self.index.value(query, (name,)))

    def open(self) -> bool:
        """Take the lock; return whether this run may write."""
        if self.lock or self.refusal:
            return not self.refusal
        try:
            self.lock = self._stack.enter_context(acquire(self.store, self.say))
        except OSError as error:
            self.refusal = f"{self.store.url}: {error.strerror or error}; fix that, then run again"
            if isinstance(error, PermissionError):
                self.refusal = cannot_write(self.store.url, f"{error.strerror or error}")
            return False
        if self.ledger.has_moved():
            raise MovedError
        self.store = self.ledger.store = self.lock.store
        clear(self.store, ENGINE_FOLDER)  # of a run that was killed
        return True

    def choose(self, rows: str, order: str = "name") -> int:
        """Fill the index's table `todo` with the rows of a query, numbered; return how many."""
        self.index.execute("DELETE FROM todo")
        numbered = f"SELECT row_number() OVER (ORDER BY {order}) - 1, * FROM ({rows})"
        return self.index.execute(f"INSERT INTO todo {numbered}")

    def work(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        engine: Engine,
        progress: Progress,
        take: Callable[[Item, Result | WorkerCrashed], None],
    ) -> None:
        """Do a task for every item, and hand each item with its result to `take`, in order."""
        scratch = WorkFolder(self.store, ENGINE_FOLDER) if self.lock else None
        with working(task, items, engine, progress, scratch) as results:
            for item, result in results:
                take(item, result)

    def add(self, name: str, record: ArrayRecord, *, is_written: bool) -> None:
        """Record an array, and whether this run has written it."""
        if is_written:
            self.has_written = True
            self.index.execute("INSERT OR IGNORE INTO written VALUES (?)", (name,))
        if self.lock:
            self.lock.watch()
        self.ledger.add(name, record, is_held=self.lock is not None)

    def forget(self, name: str) -> None:
        """Let go of what is recorded of an array that was deleted."""
        for table in ("records", "planned"):
            self.index.execute(f"DELETE FROM {table} WHERE name = ?", (name,))
        self.index.execute("DELETE FROM listed WHERE path = fold(? || suffix())", (name,))

    def verify(self, make_again: Callable[[], None]) -> None:
        """Look whether every wanted array is there as recorded, if this run wrote any.

        A worker of an ended run, or somebody else, may have written one in the meantime.
        `make_again` sees to the arrays that the index's table `mismatched` names.
        """
        for _ in range(_MOST_ROUNDS):
            if not self.has_written:
                return
            self.look(table="listed_again")
            self.index.execute("DELETE FROM mismatched")
            if not self.index.execute(_MISMATCHED):
                return
            self.index.execute(_NOW_LISTED)
            make_again()
        raise DatasetError(f"{self.store.url}: another program writes arrays here; stop it")

    def has_table(self, name: str) -> bool:
        """Return whether a table is there as the last run wrote it."""
        version = self.table_versions().get(name, "")
        noted = self.ledger.noted("tables") or {}
        return bool(version) and noted.get(name, [""])[0] == version

    def check_free(self, table: str, columns: Sequence[str]) -> None:
        """Raise DatasetError where another's file has the place of a table."""
        if table not in (self.ledger.noted("tables") or {}):
            check_free(self.store, table, ",".join(columns).encode())

    def table_versions(self) -> dict[str, str]:
        return {
            entry.path: entry.version
            for entry in self.store.list(deep=False)
            if entry.path in TABLES
        }


@contextmanager
def working(
    task: Callable[[Item], Result],
    items: Sequence[Item],
    engine: Engine,
    progress: Progress,
    scratch: WorkFolder | None = None,
) -> Generator[Iterator[tuple[Item, Result | WorkerCrashed]], None, None]:
    """Do a task for every item; give an iterator over each item with its result, in order."""
    # Closed at once when an error or Ctrl-C ends the loop, so that no worker writes on.
    with closing(engine.run(task, items, scratch)) as results:
        yield progress(results, len(items))


def run_again(store: Store, command: str, say: Say, work: Callable[[Run], Result]) -> Result:
    """Do the work of a run, again from the start where another run came in between."""
    is_held = False
    while True:
        try:
            with _opened(store, command, say, is_held=is_held) as run:
                return work(run)
        except MovedError:
            # Where one batch follows another, only who has the lock already can read in peace.
            is_held = True


@contextmanager
def _opened(store: Store, command: str, say: Say, *, is_held: bool) -> Generator[Run, None, None]:
    with (
        acquire(store, say) if is_held else nullcontext() as lock,
        closing(Ledger(lock.store if lock else store, command)) as ledger,
        closing(Run(ledger, say, lock)) as run,
    ):
        recover(ledger, say)
        yield run
