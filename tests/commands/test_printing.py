"""What is said, and with which exit code: pipes that close, empty names, wrong usage."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, assert_one_line, picture, rejects, rows, save, tree

pytestmark = pytest.mark.slow


@pytest.fixture
def src(tmp_path):
    for number in range(3):
        save(tmp_path / f"src/corn/{number}.jpg", picture(seed=number))
    return tmp_path / "src"


def shell(script: str, *words: object) -> subprocess.CompletedProcess:
    command = ["bash", "-c", f"set -o pipefail; {script}", "granpipe", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


GRANPIPE = f"{sys.executable} -m granpipe"


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
@pytest.mark.parametrize("reader", ["true", "head -n 1 > /dev/null"])
def test_a_pipe_that_closes_ends_well_once_the_work_is_done(src, out, tmp_path, reader):
    sheet = tmp_path / "sheet.png"
    script = f'({GRANPIPE} prepare "$1" "$2" --preview "$3"; echo "left with $?" >&2) | {reader}'
    done = shell(script, src, out, sheet)
    assert done.stderr == "left with 0\n"
    assert len(rows(out / "labels.csv")) == 3
    assert sheet.exists()
    for command in ('augment "$2"', 'map "$1" -o "$2/map.csv"', "--help", "prepare --help"):
        done = shell(f'({GRANPIPE} {command}; echo "left with $?" >&2) | {reader}', src, out)
        assert done.stderr.splitlines()[-1] == "left with 0"
        assert "Error" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_a_closed_pipe_does_not_hide_what_strict_does_not_allow(src, out):
    (src / "corn/broken.jpg").write_bytes(b"no picture")
    done = shell(
        f'({GRANPIPE} prepare "$1" "$2" --strict; echo "left with $?" >&2) | true', src, out
    )
    assert "left with 1" in done.stderr
    done = shell(f'{GRANPIPE} prepare "$1" "$2" >&- 2>&-', src, out)
    assert done.returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["prepare", "", "OUT"],
        ["prepare", "SRC", ""],
        ["prepare", " ", "OUT"],
        ["prepare", "SRC", "OUT", "--preview", ""],
        ["augment", ""],
        ["augment", "OUT", "-o", ""],
        ["augment", "OUT", "--preview", ""],
        ["map", ""],
        ["map", "SRC", "-o", ""],
        ["map", "SRC", "-o", "m.html/"],
    ],
    ids=" ".join,
)
def test_an_empty_name_is_wrong_usage_and_not_the_current_folder(
    granpipe, src, out, tmp_path, monkeypatch, words
):
    granpipe("prepare", src, out)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    places = {"SRC": src, "OUT": out}
    assert_one_line(granpipe(*(places.get(word, word) for word in words), code=2), "--help")
    assert tree(tmp_path) == before


def test_a_class_that_pandas_takes_for_missing_is_pointed_out(granpipe, src, out):
    save(src / "NA/a.jpg")
    save(src / "None/b.jpg")
    said = granpipe("prepare", src, out).stderr
    assert said.count("\n") == 1
    assert len(said) <= 80
    assert "NA, None" in said
    assert "keep_default_na=False" in said
    assert granpipe("prepare", src, out, "-q").stderr == ""


def test_what_takes_too_much_memory_is_named_and_the_option_that_allows_it(granpipe, src, out):
    save(src / "corn/large.png", picture(1500, 1000))
    said = granpipe("prepare", src, out, "--max-memory", 5).stderr
    assert "corn/large.png: too_large: would take 6 MB to decode, 5 MB are allowed" in said
    assert "--max-memory" in said
    assert rejects(out) == {"corn/large.png": "too_large"}
    granpipe("prepare", src, out)
    assert rejects(out) == {}
    granpipe("prepare", src, out, "--max-memory", 5)
    assert rejects(out) == {"corn/large.png": "too_large"}


def test_labels_with_a_byte_order_mark_are_read(granpipe, src, out):
    granpipe("prepare", src, out)
    table = out / "labels.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert "6 copies" in granpipe("augment", out, "--copies", 2).stdout


@pytest.mark.parametrize("size", ["1" + 400 * "0", "0", "-5", "true", "1e3", "4097"])
def test_a_size_that_cannot_be_is_no_dataset(granpipe, src, out, size):
    granpipe("prepare", src, out)
    summary = out / "dataset.json"
    summary.write_text(summary.read_text().replace('"size": 224', f'"size": {size}'))
    assert_one_line(granpipe("augment", out, code=1), "granpipe prepare")


@pytest.mark.parametrize("split", [(), ("--split", "50/50")], ids=["no split", "split"])
def test_a_dry_run_tells_what_the_run_tells(granpipe, src, out, split):
    granpipe("prepare", src, out)
    granpipe("augment", out, "--copies", 1)
    (src / "corn/0.jpg").unlink()
    save(src / "corn/3.jpg", picture(seed=9))
    (src / "corn/4.jpg").write_bytes((src / "corn/1.jpg").read_bytes())
    (src / "corn/5.jpg").write_bytes(b"no picture")
    before = tree(out)
    planned = granpipe("prepare", src, out, *split, "--dry-run")
    assert tree(out) == before
    done = granpipe("prepare", src, out, *split)
    assert planned.stderr == done.stderr
    *lines, written, stale = done.stdout.splitlines()
    assert written == f"Written: {out}/labels.csv"
    dry = ["Would delete: corn/0.jpg.npy", "Nothing was written: this was a dry run."]
    assert planned.stdout.splitlines() == [*lines, *dry, stale]
    assert "stale" in done.stdout


def test_of_very_many_classes_a_hundred_are_printed(granpipe, tmp_path, out):
    for number in range(120):
        save(tmp_path / f"src/crop{number:03}/a.png", picture(9, 9, number))
    command = ("prepare", tmp_path / "src", out, "--split", "50/50", "--keep-together", "burst")
    said = granpipe(*command).stdout
    assert said.count("crop099 ") == 2
    assert said.count("crop100") == 0
    assert said.count("\n... and 20 more classes; --json prints all\n") == 2
    said = granpipe("augment", out, "--copies", 1, "--split-only", "all").stdout
    assert "crop099 " in said and "crop100" not in said
    assert "\n... and 20 more classes; --json prints all\n" in said
    assert len(json.loads(granpipe(*command, "--json").stdout)["prepared"]) == 120


def test_the_first_help_fits_a_terminal(granpipe):
    assert max(map(len, granpipe("--help").stdout.splitlines())) <= 80


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_what_cannot_be_printed_is_one_line(src, out):
    said = shell(f'{GRANPIPE} prepare "$1" "$2" > /dev/full', src, out)
    line = "granpipe: standard output: No space left on device; fix that, then run again\n"
    assert said.stderr == line
    assert said.returncode == 1
    assert shell(f"{GRANPIPE} prepare 2> /dev/full").returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed")
def test_a_current_folder_that_is_gone_is_one_line(src, tmp_path):
    script = f'export PYTHONPATH=$PWD; mkdir "$2"; cd "$2"; rmdir "$2"; {GRANPIPE} prepare "$1" out'
    said = shell(script, src, tmp_path / "gone")
    assert said.stderr == "granpipe: the current folder is gone; name another\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
def test_a_package_that_cannot_be_loaded_is_one_line(src, out, tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('broken\\n\\ncaused by: no memory')")
    said = shell(f'PYTHONPATH="$3:$PWD" {GRANPIPE} prepare "$1" "$2"', src, out, tmp_path)
    assert said.returncode == 1
    assert said.stderr.startswith("granpipe: cannot load a package: caused by: no memory; ")
    assert said.stderr.count("\n") == 1
