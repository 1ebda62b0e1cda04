"""The web server: waitress, which throws away the bodies that nobody will read, and drains."""

import logging
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from flask import Flask
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.utilities import BadRequest, RequestEntityTooLarge

from granpipe.service.request_log import LogHandler, RequestLog
from granpipe.service.spool import Body

_THREADS = 16
_CONNECTIONS = 1_100  # most that are open at once
_TICK = 0.25  # seconds
_GRACE = 6.0  # seconds for what is under way when the server is asked to end
_STRANGER = 120.0  # seconds for a request that is refused, or whose headers do not end
_LARGEST_HEADER = 32_768
_OUTPUT = 1 << 22  # bytes that wait for a slow reader before a thread waits, too
_STUCK = 60.0  # seconds after which a client that reads nothing is one no more

IsWanted = Callable[[str, str, Mapping[str, str]], bool]
"""Says by method, path and headers (AUTHORIZATION) whether a request's body will be read."""


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Keeps no body that will not be read, and leaves to the application to say why."""

    body_rcv: Any
    error: Any
    expect_continue: bool
    chunked: bool

    def __init__(self, adjustments: Any, is_wanted: IsWanted, most: int) -> None:
        super().__init__(adjustments)
        self._is_wanted = is_wanted
        self._most = most  # bytes of a body that is kept
        self.is_kept = False
        self.began = time.time()

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding")
        if self.body_rcv is None:
            return
        self.is_kept = self._is_wanted(self.command, self.path, self.headers)
        if not self.is_kept and self.expect_continue:  # nothing has been sent yet
            self.expect_continue, self.body_rcv, self.content_length = False, None, 0
            self.headers["CONNECTION"] = "close"
        else:
            # Where it was not read at all, the client would see a reset, and no answer.
            self.body_rcv.buf = Body(self._most if self.is_kept else 0)

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if isinstance(self.error, RequestEntityTooLarge):
            self.error = None
            size = max(self.content_length, self.body_bytes_received)
            self.headers |= {"CONTENT_LENGTH": str(size), "CONNECTION": "close"}
        lines = self.body_rcv if self.chunked else None  # false while it is empty
        if lines is not None and len(lines.control_line) + len(lines.trailer) > _LARGEST_HEADER:
            # It would be kept, and searched again with all that comes.
            self.error, self.completed = BadRequest("a chunk's line does not end"), True
        return consumed


def serve(app: Flask, host: str, port: int, is_wanted: IsWanted, log: RequestLog) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then finish those that are under way.

    Raises
    ------
    OSError
        The address cannot be had.
    """
    stops = list[int]()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stops.append(number))
    _allow_files()
    logging.getLogger("waitress").addHandler(LogHandler(log))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    sockets = _listen(app, host, port, is_wanted)
    while not stops:
        wasyncore.loop(_TICK, True, sockets, 1)
        _let_go_of_stuck(list(sockets.values()))
    for server in _listening(sockets):
        wasyncore.dispatcher.close(server)
    ends = time.monotonic() + _GRACE
    while time.monotonic() < ends and any(map(_is_busy, list(sockets.values()))):
        wasyncore.loop(_TICK, True, sockets, 1)
    log.note("stopped")


def _listen(app: Flask, host: str, port: int, is_wanted: IsWanted) -> dict[int, Any]:
    """Open the address; return the sockets that waitress keeps, by their numbers."""
    most = app.config["MAX_CONTENT_LENGTH"]

    class Channel(HTTPChannel):  # type: ignore[misc]
        parser_class = staticmethod(lambda adjustments: _Parser(adjustments, is_wanted, most))

    sockets = dict[int, Any]()
    create_server(
        app,
        map=sockets,
        listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        recv_bytes=65_536,
        max_request_header_size=_LARGEST_HEADER,
        max_request_body_size=2 * most,
        outbuf_high_watermark=_OUTPUT,
        outbuf_overflow=2 * _OUTPUT,  # never into files, whose disk may be full
        asyncore_use_poll=True,
        clear_untrusted_proxy_headers=False,  # by which the guard knows a proxy
        log_socket_errors=False,
        ident=None,
    )
    for server in _listening(sockets):
        server.channel_class = Channel
    return sockets


def _listening(sockets: dict[int, Any]) -> list[Any]:
    return [server for server in sockets.values() if isinstance(server, TcpWSGIServer)]


def _let_go_of_stuck(channels: list[Any]) -> None:
    """Close connections for which a thread waits in vain, and of strangers that do not end."""
    now = time.time()
    for channel in channels:
        if not isinstance(channel, HTTPChannel):
            continue
        coming = channel.request
        is_unread = channel.requests and channel.total_outbufs_len
        is_strange = coming is not None and not coming.is_kept and now - coming.began > _STRANGER
        if is_strange or (is_unread and now - channel.last_activity > _STUCK):
            channel.handle_close()


def _is_busy(channel: Any) -> bool:
    """Return whether an answer, or an upload, is under way."""
    if not isinstance(channel, HTTPChannel):
        return False
    is_coming = channel.request is not None and channel.request.is_kept
    return bool(channel.requests or channel.total_outbufs_len or is_coming)


def _allow_files() -> None:
    """Raise the limit on open files as far as it goes: a connection may take two."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - Windows has none

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
