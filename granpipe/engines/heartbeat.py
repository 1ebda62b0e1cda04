"""Signs of life of a driver, in a file of OUTPUT: no executor works on without its driver."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

BEAT = 2.0
"""Seconds between two signs of life."""

PATIENCE = 30.0
"""Seconds after which a driver that gives no sign of life, while the store answers, is dead."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The file of one run.

    Attributes
    ----------
    store : Store
    path : str
        The same for every run: the next one's signs of life are not this one's.
    run : str
        Which run it is.
    """

    store: Store
    path: str
    run: str

    def give(self, number: int) -> None:
        """Write a sign of life."""
        self.store.write(self.path, f"{self.run} {number}".encode())

    def read(self) -> bytes:
        """Return the latest sign of life; raise FileNotFoundError without one of this run."""
        data, _ = self.store.read(self.path)
        if not data.startswith(self.run.encode()):
            raise FileNotFoundError(2, "is not of this run")
        return data

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Give signs of life while a block lasts."""
        self.give(0)
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with suppress(OSError, DatasetError):  # the next run does
                self.store.delete(self.path)

    def _beat(self, ended: threading.Event) -> None:
        number = 0
        while not ended.wait(BEAT):
            number += 1
            with suppress(OSError, DatasetError):  # an outage that may end
                self.give(number)


@contextmanager
def watched(heartbeat: Heartbeat | None, stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop`, from another thread, when a driver dies that gives signs of life at all."""
    if heartbeat is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(heartbeat, stop, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(heartbeat: Heartbeat, stop: Callable[[], object], ended: threading.Event) -> None:
    last, since = b"", time.monotonic()
    while not ended.wait(BEAT):
        try:
            latest = heartbeat.read()
        except FileNotFoundError:
            stop()
            return
        except (OSError, DatasetError):  # an outage says nothing of the driver
            since = time.monotonic()
            continue
        if latest != last:
            last, since = latest, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            stop()
            return


def clear(store: Store, folder: str) -> None:
    """Delete what an earlier run left in the folder of its engine."""
    for entry in [entry for entry in store.list(folder) if not entry.is_folder]:
        store.delete(entry.path)
