"""The engine of this machine's processes."""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from granpipe.engines import processes
from granpipe.engines.protocol import WorkFolder
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store


@dataclass(frozen=True, slots=True)
class Local:
    """So many processes of this machine; an `Engine`."""

    workers: int

    def open(self, url: str | os.PathLike[str]) -> Store:
        """Return the store of a name as it is."""
        return open_store(url)

    def run(
        self, function: Callable[[Any], Any], items: Sequence[Any], place: WorkFolder | None
    ) -> Generator[Any, None, None]:
        """Yield every item with its result; nothing is written."""
        return processes.run(function, items, self.workers)


@dataclass(slots=True)
class Standby:
    """An `Engine` like `Local`, for runs that follow each other: its processes wait for the next.

    To start one takes as long as a hundred small photographs.
    """

    workers: int
    _pool: processes.Pool[Any, Any] | None = None

    def open(self, url: str | os.PathLike[str]) -> Store:
        """Return the store of a name as it is."""
        return open_store(url)

    def run(
        self, function: Callable[[Any], Any], items: Sequence[Any], place: WorkFolder | None
    ) -> Generator[Any, None, None]:
        """Yield every item with its result; nothing is written."""
        count = min(self.workers, len(items))
        if self._pool and len(self._pool.workers) < count:
            self.rest()
        pool, self._pool = self._pool, None
        if pool:
            pool.use(function)
        else:
            pool = processes.Pool(function, count)
        try:
            yield from pool.run(items)
        except BaseException:
            pool.close()
            raise
        self._pool = pool

    def rest(self) -> None:
        """End the processes."""
        if self._pool:
            self._pool.close()
            self._pool = None
