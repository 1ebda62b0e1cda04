"""Keep slow clients from taking every thread, and from outliving the server's last ten seconds."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

_CROWD = 4  # requests that come at once, of which a server with eight threads has no fear
_PATIENCE, _PATIENCE_IN_A_CROWD, _PATIENCE_AT_THE_END = 120.0, 1.0, 3.0  # seconds
_LAST_ANSWERS, _LAST = 6.0, 8.0  # seconds after the server was asked to end
_LINGER, _MOST_LEFT = 1.0, 1_000_000  # seconds, bytes
_LEAST_RATE = 20_000  # bytes a second
_LOOK = 0.25
_AT_ONCE = {signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT)}
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")

_Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(eq=False, slots=True)
class _Upload:
    """A body that is being read, and stands in for its stream; or a whole request, without one."""

    connection: socket.socket
    stream: Any = None
    is_answered: bool = False
    began: float = field(default_factory=time.monotonic)
    received: int = 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self.stream.read(size)
        self.received += len(data)
        return data

    def readline(self, size: int = -1) -> bytes:
        data: bytes = self.stream.readline(size)
        self.received += len(data)
        return data

    def cut(self) -> None:
        """End the reading, so that there can still be an answer; or that answer, too."""
        with suppress(OSError):
            how = socket.SHUT_RDWR if self.is_answered else socket.SHUT_RD
            self.connection.shutdown(how)


class Uploads:
    """An application that ends requests which take too long to come.

    A client that sends its headers or its photograph byte by byte holds a thread. While others
    wait, it is given a second; it can send the photograph again, later.
    """

    def __init__(self, application: _Wsgi) -> None:
        self._application = application
        self._going: set[_Upload] = set()
        self._turn = threading.Lock()
        self._watch: threading.Thread | None = None
        self._asked_at, self._is_interrupted = float("inf"), False
        self._hear_the_end()
        self._see_headers()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer a request."""
        connection = next((environ[name] for name in _SOCKETS if name in environ), None)
        if connection is None:
            return self._application(environ, start)
        with self._turn:
            for one in self._going:
                one.is_answered |= one.connection is connection
        if environ["REQUEST_METHOD"] != "POST":
            return self._application(environ, start)
        upload = _Upload(connection, environ["wsgi.input"])
        environ["wsgi.input"] = upload
        with self._watched(upload):
            return self._application(environ, start)

    @contextmanager
    def _watched(self, upload: _Upload) -> Iterator[None]:
        with self._turn:
            self._going.add(upload)
            self._begin_to_look()
        try:
            yield
        finally:
            with self._turn:
                self._going.discard(upload)

    def _begin_to_look(self) -> None:
        if self._watch is None:  # not before the fork
            self._watch = threading.Thread(target=self._look, daemon=True)
            self._watch.start()

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK)
            now = time.monotonic()
            with self._turn:
                for upload in self._slow(now):
                    upload.cut()
            if now > self._asked_at + _LAST:
                os._exit(0)

    def _slow(self, now: float) -> list[_Upload]:
        coming = {one for one in self._going if not one.is_answered}
        answered = self._going - coming
        if now > self._asked_at + _LAST_ANSWERS:
            return [*self._going]
        if now > self._asked_at + _PATIENCE_AT_THE_END:
            return [*coming]
        patience = _PATIENCE_IN_A_CROWD if len(coming) > _CROWD else _PATIENCE
        late = [(one, now - one.began) for one in coming]
        slow = [one for one, age in late if age > patience and one.received < age * _LEAST_RATE]
        return slow + [one for one in answered if now - one.began > 2 * _PATIENCE]

    def _hear_the_end(self) -> None:
        """Learn of SIGTERM, before the server waits for the requests that are under way.

        On Ctrl-C it does not wait; a second such signal would end the first one's work in the
        middle.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        knowns = {number: signal.getsignal(number) for number in (signal.SIGTERM, *_AT_ONCE)}
        if not callable(knowns[signal.SIGTERM]):
            return

        def end(number: int, frame: Any) -> None:
            if number in _AT_ONCE and self._is_interrupted:
                return
            self._is_interrupted |= number in _AT_ONCE
            since = _PATIENCE_AT_THE_END if self._is_interrupted else 0.0
            self._asked_at = min(self._asked_at, time.monotonic() - since)
            self._begin_to_look()
            known = knowns[number]
            if callable(known):
                known(number, frame)

        for number in knowns:
            signal.signal(number, end)

    def _see_headers(self) -> None:
        """Watch also what comes before this application is called, and after it.

        gunicorn's threads wait for headers without an end, and its only loop for each client that
        does not hang up; none of its settings changes that.
        """
        gthread = sys.modules.get("gunicorn.workers.gthread")
        handle = getattr(getattr(gthread, "ThreadWorker", None), "handle", None)
        if not gthread or not handle:
            return

        def watched_handle(worker: Any, connection: Any) -> Any:
            with self._watched(_Upload(connection.sock)):
                goes_on = handle(worker, connection)
                if not goes_on:
                    _hang_up(connection.sock)
                return goes_on

        gthread.ThreadWorker.handle = watched_handle


def _hang_up(connection: socket.socket) -> None:
    """Give the other side a moment to read its answer before what it still sends is refused."""
    ends, most = time.monotonic() + _LINGER, _MOST_LEFT
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_LINGER)
        while most > 0 and time.monotonic() < ends and (left := connection.recv(65_536)):
            most -= len(left)
    if most > 0:  # else there is more, at which the system resets the connection
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RD)
