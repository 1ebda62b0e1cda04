"""What a bucket and its server can do to a run: refuse it, go away, wait, change, lie."""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from granpipe.jobs.prepare import prepare

from buckets import KEY, READER_KEY, READER_SECRET, SECRET, Lake, variables
from conftest import ROOT, digest, picture, save, tree
from harm import until
from proxies import DROP, listing

PHOTOGRAPHS = 16


@pytest.fixture(scope="module")
def img(tmp_path_factory) -> Path:
    """Return a folder of small photographs."""
    folder = tmp_path_factory.mktemp("faults") / "img"
    for number in range(PHOTOGRAPHS):
        save(folder / ("corn", "wheat")[number % 2] / f"{number:02}.png", picture(seed=number))
    return folder


@pytest.fixture(scope="module")
def whole(img) -> dict[str, bytes]:
    """Return the files of an undisturbed run."""
    prepare(img, img.parent / "whole")
    return tree(img.parent / "whole")


@pytest.fixture
def full(lake, img) -> Lake:
    """Return a bucket with the photographs below img/."""
    lake.upload(img, "img")
    return lake


def rows_in(files: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """Return the rows of a labels.csv, by source."""
    lines = files["labels.csv"].decode().splitlines()
    return {row["source"]: row for row in csv.DictReader(lines)}


def is_one_line(result) -> str:
    """Check that a command said one line, and return it."""
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("granpipe: ")
    assert result.stdout == ""
    return result.stderr


@pytest.fixture
def commands(granpipe, lake, tmp_path):
    """Return the ways in which a command meets a bucket first: as source, output, or file."""
    save(tmp_path / "img/corn/a.png")
    granpipe("prepare", "-q", tmp_path / "img", tmp_path / "out")
    return [
        ("prepare", lake.url("img"), tmp_path / "new"),
        ("prepare", tmp_path / "img", lake.url("out")),
        ("prepare", tmp_path / "img", tmp_path / "out", "--preview", lake.url("sheet.png")),
        ("augment", lake.url("out")),
        ("augment", tmp_path / "out", "-o", lake.url("copies")),
        ("map", lake.url("img"), "-o", tmp_path / "map.html"),
        ("map", tmp_path / "img", "-o", lake.url("map.html")),
    ]


def test_a_wrong_secret_is_one_line(granpipe, commands, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET[::-1])
    for command in commands:
        line = is_one_line(granpipe(*command, code=1))
        assert "access denied (SignatureDoesNotMatch); check AWS_ACCESS_KEY_ID" in line


def test_a_bucket_that_is_not_there_is_one_line(granpipe, lake, commands):
    for command in commands:
        words = [str(word).replace(lake.name, "no-such-bucket") for word in command]
        line = is_one_line(granpipe(*words, code=1))
        assert line == "granpipe: s3://no-such-bucket: there is no such bucket\n"


def test_a_dead_endpoint_is_one_line(granpipe, commands, proxy, monkeypatch):
    proxy.down()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for command in commands:
        assert "no good answer" in is_one_line(granpipe(*command, code=1))
    proxy.up()


def test_who_may_only_read_is_told_so_and_may_look_at_what_is_up_to_date(
    granpipe, full, monkeypatch
):
    command = ("prepare", full.url("img"), full.url("out"))
    for name, value in variables(full.endpoint, READER_KEY, READER_SECRET).items():
        monkeypatch.setenv(name, value)
    assert "access denied" in is_one_line(granpipe(*command, code=1))
    assert full.objects("out") == {}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    granpipe(*command)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", READER_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", READER_SECRET)
    assert f"({PHOTOGRAPHS} unchanged)" in granpipe(*command).stdout


@pytest.mark.parametrize("fault", [503, DROP])
def test_a_fault_for_a_while_costs_nothing(granpipe, full, proxy, whole, fault):
    seen: dict[tuple[str, str], int] = {}

    def rule(request):
        # The first try of every request comes to nothing.
        place = (request.kind, request.key)
        seen[place] = seen.get(place, 0) + 1
        return fault if seen[place] == 1 else None

    proxy.rule = rule
    granpipe("prepare", full.url("img"), full.url("out"))
    assert full.tree("out") == whole
    assert full.own("out") == {"ledger.sqlite"}
    assert len(seen) > 2 * PHOTOGRAPHS


def test_an_answer_that_is_lost_after_the_deed_costs_nothing(granpipe, full, proxy, whole):
    proxy.lose = {"PUT", "DELETE"}
    granpipe("prepare", full.url("img"), full.url("out"))
    assert full.tree("out") == whole
    assert full.own("out") == {"ledger.sqlite"}
    assert proxy.lost > PHOTOGRAPHS


def test_a_server_that_is_down_for_a_while_is_waited_for(granpipe, full, proxy, whole):
    def out_for_a_while():
        until(lambda: proxy.keys("PUT"), every=0.005)
        proxy.down()
        time.sleep(1)
        proxy.up()

    thread = threading.Thread(target=out_for_a_while)
    thread.start()
    granpipe("prepare", full.url("img"), full.url("out"))
    thread.join()
    assert full.tree("out") == whole


@pytest.mark.parametrize("after", [0, 3, 9, 25, "out/rejected.csv", "out/dataset.json"])
def test_a_server_that_goes_down_for_good_is_one_line_and_the_next_run_completes(
    granpipe, full, proxy, whole, monkeypatch, after
):
    def is_over() -> bool:
        past = proxy.keys("PUT") if isinstance(after, str) else range(len(proxy.requests))
        return after in past

    proxy.rule = lambda request: DROP if is_over() else None
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    line = is_one_line(granpipe("prepare", full.url("img"), full.url("out"), code=1))
    assert "no good answer" in line
    assert "run again" in line
    proxy.rule = lambda request: None
    granpipe("prepare", full.url("img"), full.url("out"))
    assert full.tree("out") == whole
    # A run that need not write takes no lock, so that a dead one's may stay.
    assert full.own("out") - {"lock"} == {"ledger.sqlite"}


def test_copies_survive_the_same(granpipe, full, proxy, monkeypatch):
    granpipe("prepare", full.url("img"), full.url("out"))
    granpipe("augment", full.url("out"), "--copies", 2, "-o", full.url("expected"))
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    before = len(proxy.requests)
    proxy.rule = lambda request: 503 if len(proxy.requests) > before + 30 else None
    is_one_line(granpipe("augment", full.url("out"), "--copies", 2, code=1))
    proxy.rule = lambda request: None
    granpipe("augment", full.url("out"), "--copies", 2)
    assert full.tree("out/augmented") == full.tree("expected")


def test_slow_answers_are_waited_for_side_by_side(granpipe, full, proxy, whole):
    under_way: list[str] = []
    most = {"GET": 0, "PUT": 0}

    def rule(request):
        if request.key.endswith((".png", ".npy")):
            under_way.append(request.kind)
            most[request.kind] = max(most[request.kind], under_way.count(request.kind))
            time.sleep(0.1)
            under_way.remove(request.kind)

    proxy.rule = rule
    granpipe("prepare", full.url("img"), full.url("out"), "--workers", 1)
    assert full.tree("out") == whole
    assert min(most.values()) >= 2
    assert max(most.values()) <= 8


SAYING_SECRETS = re.compile("|".join(map(re.escape, (SECRET, SECRET.replace("/", "%2F")))))


@pytest.mark.parametrize(
    ("trouble", "logs"), [("", None), ("", "trace"), ("secret", "trace"), ("down", "trace")]
)
def test_the_secret_stands_nowhere(start, full, proxy, tmp_path, logs, trouble):
    environment = {name: value for name, value in os.environ.items() if name != "RUST_LOG"}
    environment |= {"RUST_LOG": logs} if logs else {}
    environment["AWS_MAX_ATTEMPTS"] = "1"
    if trouble == "secret":
        environment["AWS_ACCESS_KEY_ID"] = READER_KEY
    if trouble == "down":
        proxy.rule = lambda request: DROP if len(proxy.requests) > 20 else None
    command = ("prepare", full.url("img"), full.url("out"), "--preview", tmp_path / "a.png")
    process = start(*command, env=environment)
    output, errors = process.communicate()
    assert process.returncode == bool(trouble), errors
    assert "Traceback" not in errors
    assert errors.count("\n") == bool(trouble)
    written = b"".join(full.get(key) for key in full.objects() if not key.startswith("img/"))
    seen = output + errors + written.decode("utf-8", "replace")
    assert not SAYING_SECRETS.search(seen)
    assert any("authorization" in request.headers for request in proxy.requests)


def test_an_object_replaced_between_listing_and_reading_is_seen_the_next_time(
    granpipe, full, proxy, img, tmp_path
):
    def rule(request):
        if request.method == "GET" and request.key == "img/corn/00.png":
            proxy.rule = lambda request: None
            full.put("img/corn/00.png", (img / "corn/02.png").read_bytes()[:-1] + b"!")
            full.delete("img/corn/04.png")

    proxy.rule = rule
    granpipe("prepare", full.url("img"), full.url("out"), "--workers", 1)
    tables = full.tree("out")
    found = rows_in(tables)["corn/00.png"]["sha256"]
    assert found == digest(full.get("img/corn/00.png"))
    proxy.requests.clear()
    granpipe("prepare", full.url("img"), full.url("out"))
    again = rows_in(full.tree("out"))
    assert again["corn/00.png"]["sha256"] == found
    assert "corn/04.png" not in again
    assert "img/corn/00.png" not in proxy.keys("GET")


DEAF = """
import sys
from granpipe.commands import ending, group
ending.PATIENCE = 0.3
sys.argv[1:] = {words}
group.main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_that_waits_for_a_silent_server(server, number, code):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-c", DEAF.format(words=["map", "s3://lake/img"])],
            env=os.environ | variables(endpoint),
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        assert connection.recv(9)
        process.send_signal(number)
        _, errors = process.communicate(timeout=5)
        connection.close()
    assert process.returncode == code
    assert errors.count("\n") == 1
    assert errors.startswith("granpipe: ")


@pytest.mark.parametrize("prefix", ["img/wheat", "out/wheat"])
def test_a_prefix_that_may_not_be_listed_is_named(granpipe, full, proxy, prefix):

    def rule(request):
        folder = request.key.rstrip("/") if request.is_list else ""
        if folder == "img" and request.is_deep and prefix.startswith("img"):
            return listing(["img/wheat//x.png"])  # so that folder after folder is listed
        return (403, b"<Error><Code>AccessDenied</Code></Error>") if folder == prefix else None

    proxy.rule = rule
    result = granpipe("prepare", full.url("img"), full.url("out"), code=1)
    if prefix.startswith("img"):
        assert f"{PHOTOGRAPHS // 2} photographs found" in result.stdout
        assert "wheat: cannot list the folder: access denied" in result.stderr
    else:
        assert f"{full.url(prefix)}: cannot list the folder: access denied" in is_one_line(result)
