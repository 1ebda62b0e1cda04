"""Run one function over many items, in order, on all cores, surviving a dying worker.

`concurrent.futures` gives up the whole pool when one process dies. Here a decoder that aborts, or
a worker that the system kills for want of memory, costs the one item that it was working on.
"""

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
from mmap import mmap
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from granpipe.engines.worker import (
    BEGUN,
    DONE,
    ERROR,
    ITEM,
    LOOK,
    MORE_TIME,
    READY,
    is_ahead,
    serve_forked,
)
from granpipe.errors import DatasetError

Item = TypeVar("Item")
Result = TypeVar("Result")

TIME_LIMIT = 120.0
"""Seconds that one item may take before its worker is ended, unless it asks for more."""

_LARGEST_CHUNK = 64
_SHARES = 4  # of what is left: a worker takes one of so many for each
# Memory may be short for a moment when a worker starts; one that never starts is an error.
_MOST_FAILED_STARTS = 3
# Idle BLAS threads cost a worker's time.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
_DEATH = (EOFError, OSError, pickle.UnpicklingError)
# -P keeps a file such as pickle.py in the current folder from being imported.
_COMMAND = [
    sys.executable,
    "-P",
    "-c",
    "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer);"
    "from granpipe.engines.worker import serve; serve(sys.stdin.buffer)",
]


@dataclass(frozen=True, slots=True)
class WorkerCrashed:
    """Stands for the result of an item whose worker died while it ran; `cause` says how."""

    cause: str


def run(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    time_limit: float = TIME_LIMIT,
) -> Generator[Result | WorkerCrashed, None, None]:
    """Yield `function(item)` for every item, in the order of the items.

    Parameters
    ----------
    function : callable
        Must pickle: a function of a module, or an instance of a class of a module, which may be
        one of `Steps`.
    items : sequence
        What to work on; each item must pickle.
    workers : int
        Number of processes.
    time_limit : float
        Seconds that one item may take.

    Yields
    ------
    object
        What the function returned, or `WorkerCrashed` where the worker died or hung.

    Raises
    ------
    Exception
        Whatever the function raised: the first error ends the run.
    DatasetError
        A worker cannot be started at all.
    """
    with closing(Pool(function, min(workers, len(items)), time_limit)) as pool:
        yield from pool.run(items)


class Pool(Generic[Item, Result]):
    """Processes that wait for items; see `run`, which ends them when its items are done."""

    def __init__(
        self,
        function: Callable[[Item], Result],
        workers: int,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.is_ahead = is_ahead(function)
        self.workers = [_Worker(function) for _ in range(workers)]
        self.threads = ThreadPoolExecutor(max(1, workers))
        self.idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self.workers:
            self.idle.put(worker)
        self.time_limit = time_limit
        self.closed = False

    def run(self, items: Sequence[Item]) -> Iterator[Result | WorkerCrashed]:
        """Yield the result of every item, in order; take all before the next call."""
        pending: deque[Future[list[Result | WorkerCrashed]]] = deque()
        for chunk in self._chunks(items):
            pending.append(self.threads.submit(self._run_chunk, chunk))
            if len(pending) > 3 * len(self.workers):
                yield from self._outcome(pending.popleft())
        while pending:
            yield from self._outcome(pending.popleft())

    def _chunks(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """Yield large chunks first, and small ones last, so that all workers end together.

        One that fetches ahead stands still at the end of a chunk: its chunks stay large.
        """
        start = 0
        while start < len(items):
            left = len(items) if self.is_ahead else len(items) - start
            size = max(1, min(_LARGEST_CHUNK, left // (_SHARES * len(self.workers))))
            yield items[start : start + size]
            start += size

    def close(self) -> None:
        """End the processes."""
        self.closed = True
        for worker in self.workers:
            worker.stop()
        self.threads.shutdown(cancel_futures=True)
        for worker in self.workers:
            worker.bury()

    def _outcome(
        self, future: "Future[list[Result | WorkerCrashed]]"
    ) -> list[Result | WorkerCrashed]:
        while not wait([future], timeout=LOOK).done:
            for worker in self.workers:
                # Looks are counted, not the clock, which runs on while Ctrl-Z stops us all.
                worker.busy_seconds += LOOK * worker.is_busy
                limit = max(self.time_limit, worker.seconds_allowed)
                # One that was ended, and starts again, has not begun with anything.
                if worker.is_busy and worker.busy_seconds > limit:
                    worker.stop(f"took longer than {limit:.0f} s")
        return future.result()

    def _run_chunk(self, chunk: Sequence[Item]) -> list[Result | WorkerCrashed]:
        worker = self.idle.get()
        results: list[Result | WorkerCrashed] = []
        lost: dict[int, WorkerCrashed] = {}
        try:
            while len(results) < len(chunk) and not self.closed:
                start = len(results)
                if start in lost:
                    results.append(lost[start])
                    continue
                # What was not answered before the item that is lost is done once more.
                stop = min((place for place in lost if place > start), default=len(chunk))
                done, died_at = worker.run(chunk[start:stop])
                results += done
                if died_at is not None:
                    lost[start + died_at] = WorkerCrashed(worker.cause_of_death)
        finally:
            self.idle.put(worker)
        return results


def _begin(**how: Any) -> subprocess.Popen[bytes]:
    """Start a process, by default one that imports all anew."""
    return subprocess.Popen(
        _COMMAND,
        env=_ENVIRONMENT | os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **how,
    )


class _Worker:
    """One process, started again when it has died."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.greeting = pickle.dumps(sys.path) + pickle.dumps(function)
        self.is_ahead = is_ahead(function)
        self.is_busy = False
        self.busy_seconds = 0.0
        self.seconds_allowed = 0.0
        self.cause = ""
        self.cause_of_death = ""
        self.failed_starts = 0
        self.start()

    def start(self) -> None:
        self.cause = ""
        self.ready = False
        self.place: mmap | None = None
        try:
            self.process = self._fork() if self._may_fork() else _begin()
        except OSError as error:
            raise DatasetError(
                f"cannot start a worker: {error.strerror}; use fewer --workers"
            ) from error
        with suppress(OSError):  # one that died already is noticed when it is to answer
            self._write(self.greeting)

    def _may_fork(self) -> bool:
        """Tell whether this process has one thread, as Linux says: then a fork of it is whole."""
        tasks = Path("/proc/self/task")
        return not self.is_ahead and tasks.exists() and len(list(tasks.iterdir())) == 1

    def _fork(self) -> subprocess.Popen[bytes]:
        """Start a process that goes on with what is imported here."""
        self.place = mmap(-1, ITEM.size)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            serve = partial(serve_forked, self.place, before)
            return _begin(preexec_fn=serve, restore_signals=False)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def stop(self, cause: str = "") -> None:
        self.cause = cause
        self.process.kill()

    def bury(self) -> int:
        """End the process, release what it held, and return its exit code."""
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        return self.process.wait()

    def run(self, items: Sequence[Any]) -> tuple[list[Any], int | None]:
        """Return the results, in order, and which item, if any, cost the worker its life."""
        if not self._is_ready():
            return [], None
        results: list[Any] = []
        begun = 0
        if self.place:
            ITEM.pack_into(self.place, 0, begun)
        with suppress(OSError):
            self._write(pickle.dumps(list(items)))
        while len(results) < len(items):
            self.busy_seconds = 0.0
            self.is_busy = True
            try:
                kind, value = self._receive()
            except _DEATH:
                if self.place:
                    (begun,) = ITEM.unpack_from(self.place)
                self.cause_of_death = self._bury_and_tell()
                self.seconds_allowed = 0.0
                self.start()
                return results, max(begun, len(results))
            finally:
                self.is_busy = False
            self.seconds_allowed = value if kind == MORE_TIME else 0.0
            if kind == ERROR:
                raise value
            if kind == BEGUN:
                begun = value
            elif kind == DONE:
                results += value
        return results, None

    def _is_ready(self) -> bool:
        """Wait until the process answers; False where it died before and was started again."""
        try:
            while not self.ready:
                self.ready = self._receive() == READY
        except _DEATH as error:
            code = self.bury()
            self.failed_starts += 1
            if self.failed_starts == _MOST_FAILED_STARTS:
                raise DatasetError(
                    f"cannot start a worker: {sys.executable} left with {code}"
                ) from error
            self.start()
        else:
            self.failed_starts = 0
        return self.ready

    def _write(self, data: bytes) -> None:
        self.process.stdin.write(data)  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]

    def _receive(self) -> Any:
        # The bytes come from our own worker, not from a stranger.
        return pickle.load(self.process.stdout)  # type: ignore[arg-type]  # noqa: S301

    def _bury_and_tell(self) -> str:
        with suppress(subprocess.TimeoutExpired):  # it tells its own code unless it is ended first
            self.process.wait(1)
        code = self.bury()
        return self.cause or (f"was ended by signal {-code}" if code < 0 else f"left with {code}")
