"""Parts that are down: who needs none of them is answered, and who does is told at once."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import exif_blocks as eb
from conftest import picture
from harm import until
from online import LOCAL, post

pytestmark = pytest.mark.slow
TOKEN = "s3cret-of-ours"


@pytest.fixture
def silent():
    """Return the port of a server that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_forty_posts_that_wait_for_a_broker_keep_nobody_else_from_an_answer(online, silent):
    path = online(GRANPIPE_KAFKA=f"127.0.0.1:{silent}")
    path.web()
    photos = [eb.jpeg_at(1.0, 2.0, picture=picture(seed=number)) for number in range(40)]
    with ThreadPoolExecutor(40) as phones:
        coming = [phones.submit(path.post, photo, "corn") for photo in photos]
        assert path.ask("/is_alive").status == 200
        assert path.ask("/healthz").status == 200
        # The first twelve still wait for the broker.
        assert not all(one.done() for one in coming)
        answers = [one.result() for one in coming]
    assert {answer.status for answer in answers} == {503}
    assert {answer.headers["Retry-After"] for answer in answers} == {"10"}
    parts = {"store": "ok", "events": "down", "index": "ok"}
    until(lambda: path.ask("/readyz").json == parts, "the probes")
    assert path.ask("/readyz").status == 503
    assert "Kafka" in path.log() and "Traceback" not in path.log()


def test_readyz_says_which_part_is_down_and_when_it_is_back(client, tmp_path):
    here = client(GRANPIPE_TOKEN=TOKEN)

    def ready() -> tuple[int, dict]:
        answer = here.get("/readyz", environ_overrides=LOCAL)
        return answer.status_code, answer.json

    parts = {"store": "ok", "events": "ok", "index": "ok"}
    assert ready() == (200, parts)
    for name, file in (("events", "events.sqlite"), ("index", "positions.sqlite")):
        for left in (tmp_path / "state").glob(f"{file}*"):
            left.unlink()
        (tmp_path / "state" / file).mkdir()
        until(lambda name=name: ready() == (503, parts | {name: "down"}), f"{name} down")
        (tmp_path / "state" / file).rmdir()
        until(lambda: ready() == (200, parts), "all parts")
    assert here.get("/is_alive", environ_overrides=LOCAL).status_code == 200


def test_only_so_many_wait_for_a_part_and_once_it_is_down_nobody_does():
    pytest.importorskip("flask", reason="the extra service is not installed")
    from granpipe.service.events import DownError
    from granpipe.service.gate import Gate

    is_down, asked = threading.Event(), threading.Event()
    is_down.set()

    def probe() -> None:
        asked.set()
        if is_down.is_set():
            raise DownError("keeps silent")

    gate, inside, go_on = Gate("queue", probe), threading.Semaphore(0), threading.Event()

    def wait() -> str:
        try:
            with gate.passed():
                inside.release()
                go_on.wait(60)
        except DownError as error:
            return str(error)
        return "passed"

    with ThreadPoolExecutor(20) as threads:
        first = [threads.submit(wait) for _ in range(12)]
        for _ in first:
            assert inside.acquire(timeout=60)
        late = [threads.submit(wait).result() for _ in range(5)]
        go_on.set()
        assert [one.result() for one in first] == ["passed"] * 12
    assert set(late) <= {"queue: does not answer", "keeps silent"}
    assert asked.wait(60)
    until(lambda: gate.look() == "keeps silent", "a probe")
    assert wait() == "keeps silent"
    is_down.clear()
    until(lambda: wait() == "passed", "another probe")


def test_metrics_count_requests_by_route_and_status(client):
    here = client(GRANPIPE_TOKEN=TOKEN)
    known = LOCAL | {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}"}
    photo = eb.jpeg_at(1.0, 2.0)
    post(here, photo, "corn", **known)
    post(here, photo, "rice", **known)
    post(here, photo, "corn")
    here.get("/none/such", environ_overrides=known)
    answer = here.get("/metrics", environ_overrides=known)
    assert answer.mimetype == "text/plain"
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#")
    for status in (200, 409, 401):
        name = f'granpipe_requests_total{{route="/post_image",status="{status}"}}'
        assert lines[name] == "1.0"
    assert lines['granpipe_requests_total{route="(none)",status="404"}'] == "1.0"
    assert lines['granpipe_request_seconds_count{route="/post_image"}'] == "3.0"
    assert float(lines["granpipe_received_bytes_total"]) > 3 * len(photo)
