"""kill -9 of a web server at every step of an upload; then the same bytes, under another label."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from itertools import product

import pytest

import exif_blocks as eb
from conftest import digest, picture
from harm import hooked, kill, until
from online import Online

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# The process dies before or after an operation, whose number is in a file; or waits before it.
_STEPS = """
import os, signal, threading, time
from pathlib import Path
from granpipe.service.queue import QueueFile
from granpipe.stores.bucket import Bucket
from granpipe.stores.folder import Folder

plan, steps, turn = Path("plan"), [], threading.Lock()

def stepped(do):
    def step(self, *values):
        if not plan.exists() or not getattr(self, "url", "photographs").endswith("photographs"):
            return do(self, *values)
        with turn:
            steps.append(do.__name__)
            number, _, what = plan.read_text().partition(" ")
            is_due = len(steps) == int(number)
        if is_due and what == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        if is_due and what == "waits":
            Path("waiting").touch()
            while Path("waiting").exists():
                time.sleep(0.01)
        done = do(self, *values)
        if is_due:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return step

for kind, names in {Folder: "", Bucket: "", QueueFile: "publish"}.items():
    for name in (names or "create delete replace write").split():
        setattr(kind, name, stepped(getattr(kind, name)))
"""

STEPS = [*product(range(1, 6), ("before", "after")), (6, "before")]  # the last never comes


def photo(number: int) -> bytes:
    return eb.jpeg_at(10.0, number / 4, picture=picture(64, 48, number))


@pytest.fixture(params=["disk", "S3"])
def path(request, online, tmp_path):
    """Make an online path on a disk, or on an S3 server, whose web servers can be killed."""
    hooked(tmp_path / "inject", _STEPS)
    if request.param == "disk":
        return online()
    lake = request.getfixturevalue("lake")
    stores = {"GRANPIPE_SOURCE": "photographs", "GRANPIPE_OUTPUT": "arrays"}
    return online(**{name: lake.url(folder) for name, folder in stores.items()})


def stores(path) -> tuple[str, str]:
    """Return the path's SOURCE and OUTPUT, for the command line."""
    source, output = (path.variables.get(f"GRANPIPE_{name}") for name in ("SOURCE", "OUTPUT"))
    return source or path.source, output or path.output


def kept(path) -> list[str]:
    """Return the photographs in SOURCE, without what killed writes leave: names with a dot."""
    from granpipe.stores.urls import open_store

    entries = open_store(str(stores(path)[0])).list()
    return sorted(one.path for one in entries if "/." not in f"/{one.path}")


def status_of(ask, *values) -> int:
    """Return the status of an answer; 0 where none came."""
    try:
        return ask(*values).status
    except (OSError, HTTPException):
        return 0


@pytest.fixture
def doomed(path):
    """Return a second web server on the same stores, for requests that kill it."""
    with closing(Online(path.folder, path.variables)) as doomed:
        yield doomed


def kill_at(doomed, number: int, what: str, ask, *values) -> int:
    """Do a request to a web server that dies at a step, if it has so many; return its status."""
    if not doomed.processes or doomed.processes[-1].poll() is not None:
        doomed.web()
    (doomed.folder / "plan").write_text(f"{number} {what}")
    status = status_of(ask, *values)
    (doomed.folder / "plan").unlink()
    return status


def test_after_a_kill_at_any_step_each_photograph_has_one_label_and_no_conflict(
    path, doomed, granpipe
):
    path.web()
    labels = {}
    for number, what in STEPS:
        data = eb.jpeg_at(number, len(what))
        first = kill_at(doomed, number, what, doomed.post, data, "corn")
        assert (number <= 5) == (first == 0)
        answers = {label: path.post(data, label).status for label in ("wheat", "corn")}
        assert sorted(answers.values()) == [200, 409]
        labels[digest(data)] = min(answers, key=answers.get)
        assert first == 0 or labels[digest(data)] == "corn"
    assert kept(path) == sorted(f"{label}/{name}.jpg" for name, label in labels.items())
    path.worker()
    until(lambda: all(path.state_of(name) == "prepared" for name in labels), "the worker")
    result = granpipe("prepare", *stores(path))
    assert "11 prepared (11 unchanged), 0 rejected" in result.stdout
    for name, label in labels.items():
        assert path.ask(f"/photographs/{name}").json["label"] == label
        assert path.delete(name).status == 200
        assert path.ask(f"/photographs/{name}").status == 404
    assert kept(path) == []
    assert "Traceback" not in path.log() + doomed.log()


def test_a_killed_deletion_is_done_by_the_next_one(path, doomed):
    path.web()
    for number, what in STEPS:
        data = eb.jpeg_at(number, len(what))
        path.post(data, "corn")
        first = kill_at(doomed, number, what, doomed.delete, digest(data))
        assert path.delete(digest(data)).status in ({200, 404} if first == 0 else {404})
        assert kept(path) == []
        assert path.ask(f"/photographs/{digest(data)}").status == 404
        assert path.post(data, "corn").status == 410


@pytest.mark.parametrize("cleaner", ["worker", "deletion"])
def test_bytes_that_come_after_their_deletion_are_found_and_deleted(path, granpipe, cleaner):
    data, name, late = photo(1), digest(photo(1)), f"corn/{digest(photo(1))}.jpg"
    (path.folder / "plan").write_text("3 waits")
    slow, other = path.web(), Online(path.folder, path.variables)
    with ThreadPoolExecutor(1) as phone, closing(other):
        coming = phone.submit(status_of, path.post, data, "corn")
        until((path.folder / "waiting").exists, "the upload")
        (path.folder / "plan").unlink()
        other.web()
        assert other.delete(name).status == 200
        (path.folder / "waiting").unlink()
        assert coming.result() == 0
    kill(slow)
    assert kept(path) == [late]
    path.web()
    if cleaner == "worker":
        path.worker()
        until(lambda: not kept(path), "the worker")
    else:
        assert path.delete(name).json["source"] == late
    assert path.ask(f"/photographs/{name}").status == 404
    assert [path.post(data, label).status for label in ("corn", "wheat")] == [410, 200]
    assert kept(path) == [f"wheat/{name}.jpg"]
    assert "1 prepared" in granpipe("prepare", *stores(path)).stdout


def test_phones_that_post_the_same_bytes_to_two_servers_get_one_label_whatever_is_killed(
    path, granpipe, rng
):
    servers = {"corn": path, "wheat": Online(path.folder, path.variables)}
    photos, answers = [photo(number) for number in range(40)], {}

    def post_all(label: str) -> None:
        for data in photos:
            key = digest(data), label
            while answers.get(key, 0) not in {200, 409}:
                answers[key] = status_of(servers[label].post, data, label)

    with ThreadPoolExecutor(2) as phones, closing(servers["wheat"]):
        running = {label: server.web() for label, server in servers.items()}
        done = [phones.submit(post_all, label) for label in servers]
        while not all(one.done() for one in done):
            time.sleep(rng.uniform(0.2, 0.6))
            label = rng.choice([*servers])
            kill(running[label])
            running[label] = servers[label].web()
        [one.result() for one in done]
    taken = {name: label for (name, label), status in answers.items() if status == 200}
    assert sorted(answers.values()) == [200] * len(photos) + [409] * len(photos)
    assert kept(path) == sorted(f"{label}/{name}.jpg" for name, label in taken.items())
    result = granpipe("prepare", *stores(path))
    assert f"{len(photos)} prepared" in result.stdout and " 0 rejected" in result.stdout
    assert "Traceback" not in path.log()
