"""kill -9 in the middle of 300 photographs: nothing is lost, and nothing is doubled."""

import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from http.client import HTTPException
from uuid import uuid4

import pytest

from brokers import events_waiting
from conftest import digest, photographs, rows
from harm import kill, until
from search_servers import PROFILES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

PHOTOGRAPHS = 300


def post_all(path, photos, acknowledged: set[str]) -> None:
    """Post photographs as a phone does: again and again until each is acknowledged."""

    def is_taken(photo: bytes, label: str) -> bool:
        try:
            return path.post(photo, label).status == 200
        except (OSError, HTTPException):
            return False

    for number, photo in enumerate(photos):
        label = ("corn", "wheat")[number % 2]
        until(lambda p=photo, to=label: is_taken(p, to), "an answer to a post", 180)
        acknowledged.add(digest(photo))


def is_done(path) -> bool:
    """Return whether no event waits; before a worker has looked for some, there is no table."""
    if path.variables.get("GRANPIPE_KAFKA"):
        return events_waiting(path.variables) == 0
    with closing(sqlite3.connect(path.folder / "state/events.sqlite")) as queue:
        try:
            return queue.execute("SELECT count(*) FROM events").fetchone() == (0,)
        except sqlite3.OperationalError:
            return False


def check(path, photos, granpipe) -> None:
    """See that each is one array, one position and one row, nothing else is, and no event waits."""
    digests = {*map(digest, photos)}
    until(lambda: len(path.sources()) >= len(photos), "all positions", 120)
    assert sorted(name.split("/")[1][:64] for name in path.sources()) == sorted(digests)
    assert path.arrays() == len(photos)
    result = granpipe("prepare", path.source, path.output)
    assert f"{len(photos)} prepared ({len(photos)} unchanged)" in result.stdout
    assert {row["sha256"] for row in rows(path.output / "labels.csv")} == digests
    until(lambda: is_done(path), "the end of the queue")


def test_killed_web_and_worker_lose_and_double_nothing(online, granpipe, rng):
    path, photos, acknowledged = online(), photographs(PHOTOGRAPHS), set()
    web, worker = path.web(), path.worker()
    phone = threading.Thread(target=post_all, args=(path, photos, acknowledged))
    phone.start()
    for goal in (40, 120, 200):
        until(lambda goal=goal: len(acknowledged) >= goal, "posts")
        kill(web)
        web = path.web()
        until(lambda goal=goal: path.arrays() >= goal // 2, "arrays")
        time.sleep(rng.uniform(0, 0.3))
        kill(worker)
        worker = path.worker()
    phone.join()
    check(path, photos, granpipe)
    assert "Traceback" not in path.log()


def kill_all_at_once(path, server, granpipe) -> None:
    """Kill web, worker and server twice while a phone posts; nothing may be lost or doubled."""
    photos, acknowledged = photographs(PHOTOGRAPHS), set()
    phone = threading.Thread(target=post_all, args=(path, photos, acknowledged))
    processes = [path.web(), path.worker()]
    phone.start()
    for goal in (60, 180):
        until(lambda goal=goal: len(acknowledged) >= goal and path.arrays() >= goal // 2, "posts")
        for process in processes:
            kill(process)
        server.kill()
        server.start()
        processes = [path.web(), path.worker()]
    phone.join()
    check(path, photos, granpipe)
    assert "Traceback" not in path.log()


def on(server) -> dict[str, str]:
    """Return the variables for an index of this test alone on a search server."""
    return {"GRANPIPE_SEARCH": server.url, "GRANPIPE_SEARCH_INDEX": f"kills-{uuid4().hex}"}


@pytest.mark.parametrize("search_server", PROFILES[:1], indirect=True)
def test_web_worker_and_search_server_killed_at_once_lose_and_double_nothing(
    online, search_server, granpipe
):
    kill_all_at_once(online(**on(search_server)), search_server, granpipe)


def test_a_search_server_that_lost_its_index_is_filled_again_from_the_dataset(
    online, search_server, granpipe
):
    variables = on(search_server)
    path, photos = online(**variables), photographs(30)
    path.web()
    worker = path.worker()
    post_all(path, photos, set())
    check(path, photos, granpipe)
    kill(worker)
    search_server.ask("DELETE", f"/{variables['GRANPIPE_SEARCH_INDEX']}")
    until(lambda: path.ask("/positions.geojson").json.get("features") == [], "an empty index")
    assert path.worker("--reindex").wait(60) == 0
    path.worker()
    check(path, photos, granpipe)

    search_server.ask("DELETE", f"/{variables['GRANPIPE_SEARCH_INDEX']}")
    photos += photographs(31)[30:]
    post_all(path, photos[30:], set())
    check(path, photos, granpipe)
    assert "Traceback" not in path.log()


def test_what_no_event_told_and_a_lost_index_are_found_when_the_worker_starts(online, granpipe):
    path, photos = online(), photographs(20)
    path.web()
    post_all(path, photos, set())
    for lost in (path.folder / "state").glob("events.sqlite*"):
        lost.unlink()
    worker = path.worker()
    check(path, photos, granpipe)
    kill(worker)
    for lost in (path.folder / "state").glob("positions.sqlite*"):
        lost.unlink()
    assert path.worker("--reindex").wait(60) == 0
    check(path, photos, granpipe)
    path.worker()
    post_all(path, photos[:1], set())
    check(path, photos, granpipe)


def test_prepare_waits_for_a_batch_and_the_worker_for_a_prepare(online, granpipe, start):
    path, photos = online(), photographs(60)
    path.web()
    post_all(path, photos, set())
    path.worker()
    until(lambda: path.arrays() > 0, "an array")
    preparing = start("prepare", path.source, path.output)
    said = preparing.communicate(timeout=60)
    assert preparing.returncode == 0, said
    check(path, photos, granpipe)


def test_sigterm_in_the_middle_of_a_batch_ends_the_worker_and_gives_the_batch_back(
    online, granpipe
):
    path, photos = online(), photographs(200)
    path.web()
    post_all(path, photos, set())
    worker = path.worker()
    until(lambda: path.arrays() > 0, "an array")
    worker.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert worker.wait(10) == 0
    assert time.monotonic() - began < 10
    assert path.arrays() < len(photos)
    path.worker()
    check(path, photos, granpipe)
    assert "Traceback" not in path.log()


def test_a_lost_ledger_is_left_to_prepare_and_the_worker_waits_for_it(online, granpipe):
    path, photos = online(), photographs(6)
    path.web()
    post_all(path, photos[:3], set())
    path.worker()
    check(path, photos[:3], granpipe)
    before = (path.output / "dataset.json").read_bytes()
    (path.output / ".granpipe/ledger.sqlite").unlink()
    post_all(path, photos[3:], set())
    until(lambda: "run granpipe prepare" in path.log(), "a line of the worker")
    assert (path.arrays(), (path.output / "dataset.json").read_bytes()) == (3, before)
    granpipe("prepare", path.source, path.output)
    until(lambda: path.state_of(digest(photos[5])) == "prepared", "the worker")
    check(path, photos, granpipe)
