"""Every index keeps the same promises: a SQLite file, and a search server."""

import gzip
import json

import pytest


@pytest.fixture(params=["file", pytest.param("noida", marks=pytest.mark.servers)])
def index(request, tmp_path):
    pytest.importorskip("elasticsearch", reason="the extra service is not installed")
    if request.param == "file":
        from granpipe.service.index_file import IndexFile

        index = IndexFile(str(tmp_path))
    else:
        from granpipe.service.search_index import SearchIndex

        index = SearchIndex(request.getfixturevalue("noida").variables["GRANPIPE_SEARCH"])
    yield index
    index.close()


def known(number: int, label: str = "corn", place=None, state: str = "prepared"):
    from granpipe.service.positions import Known

    lat, lon = place or (None, None)
    facts = {"state": state, "path": f"{label}/{number}.jpg.npy", "latitude": lat}
    facts |= {"longitude": lon, "altitude": None, "left": 0, "top": 28}
    return Known(f"{number:064x}", f"{label}/{number}.jpg", facts)


def test_what_is_put_is_found_by_digest_and_by_place_and_class(index):
    from granpipe.service.positions import Window

    one, two = known(1, "corn", (48.5, 11.5)), known(2, "wheat", (-17.0, 179.9999999))
    three, four = known(3, "wheat", (-17.0, -179.5)), known(4, "corn")
    index.put([one, two, three, four])
    assert index.get(one.sha256) == one
    assert index.get("0" * 64) is None
    assert index.lacking([one.sha256, "f" * 64]) == {"f" * 64}
    assert index.lacking([]) == set()
    assert [*index.within(Window(11, 48, 12, 49))] == [one]
    assert {at.source for at in index.within(Window(179, -20, -179, 0))} == {
        *(two.source, three.source)
    }
    assert [*index.within(Window(), "corn")] == [one]
    assert [*index.within(Window(11.50001, 48, 12, 49))] == []
    assert sorted(at.sha256 for at in index.all()) == [at.sha256 for at in (one, two, three, four)]


def test_what_is_put_twice_is_there_once_as_it_was_put_last(index):
    from granpipe.service.positions import Window

    index.put([known(1, "corn", (1.0, 2.0))])
    before = index.stamp()
    index.put([known(1, "wheat", (3.0, 4.0))])
    assert [at.label for at in index.within(Window())] == ["wheat"]
    index.put([known(1, "wheat", state="rejected")])
    assert [*index.within(Window())] == []
    assert index.get(known(1).sha256).facts["state"] == "rejected"
    assert isinstance(before, int)


def test_what_is_deleted_is_not_found_and_to_delete_it_again_is_no_error(index):
    from granpipe.service.positions import Window

    index.delete([known(1).sha256])
    one, two = known(1, "corn", (1.0, 2.0)), known(2, "corn", (1.0, 2.0))
    index.put([one, two])
    index.delete([one.sha256, "f" * 64])
    index.delete([one.sha256])
    assert index.get(one.sha256) is None
    assert [*index.within(Window())] == [two]


def test_more_than_a_page_of_them_are_all_found(index):
    from granpipe.service.positions import Window

    index.put([known(number, "corn", (number / 100, number / 50)) for number in range(2_300)])
    assert len({at.sha256 for at in index.all()}) == 2_300
    assert sum(1 for _ in index.within(Window())) == 2_300


def test_pages_follow_each_other_and_hold_no_more_than_asked_for(index):
    from granpipe.service.positions import Window

    at_one_place = [known(number, "corn", (1.0, 2.0)) for number in range(5)]
    west = [known(number, "wheat", (-1.0, -179.0)) for number in range(5, 8)]
    east = [known(number, "wheat", (-2.0, 179.0)) for number in range(8, 11)]
    index.put([*at_one_place, *west, *east, known(11)])
    asked = [(None, "", 12), (None, "corn", 6), (Window(), "", 11), (Window(), "corn", 5)]
    asked += [(Window(178, -10, -178, 10), "", 6), (Window(178, -2, 180, 10), "wheat", 3)]
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
    import sqlite3

    from granpipe.service.index_file import IndexFile
    from granpipe.service.positions import Window

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


def test_an_index_that_is_gone_counts_as_down_and_is_then_made_with_its_mapping(noida):
    pytest.importorskip("elasticsearch", reason="the extra service is not installed")
    from elasticsearch import Elasticsearch

    from granpipe.service.events import DownError
    from granpipe.service.positions import Window
    from granpipe.service.search_index import INDEX, SearchIndex

    index = SearchIndex(noida.variables["GRANPIPE_SEARCH"])
    index.put([known(1, "corn", (1.0, 2.0))])
    with Elasticsearch(noida.variables["GRANPIPE_SEARCH"]) as client:
        client.indices.delete(index=INDEX)
        with pytest.raises(DownError, match="lost its index"):
            index.put([known(2, "corn", (3.0, 4.0))])
        index.put([known(2, "corn", (3.0, 4.0))])
        fields = client.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["properties"]
    assert fields["place"]["type"] == "geo_point"
    assert [at.sha256 for at in index.within(Window(3, 2, 5, 4), "corn")] == [known(2).sha256]
    index.close()


def test_a_search_server_that_is_not_there_is_down():
    pytest.importorskip("elasticsearch", reason="the extra service is not installed")
    from granpipe.service.events import DownError
    from granpipe.service.search_index import SearchIndex

    index = SearchIndex("http://name:s3cret@127.0.0.1:1")
    with pytest.raises(DownError, match="search server") as told:
        index.get("0" * 64)
    assert "s3cret" not in str(told.value)
    index.close()


def test_the_page_is_drawn_again_when_something_has_changed_and_not_more_often_than_it_may(
    tmp_path,
):
    pytest.importorskip("flask", reason="the extra service is not installed")
    from flask import Request

    from granpipe.service.index_file import IndexFile
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
