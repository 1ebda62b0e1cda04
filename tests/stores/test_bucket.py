"""A bucket as a store: what its operations promise, with keys that no disk would have."""

import pickle
import urllib.request
from types import SimpleNamespace

import pytest

from granpipe import read_table
from granpipe.errors import DatasetError

from buckets import SECRET, memory_bucket
from conftest import assert_one_line, picture, rejects, rows, save
from proxies import listing

obstore = pytest.importorskip("obstore", reason="the extra s3 is not installed")
Bucket = pytest.importorskip("granpipe.stores.bucket").Bucket


def paths(bucket, folder="", **options) -> list[str]:
    return sorted(entry.path for entry in bucket.list(folder, **options))


SERVERS = [pytest.param(lake, marks=pytest.mark.servers) for lake in ("lake", "gateway_lake")]


@pytest.fixture(params=["memory", *SERVERS])
def bucket(request):
    """Return an empty bucket in memory, and one on each server."""
    if request.param == "memory":
        return memory_bucket({}, "some/prefix")
    return Bucket(request.getfixturevalue(request.param).name, "some/prefix")


def test_what_is_written_is_read_and_listed_in_one_version(bucket):
    version = bucket.write("a/b.npy", b"123")
    assert bucket.read("a/b.npy") == (b"123", version)
    (entry,) = bucket.list()
    assert (entry.path, entry.size, entry.version, entry.problem) == ("a/b.npy", 3, version, "")
    assert bucket.write("a/b.npy", b"124") != version
    assert bucket.write("a/b.npy", b"123") is not None
    assert bucket.url.endswith("/some/prefix")


def test_what_is_not_there_is_a_file_not_found(bucket):
    for action in (bucket.read, lambda path: bucket.head(path, 9)):
        with pytest.raises(FileNotFoundError):
            action("no/such.npy")
    bucket.delete("no/such.npy")
    assert paths(bucket) == paths(bucket, "no") == paths(bucket, deep=False) == []


def test_a_head_is_as_long_as_asked_or_as_the_object(bucket):
    bucket.write("a", bytes(range(100)))
    bucket.write("empty", b"")
    assert bucket.head("a", 10) == bytes(range(10))
    assert bucket.head("a", 1000) == bytes(range(100))
    assert bucket.head("empty", 10) == b""


def test_a_folder_is_more_than_a_beginning(bucket):
    for path in ("corn/a/b", "corn/a-b", "corn/a.b", "cornflower/c", "corn.txt"):
        bucket.write(path, b"x")
    assert paths(bucket, "corn") == ["corn/a-b", "corn/a.b", "corn/a/b"]
    assert paths(bucket, deep=False) == ["corn.txt"]
    assert paths(bucket, "corn", deep=False) == ["corn/a-b", "corn/a.b"]
    bucket.delete("corn/a-b")
    assert paths(bucket, "corn") == ["corn/a.b", "corn/a/b"]


@pytest.mark.parametrize("bucket", ["memory", SERVERS[0]], indirect=True)
def test_an_object_and_a_folder_of_one_name_are_two_things(bucket):
    bucket.write("corn/a", b"x")
    bucket.write("corn/a/b", b"y")
    assert paths(bucket, "corn") == ["corn/a", "corn/a/b"]
    bucket.delete("corn/a")
    assert paths(bucket, "corn") == ["corn/a/b"]


@pytest.mark.servers
def test_a_server_whose_folders_are_a_disks_says_that_a_name_is_taken(gateway_lake):
    bucket = Bucket(gateway_lake.name)
    bucket.write("corn/a", b"x")
    with pytest.raises(DatasetError, match=f"{gateway_lake.url()}/corn/a/b: ") as raised:
        bucket.write("corn/a/b", b"y")
    assert "\n" not in str(raised.value)
    assert paths(bucket) == ["corn/a"]


@pytest.mark.parametrize("ignored", ["If-None-Match", "If-Match"])
def test_a_server_that_ignores_conditions_is_refused_before_anything_is_written(
    granpipe, tmp_path, lake, monkeypatch, ignored
):
    put = obstore.put

    def deaf(store, key, data, *, mode=None, **options):
        hears = mode != "create" if ignored == "If-None-Match" else not isinstance(mode, dict)
        return put(store, key, data, mode=mode if hears else None, **options)

    monkeypatch.setattr(obstore, "put", deaf)
    save(tmp_path / "img/corn/a.png")
    result = granpipe("prepare", tmp_path / "img", lake.url("out"), code=1)
    assert_one_line(result, f"{lake.url('out')}: the server ignores conditional writes ({ignored})")
    assert lake.objects() == {}


def test_a_lock_is_created_once_and_replaced_in_its_version_alone(bucket):
    version = bucket.create("lock", b"mine")
    assert version
    assert bucket.create("lock", b"theirs") is None
    assert bucket.replace("lock", b"new", "another") is None
    newer = bucket.replace("lock", b"new", version)
    assert newer
    assert newer != version
    assert bucket.replace("lock", b"newest", version) is None
    assert bucket.replace("gone", b"new", version) is None
    assert bucket.read("lock") == (b"new", newer)
    assert paths(bucket) == ["lock"]


def test_a_lock_whose_answer_was_lost_is_known_as_ones_own(lake, proxy):
    bucket = Bucket(lake.name, "lost")
    proxy.lose = {"PUT"}
    version = bucket.create("lock", b"mine")
    assert version
    proxy.forget()
    newer = bucket.replace("lock", b"new", version)
    assert newer
    assert newer != version
    assert proxy.lost == 2
    assert bucket.read("lock") == (b"new", newer)


@pytest.mark.parametrize("size", [0, 100, 20_000_000])
def test_a_large_table_appears_whole_or_not_at_all(bucket, size):
    with pytest.raises(ZeroDivisionError), bucket.writer("labels.csv") as file:
        file.write(bytes(size))
        _ = 1 / 0
    assert paths(bucket) == []
    with bucket.writer("labels.csv") as file:
        for _ in range(2):
            file.write(bytes(size // 2))
    assert bucket.read("labels.csv")[0] == bytes(size)


@pytest.mark.parametrize("path", ["x" * 1025, "a\nb", "a\x7fb", "a\0b", "ä" * 600])
def test_what_can_be_no_key_is_refused(bucket, path):
    assert bucket.refusal(path)


@pytest.mark.parametrize(
    "path", ["a/b.npy", "ä o/日本.npy", "a%2Fb.npy", "a+b&c=d?e#f.npy", "a'\"<>.npy"]
)
def test_odd_names_come_back_as_they_were(bucket, path):
    assert not bucket.refusal(path)
    version = bucket.write(path, b"1")
    assert [(entry.path, entry.version) for entry in bucket.list()] == [(path, version)]
    assert bucket.read(path) == (b"1", version)
    bucket.delete(path)
    assert paths(bucket) == []


@pytest.mark.parametrize("path", ["a//b.jpg", "a/../b.jpg", "a\nb.jpg"])
def test_a_path_that_obstore_does_not_take_is_an_os_error_of_that_path(bucket, path):
    with pytest.raises(OSError, match="no such key can be"):
        bucket.read(path)


def test_a_pickle_holds_the_address_and_no_secret(lake):
    bucket = Bucket(lake.name, "prefix")
    bucket.write("a", b"1")
    data = pickle.dumps(bucket)
    assert SECRET.encode() not in data
    assert b"obstore" not in data
    again = pickle.loads(data)
    assert again == bucket
    assert again.read("a")[0] == b"1"
    assert SECRET not in repr(bucket) + repr(vars(again))


def test_the_environment_counts_when_a_store_is_first_used_not_that_of_the_one_before(
    lake, monkeypatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET[::-1])
    with pytest.raises(DatasetError, match="access denied"):
        Bucket(lake.name).write("a", b"1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET + "\n")  # as read from a file
    Bucket(lake.name).write("a", b"1")


# Listings as a server may send them


BAD_KEYS = ["a//b.jpg", "a/../b.jpg", "a/./b.jpg", "a/b\nc.jpg", "a/\x7fb.jpg", "a/b/\n/c.jpg"]


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_a_key_that_obstore_does_not_take_costs_its_folder(granpipe, lake, proxy, tmp_path, bad):
    """The server would mend such keys; here its listings are written by hand."""
    lake.put("img/corn/good.png", save(tmp_path / "a.png").read_bytes())
    lake.put("img/wheat/a/good.png", save(tmp_path / "b.png").read_bytes())
    lake.put("img/wheat/b/good.png", save(tmp_path / "c.png").read_bytes())
    bad_key = f"img/wheat/{bad}"

    def rule(request):
        if not request.is_list or not request.key.startswith("img"):
            return None
        asked = "img/wheat/a/good.png", bad_key
        if request.is_deep:
            return listing(["img/corn/good.png", *asked])
        return listing([*asked]) if request.key.startswith("img/wheat/a") else None

    proxy.rule = rule
    out = tmp_path / "out"
    result = granpipe("prepare", lake.url("img"), out, code=1)
    assert "1 folder or photograph could not be read" in result.stderr
    assert {row["source"] for row in rows(out / "labels.csv")} == {
        "corn/good.png",
        "wheat/b/good.png",
    }
    assert rejects(out) == {}
    assert f"its key {bad_key!r} has an empty part" in result.stderr


@pytest.mark.parametrize("bad", ["img//x.png", "img/a\nb/c.png"])
def test_a_bad_key_directly_in_source_is_one_line(granpipe, lake, proxy, tmp_path, bad):
    proxy.rule = lambda request: listing([bad]) if request.is_list else None
    result = granpipe("prepare", lake.url("img"), tmp_path / "out", code=1)
    assert_one_line(result, f"{lake.url('img')}: cannot list the folder: its key {bad!r} has")


@pytest.mark.parametrize("bad", ["rye/%7F.png", "rye/a%0Ab.png", "rye/2024/a%0Ab/c.png"])
def test_a_bad_key_on_the_server_keeps_what_its_folder_gave_before(
    granpipe, server, lake, tmp_path, bad
):
    for number, name in enumerate(["corn/a.png", "rye/caf\u00e9.png", "rye/2024/b.png"]):
        lake.put(f"img/{name}", save(tmp_path / "a.png", picture(seed=number)).read_bytes())
    command = ("prepare", lake.url("img"), lake.url("out"))
    granpipe(*command)
    before = lake.tree("out")
    image, key = (tmp_path / "a.png").read_bytes(), f"buckets/{lake.name}/img/{bad}"
    request = urllib.request.Request(f"{server.filer}/{key}", image, method="PUT")
    urllib.request.urlopen(request).close()
    result = granpipe(*command, code=1)
    folder = bad.rpartition("/")[0].removesuffix("/a%0Ab")
    assert lake.tree("out").keys() == before.keys()
    assert lake.tree("out")["labels.csv"] == before["labels.csv"]
    assert f"{folder}: cannot list the folder: its key " in result.stderr
    assert read_table(f"{lake.url('out')}/rejected.csv") == []


HOSTILE = {
    "corn/back\\slash.png": "bad_name",
    "corn/%2e%2e/a.png": "",
    "corn/..png": None,
    "corn/a:b.png": "",
    "corn/{{7*7}}.png": "",
    "corn/\u202egnp.png": "",
    "labels.csv/a.png": "bad_name",
    "augmented/a.png": "bad_name",
    "corn/x.npy/a.png": "bad_name",
    "c" * 300 + "/a.png": "bad_name",
    "corn/" + "n" * 240 + ".png": "bad_name",
    "at_root.png": "no_label",
}


def test_keys_that_make_no_name_are_rejected_and_the_rest_goes_on(granpipe, tmp_path, monkeypatch):
    image = save(tmp_path / "a.png")
    data = [save(image, picture(seed=n)).read_bytes() for n, _ in enumerate(HOSTILE)]
    bucket = memory_bucket(dict(zip(HOSTILE, data, strict=True)) | {"corn/": b"", "rye/": b""})
    monkeypatch.setattr("granpipe.engines.local.open_store", as_memory(bucket))
    monkeypatch.setattr("granpipe.engines.processes.run", here)
    granpipe("prepare", "s3://memory", tmp_path / "out")
    reasons = {source: reason for source, reason in HOSTILE.items() if reason}
    assert rejects(tmp_path / "out") == reasons
    prepared = {row["source"] for row in rows(tmp_path / "out/labels.csv")}
    assert prepared == {source for source, reason in HOSTILE.items() if reason == ""}
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.is_relative_to(tmp_path / "out") or path == image for path in everything)


def as_memory(bucket):
    from granpipe.stores.urls import open_store

    return lambda url: bucket if str(url) == "s3://memory" else open_store(url)


def here(function, items, workers, **options):
    """Stand in for the engine: a store in memory does not reach a worker."""
    yield from ((item, function(item)) for item in items)


@pytest.fixture
def beside():
    """Names that differ in letter case alone, or in how an accent is written."""
    names = ["corn/a.png", "corn/A.png", "corn/b.png", "corn/\u00e9.png", "corn/e\u0301.png"]
    return names, {"corn/b.png"}


@pytest.mark.parametrize("ignores", [True, False])
def test_names_alike_are_rejected_where_the_disk_ignores_case_and_kept_elsewhere(
    granpipe, tmp_path, monkeypatch, beside, ignores
):
    names, alone = beside
    image = tmp_path / "a.png"
    bucket = memory_bucket(
        {name: save(image, picture(seed=n)).read_bytes() for n, name in enumerate(names)}
    )
    monkeypatch.setattr("granpipe.engines.local.open_store", as_memory(bucket))
    monkeypatch.setattr("granpipe.engines.processes.run", here)
    monkeypatch.setattr("granpipe.stores.folder.Folder.ignores_case", lambda folder: ignores)
    granpipe("prepare", "s3://memory", tmp_path / "out")
    prepared = {row["source"] for row in rows(tmp_path / "out/labels.csv")}
    assert prepared == (alone if ignores else set(names))
    written = {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("*.npy")}
    assert written == {f"{source}.npy" for source in prepared}


def test_an_object_of_5_gb_is_refused_unread(granpipe, lake, proxy, tmp_path):
    lake.put("img/corn/a.png", save(tmp_path / "a.png").read_bytes())

    def rule(request):
        if request.is_list and request.key.startswith("img"):
            status, body = listing(["img/corn/a.png", "img/corn/b.png"])
            return status, body.replace(b"<Size>9</Size>", b"<Size>5000000000</Size>", 1)
        return None

    proxy.rule = rule
    granpipe("prepare", lake.url("img"), tmp_path / "out", code=1)
    assert rejects(tmp_path / "out")["corn/a.png"] == "too_large"
    assert "img/corn/a.png" not in proxy.keys("GET")


class Listed:
    """Stands for obstore: its listing is long, and made on the way."""

    def __init__(self, count: int) -> None:
        self.count = count

    def list(self, store, prefix):
        for start in range(0, self.count, 50):
            yield [
                {"path": f"img/corn/{n:09}.jpg", "size": n, "e_tag": f'"{n:032x}"'}
                for n in range(start, start + 50)
            ]


@pytest.mark.slow
def test_a_key_that_is_listed_takes_at_most_300_bytes(monkeypatch):
    import tracemalloc

    from granpipe.dataset.sources import Search

    monkeypatch.setattr(obstore, "list", Listed(100_000).list)
    tracemalloc.start()
    found = list(Search(Bucket("memory", "img", client=SimpleNamespace())))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 100_000
    assert peak / 100_000 <= 300


def test_etags_that_change_between_writing_and_listing_cost_a_look_only(
    granpipe, lake, proxy, tmp_path
):
    """Some servers encrypt or join parts afterwards, and then tell another etag."""
    for number in range(4):
        save(tmp_path / f"img/corn/{number}.png", picture(seed=number))

    def alter(request, headers):
        if request.method == "PUT" and request.key.endswith(".npy"):
            headers["Etag"] = '"of another kind"'

    proxy.alter = alter
    command = ("prepare", tmp_path / "img", lake.url("out"))
    granpipe(*command)
    proxy.requests.clear()
    assert "(4 unchanged)" in granpipe(*command).stdout
    assert proxy.counts().keys() == {"LIST", "GET"}


def test_a_server_that_gives_no_etags_is_refused_in_one_line(granpipe, lake, proxy, tmp_path):
    save(tmp_path / "img/corn/a.png")
    proxy.alter = lambda request, headers: headers.pop("Etag", None)
    result = granpipe("prepare", tmp_path / "img", lake.url("out"), code=1)
    assert_one_line(result, "gives no ETags")
