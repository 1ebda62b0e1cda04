"""From where arrays stand to where they are to: rows are copied, and nothing is decoded.

The packs of a dataset are numbered by the photographs found, whether they turn out to be good or
not: so the same photographs stand in the same packs, whatever happened before. An array is written
once: into its slot of the pack, where a photograph that is rejected leaves a gap, which is closed
in the end. All packs that change are whole before the first of them takes its place, since a row
that moves from one to the next is to be read from there until then.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from granpipe.dataset.arrays import npy_header
from granpipe.dataset.build import Build, Progress
from granpipe.dataset.names import PACK
from granpipe.dataset.packs import (
    HALVES,
    HEADER_BYTES,
    Place,
    close_up,
    is_sound,
    pack_path,
    read_alone,
    read_place,
)
from granpipe.dataset.records import text_in, with_text
from granpipe.engines.processes import Lost
from granpipe.engines.protocol import Engine
from granpipe.engines.worker import allow_seconds
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

_SECONDS_A_ROW = 30.0
_ROWS_A_WORD = 50


@dataclass(frozen=True, slots=True)
class Move:
    """Arrays to copy into one file.

    Attributes
    ----------
    path : str
        The file.
    arrays : list of tuple
        By row: place, SHA-256, and path as a file of its own.
    is_pack : bool
        False where the file is to hold one array, alone.
    """

    path: str
    arrays: list[tuple[str, str, str]]
    is_pack: bool = True

    @property
    def rows_there(self) -> list[int]:
        """The rows of the file, in order, in which all arrays stand already; empty unless so."""
        slots = [read_place(place) for place, _, _ in self.arrays]
        rows = [slot.row or 0 for slot in slots]
        is_there = {slot.path for slot in slots} == {self.path} and rows == sorted(set(rows))
        return rows if is_there and self.is_pack else []


@dataclass(frozen=True, slots=True)
class CopyRows:
    """Make a file of rows that stand elsewhere; runs in a worker."""

    store: Store
    size: int

    def __call__(self, move: Move) -> tuple[list[str], str]:
        """Return the paths of arrays that are not as recorded, and the version of a file alone."""
        if not move.is_pack:
            return self._set_alone(move)
        if rows := move.rows_there:
            allow_seconds(_SECONDS_A_ROW * len(rows))
            close_up(self.store, move.path, rows, self.size)
            return [], ""
        return self._copy(move), ""

    def _copy(self, move: Move) -> list[str]:
        broken = []
        shape = (len(move.arrays), self.size, self.size, 3)
        with self.store.writer(move.path) as file:
            file.write(npy_header(shape))
            for number, (place, digest, path) in enumerate(move.arrays):
                if number % _ROWS_A_WORD == 0:
                    allow_seconds(_SECONDS_A_ROW * _ROWS_A_WORD)
                data = self._read(read_place(place), digest)
                broken += [] if data else [path]
                file.write(memoryview(data)[HEADER_BYTES:])
        return broken

    def _set_alone(self, move: Move) -> tuple[list[str], str]:
        (place, digest, path) = move.arrays[0]
        data = self._read(read_place(place), digest)
        return ([], self.store.write(move.path, data)) if data else ([path], "")

    def _read(self, place: Place, digest: str) -> bytes:
        try:
            data = read_alone(self.store, place, self.size)
        except OSError:
            return b""
        return data if hashlib.sha256(data).hexdigest() == digest else b""


class Packing:
    """Which arrays share a file, and what must be copied for that.

    Parameters
    ----------
    build : Build
    size : int
        Side of the arrays.
    count : int
        How many share a pack; 0 where each stands alone.
    paths : iterable of str
        In order, what all that was found would be called if it stood alone.
    """

    def __init__(self, build: Build, size: int, count: int, paths: Iterable[str]) -> None:
        self.build = build
        self.size = size
        self.count = count
        self._ranks = {path: rank for rank, path in enumerate(paths)} if count else {}

    @property
    def note(self) -> dict[str, list[str]]:
        """What the ledger is to keep of it."""
        return {PACK: [str(self.count)]} if self.count else {}

    @property
    def settings(self) -> dict[str, int]:
        """What dataset.json is to tell of it."""
        return {"pack": self.count} if self.count else {}

    def slot(self, path: str) -> str:
        """Return where a new array is to be kept; empty where it stands alone."""
        if not self.count:
            return ""
        number, row = divmod(self._ranks[path], self.count)
        return str(Place(self._half(pack_path(number)), row))

    def files(self, paths: Iterable[str]) -> list[str]:
        """Return the files that hold these arrays, in their order."""
        return list(dict.fromkeys(map(self._file, paths)))

    def _file(self, path: str) -> str:
        return pack_path(self._ranks[path] // self.count) if self.count else path

    def _half(self, pack: str) -> str:
        return f"{HALVES}/{self.build.ledger.who}/{pack}"

    def columns(self, path: str) -> dict[str, Any]:
        """Return what labels.csv tells of an array's place."""
        place = read_place(text_in(self.build.ledger.records.get(path, ""), "place") or path)
        return {"path": place.path, "row": place.row}

    def arrange(self, paths: Sequence[str], engine: Engine, progress: Progress) -> list[str]:
        """Bring the files in line with the arrays that are in.

        Returns
        -------
        list of str
            Arrays that were not as recorded: make them again, and call this once more. Until then
            no pack has changed.
        """
        moves = list(self._pack_moves(paths) if self.count else self._moves_apart(paths))
        if not moves:
            return []
        self.build.plan([move.path.rpartition(f"{self.build.ledger.who}/")[2] for move in moves])
        if self.build.refusal:
            raise DatasetError(self.build.refusal)
        broken: list[str] = []

        def take(move: Move, result: tuple[list[str], str] | Lost) -> None:
            if isinstance(result, Lost):
                raise DatasetError(f"{self.build.store.url}: a worker {result.cause}; run again")
            broken.extend(result[0])
            if not result[0]:
                self._note(move, result[1])

        self.build.begin_change()
        task = CopyRows(self.build.store, self.size)
        apart = []
        for move in moves:
            rows = move.rows_there
            if rows and len(rows) == rows[-1] + 1:  # no gap: the header alone is missing
                close_up(self.build.store, move.path, rows, self.size)
            else:
                apart.append(move)
        if apart:
            self.build.work(task, apart, engine, progress, take)
        if not broken and self.count:
            self._publish(moves)
        return broken

    def _pack_moves(self, paths: Sequence[str]) -> Iterator[Move]:
        records = self.build.ledger.records
        for pack, group in groupby(paths, self._file):
            members = list(group)
            places = [text_in(records[path], "place") for path in members]
            is_there = all(place == f"{pack}#{row}" for row, place in enumerate(places))
            if is_there and self._stands(pack, len(members)):
                continue
            arrays = [
                (place or path, self.build.ledger.get(path)["array_sha256"], path)
                for place, path in zip(places, members, strict=True)
            ]
            yield Move(self._half(pack), arrays)

    def _stands(self, pack: str, rows: int) -> bool:
        """Tell whether a pack, whose rows are where they should be, is whole; and note it."""
        version = self.build.version(pack)
        record = _pack_record(rows, version)
        is_known = self.build.ledger.records.get(pack) == record
        if version and is_known and not self.build.verifies:
            return True
        if not version or not is_sound(self.build.store, pack, rows, self.size):
            return False
        if not is_known:
            self.build.add(pack, record, is_written=False)
        return True

    def _moves_apart(self, paths: Sequence[str]) -> Iterator[Move]:
        for path in paths:
            if place := text_in(self.build.ledger.records[path], "place"):
                digest = self.build.ledger.get(path)["array_sha256"]
                yield Move(path, [(place, digest, path)], is_pack=False)

    def _note(self, move: Move, version: str) -> None:
        for row, (_, _, path) in enumerate(move.arrays):
            record = self.build.ledger.get(path)
            if move.is_pack:
                record["place"] = str(Place(move.path, row))
            else:
                record |= {"place": "", "array_version": version}
            self.build.add(path, _json(record), is_written=not move.is_pack)

    def _publish(self, moves: Sequence[Move]) -> None:
        """Let packs that are whole take their places."""
        self.build.check_lock()
        for move in moves:
            pack = move.path.rpartition("/")[2]
            version = self.build.move(move.path, pack)
            for row, (_, _, path) in enumerate(move.arrays):
                record = with_text(self.build.ledger.records[path], "place", str(Place(pack, row)))
                self.build.ledger.change(path, record)
            self.build.ledger.change(pack, _pack_record(len(move.arrays), version))


def chosen_count(wish: int | None, noted: Sequence[str]) -> int:
    """Return how many arrays share a file: as many as is wished, or as before.

    >>> chosen_count(None, ["1000"]), chosen_count(0, ["1000"]), chosen_count(None, [])
    (1000, 0, 0)
    """
    return int(noted[0]) if wish is None and noted else wish or 0


def _pack_record(rows: int, version: str) -> str:
    return _json({"rows": rows, "array_version": version})


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))
