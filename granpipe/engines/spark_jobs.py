"""Jobs of Spark: how one is started and ended, what its tasks run, and what ended it in a line."""

import pickle
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any
from uuid import uuid4

import granpipe
from granpipe.engines.spark_task import Order

_MOST_EXECUTORS = 4_096
_LOOK = 0.2  # seconds
_STARVING = 20.0  # seconds without a task at work, after which it is said
_FAREWELL = 3.0  # seconds for jobs to end in, less than a person at a terminal waits
_SCHEMA = "number long, result binary"
_SAME = ("pillow", "pillow-heif", "numpy")
"""Packages that decide on bytes: an executor must have the driver's versions."""
_OWN = re.compile(r"granpipe\.errors\.\w*Error: (.+)")
CAUSE = re.compile(r"(?:Error|Exception)\b|cannot|unable|refused", re.IGNORECASE)
"""In a line that says why something went wrong."""
_MEANINGS = {
    "PYTHON_VERSION_MISMATCH": "the executors run another Python than this one, "
    f"{sys.version_info.major}.{sys.version_info.minor}; set PYSPARK_PYTHON to one of that version",
    "No module named '?granpipe": "the executors have no granpipe; install it there, ship it, or "
    "set PYSPARK_PYTHON to the Python there that has it",
    "No module named '?(pyarrow|pandas)": "the executors lack pyarrow or pandas; "
    "pip install 'granpipe[spark]' there, ship them, or set PYSPARK_PYTHON to the Python there "
    "that has them",
    "Cannot run program": "the executors cannot start Python; set PYSPARK_PYTHON to what they have",
}
_UNREACHED = ("Py4JError", "Py4JNetworkError")  # what Java itself reports is a Py4JJavaError
_GONE = (
    "its driver's Java has ended, perhaps for want of memory (spark.driver.memory); repeat the "
    "command to continue"
)


class SparkJobs:
    """The jobs of one run, which end with it."""

    def __init__(self, session: Any, say: Callable[[str], None]) -> None:
        self.session = session
        self.tag = f"granpipe-{uuid4().hex}"
        self._say = say
        self._fed = 0.0  # when a task was last seen at work
        self._all: list[SparkJob] = []

    def __enter__(self) -> "SparkJobs":
        return self

    def __exit__(self, *error: object) -> None:
        if any(job.thread.is_alive() for job in self._all):
            with suppress(Exception):  # Java may be gone, and all jobs with it
                self.session.interruptTag(self.tag)
            deadline = time.monotonic() + _FAREWELL
            for job in self._all:
                job.thread.join(max(0.0, deadline - time.monotonic()))

    def probe(self, order: Order) -> "SparkJob":
        """Have all executors tell what they lack for an order, or an empty text."""
        task = task_of(pickle.dumps(order), None, versions())
        return self._start(SparkJob(self, task, (), self.session.range(0, _MOST_EXECUTORS)))

    def start(self, order: Order, numbers: Sequence[int]) -> "SparkJob":
        """Have these of an order's chunks done."""
        task = task_of(pickle.dumps(order), numbers, versions())
        places = self.session.range(0, len(numbers), 1, len(numbers))
        return self._start(SparkJob(self, task, numbers, places))

    def _start(self, job: "SparkJob") -> "SparkJob":
        self._all = [job for job in self._all if job.thread.is_alive()]
        self._all.append(job)
        job.thread.start()
        return job

    def wait(self, job: "SparkJob") -> None:
        """Wait until a job has ended, and say so where no executor works on any."""
        self._fed = max(self._fed, time.monotonic())
        while job.thread.is_alive():
            job.thread.join(_LOOK)
            if time.monotonic() < self._fed + _STARVING:
                continue
            if self._is_starving():
                self._say("Spark gives no executor: are its cores or its memory all taken?")
                self._fed = float("inf")  # it is said once
            else:
                self._fed = time.monotonic()

    def _is_starving(self) -> bool:
        with suppress(Exception):  # a client of Spark Connect has no context
            tracker = self.session.sparkContext.statusTracker()
            stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
            return bool(stages) and not any(stage and stage.numActiveTasks for stage in stages)
        return False


class SparkJob:
    """A job that runs in a thread of its own.

    Attributes
    ----------
    numbers : sequence of int
        The chunks that its tasks work on.
    rows : list
        A number and its result, for each; empty where the job has failed.
    error : Exception or None
        What it failed of.
    """

    def __init__(self, jobs: SparkJobs, task: Any, numbers: Sequence[int], places: Any) -> None:
        self.numbers = numbers
        self.rows: list[Any] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, args=(jobs, task, places), daemon=True)

    def _run(self, jobs: SparkJobs, task: Any, places: Any) -> None:
        try:
            jobs.session.addTag(jobs.tag)
            self.rows = places.mapInArrow(task, _SCHEMA).collect()
        except Exception as error:  # reported by the thread that waits for it
            self.error = error

    @property
    def is_own_error(self) -> bool:
        """Whether granpipe itself ended the job."""
        return bool(_OWN.search(str(self.error or "")))


def is_unreached(error: BaseException) -> bool:
    """Return whether an error of Spark's says that its driver, in Java, does not answer."""
    return isinstance(error, ConnectionError) or type(error).__name__ in _UNREACHED


def line_of(error: BaseException | None) -> str:
    """Return one line on what ended a job: granpipe's own words where they are in it."""
    if error is None:
        return "its tasks end without results; see its log"
    if is_unreached(error):
        return _GONE
    text = str(error)
    if own := _OWN.findall(text):
        return str(own[-1]).strip()
    for sign, meaning in _MEANINGS.items():
        if re.search(sign, text):
            return meaning
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if CAUSE.search(line)]
    return f"{(causes or lines or [type(error).__name__])[0][:300]}"


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
    """Return in which version an executor differs; empty where it does not."""

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
    order: bytes, numbers: Sequence[int] | None, wanted: dict[str, str]
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return what Spark runs in each task: a chunk of these numbers, or a probe where None.

    It travels by its text, not by its name, so that it can tell where granpipe is not installed.
    """
    difference = _comparison(wanted)

    def task(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow  # noqa: PLC0415 - this runs elsewhere
        from pyspark import TaskContext  # noqa: PLC0415

        why = difference()
        if why and numbers is not None:
            raise RuntimeError(f"granpipe.errors.DatasetError: {why}")
        for batch in batches:
            places = batch.column(0).to_pylist()
            if numbers is None:
                if not why:
                    from granpipe.engines.spark_task import trouble  # noqa: PLC0415

                    why = trouble(order)
                results = {0: why.encode()}
            else:
                from granpipe.engines.spark_task import work  # noqa: PLC0415

                context = TaskContext.get()
                cores, attempt = context.cpus(), context.attemptNumber()
                meant = [numbers[place] for place in places]
                results = {number: work(order, number, cores, attempt) for number in meant}
            columns = [
                pyarrow.array(list(results), pyarrow.int64()),
                pyarrow.array(list(results.values()), pyarrow.binary()),
            ]
            yield pyarrow.RecordBatch.from_arrays(columns, ["number", "result"])

    return task
