"""What every engine can do, and what it promises."""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from granpipe.engines.processes import WorkerCrashed
from granpipe.stores.protocol import Store

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """A folder of a store where an engine may write while the run lasts."""

    store: Store
    folder: str


class Engine(Protocol):
    """Where work is done."""

    def open(self, url: str | os.PathLike[str]) -> Store:
        """Return a store by the name under which all that work here see it."""

    def run(
        self, function: Callable[[Item], Result], items: Sequence[Item], place: WorkFolder | None
    ) -> Generator[tuple[Item, Result | WorkerCrashed], None, None]:
        """Yield every item with `function(item)`, in the order of the items.

        An item whose process died or hung twice has `WorkerCrashed` for its result. The first
        error that the function raises ends the run. Close the generator to end all work.

        Parameters
        ----------
        function : callable
            Must pickle: a function of a module, or an instance of a class of a module, which may be
            one of `granpipe.engines.worker.Steps`. It may be called for one item more than once.
        items : sequence
            What to work on; each item must pickle.
        place : WorkFolder or None
            Where the engine may write; None where nothing may be written.
        """
