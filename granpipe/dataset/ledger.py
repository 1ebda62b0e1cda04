"""The ledger of a dataset: a line for every array that granpipe wrote, or was about to write.

It stands in `.granpipe/ledger.jsonl`. A run adds a part, `parts/<run>-<who>-<number>.jsonl` beside
it, for whatever it finished within half a second, or some seconds of a long run, and puts all in
one file at its end. So an interrupted run is taken up where it stopped, on a disk as in a bucket,
where nothing can be appended to an object; and nothing that granpipe did not write is ever deleted.

A line is JSON: the array's path, its record, and a checksum of the text before it. The record is
null for an array that was about to be written; of one in a pack, the record before it stays true. A
line whose checksum does not hold tells nothing but that the ledger is damaged, and so does a file
without the last line that counts the others.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b, sha256
from itertools import chain
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any
from uuid import uuid4

from granpipe.dataset.names import (
    ALIKE,
    LABELS,
    OWN,
    PACK,
    PAST,
    REJECTED,
    SIDES,
    STATE,
    SUMMARY,
    is_array_path,
)
from granpipe.dataset.records import Records, RecordsFile, text_in
from granpipe.dataset.tables import PREPARED_COLUMNS, read_summary
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

LEDGER = f"{OWN}/ledger.jsonl"
PARTS = f"{OWN}/parts"

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
        Who writes here, `prepare` or `augment`.
    records : mapping, optional
        An empty one that takes the records; one in memory unless given.

    Attributes
    ----------
    records : mapping of str to str
        By the array's path relative to the store, its record as JSON; an empty text for an array
        that a run was about to write.
    tables : dict of str to list
        By a table's name, its version and the digest of its bytes; and the notes `sides`, `state`.
    who : str
        A name for this run that no other has.
    is_changed : bool
        Records differ from what is written of them.
    is_whole : bool
        False where lines are damaged or missing; see `granpipe.dataset.recovery`.
    announced : set of str
        Arrays in packs that a run was about to take out of them, each into a file of its own.
    replaceable : set of str
        Arrays that are ours by all appearance, but not provably so: they may be written again, and
        not be deleted.

    Raises
    ------
    DatasetError
        The store holds files and is not one that this command wrote.
    """

    def __init__(
        self, store: Store, command: str, records: Records | RecordsFile | None = None
    ) -> None:
        self.store = store
        self.command = command
        self.records = Records() if records is None else records
        self.tables: dict[str, list[str]] = {}
        self.is_whole = True
        self.announced: set[str] = set()
        self.replaceable: set[str] = set()
        self._first_line = json.dumps({"granpipe": command})
        self.is_changed = False
        self._new: list[str] = []
        # A run that lost its lock unawares may not write over the parts of the next one.
        self.who = uuid4().hex[:8]
        self._number = 0
        self._begins = self._was_begun = False
        self._begun_at = self._written_at = time.monotonic()
        self.state = _state(store)
        self._parts = sorted(path for path in self.state if path.startswith(f"{PARTS}/"))
        self._run = 1 + max(map(_run_of, self._parts), default=0)
        self._read()

    @property
    def is_compact(self) -> bool:
        """Tell whether the ledger is one file, and tells all."""
        pending = self._parts or self._new or self.announced
        return self.is_whole and not pending and not self.is_changed

    def has_moved(self) -> bool:
        """Tell whether another run has written the ledger since it was read."""
        return _state(self.store) != self.state

    def look_again(self) -> None:
        """Take what stands there now, under this run's lock, for what this ledger knows."""
        self.state = _state(self.store)

    @property
    def parts(self) -> int:
        """How many parts there are beside the one file."""
        return len(self._parts)

    def _read(self) -> None:
        for path in (LEDGER, *self._parts):
            if path in self.state:
                self._read_file(path)
        # A run deletes dataset.json before it writes its first array, and writes it last.
        if not self.state:
            self.is_whole = self._begins = self._is_new()
        elif LEDGER not in self.state and read_summary(self.store):
            # Killed before it put its parts in one file, a first run has told all in them.
            self.is_whole &= self._was_begun
        is_known = self.records or (self.is_whole and LEDGER in self.state)
        if not is_known and not self._is_new() and not self._is_ours():
            raise self._foreign()

    def _read_file(self, path: str) -> None:
        lines = self._lines(path)
        first = next(lines, "")
        if first in _FIRST_LINES and first != self._first_line:
            raise self._foreign()
        count = sum(map(self._take, lines))
        has_end = path != LEDGER or f"{count - 1}" == self.records.pop(_END, "")
        self.is_whole &= first == self._first_line and has_end

    def _lines(self, path: str) -> Iterator[str]:
        """Yield the lines of a file; a large ledger is never in memory as a whole."""
        rest = b""
        try:
            for piece in self.store.pieces(path):
                *lines, rest = (rest + piece).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in lines)
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self.store.url}/{path}: a link that leads nowhere, or just gone; remove it, "
                "run again"
            ) from error
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self.has_moved():
                raise MovedError from error
            raise DatasetError(
                f"{self.store.url}/{path}: {error.strerror or error}; mend that, run again"
            ) from error
        yield rest.decode("utf-8", "replace")

    def _is_new(self) -> bool:
        """Tell whether the store is empty, but for what a run leaves that ended before it began."""
        return all(entry.path.startswith(f"{OWN}/") for entry in self.store.list())

    def _is_ours(self) -> bool:
        """Tell whether the store holds what this command wrote, going by its tables."""
        is_augmented = self.command == "augment"
        summary = read_summary(self.store)
        if summary:
            return "arrays_sha256" in summary and ("made_from" in summary) == is_augmented
        header = ",".join(PREPARED_COLUMNS) + (",copy," if is_augmented else "\n")
        try:
            return self.store.head(LABELS, len(header)) == header.encode()
        except OSError:
            return False

    def _foreign(self) -> DatasetError:
        return DatasetError(
            f"{self.store.url}: holds files that granpipe {self.command} did not write; "
            "name an empty or a new folder"
        )

    def _take(self, line: str) -> bool:
        """Take in a line; return whether it holds."""
        # The text of a whole line is kept as it is: parsing a hundred thousand takes a second.
        body, holds = _checked(line)
        path, end = _first_of(body)
        if not holds:
            self.is_whole &= not line
            self.replaceable |= {path} if is_array_path(path) else set()
        elif path in _TABLES:
            self.tables[path] = json.loads(body[end + 2 :])
        elif path == _BEGUN:
            self._was_begun = True
        elif is_array_path(path) or path == _END:
            record = body[end + 2 :]
            if record == "null" and self._is_packed(path):
                self.announced.add(path)
            else:
                self.records[path] = "" if record == "null" else record
        return holds

    def _is_packed(self, path: str) -> bool:
        return bool(text_in(self.records.get(path, ""), "place"))

    def get(self, path: str) -> dict[str, Any]:
        """Return an array's record; empty where there is none."""
        record = self.records.get(path, "")
        return json.loads(record) if record else {}

    def arrays_digest(self, paths: Iterable[str]) -> str:
        """Return one SHA-256 for the bytes and places of these arrays."""
        digest = sha256()
        for path in paths:
            digest.update(f"{self.get(path)['array_sha256']}  {path}\n".encode())
        return digest.hexdigest()

    def plan(self, paths: Iterable[str]) -> None:
        """Note that arrays may be written from now on, before the first one is."""
        for path in paths:
            if path not in self.records:
                self.records[path] = ""
            elif path not in self.announced and self._is_packed(path):
                self.announced.add(path)
            else:
                continue
            self._new.append(_line(path, ""))
            if len(self._new) >= _LARGEST_PLAN:
                self.flush()
        self.flush()

    def add(self, path: str, record: str) -> None:
        """Note that an array stands there, with its record."""
        self.note(path, record)
        now = time.monotonic()
        is_time = now - self._written_at > min(max(_LEAST, _SHARE * (now - self._begun_at)), _MOST)
        if is_time or len(self._new) >= _LARGEST_PART:
            self.flush()

    def note(self, path: str, record: str) -> None:
        """Take in a record without writing it, for a run that holds no lock yet."""
        self.records[path] = record
        self._new.append(_line(path, record))

    def change(self, path: str, record: str) -> None:
        """Take in a record that a kill may cost, until `compact` writes it with all others."""
        self.records[path] = record
        self.is_changed = True

    def flush(self) -> None:
        """Write what is not written yet, as a part of its own."""
        if self._new:
            begun = [_line(_BEGUN, "")] if self._begins and not self._parts else []
            path = f"{PARTS}/{self._run:06}-{self.who}-{self._number:06}.jsonl"
            self.store.write(path, "".join([f"{self._first_line}\n", *begun, *self._new]).encode())
            self._parts.append(path)
            self._number += 1
            self._new.clear()
        self._written_at = time.monotonic()

    def compact(self, stays: Callable[[str], bool] | None = None) -> None:
        """Put records, all or those of paths that stay, into one file in order; forget others."""
        self._begins = False
        if stays is None:
            self.records.sort()
        else:
            self.records.keep(sorted(filter(stays, self.records)))
            self.announced.clear()
        lines = (_line(path, record) for path, record in self.records.items())
        announced = (_line(path, "") for path in sorted(self.announced))
        tables = (_line(name, json.dumps(of)) for name, of in sorted(self.tables.items()))
        count = len(self.tables) + len(self.records) + len(self.announced)
        with self.store.writer(LEDGER) as file:
            for line in chain([f"{self._first_line}\n"], tables, lines, announced):
                file.write(line.encode())
            file.write(_line(_END, str(count)).encode())
        self.is_whole, self.is_changed = True, False
        self._new.clear()
        for part in self._parts:
            self.store.delete(part)
        self._parts.clear()


_TABLES = {LABELS, REJECTED, ALIKE, SUMMARY, SIDES, PAST, STATE, PACK}
_END = "end"
_BEGUN = "begun"  # the first line of the first part in a new store
_FIRST_LINES = {json.dumps({"granpipe": command}) for command in ("prepare", "augment")}


def _state(store: Store) -> dict[str, str]:
    state = {}
    for entry in store.list(OWN):
        if entry.is_folder:
            raise DatasetError(f"{store.url}: {entry.problem}; name another folder")
        is_part = entry.path.startswith(f"{PARTS}/") and entry.path.endswith(".jsonl")
        if is_part or entry.path == LEDGER:
            state[entry.path] = entry.version
    return state


def _run_of(part: str) -> int:
    number = part.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else 0


def _line(path: str, record: str) -> str:
    body = f"[{json.dumps(path)}, {record or 'null'}"
    return f'{body}, "{_check(body)}"]\n'


def _checked(line: str) -> tuple[str, bool]:
    """Return a line without its checksum, and whether that holds."""
    body, _, rest = line.rpartition(", ")
    return (body, True) if rest == f'"{_check(body)}"]' else (line, False)


def _first_of(body: str) -> tuple[str, int]:
    """Return the text that a line begins with, and where that ends."""
    with suppress(ValueError, IndexError):
        if body.startswith('["'):
            path, end = scanstring(body, 2)
            return str(path), int(end)
    return "", 0


def _check(body: str) -> str:
    return blake2b(body.encode("utf-8", "replace"), digest_size=6).hexdigest()
