"""`shortcuts.csv`: what gives the classes of a split dataset away besides the plant."""

import csv
import json
import os
import random
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from granpipe.dataset.record import Record
from granpipe.jobs import find_shortcuts, shortcut_table
from granpipe.jobs.shortcut_table import SHORTCUT_COLUMNS

import ledgers
from conftest import ROOT, rows, save, textured, tree
from exif_blocks import jpeg_at

pytestmark = pytest.mark.slow

SPLIT = ("--split", "60/20/20", "--keep-together", "place:200,burst")
CLASSES = ("corn", "rye", "wheat")
FEATURES = [
    *("place", "season", "date", "hour", "camera", "exif", "name", "shape", "pixels", "quality"),
    *("density", "light", "colour", "sharpness", "border"),
]


def draw(
    folder: Path,
    fields: int = 48,
    camera: Callable[[int], str] = lambda label: "Phone",
    light: Callable[[int], float] = lambda label: 1.0,
    seed: int = 0,
) -> Path:
    """Draw a photograph of each field, whose classes take turns; nothing else tells them apart."""
    rng = np.random.default_rng(seed)
    for field in range(fields):
        label = field % len(CLASSES)
        day, hour = rng.integers(1, 29), rng.integers(6, 20)
        picture = ImageEnhance.Brightness(textured(1000 * seed + field, (40, 30)))
        path = folder / CLASSES[label] / f"IMG_{field:03}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            jpeg_at(
                *(float(rng.uniform(40, 50)), float(rng.uniform(0, 20)), 100.0),
                taken_at=f"2024:06:{day:02} {hour:02}:30:00",
                model=camera(label),
                picture=picture.enhance(light(label)),
            )
        )
        os.utime(path, (1e9, 1e9))
    return folder


def example(folder: Path) -> Path:
    """Draw the set of README.md: four of five photographs of corn are of one phone, half dark."""
    rng = random.Random(0)
    phones = ("Samsung SM-G991B", "Google Pixel 7", "Apple iPhone 12")

    def camera(label: int) -> str:
        is_usual = rng.random() < (0.8 if label == 0 else 0.1)
        return phones[2] if is_usual else rng.choice(phones[:2])

    def light(label: int) -> float:
        return 0.4 if label == 0 and rng.random() < 0.5 else 1.0

    return draw(folder, 150, camera, light)


def named(label: int) -> str:
    return f"Phone {label}"


@pytest.fixture
def prepare(granpipe):
    return partial(granpipe, "prepare")


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    """Return photographs of which each class has a camera of its own, and corn is darker."""
    dark = [0.3, 1.0, 1.0]
    return draw(tmp_path_factory.mktemp("planted") / "src", camera=named, light=dark.__getitem__)


def table(out: Path) -> dict[str, dict[str, str]]:
    return {row["feature"]: row for row in rows(out / "shortcuts.csv")}


def verdicts(out: Path) -> dict[str, str]:
    return {feature: row["verdict"] for feature, row in table(out).items()}


def test_a_camera_of_each_class_is_found_and_named(prepare, planted, out):
    text = prepare(planted, out, *SPLIT).stdout
    found = table(out)
    assert list(found) == FEATURES
    row = found["camera"]
    assert row["verdict"] == "strong"
    assert (row["sort"], row["photographs"], row["groups"]) == ("circumstance", "48", "48")
    assert (row["right"], row["chance"], row["p"]) == ("1.000", "0.333", "0.002")
    assert set(row["given_away"].split("/")) == set(CLASSES)
    assert set(row["apart"].split("/")) < set(CLASSES)
    first = row["given_away"].split("/")[0]
    assert row["clue"] == f"Phone {CLASSES.index(first)}: 100% of {first}, 0% of the others"
    line = "camera predicts the class of 100 in 100 photographs (33 by chance): "
    assert f"{line}{row['given_away']} " in " ".join(text.split())
    assert max(len(line) for line in text.splitlines() if str(out) not in line) <= 80


def test_what_the_plant_may_be_in_has_a_line_of_its_own(prepare, planted, out):
    text = " ".join(prepare(planted, out, *SPLIT).stdout.split())
    said = r"light predicts [^:]* by chance\), by the picture's look, perhaps the plant's: corn"
    assert len(re.findall(said, text)) == 1
    assert f"See {out}/shortcuts.csv." in text
    assert verdicts(out)["place"] == "none"


@pytest.mark.parametrize("seed", [1, 2])
def test_of_classes_that_differ_in_nothing_nothing_is_said(prepare, tmp_path, out, seed):
    text = prepare(draw(tmp_path / "src", seed=seed), out, *SPLIT).stdout
    assert set(verdicts(out).values()) == {"none", "constant"}
    assert "chance" not in text
    assert "Too few groups to say" not in text
    kinds = {"camera", "exif", "name", "shape", "pixels", "quality"}
    assert {one for one, verdict in verdicts(out).items() if verdict == "constant"} == kinds
    row = table(out)["camera"]
    assert [row[column] for column in ("right", "chance", "p", "given_away", "clue")] == 5 * [""]


def test_other_names_for_the_classes_change_no_figure(prepare, planted, tmp_path, out):
    prepare(planted, out, *SPLIT)
    names = {"corn": "zea", "rye": "secale", "wheat": "a b"}  # in another order
    for old, new in names.items():
        shutil.copytree(planted / old, tmp_path / "src" / new)
    prepare(tmp_path / "src", tmp_path / "renamed", *SPLIT)
    text = (out / "shortcuts.csv").read_text()
    for old, new in names.items():
        text = text.replace(old, new)
    assert (tmp_path / "renamed/shortcuts.csv").read_text() == text


def test_the_same_bytes_for_any_workers_and_history(prepare, planted, tmp_path, out):
    prepare(planted, out, *SPLIT, "--workers", 2)
    expected = (out / "shortcuts.csv").read_bytes()
    for paths in (sorted(planted.rglob("*.jpg"))[::-3], planted.rglob("*.jpg")):
        for path in paths:
            target = tmp_path / "src" / path.relative_to(planted)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        prepare(tmp_path / "src", tmp_path / "other", *SPLIT, "--seed", 3, "--allow-empty")
    assert (tmp_path / "other/shortcuts.csv").read_bytes() == expected


def test_too_few_groups_are_counted(prepare, tmp_path, out):
    text = prepare(draw(tmp_path / "src", 30, named), out, *SPLIT).stdout
    assert "\nToo few groups to look for shortcuts: 30 of 40.\n" in text
    assert set(verdicts(out).values()) == {"few"}
    row = table(out)["camera"]
    assert [row[column] for column in ("photographs", "groups", "classes")] == ["30", "30", "3"]
    assert not any(row[column] for column in SHORTCUT_COLUMNS[6:])


def test_without_any_photograph_there_is_nothing_to_say(prepare, tmp_path, out):
    save(tmp_path / "src/corn/a.png").write_bytes(b"no picture")
    prepare(tmp_path / "src", out, *SPLIT, "--allow-empty", code=1)
    assert set(verdicts(out).values()) == {"few"}
    assert table(out)["place"]["photographs"] == "0"


def test_a_single_class_is_not_told_from_others(prepare, tmp_path, out):
    draw(tmp_path / "src", 126, named)
    for label in ("rye", "wheat"):
        shutil.rmtree(tmp_path / "src" / label)
    text = prepare(tmp_path / "src", out, *SPLIT).stdout
    assert "Too few classes of 5 groups to look for shortcuts: 1 of 2." in text


def test_a_run_in_which_nothing_has_changed_looks_for_nothing(prepare, planted, out, monkeypatch):
    first = prepare(planted, out, *SPLIT).stdout
    before = (out / "shortcuts.csv").stat()

    def find(*_):
        raise AssertionError("looked again")

    monkeypatch.setattr(find_shortcuts, "find_rows", find)
    again = prepare(planted, out).stdout
    assert again.replace("48 unchanged", "0 unchanged") == first
    after = (out / "shortcuts.csv").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_a_table_that_was_lost_or_altered_is_written_again(prepare, planted, out):
    prepare(planted, out, *SPLIT)
    expected = (out / "shortcuts.csv").read_bytes()
    (out / "shortcuts.csv").unlink()
    prepare(planted, out)
    assert (out / "shortcuts.csv").read_bytes() == expected
    (out / "shortcuts.csv").write_text("nothing\n")
    prepare(planted, out)
    assert (out / "shortcuts.csv").read_bytes() == expected


def test_split_none_removes_the_table(prepare, planted, out):
    prepare(planted, out)
    assert not (out / "shortcuts.csv").exists()
    prepare(planted, out, *SPLIT)
    assert (out / "shortcuts.csv").exists()
    prepare(planted, out, "--split", "none")
    assert not (out / "shortcuts.csv").exists()


def test_a_file_of_another_is_left_alone(prepare, planted, out):
    prepare(planted, out)
    (out / "shortcuts.csv").write_text("mine\n")
    assert "is not a file that granpipe wrote" in prepare(planted, out, *SPLIT, code=1).stderr
    assert (out / "shortcuts.csv").read_text() == "mine\n"


def test_hostile_names_of_cameras_and_classes_do_no_harm(prepare, planted, tmp_path, out):
    model = '=cmd|"/C calc"!A1,\r\n\x1b[31m'
    draw(tmp_path / "src", camera=[model, "b", "c"].__getitem__)
    (tmp_path / "src/corn").rename(tmp_path / "src/\x1b[2J=corn")
    for label in ("rye", "wheat"):  # so that corn is the one that is given away
        for path in (tmp_path / "src" / label).iterdir():
            shutil.copy2(planted / label / path.name, path)
    text = prepare(tmp_path / "src", out, *SPLIT).stdout
    assert re.search(r"camera predicts [^:]*: [^:]*\\x1b\[2J=corn", " ".join(text.split()))
    assert "\x1b" not in text
    with (out / "shortcuts.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert {len(cells) for cells in table} == {len(SHORTCUT_COLUMNS)}
    assert not any(cell.startswith(tuple("=+-@\r\n\t")) for cells in table for cell in cells)


def test_photographs_that_stand_for_themselves_are_warned_of(prepare, tmp_path, out):
    for number in range(45):
        save(tmp_path / f"src/{CLASSES[number % 3]}/{number}.png", textured(number, (32, 24)))
    text = prepare(tmp_path / "src", out, *SPLIT).stdout
    assert "Over a third of the photographs form groups of their own" in text
    assert "--keep-together folder,place:200,burst\n" in text
    assert verdicts(out)["place"] == verdicts(out)["camera"] == "constant"


def test_what_few_photographs_have_is_not_judged(prepare, tmp_path, out):
    draw(tmp_path / "src", 48)
    for path in sorted((tmp_path / "src").rglob("*.jpg"))[::2]:
        picture = Image.open(path).convert("RGB")
        path.unlink()
        save(path.with_suffix(".png"), picture)
    prepare(tmp_path / "src", out, *SPLIT)
    assert verdicts(out)["quality"] == "constant"
    assert verdicts(out)["hour"] == "few"
    assert table(out)["hour"]["groups"] == "24"
    assert verdicts(out)["density"] == "none"


def test_a_note_that_makes_no_sense_is_no_note():
    for note in (None, [], ["key"], ["key", [["a"]]], 7):
        assert shortcut_table.Shortcuts.from_note(note) is None


def test_the_table_of_the_readme_is_what_is_written(prepare, tmp_path, out):
    prepare(example(tmp_path / "src"), out, *SPLIT)
    readme = (ROOT / "granpipe/dataset/README.md").read_text("utf-8")
    (block,) = re.findall("```text\n(feature,.*?)```", readme, re.DOTALL)
    header, *lines = block.splitlines()
    table = (out / "shortcuts.csv").read_text().splitlines()
    written = {line.partition(",")[0]: line for line in table}
    assert header == written["feature"]
    for line in lines:
        feature, sort, verdict, *_ = line.split(",")
        assert written[feature].startswith(f"{feature},{sort},{verdict},")
        if sort != "scene":  # which another JPEG encoder draws a little otherwise
            assert written[feature] == line


def test_a_dataset_of_before_gets_the_table_and_keeps_its_split(prepare, planted, out):
    prepare(planted, out, *SPLIT)
    expected = tree(out)
    columns = [column for column in Record.columns() if column != "border"]
    note = json.dumps(["prepare", columns])
    ledgers.edit(
        out / ledgers.LEDGER,
        "ALTER TABLE records DROP COLUMN border",
        f"UPDATE notes SET value = '{note}' WHERE name = 'granpipe'",
        "DELETE FROM notes WHERE name = 'shortcuts'",
        is_sealed=True,
    )
    (out / "shortcuts.csv").unlink()
    assert "was written by another version" in prepare(planted, out).stderr
    assert tree(out) == expected


def test_every_column_of_the_table_and_every_fact_is_explained():
    readme = (ROOT / "granpipe/dataset/README.md").read_text("utf-8")
    readme = readme.partition("## shortcuts.csv")[2]
    readme, *_ = readme.partition("\n## ")
    for word in [*SHORTCUT_COLUMNS, "strong", "weak", "none", "few", "constant"]:
        assert f"`{word}`" in readme, word
    for feature in FEATURES:
        assert feature in readme, feature
