"""The memory of a run grows by next to nothing for a photograph."""

import sys

import pytest

from bench_memory import measured

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the most memory"),
]


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ([], 30),
        (["split", "80/10/10", "together", "place:200,burst"], 45),
        (["split", "80/10/10", "together", "place:200,burst", "folds", "5"], 45),
        (["split", "given", "together", "place:200,burst"], 50),
        (["split", "80/10/10"], 110),
    ],
    ids=["plain", "by place", "folds", "given", "by likeness"],
)
def test_prepare_keeps_its_index_in_a_file(tmp_path, words, most):
    for _ in ("a first run", "one that has nothing to do"):
        _, megabytes = measured("prepare", 40_000, str(tmp_path / "out"), *words)
        assert 0 < megabytes < most  # by place, 0.25 KB a photograph


def test_augment_keeps_its_index_in_a_file(tmp_path):
    measured("prepare", 10_000, str(tmp_path / "out"))
    for _ in ("a first run", "one that has nothing to do"):
        _, megabytes = measured("augment", 10_000, str(tmp_path / "out"))
        assert 0 < megabytes < 50


def test_map_keeps_what_it_saw_in_a_file(tmp_path):
    few, many = (measured("map", count, str(tmp_path / "map"))[1] for count in (2_000, 40_000))
    assert 0 < few < many + 5  # folium imports pandas where that is installed: 60 MB
    assert many - few < 25


def test_shards_are_planned_in_a_file(tmp_path):
    for _ in ("a first run", "one that has nothing to do"):
        words = ("shards", str(tmp_path / "shards"))
        _, megabytes = measured("prepare", 20_000, str(tmp_path / "out"), *words)
        assert 0 < megabytes < 50
