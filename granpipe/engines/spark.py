"""The engine of Apache Spark: the same functions on any number of machines.

Items and results travel through Spark; arrays are written and photographs read by executors alone.
"""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

from granpipe.engines.heartbeat import Heartbeat
from granpipe.engines.protocol import WorkFolder
from granpipe.engines.spark_chunks import in_chunks
from granpipe.engines.spark_jobs import SparkJobs, is_unreached, line_of
from granpipe.engines.spark_session import check_extra, start_session
from granpipe.engines.spark_task import Order
from granpipe.errors import DatasetError
from granpipe.stores.credentials import be_patient
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store


class Spark:
    """Executors of Spark; an `Engine`, which says lines on what goes on.

    Workers are the processes of each task; by default, as many as it has cores.
    """

    def __init__(self, workers: int | None, say: Callable[[str], None]) -> None:
        check_extra()
        be_patient()
        self.workers = workers or 0
        self.say = say
        self.session: Any = None
        self.cores = 0
        self.probed: set[type] = set()

    def open(self, url: str | os.PathLike[str]) -> Store:
        """Return a store; a folder by its whole path, since executors are elsewhere."""
        store = open_store(url)
        # Not resolved: a link may be all that machines have in common.
        return Folder(os.path.abspath(store.root)) if isinstance(store, Folder) else store  # noqa: PTH100

    def run(
        self, function: Callable[[Any], Any], items: Sequence[Any], place: WorkFolder | None
    ) -> Generator[Any, None, None]:
        """Yield items with their results; the place has signs of life of this driver meanwhile."""
        if items:  # at once: a bar that is there already would tell of a start as of work
            self.session = self.session or start_session()
        return self._run(function, items, place)

    def _run(
        self, function: Callable[[Any], Any], items: Sequence[Any], place: WorkFolder | None
    ) -> Generator[Any, None, None]:
        if not items:
            return
        with ExitStack() as stack:
            heartbeat = None
            if place:
                heartbeat = Heartbeat(place.store, f"{place.folder}/pulse", uuid4().hex)
                stack.enter_context(heartbeat.beating())
            sample = _sample(function, items)
            try:
                order = Order(function, self.workers, heartbeat, sample, self._copies())
                jobs = stack.enter_context(SparkJobs(self.session, self.say))
                self._probe(jobs, order)
                yield from in_chunks(jobs, order, items, self.cores)
            except Exception as error:
                if not is_unreached(error):
                    raise
                raise DatasetError(f"Spark: {line_of(error)}") from error

    def _probe(self, jobs: SparkJobs, order: Order) -> None:
        """Look whether executors have what it takes, before they do any work."""
        if type(order.function) in self.probed:
            return
        job = jobs.probe(order)
        jobs.wait(job)
        if job.error:
            raise DatasetError(f"Spark: {line_of(job.error)}") from job.error
        for _, why in job.rows:
            if why:
                raise DatasetError(f"Spark: {bytes(why).decode()}")
        self.cores = max(1, len(job.rows), self._parallelism())
        self.probed.add(type(order.function))

    def _copies(self) -> int:
        return int(str(self.session.conf.get("spark.speculation", "false")).lower() == "true")

    def _parallelism(self) -> int:
        try:
            return int(self.session.sparkContext.defaultParallelism)
        except Exception:  # a client of Spark Connect has no context
            return 1


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
