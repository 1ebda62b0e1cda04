"""A folder of a disk as a store: what its operations promise, on a disk full of surprises."""

import os
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from granpipe.errors import BusyError, DatasetError
from granpipe.stores.folder import Folder
from granpipe.stores.locks import lock

from conftest import picture, put, rejects, rows, save

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, modes and pipes")


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def folder(root) -> Folder:
    return Folder(str(root))


def old(path: Path) -> Path:
    """Let a file be an hour old."""
    then = time.time_ns() - 3_600_000_000_000
    os.utime(path, ns=(then, then))
    return path


def paths(folder, inner="", **options) -> list[str]:
    return sorted(entry.path for entry in folder.list(inner, **options))


def test_what_is_written_is_read_and_listed_in_one_version(folder, root):
    folder.write("a/b.npy", b"123")
    version = folder.write("a/b.npy", b"1234")
    (entry,) = folder.list()
    assert (entry.path, entry.size, entry.version, entry.problem) == ("a/b.npy", 4, version, "")
    assert [path.name for path in root.rglob("*")] == ["a", "b.npy"]


def test_a_file_younger_than_the_tick_of_a_clock_has_no_version_to_rely_on(folder, root):
    folder.write("a", b"1")
    assert folder.read("a") == (b"1", "")
    old(root / "a")
    version = folder.read("a")[1]
    assert version == next(folder.list()).version != ""


def test_other_bytes_under_the_same_size_and_time_are_another_version(folder, root):
    folder.write("a", b"1")
    before = old(root / "a").stat()
    version = next(folder.list()).version
    folder.write("a", b"2")
    os.utime(root / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert next(folder.list()).version != version


def test_a_file_that_changes_while_it_is_read_has_no_version(folder, root, monkeypatch):
    folder.write("a", b"12")
    old(root / "a")
    fstat, calls = os.fstat, []

    def changing(number):
        calls.append(number)
        if len(calls) == 2:  # before reading, and after
            os.utime(root / "a", ns=(1, 1))
        return fstat(number)

    monkeypatch.setattr(os, "fstat", changing)
    assert folder.read("a")[1] == ""
    assert len(calls) == 2


def test_what_is_not_there_is_a_file_not_found(folder):
    for action in (folder.read, lambda path: folder.head(path, 9)):
        with pytest.raises(FileNotFoundError):
            action("no/such.npy")
    folder.delete("no/such.npy")
    assert paths(folder) == paths(folder, "no") == paths(folder, deep=False) == []


def test_pipes_folders_and_loops_are_no_files_and_nobody_waits_for_them(folder, root):
    root.mkdir()
    os.mkfifo(root / "pipe.jpg")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "gone.jpg").symlink_to("nowhere")
    (root / "again").symlink_to(".")
    problems = {entry.path: entry.problem for entry in folder.list()}
    assert problems == {
        "pipe.jpg": "is no regular file",
        "loop.jpg": "Too many levels of symbolic links",
        "gone.jpg": "link to a file that is not there",
    }
    for name in ("pipe.jpg", "loop.jpg", "gone.jpg", "again"):
        with pytest.raises(OSError):
            folder.read(name)


@pytest.mark.parametrize("operation", ["write", "writer", "create"])
def test_nothing_is_written_or_deleted_through_a_link_on_the_way(folder, root, tmp_path, operation):
    put(tmp_path / "elsewhere/mine", b"mine")
    root.mkdir()
    (root / "corn").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match="leads through a link elsewhere"):
        if operation == "writer":
            with folder.writer("corn/mine") as file:
                file.write(b"x")
        else:
            getattr(folder, operation)("corn/mine", b"x")
    folder.delete("corn/mine")
    assert (tmp_path / "elsewhere/mine").read_bytes() == b"mine"
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["mine"]


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_a_large_table_appears_whole_or_not_at_all(folder, root, size):
    with pytest.raises(ZeroDivisionError), folder.writer("a/labels.csv") as file:
        file.write(bytes(size))
        _ = 1 / 0
    assert paths(folder) == []
    with folder.writer("a/labels.csv") as file:
        file.write(bytes(size))
    assert (root / "a/labels.csv").read_bytes() == bytes(size)
    assert paths(folder) == ["a/labels.csv"]


def test_a_lock_file_is_created_once_and_replaced_in_its_version_alone(folder):
    version = folder.create("lock", b"mine")
    assert version
    assert folder.create("lock", b"theirs") is None
    assert folder.replace("lock", b"new", "another") is None
    assert folder.replace("gone", b"new", version) is None
    assert folder.replace("lock", b"newer", version)
    assert folder.read("lock")[0] == b"newer"
    assert paths(folder) == ["lock"]


def at_once(count: int, step) -> list:
    """Return what so many threads get that take a step at the same moment."""
    together = threading.Barrier(count)

    def go(number: int):
        together.wait()
        return step(number)

    with ThreadPoolExecutor(count) as threads:
        return [*threads.map(go, range(count))]


def test_of_concurrent_creators_one_wins(folder, root):
    root.mkdir()
    made = at_once(8, lambda number: folder.create("lock", b"%d" % number))
    assert sum(version is not None for version in made) == 1
    assert paths(folder) == ["lock"]


def test_deleting_takes_the_emptied_folders_along_and_no_other(folder, root):
    folder.write("a/b/c.npy", b"1")
    folder.write("a/d.npy", b"1")
    folder.delete("a/b/c.npy")
    folder.delete("a")
    assert sorted(path.name for path in root.rglob("*")) == ["a", "d.npy"]


def test_two_that_delete_the_same_file_at_once_are_both_content(folder, root, monkeypatch):
    isfile = os.path.isfile

    def isfile_and_gone(path):
        there = isfile(path)
        if there:
            Path(os.fsdecode(path)).unlink()
        return there

    folder.write("dataset.json", b"{}")
    monkeypatch.setattr(os.path, "isfile", isfile_and_gone)
    folder.delete("dataset.json")
    assert paths(folder) == []


def test_a_second_run_is_told_who_writes_and_a_released_lock_is_free(folder, root):
    with folder.hold(".granpipe", print) as held:
        held.store.write("corn/a.npy", b"1")
        with (
            pytest.raises(BusyError, match=rf"process {os.getpid()} on \S+ \(since \S+Z\)"),
            folder.hold(".granpipe", print),
        ):
            pytest.fail("two hold it")
    with folder.hold(".granpipe", print):
        pass
    assert not (root / ".granpipe/tmp").exists()


def test_a_holder_that_has_not_written_its_name_yet_is_named_all_the_same(folder, root):
    with folder.hold(".granpipe", print):
        name = (root / ".granpipe/lock").read_bytes()
        (root / ".granpipe/lock").write_bytes(b"")
        threading.Timer(0.15, (root / ".granpipe/lock").write_bytes, [name]).start()
        with (
            pytest.raises(BusyError, match=f"process {os.getpid()} on "),
            folder.hold(".granpipe", print),
        ):
            pytest.fail("two hold it")


def test_a_lock_that_is_let_go_of_this_moment_is_waited_for(folder, root):
    (root / ".granpipe").mkdir(parents=True)
    file = (root / ".granpipe/lock").open("wb")
    assert lock(file)
    threading.Timer(0.15, file.close).start()
    with folder.hold(".granpipe", print):
        pass


def test_a_lock_that_is_a_link_is_not_followed(folder, root, tmp_path):
    (tmp_path / "mine").write_bytes(b"mine")
    (root / ".granpipe").mkdir(parents=True)
    (root / ".granpipe/lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError), folder.hold(".granpipe", print):
        pytest.fail("holds nothing")
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_worker_of_an_ended_run_writes_and_deletes_nothing(folder, root):
    folder.write("corn/a.npy", b"before")
    with folder.hold(".granpipe", print) as held:
        late = held.store
    for action in (
        lambda: late.write("corn/a.npy", b"late"),
        lambda: late.delete("corn/a.npy"),
        lambda: late.create("corn/b.npy", b"late"),
    ):
        with pytest.raises(DatasetError):
            action()
    assert {p.name: p.read_bytes() for p in (root / "corn").iterdir()} == {"a.npy": b"before"}


def test_names_are_utf_8_and_other_bytes_survive(folder, root):
    folder.write("日本/caf\u00e9.npy", b"1")
    folder.write("caf\udce9.npy", b"2")
    assert paths(folder) == ["caf\udce9.npy", "日本/caf\u00e9.npy"]
    assert sorted(os.fsencode(path.name) for path in root.iterdir()) == [
        b"caf\xe9.npy",
        "日本".encode(),
    ]


@pytest.mark.parametrize("path", ["n" * 256, "ä" * 128, "a/" * 2500 + "b"])
def test_what_the_disk_cannot_have_is_refused(folder, path):
    assert folder.refusal(path)
    assert not folder.refusal("n" * 255)


# A disk that ignores case


@pytest.fixture
def casefold(tmp_path):
    """Mount a disk that ignores case; skip where that is not allowed."""
    image, disk = tmp_path / "image", tmp_path / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(8_000_000)
    for kind, options in (("ext4", ["-O", "casefold", "-q"]), ("vfat", [])):
        make, mount = shutil.which(f"mkfs.{kind}"), shutil.which("mount")
        if not (make and mount):
            continue
        subprocess.run([make, *options, image], check=True, capture_output=True)
        done = subprocess.run([mount, "-o", "loop", image, disk], capture_output=True, check=False)
        if done.returncode == 0:
            break
    else:
        pytest.skip("may not mount a disk that ignores case")
    out = disk / "Sets"
    out.mkdir()
    subprocess.run(["chattr", "+F", out], capture_output=True, check=False)
    yield out
    subprocess.run(["umount", disk], check=True)


def test_on_a_disk_that_ignores_case_no_array_writes_over_another(granpipe, tmp_path, casefold):
    for number, name in enumerate(
        ["corn/a.png", "corn/A.png", "Corn/b.png", "corn/b.png", "rye/c.png"]
    ):
        save(tmp_path / "img" / name, picture(seed=number))
    assert Folder(str(casefold / "out")).ignores_case()
    granpipe("prepare", tmp_path / "img", casefold / "out")
    alike = ["corn/a.png", "corn/A.png", "Corn/b.png", "corn/b.png"]
    assert rejects(casefold / "out") == dict.fromkeys(alike, "bad_name")
    assert [row["source"] for row in rows(casefold / "out/labels.csv")] == ["rye/c.png"]
    assert [path.name for path in casefold.rglob("*.npy")] == ["c.png.npy"]


def test_a_disk_that_tells_case_apart_is_known_as_one(tmp_path):
    assert not Folder(str(tmp_path / "out")).ignores_case()


def test_of_concurrent_replacers_of_one_version_one_wins(folder):
    version = folder.create("note", b"0")
    for _ in range(20):
        replace = partial(folder.replace, "note", version=version)
        (version,) = filter(None, at_once(6, lambda number, do=replace: do(data=b"%d" % number)))
    assert paths(folder) == ["note"]


def test_a_file_comes_into_a_folder_that_others_delete_when_it_is_empty(folder):
    def go(number: int) -> None:
        for turn in range(100):
            folder.write(f"a/b/{number}-{turn}", b"")
            folder.delete(f"a/b/{number}-{turn}")

    with ThreadPoolExecutor(4) as threads:
        [*threads.map(go, range(4))]
    assert paths(folder) == []
