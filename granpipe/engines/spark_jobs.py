"""Jobs of Spark: how one is started and ended, and what each of its tasks runs."""

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any
from uuid import uuid4

import granpipe
from granpipe.engines.spark_session import is_own, told
from granpipe.engines.spark_task import Order
from granpipe.errors import DatasetError

LOOK = 0.2  # seconds
SCHEMA = "place long, told binary"
_FAREWELL = 3.0  # seconds for jobs to end in, less than a person at a terminal waits
_MOST_FAILURES = 12  # of jobs, one after another, without a finished chunk in between
MOST_OWN = 1  # of those for which granpipe itself had a reason, such as a full disk
_SAME = ("pillow", "pillow-heif", "numpy")
"""Packages that decide on bytes: an executor must have the driver's versions."""


class Jobs:
    """The jobs of one run, which end with it."""

    def __init__(self, session: Any, hush: Callable[[bool], None]) -> None:
        self.session = session
        self.hush = hush
        self.tag = f"granpipe-{uuid4().hex}"
        self.all: list[Job] = []

    def __enter__(self) -> "Jobs":
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

    def start(self, order: Order) -> "Job":
        self.all = [job for job in self.all if not job.wait(0)]
        job = Job(self, order)
        self.all.append(job)
        return job


class Job:
    """A job that runs in a thread of its own."""

    def __init__(self, jobs: Jobs, order: Order) -> None:
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
            self.rows = session.range(0, count, 1, count).mapInArrow(task, SCHEMA).collect()
        except Exception as error:  # told by the thread that waits for it
            self.error = error

    def wait(self, seconds: float) -> bool:
        """Wait so long; tell whether the job has ended."""
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def check(self, failures: int) -> None:
        """Raise DatasetError where so many failures, one after another, are too many."""
        is_ours = self.error is not None and is_own(self.error)
        if failures <= (MOST_OWN if is_ours else _MOST_FAILURES):
            return
        if self.error:
            raise DatasetError(f"Spark: {told(self.error)}") from self.error
        raise DatasetError("Spark: its tasks end without results; see its log")


def versions() -> dict[str, str]:
    """Return the versions that driver and executors must share; empty for what is not there."""
    found = {"granpipe": granpipe.__version__}
    for package in _SAME:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = ""
    return found


def _comparison(wanted: dict[str, str]) -> Callable[[], str]:
    """Return what tells in which version an executor differs; empty where it does not."""

    def difference() -> str:
        import socket  # noqa: PLC0415 - this runs elsewhere
        from importlib import metadata  # noqa: PLC0415

        host = socket.gethostname()
        try:
            from granpipe import __version__  # noqa: PLC0415
        except ImportError:
            return (
                f"executors on {host} have no granpipe; install it there, ship it, or set "
                "PYSPARK_PYTHON to the Python there that has it"
            )
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

    return difference


def task_of(
    order: bytes, wanted: dict[str, str], *, probes: bool
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return what Spark runs in each task.

    It travels by its text, not by its name, so that it can tell where granpipe is not installed.
    """
    difference = _comparison(wanted)

    def task(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow  # noqa: PLC0415 - this runs elsewhere
        from pyspark import TaskContext  # noqa: PLC0415

        why = difference()
        if why and not probes:
            raise RuntimeError(f"granpipe.errors.DatasetError: {why}")
        for batch in batches:
            places = batch.column(0).to_pylist()
            results: list[bytes] = []
            if probes:
                if not why:
                    from granpipe.engines.spark_task import trouble  # noqa: PLC0415

                    why = trouble(order)
                places, results = places[:1], [why.encode()]
            else:
                from granpipe.engines.spark_task import work  # noqa: PLC0415

                context = TaskContext.get()
                cores, attempt = context.cpus(), context.attemptNumber()
                results = [work(order, place, cores, attempt) for place in places]
            columns = [
                pyarrow.array(places, pyarrow.int64()),
                pyarrow.array(results, pyarrow.binary()),
            ]
            yield pyarrow.RecordBatch.from_arrays(columns, ["place", "told"])

    return task
