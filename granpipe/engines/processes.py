"""Run one function over many items, in order, on all cores, surviving a dying worker.

`concurrent.futures` gives up all its processes when one dies, waits forever when one is killed
while it sends, and imports the user's own script once more in each that it does not fork. Here what
a process died of is tried once more, alone, and costs itself if that dies, too.
"""

import math
import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeAlias, TypeVar

from granpipe.engines.worker import CHECK_EVERY, Answer, overlaps, serve_as_fork
from granpipe.errors import DatasetError

Item = TypeVar("Item")
Result = TypeVar("Result")

TIME_LIMIT = 120.0
"""Seconds that one item may take before its worker is ended, unless it asks for more."""

_LARGEST_CHUNK = 64
_CHUNKS_LEFT = 4  # for each worker, at least, of what is left
# Memory may be short for a moment when a worker starts; one that never starts is an error.
_MOST_STARTS = 3
# Idle BLAS threads cost a worker's time.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
_COMMAND = [
    *(sys.executable, "-P", "-c"),
    "import sys; sys.path[:] = sys.argv[1:];"
    "from granpipe.engines.worker import serve; serve(sys.stdin.buffer)",
]


@dataclass(frozen=True, slots=True)
class WorkerCrashed:
    """The result of an item whose worker died while it ran; `cause` says how."""

    cause: str


_Results: TypeAlias = list[Result | WorkerCrashed]


def run(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    time_limit: float = TIME_LIMIT,
) -> Generator[tuple[Item, Result | WorkerCrashed], None, None]:
    """Yield every item with `function(item)`, as `granpipe.engines.protocol.Engine` has it.

    Raises
    ------
    DatasetError
        A worker cannot be started at all.
    """
    results = _run(function, items, workers, time_limit)
    # Workers start now, before a progress bar has a thread: so they can be forks.
    next(results)
    return results


def _run(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, time_limit: float
) -> Generator[Any, None, None]:
    """Yield once when the workers have been started, then every item with its result."""
    with closing(Pool(function, min(workers, len(items)), time_limit)) as pool:
        yield None
        yield from pool.run(items)


class Pool(Generic[Item, Result]):
    """Processes that wait for items; see `run`, which ends them when its items are done."""

    def __init__(
        self, function: Callable[[Item], Result], workers: int, time_limit: float = TIME_LIMIT
    ) -> None:
        self.time_limit = time_limit
        self.workers: list[_Worker] = []
        self.use(function)
        self.workers += [self.start() for _ in range(workers)]
        self.threads = ThreadPoolExecutor(max(1, workers))
        self.idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self.workers:
            self.idle.put(worker)
        self.closed = False

    def use(self, function: Callable[[Item], Result]) -> None:
        """Do this function to the items that come from now on."""
        data = pickle.dumps(function)
        self.overlaps = overlaps(function)
        self.start = partial(_Worker, data, may_fork=not self.overlaps)
        for worker in self.workers:
            if not worker.cause_of_death:
                worker.write(data)

    def run(self, items: Sequence[Item]) -> Iterator[tuple[Item, Result | WorkerCrashed]]:
        """Yield every item with its result, in order; take all before the next call."""
        pending: deque[tuple[Sequence[Item], Future[_Results[Result]]]] = deque()
        for chunk in self._chunks(items):
            pending.append((chunk, self.threads.submit(self._run_chunk, chunk)))
            if len(pending) > 3 * len(self.workers):
                yield from self._pairs(*pending.popleft())
        while pending:
            yield from self._pairs(*pending.popleft())

    def _chunks(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """Yield large chunks first, and small ones last, so that all workers end together.

        One that fetches ahead pauses at the end of a chunk: its chunks stay large.
        """
        start = 0
        while start < len(items):
            left = len(items) if self.overlaps else len(items) - start
            size = max(1, min(_LARGEST_CHUNK, left // (_CHUNKS_LEFT * len(self.workers))))
            yield items[start : start + size]
            start += size

    def close(self) -> None:
        """End the processes."""
        self.closed = True
        for worker in self.workers:
            worker.process.kill()
        self.threads.shutdown(cancel_futures=True)
        for worker in self.workers:
            worker.end()

    def _pairs(
        self, chunk: Sequence[Item], future: Future[_Results[Result]]
    ) -> Iterator[tuple[Item, Result | WorkerCrashed]]:
        while not wait([future], timeout=CHECK_EVERY).done:
            for worker in self.workers:
                worker.check_time()
        results = future.result()
        return zip(chunk, results, strict=not self.closed)

    def _run_chunk(self, chunk: Sequence[Item]) -> _Results[Result]:
        worker = self.idle.get()
        try:
            worker = self._live(worker)
            results: _Results[Result] = worker.run(chunk, self.time_limit)
            while len(results) < len(chunk) and not self.closed:
                worker = self._live(worker)
                alone = worker.run([chunk[len(results)]], self.time_limit)
                results += alone or [WorkerCrashed(worker.cause_of_death)]
        finally:
            self.idle.put(worker)
        return results

    def _live(self, worker: "_Worker") -> "_Worker":
        """Return the worker, or one that has started in its place if it has died."""
        starts = 0
        while why := worker.cause_of_death:
            if starts == _MOST_STARTS:
                raise DatasetError(f"cannot start a worker: {sys.executable} {why}")
            starts += 1
            place = self.workers.index(worker)
            worker = self.workers[place] = self.start()
            if self.closed:  # by another thread, which may not have seen this one
                worker.process.kill()
            worker.receive()
        return worker


class _Worker:
    """One process that does chunks of items, until it dies."""

    def __init__(self, function: bytes, *, may_fork: bool) -> None:
        self.limit, self.waited = math.inf, 0.0  # seconds; without items, it has no limit
        self.cause_of_death = ""
        try:
            self.process = _fork() if may_fork and _has_one_thread() else _begin()
        except OSError as error:
            raise DatasetError(
                f"cannot start a worker: {error.strerror}; use fewer --workers"
            ) from error
        self.write(function)

    def run(self, items: Sequence[Any], time_limit: float) -> list[Any]:
        """Return the results, in order; the last are missing where the process has died."""
        results: list[Any] = []
        self.write(pickle.dumps(list(items)))
        self.waited, self.limit = 0.0, time_limit
        while len(results) < len(items) and (answer := self.receive()):
            self.waited, self.limit = 0.0, max(time_limit, answer.seconds)
            if answer.error:
                raise answer.error
            results += answer.results
        self.limit = math.inf
        return results

    def receive(self) -> Answer | None:
        """Return the next answer, or None where the process has died."""
        try:
            # The bytes come from our own worker, not from a stranger.
            answer: Answer = pickle.load(self.process.stdout)  # type: ignore[arg-type]  # noqa: S301
        except (EOFError, OSError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):  # it has its own code unless ended first
                self.process.wait(1)
            self.cause_of_death = self._cause(self.end())
            return None
        return answer

    def write(self, data: bytes) -> None:
        """Send a pickled function, or a pickled list of items."""
        with suppress(OSError):  # that it has died is noticed when it is to answer
            self.process.stdin.write(data)  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]

    def check_time(self) -> None:
        """End the process if its item has taken too long.

        Calls are counted, not the clock, which runs on while Ctrl-Z stops us all.
        """
        self.waited += CHECK_EVERY if self.limit < math.inf else 0.0
        if self.waited > self.limit:
            self.process.kill()

    def _cause(self, code: int) -> str:
        if self.waited > self.limit:
            return f"took longer than {self.limit:.0f} s"
        return f"was ended by signal {-code}" if code < 0 else f"left with {code}"

    def end(self) -> int:
        """End the process, release what it held, and return its exit code."""
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        return self.process.wait()


def _has_one_thread() -> bool:
    """Return whether this process has one thread, as Linux says: then a fork of it is whole."""
    tasks = Path("/proc/self/task")
    return tasks.exists() and len(list(tasks.iterdir())) == 1


def _fork() -> subprocess.Popen[bytes]:
    """Start a process that goes on with what is imported here."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        return _begin(preexec_fn=partial(serve_as_fork, before), restore_signals=False)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(**how: Any) -> subprocess.Popen[bytes]:
    """Start a process, by default one that imports all anew."""
    return subprocess.Popen(
        [*_COMMAND, *sys.path],
        env=_ENVIRONMENT | os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **how,
    )
