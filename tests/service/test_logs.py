"""What the logs tell, and what they do not."""

import base64
import hashlib
import json
import re
import urllib.request

import exif_blocks as eb
from brokers import free_port
from conftest import picture
from harm import until
from online import form

TOKEN = "s3cret-of-ours"
LABEL, NAME = "sorghum", "holiday.jpg"
LINES = {
    "start": {"time", "what", "granpipe", "python", "pillow", "flask", "source", "output"}
    | {"events", "index", "engine", "token"},
    "request": {"time", "what", "id", "method", "route", "status", "received", "ms"},
    "batch": {"time", "what", "photographs", "prepared", "kept", "rejected", "seconds", "lag"},
    "stopped": {"time", "what"},
}
MAY = {"request": {"photo", "why", "path"}, "start": {"host", "port"}, "batch": {"waited"}}


def test_a_line_for_each_request_and_batch_and_no_token_position_or_name_in_any(online):
    path = online(GRANPIPE_TOKEN=TOKEN, GRANPIPE_LOG="json")
    web, worker = path.web(), path.worker()
    where = (48.123456, 11.654321, 540.5, "2024:06:01 15:10:02", "Pixel 7")
    photo = eb.jpeg_at(*where, picture=picture(320, 240))
    digests = [hashlib.sha256(data).hexdigest() for data in (photo, photo[:-60])]
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    known = {"Authorization": f"Bearer {TOKEN}"}
    before = web.log.read_text().count('"request"')
    for data in (photo, photo[:-60], b"nonsense"):
        body, kind = form(data, LABEL, NAME)
        path.ask("/post_image", body, Content_Type=kind, **known)
    asked = 3

    def ask(route: str, **headers: str):
        nonlocal asked
        asked += 1
        return path.ask(route, **headers)

    def is_done(digest: str) -> bool:
        return ask(f"/photographs/{digest}", **known).json["state"] in {"prepared", "rejected"}

    until(lambda: all(map(is_done, digests)), "the worker")
    found = ask(f"/positions.geojson?bbox=11.65,48.12,11.66,48.13&label={LABEL}", **known)
    assert len(found.json["features"]) == 1
    assert ask("/map", Authorization=f"Basic {basic}").status == 200
    assert ask("/map", Authorization=f"Basic {basic[:-4]}").status == 401
    assert ask(f"/none/{TOKEN}?token={TOKEN}", **known).status == 404
    for process in (web, worker):
        process.terminate()
        assert process.wait(10) == 0

    lines = [json.loads(line) for line in path.log().splitlines()]
    for line in lines:
        # Of what is answered here the worker has no address.
        assert line.keys() - MAY.get(line["what"], set()) == LINES[line["what"]], line
    requests = [line for line in lines if line["what"] == "request"]
    assert len(requests) - before == asked
    assert {line["status"] for line in requests} == {200, 401, 404, 415}
    batches = [line for line in lines if line["what"] == "batch"]
    assert sum(line["prepared"] for line in batches) == 1
    assert sum(line["rejected"] for line in batches) >= 1
    assert batches[-1]["lag"] == 0
    # How long something took may well be 11.6 ms.
    clocks = {"time": r"[0-9T:.Z-]+", "ms": r"[0-9.]+", "seconds": r"[0-9.]+", "waited": r"[0-9.]+"}
    for line in lines:
        for name in clocks.keys() & line.keys():
            assert re.fullmatch(clocks[name], str(line.pop(name))), (name, line)
    refused = {(line["status"], line["why"]) for line in requests if "why" in line}
    assert refused == {(401, "no_token"), (404, "not_found"), (415, "unreadable")}
    assert [line["path"] for line in requests if "path" in line] == ["/none/***"]
    posts = [line.get("photo") for line in requests if line["route"] == "/post_image"]
    assert posts == [digests[0][:12], digests[1][:12], None]
    told = json.dumps(lines)
    secrets = [TOKEN, basic, LABEL, NAME, "48.1", "11.6", "48.13", "540.5", "Pixel", *digests]
    for secret in secrets:
        assert secret not in told, secret


def test_the_worker_tells_prometheus_what_its_batches_add_up_to(online):
    metrics = free_port()
    path = online(GRANPIPE_METRICS=str(metrics), GRANPIPE_LOG="json")
    path.web()
    worker = path.worker()
    photos = [eb.jpeg_at(1.0, 2.0, picture=picture(seed=number)) for number in range(3)]
    for photo in [*photos, photos[0][:-60]]:
        assert path.post(photo, "corn").status == 200

    def told() -> dict[str, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")

    name = 'granpipe_photographs_total{{state="{}"}}'.format
    until(lambda: '"batch"' in worker.log.read_text(), "a batch")
    until(lambda: told().get(name("prepared")) == "3.0", "three prepared")
    until(lambda: float(told()[name("rejected")]) >= 1, "one rejected")
    until(lambda: told()["granpipe_lag"] == "0.0", "the end of the queue")
    assert float(told()["granpipe_batch_seconds_count"]) >= 1
    assert float(told()["granpipe_wait_seconds_count"]) >= 1
