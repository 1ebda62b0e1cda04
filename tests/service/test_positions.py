"""Every index keeps the same promises: a SQLite file, and a search server."""

import gzip
import json
import sqlite3
import traceback

import pytest

from granpipe.errors import DatasetError
from granpipe.service.events import DownError
from granpipe.service.index_file import IndexFile
from granpipe.service.positions import Known, Window
from granpipe.service.settings import read_settings

from harm import until
from search_servers import KEY, PASSWORD, PROFILES, USER, answering, secured, settings

SERVERS = [pytest.param(profile, marks=pytest.mark.servers) for profile in PROFILES]


@pytest.fixture(params=["file", *SERVERS])
def index(request, tmp_path, record_property):
    pytest.importorskip("elastic_transport", reason="the extra service is not installed")
    if request.param == "file":
        index = IndexFile(str(tmp_path))
    else:
        server = request.getfixturevalue("search_programs")(request.param)
        record_property("server", request.param)
        index = search_index(server.url)
    yield index
    index.close()


def search_index(url: str, **more: str):
    """Return an index of a name of its own."""
    pytest.importorskip("elastic_transport", reason="the extra service is not installed")
    from granpipe.service.search_index import SearchIndex

    return SearchIndex(settings(url, **more))


def known(number: int, label: str = "corn", place=None, state: str = "prepared"):
    lat, lon = place or (None, None)
    facts = {"state": state, "path": f"{label}/{number}.jpg.npy", "latitude": lat}
    facts |= {"longitude": lon, "altitude": None, "left": 0, "top": 28}
    return Known(f"{number:064x}", f"{label}/{number}.jpg", facts)


def test_what_is_put_is_found_by_digest_and_by_place_and_class(index):
    one, two = known(1, "corn", (48.5, 11.5)), known(2, "wheat", (-17.0, 179.9999999))
    three, four = known(3, "wheat", (-17.0, -179.5)), known(4, "corn")
    assert index.labels() == []
    index.put([one, two, three, four])
    assert index.labels() == ["corn", "wheat"]
    assert index.get(one.sha256) == one
    assert index.get("0" * 64) is None
    assert index.find([one.sha256, "f" * 64]) == {one.sha256: one}
    assert index.find([]) == {}
    assert [*index.within(Window(11, 48, 12, 49))] == [one]
    assert {at.source for at in index.within(Window(179, -20, -179, 0))} == {
        *(two.source, three.source)
    }
    assert [*index.within(Window(), "corn")] == [one]
    assert [*index.within(Window(11.50001, 48, 12, 49))] == []
    assert sorted(at.sha256 for at in index.all()) == [at.sha256 for at in (one, two, three, four)]


def test_what_is_put_twice_is_there_once_as_it_was_put_last(index):
    index.put([known(1, "corn", (1.0, 2.0))])
    index.put([known(1, "wheat", (3.0, 4.0))])
    assert [at.label for at in index.within(Window())] == ["wheat"]
    index.put([known(1, "wheat", state="rejected")])
    assert [*index.within(Window())] == []
    assert index.get(known(1).sha256).facts["state"] == "rejected"


def test_what_is_deleted_is_not_found_and_to_delete_it_again_is_no_error(index):
    index.delete([known(1).sha256])
    one, two = known(1, "corn", (1.0, 2.0)), known(2, "corn", (1.0, 2.0))
    index.put([one, two])
    index.delete([one.sha256, "f" * 64])
    index.delete([one.sha256])
    assert index.get(one.sha256) is None
    assert [*index.within(Window())] == [two]


def test_more_than_a_page_of_them_are_all_found(index):
    index.put([known(number, "corn", (number / 100, number / 50)) for number in range(2_300)])
    assert len({at.sha256 for at in index.all()}) == 2_300
    assert sum(1 for _ in index.within(Window())) == 2_300


def test_pages_follow_each_other_and_hold_no_more_than_asked_for(index):
    at_one_place = [known(number, "corn", (1.0, 2.0)) for number in range(5)]
    west = [known(number, "wheat", (-1.0, -179.0)) for number in range(5, 8)]
    east = [known(number, "wheat", (-2.0, 179.0)) for number in range(8, 11)]
    index.put([*at_one_place, *west, *east, known(11)])
    asked = [(None, "", 12), (None, "corn", 6), (Window(), "", 11), (Window(), "corn", 5)]
    asked += [(Window(178, -10, -178, 10), "", 6), (Window(178, -2.5, 180, 10), "wheat", 3)]
    for window, label, count in asked:
        photos, after = index.page(window, label, None, 2)
        found = [*photos]
        while after is not None:
            photos, after = index.page(window, label, after, 2)
            assert len(photos) <= 2
            found += photos
        assert len(found) == len({at.sha256 for at in found}) == count
    assert index.page(Window(50, 50, 51, 51)) == ([], None)


def test_a_file_with_an_r_tree_of_an_earlier_version_is_taken_over(tmp_path):

    one = known(1, "corn", (48.5, 11.5))
    earlier = sqlite3.connect(tmp_path / "positions.sqlite")
    earlier.executescript(
        "CREATE TABLE photographs (number INTEGER PRIMARY KEY, sha256 TEXT UNIQUE, source TEXT, "
        "label TEXT, facts TEXT, lat REAL, lon REAL);"
        "CREATE VIRTUAL TABLE places USING rtree (number, west, east, south, north);"
        "INSERT INTO places VALUES (1, 11.5, 11.5, 48.5, 48.5);"
    )
    row = (one.sha256, one.source, one.label, json.dumps(one.facts), *one.place)
    earlier.execute("INSERT INTO photographs VALUES (1, ?, ?, ?, ?, ?, ?)", row)
    earlier.commit()
    index = IndexFile(str(tmp_path))
    assert [*index.within(Window(11, 48, 12, 49))] == [one]
    tables = {name for (name,) in earlier.execute("SELECT name FROM sqlite_schema")}
    assert "places" not in tables
    earlier.close()
    index.close()


def test_the_stamp_changes_with_every_change_and_with_nothing_else(index):
    stamps = [index.stamp()]
    for change in (
        lambda: index.put([known(1, "corn", (1.0, 2.0)), known(2)]),
        lambda: index.put([known(1, "wheat", (1.0, 2.0))]),
        lambda: index.delete([known(1).sha256]),
    ):
        change()
        stamps.append(index.stamp())
        assert [*index.all()] and index.stamp() == stamps[-1]
    assert len(set(stamps)) == 4


def test_an_index_that_is_gone_counts_as_down_and_is_then_made_with_its_mapping(search_server):
    index = search_index(search_server.url, index=f"gone-{search_server.profile}")
    index.put([known(1, "corn", (1.0, 2.0))])
    path = f"/gone-{search_server.profile}"
    search_server.ask("DELETE", path)
    with pytest.raises(DownError, match="lost its index"):
        index.put([known(2, "corn", (3.0, 4.0))])
    index.put([known(2, "corn", (3.0, 4.0))])
    (found,) = search_server.ask("GET", path).values()
    assert found["mappings"]["properties"]["place"]["type"] == "geo_point"
    assert [at.sha256 for at in index.within(Window(3, 2, 5, 4), "corn")] == [known(2).sha256]
    index.close()


def test_a_document_that_is_refused_costs_no_other_and_is_told(search_server):
    index = search_index(search_server.url)
    one, impossible, two = known(1, "corn", (1.0, 2.0)), known(2, "corn", (91.0, 2.0)), known(3)
    (refused,) = index.put([one, impossible, two])
    assert (refused.sha256, refused.source) == (impossible.sha256, impossible.source)
    assert refused.reason == "not_indexed"
    assert "exception" in refused.detail
    assert [*index.all()] == [one, two]
    index.close()


def test_a_document_that_may_be_taken_later_makes_the_server_count_as_down(search_server):
    name = f"blocked-{search_server.profile}"
    index = search_index(search_server.url, index=name)
    index.put([known(1)])
    search_server.ask("PUT", f"/{name}/_settings", {"index.blocks.write": True})
    with pytest.raises(DownError, match=r"not take all documents \(403 cluster_block_exception\)"):
        index.put([known(2)])
    search_server.ask("PUT", f"/{name}/_settings", {"index.blocks.write": False})
    assert index.put([known(2)]) == []
    assert [*index.all()] == [known(1), known(2)]
    index.close()


def test_a_server_that_is_killed_is_down_and_answers_when_it_is_back(search_server):
    index = search_index(search_server.url)
    index.put([known(1)])
    search_server.kill()
    for ask in (lambda: index.get(known(1).sha256), lambda: index.put([known(2)])):
        with pytest.raises(DownError, match="search server: Connection refused"):
            ask()
    search_server.start()
    until(lambda: answers(index), "the shards")
    index.put([known(2)])
    assert [*index.all()] == [known(1), known(2)]
    index.close()


def answers(index) -> bool:
    try:
        index.stamp()
    except DownError as error:
        assert "503" in str(error)  # it answers before it has read its index
        return False
    return True


def test_a_secured_server_is_reached_by_its_ca_with_a_key_or_user_and_password(
    search_server, tmp_path
):
    with secured(search_server, tmp_path) as (url, ca):
        nodes = f"https://127.0.0.1:1,{url}/"  # the first one is down
        by_key = search_index(nodes, ca=ca, api_key=KEY)
        by_name = search_index(url, ca=ca, user=USER, password=PASSWORD)
        for number, index in enumerate((by_key, by_name)):
            index.put([known(number, "corn", (1.0, 2.0))])
            assert [*index.all()] == [known(number, "corn", (1.0, 2.0))]
            index.close()


REFUSED = [
    ({"api_key": KEY[::-1]}, "access denied (401"),
    ({"user": USER, "password": PASSWORD[1:]}, "access denied (401"),
    ({}, "access denied (401"),
    ({"api_key": KEY, "ca": ""}, "certificate not trusted (unable to get local issuer"),
]


@pytest.mark.parametrize(("more", "said"), REFUSED)
def test_who_is_not_let_in_reads_why_in_one_line_without_secrets(
    search_server, tmp_path, more, said, capfd, caplog
):
    with secured(search_server, tmp_path) as (url, ca):
        index = search_index(url, **{"ca": ca} | more)
        for ask in (lambda: index.get("0" * 64), lambda: index.put([known(1)])):
            with pytest.raises(DownError) as refused:
                ask()
            assert said in str(refused.value) and "\n" not in str(refused.value)
            chain = "".join(traceback.format_exception(refused.value))
            printed = chain + repr(index._server) + caplog.text + "".join(capfd.readouterr())
            for secret in (KEY, KEY[::-1], PASSWORD, PASSWORD[1:], "Authorization"):
                assert secret not in printed
        index.close()


@pytest.mark.parametrize(
    ("status", "kind", "body", "said"),
    [
        (200, "text/html", b"<html>welcome</html>", "something else than JSON"),
        (200, "application/json", b"{", "something else than JSON"),
        (200, "application/json", b"[]", "something else than JSON"),
        (502, "text/html", b"<html>bad gateway</html>", "502"),
        (400, "application/json", b'{"error": {"type": "parsing"}}', "400 parsing"),
    ],
)
def test_what_is_no_search_server_is_told_with_its_status(status, kind, body, said):
    with answering(status, kind, body) as url:
        index = search_index(url)
        with pytest.raises(DownError, match=f"search server: answers {said}") as told:
            index.get("0" * 64)
        assert "html" not in str(told.value)
        index.close()


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("SEARCH", "http://name:s3cret/part@host:9200", "write https://host:port"),
        ("SEARCH", "http://name:12/s3cret@host:9200", "write https://host:port"),
        ("SEARCH", "https://name:s3cret@host", "GRANPIPE_SEARCH_PASSWORD"),
        ("SEARCH", "https://host:99999", "write https://host:port"),
        ("SEARCH", "https://one:9200,", "commas between several"),
        ("SEARCH", "host:9200", "write https://host:port"),
        ("SEARCH_INDEX", "Fields", "small letters"),
        ("SEARCH_INDEX", "../_all", "small letters"),
        ("SEARCH_USER", "name", "set both or none"),
        ("SEARCH_API_KEY", "s3cret\n", "line break"),
        ("SEARCH_PASSWORD", "s3cret\n", "line break"),
    ],
)
def test_a_setting_of_the_search_server_that_cannot_be_is_one_line_without_secrets(
    name, values, said
):
    pytest.importorskip("elastic_transport", reason="the extra service is not installed")
    user = {"GRANPIPE_SEARCH_USER": "name"} if name == "SEARCH_PASSWORD" else {}
    with pytest.raises(DatasetError) as told:
        read_settings({f"GRANPIPE_{name}": values} | user)
    assert f"GRANPIPE_{name}" in str(told.value) and said in str(told.value)
    assert "s3cret" not in str(told.value)


def test_a_file_that_holds_no_certificates_is_one_line(tmp_path):
    (tmp_path / "ca.pem").write_text("nonsense")
    for name in ("ca.pem", "gone.pem"):
        with pytest.raises(DatasetError, match=f"GRANPIPE_SEARCH_CA: .*{name} holds no certif"):
            search_index("https://127.0.0.1:1", ca=str(tmp_path / name))


def test_the_page_is_drawn_again_when_something_has_changed_and_not_more_often_than_it_may(
    tmp_path,
):
    pytest.importorskip("flask", reason="the extra service is not installed")
    from flask import Request

    from granpipe.service.map_view import MapView

    index, now = IndexFile(str(tmp_path)), [0.0]
    view = MapView(index, lambda: now[0])

    def page(**headers: str) -> tuple[int, bytes, str]:
        answer = view.page(Request.from_values("/map", headers=headers))
        return answer.status_code, answer.get_data(), answer.headers["ETag"]

    empty = page()
    index.put([known(1, "corn", (48.5, 11.5))])
    assert page() == empty
    now[0] += 2.5
    status, drawn, etag = page()
    assert (status, etag != empty[2]) == (200, True)
    assert b"corn/1.jpg" in drawn
    now[0] += 100.0
    assert page() == (200, drawn, etag)
    assert page(If_None_Match=etag) == (304, b"", etag)
    assert gzip.decompress(page(Accept_Encoding="gzip")[1]) == drawn
    (tmp_path / "positions.sqlite").unlink()
    assert b"corn/1.jpg" not in page(If_None_Match=etag)[1]
    index.close()
