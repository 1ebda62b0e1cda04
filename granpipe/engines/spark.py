"""The engine of Apache Spark: the same functions on any number of machines.

Numbers of chunks are all that passes through Spark: what is to be done stands in a folder of the
output, and so do the results, which the driver reads in order while the job runs.
"""

import os
import pickle
import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from uuid import uuid4

from granpipe.engines.parcels import Run
from granpipe.engines.protocol import Place
from granpipe.engines.spark_direct import through_spark
from granpipe.engines.spark_jobs import LOOK, SCHEMA, Jobs, task_of, versions
from granpipe.engines.spark_session import STARVES, check_extra, start_session, told
from granpipe.engines.spark_task import Order
from granpipe.errors import DatasetError
from granpipe.stores.credentials import be_patient
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store

LARGEST_CHUNK = 1_000
_CHUNKS_A_CORE = 4
_MOST_PARTITIONS = 4_096


class Spark:
    """Executors of Spark; an `Engine`.

    Parameters
    ----------
    workers : int, optional
        Processes of each task; as many as it has cores unless given.
    say : callable
        Told, in a line, of failures that Spark tells of.
    """

    def __init__(self, workers: int | None, say: Callable[[str], None]) -> None:
        check_extra()
        be_patient()
        self.workers = workers or 0
        self.say = say
        self.is_quiet = False
        self.session: Any = None
        self.cores = 0
        self.probed: set[type] = set()

    def open(self, url: str | os.PathLike[str]) -> Store:
        """Return a store; a folder by its whole path, since executors stand elsewhere."""
        store = open_store(url)
        # Not resolved: a link may be all that machines have in common.
        return Folder(os.path.abspath(store.root)) if isinstance(store, Folder) else store  # noqa: PTH100

    def run(
        self, function: Callable[[Any], Any], items: Sequence[Any], place: Place | None
    ) -> Generator[Any, None, None]:
        """Yield every result, read from the place, or from Spark where there is none."""
        if items:  # at once: what is said of it would tear a bar that stands there already
            self._hush(False)
            self.session = self.session or start_session(self._pass_on)
        return self._run(function, items, place)

    def _run(
        self, function: Callable[[Any], Any], items: Sequence[Any], place: Place | None
    ) -> Generator[Any, None, None]:
        if not items:
            return
        with ExitStack() as stack:
            run = _run_in(place) if place else None
            if run:
                stack.enter_context(run.alive())
            sample = _sample(function, items)
            order = Order(function, self.workers, run, sample=sample, copies=self._copies())
            self._probe(order)
            size = self._size(len(items))
            chunks = [range(start, start + size) for start in range(0, len(items), size)]
            jobs = stack.enter_context(Jobs(self.session, self._hush))
            if run:
                yield from self._through_store(jobs, order, run, items, chunks)
            else:
                width = _CHUNKS_A_CORE * self.cores
                yield from through_spark(jobs, order, items, chunks, width)

    def _pass_on(self, line: str) -> None:
        """Say what Spark says, but for its errors where they are told otherwise."""
        if not self.is_quiet or STARVES in line:
            self.say(line)

    def _hush(self, is_quiet: bool) -> None:
        self.is_quiet = is_quiet

    def _size(self, count: int) -> int:
        return max(1, min(LARGEST_CHUNK, -(-count // (_CHUNKS_A_CORE * self.cores))))

    def _probe(self, order: Order) -> None:
        """Look whether executors have what it takes, before they do any work."""
        if type(order.function) in self.probed:
            return
        task = task_of(pickle.dumps(order), versions(), probes=True)
        self._hush(True)  # what is wrong is told in one line, below
        try:
            frame = self.session.range(0, _MOST_PARTITIONS).mapInArrow(task, SCHEMA)
            rows = frame.collect()
        except Exception as error:
            raise DatasetError(f"Spark: {told(error)}") from error
        self._hush(False)
        for row in rows:
            if row.told:
                raise DatasetError(f"Spark: {bytes(row.told).decode()}")
        self.cores = max(1, len(rows), self._parallelism())
        self.probed.add(type(order.function))

    def _copies(self) -> int:
        return int(str(self.session.conf.get("spark.speculation", "false")).lower() == "true")

    def _parallelism(self) -> int:
        try:
            return int(self.session.sparkContext.defaultParallelism)
        except Exception:  # a client of Spark Connect has no context
            return 1

    def _through_store(
        self,
        jobs: Jobs,
        order: Order,
        run: Run,
        items: Sequence[Any],
        chunks: Sequence[range],
    ) -> Iterator[Any]:
        for number, chunk in enumerate(chunks):
            run.put(f"plan-{number:06}", items[chunk.start : chunk.stop])
        job = jobs.start(replace(order, numbers=range(len(chunks))))
        failures = 0
        for number in range(len(chunks)):
            while (results := _part(run, number)) is None:
                if not job.wait(LOOK):
                    continue
                if (results := _part(run, number)) is not None:
                    break
                failures += 1
                job.check(failures)
                job = jobs.start(replace(order, numbers=_left(run)))
            failures = 0
            run.delete(f"plan-{number:06}")
            run.delete(f"part-{number:06}")
            yield from results


def _part(run: Run, number: int) -> list[Any] | None:
    try:
        results: list[Any] = run.get(f"part-{number:06}")
    except FileNotFoundError:
        return None
    return results


def _left(run: Run) -> list[int]:
    """Return which chunks have no part yet."""
    names = run.names("")
    done = {name[5:] for name in names if name.startswith("part-")}
    return [int(name[5:]) for name in names if name.startswith("plan-") and name[5:] not in done]


def _run_in(place: Place) -> Run:
    return Run(place.store, f"{place.folder}/{uuid4().hex}", secrets.token_bytes(32))


def _sample(function: Any, items: Sequence[Any]) -> tuple[Store, str] | tuple[()]:
    """Return a file that the driver reads, and executors therefore must be able to read."""
    for item in items[:20] if hasattr(function, "sample") else ():
        store, path = function.sample(item)
        try:
            store.head(path, 1)
        except OSError:
            continue
        return store, path
    return ()
