"""Locks on files, which the system lets go of when their process ends."""

from typing import IO


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
