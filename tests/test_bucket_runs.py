"""Runs over a bucket, one after another and at once: what they ask for, and what they leave."""

import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from granpipe.jobs.prepare import prepare

from buckets import Lake, variables
from conftest import assert_one_line, picture, save, tree
from harm import kill, until
from proxies import Proxy

PHOTOGRAPHS = 120


@pytest.fixture(scope="module")
def img(tmp_path_factory) -> Path:
    """Return a folder of small photographs."""
    folder = tmp_path_factory.mktemp("runs") / "img"
    for number in range(PHOTOGRAPHS):
        save(folder / ("corn", "wheat")[number % 2] / f"{number:03}.png", picture(seed=number))
    return folder


@pytest.fixture(scope="module")
def whole(img) -> dict[str, bytes]:
    """Return the files of an undisturbed run."""
    prepare(img, img.parent / "whole", size=32)
    return tree(img.parent / "whole")


@pytest.fixture(scope="module")
def full(module_lake, img) -> Lake:
    """Return a bucket with the photographs below img/."""
    module_lake.upload(img, "img")
    return module_lake


@pytest.fixture
def seen(full, monkeypatch):
    """Let granpipe reach the module's bucket through a proxy."""
    with closing(Proxy(full.endpoint)) as proxy:
        for name, value in variables(proxy.endpoint).items():
            monkeypatch.setenv(name, value)
        yield proxy


def test_requests_are_few_and_a_second_run_lists_only(granpipe, full, seen, whole):
    command = ("prepare", full.url("img"), full.url("few"), "--size", 32)
    granpipe(*command)
    assert full.tree("few") == whole
    photographs = [key for key in seen.keys("GET") if key.startswith("img/")]
    assert len(photographs) == len(set(photographs)) == PHOTOGRAPHS
    arrays = [key for key in seen.keys("PUT") if key.endswith(".npy")]
    assert len(arrays) == len(set(arrays)) == PHOTOGRAPHS
    first = seen.counts()
    assert first.total() < 2 * PHOTOGRAPHS + 80, first

    before = full.objects("few")
    seen.requests.clear()
    result = granpipe(*command)
    assert f"({PHOTOGRAPHS} unchanged)" in result.stdout
    assert seen.counts().keys() == {"LIST", "GET"}
    few = {"few/.granpipe/ledger.sqlite", "few/dataset.json", "few/augmented/dataset.json"}
    assert set(seen.keys("GET")) <= few
    assert seen.counts().total() < 15
    assert full.objects("few") == before


def test_copies_too_are_not_read_a_second_time(granpipe, full, seen):
    granpipe("prepare", full.url("img"), full.url("copied"), "--size", 32)
    command = ("augment", full.url("copied"), "--copies", 2)
    seen.requests.clear()
    granpipe(*command)
    assert len([key for key in seen.keys("GET") if key.endswith(".npy")]) == PHOTOGRAPHS
    assert len([key for key in seen.keys("PUT") if key.endswith(".npy")]) == 2 * PHOTOGRAPHS
    before = full.objects("copied")
    seen.requests.clear()
    assert f"({2 * PHOTOGRAPHS} unchanged)" in granpipe(*command).stdout
    assert seen.counts().keys() == {"LIST", "GET"}
    assert not [key for key in seen.keys("GET") if key.endswith(".npy")]
    assert full.objects("copied") == before


def test_verify_reads_all_and_finds_an_array_that_somebody_replaced(granpipe, full, seen, whole):
    command = ("prepare", full.url("img"), full.url("verified"), "--size", 32)
    granpipe(*command)
    full.put("verified/corn/000.png.npy", b"other bytes")
    seen.requests.clear()
    granpipe(*command)
    assert full.tree("verified") == whole
    read = [key for key in seen.keys("GET") if key.endswith((".png", ".npy"))]
    assert sorted(read) == ["img/corn/000.png", "verified/corn/000.png.npy"]
    seen.requests.clear()
    assert f"({PHOTOGRAPHS} unchanged)" in granpipe(*command, "--verify").stdout
    assert len(seen.keys("GET")) >= 2 * PHOTOGRAPHS


def test_after_kill_9_at_ten_random_moments_the_next_run_completes(granpipe, start, full, rng):
    for key in sorted(full.objects("img"))[::4]:
        full.put(key.replace("img/", "quarter/"), full.get(key))
    granpipe("prepare", full.url("quarter"), full.url("whole"), "--size", 32)
    whole = full.tree("whole")
    strangers = {"notes.txt": b"a", "corn/mine.npy": b"b", ".granpipe-old/x": b"c"}
    in_the_middle = 0
    for number in range(10):
        name = f"killed-{number}"
        goal = rng.randrange(PHOTOGRAPHS // 4)
        process = start(
            "prepare", full.url("quarter"), full.url(name), "--size", 32, "--workers", 1
        )
        if number == 0:
            time.sleep(rng.uniform(0.1, 0.6))
        else:
            until(partial(has_arrays, full, name, goal), process=process, every=0.005)
        kill(process)
        left = full.objects(name)
        in_the_middle += f"{name}/dataset.json" not in left and count_arrays(full, name) > 0
        mine = strangers if any("/parts/" in key for key in left) else {}
        for path, data in mine.items():
            full.put(f"{name}/{path}", data)
        result = granpipe(
            "prepare", full.url("quarter"), full.url(name), "--size", 32, "--workers", 1
        )
        assert result.stderr == ""
        files = full.tree(name)
        assert {path: files.pop(path) for path in mine} == mine
        assert files == whole, f"killed at {goal} arrays"
        # Killed after its last table, it leaves its lock to the next run that has to write.
        lock = {"lock"} if f"{name}/dataset.json" in left else set()
        assert full.own(name) - lock == {"ledger.sqlite"}
    assert in_the_middle >= 5


def test_shards_are_whole_or_absent_whenever_the_run_is_killed(granpipe, start, full, rng):
    words = ("prepare", full.url("img"), full.url("sharded"), "--size", 32, "--workers", 1)
    words += ("--shard-size", 10, "--shards")
    granpipe(*words, full.url("shards-whole"))
    whole = full.tree("shards-whole")
    interrupted = 0
    for number in range(5):
        name = f"shards-{number}"
        process = start(*words, full.url(name))
        until(partial(has_shards, full, name, rng.randrange(1, 6)), process=process, every=0.005)
        kill(process)
        left = full.tree(name)
        interrupted += "shards.json" not in left
        assert left.items() <= whole.items()
        granpipe(*words, full.url(name))
        assert full.tree(name) == whole
    assert interrupted


def has_shards(lake: Lake, name: str, goal: int) -> bool:
    return sum(key.endswith(".tar") for key in lake.objects(name)) >= goal


def count_arrays(lake: Lake, name: str) -> int:
    return sum(key.endswith(".npy") for key in lake.objects(name))


def has_arrays(lake: Lake, name: str, goal: int) -> bool:
    return count_arrays(lake, name) >= goal


@pytest.mark.parametrize("name", ["corn/000.png.npy", "labels.csv", "dataset.json"])
def test_what_somebody_else_wrote_is_not_overwritten(granpipe, full, name):
    out = name.replace("/", "-")
    full.put(f"{out}/{name}", b"not granpipe's")
    full.put(f"{out}/.granpipe/lock-of-nobody", b"")
    assert_one_line(granpipe("prepare", full.url("img"), full.url(out), "--size", 32, code=1))
    assert full.tree(out) == {name: b"not granpipe's"}


def test_photographs_that_are_gone_take_only_their_own_arrays_along(granpipe, full):
    command = ("prepare", full.url("some"), full.url("gone"), "--size", 32)
    for number in range(4):
        full.put(f"some/corn/{number}.png", full.get(f"img/corn/{2 * number:03}.png"))
    granpipe(*command)
    full.put("gone/corn/of another.npy", b"mine")
    full.put("gone/corn/3.png.npy.bak", b"mine")
    full.delete("some/corn/3.png")
    granpipe(*command)
    kept = {"corn/0.png.npy", "corn/1.png.npy", "corn/2.png.npy"}
    mine = {"corn/of another.npy", "corn/3.png.npy.bak"}
    assert full.tree("gone").keys() == {*kept, *mine, "labels.csv", "rejected.csv", "dataset.json"}
