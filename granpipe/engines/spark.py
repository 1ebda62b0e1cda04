"""The engine of Apache Spark: the same functions on any number of machines.

Numbers of chunks are all that passes through Spark: what is to be done stands in a folder of the
output, and so do the results, which the driver reads in order while the job runs.
"""

import os
import pickle
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib import metadata
from typing import Any
from uuid import uuid4

import granpipe
from granpipe.engines.parcels import Run
from granpipe.engines.protocol import Place
from granpipe.engines.spark_session import check_extra, is_own, start_session, told
from granpipe.engines.spark_task import Order
from granpipe.errors import DatasetError
from granpipe.stores.credentials import be_patient
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store

LARGEST_CHUNK = 1_000
_CHUNKS_A_CORE = 4
_LOOK = 0.2  # seconds
_FAREWELL = 3.0  # seconds for jobs to end in, less than a person at a terminal waits
_MOST_FAILURES = 12  # of jobs, one after another, without a finished chunk in between
_MOST_OWN = 1  # of those for which granpipe itself had a reason, such as a full disk
_MOST_PARTITIONS = 4_096
_SAME = ("pillow", "pillow-heif", "numpy")
"""Packages that decide on bytes: an executor must have the driver's versions."""


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
        if not items:
            return
        self._hush(False)
        self.session = self.session or start_session(self._pass_on)
        with ExitStack() as stack:
            run = _run_in(place) if place else None
            if run:
                stack.enter_context(run.alive())
            order = Order(function, self.workers, run, sample=_sample(function, items))
            self._probe(order)
            size = self._size(len(items))
            chunks = [range(start, start + size) for start in range(0, len(items), size)]
            jobs = stack.enter_context(_Jobs(self.session, self._hush))
            if run:
                yield from self._through_store(jobs, order, run, items, chunks)
            else:
                yield from self._through_spark(jobs, order, items, chunks)

    def _pass_on(self, line: str) -> None:
        """Say what Spark says, but for what it says of jobs that are to end."""
        if not self.is_quiet:
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
            frame = self.session.range(0, _MOST_PARTITIONS).mapInArrow(task, _SCHEMA)
            rows = frame.collect()
        except Exception as error:
            raise DatasetError(f"Spark: {told(error)}") from error
        self._hush(False)
        for row in rows:
            if row.told:
                raise DatasetError(f"Spark: {bytes(row.told).decode()}")
        self.cores = max(1, len(rows), self._parallelism())
        self.probed.add(type(order.function))

    def _parallelism(self) -> int:
        try:
            return int(self.session.sparkContext.defaultParallelism)
        except Exception:  # a client of Spark Connect has no context
            return 1

    def _through_store(
        self,
        jobs: "_Jobs",
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
                if not job.wait(_LOOK):
                    continue
                if (results := _part(run, number)) is not None:
                    break
                failures += 1
                job.check(is_last=failures > (_MOST_OWN if job.is_own else _MOST_FAILURES))
                job = jobs.start(replace(order, numbers=_left(run)))
            failures = 0
            run.delete(f"plan-{number:06}")
            run.delete(f"part-{number:06}")
            yield from results

    def _through_spark(
        self, jobs: "_Jobs", order: Order, items: Sequence[Any], chunks: Sequence[range]
    ) -> Iterator[Any]:
        """Send items and results along, some chunks a core in one job, two jobs at once."""
        width = _CHUNKS_A_CORE * self.cores
        waves: deque[_Job] = deque()
        for start in range(0, len(chunks), width):
            ranges = chunks[start : start + width]
            sent = [items[chunk.start : chunk.stop] for chunk in ranges]
            waves.append(jobs.start(replace(order, chunks=sent, numbers=range(len(sent)))))
            if len(waves) > 1:
                yield from _results(jobs, waves.popleft())
        while waves:
            yield from _results(jobs, waves.popleft())


class _Jobs:
    """The jobs of one run, which end with it."""

    def __init__(self, session: Any, hush: Callable[[bool], None]) -> None:
        self.session = session
        self.hush = hush
        self.tag = f"granpipe-{uuid4().hex}"
        self.all: list[_Job] = []

    def __enter__(self) -> "_Jobs":
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is None and self.all:  # its last part was read a moment before it ends
            self.all[-1].wait(_FAREWELL)
        if any(not job.wait(0) for job in self.all):
            self.hush(True)
            self.session.interruptTag(self.tag)
            deadline = time.monotonic() + _FAREWELL
            for job in self.all:
                job.wait(max(0.0, deadline - time.monotonic()))

    def start(self, order: Order) -> "_Job":
        self.all = [job for job in self.all if not job.wait(0)]
        job = _Job(self, order)
        self.all.append(job)
        return job


class _Job:
    """A job that runs in a thread of its own."""

    def __init__(self, jobs: _Jobs, order: Order) -> None:
        self.jobs = jobs
        self.order = order
        self.rows: list[Any] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        session, count = self.jobs.session, len(self.order.numbers)
        try:
            session.addTag(self.jobs.tag)
            task = task_of(pickle.dumps(self.order), versions(), probes=False)
            self.rows = session.range(0, count, 1, count).mapInArrow(task, _SCHEMA).collect()
        except Exception as error:  # told by the thread that waits for it
            self.error = error

    def wait(self, seconds: float) -> bool:
        """Wait so long; tell whether the job has ended."""
        self.thread.join(seconds)
        return not self.thread.is_alive()

    @property
    def is_own(self) -> bool:
        """Tell whether granpipe itself ended the job with an error."""
        return self.error is not None and is_own(self.error)

    def check(self, *, is_last: bool) -> None:
        """Raise DatasetError where the job failed once too often."""
        if self.error and is_last:
            raise DatasetError(f"Spark: {told(self.error)}") from self.error
        if is_last:
            raise DatasetError("Spark: its tasks end without results; see its log")


def _results(jobs: _Jobs, job: _Job) -> Iterator[Any]:
    for failures in range(1, 5):
        while not job.wait(_LOOK):
            pass
        if not job.error:
            break
        job.check(is_last=failures == 4)
        job = jobs.start(job.order)
    for row in sorted(job.rows):
        yield from pickle.loads(row.told)  # noqa: S301 - of our own task


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


def versions() -> dict[str, str]:
    """Return the versions that driver and executors must share; empty for what is not there."""
    found = {"granpipe": granpipe.__version__}
    for package in _SAME:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = ""
    return found


_SCHEMA = "number long, told binary"


def task_of(
    order: bytes, wanted: dict[str, str], *, probes: bool
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return what Spark runs in each task.

    It travels by its text, not by its name, so that it can tell where granpipe is not installed.
    """

    def trouble() -> str:
        import socket  # noqa: PLC0415 - this runs elsewhere
        from importlib import metadata  # noqa: PLC0415

        host = socket.gethostname()
        try:
            from granpipe import __version__  # noqa: PLC0415
        except ImportError:
            return f"executors on {host} have no granpipe; install it there, or ship it"
        for package, version in wanted.items():
            try:
                here = __version__ if package == "granpipe" else metadata.version(package)
            except metadata.PackageNotFoundError:
                here = ""
            if here != version:
                has, needs = here or "none", version or "none"
                return (
                    f"executors on {host} have {package} {has}, this machine {needs}; make both one"
                )
        return ""

    def task(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow  # noqa: PLC0415 - this runs elsewhere
        from pyspark import TaskContext  # noqa: PLC0415

        why = trouble()
        if why and not probes:
            raise RuntimeError(f"granpipe.errors.DatasetError: {why}")
        for batch in batches:
            numbers = batch.column(0).to_pylist()
            results: list[bytes] = []
            if probes:
                if not why:
                    from granpipe.engines.spark_task import trouble as unreached  # noqa: PLC0415

                    why = unreached(order)
                numbers, results = numbers[:1], [why.encode()]
            else:
                from granpipe.engines.spark_task import work  # noqa: PLC0415

                cores = TaskContext.get().cpus()
                results = [work(order, number, cores) for number in numbers]
            columns = [
                pyarrow.array(numbers, pyarrow.int64()),
                pyarrow.array(results, pyarrow.binary()),
            ]
            yield pyarrow.RecordBatch.from_arrays(columns, ["number", "told"])

    return task
