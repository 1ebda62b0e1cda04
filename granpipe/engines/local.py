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
        """Yield every result; nothing is written."""
        return processes.run(function, items, self.workers)
