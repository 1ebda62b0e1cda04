"""A worker process: it takes a function, then chunks of items, and sends back the results."""

import ctypes
import gc
import os
import pickle
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from mmap import mmap
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, NoReturn, Protocol

READY = "ready"
BEGUN, DONE, ERROR, MORE_TIME, WAITING = "begun", "done", "error", "more time", "waiting"
ITEM = Struct("I")
"""How a worker that was forked writes which item it is at."""

LOOK = 0.5
"""Seconds between two looks at whether the other side is still alive."""

_BLOCKS = 4  # of 16 MB each, that Pillow keeps
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's mallopt(3)
_PIECE = 1 << 20
_MOST_BYTES_AHEAD = 64_000_000
_BETWEEN_WORDS = 1.0  # seconds
_BETWEEN_ANSWERS = 0.02  # seconds; a pipe and two changes of process cost as much as small items
_Messages = Iterator[tuple[str, Any]]


_has_more_time = False
_tell: Callable[[object], None] = lambda message: None  # noqa: E731 - a worker has another


def extend_deadline(seconds: float) -> None:
    """Let the item at hand take so long, if that is more than it may; called by its function."""
    global _has_more_time  # noqa: PLW0603 - one function at once
    _has_more_time = True
    _tell((MORE_TIME, seconds))


class Steps(Protocol):
    """A function in three steps, of which a worker overlaps the first and last with the second.

    `function(item)` is `keep(item, work(item, fetch(item)))`. `fetch` and `keep` wait for a network
    and run in threads; `work` needs the processor.
    """

    @property
    def ahead(self) -> int:
        """How many items may be fetched ahead, and be kept behind; 0 for one after another."""

    def weight(self, item: Any) -> int:
        """Return how many bytes `fetch` returns, about."""

    def fetch(self, item: Any) -> Any:
        """Return what `work` needs."""

    def work(self, item: Any, fetched: Any) -> Any:
        """Return what `keep` needs."""

    def keep(self, item: Any, made: Any) -> Any:
        """Return the result."""


def is_ahead(function: Callable[[Any], Any]) -> bool:
    """Tell whether a function works in `Steps` that overlap."""
    return bool(getattr(function, "ahead", 0))


def serve_forked(place: mmap, signals: Set[int]) -> NoReturn:
    """Be a worker in a process that `subprocess` forked, and that runs no other program.

    It writes into the memory, which it shares with its parent, which item of a chunk it is at. So
    it need not answer after each. Signals are blocked until it has none of its parent's handlers.
    """
    code = 1
    try:
        _forget_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        with open(0, "rb", closefd=False) as calls:
            pickle.load(calls)  # noqa: S301 - the places to import from, which are known here
            serve(calls, place)
        code = 0
    finally:
        os._exit(code)


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


def serve(calls: BinaryIO, place: mmap | None = None) -> None:
    """Be a worker, until there are no more calls."""
    global _tell  # noqa: PLW0603 - set once, when the process begins
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    # Ctrl-C reaches the whole process group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    results = os.fdopen(os.dup(1), "wb")
    # A C library that prints must not write into the results.
    os.dup2(2, 1)
    function = pickle.load(calls)  # noqa: S301
    keep_memory()
    messages: Callable[[Sequence[Any]], _Messages] = partial(_one_by_one, function, place)
    if is_ahead(function):
        messages = _Overlapping(function)
    _tell = partial(_reply, results)
    _tell(READY)
    while True:
        try:
            items = pickle.load(calls)  # noqa: S301
        except EOFError:
            return
        try:
            for message in messages(items):
                _tell(message)
        except Exception as error:
            _tell((ERROR, error))


def keep_memory() -> None:
    """Let memory of one picture serve for the next: a page that is asked for again is a fault."""
    pillow = sys.modules.get("PIL.Image")
    if pillow:
        pillow.core.set_blocks_max(_BLOCKS)
        # So much of a picture becomes bytes at once; several pieces would be copied together.
        setattr(sys.modules["PIL.ImageFile"], "MAXBLOCK", _PIECE)  # noqa: B010
    if sys.platform == "linux":
        with suppress(AttributeError):  # a C library without
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP_THRESHOLD, 32 << 20)
            mallopt(_TRIM_THRESHOLD, 64 << 20)


def _one_by_one(
    function: Callable[[Any], Any], place: mmap | None, items: Sequence[Any]
) -> _Messages:
    global _has_more_time
    results, answered = [], time.monotonic()
    for number, item in enumerate(items):
        if place:
            ITEM.pack_into(place, 0, number)
        try:
            results.append(function(item))
        except Exception:
            yield DONE, results
            raise
        now = time.monotonic()
        if not place or _has_more_time or now - answered > _BETWEEN_ANSWERS:
            yield DONE, results
            results, answered, _has_more_time = [], now, False
    if results:
        yield DONE, results


class _Overlapping:
    """Fetch items ahead and keep results behind in threads, while the network makes them wait."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.threads = ThreadPoolExecutor(2 * steps.ahead)

    def __call__(self, items: Sequence[Any]) -> _Messages:
        """Yield which item is being worked on, and each result in order."""
        kept: deque[Future[Any]] = deque()
        for number, (item, future) in enumerate(self._fetching(items)):
            yield from _waiting(future)
            yield BEGUN, number
            made = self.steps.work(item, future.result())
            kept.append(self.threads.submit(self.steps.keep, item, made))
            while kept and (kept[0].done() or len(kept) > self.steps.ahead):
                yield from _waiting(kept[0])
                yield DONE, [kept.popleft().result()]
        while kept:
            yield from _waiting(kept[0])
            yield DONE, [kept.popleft().result()]

    def _fetching(self, items: Sequence[Any]) -> Iterator[tuple[Any, Future[Any]]]:
        """Yield items with what is being fetched for them, a few and not too many bytes ahead."""
        waiting: deque[tuple[Any, Future[Any]]] = deque()
        upcoming = deque(items)
        weight = 0
        while upcoming or waiting:
            while upcoming and (
                not waiting or (len(waiting) < self.steps.ahead and weight < _MOST_BYTES_AHEAD)
            ):
                item = upcoming.popleft()
                weight += self.steps.weight(item)
                waiting.append((item, self.threads.submit(self.steps.fetch, item)))
            item, future = waiting.popleft()
            yield item, future
            weight -= self.steps.weight(item)


def _waiting(future: Future[Any]) -> _Messages:
    """Say now and then that a network is waited for, which has limits of its own."""
    while not wait([future], _BETWEEN_WORDS).done:
        yield WAITING, None


def _leave_with(parent: int) -> None:
    """End this worker soon after its parent was killed, not only when it has nothing left to do."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)


def _reply(results: BinaryIO, message: object) -> None:
    pickle.dump(message, results)
    results.flush()
