"""Hostile clients and hostile photographs, against the real processes."""

import hashlib
import os
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from PIL import Image

import exif_blocks as eb
from conftest import picture, save
from online import until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# Runs first in each process; sizes tell what is to happen when a picture is decoded.
HARMFUL = """
import os, resource, time
from PIL import ImageFile
from granpipe.engines import processes

load = ImageFile.ImageFile.load
processes.run.__defaults__ = (2.0,)

def harmful_load(self):
    if self.size == (13, 13):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()
    if self.size == (17, 17):
        time.sleep(60)
    return load(self)

ImageFile.ImageFile.load = harmful_load
"""


def jpeg(tmp_path: Path, number: int, size=(64, 48)) -> bytes:
    return save(tmp_path / f"drawn/{number}.jpg", picture(*size, number)).read_bytes()


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def memory_of(pid: int) -> int:
    """Return the most memory that a process and its children have held, in kilobytes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = []
    for one in [pid, *children]:
        lines = Path(f"/proc/{one}/status").read_text().splitlines()
        peaks.append(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
    return max(peaks)


def test_a_poisonous_photograph_costs_itself(online, tmp_path):
    path = online()
    (tmp_path / "inject").mkdir()
    (tmp_path / "inject/sitecustomize.py").write_text(HARMFUL)
    path.web()
    sizes = {1: (13, 13), 3: (17, 17)}
    photos = [jpeg(tmp_path, number, sizes.get(number, (64, 48))) for number in range(6)]
    cut = photos[0][:-100]
    for photo in [*photos, cut]:
        assert path.post(photo, "corn").status == 200
    path.worker()
    until(lambda: path.state_of(sha256_of(photos[5])) == "prepared", "the worker")
    states = [path.ask(f"/photographs/{sha256_of(photo)}").json for photo in [*photos, cut]]
    assert [one["state"] for one in states] == [
        *("prepared", "rejected", "prepared", "rejected", "prepared", "prepared", "rejected")
    ]
    assert [one["reason"] for one in states if "reason" in one] == [
        *("crashed", "crashed", "truncated")
    ]
    assert "signal 6" in states[1]["detail"] and "took longer" in states[3]["detail"]
    told = sqlite3.connect(tmp_path / "state/events.sqlite").execute(
        "SELECT sha256, reason FROM photographs_rejected ORDER BY source"
    )
    assert dict(told) == {sha256_of(photos[1]): "crashed", sha256_of(photos[3]): "crashed"} | {
        sha256_of(cut): "truncated"
    }


def test_two_gigabytes_are_refused_before_they_are_read_and_without_memory(online):
    path = online()
    web = path.web()
    path.post(eb.jpeg_at(1.0, 2.0))
    before = memory_of(web.pid)
    head = "POST /post_image HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
    for length in ("Content-Length: 2000000000", "Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", path.port), 30) as client:
            client.sendall(f"{head}boundary=x\r\n{length}\r\n\r\n".encode())
            piece, sent = b"x" * 65_536, 0
            if "chunked" in length:
                opening = (
                    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
                )
                client.sendall(b"%x\r\n%b\r\n" % (len(opening), opening))
                piece = b"%x\r\n%b\r\n" % (len(piece), piece)
            try:
                while sent < 2_000_000_000:
                    client.sendall(piece)
                    sent += len(piece)
            except OSError:
                pass
            assert sent < 100_000_000
    assert memory_of(web.pid) - before < 60_000
    assert path.ask("/is_alive").status == 200
    assert path.log().count("status=413") == 2
    assert "Traceback" not in path.log()


def test_a_hundred_slow_clients_do_not_stall_it(online, tmp_path):
    path = online()
    web = path.web()
    clients = [socket.create_connection(("127.0.0.1", path.port), 60) for _ in range(100)]
    head = (
        "POST /post_image HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    for client in clients:
        client.sendall(head.encode())
    began = time.monotonic()
    assert path.ask("/is_alive").status == 200
    assert path.post(jpeg(tmp_path, 1)).status == 200
    assert time.monotonic() - began < 40
    began = time.monotonic()
    web.send_signal(signal.SIGTERM)
    assert web.wait(10) == 0
    for client in clients:
        client.close()


def test_a_picture_with_enormous_sides_is_refused_unread(online, tmp_path):
    path = online()
    path.web()
    data = save(tmp_path / "a.png", Image.new("1", (20_000, 20_000))).read_bytes()
    answer = path.post(data)
    assert (answer.status, "too_large" in answer.json["error"]) == (415, True)
