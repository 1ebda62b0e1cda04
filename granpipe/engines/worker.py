"""A worker process: it takes a function, then chunks of items, and sends back the results.

Another function may come between two chunks.
"""

import ctypes
import gc
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, Protocol

from granpipe.stores.protocol import Store

CHECK_EVERY = 0.5
"""Seconds between two checks whether the other side is still alive."""

_BLOCKS = 4  # of 16 MB each, that Pillow keeps
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's mallopt(3)
_PIECE = 1 << 20
_MOST_BYTES_AHEAD = 64_000_000
_BETWEEN_BEATS = 1.0  # seconds
_BETWEEN_ANSWERS = 0.1  # seconds; a pipe and two changes of process cost as much as small items
_Batches = Iterator[list[Any]]  # results in order; empty lists say that the process is alive


class Answer(NamedTuple):
    """What a worker sends to its parent; an empty one says that it is alive."""

    results: Sequence[Any] = ()
    """Of the next items, in order."""
    seconds: float = 0.0
    """How long the item at hand may take, if that is more than any may."""
    error: Exception | None = None
    """What the function raised."""


_send: Callable[[Answer], None] = lambda answer: None  # noqa: E731 - a worker has another


def extend_deadline(seconds: float) -> None:
    """Let the item at hand take so long, if that is more than any may; called by its function."""
    _send(Answer(seconds=seconds))


class Steps(Protocol):
    """A function in three steps, of which a worker overlaps the first and last with the second.

    `function(item)` is `keep(item, work(item, fetch(item)))`. `fetch` and `keep` wait for a network
    and run in threads; `work` needs the processor.
    """

    __slots__ = ()

    def __call__(self, item: Any) -> Any:
        """Return the result of an item."""
        return self.keep(item, self.work(item, self.fetch(item)))

    @property
    def ahead(self) -> int:
        """How many items may be fetched ahead, and be kept behind; 0 for one after another."""

    def sample(self, item: Any) -> tuple[Store, str]:
        """Return a file that every process that works on an item must be able to read."""

    def weight(self, item: Any) -> int:
        """Return how many bytes `fetch` returns, about."""

    def fetch(self, item: Any) -> Any:
        """Return what `work` needs."""

    def work(self, item: Any, fetched: Any) -> Any:
        """Return what `keep` needs."""

    def keep(self, item: Any, made: Any) -> Any:
        """Return the result."""
        return made


def overlaps(function: Callable[[Any], Any]) -> bool:
    """Return whether a function works in `Steps` that overlap."""
    return bool(getattr(function, "ahead", 0))


def serve_as_fork(signals: Set[int]) -> NoReturn:
    """Be a worker in a process that `subprocess` forked, and that runs no other program.

    Signals are blocked until it has none of its parent's handlers; then as before.
    """
    try:
        _forget_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        with open(0, "rb", closefd=False) as calls:
            serve(calls)
    finally:
        os._exit(1)


def _forget_parent() -> None:
    """Let go of what another program would not have: files, handlers of signals, garbage."""
    gc.freeze()  # the parent's garbage would close files by numbers that are others' then
    gc.enable()  # subprocess disabled it
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in list(Path("/proc/self/fd").iterdir()):
        if int(file.name) > 2:
            # Not closed: what logs into a file of the parent would write into one of ours.
            os.dup2(nothing, int(file.name))


def serve(calls: BinaryIO) -> None:
    """Be a worker, until there are no more calls."""
    global _send  # noqa: PLW0603 - set once, when the process begins
    threading.Thread(target=_exit_after, args=(os.getppid(),), daemon=True).start()
    # Ctrl-C reaches the whole process group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _send = partial(_write, os.fdopen(os.dup(1), "wb"))
    # A C library that prints must not write into the results.
    os.dup2(2, 1)
    batches = _batches_of(pickle.load(calls))  # noqa: S301
    keep_memory()
    _send(Answer())
    with suppress(EOFError):
        while True:
            call = pickle.load(calls)  # noqa: S301
            if callable(call):
                batches = _batches_of(call)
            else:
                _answer(batches, call)


def _batches_of(function: Callable[[Any], Any]) -> Callable[[Sequence[Any]], _Batches]:
    return _Overlapping(function) if overlaps(function) else partial(_one_by_one, function)  # type: ignore[arg-type]


def _answer(batches: Callable[[Sequence[Any]], _Batches], items: Sequence[Any]) -> None:
    try:
        for results in batches(items):
            _send(Answer(results))
    except Exception as error:
        _send(Answer(error=error))


def _write(stream: BinaryIO, answer: Answer) -> None:
    stream.write(pickle.dumps(answer))
    stream.flush()


def keep_memory() -> None:
    """Let memory of one picture serve for the next: a page that is asked for again is a fault."""
    pillow = sys.modules.get("PIL.Image")
    if pillow:
        pillow.core.set_blocks_max(_BLOCKS)
    if pictures := sys.modules.get("PIL.ImageFile"):
        # So much of a picture becomes bytes at once; several pieces would be copied together.
        setattr(pictures, "MAXBLOCK", _PIECE)  # noqa: B010
    if sys.platform == "linux":
        with suppress(AttributeError):  # a C library without
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP_THRESHOLD, 32 << 20)
            mallopt(_TRIM_THRESHOLD, 64 << 20)


def _one_by_one(function: Callable[[Any], Any], items: Sequence[Any]) -> _Batches:
    results, answered_at = [], time.monotonic()
    for item in items:
        results.append(function(item))
        if time.monotonic() - answered_at > _BETWEEN_ANSWERS:
            yield results
            results, answered_at = [], time.monotonic()
    if results:
        yield results


class _Overlapping:
    """Fetch items ahead and keep results behind in threads, while the network makes them wait."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.threads = ThreadPoolExecutor(2 * steps.ahead)

    def __call__(self, items: Sequence[Any]) -> _Batches:
        upcoming = deque(items)
        fetching: deque[tuple[Any, Future[Any]]] = deque()
        keeping: deque[Future[Any]] = deque()
        while upcoming or fetching or keeping:
            while upcoming and self._has_room(fetching):
                item = upcoming.popleft()
                fetching.append((item, self.threads.submit(self.steps.fetch, item)))
            if fetching:
                item, fetched = fetching.popleft()
                made = self.steps.work(item, (yield from _wait_for(fetched)))
                keeping.append(self.threads.submit(self.steps.keep, item, made))
            is_last = not upcoming and not fetching
            while keeping and (is_last or keeping[0].done() or len(keeping) > self.steps.ahead):
                yield [(yield from _wait_for(keeping.popleft()))]

    def _has_room(self, fetching: Collection[tuple[Any, Future[Any]]]) -> bool:
        """Return whether one more item may be fetched, after these few and not too many bytes."""
        weight = sum(self.steps.weight(item) for item, _ in fetching)
        return not fetching or (len(fetching) < self.steps.ahead and weight < _MOST_BYTES_AHEAD)


def _wait_for(future: Future[Any]) -> Generator[list[Any], None, Any]:
    """Return a future's result; until then, yield now and then: a network has its own limits."""
    while not wait([future], _BETWEEN_BEATS).done:
        yield []
    return future.result()


def _exit_after(parent: int) -> None:
    """End this worker soon after its parent was killed, not only when it has nothing left to do."""
    while os.getppid() == parent:
        time.sleep(CHECK_EVERY)
    os._exit(1)
