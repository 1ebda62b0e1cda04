"""End the process where it does not hear of Ctrl-C, as in a call that waits for a silent server."""

import os
import signal
import threading
import time

PATIENCE = 5.0
"""Seconds in which the process may end by itself, in good order."""

MESSAGES = {
    signal.SIGINT: "interrupted; repeat the command to continue",
    signal.SIGTERM: "ended by a signal",
}


def end_when_deaf() -> None:
    """From now on, end the process a while after a signal that asked it to end.

    Python hands a signal to its main thread, which waits until a library's call returns; the
    operating system's part of the handler writes into a pipe at once.
    """
    if os.name != "posix":
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def _watch(reader: int) -> None:
    while (number := os.read(reader, 1)[0]) not in {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}:
        pass
    time.sleep(PATIENCE)
    message = MESSAGES.get(signal.Signals(number), MESSAGES[signal.SIGTERM])
    start = "\n" if os.isatty(2) else ""  # after ^C, or a bar
    os.write(2, f"{start}granpipe: {message}\n".encode())
    os._exit(130 if number == signal.SIGINT else 128 + number)
