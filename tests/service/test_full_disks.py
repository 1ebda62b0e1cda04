"""Full disks of the web server: each post is answered, and arrives once space is back."""

import hashlib
import http.client
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

import exif_blocks as eb
from conftest import picture
from harm import until
from online import Answer, form

pytestmark = pytest.mark.skipif(os.name != "posix", reason="mounts a small disk")


def photo(size: int, number: int = 0) -> bytes:
    """Return a photograph with so many bytes behind its end."""
    return eb.jpeg_at(1.0, 2.0, picture=picture(64, 48, number)) + bytes(size)


def fill(disk: Path, left: int = 0) -> Path:
    """Fill a disk but for so many bytes; return the file that does."""
    facts = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(facts.f_bavail * facts.f_frsize - left))
    return filler


def post_in_chunks(path, data: bytes) -> Answer:
    body, kind = form(data, "corn")
    pieces = (body[start : start + 60_000] for start in range(0, len(body), 60_000))
    with closing(http.client.HTTPConnection("127.0.0.1", path.port, timeout=60)) as client:
        headers = {"Content-Type": kind, "Transfer-Encoding": "chunked"}
        client.request("POST", "/post_image", pieces, headers, encode_chunked=True)
        answer = client.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())


def post_at_once(path, data: bytes) -> Answer:
    return path.post(data, "corn")


both_ways = pytest.mark.parametrize("post", [post_at_once, post_in_chunks])


def assert_later(answer: Answer) -> None:
    """See that the client is to come again."""
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert "send it again later" in answer.json["error"] and answer.body.count(b"\n") == 1


@both_ways
@pytest.mark.parametrize("left", [0, 1_000_000])
def test_a_post_for_which_TMPDIR_has_no_space_is_503_and_arrives_later(  # noqa: N802
    small_disk, online, left, post
):
    disk = small_disk("8m")
    path = online(TMPDIR=str(disk))
    web, filler = path.web(), fill(disk, left)
    for _ in range(2):
        assert_later(post(path, photo(3_000_000)))
        line = next(line for line in path.log().splitlines() if " down " in line)
        assert f"{disk}: [Errno 28] No space left on device" in line
    assert path.ask("/is_alive").status == 200
    assert post(path, photo(100, 1)).status == 200
    filler.unlink()
    assert post(path, photo(3_000_000)).status == 200
    assert web.poll() is None and "Traceback" not in path.log()


@both_ways
def test_a_body_takes_no_more_than_its_own_size_of_TMPDIR(small_disk, online, post):  # noqa: N802
    path = online(TMPDIR=str(small_disk("40m")))
    path.web()
    assert post(path, photo(39_000_000)).status == 200


def test_chunks_that_are_too_much_are_refused_before_they_fill_TMPDIR(  # noqa: N802
    small_disk, online
):
    path = online(TMPDIR=str(small_disk("40m")))
    path.web()
    answer = post_in_chunks(path, photo(60_000_000))
    assert (answer.status, answer.json["error"]) == (413, "send at most 40,000,000 bytes")
    assert " down " not in path.log()


def test_an_answer_for_a_slow_reader_needs_no_TMPDIR(small_disk, online):  # noqa: N802
    from granpipe.service.index_file import IndexFile
    from granpipe.service.positions import Known

    disk = small_disk("2m")
    path = online(TMPDIR=str(disk))
    index = IndexFile(str(path.folder / "state"))
    facts = {"state": "prepared", "latitude": 1.0, "longitude": 2.0, "taken_at": "x" * 10_000}
    index.put([Known(f"{n:064x}", f"corn/{n:064x}.jpg", facts) for n in range(3_000)])
    index.close()
    path.web()
    assert path.post(photo(1_000_000), "corn").status == 200
    fill(disk)
    with closing(http.client.HTTPConnection("127.0.0.1", path.port, timeout=60)) as client:
        client.request("GET", "/positions.geojson")
        answer = client.getresponse()
        until(lambda: "route=/positions.geojson" in path.log(), "the answer")
        time.sleep(1)  # in which the server sends as much as fits
        assert len(json.loads(answer.read())["features"]) == 3_000


def events(path) -> int:
    with closing(sqlite3.connect(path.folder / "disk/state/events.sqlite")) as queue:
        return queue.execute("SELECT count(*) FROM events").fetchone()[0]


def test_a_photograph_whose_event_found_no_space_is_503_and_is_prepared_all_the_same(
    small_disk, online, tmp_path
):
    disk = small_disk("8m")
    places = {name: str(tmp_path / name.lower()) for name in ("SOURCE", "OUTPUT")}
    variables = {f"GRANPIPE_{name}": place for name, place in places.items()}
    path = online(GRANPIPE_STATE=str(disk / "state"), **variables)
    path.web()
    photos = [photo(100, number) for number in range(4)]
    assert path.post(photos[0], "corn").status == 200
    filler = fill(disk)
    for one in photos[1:]:
        until(lambda one=one: path.post(one, "corn").status == 503, "a full disk", every=0)
    assert_later(path.post(photos[3], "corn"))
    assert len([*(tmp_path / "source/corn").glob("*.jpg")]) == 4
    assert "events.sqlite: database or disk is full" in path.log()
    filler.unlink()
    until(lambda: path.post(photos[1], "corn").status == 200, "an event")
    assert events(path) == 2  # and nobody sends the other two again
    path.worker()
    digests = [hashlib.sha256(one).hexdigest() for one in photos]
    until(lambda: {path.state_of(one) for one in digests} == {"prepared"}, "the worker")
    assert "Traceback" not in path.log()
