"""What could not be seen is not gone; what is gone in great numbers wants a word."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ledgers
from conftest import ROOT, assert_one_line, picture, rejects, rows, save, tree
from proxies import listing

pytestmark = pytest.mark.slow


@pytest.fixture
def img(tmp_path) -> Path:
    for label in ("corn", "rye"):
        for number in range(3):
            save(tmp_path / f"img/{label}/{number}.png", picture(seed=hash_of(label, number)))
    return tmp_path / "img"


def hash_of(label: str, number: int) -> int:
    return 100 * len(label) + number


@pytest.fixture
def hide(monkeypatch):
    """Let a folder be one that cannot be listed, also for a user who may all."""
    scandir = os.scandir

    def run(folder: Path | None) -> None:
        def refusing(path):
            if folder and path == os.fsencode(folder):
                raise PermissionError(13, "Permission denied")
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)

    return run


def test_a_source_that_cannot_be_listed_is_to_be_made_readable(granpipe, img, tmp_path, hide):
    hide(img)
    for command in (["prepare", img, tmp_path / "out"], ["map", img, "-o", tmp_path / "m.html"]):
        assert granpipe(*command, code=1).stderr == (
            f"granpipe: {img}: cannot list the folder: Permission denied; make it readable, or "
            "name another folder\n"
        )


def test_an_unlisted_folder_keeps_rows_and_arrays(granpipe, img, tmp_path, hide):
    command = ("prepare", img, tmp_path / "out")
    granpipe(*command)
    before = tree(tmp_path / "out")
    hide(img / "rye")
    (img / "corn/0.png").unlink()
    save(img / "corn/new.png", picture(seed=9))
    result = granpipe(*command, code=1)
    assert "1 folder or photograph could not be read, as " in result.stderr
    assert "cannot list the folder: Permission denied; allow reading it" in result.stderr
    assert "copy the original" not in result.stderr
    assert "6 photographs found: 6 prepared (5 unchanged), 0 rejected." in result.stdout
    sources = [row["source"] for row in rows(tmp_path / "out/labels.csv")]
    corn = ["corn/1.png", "corn/2.png", "corn/new.png"]
    assert sources == [*corn, "rye/0.png", "rye/1.png", "rye/2.png"]
    assert rejects(tmp_path / "out") == {}
    hide(None)
    shutil.copy(img / "corn/new.png", img / "corn/0.png")
    (img / "corn/new.png").unlink()
    after = tree(tmp_path / "out")
    assert all(after[path] == data for path, data in before.items() if path.startswith("rye"))
    assert "6 prepared" in granpipe(*command).stdout


@pytest.mark.parametrize("options", [["--fill", "9"], ["--size", 64], ["--force"]])
def test_with_other_settings_it_stops_before_it_writes(granpipe, img, tmp_path, hide, options):
    granpipe("prepare", img, tmp_path / "out")
    before = tree(tmp_path / "out")
    hide(img / "rye")
    result = granpipe("prepare", img, tmp_path / "out", *options, code=1)
    assert_one_line(result, "with other settings its arrays would be lost")
    assert tree(tmp_path / "out") == before


def test_an_array_that_is_gone_from_an_unlisted_folder_leaves_no_row(granpipe, img, tmp_path, hide):
    granpipe("prepare", img, tmp_path / "out")
    (tmp_path / "out/rye/0.png.npy").unlink()
    (tmp_path / "out/rye/1.png.npy").write_bytes(b"other")
    hide(img / "rye")
    granpipe("prepare", img, tmp_path / "out", code=1)
    sources = [row["source"] for row in rows(tmp_path / "out/labels.csv")]
    assert sources == ["corn/0.png", "corn/1.png", "corn/2.png", "rye/2.png"]


def test_a_prefix_that_does_not_answer_ends_the_run_and_loses_nothing(
    granpipe, lake, proxy, img, monkeypatch
):
    lake.upload(img, "img")
    command = ("prepare", lake.url("img"), lake.url("out"))
    granpipe(*command)
    before = lake.objects("out")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    denied = (403, b"<Error><Code>AccessDenied</Code></Error>")
    for answer in (503, denied):
        proxy.rule = lambda request, answer=answer: (
            answer if request.is_list and request.key.startswith("img") else None
        )
        assert granpipe(*command, code=1).stderr.count("\n") == 1
        assert lake.objects("out") == before


def test_a_prefix_that_may_not_be_listed_keeps_rows_and_arrays(granpipe, lake, proxy, img):
    lake.upload(img, "img")
    command = ("prepare", lake.url("img"), lake.url("out"))
    granpipe(*command)
    before = lake.tree("out")

    def rule(request):
        if request.is_list and request.key.startswith("img"):
            deep = request.is_deep and request.key.count("/") < 2
            return listing(["img/rye//x.png"]) if deep or "rye" in request.key else None
        return None

    proxy.rule = rule
    result = granpipe(*command, code=1)
    assert "6 prepared (6 unchanged)" in result.stdout
    after = lake.tree("out")
    assert after["labels.csv"] == before["labels.csv"]
    assert {path for path in after if path.endswith(".npy")} <= before.keys()
    stop = granpipe(*command, "--size", 64, code=1)
    assert "with other settings" in stop.stderr
    assert lake.tree("out") == after


# Deletions


@pytest.fixture
def many(request, granpipe, tmp_path):
    """Return 21 photographs, the command that prepared them, and a way to read the output."""
    for number in range(21):
        save(tmp_path / f"img/corn/{number:02}.png", picture(seed=number))
    if getattr(request, "param", "folder") == "folder":
        out, read = tmp_path / "out", lambda: tree(tmp_path / "out")
    else:
        lake = request.getfixturevalue("lake")
        out, read = lake.url("out"), lambda: lake.tree("out")
    granpipe("prepare", tmp_path / "img", out, "--size", 32)
    return tmp_path / "img/corn", ("prepare", tmp_path / "img", out, "--size", 32), read


def remove(folder: Path, count: int) -> None:
    for path in sorted(folder.glob("*.png"))[:count]:
        path.unlink()


@pytest.mark.parametrize("many", ["folder", "bucket"], indirect=True)
def test_more_than_half_of_over_20_arrays_are_deleted_with_leave_only(granpipe, many):
    folder, command, read = many
    before = read()
    remove(folder, 11)
    result = granpipe(*command, code=1)
    assert_one_line(result, "this would delete 11 of 21 arrays", "--allow-deletions")
    assert read() == before
    assert "11 arrays deleted" in granpipe(*command, "--allow-deletions").stdout
    assert len(read()) == 10 + 3


def test_up_to_half_need_no_leave(granpipe, many):
    folder, command, _ = many
    remove(folder, 10)
    assert "10 arrays deleted" in granpipe(*command).stdout


def test_twenty_arrays_or_less_need_no_leave(granpipe, many):
    folder, command, _ = many
    remove(folder, 1)
    granpipe(*command)
    remove(folder, 19)
    assert "19 arrays deleted" in granpipe(*command).stdout


def test_photographs_that_only_moved_do_not_count(granpipe, many):
    folder, command, _ = many
    folder.rename(folder.with_name("maize"))
    assert "21 arrays deleted" in granpipe(*command).stdout


def test_new_photographs_do_not_stand_for_those_that_are_gone(granpipe, many):
    folder, command, read = many
    remove(folder, 15)
    for number in range(15):
        save(folder / f"new-{number}.png", picture(seed=100 + number))
    result = granpipe(*command, code=1)
    assert "this would delete 15 of 21 arrays" in result.stderr
    assert "labels.csv" in read()
    assert "15 arrays deleted" in granpipe(*command, "--allow-deletions").stdout


def test_photographs_that_became_unreadable_count_as_gone(granpipe, many):
    folder, command, read = many
    for path in sorted(folder.glob("*.png"))[:12]:
        path.write_bytes(b"encrypted by somebody")
    before = {path: data for path, data in read().items() if path.endswith(".npy")}
    result = granpipe(*command, code=1)
    assert "this would delete 12 of 21 arrays" in result.stderr
    assert before.items() <= read().items()


def test_with_a_damaged_ledger_too_it_stops_before_it_deletes(granpipe, img, tmp_path, hide):
    granpipe("prepare", img, tmp_path / "out")
    ledger = tmp_path / "out/.granpipe/ledger.sqlite"
    before = tree(tmp_path / "out")
    hide(img / "rye")
    change = "UPDATE records SET width = 1 WHERE name = 'rye/1.png'"
    for damage in (lambda: ledgers.edit(ledger, change), ledger.unlink):
        damage()
        result = granpipe("prepare", img, tmp_path / "out", code=1)
        assert "the ledger does not say what came from it" in result.stderr
        assert tree(tmp_path / "out") == before


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_photograph_that_may_not_be_read_today_keeps_its_array(granpipe, img, tmp_path):
    out = tmp_path / "out"
    granpipe("prepare", img, out)
    before = tree(out)
    (img / "rye/1.png").chmod(0)
    command = [sys.executable, "-m", "granpipe", "prepare", img, out, "--verify"]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root may read all, and setpriv is not there to change that")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1, done.stderr
    assert (
        "1 folder or photograph could not be read, as rye/1.png: Permission denied" in done.stderr
    )
    assert tree(out) == before


def test_map_writes_its_files_and_fails_where_a_folder_cannot_be_listed(
    granpipe, img, tmp_path, hide
):
    hide(img / "rye")
    result = granpipe("map", img, "-o", tmp_path / "map.csv", code=1)
    assert "1 folder could not be read, as rye: cannot list the folder: " in result.stderr
    assert len(rows(tmp_path / "map.csv")) == 3
