"""Which engine does the work."""

import os
from collections.abc import Callable

from granpipe.checks import ENGINE, WORKERS, checked
from granpipe.engines.local import Local
from granpipe.engines.protocol import Engine

ENGINES = ENGINE.words


def choose(name: str, workers: int | None, say: Callable[[str], None]) -> Engine:
    """Return the engine of a name, which says lines on what goes on.

    Workers are processes of this machine, or of each task of Spark's; by default, one a core.

    Raises
    ------
    DatasetError
        The extra that the engine needs is missing, or an argument is not what it may be.
    """
    workers = None if workers is None else checked("workers", workers, WORKERS)
    if checked("engine", name, ENGINE) == "local":
        return Local(workers or os.cpu_count() or 1)
    from granpipe.engines.spark import Spark  # noqa: PLC0415 - nobody else needs it

    return Spark(workers, say)
