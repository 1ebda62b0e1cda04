"""Hostile clients and hostile photographs, against the real processes."""

import os
import random
import signal
import socket
import sqlite3
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from PIL import Image

import exif_blocks as eb
import test_bad_input as bad
from conftest import PHOTOS, digest, encoded, picture, save
from draw_containers import chunk
from harm import DEADLY_DECODER, hooked, until
from online import form
from slow_clients import FORM, HEAD, send_slowly, strangers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# A worker waits two seconds for a picture.
HASTY = "from granpipe.engines import processes; processes.Pool.__init__.__defaults__ = (2.0,)\n"


TOKEN = "s3cret-of-ours"


def jpeg(tmp_path: Path, number: int, size=(64, 48)) -> bytes:
    return save(tmp_path / f"drawn/{number}.jpg", picture(*size, number)).read_bytes()


def memory_of(pid: int) -> int:
    """Return the most memory that a process and its children have held, in kilobytes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    peaks = []
    for one in [pid, *children]:
        lines = Path(f"/proc/{one}/status").read_text().splitlines()
        peaks.append(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
    return max(peaks)


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def files_of(pid: int, folder: Path) -> list[str]:
    """Return the files in a folder that a process has open, also those without a name."""
    links = []
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(one.readlink()))
    return [link for link in links if link.startswith(str(folder))]


def cpu_seconds_of(pid: int) -> float:
    """Return what a process has taken of the processors, whoever else was at work."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_poisonous_photograph_costs_itself(online, tmp_path):
    path = online()
    hooked(tmp_path / "inject", HASTY + DEADLY_DECODER)
    path.web()
    sizes = {1: (13, 13), 3: (17, 17)}
    photos = [jpeg(tmp_path, number, sizes.get(number, (64, 48))) for number in range(6)]
    cut = photos[0][:-100]
    for photo in [*photos, cut]:
        assert path.post(photo, "corn").status == 200
    path.worker()
    until(lambda: path.state_of(digest(photos[5])) == "prepared", "the worker")
    states = [path.ask(f"/photographs/{digest(photo)}").json for photo in [*photos, cut]]
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
    assert dict(told) == {digest(photos[1]): "crashed", digest(photos[3]): "crashed"} | {
        digest(cut): "truncated"
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


def test_slow_phones_arrive_beside_a_hundred_strangers_who_do_not_stall_it(online, tmp_path):
    path = online(GRANPIPE_TOKEN=TOKEN)
    web = path.web()
    known = {"Authorization": f"Bearer {TOKEN}"}
    forms = [form(jpeg(tmp_path, number) + bytes(300_000), "corn") for number in range(6)]
    before = memory_of(web.pid)
    with strangers(path.port, 100), ThreadPoolExecutor(6) as phones:
        coming = [phones.submit(send_slowly, path.port, *one, 3.0, **known) for one in forms]
        body, kind = form(jpeg(tmp_path, 9), "corn")
        assert path.ask("/post_image", body, Content_Type=kind, **known).status == 200
        assert [one.result() for one in coming] == [200] * 6
        assert memory_of(web.pid) - before < 40_000
        web.send_signal(signal.SIGTERM)
        assert web.wait(60) == 0
    assert "Traceback" not in path.log()


def test_what_is_under_way_when_it_is_asked_to_end_is_finished(online, tmp_path):
    path = online(TMPDIR=str(tmp_path / "spool"), GRANPIPE_TOKEN=TOKEN)
    (tmp_path / "spool").mkdir()
    web = path.web()
    body, kind = form(jpeg(tmp_path, 1) + bytes(2_000_000), "corn")
    head = f"{HEAD}Authorization: Bearer {TOKEN}\r\nContent-Type: {kind}\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with strangers(path.port, 10), socket.create_connection(("127.0.0.1", path.port), 60) as phone:
        phone.sendall(head.encode() + body[:-9])
        until(lambda: files_of(web.pid, tmp_path / "spool"), "the upload's file")
        web.send_signal(signal.SIGTERM)
        until(lambda: not listens(path.port), "the end of listening")
        phone.sendall(body[-9:])
        assert b" 200 " in phone.recv(100)
        assert web.wait(60) == 0
    assert len([*path.source.glob("corn/*")]) == 1


def test_a_stranger_who_never_ends_is_let_go_and_a_phone_with_the_token_is_not(online, tmp_path):
    path = online(GRANPIPE_TOKEN=TOKEN)
    hooked(tmp_path / "inject", "from granpipe.service import server; server._STRANGER = 1.0\n")
    path.web()
    known = {"Authorization": f"Bearer {TOKEN}"}
    one = form(jpeg(tmp_path, 1), "corn")
    with strangers(path.port, 4) as clients, ThreadPoolExecutor(1) as phone:
        coming = phone.submit(send_slowly, path.port, *one, 4.0, **known)
        for client in clients[1:]:  # the first has not sent anything
            client.settimeout(60)
            with suppress(ConnectionError):
                assert client.recv(1) == b""
        assert coming.result() == 200


def test_a_body_without_the_token_is_kept_nowhere(online, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    path = online(GRANPIPE_TOKEN=TOKEN, TMPDIR=str(spool))
    web = path.web()
    before, held = memory_of(web.pid), []
    head = f"{HEAD}{FORM}Content-Length: 39000000\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", path.port), 60) for _ in range(5)]
    for client in clients:
        client.sendall(head + bytes(30_000_000))
        held += files_of(web.pid, spool)
    assert (held, memory_of(web.pid) - before < 20_000) == ([], True)
    for client in clients:
        client.sendall(bytes(9_000_000))
        assert b" 401 " in client.recv(100)
        client.close()
    known = f"Authorization: Bearer {TOKEN}\r\n".encode()
    with socket.create_connection(("127.0.0.1", path.port), 60) as client:
        client.sendall(head[:-2] + known + b"\r\n" + bytes(30_000_000))
        until(lambda: files_of(web.pid, spool), "a file for a body with the token")
    expecting = head[:-2] + b"Expect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", path.port), 60) as client:
        client.sendall(expecting)
        assert b" 401 " in client.recv(100)


def test_a_chunk_whose_size_never_ends_is_cut_and_costs_others_nothing(online):
    path = online(GRANPIPE_TOKEN=TOKEN)
    web = path.web()
    before = memory_of(web.pid)
    with socket.create_connection(("127.0.0.1", path.port), 60) as client:
        client.sendall(f"{HEAD}{FORM}Transfer-Encoding: chunked\r\n\r\n".encode())
        with suppress(ConnectionError):
            for _ in range(40):
                client.sendall(b"0" * 1_000_000)
    assert path.ask("/is_alive").status == 200
    assert memory_of(web.pid) - before < 20_000


def test_what_is_hidden_in_or_behind_a_body_is_no_request(online):
    path = online()
    path.web()
    form = "Content-Type: multipart/form-data; boundary=x\r\n"
    hidden = "GET /map HTTP/1.1\r\nHost: localhost\r\n\r\n"
    heads_and_bodies = [
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", f"0\r\n\r\n{hidden}"),
        (f"Content-Length: 0\r\nContent-Length: {len(hidden)}\r\n", hidden),
        ("Transfer-Encoding: xchunked\r\n", f"0\r\n\r\n{hidden}"),
        ("Transfer-Encoding : chunked\r\n", f"0\r\n\r\n{hidden}"),
        ("Content-Length: +5\r\n", "abcde"),
        (f"{form}Transfer-Encoding: chunked\r\n", f"ZZ\r\n{hidden}"),
        (f"Origin: http://evil.example\r\nContent-Length: {len(hidden)}\r\n", hidden),
    ]
    for head, body in heads_and_bodies:
        with socket.create_connection(("127.0.0.1", path.port), 30) as client:
            start = f"POST /post_image HTTP/1.1\r\nHost: localhost\r\n{head}\r\n"
            client.sendall(f"{start}{body}".encode())
            client.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: client.recv(65_536), b""))
        assert answer.count(b"HTTP/1.") == 1, answer
        assert answer[9:12] in {b"400", b"403", b"501"}, answer
    assert "Traceback" not in path.log() and "route=/map" not in path.log()


def test_ctrl_c_ends_it_at_once_whoever_is_connected(online):
    path = online()
    web = path.web()
    with socket.create_connection(("127.0.0.1", path.port)):
        time.sleep(0.5)
        began = time.monotonic()
        os.killpg(web.pid, signal.SIGINT)
        assert web.wait(10) == 0
    assert time.monotonic() - began < 5
    assert "Traceback" not in path.log()


def test_fifty_posts_of_one_photograph_at_once_are_one_under_the_label_that_came_first(
    online, tmp_path
):
    path, photo = online(), jpeg(tmp_path, 5)
    path.web()
    with ThreadPoolExecutor(50) as clients:
        labels = ["corn", "wheat"] * 25
        answers = [*clients.map(lambda label: path.post(photo, label).status, labels)]
    first = labels[answers.index(200)]
    assert answers == [200 if label == first else 409 for label in labels]
    assert len([*path.source.glob("[!.]*/*")]) == 1
    path.worker()
    until(lambda: path.state_of(digest(photo)) == "prepared", "the worker")
    until(lambda: "lag=0" in path.log(), "the queue's end")
    assert path.arrays() == 1
    assert len([*(tmp_path / "state/photographs/.granpipe/received").rglob(digest(photo))]) == 1


def damaged() -> list[bytes]:
    """Return what the tests of bad input feed to prepare, a few of each kind."""
    whole = {
        kind: encoded(picture(64, 48, 7), kind)
        for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "GIF")
    }
    rng = random.Random(5)
    files = [data[: len(data) * part // 10] for data in whole.values() for part in (1, 5, 9, 10)]
    files += [data[:40] + rng.randbytes(3_000) for data in whole.values()]
    files += [bytes(10_000), b"PK\3\4" + bytes(99), b"<svg/>", b"B", b"%!PS-Adobe-3.0 EPSF-3.0"]
    files += [bad.png_header(65_500, 65_500), bad.tiff(65_500, 65_500), bad.webp(9_999, 99_999)]
    files += [bad.png_header(0, 0), bad.tiff(0, 9), bad.tiff(2**32 - 1, 2**32 - 1)]
    head, rest = whole["PNG"][:33], whole["PNG"][33:]
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    files += [head + bomb + rest, head + chunk(b"eXIf", bytes(1_000_000)) + rest]
    block = b"Exif\0\0MM\0*\0\0\0\x08" + rng.randbytes(3_000)
    files.append(encoded(picture(64, 48, 8), "JPEG", exif=block))
    broken = PHOTOS / "broken"
    return files + [one.read_bytes() for one in (broken.iterdir() if broken.is_dir() else ())]


def test_every_bad_file_is_refused_or_rejected_or_whole_and_never_a_traceback(online):
    path = online()
    web, _ = path.web(), path.worker()
    taken, before = [], memory_of(web.pid)
    for data in damaged():
        answer = path.post(data, "corn")
        assert answer.body.count(b"\n") == 1
        if answer.status == 200:
            taken.append(digest(data))
        else:
            reason = answer.json["error"].split(":")[0]
            assert answer.status == 415
            assert reason in {"unreadable", "truncated", "unsupported", "too_large"}
    until(lambda: {path.state_of(one) for one in taken} <= {"prepared", "rejected"}, "the worker")
    told = [path.ask(f"/photographs/{one}").json for one in taken]
    assert len(taken) > 10 and 1 < sum(one["state"] == "rejected" for one in told) < len(taken)
    assert {one["reason"] for one in told if one["state"] == "rejected"} == {"truncated"}
    assert path.arrays() == sum(one["state"] == "prepared" for one in told)
    assert memory_of(web.pid) - before < 60_000
    assert "Traceback" not in path.log()


def test_a_picture_with_enormous_sides_is_refused_unread(online, tmp_path):
    path = online()
    path.web()
    data = save(tmp_path / "a.png", Image.new("1", (20_000, 20_000))).read_bytes()
    answer = path.post(data)
    assert (answer.status, "too_large" in answer.json["error"]) == (415, True)


def slow_pictures() -> dict[str, bytes]:
    """Return pictures that are made to take long, or much memory, before their pixels begin."""
    jpeg, png = eb.jpeg_at(1.0, 2.0), encoded(picture(64, 48), "PNG")
    empty, xmp = b"\xff\xe1\0\2", b"\xff\xe1\xff\xff" + bytes(65_533)
    resources = (b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 5_400)[:65_000]
    photoshop = b"\xff\xed" + (len(resources) + 2).to_bytes(2, "big") + resources
    comment = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_040_000)))
    tags = b"".join(struct.pack("<HHII", 300 + n, 2, 30_000_000, 8) for n in range(60_000))
    boxes = struct.pack(">I", 8) + b"free"
    return {
        "segments": jpeg[:2] + empty * 9_900_000 + jpeg[2:],
        "large segments": jpeg[:2] + xmp * 600 + jpeg[2:],
        "fill bytes": jpeg[:2] + b"\xff" * 12_000_000 + jpeg[2:],
        "resources": jpeg[:2] + photoshop * 600 + jpeg[2:],
        "chunks": png[:33] + chunk(b"teXt", b"") * 3_300_000 + png[33:],
        "texts": png[:33] + comment * 2_000 + png[33:],
        "pixels": png[:33] + chunk(b"IDAT", b"") * 3_300_000 + png[33:],
        "WebP's chunks": b"RIFF\0\0\0\2WEBP" + b"JUNK\0\0\0\0" * 4_800_000,
        "tags": b"II*\0\x08\0\0\0" + struct.pack("<H", 60_000) + tags + bytes(38_000_000),
        "boxes": struct.pack(">I", 24) + b"ftypavif\0\0\0\0avifmif1" + boxes * 4_900_000,
        "a GIF's frame": b"GIF89a" + b"\1\0\1\0\0\0\0," + b"\0\0\0\0\xff\xff\xff\xff\0\2\0;",
    }


def test_no_picture_costs_seconds_or_much_memory_and_others_wait_for_none(online, tmp_path):
    path, files = online(), slow_pictures()
    web = path.web()
    path.post(jpeg(tmp_path, 1))
    before = memory_of(web.pid)
    spent = {}
    for name, data in files.items():
        began = cpu_seconds_of(web.pid)
        assert path.post(data).status in {200, 415}, name
        spent[name] = cpu_seconds_of(web.pid) - began
    # Below two seconds here; half a minute each before there were limits.
    assert max(spent.values()) < 6, spent
    assert memory_of(web.pid) - before < 200_000
    with ThreadPoolExecutor(8) as strangers:
        coming = [strangers.submit(path.post, files["fill bytes"]) for _ in range(8)]
        assert path.ask("/is_alive").status == 200
        assert path.post(jpeg(tmp_path, 2)).status == 200
        assert {one.result().status for one in coming} == {415}
    assert "Traceback" not in path.log()
