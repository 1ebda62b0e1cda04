"""What service/README.md shows for production: nginx runs as shown there, the rest is parsed."""

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

import exif_blocks as eb
from brokers import free_port
from conftest import ROOT
from harm import launch, until
from online import Online, form

TOKEN = "s3cret-of-ours"
README = (ROOT / "granpipe/service/README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return text


def options_of(module: str) -> set[str]:
    pytest.importorskip("waitress", reason="the extra service is not installed")
    command = [sys.executable, "-m", module, "--help"]
    return set(re.findall(r"--[a-z]+", subprocess.check_output(command, cwd=ROOT, text=True)))


def check_command(words: list[str]) -> None:
    """See that a command starts a module of ours, with options that it has."""
    python, dash, module, *options = words
    assert (python.rpartition("/")[2], dash) == ("python", "-m")
    assert {word for word in options if word.startswith("--")} <= options_of(module)


@pytest.fixture
def nginx(online, tmp_path):
    """Start nginx as the README has it, but for TLS, before an online path; return the latter."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if not program:
        pytest.skip("nginx is not installed")
    started = []

    def start(**variables: str):
        path = online(**variables)
        path.web()
        front = free_port()
        site = re.sub(r"ssl_certificate.*;", "", block("nginx"))
        site = site.replace("443 ssl", f"127.0.0.1:{front}").replace(":8000", f":{path.port}")
        places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        temporary = "".join(f"{name}_temp_path {tmp_path}/{name};\n" for name in places)
        conf = tmp_path / "nginx.conf"
        conf.write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/errors;\n"
            f"events {{}}\nhttp {{ access_log off;\n{temporary}{site}}}\n"
        )
        process = subprocess.Popen([program, "-c", str(conf), "-e", f"{tmp_path}/errors"])
        started.append(process)
        path.direct, path.port = path.port, front
        until(path._answers, "nginx", process=process)
        return path

    yield start
    for process in started:
        process.terminate()
        process.wait()


def test_nginx_as_in_the_readme_passes_on_photographs_below_a_prefix(nginx):
    path = nginx(GRANPIPE_TOKEN=TOKEN, GRANPIPE_LOG="json")
    known = {"Authorization": f"Bearer {TOKEN}"}
    body, kind = form(eb.jpeg_at(10.0, 20.0), "corn")
    here = f"http://127.0.0.1:{path.port}"
    page = path.ask("/photos/")
    assert (page.status, b"<html" in page.body) == (200, True)
    assert not re.findall(rb"(?:src|href|action)=[\"\']?/", page.body)
    posted = path.ask("/photos/post_image", body, Content_Type=kind, Origin=here, **known)
    assert posted.status == 200
    told = path.ask(f"/photos/photographs/{posted.json['sha256']}", **known)
    assert told.json["state"] == "received"
    evil = path.ask(
        "/photos/post_image", body, Content_Type=kind, Origin="http://evil.example", **known
    )
    assert evil.status == 403
    forged = path.ask("/photos/map", X_Forwarded_For="127.0.0.1", X_Forwarded_Host="localhost")
    assert forged.status == 401
    request_id = posted.headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", request_id)
    assert any(json.loads(line).get("id") == request_id for line in path.log().splitlines() if line)


def test_open_to_this_machine_is_not_open_to_what_comes_through_nginx(nginx):
    path = nginx(GRANPIPE_OPEN="local")
    for headers in ({}, {"Host": "localhost"}, {"X_Forwarded_For": "127.0.0.1"}):
        for route in ("/photos/map", "/photos/is_alive", "/photos/"):
            assert path.ask(route, **headers).status == 403


def test_the_systemd_unit_starts_what_there_is():
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(block("ini"))
    check_command(shlex.split(unit["Service"]["ExecStart"]))
    assert unit["Service"]["RestartPreventExitStatus"] == "2"
    assert set(unit) == {"DEFAULT", "Unit", "Service", "Install"}


def test_systemd_itself_finds_no_fault_with_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    file = tmp_path / "granpipe-web.service"
    text = block("ini").replace("/opt/granpipe/bin/python", sys.executable)
    file.write_text(re.sub("^(User|EnvironmentFile)=.*\n", "", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert "granpipe-web.service" not in done.stderr, done.stderr


def test_the_dockerfile_starts_what_there_is():
    lines = [line.split(maxsplit=1) for line in block("dockerfile").splitlines() if line]
    words = dict(lines)
    assert lines[0][0] == "FROM"
    assert set(words) <= {"FROM", "RUN", "COPY", "USER", "WORKDIR", "ENV", "EXPOSE", "CMD"}
    check_command(json.loads(words["CMD"]))
    extras = re.search(r"\[(.*?)\]", block("dockerfile"))[1].split(",")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras) <= set(project["optional-dependencies"])


def test_the_kubernetes_manifest_probes_routes_that_there_are(client):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    deployment, service = yaml.safe_load_all(block("yaml"))
    assert (deployment["kind"], service["kind"]) == ("Deployment", "Service")
    pod = deployment["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in pod["containers"]:
        check_command(container["args"])
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    web = pod["containers"][0]
    here = client(GRANPIPE_TOKEN=TOKEN)
    for probe in ("livenessProbe", "readinessProbe"):
        asked = web[probe]["httpGet"]
        assert here.get(asked["path"]).status_code == 200
        assert asked["port"] == web["ports"][0]["containerPort"]
    assert service["spec"]["ports"][0]["targetPort"] == 8000
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]


@pytest.mark.slow
def test_make_serve_makes_a_token_and_prints_the_address_to_open(tmp_path):
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    pytest.importorskip("waitress", reason="the extra service is not installed")
    port, tokens = free_port(), []
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin/python").chmod(0o755)
    command = ["make", "-f", ROOT / "Makefile", "-o", ".venv/installed-service", "serve"]
    variables = {"PYTHONPATH": str(ROOT), "GRANPIPE_TOKEN": "", "GRANPIPE_OPEN": ""}
    command += [f"PORT={port}", f"BIN={tmp_path}/bin"]
    for log in (tmp_path / "first", tmp_path / "second"):
        serving = launch(command, log, cwd=tmp_path, env=os.environ | variables)
        try:
            path = Online(tmp_path, {}, port)
            until(path._answers, "the web server", process=serving, log=log)
            tokens += re.findall(rf"http://127.0.0.1:{port}/#(\S+)", log.read_text())
            assert path.ask("/map").status == 401
            assert path.ask("/map", Authorization=f"Bearer {tokens[-1]}").status == 200
        finally:
            os.killpg(serving.pid, signal.SIGINT)
            serving.wait(60)
        until(lambda at=log: at.read_text().count("stopped") == 2, "both processes")
    assert len(tokens) == 2 and len(set(tokens)) == 1
    assert (tmp_path / "state/token").stat().st_mode & 0o77 == 0
