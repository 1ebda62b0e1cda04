"""What the three commands share: they start quickly, and run nothing that lies about."""

import os
import re
import subprocess
import sys
import threading

import pytest

from conftest import ROOT, assert_one_line, rows, save

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("words", [["--help"], ["map", "-h"]], ids=" ".join)
def test_help_imports_nothing_heavy(words):
    command = [sys.executable, "-X", "importtime", "-m", "granpipe", *words]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"numpy", "PIL.Image", "exifread", "folium", "tqdm"}


@pytest.mark.parametrize("name", ["pickle", "numpy", "json", "PIL"])
def test_a_python_file_in_the_current_folder_is_not_run(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("open('ran', 'w')")
    save(tmp_path / "img/corn/a.jpg")
    command = [sys.executable, "-P", "-m", "granpipe", "prepare", "img", "out", "-q"]
    subprocess.run(command, check=True, cwd=tmp_path, env=ENVIRONMENT)
    assert len(rows(tmp_path / "out/labels.csv")) == 1
    assert not (tmp_path / "ran").exists()


def test_an_unknown_command_is_one_clear_line(granpipe):
    assert_one_line(granpipe("prepair", code=2), "prepair", "See granpipe --help")


@pytest.mark.parametrize("words", [("map", "a", "b"), ("map", "a", "--offlin"), ("prepare", "a")])
def test_what_click_reports_ends_before_the_advice(granpipe, words):
    line = granpipe(*words, code=2).stderr
    assert re.search(rf"[.?] See granpipe {words[0]} --help\.\n", line)


def test_no_memory_for_a_thread_is_one_clear_line_and_the_next_run_completes(
    granpipe, tmp_path, monkeypatch
):
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")  # as Python itself says it

    save(tmp_path / "img/corn/a.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        result = granpipe("prepare", tmp_path / "img", tmp_path / "out", "--workers", 2, code=1)
    assert result.stderr == (
        "granpipe: cannot start a thread; allow more memory, or more processes\n"
    )
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert len(rows(tmp_path / "out/labels.csv")) == 1
