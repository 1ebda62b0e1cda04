"""End a process within ten seconds of SIGTERM, even where a library's call does not return."""

import os
import signal
import threading
import time
from typing import NoReturn

_PATIENCE = 8.0  # seconds


class StopAsked(BaseException):
    """Somebody asked this process to end."""


def stop_when_asked() -> None:
    """From now on, raise StopAsked in the main thread on SIGTERM and SIGINT."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    # The operating system's part of the handler writes into the pipe at once.
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_end, args=(reader,), daemon=True).start()


def _stop(number: int, _: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # asked once is enough
    raise StopAsked


def _end(reader: int) -> None:
    while os.read(reader, 1)[0] not in {signal.SIGTERM, signal.SIGINT}:
        pass
    time.sleep(_PATIENCE)
    os._exit(1)
