"""Photographs that are deleted, moved, or were gone: what becomes of array, index and tables."""

import pytest

import exif_blocks as eb
from conftest import digest, picture, rows, tree
from harm import kill, until
from online import form


def photo(number: int) -> bytes:
    return eb.jpeg_at(10.0 + number, 20.0, picture=picture(320, 240, number))


def labels(path) -> dict[str, str]:
    """Return the classes of all photographs that the index places, by SHA-256."""
    return {source.split("/")[1][:64]: source.split("/")[0] for source in path.sources()}


@pytest.fixture
def prepared(online, granpipe):
    """Start the online path; two photographs are prepared, with tables and copies."""
    path = online()
    path.web(), path.worker()
    for number in range(2):
        assert path.post(photo(number), "corn").status == 200
    until(lambda: len(labels(path)) == 2, "the worker")
    granpipe("prepare", path.source, path.output)
    granpipe("augment", path.output, "--copies", 1)
    return path


def test_a_photograph_that_is_deleted_is_gone_everywhere_and_a_retry_does_not_bring_it_back(
    prepared, granpipe
):
    path, (gone, kept) = prepared, (photo(0), photo(1))
    name = digest(gone)
    answer = path.delete(name)
    assert answer.status == 200
    assert answer.json == {"sha256": name, "source": f"corn/{name}.jpg", "state": "deleted"}
    assert path.ask(f"/photographs/{name}").status == 404
    assert labels(path) == {digest(kept): "corn"}
    until(lambda: path.arrays() == 1, "the worker")
    for summary in ("dataset.json", "augmented/dataset.json"):
        assert not (path.output / summary).exists()
    left = [file for file in path.source.rglob("*") if file.is_file() and name in str(file)]
    assert [file.stat().st_size for file in left] == [0, 0]
    assert path.delete(name).status == 404

    again = path.post(gone, "corn")
    assert (again.status, "deleted" in again.json["error"]) == (410, True)
    granpipe("prepare", path.source, path.output)
    assert [row["sha256"] for row in rows(path.output / "labels.csv")] == [digest(kept)]
    assert path.post(gone, "wheat").status == 200
    until(lambda: labels(path) == {digest(kept): "corn", name: "wheat"}, "the worker")
    assert path.post(gone, "corn").status == 410
    granpipe("prepare", path.source, path.output)
    assert {row["label"] for row in rows(path.output / "labels.csv")} == {"corn", "wheat"}

    assert path.delete(name).status == 200
    assert [path.post(gone, label).status for label in ("corn", "wheat")] == [410, 410]
    body, kind = form(gone, "corn", again="0")
    assert path.ask("/post_image", body, Content_Type=kind).status == 410
    body, kind = form(gone, "corn", again="1")
    assert path.ask("/post_image", body, Content_Type=kind).status == 200
    until(lambda: labels(path) == {digest(kept): "corn", name: "corn"}, "the worker")
    assert [path.post(gone, label).status for label in ("corn", "wheat")] == [200, 410]
    assert "Traceback" not in path.log()


def test_to_delete_takes_the_token_and_a_photograph_that_was_received(online):
    path = online(GRANPIPE_TOKEN="secret", GRANPIPE_OPEN="")
    path.web()
    token = {"Authorization": "Bearer secret"}
    sha256 = digest(photo(0))
    assert path.delete(sha256).status == 401
    for unknown in (sha256, "..", sha256.upper(), sha256[:63]):
        assert path.delete(unknown, **token).status == 404


def test_a_photograph_that_is_deleted_before_the_worker_sees_it_is_never_told_of(online):
    path = online()
    path.web()
    for number in range(2):
        path.post(photo(number), "corn")
    assert path.delete(digest(photo(0))).status == 200
    worker = path.worker()
    until(lambda: labels(path) == {digest(photo(1)): "corn"}, "the worker")
    until(lambda: " erased " in worker.log.read_text(), "a line of the worker")
    assert path.ask(f"/photographs/{digest(photo(0))}").status == 404


def test_an_array_whose_deletion_no_event_tells_of_goes_when_a_worker_starts(prepared):
    path = prepared
    kill(path.processes[1])
    assert path.delete(digest(photo(0))).status == 200
    for lost in (path.folder / "state").glob("events.sqlite*"):
        lost.unlink()
    path.worker()
    until(lambda: path.arrays() == 1, "the worker")
    assert labels(path) == {digest(photo(1)): "corn"}


def test_what_is_removed_or_moved_by_hand_reaches_the_index_after_prepare(prepared, granpipe):
    path, (moved, removed) = prepared, (digest(photo(0)), digest(photo(1)))
    (path.source / "wheat").mkdir()
    (path.source / f"corn/{moved}.jpg").rename(path.source / f"wheat/{moved}.jpg")
    (path.source / f"corn/{removed}.jpg").unlink()
    before = tree(path.output)
    granpipe("prepare", path.source, path.output)
    assert tree(path.output) != before
    until(lambda: labels(path) == {moved: "wheat"}, "the worker")
    assert path.ask(f"/photographs/{removed}").status == 404

    kill(path.processes[1])
    (path.source / f"wheat/{moved}.jpg").rename(path.source / f"corn/{moved}.jpg")
    granpipe("prepare", path.source, path.output)
    assert path.worker("--reindex").wait(60) == 0
    assert labels(path) == {moved: "corn"}


def test_a_photograph_that_was_moved_by_hand_is_deleted_where_it_is_now(prepared, granpipe):
    path, name = prepared, digest(photo(0))
    (path.source / "wheat").mkdir()
    (path.source / f"corn/{name}.jpg").rename(path.source / f"wheat/{name}.jpg")
    granpipe("prepare", path.source, path.output)
    until(lambda: labels(path).get(name) == "wheat", "the worker")
    assert path.delete(name).json["source"] == f"wheat/{name}.jpg"
    assert not [*path.source.glob(f"*/{name}.jpg")]
    assert name not in labels(path)
    until(lambda: path.arrays() == 1, "the worker")


def test_a_photograph_that_was_gone_and_is_back_is_replayed(online):
    path = online()
    path.web()
    path.post(photo(0), "corn")
    source, away = path.source / f"corn/{digest(photo(0))}.jpg", path.folder / "away.jpg"
    source.rename(away)
    worker = path.worker()
    until(lambda: path.state_of(digest(photo(0))) == "rejected", "the worker")
    away.rename(source)
    assert path.worker("--replay").wait(60) == 0
    assert path.state_of(digest(photo(0))) == "prepared"
    assert worker.poll() is None and path.arrays() == 1
