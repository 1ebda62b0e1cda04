"""What was acknowledged is on the disk; what a full disk or a loss of power leaves is healed."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from granpipe.service.queue import QueueFile
from granpipe.stores import folder

import exif_blocks as eb
from online import LOCAL, kept, post, refused

PHOTO = eb.jpeg_at(10.0, 20.0)
DIGEST = hashlib.sha256(PHOTO).hexdigest()
SOURCE = f"corn/{DIGEST}.jpg"


@pytest.fixture
def photos(tmp_path) -> Path:
    return tmp_path / "state/photographs"


def events(tmp_path) -> int:
    queue = QueueFile(str(tmp_path / "state"))
    count = queue.lag()
    queue.close()
    return count


def state(here) -> int | str:
    answer = here.get(f"/photographs/{DIGEST}", environ_overrides=LOCAL)
    return answer.json["state"] if answer.status_code == 200 else answer.status_code


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="tells the names of open files")
def test_bytes_note_and_folders_are_synced_before_the_event(client, photos, tmp_path, monkeypatch):
    here, done, fsync = client(), [], os.fsync

    def synced(number: int) -> None:
        fsync(number)
        done.append(Path(f"/proc/self/fd/{number}").readlink())

    def published(self, event) -> None:
        done.append("event")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(QueueFile, "publish", published)
    assert post(here, PHOTO, "corn").status_code == 200
    order = [step if step == "event" else step.relative_to(photos).parts for step in done]
    assert order[-1] == "event"
    note = (".granpipe", "received", DIGEST[:2])
    for place in (("corn",), note):
        files = [n for n, step in enumerate(order) if step[:-1] == place and ".tmp" in step[-1]]
        assert files and order.index(place) > files[0]
    assert order.index(note) < order.index(("corn",))


def test_a_full_disk_leaves_nothing_that_answers_wrongly_later(client, photos, monkeypatch):
    here, write = client(), folder._write
    for step in (range(1), range(1, 200), range(200, 100_000)):  # arrival, note, photograph

        def no_space(number: int, data: bytes, step: range = step) -> None:
            if len(data) in step:
                raise OSError(errno.ENOSPC, "No space left on device")
            write(number, data)

        monkeypatch.setattr(folder, "_write", no_space)
        assert "send it again later" in refused(post(here, PHOTO, "corn"), 503)
        assert state(here) == 404
        monkeypatch.setattr(folder, "_write", write)
    assert not [*photos.rglob("*.tmp")]
    assert post(here, PHOTO, "corn").status_code == 200
    assert state(here) == "received"


@pytest.mark.parametrize("left", [b"", PHOTO[: len(PHOTO) // 2]])
def test_a_photograph_that_was_cut_is_whole_after_the_next_post(client, photos, tmp_path, left):
    here = client()
    post(here, PHOTO, "corn")
    (photos / SOURCE).write_bytes(left)
    assert post(here, PHOTO, "corn").status_code == 200
    assert (photos / SOURCE).read_bytes() == PHOTO
    assert events(tmp_path) == 2

    (photos / SOURCE).write_bytes(left)
    assert "as corn" in refused(post(here, PHOTO, "wheat"), 409)
    assert (photos / SOURCE).read_bytes() == PHOTO
    assert kept(tmp_path) == [SOURCE]
    assert events(tmp_path) == 3


@pytest.mark.parametrize("left", [b"", b"co", b"\xff", b"../up.jpg", b"rice/0.jpg"])
def test_a_note_that_was_cut_is_written_again(client, photos, left):
    here = client()
    post(here, PHOTO, "corn")
    note = photos / f".granpipe/received/{DIGEST[:2]}/{DIGEST}"
    note.write_bytes(left)
    assert state(here) == 404
    assert post(here, PHOTO, "corn").status_code == 200
    assert (note.read_text().splitlines()[0], state(here)) == (SOURCE, "received")


def test_a_photograph_that_somebody_deleted_was_not_received_and_may_get_another_label(
    client, photos, tmp_path
):
    here = client()
    post(here, PHOTO, "corn")
    (photos / SOURCE).unlink()
    assert state(here) == 404
    assert post(here, PHOTO, "wheat").status_code == 200
    assert kept(tmp_path) == [f"wheat/{DIGEST}.jpg"]
