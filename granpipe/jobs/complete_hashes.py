"""Perceptual hashes for records that lack them, read off the arrays."""

from collections.abc import Callable

from granpipe.dataset.database import Items
from granpipe.dataset.record import Record
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.jobs.read_off import ReadOff
from granpipe.jobs.run import Progress, Run

LACKING = "SELECT name FROM wanted JOIN records USING (name) WHERE phash IS NULL"
"""A query for the names of those records."""


def complete_hashes(run: Run, engine: Engine, progress: Progress, plan: Callable[[], None]) -> None:
    """Add hashes that records lack; of an array that is not as recorded none are added.

    Parameters
    ----------
    run, engine, progress : Run, Engine, Progress
    plan : callable
        Takes the lock for the index's table `todo`.
    """
    index = run.index
    index.execute("DELETE FROM todo")
    chosen = f"SELECT row_number() OVER (ORDER BY name) - 1, name FROM ({LACKING})"
    count = index.execute(f"INSERT INTO todo {chosen}")
    if not count:
        return
    plan()
    query = f"SELECT name, {index.columns} FROM todo JOIN records USING (name)"
    items = Items(index, query, count, lambda row: (row[0], Record.from_values(row[1:])))

    def take(item: tuple[str, Record], result: Record | WorkerCrashed | None) -> None:
        if isinstance(result, Record):
            run.add(item[0], result, is_written=False)

    run.work(ReadOff(run.store), items, engine, progress, take)
