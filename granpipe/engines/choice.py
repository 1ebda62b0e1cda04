"""Which engine does the work."""

import os
from collections.abc import Callable

from granpipe.engines.local import Local
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError

ENGINES = ("local", "spark")


def choose(name: str, workers: int | None, say: Callable[[str], None]) -> Engine:
    """Return the engine of a name.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    workers : int, optional
        Number of processes, of this machine or of each task of Spark's; one a core unless given.
    say : callable
        Told, in a line, what goes on.

    Raises
    ------
    DatasetError
        The extra that the engine needs is missing, or there is no such engine.
    """
    if name == "local":
        return Local(workers or os.cpu_count() or 1)
    if name == "spark":
        from granpipe.engines.spark import Spark  # noqa: PLC0415 - nobody else needs it

        return Spark(workers, say)
    raise DatasetError(f"{name!r} is no engine; name one of {', '.join(ENGINES)}")
