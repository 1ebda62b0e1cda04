"""How a run is followed: by a bar, by whatever wraps its results, and in the log `granpipe`.

The log names each photograph that is rejected as a warning, and whom the run waits for, and what it
did, as information. Nobody hears it unless `logging` is set up.
"""

import inspect
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

from granpipe.errors import OptionError, PhotoError
from granpipe.jobs.run import Progress

Follow = Progress | Literal["bar"] | None
"""`bar`, or a callable that wraps the iterator over results; takes it and their number."""

_LOG = logging.getLogger("granpipe")
_LOG.addHandler(logging.NullHandler())


def progress_of(follow: Follow) -> Progress:
    """Return what wraps results; OptionError where it is no such thing."""
    if follow is None:
        return lambda results, total: results
    if follow == "bar":
        return bar
    if not callable(follow):
        raise OptionError(f"progress: {follow!r} is not 'bar', and cannot be called")
    return follow


def in_units(progress: Progress, unit: str) -> Progress:
    """Return what wraps results of another kind, if it shows of which they are."""
    if "unit" not in inspect.signature(progress).parameters:
        return progress
    shows: Any = progress
    return partial(shows, unit=unit)


def bar(results: Iterator[Any], total: int, unit: str = "photographs") -> Iterator[Any]:
    """Show a bar on standard error while results come."""
    from tqdm import tqdm  # noqa: PLC0415 - most runs show none

    # Its monitor, a thread, is for bars that look at the time after many results only.
    tqdm.monitor_interval = 0
    return iter(tqdm(results, total=total, unit=f" {unit}", dynamic_ncols=True, miniters=1))


def log_line(line: str) -> None:
    """Log what goes on."""
    _LOG.info("%s", line)


def log_rejection(source: str, error: PhotoError) -> None:
    """Log why a photograph is not used; a name cannot begin another line."""
    _LOG.warning("%s: %s: %s", repr(source)[1:-1], error.reason, repr(error.detail)[1:-1])
