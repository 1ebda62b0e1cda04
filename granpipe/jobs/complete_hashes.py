"""Perceptual hashes for records that lack them, read off the arrays: no photograph is decoded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from granpipe.dataset.arrays import parse_array
from granpipe.dataset.database import Items
from granpipe.dataset.names import array_path
from granpipe.dataset.record import Record
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.engines.worker import Steps
from granpipe.errors import PhotoError
from granpipe.jobs.run import Progress, Run
from granpipe.photo.letterbox import content
from granpipe.photo.likeness import hashes, levels_of
from granpipe.stores.protocol import Store

LACKING = "SELECT name FROM wanted JOIN records USING (name) WHERE phash IS NULL"
"""A query for the names of those records."""

_Item = tuple[str, Record]


def complete_hashes(run: Run, engine: Engine, progress: Progress, plan: Callable[[], None]) -> None:
    """Add hashes that records lack; of an array that is not as recorded none are added.

    `plan` takes the lock for the index's table `todo`.
    """
    count = run.choose(LACKING)
    if not count:
        return
    plan()
    query = f"SELECT name, {run.index.columns} FROM todo JOIN records USING (name)"
    items = Items(run.index, query, count, lambda row: (row[0], Record.from_values(row[1:])))

    def take(item: _Item, result: Record | WorkerCrashed | None) -> None:
        if isinstance(result, Record):
            run.add(item[0], result, is_written=False)

    run.work(ReadOff(run.store), items, engine, progress, take)


@dataclass(frozen=True, slots=True)
class ReadOff(Steps):
    """Complete a name's record, in a worker; None where the array is not as recorded."""

    output: Store

    @property
    def ahead(self) -> int:
        return self.output.ahead

    def sample(self, item: _Item) -> tuple[Store, str]:
        return self.output, array_path(item[0])

    def weight(self, item: _Item) -> int:
        return 1 << 18

    def fetch(self, item: _Item) -> bytes:
        try:
            return self.output.read(array_path(item[0]))[0]
        except OSError:
            return b""

    def work(self, item: _Item, data: bytes) -> Record | None:
        record = item[1]
        if sha256(data).hexdigest() != record.array_sha256:
            return None
        try:
            grey = content(parse_array(data), record.box).convert("L")
        except PhotoError:
            return None
        return replace(record, phash=hashes(levels_of(grey)).tobytes())
