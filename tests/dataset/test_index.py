"""The index answers by queries, in a file that nobody finds afterwards."""

import sys

import pytest

from granpipe.dataset.database import Items
from granpipe.dataset.index import Index
from granpipe.dataset.record import CopyRecord

RECORD = CopyRecord("key", 7, 1, 0, -3.5, 0.1, 0.2, 223.9, 224.0, 1, 1, 0, 1, "aa", "1", *range(6))


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    index = Index(CopyRecord)
    yield index
    index.close()


def test_a_record_comes_back_as_it_was(index):
    index.put("corn/a.jpg.1", RECORD, "check")
    assert index.record("corn/a.jpg.1") == RECORD
    assert index.record("corn/a.jpg.2") is None


def test_order_is_that_of_the_bytes_of_names(index):
    names = ["corn/a.jpg", "corn/a", "corn/Z", "corn/\u00e9", "corn/\U0001f33d", "corn/\uffee"]
    index.load("INSERT INTO planned VALUES (?)", ((name,) for name in names))
    ordered = [name for (name,) in index.rows("SELECT name FROM planned ORDER BY name")]
    assert ordered == sorted(names, key=str.encode) == sorted(names)


def test_names_are_folded_only_where_the_disk_does(index):
    index.load("INSERT INTO planned VALUES (?)", [("corn/A.jpg",), ("corn/a.jpg",)])
    query = "SELECT count(DISTINCT fold(name)) FROM planned"
    assert index.value(query) == 2
    index.ignore_case()
    assert index.value(query) == 1


def test_items_are_made_when_they_are_asked_for(index):
    index.create("CREATE TABLE todo (number INTEGER PRIMARY KEY, name TEXT);")
    index.load("INSERT INTO todo VALUES (?, ?)", ((n, f"n{n}") for n in range(1234)))
    items = Items(index, "SELECT name FROM todo", 1234, lambda row: row[0])
    expected = [f"n{n}" for n in range(1234)]
    assert list(items) == expected
    assert (len(items), items[0], items[-1]) == (1234, "n0", "n1233")
    assert (items[7:9], items[1230:2000]) == (expected[7:9], expected[1230:])
    with pytest.raises(IndexError):
        items[1234]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file has a name there")
def test_an_open_index_has_no_file_that_a_kill_leaves_behind(index, tmp_path):
    index.put("corn/a.jpg.1", RECORD, "check")
    assert not list(tmp_path.iterdir())
