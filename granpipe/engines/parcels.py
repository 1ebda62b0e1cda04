"""What travels through a store between a driver and its executors: a run's plan and its parts.

Both are pickled, and both are sealed with a key of the run that never stands in the store: so
nobody who can write there can make a driver or an executor load what is not the run's own.
"""

import hmac
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

PULSE = 2.0
"""Seconds between two signs of life of the driver."""

PATIENCE = 30.0
"""Seconds after which a driver that gives no sign of life, while the store answers, is dead."""

_SEAL = 32


class AbandonedError(Exception):
    """The driver is gone, or wants no more of this work."""


@dataclass(frozen=True, slots=True)
class Run:
    """A folder of a store for one run of an engine, and the key of what stands in it."""

    store: Store
    folder: str
    key: bytes

    def put(self, name: str, value: Any) -> None:
        """Write a value under a name, sealed."""
        data = pickle.dumps(value)
        self.store.write(self._path(name), self._seal(name, data) + data)

    def get(self, name: str) -> Any:
        """Return the value of a name.

        Raises
        ------
        FileNotFoundError
            There is none, or none of this run.
        """
        data, _ = self.store.read(self._path(name))
        if not hmac.compare_digest(data[:_SEAL], self._seal(name, data[_SEAL:])):
            raise FileNotFoundError(2, "is not of this run")
        return pickle.loads(data[_SEAL:])  # noqa: S301 - sealed by this run

    def _seal(self, name: str, data: bytes) -> bytes:
        return hmac.digest(self.key, name.encode() + b"\0" + data, "sha256")

    def delete(self, name: str) -> None:
        """Delete the value of a name."""
        self.store.delete(self._path(name))

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder of the run, sorted."""
        skipped = len(self.folder) + 1
        entries = self.store.list(self._path(folder))
        return sorted(entry.path[skipped:] for entry in entries if not entry.is_folder)

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Clear away what earlier runs left, and give signs of life; at the end clear all away."""
        root = self.folder.rpartition("/")[0]
        clear(self.store, root)
        self.put("pulse", 0)
        ended = threading.Event()
        thread = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with suppress(OSError, DatasetError):  # the next run does
                clear(self.store, root)

    def _beat(self, ended: threading.Event) -> None:
        count = 0
        while not ended.wait(PULSE):
            count += 1
            with suppress(OSError, DatasetError):  # an outage that may end
                self.put("pulse", count)


def clear(store: Store, folder: str) -> None:
    """Delete all files of a folder."""
    for entry in [entry for entry in store.list(folder) if not entry.is_folder]:
        store.delete(entry.path)


class Watch:
    """Looks whether the driver of a run is alive, while a block lasts.

    Parameters
    ----------
    run : Run
    stop : callable
        Called, from another thread, when the driver is found to be dead.
    """

    def __init__(self, run: Run, stop: Callable[[], object]) -> None:
        self.run = run
        self.stop = stop
        self.is_abandoned = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def check(self) -> None:
        """Raise AbandonedError where the driver was found to be dead."""
        if self.is_abandoned:
            raise AbandonedError("the driver of this run is gone")

    def _look(self) -> None:
        last, since = None, time.monotonic()
        while not self._ended.wait(PULSE):
            try:
                pulse = self.run.get("pulse")
            except FileNotFoundError:
                pulse, since = last, since - PATIENCE
            except (OSError, DatasetError):  # an outage tells nothing of the driver
                since = time.monotonic()
                continue
            if pulse != last:
                last, since = pulse, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                self.is_abandoned = True
                self.stop()
                return
