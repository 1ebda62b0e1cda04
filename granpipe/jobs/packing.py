"""From where arrays stand to where they are to: rows are copied, and nothing is decoded.

The packs of a dataset are numbered by the photographs found, whether they turn out to be good or
not: so the same photographs stand in the same packs, whatever happened before. An array is written
once: into its slot of the pack, where a photograph that is rejected leaves a gap, which is closed
in the end. All packs that change are whole before the first of them takes its place, since a row
that moves from one to the next is to be read from there until then.
"""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from granpipe.dataset.arrays import npy_header
from granpipe.dataset.build import Build, Progress
from granpipe.dataset.made import Made
from granpipe.dataset.names import PACK, array_path, source_of
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
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.engines.worker import extend_deadline
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
            extend_deadline(_SECONDS_A_ROW * len(rows))
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
                    extend_deadline(_SECONDS_A_ROW * _ROWS_A_WORD)
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


class Ranks(Mapping[str, int]):
    """The places of sorted photographs in their order, by the paths of their arrays.

    >>> Ranks(["corn/a.jpg", "corn/b.jpg"])["corn/b.jpg.npy"]
    1
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self._sources = sources
        self._next = 0

    def __getitem__(self, path: str) -> int:
        source, rank = source_of(path), self._next
        # Mostly asked for one after another.
        if rank == len(self._sources) or self._sources[rank] != source:
            rank = bisect_left(self._sources, source)
            if self._sources[rank : rank + 1] != [source]:
                raise KeyError(path)
        self._next = rank + 1
        return rank

    def __iter__(self) -> Iterator[str]:
        return map(array_path, self._sources)

    def __len__(self) -> int:
        return len(self._sources)


class Packing:
    """Which arrays share a file, and what must be copied for that.

    Parameters
    ----------
    build : Build
    size : int
        Side of the arrays.
    count : int
        How many share a pack; 0 where each stands alone.
    ranks : mapping of str to int
        Of all that was found, by what it would be called if it stood alone, in order.
    """

    def __init__(self, build: Build, size: int, count: int, ranks: Mapping[str, int]) -> None:
        self.build = build
        self.size = size
        self.count = count
        self._ranks = ranks

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

    def files(self, paths: Collection[str]) -> Collection[str]:
        """Return the files that hold these arrays, in their order."""
        return dict.fromkeys(map(self._pack, paths)) if self.count else paths

    def _pack(self, path: str) -> str:
        return pack_path(self._ranks[path] // self.count)

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
        some = list(self._unlike(paths) if self.count else self._packed(paths))
        if not some:
            return []
        self.build.plan(self.files([paths[one.start] for one in some]))
        if self.build.refusal:
            raise DatasetError(self.build.refusal)
        broken: list[str] = []

        def take(move: Move, result: tuple[list[str], str] | WorkerCrashed) -> None:
            if isinstance(result, WorkerCrashed):
                raise DatasetError(f"{self.build.store.url}: a worker {result.cause}; run again")
            broken.extend(result[0])
            if not result[0]:
                self._note(move, result[1])

        self.build.begin_change()
        task = CopyRows(self.build.store, self.size)
        apart = [one for one in some if not self._close_up(self._move(paths[one]))]
        if apart:
            moves = Made(apart, lambda one: self._move(paths[one]))
            self.build.work(task, moves, engine, progress, take)
        if not broken and self.count:
            self._publish(paths[one] for one in some)
        return broken

    def _unlike(self, paths: Sequence[str]) -> Iterator[slice]:
        """Yield where the arrays are, pack by pack, whose packs are not as they should be."""
        records = self.build.ledger.records
        for pack, group in groupby(enumerate(paths), lambda pair: self._pack(pair[1])):
            numbers, members = zip(*group, strict=True)
            places = (text_in(records[path], "place") for path in members)
            is_there = all(place == f"{pack}#{row}" for row, place in enumerate(places))
            if not (is_there and self._stands(pack, len(members))):
                yield slice(numbers[0], numbers[-1] + 1)

    def _packed(self, paths: Sequence[str]) -> Iterator[slice]:
        """Yield where the arrays are, one by one, that stand in packs."""
        for number, path in enumerate(paths):
            if text_in(self.build.ledger.records[path], "place"):
                yield slice(number, number + 1)

    def _move(self, paths: Sequence[str]) -> Move:
        texts = [self.build.ledger.records[path] for path in paths]
        arrays = [
            (text_in(text, "place") or path, text_in(text, "array_sha256"), path)
            for path, text in zip(paths, texts, strict=True)
        ]
        path = self._half(self._pack(paths[0])) if self.count else paths[0]
        return Move(path, arrays, is_pack=bool(self.count))

    def _close_up(self, move: Move) -> bool:
        """Make a pack of what stands in its file, if nothing else does; tell whether that is so."""
        rows = move.rows_there
        if not rows or len(rows) < rows[-1] + 1:
            return False
        close_up(self.build.store, move.path, rows, self.size)  # the header alone is missing
        return True

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

    def _note(self, move: Move, version: str) -> None:
        for row, (_, _, path) in enumerate(move.arrays):
            record = self.build.ledger.get(path)
            if move.is_pack:
                record["place"] = str(Place(move.path, row))
            else:
                record |= {"place": "", "array_version": version}
            self.build.add(path, _json(record), is_written=not move.is_pack)

    def _publish(self, packs: Iterable[Sequence[str]]) -> None:
        """Let packs that are whole take their places."""
        self.build.check_lock()
        for paths in packs:
            pack = self._pack(paths[0])
            version = self.build.move(self._half(pack), pack)
            for row, path in enumerate(paths):
                record = with_text(self.build.ledger.records[path], "place", str(Place(pack, row)))
                self.build.ledger.change(path, record)
            self.build.ledger.change(pack, _pack_record(len(paths), version))


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
