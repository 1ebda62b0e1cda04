"""What a later `prepare` says of photographs that the worker has prepared reaches the index."""

from uuid import uuid4

import pytest

import exif_blocks as eb
from conftest import digest, picture, put
from harm import until
from search_servers import PROFILES


def photo(number: int) -> bytes:
    return eb.jpeg_at(10.0 + number, 20.0, picture=picture(320, 240, number))


@pytest.fixture(params=["file", PROFILES[0]])
def path(request, online, record_property):
    """Start an online path with either kind of index; three photographs are prepared as corn."""
    variables = {}
    if request.param != "file":
        record_property("server", request.param)
        server = request.getfixturevalue("search_programs")(request.param)
        variables = {"GRANPIPE_SEARCH": server.url, "GRANPIPE_SEARCH_INDEX": uuid4().hex}
    path = online(**variables)
    path.web(), path.worker()
    for number in range(3):
        assert path.post(photo(number), "corn").status == 200
    until(lambda: len(placed(path)) == 3, "the worker")
    return path


def placed(path) -> set[str]:
    """Return what the map shows, by SHA-256."""
    return {source.split("/")[1][:64] for source in path.sources()}


def verdict(path, sha256: str) -> tuple[str, str, str]:
    """Return state, reason and detail; of the detail nothing that says which path it is of."""
    facts = path.ask(f"/photographs/{sha256}").json
    state, reason, detail = (facts.get(name, "") for name in ("state", "reason", "detail"))
    return state, reason, detail.partition(" as ")[0]


def test_a_conflict_that_prepare_finds_takes_a_photograph_off_the_map_until_it_is_resolved(
    path, granpipe
):
    name, others = digest(photo(0)), {digest(photo(1)), digest(photo(2))}
    put(path.source / "wheat/copy.jpg", photo(0))
    granpipe("prepare", path.source, path.output)
    conflict = ("rejected", "label_conflict", "same bytes")
    until(lambda: verdict(path, name) == conflict, "the sweep")
    assert placed(path) == others

    # A phone that asks again learns no less, and an index that was lost says the same.
    assert path.post(photo(0), "corn").status == 200
    worker = path.processes[1]
    until(lambda: worker.log.read_text().count(" batch ") >= 2, "the event")
    assert verdict(path, name) == conflict
    assert path.worker("--reindex").wait(60) == 0
    assert (verdict(path, name), placed(path)) == (conflict, others)

    (path.source / "wheat/copy.jpg").unlink()
    granpipe("prepare", path.source, path.output)
    until(lambda: placed(path) == others | {name}, "the sweep")
    assert verdict(path, name)[0] == "prepared"
    assert "Traceback" not in path.log()


def test_what_prepare_drops_is_rejected_in_the_index_until_it_is_dropped_no_more(path, granpipe):
    dark = eb.jpeg_at(5.0, 20.0, picture=picture(320, 240, 7).point(lambda value: value // 40))
    path.post(dark, "corn")
    until(lambda: len(placed(path)) == 4, "the worker")
    granpipe("prepare", path.source, path.output, "--drop", "dark")
    until(lambda: verdict(path, digest(dark)) == ("rejected", "flagged", "dark"), "the sweep")
    assert digest(dark) not in placed(path)
    granpipe("prepare", path.source, path.output, "--drop", "none")
    until(lambda: digest(dark) in placed(path), "the sweep")
    assert verdict(path, digest(dark))[0] == "prepared"


def test_a_duplicate_in_its_class_leaves_a_photograph_prepared_under_the_other_path(path, granpipe):
    name = digest(photo(0))
    (path.source / "corn/00.jpg").write_bytes(photo(0))
    granpipe("prepare", path.source, path.output)
    until(lambda: path.ask(f"/photographs/{name}").json["source"] == "corn/00.jpg", "the sweep")
    assert verdict(path, name)[0] == "prepared"
    path.post(photo(0), "corn")
    until(lambda: path.processes[1].log.read_text().count(" batch ") >= 2, "the event")
    assert verdict(path, name)[0] == "prepared"


def test_rejects_that_no_worker_has_seen_are_in_an_index_that_was_lost(path, granpipe):
    name = digest(photo(0))
    put(path.source / "wheat/copy.jpg", photo(0))
    path.processes[1].terminate()
    assert path.processes[1].wait(30) == 0
    granpipe("prepare", path.source, path.output)
    if (path.folder / "state/positions.sqlite").exists():
        for lost in (path.folder / "state").glob("positions.sqlite*"):
            lost.unlink()
        assert path.worker("--reindex").wait(60) == 0
    else:
        path.worker()
        until(lambda: verdict(path, name)[0] == "rejected", "the sweep")
    assert verdict(path, name)[:2] == ("rejected", "label_conflict")
    assert path.delete(name).status == 200
    path.worker()
    (path.source / "wheat/copy.jpg").unlink()
    until(lambda: path.ask(f"/photographs/{name}").status == 404, "the worker")
    granpipe("prepare", path.source, path.output)
    assert path.worker("--reindex").wait(60) == 0
    assert path.ask(f"/photographs/{name}").status == 404
