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

from werkzeug.exceptions import BadRequest

_CROWD = 4  # requests that come at once, of which a server with eight threads has no fear
_PATIENCE, _PATIENCE_IN_A_CROWD, _PATIENCE_AT_THE_END = 120.0, 1.0, 3.0  # seconds
_PATIENCE_WITH_READERS = 240.0
_LAST_ANSWERS, _LAST = 6.0, 8.0  # seconds after the server was asked to end
_LINGER, _MOST_LEFT = 1.0, 1_000_000  # seconds, bytes
_LEAST_RATE = 20_000  # bytes a second
_LOOK = 0.25
_AT_ONCE = {signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT)}
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")

_Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


@dataclass(slots=True)
class _Request:
    """What comes over a connection."""

    connection: socket.socket
    is_at_work: bool = False
    received: int = 0
    opened: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)

    def begin(self, *, is_at_work: bool = False) -> None:
        """Begin with another part of it: its headers, its body, what nobody wanted to read."""
        self.is_at_work, self.received, self.began = is_at_work, 0, time.monotonic()

    def is_slow(self, now: float, patience: float) -> bool:
        age = now - self.began
        return not self.is_at_work and age > patience and self.received < age * _LEAST_RATE

    def cut(self, how: int) -> None:
        """End the reading, so that there can still be an answer; or that answer, too."""
        with suppress(OSError):
            self.connection.shutdown(how)


@dataclass(frozen=True, slots=True)
class _Body:
    """Stands in for the stream of a body."""

    stream: Any
    request: _Request

    def read(self, size: int = -1) -> bytes:
        return self._counted(self.stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._counted(self.stream.readline, size)

    def _counted(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            data = read(size)
        except Exception as error:  # what servers raise for chunks that are none
            raise BadRequest from error
        self.request.received += len(data)
        return data


class Uploads:
    """An application that ends requests which take too long to come.

    A client that sends its headers or its photograph byte by byte holds a thread. While others
    wait, it is given a second; it can send the photograph again, later.
    """

    def __init__(self, application: _Wsgi) -> None:
        self._application = application
        self._going: dict[int, _Request] = {}
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
        with self._watched(connection) as request:
            is_upload = environ["REQUEST_METHOD"] == "POST"
            request.begin(is_at_work=not is_upload)
            if is_upload:
                environ["wsgi.input"] = _Body(environ["wsgi.input"], request)
            try:
                return self._application(environ, start)
            finally:
                request.begin()

    @contextmanager
    def _watched(self, connection: socket.socket) -> Iterator[_Request]:
        known = self._going.get(id(connection))
        if known:
            yield known
            return
        request = _Request(connection)
        with self._turn:
            self._going[id(connection)] = request
            self._begin_to_look()
        try:
            yield request
        finally:
            with self._turn:
                del self._going[id(connection)]

    def _begin_to_look(self) -> None:
        if self._watch is None:  # not before the fork
            self._watch = threading.Thread(target=self._look, daemon=True)
            self._watch.start()

    def _look(self) -> None:
        while True:
            time.sleep(_LOOK)
            now = time.monotonic()
            with self._turn:
                self._cut(now, [*self._going.values()])
            if now > self._asked_at + _LAST:
                os._exit(0)

    def _cut(self, now: float, going: list[_Request]) -> None:
        is_crowd = sum(not one.is_at_work for one in going) > _CROWD
        patience = _PATIENCE_IN_A_CROWD if is_crowd else _PATIENCE
        is_last, is_over = (
            now > self._asked_at + late for late in (_PATIENCE_AT_THE_END, _LAST_ANSWERS)
        )
        for one in going:
            if is_over or now > one.opened + _PATIENCE_WITH_READERS:
                one.cut(socket.SHUT_RDWR)
            elif is_last or one.is_slow(now, patience):
                one.cut(socket.SHUT_RD)

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
            with self._watched(connection.sock):
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
