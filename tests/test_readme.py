"""The commands of all README.md files, run as printed; what they explain; how they are written."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from granpipe import read_table
from granpipe.dataset.names import OWN
from granpipe.dataset.tables import PREPARED_COLUMNS, REASONS
from granpipe.photo.gps import VERDICTS
from granpipe.stores.urls import open_store

from conftest import ROOT
from sentences import LONGEST, sentences

FOLDERS = ("granpipe", "tests", ".github")
PAGES = [
    ROOT / "README.md",
    *sorted(page for top in FOLDERS for page in (ROOT / top).rglob("*.md")),
]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
README = TEXTS["README.md"]
TEXT = "\n".join(TEXTS.values())
MOST_LINES = 220


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(text: str = TEXT) -> list[tuple[str, str]]:
    """Every command of a console block, with what is printed below it."""
    blocks_of_all = "".join(blocks("console", text))
    pairs = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", blocks_of_all, re.MULTILINE)
    return [(command, output) for command, output in pairs if not command.startswith("make")]


def section(heading: str) -> str:
    """Return a section of the README.md at the top."""
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def run_as_printed(text: str) -> None:
    for command, expected in commands(text):
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
        assert done.stdout == expected, command


@pytest.fixture
def workshop(tmp_path, monkeypatch) -> Path:
    """A home with photographs in ~/fields and img/, and `granpipe` on the path."""
    shutil.copytree(ROOT / "img", tmp_path / "img")
    shutil.copytree(ROOT / "img", tmp_path / "fields")
    tool = tmp_path / "granpipe/.venv/bin/granpipe"
    tool.parent.mkdir(parents=True)
    script = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m granpipe "$@"\n'
    tool.write_text(script)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [name for name in TEXTS if commands(TEXTS[name])][1:])
def test_every_command_prints_what_its_page_says(workshop, page):
    run_as_printed(TEXTS[page])


def test_the_commands_of_the_readme_are_those_of_its_first_two_paths():
    paths = ("Your first map", "Your first training set")
    assert commands(README) == [pair for path in paths for pair in commands(section(path))]
    assert len(commands(README)) == 4


def test_the_first_map_has_the_photographs_and_is_shared_without_exact_positions(workshop):
    run_as_printed(section("Your first map"))
    assert "granpipe-data" in (workshop / "map.html").read_text("utf-8")
    shared = read_table("shared.csv")
    assert len(shared) == 25
    places = [row["latitude"] for row in shared if row["verdict"] == "ok"]
    assert len(places) == 19
    assert all(len(place.partition(".")[2]) <= 2 for place in places)
    assert {row["path"] for row in shared} == {""}


def test_the_first_training_set_has_originals_and_copies_as_float32(workshop):
    text = section("Your first training set")
    run_as_printed(text)
    (block,) = blocks("python", text)
    scope = {}
    exec(block, scope)
    counts = {row["split"] for row in read_table("out/labels.csv")}
    assert counts == {"train", "validation", "test"}
    photographs = [row for row in read_table("out/labels.csv") if row["split"] == "train"]
    train, test = scope["train"], scope["test"]
    assert len(train) == 6 * len(photographs)
    assert {folder for folder, _ in test.rows} == {"out"}
    images, labels = zip(*(train[index] for index in range(len(train))), strict=True)
    batch = np.stack(images)
    assert (batch.shape[1:], batch.dtype) == ((3, 224, 224), np.float32)
    assert abs(float(batch.mean())) < 1.5
    assert set(labels) == set(range(5))


def test_a_night_on_s3_ends_as_the_readme_says(workshop, lake, monkeypatch):
    text = section("On a schedule, from S3")
    line, folders = cron_line(text, lake)
    lake.upload(workshop / "fields", "raw/fields")

    def night(code: int) -> None:
        quiet = {"HOME": str(workshop), "PATH": "/usr/bin:/bin"}  # what cron gives a command
        done = subprocess.run(["/bin/sh", "-c", line], env=quiet, check=False)
        assert done.returncode == code, (workshop / "prepare.log").read_text()

    write_variables(text, workshop / "aws.env", lake)
    for unchanged in (0, 25):
        night(0)
        report = json.loads((workshop / "prepare.jsonl").read_text().splitlines()[-1])
        assert (report["found"], report["kept"]) == (25, unchanged)
    store = open_store(lake.url("lake/out"))
    lake.put("raw/fields/corn/cut.jpg", (workshop / "fields/corn/DSC_0093.JPG").read_bytes()[:9000])
    with store.hold(OWN, print):
        night(1)
    assert f"process {os.getpid()}" in (workshop / "prepare.log").read_text().splitlines()[-1]
    night(0)
    assert b"cut.jpg,truncated" in lake.get("lake/out/rejected.csv")
    for key in [key for key in lake.objects("raw") if "/corn/" not in key]:
        lake.delete(key)
    night(1)
    assert "--allow-deletions" in (workshop / "prepare.log").read_text()
    assert len([key for key in lake.objects("lake/out") if key.endswith(".npy")]) == 25
    line += " --allow-deletions"
    night(0)
    assert len([key for key in lake.objects("lake/out") if key.endswith(".npy")]) == 5
    assert folders == "s3://raw/fields s3://lake/out"


def cron_line(text: str, lake) -> tuple[str, str]:
    """Return the command of the line for cron, with a bucket of the test, and its places."""
    (block,) = blocks("crontab", text)
    *when, command = block.strip().split(maxsplit=5)
    assert [field.isdecimal() for field in when] == [True, True, False, False, False]
    assert "%" not in command  # which is a new line to cron
    places = " ".join(re.findall(r"s3://[\w/]+", command))
    return command.replace("s3://", f"{lake.url()}/"), places


def write_variables(text: str, path: Path, lake) -> None:
    (block,) = blocks("sh", text)
    names = re.findall(r"\b(AWS_\w+)=", block)
    assert names == [
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"),
    ]
    lines = [f"export {name}='{os.environ[name]}'\n" for name in names]
    path.write_text("".join(lines))


def test_the_python_of_the_readme_runs(workshop):
    subprocess.run("granpipe prepare img/ out/ && granpipe augment", shell=True, check=True)
    (replayed,) = [block for block in blocks("python") if "parameters_of(row)" in block]
    (fed,) = [block for block in blocks("python") if "csv.DictReader" in block]
    exec(replayed, {})
    scope = {}
    exec(fed, scope)
    assert scope["images"].shape == (25, 224, 224, 3)
    assert str(scope["batch"].dtype) == "float32"
    assert scope["labels"].tolist() == sorted(5 * [0, 1, 2, 3, 4])


@pytest.mark.extras
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


READERS = [
    pytest.param(name, marks=pytest.mark.extras) for name in ("torch", "keras", "jax", "pandas")
]


@pytest.mark.parametrize("package", ["granpipe", *READERS])
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


@pytest.mark.extras
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
    named = set(re.findall(r"(?:^\$ |^|`)make ([a-z-]+)", TEXT, re.MULTILINE))
    assert named >= {"all", "test", "test-all", "lint", "bench", "help"}
    assert named <= {line.split()[0] for line in listed.splitlines()}


def test_every_column_reason_and_verdict_is_explained():
    for word in [*PREPARED_COLUMNS, *REASONS, *VERDICTS]:
        assert f"`{word}`" in TEXT, word


def test_every_option_is_explained_and_every_explained_option_exists():
    texts = ""
    for command in ("prepare", "augment", "map"):
        arguments = [sys.executable, "-m", "granpipe", command, "--help"]
        texts += subprocess.check_output(arguments, cwd=ROOT, text=True)
    options = set(re.findall(r"--[a-z][a-z-]+", texts)) - {"--help", "--output", "--quiet"}
    explained = set(re.findall(r"`(--[a-z-]+)", TEXTS["granpipe/commands/README.md"]))
    assert explained - {"--help", "--version"} == options


def test_every_file_and_heading_that_a_page_links_to_is_there():
    links = [(name, link) for name, text in TEXTS.items() for link in LINKS.findall(prose(text))]
    assert len(links) > 30
    for name, link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), (name, link)
        assert not anchor or anchor in anchors(target.read_text("utf-8")), (name, link)
    for path in re.findall(r"`(tests/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).is_file(), path


LINKS = re.compile(r"\]\(((?!https?:)[^)\s]+)\)")


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_at_the_top_is_short():
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", TEXTS)
def test_no_sentence_is_long(page):
    long = [sentence for sentence in sentences(TEXTS[page]) if len(sentence.split()) > LONGEST]
    assert long == []
