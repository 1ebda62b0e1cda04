"""Positions and map are read by many, and cost little memory and time for each."""

import gzip
import hashlib
import json
import socket
from contextlib import ExitStack

import pytest

from granpipe.service.events import DownError
from granpipe.service.index_file import IndexFile
from granpipe.service.parts import open_positions
from granpipe.service.positions import Known
from granpipe.service.settings import Settings

from harm import hooked, until
from online import LOCAL, refused

COUNT = 2_500  # of which the index gives a thousand at a time


def put(state: str, numbers: range, camera: str = "") -> None:
    index = open_positions(Settings(state=state))
    facts = {"state": "prepared", "latitude": 1.0, "camera": camera}
    digests = {number: hashlib.sha256(str(number).encode()).hexdigest() for number in numbers}
    index.put(
        [
            Known(digest, f"corn/{digest}.jpg", facts | {"longitude": number / 100})
            for number, digest in digests.items()
        ]
    )
    index.close()


@pytest.fixture
def here(client, tmp_path):
    application = client()
    put(str(tmp_path / "state"), range(COUNT))
    return application


def test_positions_come_in_pages_packed_and_once_while_nothing_changes(here, tmp_path):
    def ask(**headers: str):
        named = {f"HTTP_{name.upper()}": text for name, text in headers.items()}
        return here.get("/positions.geojson", environ_overrides=LOCAL | named)

    plain = ask()
    assert len(plain.json["features"]) == COUNT
    packed = ask(accept_encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed.data)) == plain.json
    assert len(packed.data) < len(plain.data) / 5
    etag = plain.headers["ETag"]
    same = ask(if_none_match=etag)
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
    put(str(tmp_path / "state"), range(COUNT, COUNT + 1))
    assert len(ask(if_none_match=etag).json["features"]) == COUNT + 1
    other = here.get("/positions.geojson?label=rice", environ_overrides=LOCAL)
    assert other.headers["ETag"] not in {etag, ask().headers["ETag"]}


def test_only_so_many_read_positions_at_once_and_each_makes_room_again(here):
    def ask():
        return here.get("/positions.geojson", environ_overrides=LOCAL)

    reading = [ask() for _ in range(8)]
    answer = ask()
    assert "many are reading" in refused(answer, 503)
    assert int(answer.headers["Retry-After"]) > 0
    assert here.get("/is_alive", environ_overrides=LOCAL).status_code == 200
    reading[3].close()
    assert len(ask().json["features"]) == COUNT
    for one in reading:
        one.close()


def test_the_first_answer_after_an_index_is_lost_is_an_error_and_no_half_of_one(here, monkeypatch):
    def lost(*_: object) -> None:
        raise DownError("the index is lost")

    monkeypatch.setattr(IndexFile, "page", lost)
    refused(here.get("/positions.geojson", environ_overrides=LOCAL), 503)


def test_who_asks_and_does_not_read_keeps_no_thread_for_ever(online, tmp_path):
    path = online()
    hooked(tmp_path / "inject", "from granpipe.service import server; server._STUCK = 15.0\n")
    put(str(tmp_path / "state"), range(COUNT), "x" * 10_000)
    path.web()
    request = b"GET /positions.geojson HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(8):
            client = socket.create_connection(("127.0.0.1", path.port), 60)
            stack.enter_context(client)
            client.sendall(request)
            assert client.recv(9) == b"HTTP/1.1 "
        assert path.ask("/positions.geojson").status == 503
        assert path.ask("/is_alive").status == 200
        until(lambda: path.ask("/positions.geojson").status == 200, "an end of the patience")
    assert "Traceback" not in path.log()
