"""A proxy before an S3 server: it counts requests, and is slow, broken or down as it is told."""

import http.client
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

Rule = Callable[["Request"], Any]
"""Told of a request; returns None, a float of seconds to wait, a status to answer, a status with a
body, or `DROP`."""

DROP = "drop"


@dataclass(frozen=True)
class Request:
    """A request as the proxy saw it; `key` is the object's, or a listing's prefix.

    A deep listing is one without a delimiter.
    """

    method: str
    key: str
    is_list: bool
    is_deep: bool
    headers: dict[str, str] = field(compare=False, repr=False)

    @property
    def kind(self) -> str:
        return "LIST" if self.is_list else self.method


class Proxy:
    """Stands between granpipe and a server.

    Attributes
    ----------
    requests : list of Request
        All that came.
    rule : callable
        What is to be done with each; see `Rule`.
    alter : callable
        Told of a request and its answer's headers, which it may change.
    lose : set of str
        Methods whose first request for each key is obeyed, and its answer lost.
    lost : int
        How many answers were.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.requests: list[Request] = []
        self.rule: Rule = lambda request: None
        self.alter: Callable[[Request, dict[str, str]], object] = lambda request, headers: None
        self.lose: set[str] = set()
        self.lost = 0
        self._told: set[tuple[str, str]] = set()
        self.port = 0
        self.up()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Take requests, on the same port as before."""
        self._server = _HTTPServer(("127.0.0.1", self.port), _Handler)
        self._server.proxy = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def down(self) -> None:
        """Refuse connections, and drop those that are open."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server.drop_all()

    close = down

    def loses(self, request: "Request") -> bool:
        """Tell whether the answer to a request is to be lost."""
        place = (request.method, request.key)
        if request.method not in self.lose or place in self._told:
            return False
        self._told.add(place)
        self.lost += 1
        return True

    def forget(self) -> None:
        """Lose an answer for every key once more."""
        self._told.clear()

    def counts(self) -> Counter[str]:
        return Counter(request.kind for request in self.requests)

    def keys(self, kind: str) -> list[str]:
        return [request.key for request in self.requests if request.kind == kind]


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    proxy: Proxy

    def __init__(self, *args: Any) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def drop_all(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _HTTPServer

    def setup(self) -> None:
        super().setup()
        self.onward: http.client.HTTPConnection | None = None

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        if self.onward:
            self.onward.close()
        with suppress(OSError):
            super().finish()

    def take(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = _request(self.command, self.path, dict(self.headers.items()))
        proxy.requests.append(request)
        verdict = proxy.rule(request)
        if verdict == DROP:
            self.close_connection = True
            return
        if isinstance(verdict, int) and not isinstance(verdict, bool):
            self._answer(verdict, {}, b"<Error><Code>InternalError</Code></Error>")
            return
        if isinstance(verdict, tuple):
            self._answer(verdict[0], {}, verdict[1])
            return
        if isinstance(verdict, float):
            time.sleep(verdict)
        self._pass_on(body, request)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = take  # noqa: N815

    def _pass_on(self, body: bytes, request: Request) -> None:
        # The signature is over the header Host: it must arrive as the client wrote it.
        if self.onward is None:
            self.onward = http.client.HTTPConnection(self.server.proxy.upstream)
        self.onward.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in {"connection", "transfer-encoding"}:
                self.onward.putheader(name, value)
        self.onward.endheaders(body or None)
        answer = self.onward.getresponse()
        content = answer.read()
        if self.server.proxy.loses(request):
            self.close_connection = True
            return
        headers = {name.title(): value for name, value in answer.getheaders()}
        self.server.proxy.alter(request, headers)
        self._answer(answer.status, headers, content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length") if self.command == "HEAD" else len(body)
        dropped = {"content-length", "transfer-encoding", "connection"}
        for name, value in headers.items():
            if name.lower() not in dropped:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    """Let a server answer, in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tls(folder: Path) -> ssl.SSLContext:
    """Return what a server of 127.0.0.1 needs for TLS; the authority is in the folder's ca.pem."""
    authority = pytest.importorskip("trustme").CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _request(method: str, path: str, headers: dict[str, str]) -> Request:
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    is_list = method == "GET" and "list-type" in query
    _, _, key = unquote(parts.path).lstrip("/").partition("/")
    prefix = query.get("prefix", [""])[0]
    is_deep = is_list and "delimiter" not in query
    return Request(method, prefix if is_list else key, is_list, is_deep, headers)


def listing(keys: Sequence[str]) -> tuple[int, bytes]:
    """Return an answer to a listing, with these keys, whatever they are."""
    objects = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>9</Size><ETag>&quot;e&quot;</ETag>"
        "<LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in keys
    )
    text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{objects}</ListBucketResult>"
    return 200, text.encode()
