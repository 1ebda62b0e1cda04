"""What an executor of Spark does: chunks of items, in granpipe's own processes.

A task works on one chunk: it reads it from the run's folder, and writes its results there as a
part. What it is working on it notes beside them, so that an item that takes its container down is
known when the chunk is tried again.
"""

import pickle
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from granpipe.engines.parcels import AbandonedError, Run, Watch
from granpipe.engines.processes import Pool, WorkerCrashed
from granpipe.errors import DatasetError
from granpipe.stores.credentials import be_patient
from granpipe.stores.protocol import Store

_BETWEEN_MARKS = 1.0  # seconds
CRASHED = WorkerCrashed("took its container down twice")


@dataclass(frozen=True, slots=True)
class Died:
    """Stands for the results of a chunk whose task was tried before, and took all down with it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Stands for the results of a chunk that an error ended; `cause` tells it in a line."""

    cause: str


@dataclass(frozen=True, slots=True)
class Order:
    """What tasks are to do.

    Attributes
    ----------
    function : callable
        What is to be done with every item.
    workers : int
        Processes of each task; 0 for one a core of the task.
    run : Run or None
        Where chunks, numbered, stand; None where nothing may be written: then they are `chunks`,
        and the results travel through Spark.
    numbers : sequence of int
        Which chunks are wanted.
    chunks : sequence
    sample : tuple
        A store and the path of a file that is to be there on every executor; empty for none.
    copies : int
        How many tries of a task Spark may start while the first is well: 1 where it speculates.
    """

    function: Callable[[Any], Any]
    workers: int
    run: Run | None
    numbers: Sequence[int] = ()
    chunks: Sequence[Sequence[Any]] = ()
    sample: tuple[Store, str] | tuple[()] = ()
    copies: int = 0


def trouble(data: bytes) -> str:
    """Return what this executor cannot reach of an order, or an empty text."""
    host = socket.gethostname()
    try:
        order: Order = pickle.loads(data)  # noqa: S301 - of Spark's own closure
        return _unreached(order, host)
    except ModuleNotFoundError as error:
        return f"the executors on {host} lack the package {error.name}; install it there"


def _unreached(order: Order, host: str) -> str:
    reaches: list[tuple[Store, Callable[[], object]]] = []
    if order.sample:
        store, path = order.sample
        reaches.append((store, lambda: store.head(path, 1)))
    if order.run:
        run = order.run
        reaches += [(run.store, lambda: run.get("pulse"))]
        reaches += [(run.store, lambda: run.put(f"hello-{uuid4().hex}", host))]
    for place, reach in reaches:
        try:
            reach()
        except (OSError, DatasetError) as error:
            why = getattr(error, "strerror", "") or error
            return f"{place.url}: executors on {host} do not reach it ({why}); name what all reach"
    return ""


def work(data: bytes, place: int, cores: int, attempt: int) -> bytes:
    """Work on one chunk of an order; return its results, or nothing where they are a part.

    Parameters
    ----------
    data : bytes
        The order, pickled.
    place : int
        Which of its numbers is meant.
    cores : int
        Of this task.
    attempt : int
        How often Spark has tried this task before.
    """
    be_patient()
    order: Order = pickle.loads(data)  # noqa: S301 - of Spark's own closure
    number = order.numbers[place]
    if order.run is None:
        is_doubtful = attempt > order.copies
        return pickle.dumps(Died() if is_doubtful else _directly(order, number, cores))
    pool = _pool(order.function, order.workers or cores)
    with Watch(order.run, pool.close) as watch:
        try:
            _Chunk(order.run, number, pool, watch).work()
        finally:
            watch.check()
    return b""


def _directly(order: Order, number: int, cores: int) -> list[Any] | Failed:
    # An error that left this task would have it tried again, as a death does.
    try:
        return _all(_pool(order.function, order.workers or cores), order.chunks[number])
    except Exception as error:
        return Failed(str(error) or type(error).__name__)


_kept: list[tuple[bytes, Pool[Any, Any]]] = []


def _pool(function: Callable[[Any], Any], workers: int) -> Pool[Any, Any]:
    """Return the processes of the chunk before, where these do the same: starting takes long."""
    wanted = pickle.dumps((function, workers))
    while _kept and (_kept[0][0] != wanted or _kept[0][1].closed):
        _kept.pop()[1].close()
    if not _kept:
        _kept.append((wanted, Pool(function, workers)))
    return _kept[0][1]


def _all(pool: Pool[Any, Any], items: Sequence[Any]) -> list[Any]:
    try:
        return [*pool.run(items)]
    except BaseException:
        pool.close()  # it may hold results that nobody took
        raise


class _Chunk:
    """One try at a chunk.

    Its mark tells which items may have been at work: from, and to. A try that ends by itself takes
    its mark away; so the marks of others are those of deaths.
    """

    def __init__(self, run: Run, number: int, pool: Pool[Any, Any], watch: Watch) -> None:
        self.run = run
        self.number = number
        self.pool = pool
        self.watch = watch
        self.mark = f"tries/{number:06}/{uuid4().hex}"
        self.results: list[Any] = []
        self.marked = 0.0

    def work(self) -> None:
        """Write the chunk's part, unless that was done before."""
        deaths = [self.run.get(name) for name in self.run.names(f"tries/{self.number:06}")]
        try:
            items = self.run.get(f"plan-{self.number:06}")
        except FileNotFoundError:
            self.run.get("pulse")  # the driver has taken its part, or is gone
            return
        try:
            self._work(items, deaths)
        except BaseException:
            self.pool.close()  # it may hold results that nobody took
            raise
        finally:
            with suppress(OSError, DatasetError):
                self.run.delete(self.mark)

    def _work(self, items: Sequence[Any], deaths: Sequence[tuple[int, int]]) -> None:
        self._note(0, len(items))
        first = min((start for start, _ in deaths), default=len(items))
        for result in self.pool.run(items[:first]):
            self.results.append(result)
            if time.monotonic() - self.marked > _BETWEEN_MARKS:
                self._note(len(self.results), len(items))
        crashed = _killers(deaths)
        while len(self.results) < len(items) and not self.pool.closed:
            number = len(self.results)
            if number in crashed:
                self.results.append(CRASHED)
                continue
            self._note(number, number + 1)
            self.results += self.pool.run(items[number : number + 1])
        if len(self.results) < len(items):
            raise AbandonedError("the driver of this run is gone")
        self.run.put(f"part-{self.number:06}", self.results)

    def _note(self, start: int, stop: int) -> None:
        self.run.put(self.mark, (start, stop))
        self.marked = time.monotonic()


def _killers(deaths: Sequence[tuple[int, int]]) -> set[int]:
    """Return which items were at work at two deaths.

    The first death of a chunk is that of some item from its mark on. The next try marks each item
    by itself, so the first one known by name died twice.
    """
    named = sorted(start for start, stop in deaths if stop == start + 1)
    is_first_unnamed = len(named) < len(deaths)
    return {number for number in named if named.count(number) > 1} | (
        set(named[:1]) if is_first_unnamed else set()
    )
