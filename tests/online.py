"""The online path in processes of its own: a web server, a worker, and who posts to them."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from brokers import free_port
from harm import PATIENCE, ROOT, launch, until


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class Online:
    """One set of folders, and the processes on it."""

    folder: Path
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def source(self) -> Path:
        return self.folder / "state/photographs"

    @property
    def output(self) -> Path:
        return self.folder / "state/arrays"

    def start(self, *command: str) -> subprocess.Popen:
        name = f"log-{self.port}-{len(self.processes)}"
        inject = self.folder / "inject"
        path = os.pathsep.join([str(inject), str(ROOT)])
        variables = os.environ | {"PYTHONPATH": path} | self.variables
        words = [sys.executable, "-m", *command]
        process = launch(words, self.folder / name, cwd=self.folder, env=variables)
        process.log = self.folder / name
        self.processes.append(process)
        return process

    def web(self) -> subprocess.Popen:
        return self.started(self.start("granpipe.service", "--port", str(self.port)))

    def started(self, process: subprocess.Popen) -> subprocess.Popen:
        until(self._answers, "the web server", process=process, log=process.log)
        return process

    def worker(self, *options: str) -> subprocess.Popen:
        return self.start("granpipe.service.worker", *options)

    def _answers(self) -> bool:
        try:
            self.ask("/is_alive")
        except OSError:
            return False
        return True

    def ask(
        self, path: str, data: bytes | None = None, method: str | None = None, **headers: str
    ) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, names, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def post(self, data: bytes, label: str | None = None, name: str = "a.jpg") -> Answer:
        body, kind = form(data, label, name)
        return self.ask("/post_image", body, Content_Type=kind)

    def delete(self, sha256: str, **headers: str) -> Answer:
        return self.ask(f"/photographs/{sha256}", method="DELETE", **headers)

    def state_of(self, sha256: str) -> str:
        return self.ask(f"/photographs/{sha256}").json.get("state", "")

    def sources(self, query: str = "") -> list[str]:
        """Return the paths of the photographs that the index places."""
        found = self.ask(f"/positions.geojson?{query}").json.get("features", [])
        return sorted(feature["properties"]["source"] for feature in found)

    def log(self) -> str:
        return "".join(process.log.read_text() for process in self.processes)

    def arrays(self) -> int:
        return sum(1 for _ in self.output.glob("[!.]*/*.npy"))

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def form(
    data: bytes, label: str | None = None, name: str = "a.jpg", **fields: str
) -> tuple[bytes, str]:
    """Return a form with a photograph, as curl writes it, and its content type."""
    edge = uuid4().hex
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: image/jpeg\r\n\r\n".encode()
        + data
        + b"\r\n"
    ]
    for field_name, text in (({} if label is None else {"label": label}) | fields).items():
        head = f'--{edge}\r\nContent-Disposition: form-data; name="{field_name}"\r\n\r\n'
        parts.append(head.encode() + text.encode() + b"\r\n")
    parts.append(f"--{edge}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={edge}"


@pytest.fixture
def online(tmp_path):
    """Make a set of folders for the online path; its processes end with the test."""
    for package in ("flask", "waitress", "confluent_kafka", "elastic_transport"):
        pytest.importorskip(package, reason="the extra service is not installed")
    made = []

    def make(folder: Path = tmp_path, **variables: str) -> Online:
        names = [name for name in os.environ if name.startswith("GRANPIPE_")]
        if "GRANPIPE_TOKEN" not in variables:
            variables.setdefault("GRANPIPE_OPEN", "local")
        made.append(Online(folder, dict.fromkeys(names, "") | variables))
        return made[-1]

    yield make
    for part in made:
        part.close()


LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}
"""What an application is told of a request from this machine, beside the request."""


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Return Flask's client of an application on folders; variables are for a moment."""
    pytest.importorskip("flask", reason="the extra service is not installed")
    from granpipe.service.http import make_app
    from granpipe.service.settings import read_settings

    def make(**variables):
        known = {"GRANPIPE_STATE": str(tmp_path / "state"), "GRANPIPE_LOG": "json"}
        if "GRANPIPE_TOKEN" not in variables:
            known["GRANPIPE_OPEN"] = "local"
        return make_app(read_settings(known | variables)).test_client(use_cookies=False)

    return make


def post(client, data, label=None, name="a.jpg", **environ):
    body, kind = form(data, label, name)
    return client.post(
        "/post_image", data=body, content_type=kind, environ_overrides=LOCAL | environ
    )


def kept(tmp_path) -> list[str]:
    root = tmp_path / "state/photographs"
    return sorted(p.relative_to(root).as_posix() for p in root.glob("[!.]*/*"))


def refused(answer, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.text.count("\n") == 1
    assert "Traceback" not in answer.text
    return answer.json["error"]
