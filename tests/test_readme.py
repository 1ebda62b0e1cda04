"""The README's commands, run as printed, and its numbers where they can be compared."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from granpipe import read_table
from granpipe.dataset.tables import PREPARED_COLUMNS, REASONS
from granpipe.photo.gps import VERDICTS

from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Every command of a console block, with what is printed below it."""
    text = "".join(blocks("console"))
    pairs = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    return [(command, output) for command, output in pairs if not command.startswith("make")]


@pytest.fixture
def workshop(tmp_path, monkeypatch) -> Path:
    """A copy of img/ in a folder of its own, with `granpipe` on the path."""
    shutil.copytree(ROOT / "img", tmp_path / "img")
    tool = tmp_path / "bin/granpipe"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m granpipe "$@"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_prints_what_the_readme_says(workshop):
    assert len(commands()) >= 6
    for command, expected in commands():
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert done.stdout == expected, command


def test_the_python_of_the_readme_runs(workshop):
    subprocess.run("granpipe prepare img/ out/ && granpipe augment", shell=True, check=True)
    replayed, fed = [block for block in blocks("python") if "rows" in block or "row = " in block][
        :2
    ]
    exec(replayed, {})
    scope = {}
    exec(fed, scope)
    assert scope["images"].shape == (25, 224, 224, 3)
    assert str(scope["batch"].dtype) == "float32"
    assert scope["labels"].tolist() == sorted(5 * [0, 1, 2, 3, 4])


@pytest.mark.parametrize("package", ["webdataset", "datasets"])
# webdataset leaves files open.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_are_read_as_the_readme_says(workshop, monkeypatch, package):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(workshop / "cache"))
    pytest.importorskip(package, reason=f"{package} is not installed")
    (command,) = [one for one, _ in commands() if "--shards" in one]
    subprocess.run(command, shell=True, check=True)
    (block,) = [one for one in blocks("python") if f"import {package}\n" in one]
    scope = {}
    exec(block, scope)
    assert np.asarray(scope["array"]).shape == (224, 224, 3)
    assert int(scope["label"]) in range(5)


@pytest.mark.parametrize("package", ["granpipe", "torch", "keras", "jax", "pandas"])
def test_what_the_readme_feeds_a_trainer_runs(workshop, monkeypatch, package):
    if package == "keras" and not importlib.util.find_spec("tensorflow"):
        monkeypatch.setenv("KERAS_BACKEND", "jax")
        pytest.importorskip("jax", reason="keras needs a backend: jax or tensorflow")
    pytest.importorskip(package, reason=f"{package} is not installed")
    subprocess.run("granpipe prepare img/ out/ --split 60/20/20 -q", shell=True, check=True)
    if package == "granpipe":
        (block,) = [block for block in blocks("python") if "train.weights()" in block]
    elif package == "pandas":
        (block,) = [block for block in blocks("python") if "pandas.read_csv" in block]
        block = f"import pandas\n{block}"
    else:
        (block,) = [block for block in blocks("python") if block.startswith(f"import {package}\n")]
    scope = {}
    exec(block, scope)
    if package == "pandas":
        assert len(scope["table"]) == 25
        return
    train = scope["train"]
    assert len(train) == (15 if package == "granpipe" else 75)
    if package == "keras":  # which says that an epoch has ended more than once
        assert train.epoch >= 2
    else:
        assert train.epoch == (package != "granpipe")
    if package in {"torch", "jax"}:
        assert str(scope["batch"].dtype).endswith("float32")
        assert abs(float(scope["batch"].mean())) < 1.5


def test_one_photograph_of_the_readme_is_the_array_on_the_disk(workshop, monkeypatch):
    monkeypatch.setattr("logging.basicConfig", lambda **how: None)
    scope = {}
    for word in ("logging.basicConfig", "letterbox_photo("):
        (block,) = [block for block in blocks("python") if word in block]
        exec(block, scope)
    assert repr(scope["report"]).startswith("<prepare: 25 photographs found, 25 prepared")
    assert np.array_equal(scope["array"], np.load("out/corn/DSC_0093.JPG.npy"))


def test_the_folder_of_the_readme_has_the_classes_and_indices_of_the_table(workshop):
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    subprocess.run("granpipe prepare img/ out/ -q && granpipe augment -q", shell=True, check=True)
    shutil.move(workshop / "img/wheat", workshop / "img/aloe")
    subprocess.run("granpipe prepare img/ out/ -q; granpipe augment -q", shell=True, check=True)
    (block,) = [block for block in blocks("python") if "DatasetFolder" in block]
    scope = {}
    exec(block, scope)
    found = {Path(path).relative_to("out").as_posix(): n for path, n in scope["folder"].samples}
    assert found == {row["path"]: int(row["label_index"]) for row in read_table("out/labels.csv")}
    assert set(found.values()) == {0, 1, 2, 3, 5}
    assert scope["array"].shape == (224, 224, 3)


def test_every_make_target_of_the_readme_exists():
    listed = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    named = set(re.findall(r"(?:^\$ |^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert named >= {"all", "test", "test-all", "lint", "bench", "help"}
    assert named <= {line.split()[0] for line in listed.splitlines()}


def test_every_column_reason_and_verdict_is_explained():
    for word in [*PREPARED_COLUMNS, *REASONS, *VERDICTS]:
        assert f"`{word}`" in README, word


def test_every_option_is_explained_and_every_explained_option_exists():
    texts = ""
    for command in ("prepare", "augment", "map"):
        arguments = [sys.executable, "-m", "granpipe", command, "--help"]
        texts += subprocess.check_output(arguments, cwd=ROOT, text=True)
    options = set(re.findall(r"--[a-z-]+", texts)) - {"--help", "--output", "--quiet"}
    explained = set(re.findall(r"`(--[a-z-]+)", README))
    assert explained == options


def test_every_file_that_the_readme_names_is_there():
    for path in re.findall(r"`(tests/[\w/]+\.py)`|\((\.readme/[\w.-]+)\)", README):
        assert (ROOT / "".join(path)).is_file(), path
