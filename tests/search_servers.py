"""Real search servers for the tests, and what people put before them."""

import base64
import http.client
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from brokers import free_ports
from harm import kill, launch, until
from programs import BRIEF, jars
from proxies import served, tls

JAVA = Path(__file__).parent / "java/search"
PROFILES = ["opensearch-2.19.6", "elasticsearch-7.17.29"]
KEY = base64.b64encode(b"granpipe-tests:s3cret-key").decode()
USER, PASSWORD = "granpipe", "s3cret/pass:word@"


def search_jars(profile: str) -> Path:
    """Return the folder with the jars of a server."""
    return jars(JAVA / "pom.xml", profile)


@dataclass
class SearchServer:
    """A server of one node, its folder and its ports, which stay when it is started again."""

    profile: str
    folder: Path
    jars: Path
    ports: list[int]
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def start(self) -> None:
        program, log = self.folder / "SearchServer.java", self.folder / "log"
        code = (JAVA / program.name).read_text()
        program.write_text(code.replace("org.opensearch", f"org.{self.profile.split('-')[0]}"))
        command = ["java", *BRIEF, "-Xms256m", "-Xmx256m", "-cp", f"{self.jars}/*", str(program)]
        self.process = launch([*command, self.folder, *self.ports], log)
        until(self._answers, self.profile, 180, process=self.process, log=log, every=0.2)

    def _answers(self) -> bool:
        try:
            return self.ask("GET", "/")["version"]["number"] in self.profile
        except OSError:
            return False

    def kill(self) -> None:
        kill(self.process)

    def ask(self, method: str, path: str, body: object = None) -> dict:
        """Ask the server past granpipe's own code."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.ports[0])) as connection:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read() or b"{}")


@pytest.fixture(scope="session")
def search_programs(tmp_path_factory) -> Iterator[Callable[[str], SearchServer]]:
    """Return what starts a server, once for all tests of a process, or skips."""
    programs: dict[str, SearchServer] = {}

    def running(profile: str) -> SearchServer:
        if profile not in programs:
            files = search_jars(profile)
            folder = tmp_path_factory.mktemp(profile)
            (folder / "config").mkdir()
            programs[profile] = SearchServer(profile, folder, files, free_ports(2))
        program = programs[profile]
        if program.process is None or program.process.poll() is not None:
            program.start()  # the first time, or as a test has killed it
        return program

    yield running
    for program in programs.values():
        program.kill()


@pytest.fixture(params=PROFILES)
def search_server(search_programs, record_property, request) -> SearchServer:
    """Return a server that runs."""
    record_property("server", request.param)
    return search_programs(request.param)


def settings(url: str, **more: str):
    """Return settings with an index of their own."""
    from granpipe.service.settings import read_settings

    index = {"GRANPIPE_SEARCH_INDEX": f"test-{uuid4().hex}"}
    names = {f"GRANPIPE_SEARCH_{name.upper()}": value for name, value in more.items()}
    return read_settings({"GRANPIPE_SEARCH": url} | index | names)


class _Guard(BaseHTTPRequestHandler):
    """Hands on requests that carry the key, or user and password."""

    protocol_version = "HTTP/1.1"
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        given = self.headers.get("Authorization")
        if given not in {f"ApiKey {KEY}", f"Basic {self.basic}"}:
            error = {"type": "security_exception", "reason": f"unable to authenticate {given}"}
            self._answer(401, json.dumps({"error": {"root_cause": [error]}}).encode())
            return
        with closing(http.client.HTTPConnection(*self.server.upstream)) as connection:
            kind = {"Content-Type": self.headers.get("Content-Type", "application/json")}
            connection.request(self.command, self.path, body, kind)
            answer = connection.getresponse()
            self._answer(answer.status, answer.read())

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = take  # noqa: N815

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about clients that do not trust the certificate."""


@contextmanager
def secured(server: SearchServer, folder: Path) -> Iterator[tuple[str, str]]:
    """Put TLS and a check of who asks before a server; yield its address and its CA's file."""
    context = tls(folder)
    guard = _Quiet(("127.0.0.1", 0), _Guard)
    guard.upstream = ("127.0.0.1", server.ports[0])
    guard.socket = context.wrap_socket(
        guard.socket, server_side=True, do_handshake_on_connect=False
    )
    with served(guard):
        yield f"https://127.0.0.1:{guard.server_address[1]}", str(folder / "ca.pem")


@contextmanager
def answering(status: int, kind: str, body: bytes) -> Iterator[str]:
    """Start what answers each request the same, and yield its address."""

    class Same(_Guard):
        def take(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(status, body, kind)

        do_POST = do_HEAD = take  # noqa: N815

    server = _Quiet(("127.0.0.1", 0), Same)
    with served(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"
