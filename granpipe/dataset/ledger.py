"""The ledger of a dataset: a record for every array that granpipe wrote, or was about to write.

While a run lasts, it writes parts, `parts/<run>-<run id>-<number>.jsonl` in `.granpipe/`, each of
what it finished within half a second or more. At its end all is put into `ledger.sqlite`: a
database of the tables that `granpipe.dataset.index` calls lasting, and behind it the SHA-256 of its
bytes. So an interrupted run is taken up where it stopped, and nothing is deleted that granpipe did
not write.

A part's line is JSON: an array's name, the values of its record, and a checksum of the text before
it; null means the values of an array that was about to be written, and a name with a colon
before it for a note. The same checksum is in the database. What does not hold is not believed.
"""

import json
import os
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from granpipe.dataset.index import Index
from granpipe.dataset.ledger_file import (
    ANOTHERS,
    COMMAND,
    FORMER,
    LEDGER,
    PARTS,
    WHOLE,
    fetch,
    is_ours,
    open_index,
    run_of,
    state_of,
    write,
)
from granpipe.dataset.ledger_lines import (
    BEGUN,
    FIRST_LINES,
    FORMER_LINES,
    PartLines,
    first_line,
    line_of,
)
from granpipe.dataset.names import COMMANDS, OWN
from granpipe.dataset.record import ArrayRecord, CopyRecord, Record, ShardRecord
from granpipe.dataset.tables import read_summary
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

KINDS: dict[str, type[ArrayRecord]] = dict(
    zip(COMMANDS, (Record, CopyRecord, ShardRecord, ShardRecord), strict=True)
)
"""What a command records of an array."""

# Seconds of work that a kill may cost: a fiftieth of the run's, so that parts do not become many.
_LEAST, _MOST, _SHARE = 0.5, 10.0, 0.02
_LARGEST_PART = 2_000
_LARGEST_PLAN = 50_000


class MovedError(Exception):
    """Another run ended between this run's first look and its lock: look again."""


class Ledger:
    """The arrays that granpipe wrote into a store.

    Parameters
    ----------
    store : Store
        The dataset, which may not exist yet.
    command : str
        Who writes here, one of `granpipe.dataset.names.COMMANDS`.

    Attributes
    ----------
    index : Index
        Its records, planned arrays and notes.
    parts : list of str
        Beside the one file.
    run_id : str
        A name for this run that no other has.
    is_whole : bool
        False where records are damaged or missing; see `granpipe.dataset.recovery`.
    is_anothers : bool
        Another version wrote it: it names our arrays, and says no more of them.

    Raises
    ------
    DatasetError
        The store holds files and is not one that this command wrote.
    MovedError
        Another run has put it in order meanwhile.
    """

    def __init__(self, store: Store, command: str) -> None:
        self.store = store
        self.command = command
        self.is_whole, self.is_anothers = True, False
        # A run that lost its lock unawares may not write over the parts of the next one.
        self.run_id = os.urandom(4).hex()
        self._new: list[str] = []
        self._number = 0
        self._begins = self._was_begun = False
        self._is_changed = False
        self._begun_at = self._written_at = time.monotonic()
        self.state = state_of(store)
        self.parts = sorted(path for path in self.state if path.startswith(f"{PARTS}/"))
        self._run = 1 + max(map(run_of, self.parts), default=0)
        self.index = self._open()
        try:
            self._read()
        except BaseException:
            self.index.close()
            raise

    @property
    def is_compact(self) -> bool:
        """Whether the ledger is one file, and complete."""
        return self.is_whole and not (self.parts or self._new or self._is_changed)

    def has_moved(self) -> bool:
        """Return whether another run has written the ledger since it was read."""
        return state_of(self.store) != self.state

    def follow(self) -> bool:
        """Take in the parts that others wrote since; False where all is to be read again."""
        state = state_of(self.store)
        new = sorted(state.keys() - self.state.keys())
        if LEDGER in new or not self.state.items() <= state.items():
            return False
        for path in new:
            self._read_part(path)
        self.parts, self.state = sorted({*self.parts, *new}), state
        return True

    def look_again(self) -> None:
        """Take what the store lists now, under this run's lock, for what this ledger knows."""
        self.state = state_of(self.store)

    def close(self) -> None:
        """Let go of the index."""
        self.index.close()

    # Reading

    def _open(self) -> Index:
        kind = KINDS[self.command]
        if LEDGER not in self.state:
            return Index(kind)
        with self._reading(LEDGER):
            file, is_sound = fetch(self.store.pieces(LEDGER))
        command, index, state = open_index(file, kind, is_sound=is_sound)
        self.is_whole, self.is_anothers = state == WHOLE, state == ANOTHERS
        if command not in {self.command, ""}:
            index.close()
            raise self._foreign()
        return index

    @contextmanager
    def _reading(self, path: str) -> Generator[None, None, None]:
        """Turn what goes wrong while a file is read into one line, or into a new look."""
        place = f"{self.store.url}/{path}"
        try:
            yield
        except FileNotFoundError as error:
            if self.has_moved():
                raise MovedError from error
            why = f"{place}: a link that leads nowhere; remove it, then run again"
            raise DatasetError(why) from error
        except OSError as error:
            why = f"{place}: {error.strerror or error}; fix that, then run again"
            raise DatasetError(why) from error

    def _read(self) -> None:
        for path in self.parts:
            self._read_part(path)
        # A run deletes dataset.json before it writes its first array, and writes it last.
        if not self.state:
            self.is_whole = self._begins = self._is_new()
        elif LEDGER not in self.state and self.summary():
            # Killed before it put its parts in one file, a first run has recorded all in them.
            self.is_whole &= self._was_begun
        has_records = self.index.value("SELECT 1 FROM records LIMIT 1")
        has_planned = self.index.value("SELECT 1 FROM planned LIMIT 1")
        is_known = has_records or has_planned or (self.is_whole and LEDGER in self.state)
        if (
            not is_known
            and not self._is_new()
            and not is_ours(self.store, self.command, self.summary())
        ):
            raise self._foreign()

    def _read_part(self, path: str) -> None:
        lines, taken = self._lines(path), PartLines(self.index)
        first = next(lines, "")
        if first in FIRST_LINES and first != first_line(self.command):
            raise self._foreign()
        # What an earlier version recorded is made again.
        for line in lines if first not in FORMER_LINES else ():
            taken.take(line)
        self.is_whole &= taken.are_whole and first == first_line(self.command)
        self._was_begun |= taken.have_begun

    def _lines(self, path: str) -> Iterator[str]:
        rest = b""
        with self._reading(path):
            for piece in self.store.pieces(path):
                *lines, rest = (rest + piece).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in lines)
        yield rest.decode("utf-8", "replace")

    def _is_new(self) -> bool:
        """Return whether the store is empty, but for what a run leaves that ended at once."""
        return all(entry.path.startswith(f"{OWN}/") for entry in self.store.list())

    def summary(self) -> dict[str, Any] | None:
        """Return what was written last, and says that all is whole; None where it is not."""
        return read_summary(self.store, name=self.index.kind.summary)

    def _foreign(self) -> DatasetError:
        return DatasetError(
            f"{self.store.url}: holds files that granpipe {self.command} did not write; "
            "name an empty or a new folder"
        )

    # Writing

    def plan(self, names: str, notes: Iterable[str] = ()) -> None:
        """Note that the arrays of a query may be written, before the first one is."""
        query = f"""SELECT name FROM ({names}) WHERE name NOT IN (SELECT name FROM records)
            AND name NOT IN (SELECT name FROM planned) ORDER BY name"""
        self._new += [line_of(f":{note}", self.noted(note)) for note in notes]
        for (name,) in self.index.rows(query):
            self._new.append(line_of(name, None))
            if len(self._new) >= _LARGEST_PLAN:
                self.flush()
        self.index.execute(f"INSERT OR IGNORE INTO planned {query}")
        self.flush()

    def plan_names(self, names: Iterable[str]) -> None:
        """Note that the arrays of these names may be written."""
        self.index.create("CREATE TEMP TABLE IF NOT EXISTS batch (name TEXT PRIMARY KEY);")
        self.index.execute("DELETE FROM batch")
        self.index.load("INSERT OR IGNORE INTO batch VALUES (?)", ((name,) for name in names))
        self.plan("SELECT name FROM batch")

    def add(self, name: str, record: ArrayRecord, *, is_held: bool = True) -> None:
        """Record an array; without the lock, in the index alone until `flush`."""
        line = line_of(name, record.values())
        self.index.put(name, record, line[-15:-3])
        self._new.append(line)
        now = time.monotonic()
        is_time = now - self._written_at > min(max(_LEAST, _SHARE * (now - self._begun_at)), _MOST)
        if is_held and (is_time or len(self._new) >= _LARGEST_PART):
            self.flush()

    def note(self, name: str, value: Any) -> None:
        """Keep a value that JSON can hold beside the records, from `plan` or `compact` on."""
        text = json.dumps(value)
        if text != json.dumps(self.noted(name)):
            self.index.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, text))
            self._is_changed = True

    def noted(self, name: str) -> Any:
        """Return a note; None where there is none."""
        text = self.index.value("SELECT value FROM notes WHERE name = ?", (name,))
        return json.loads(text) if text else None

    def notes(self) -> set[str]:
        """Return the names of all notes."""
        return {name for (name,) in self.index.rows("SELECT name FROM notes")}

    def forget_note(self, name: str) -> None:
        """Let go of a note."""
        self._is_changed |= bool(self.index.execute("DELETE FROM notes WHERE name = ?", (name,)))

    def flush(self) -> None:
        """Write what is not written yet, as a part of its own."""
        if self._new:
            begun = [line_of(BEGUN, None)] if self._begins and not self.parts else []
            path = f"{PARTS}/{self._run:06}-{self.run_id}-{self._number:06}.jsonl"
            lines = [f"{first_line(self.command)}\n", *begun, *self._new]
            self.store.write(path, "".join(lines).encode())
            self.parts.append(path)
            self._number += 1
            self._new.clear()
        self._written_at = time.monotonic()

    def compact(self) -> None:
        """Put records, planned arrays and notes into one file."""
        self._begins = False
        values = COMMAND, json.dumps([self.command, self.index.kind.columns()])
        self.index.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", values)
        write(self.index, self.store)
        self.is_whole, self._is_changed = True, False
        self._new.clear()
        for part in [*self.parts, FORMER]:
            self.store.delete(part)
        self.parts.clear()
