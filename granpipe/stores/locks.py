"""Locks on files, which the system lets go of when their process ends."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

_MOMENT, _MOMENTS = 0.1, 6  # seconds; how often a lock is asked for


def lock(file: IO[bytes]) -> bool:
    """Lock an open file; False where another process has locked it."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_or_tell(file: IO[bytes]) -> bytes | None:
    """Lock an open file, and return None; else what the process that has locked it wrote there."""
    owner = b""
    for _ in range(_MOMENTS):
        if lock(file):
            return None
        owner = file.read()
        if owner:
            break
        # Its owner is about to write its name, or has just taken it away.
        time.sleep(_MOMENT)
    return owner


@contextmanager
def locked(path: bytes) -> Iterator[bool]:
    """Lock a file for the block, if nobody else has; another file may have its name by then."""
    if os.name == "nt":  # which replaces no file that is open: only one process may replace it
        yield True
        return
    with os.fdopen(os.open(path, os.O_RDWR), "r+b", buffering=0) as file:
        yield lock(file)


def _lock_on_windows(file: IO[bytes]) -> bool:
    import msvcrt  # noqa: PLC0415 - on Windows only

    file.seek(1_000)  # far behind what is written, since there a locked byte cannot be read
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    finally:
        file.seek(0)
    return True
