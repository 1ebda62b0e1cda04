"""Packs: many arrays in a file, the same ones whatever happened before."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from granpipe import PhotoError, load_array, make_copy, parameters_of, read_table
from granpipe.commands.group import cli
from granpipe.dataset.ledger import Ledger
from granpipe.stores.folder import Folder

from conftest import picture, rejects, rows, save, tree

NO_DECODER = """
from PIL import ImageFile

def load(self):
    raise OSError("decoded")

ImageFile.ImageFile.load = load
"""
KILLED = """
import os, signal
from granpipe.stores.folder import Folder

left = [int(os.environ["KILLED_AT"])]

def killing(name):
    function = getattr(Folder, name)
    def one(self, path, *args, **options):
        left[0] -= os.environ["KILLED_FOR"] in path
        if left[0] < 0:
            os.killpg(0, signal.SIGKILL)
        return function(self, path, *args, **options)
    setattr(Folder, name, one)

killing(os.environ["KILLED_IN"])
"""


def run(*words: object) -> str:
    result = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def src(tmp_path) -> Path:
    for number in range(11):
        label = ("corn", "wheat")[number % 2]
        save(tmp_path / "src" / label / f"{number:02}.png", picture(seed=number))
    (tmp_path / "src/corn/03.jpg").write_bytes(b"no picture")
    shutil.copy2(tmp_path / "src/corn/02.png", tmp_path / "src/corn/twin.png")
    return tmp_path / "src"


@pytest.fixture
def without_decoder(tmp_path, monkeypatch) -> None:
    """Let every photograph that is decoded be rejected, by workers also."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook/sitecustomize.py").write_text(NO_DECODER)
    monkeypatch.syspath_prepend(str(tmp_path / "hook"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "hook"), *sys.path]))


def kill(tmp_path: Path, step: str, at: int, part: str, *words: object) -> Path:
    """Run a command that is killed when it has done a step so often for a path with this part.

    Returns the folder of the hook that saw to it.
    """
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(KILLED)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(hook), *sys.path]),
        "KILLED_AT": str(at),
        "KILLED_IN": step,
        "KILLED_FOR": part,
    }
    command = [sys.executable, "-m", "granpipe", *map(str, words), "--workers", "1"]
    killed = subprocess.run(command, check=False, env=environment, start_new_session=True)
    assert killed.returncode == -signal.SIGKILL
    return hook


def arrays(output: Path) -> dict[str, bytes]:
    return {row["source"]: load_array(output, row).tobytes() for row in rows(output / "labels.csv")}


def packs(output: Path) -> list[str]:
    return sorted(path.name for path in output.glob("*.npy"))


def test_a_pack_holds_what_is_accepted_of_its_sources(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32)
    table = rows(tmp_path / "out/labels.csv")
    places = {row["source"]: (row["path"], row["row"]) for row in table}
    assert packs(tmp_path / "out") == [f"arrays-0000{number}.npy" for number in range(3)]
    assert places["corn/02.png"] == ("arrays-00000.npy", "1")
    assert places["corn/04.png"] == ("arrays-00000.npy", "2")  # 03.jpg is rejected
    shapes = [
        np.load(tmp_path / "out" / name, mmap_mode="r").shape for name in packs(tmp_path / "out")
    ]
    assert shapes == [(4, 32, 32, 3), (4, 32, 32, 3), (3, 32, 32, 3)]
    assert '"pack": 5' in (tmp_path / "out/dataset.json").read_text()
    granpipe("prepare", src, tmp_path / "alone", "--size", 32)
    assert arrays(tmp_path / "out") == arrays(tmp_path / "alone")
    row = table[5]
    pack = np.load(tmp_path / "out" / row["path"], mmap_mode="r")
    assert pack[int(row["row"])].tobytes() == arrays(tmp_path / "alone")[row["source"]]


def test_packs_change_their_size_and_go_without_decoding(granpipe, src, tmp_path, request):
    expected = {}
    for count in (3, 4, "none"):
        granpipe("prepare", src, tmp_path / f"{count}", "--pack", count, "--size", 32)
        expected[count] = tree(tmp_path / f"{count}")
    rejected = rejects(tmp_path / "3")
    request.getfixturevalue("without_decoder")
    for count in ("none", 3, 4, 3, "none", 4):
        granpipe("prepare", src, tmp_path / "none", "--pack", count, "--size", 32, "--workers", 2)
        assert tree(tmp_path / "none") == expected[count], count
    granpipe("prepare", src, tmp_path / "none", "--size", 32)
    assert tree(tmp_path / "none") == expected[4]  # as before, where nothing is said
    assert rejects(tmp_path / "none") == rejected


def test_an_unchanged_dataset_of_packs_is_left_alone(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5)
    os.utime(src / "corn/twin.png", ns=(0, 0))

    def stamps() -> dict[str, tuple[int, int]]:
        paths = [tmp_path / "out" / name for name in tree(tmp_path / "out")]
        paths.append(tmp_path / "out/.granpipe/ledger.jsonl")
        return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}

    granpipe("prepare", src, tmp_path / "out")
    before = stamps()
    granpipe("prepare", src, tmp_path / "out")
    assert stamps() == before


NAMES = [f"{label}/{name}.png" for label in ("corn", "wheat") for name in "abcd"]
CONTENTS = st.integers(0, 4)  # 0 is no picture; equal numbers are twins
FOLDERS = st.dictionaries(st.sampled_from(NAMES), CONTENTS, min_size=1)


@given(history=st.lists(st.tuples(FOLDERS, st.integers(0, 4)), min_size=2, max_size=4))
@settings(max_examples=5)
def test_the_same_photographs_give_the_same_packs_whatever_the_history(history):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for photographs, count in history:
            shutil.rmtree(folder / "src", ignore_errors=True)
            for path, seed in photographs.items():
                save(folder / "src" / path, picture(8, 6, seed), format="PNG")
                if not seed:
                    (folder / "src" / path).write_bytes(b"no picture")
            options = ["-q", "--size", 8, "--pack", count, "--workers", 1]
            run("prepare", folder / "src", folder / "out", *options, "--allow-deletions")
        run("prepare", folder / "src", folder / "fresh", *options)
        assert tree(folder / "out") == tree(folder / "fresh")


@pytest.mark.skipif(os.name != "posix", reason="signals and process groups")
@pytest.mark.parametrize(("step", "at"), [("fill", 4), ("writer", 2), ("move", 0), ("move", 2)])
def test_a_killed_run_is_completed_by_the_next(granpipe, src, tmp_path, monkeypatch, step, at):
    granpipe("prepare", src, tmp_path / "whole", "--pack", 3, "--size", 32)
    if step != "fill":
        granpipe("prepare", src, tmp_path / "out", "--pack", 4, "--size", 32)
    words = ["prepare", src, tmp_path / "out", "--pack", 3, "--size", 32]
    hook = kill(tmp_path, step, at, ".granpipe/packs/", *words)
    for path in (tmp_path / "out").glob("arrays-*.npy"):
        assert np.load(path).ndim == 4  # whole, or not there
    if step != "fill":
        (hook / "sitecustomize.py").write_text(NO_DECODER)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(hook), *sys.path]))
    granpipe(*words)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert not list((tmp_path / "out/.granpipe").rglob("*.npy"))


@pytest.mark.skipif(os.name != "posix", reason="signals and process groups")
@pytest.mark.parametrize("size", [32, 24])
@pytest.mark.parametrize("pack", ["none", "5"])
def test_a_run_killed_while_arrays_leave_packs_is_completed_by_the_next(
    granpipe, src, tmp_path, size, pack
):
    out = tmp_path / "out"
    granpipe("prepare", src, tmp_path / "whole", "--pack", pack, "--size", size)
    granpipe("prepare", src, out, "--pack", 5, "--size", 32)
    words = ["prepare", src, out, "--pack", "none", "--size", size]
    kill(tmp_path, "write", 4, ".png.npy", *words)
    assert len(list(out.glob("*/*.npy"))) == 4
    granpipe("prepare", src, out, "--pack", pack, "--size", size)
    assert tree(out) == tree(tmp_path / "whole")


def test_what_was_announced_is_ours_until_the_next_run_is_through(granpipe, src, tmp_path):
    out = tmp_path / "out"
    granpipe("prepare", src, out, "--pack", 5, "--size", 32)
    ledger = Ledger(Folder(str(out)), "prepare")
    ledger.plan(["corn/00.png.npy"])
    for _ in range(2):  # as a part, and put in one file
        assert Ledger(Folder(str(out)), "prepare").announced == {"corn/00.png.npy"}
        ledger.compact()
    granpipe("prepare", src, out, "--size", 32)
    mine = save(out / "corn/00.png").rename(out / "corn/00.png.npy")
    result = granpipe("prepare", src, out, "--size", 32, "--pack", "none", code=1)
    assert f"{mine}: was not written by granpipe; move it away" in result.output


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)


def alter_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"(4,", b"(3,", 1))


def exchange(path: Path) -> None:
    shutil.copy(path.with_name("arrays-00001.npy"), path)


def alter_unseen(path: Path) -> None:
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(300)
        file.write(b"xx")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("damage", [cut, lengthen, alter, alter_header, exchange, Path.unlink])
def test_a_damaged_pack_is_made_again(granpipe, src, tmp_path, damage):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32)
    expected = tree(tmp_path / "out")
    damage(tmp_path / "out/arrays-00000.npy")
    assert tree(tmp_path / "out") != expected
    granpipe("prepare", src, tmp_path / "out", "--size", 32)
    assert tree(tmp_path / "out") == expected


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "arrays-00000.npy ends before its row 3 does"),
        (alter_header, "arrays-00000.npy is no pack with a row 3"),
        (Path.unlink, "its array cannot be read: No such file or directory"),
    ],
)
def test_a_row_that_a_pack_does_not_hold_is_told(granpipe, src, tmp_path, damage, message):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32)
    damage(tmp_path / "out/arrays-00000.npy")
    last = next(row for row in rows(tmp_path / "out/labels.csv") if row["row"] == "3")
    with pytest.raises(PhotoError) as caught:
        load_array(tmp_path / "out", last)
    assert (caught.value.reason, caught.value.detail) == ("unreadable", message)


def test_verify_finds_altered_bits_under_a_restored_time(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32)
    expected = tree(tmp_path / "out")
    alter_unseen(tmp_path / "out/arrays-00000.npy")
    granpipe("prepare", src, tmp_path / "out", "--size", 32, "--verify")
    assert tree(tmp_path / "out") == expected


def test_a_lost_ledger_is_made_again_and_keeps_packs(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32)
    expected = tree(tmp_path / "out")
    (tmp_path / "out/.granpipe/ledger.jsonl").unlink()
    granpipe("prepare", src, tmp_path / "out", "--size", 32)
    assert tree(tmp_path / "out") == expected


def test_a_file_of_a_packs_name_is_not_overwritten(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "out", "--size", 32)
    (tmp_path / "out/arrays-00000.npy").write_bytes(b"mine")
    result = granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32, code=1)
    assert "was not written by granpipe" in result.output
    assert (tmp_path / "out/arrays-00000.npy").read_bytes() == b"mine"


def test_what_a_user_keeps_beside_packs_is_neither_deleted_nor_overwritten(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32)
    mine = save(tmp_path / "out/corn/02.png").rename(tmp_path / "out/corn/02.png.npy")
    before = mine.read_bytes()
    (src / "corn/02.png").unlink()
    granpipe("prepare", src, tmp_path / "out", "--size", 32)
    granpipe("prepare", src, tmp_path / "out", "--size", 16)
    assert mine.read_bytes() == before
    save(src / "corn/02.png")
    assert (
        "was not written"
        in granpipe(
            *("prepare", src, tmp_path / "out", "--size", 16, "--pack", "none"), code=1
        ).output
    )
    assert mine.read_bytes() == before


def test_copies_are_packed_drawn_and_made_again(granpipe, src, tmp_path):
    out, alone = tmp_path / "out", tmp_path / "alone"
    for folder, pack in ((alone, "none"), (out, 5)):
        granpipe("prepare", src, folder, "--pack", pack, "--size", 32, "--preview", f"{folder}.png")
        granpipe(
            *("augment", folder, "--copies", 2, "--pack", pack, "--preview", f"{folder}-copies.png")
        )
    for name in ("{}.png", "{}-copies.png"):
        first, second = (Path(name.format(folder)).read_bytes() for folder in (out, alone))
        assert first == second
    homes = {row["source"]: row for row in read_table(out / "labels.csv")}
    singles = [load_array(alone / "augmented", r) for r in rows(alone / "augmented/labels.csv")]
    table = rows(out / "augmented/labels.csv")
    assert len(table) == 2 * len(homes) and packs(out / "augmented")[-1] == "arrays-00004.npy"
    for row, single in zip(table, singles, strict=True):
        array = load_array(out / "augmented", row)
        assert np.array_equal(array, single)
        source = load_array(out, homes[row["source"]])
        assert np.array_equal(make_copy(source, *parameters_of(row)), array)
    assert "(22 of them up to date" in granpipe("augment", out, "--copies", 2).output


def test_one_worker_and_three_write_the_same_packs_and_copies(granpipe, src, tmp_path):
    for workers in (1, 3):
        out = tmp_path / f"{workers}"
        options = ["--pack", 4, "--workers", workers]
        granpipe("prepare", src, out, "--size", 32, "--split", "80/20", *options)
        granpipe("augment", out, *options, "--side", "all")
    assert tree(tmp_path / "1") == tree(tmp_path / "3")


def test_a_bucket_holds_the_same_packs(granpipe, src, tmp_path, lake):
    granpipe("prepare", src, tmp_path / "out", "--pack", 5, "--size", 32)
    granpipe("augment", tmp_path / "out", "--pack", 5, "--copies", 2)
    expected = tree(tmp_path / "out")
    out = lake.url("sets/out")
    granpipe("prepare", src, out, "--pack", 3, "--size", 32)
    granpipe("prepare", src, out, "--pack", 5, "--size", 32)
    granpipe("augment", out, "--pack", 5, "--copies", 2)
    assert lake.tree("sets/out") == expected
    row = read_table(f"{out}/labels.csv")[4]
    assert np.array_equal(load_array(out, row), load_array(tmp_path / "out", row))
    assert not [name for name in lake.own("sets/out") if name.endswith(".npy")]
