"""`granpipe augment`, by the command line and the files it writes."""

import hashlib
import json
import random
import shutil
import signal
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from granpipe import DatasetError, PhotoError, load_array, read_table
from granpipe.copies.transform import make_copy
from granpipe.jobs.augment_run import AugmentRun
from granpipe.jobs.augment_tables import AUGMENTED_COLUMNS
from granpipe.jobs.copy_photo import parameters_of
from granpipe.jobs.prepare import prepare

from conftest import assert_one_line, picture, rejects, rows, save, tree
from harm import die, kill, until


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A folder with four photographs in two classes in `img`, prepared in `out`."""
    folder = tmp_path_factory.mktemp("prepared")
    save(folder / "img/corn/a.jpg", picture(90, 60, 1))
    save(folder / "img/corn/b.png", picture(60, 90, 2))
    save(folder / "img/wheat/c.jpg", picture(250, 50, 3))
    save(folder / "img/wheat/d.jpg", picture(64, 64, 4))
    prepare(folder / "img", folder / "out", workers=1)
    return folder


@pytest.fixture
def dataset(prepared, tmp_path) -> Path:
    """A copy of the prepared dataset, in `out` beside its photographs."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path / "out"


def digests(folder) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in tree(folder).items()}


def arrays(folder) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if name.endswith(".npy")}


def test_the_commands_work_as_typed(granpipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "img/corn/a.jpg")
    granpipe("prepare", "img/", "out/")
    assert "5 copies in out/augmented" in granpipe("augment", "--copies", 5).output


def test_every_photograph_gets_its_copies(granpipe, dataset):
    granpipe("augment", dataset, "--copies", 3)
    table = rows(dataset / "augmented/labels.csv")
    assert list(table[0]) == AUGMENTED_COLUMNS
    assert [row["source"] for row in table] == sorted(
        3 * ["corn/a.jpg", "corn/b.png", "wheat/c.jpg", "wheat/d.jpg"]
    )
    assert [row["copy"] for row in table] == 4 * ["1", "2", "3"]
    assert sorted(row["path"] for row in table) == sorted(arrays(dataset / "augmented"))
    for row in table:
        array = np.load(dataset / "augmented" / row["path"])
        assert (array.shape, array.dtype) == ((224, 224, 3), np.uint8)


def test_more_copies_than_one_job_makes(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.png", picture(20, 15))
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--size", 8)
    granpipe("augment", tmp_path / "out", "--copies", 203)
    table = rows(tmp_path / "out/augmented/labels.csv")
    assert [int(row["copy"]) for row in table] == list(range(1, 204))
    assert len(arrays(tmp_path / "out/augmented")) == 203


def test_a_row_that_leads_out_of_the_dataset_is_rejected(granpipe, dataset):
    table = (dataset / "labels.csv").read_text()
    for outside in ("../../a.jpg", "/a.jpg"):
        (dataset / "labels.csv").write_text(table.replace("corn/a.jpg", outside))
        granpipe("augment", dataset, "--copies", 1)
        assert rejects(dataset / "augmented") == {outside: "unreadable"}


@pytest.mark.parametrize(
    "summary", ["[]", "{}", '{"settings": []}', '{"settings": {"size": "x"}}', 9999 * "["]
)
def test_a_damaged_summary_is_one_clear_line(granpipe, dataset, summary):
    (dataset / "dataset.json").write_text(summary)
    assert "run granpipe prepare" in granpipe("augment", dataset, code=1).stderr


def test_rows_keep_what_prepare_knew(granpipe, dataset):
    granpipe("augment", dataset, "--copies", 1)
    prepared = rows(dataset / "labels.csv")
    for before, after in zip(prepared, rows(dataset / "augmented/labels.csv"), strict=True):
        assert after | {"path": before["path"]} == after | before


LIGHT = ("--brightness", 0.3, "--contrast", 0.3, "--warmth", 0.2, "--gamma", 0.5)


@pytest.mark.parametrize("options", [("--flip-vertical", 0.5, "--rotate", 180), LIGHT], ids=str)
def test_each_copy_can_be_made_again_from_its_row_alone(granpipe, dataset, options):
    granpipe("augment", dataset, "--copies", 4, *options)
    for row in rows(dataset / "augmented/labels.csv"):
        array = np.load(dataset / f"{row['source']}.npy")
        copy = make_copy(array, *parameters_of(row))
        assert np.array_equal(copy, np.load(dataset / "augmented" / row["path"]))
        assert (float(row["brightness"]) != 1) == (options == LIGHT)


def test_light_changes_no_copy_of_a_plain_photograph_but_its_levels(granpipe, dataset, tmp_path):
    granpipe("augment", dataset, "--copies", 3, "-o", tmp_path / "plain")
    granpipe("augment", dataset, "--copies", 3, "-o", tmp_path / "lit", *LIGHT)
    geometry = [name for name in AUGMENTED_COLUMNS if f"--{name}" not in LIGHT]
    plain, lit = (rows(tmp_path / name / "labels.csv") for name in ("plain", "lit"))
    assert [[row[name] for name in geometry] for row in plain] == [
        [row[name] for name in geometry] for row in lit
    ]
    assert digests(tmp_path / "plain") != digests(tmp_path / "lit")


def test_a_row_of_a_table_without_light_is_a_copy_in_the_photographs_own(granpipe, dataset):
    granpipe("augment", dataset, "--copies", 1)
    row = rows(dataset / "augmented/labels.csv")[0]
    older = {name: cell for name, cell in row.items() if f"--{name}" not in LIGHT}
    assert parameters_of(older) == parameters_of(row)


@pytest.mark.parametrize(
    ("column", "cell"), [("brightness", ""), ("gamma", "nan"), ("gamma", "-1")]
)
def test_a_damaged_light_is_no_other_copy_in_silence(granpipe, dataset, column, cell):
    granpipe("augment", dataset, "--copies", 1, *LIGHT)
    row = rows(dataset / "augmented/labels.csv")[0] | {column: cell}
    with pytest.raises(PhotoError, match="damaged"):
        parameters_of(row)


def test_where_no_copies_are_needed_it_is_said(granpipe, unequal):
    granpipe("augment", unequal, "--copies", 1)
    printed = granpipe("augment", unequal, "--copies", "balance:1").output
    assert "No class is smaller than was asked for" in printed


def balanced(out) -> dict[str, Counter]:
    """Return for each class how many copies each of its photographs has."""
    copies: dict[str, Counter] = defaultdict(Counter)
    for row in rows(out / "augmented/labels.csv"):
        copies[row["label"]][row["source"]] += 1
    return copies


@pytest.fixture
def unequal(granpipe, tmp_path) -> Path:
    """A dataset of seven photographs of corn, three of rye and one of wheat."""
    for label, count in {"corn": 7, "rye": 3, "wheat": 1}.items():
        for number in range(count):
            save(tmp_path / f"img/{label}/{number}.png", picture(40, 30, 10 * count + number))
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--size", 16)
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ("balance", {"rye": [2, 1, 1], "wheat": [6]}),
        ("balance:9", {"corn": [1, 1, 0, 0, 0, 0, 0], "rye": [2, 2, 2], "wheat": [8]}),
        ("balance:3", {"wheat": [2]}),
    ],
)
def test_copies_bring_each_class_to_as_many_photographs(granpipe, unequal, copies, expected):
    granpipe("augment", unequal, "--copies", copies)
    counts = {label: sorted(each.values()) for label, each in balanced(unequal).items()}
    assert counts == {label: sorted(filter(None, each)) for label, each in expected.items()}
    summary = json.loads((unequal / "augmented/dataset.json").read_text())
    assert summary["settings"]["copies"] == copies
    assert summary["classes"] == {
        label: sum(expected.get(label, [])) for label in ("corn", "rye", "wheat")
    }


def test_a_balanced_copy_has_the_bytes_of_its_number(granpipe, unequal, tmp_path):
    granpipe("augment", unequal, "--copies", "balance", "-o", tmp_path / "few")
    granpipe("augment", unequal, "--copies", 6, "-o", tmp_path / "many")
    few, many = arrays(tmp_path / "few"), arrays(tmp_path / "many")
    assert few.items() <= many.items()
    assert len(few) == 10


def test_a_balanced_set_follows_its_dataset(granpipe, unequal, tmp_path):
    granpipe("augment", unequal, "--copies", "balance")
    save(tmp_path / "img/wheat/new.png", picture(40, 30, 200))
    granpipe("prepare", tmp_path / "img", unequal, "--size", 16)
    granpipe("augment", unequal, "--copies", "balance")
    assert sorted(balanced(unequal)["wheat"].values()) == [2, 3]
    assert len(arrays(unequal / "augmented")) == 4 + 5
    before = digests(unequal / "augmented")
    assert "(9 unchanged" in granpipe("augment", unequal, "--copies", "balance").output
    assert digests(unequal / "augmented") == before


def test_what_is_balanced_already_gets_no_copies(granpipe, tmp_path):
    for label in ("corn", "rye"):
        save(tmp_path / f"img/{label}/a.png", picture(40, 30, len(label)))
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--size", 16)
    options = ("--copies", "balance", "--preview", tmp_path / "sheet.png")
    said = granpipe("augment", tmp_path / "out", *options).output
    assert "0 copies" in said
    assert said.endswith(f"Not written, for want of copies: {tmp_path}/sheet.png\n")
    assert not (tmp_path / "sheet.png").exists()
    assert rows(tmp_path / "out/augmented/labels.csv") == []


def test_groups_of_a_class_share_its_copies_evenly(granpipe, tmp_path):
    # Five photographs of one field, and one that stands for itself.
    for number in range(5):
        save(tmp_path / f"img/rye/north/{number}.png", picture(40, 30, number))
    save(tmp_path / "img/rye/alone.png", picture(40, 30, 50))
    for number in range(16):
        save(tmp_path / f"img/corn/{number}.png", picture(40, 30, 60 + number))
    granpipe(
        *("prepare", tmp_path / "img", tmp_path / "out", "--size", 16, "--allow-empty"),
        *("--split", "100/0/0", "--keep-together", "folder"),
    )
    granpipe("augment", tmp_path / "out", "--copies", "balance")
    copies = balanced(tmp_path / "out")["rye"]
    assert copies.pop("rye/alone.png") == 5
    assert sorted(copies.values()) == 5 * [1]


def test_the_padding_of_every_copy_is_that_of_its_photograph(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.png", Image.new("RGB", (50, 10), "#28c850"))
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--fill", "#ff0000")
    granpipe("augment", tmp_path / "out", "--copies", 40, "--rotate", 180, "--crop", 0.1)
    prepared = np.load(tmp_path / "out/corn/a.png.npy")
    for path in (tmp_path / "out/augmented/corn").iterdir():
        assert np.array_equal(np.load(path), prepared)


def test_the_same_bytes_for_any_number_of_workers(granpipe, dataset, tmp_path):
    trees = []
    for workers in (1, 2, 5):
        granpipe("augment", dataset, "-o", tmp_path / f"by-{workers}", "--workers", workers)
        trees.append(digests(tmp_path / f"by-{workers}"))
    assert trees[0] == trees[1] == trees[2]


def test_the_same_bytes_for_shuffled_rows(granpipe, dataset, tmp_path):
    granpipe("augment", dataset, "-o", tmp_path / "sorted")
    header, *lines = (dataset / "labels.csv").read_text().splitlines(keepends=True)
    random.Random(5).shuffle(lines)
    (dataset / "labels.csv").write_text(header + "".join(lines))
    granpipe("augment", dataset, "-o", tmp_path / "shuffled")
    assert digests(tmp_path / "sorted") == digests(tmp_path / "shuffled")


def test_a_copy_is_the_same_however_many_there_are(granpipe, dataset, tmp_path):
    granpipe("augment", dataset, "-o", tmp_path / "three", "--copies", 3)
    granpipe("augment", dataset, "-o", tmp_path / "ten", "--copies", 10)
    ten = arrays(tmp_path / "ten")
    assert len(ten) == 40
    assert arrays(tmp_path / "three").items() <= ten.items()


def test_another_photograph_changes_no_other_copy(granpipe, dataset, tmp_path):
    granpipe("augment", dataset)
    before = arrays(dataset / "augmented")
    save(tmp_path / "img/alfalfa/new.jpg")
    granpipe("prepare", tmp_path / "img", dataset)
    granpipe("augment", dataset)
    after = arrays(dataset / "augmented")
    assert before.items() <= after.items()
    assert len(after) == len(before) + 5


def test_another_seed_changes_every_copy(granpipe, dataset, tmp_path):
    granpipe("augment", dataset, "-o", tmp_path / "0")
    granpipe("augment", dataset, "-o", tmp_path / "1", "--seed", 1)
    first, other = arrays(tmp_path / "0"), arrays(tmp_path / "1")
    assert first.keys() == other.keys()
    assert not any(first[name] == other[name] for name in first)


def test_a_second_run_writes_nothing(granpipe, dataset, tmp_path):
    granpipe("prepare", tmp_path / "img", dataset)  # which records the copied files
    granpipe("augment", dataset)
    folder = dataset / "augmented"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert "(20 unchanged)" in granpipe("augment", dataset).output
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


def test_other_settings_replace_exactly_the_former_set(granpipe, dataset, tmp_path):
    granpipe("augment", dataset, "--copies", 4)
    (dataset / "augmented/notes.txt").write_text("mine")
    prepared = {name: data for name, data in tree(dataset).items() if "augmented" not in name}
    granpipe("augment", dataset, "--copies", 2, "--rotate", 5)
    granpipe("augment", dataset, "-o", tmp_path / "fresh", "--copies", 2, "--rotate", 5)
    assert (dataset / "augmented/notes.txt").read_text() == "mine"
    (dataset / "augmented/notes.txt").unlink()
    assert digests(dataset / "augmented") == digests(tmp_path / "fresh")
    assert prepared.items() <= tree(dataset).items()


@pytest.mark.parametrize("damage", ["delete", "truncate", "alter"])
def test_a_damaged_copy_is_made_again(granpipe, dataset, damage):
    granpipe("augment", dataset)
    before = digests(dataset / "augmented")
    victim = dataset / "augmented/corn/a.jpg.2.npy"
    data = victim.read_bytes()
    if damage == "delete":
        victim.unlink()
    else:
        victim.write_bytes(data[:1000] if damage == "truncate" else data[:-1] + b"\x99")
    assert "(19 unchanged)" in granpipe("augment", dataset).output
    assert digests(dataset / "augmented") == before


# So that a run lasts until it is killed, however busy the machine is:
SLOW_WRITES = """
import os, time

replace = os.replace
os.replace = lambda *paths: (time.sleep(0.005), replace(*paths))
"""


@pytest.mark.slow
def test_runs_that_are_killed_are_taken_up_again(injected, granpipe, tmp_path, rng):
    for number in range(100):
        save(tmp_path / f"img/corn/{number}.png", picture(80, 60, number))
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--size", 112)
    granpipe("augment", tmp_path / "out", "-o", tmp_path / "whole", "--copies", 20)
    copies, parts = (tmp_path / "out/augmented" / name for name in ("corn", ".granpipe/parts"))
    # Nine are killed at some copy, and the last one when it has recorded some: in its second part.
    for folder, new in [*((copies, rng.randrange(1, 70)) for _ in range(9)), (parts, 2)]:
        goal = len([*folder.glob("*")]) + new
        process = injected(SLOW_WRITES, "augment", tmp_path / "out", "--copies", 20)
        until(lambda: len([*folder.glob("*")]) >= goal, process=process, every=0.005)  # noqa: B023
        kill(process)
        assert process.returncode == -signal.SIGKILL
    assert "(0 unchanged" not in granpipe("augment", tmp_path / "out", "--copies", 20).stdout
    assert digests(tmp_path / "out/augmented") == digests(tmp_path / "whole")


def test_prepare_leaves_the_copies_alone_and_says_when_they_are_stale(granpipe, dataset, tmp_path):
    granpipe("augment", dataset)
    copies = tree(dataset / "augmented")
    assert "stale" not in granpipe("prepare", tmp_path / "img", dataset).output
    save(tmp_path / "img/corn/a.jpg", picture(90, 60, 77))
    assert "is stale now" in granpipe("prepare", tmp_path / "img", dataset).output
    assert tree(dataset / "augmented").items() == copies.items() - {
        ("dataset.json", copies["dataset.json"])
    }
    assert "(15 unchanged)" in granpipe("augment", dataset).output
    assert "stale" not in granpipe("prepare", tmp_path / "img", dataset).output


@pytest.fixture
def copied(granpipe, dataset, tmp_path) -> Path:
    """The dataset with up-to-date copies, and one more photograph in its folder."""
    granpipe("augment", dataset, "--copies", 2)
    save(tmp_path / "img/corn/new.jpg", picture(90, 60, 5))
    return dataset


@pytest.mark.parametrize(
    "change", [(), ("--split", "50/50"), ("--fill", "#204060"), ("--size", "64")], ids=str
)
def test_stale_copies_cannot_be_read_until_augment_brings_them_up_to_date(
    granpipe, copied, tmp_path, change
):
    row = read_table(copied / "augmented/labels.csv")[0]
    before = load_array(copied / "augmented", row)
    granpipe("prepare", tmp_path / "img", copied, *change)
    assert not (copied / "augmented/dataset.json").exists()
    with pytest.raises(DatasetError, match="out of date, or not finished; run granpipe augment"):
        load_array(copied / "augmented", row)
    granpipe("augment", copied, "--copies", 2)
    granpipe("augment", copied, "--copies", 2, "-o", tmp_path / "fresh")
    assert tree(copied / "augmented") == tree(tmp_path / "fresh")
    if not change:
        assert np.array_equal(load_array(copied / "augmented", row), before)


def test_prepare_says_every_time_and_quietly_too_that_copies_are_stale(granpipe, copied, tmp_path):
    command = ("prepare", tmp_path / "img", copied)
    line = f"The augmented set is stale now: run granpipe augment {copied} --copies 2\n"
    dry = granpipe(*command, "--dry-run", "-q")
    assert (dry.stdout, dry.stderr) == ("", line)
    assert (copied / "augmented/dataset.json").exists()
    for _ in range(2):
        quiet = granpipe(*command, "-q")
        assert (quiet.stdout, quiet.stderr) == ("", line)
    assert granpipe(*command).stdout.endswith(line)
    granpipe("augment", copied, "--copies", 2)
    assert granpipe(*command, "-q").output == ""


def test_the_command_that_prepare_advises_makes_the_same_copies(granpipe, dataset, tmp_path):
    options = ("--copies", "balance:4", "--seed", 3, "--rotate", 30.0, "--min-crop", 0.5)
    granpipe("augment", dataset, *options)
    save(tmp_path / "img/corn/new.jpg", picture(90, 60, 5))
    for _ in range(2):
        *_, line = granpipe("prepare", tmp_path / "img", dataset).stdout.splitlines()
        command = line.removeprefix("The augmented set is stale now: run granpipe ").split()
        assert command == ["augment", str(dataset), *map(str, options)]
    granpipe(*command)
    assert "stale" not in granpipe("prepare", tmp_path / "img", dataset).stdout
    granpipe("augment", dataset, *options, "-o", tmp_path / "fresh")
    assert tree(dataset / "augmented") == tree(tmp_path / "fresh")


def test_of_copies_of_which_no_settings_are_left_prepare_asks_for_the_same_options(
    granpipe, copied, tmp_path
):
    (copied / "augmented/dataset.json").unlink()
    said = granpipe("prepare", tmp_path / "img", copied, "-q").stderr
    assert said.endswith(f"run granpipe augment {copied} with the same options\n")


def test_a_kill_leaves_no_new_sides_beside_copies_that_seem_up_to_date(
    granpipe, copied, tmp_path, monkeypatch
):
    command = ("prepare", tmp_path / "img", copied, "--split", "50/50")
    before = (copied / "labels.csv").read_bytes()
    for place in ("jobs.settle._note", "dataset.tables.Draft.save", "jobs.settle.begin_change"):
        with monkeypatch.context() as patch:
            patch.setattr(f"granpipe.{place}", die)
            granpipe(*command, code=9)
        is_new = (copied / "labels.csv").read_bytes() != before
        assert not (is_new and (copied / "augmented/dataset.json").exists())
    assert "stale" in granpipe(*command).stdout


def test_copies_cannot_be_read_while_prepare_makes_other_arrays(
    granpipe, copied, tmp_path, monkeypatch
):
    command = ("prepare", tmp_path / "img", copied, "--size", 40)
    with monkeypatch.context() as patch:
        patch.setattr("granpipe.jobs.prepare_run.PrepareRun.deal", die)
        granpipe(*command, code=9)
    assert not (copied / "augmented/dataset.json").exists()
    assert "stale" in granpipe(*command).stdout
    granpipe("augment", copied, "--copies", 1)
    assert (copied / "augmented/dataset.json").exists()


def test_copies_of_arrays_that_came_out_the_same_stay_up_to_date(granpipe, copied, tmp_path):
    (tmp_path / "img/corn/new.jpg").unlink()
    before = (copied / "augmented/dataset.json").read_bytes()
    assert "stale" not in granpipe("prepare", tmp_path / "img", copied, "--force").stdout
    assert (copied / "augmented/dataset.json").read_bytes() == before


def test_copies_that_prepare_overtook_are_not_called_up_to_date(
    granpipe, copied, tmp_path, monkeypatch
):
    write = AugmentRun.finish

    def late(steps, *about):
        granpipe("prepare", tmp_path / "img", copied, "--split", "50/50")
        write(steps, *about)

    with monkeypatch.context() as patch:
        patch.setattr(AugmentRun, "finish", late)
        result = granpipe("augment", copied, "--copies", 3, code=1)
    assert "changed while its copies were made; run augment again" in result.stderr
    assert not (copied / "augmented/dataset.json").exists()


def test_the_summary_tells_settings_and_counts(granpipe, dataset):
    granpipe("augment", dataset, "--copies", 2, "--seed", 9, "--crop", 0.8)
    summary = json.loads((dataset / "augmented/dataset.json").read_text())
    assert summary["settings"] == {
        "copies": 2,
        "seed": 9,
        "flip_horizontal": 0.5,
        "flip_vertical": 0.0,
        "rotate": 15.0,
        "crop": 0.8,
        **dict.fromkeys(("brightness", "contrast", "warmth", "gamma"), 0.0),
    }
    assert summary["classes"] == {"corn": 4, "wheat": 4}
    assert (summary["copies"], summary["rejected"]) == (8, 0)


def test_the_preview_shows_every_photograph_beside_its_copies(granpipe, dataset, tmp_path):
    done = granpipe("augment", dataset, "--copies", 3, "--preview", tmp_path / "sheet.png")
    assert done.stdout.endswith(f"Written: {tmp_path}/sheet.png\n")
    granpipe("augment", dataset, "--copies", 5, "--preview", tmp_path / "wider.png")
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(tmp_path / "wider.png") as wider:
        assert sheet.height == wider.height
        assert sheet.width / 4 == pytest.approx(wider.width / 6, rel=0.02)
        assert len(sheet.getcolors(2**20)) > 1000


def test_the_preview_takes_no_place_of_a_picture_that_granpipe_did_not_draw(
    granpipe, dataset, tmp_path
):
    save(tmp_path / "mine.png")
    before = (tmp_path / "mine.png").read_bytes()
    result = granpipe("augment", dataset, "--preview", tmp_path / "mine.png", code=1)
    assert "mine.png: is not a file that granpipe wrote" in result.stderr
    assert (tmp_path / "mine.png").read_bytes() == before
    assert not (dataset / "augmented").exists()


def flip_bit(array: Path, byte: int) -> None:
    data = bytearray(array.read_bytes())
    data[byte] ^= 4
    array.write_bytes(data)


def claim_size(array: Path, size: int) -> None:
    claimed = f"({size}, {size}, 3), }}".encode()
    data = array.read_bytes()
    array.write_bytes(data[:60] + claimed.ljust(67) + data[127:])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda array: array.unlink(), "cannot be read"),
        (lambda array: array.write_bytes(array.read_bytes()[:500]), "has 500 bytes"),
        (lambda array: array.write_bytes(b"PK\3\4" + array.read_bytes()), "is not uint8"),
        (lambda array: flip_bit(array, byte=40), "is not uint8"),
        (lambda array: np.save(array, np.zeros((224, 224), np.uint8)), "is not uint8"),
        (lambda array: np.save(array, np.zeros((224, 224, 3), np.float32)), "is not uint8"),
        (lambda array: np.save(array, np.zeros((9, 9, 3), np.uint8)), "(224, 224, 3)"),
        (lambda array: claim_size(array, 26_000), "(224, 224, 3)"),
        (lambda array: np.save(array, np.array([{}], object), allow_pickle=True), "is not uint8"),
        (
            lambda array: array.write_bytes(array.read_bytes()[:128] + bytes(224 * 224 * 3)),
            "its array is not as granpipe prepare wrote it",
        ),
    ],
    ids=["missing", "cut", "zip", "bit", "grey", "float", "small", "huge", "pickle", "black"],
)
def test_a_damaged_array_costs_its_photograph_only(granpipe, dataset, damage, reason):
    damage(dataset / "corn/a.jpg.npy")
    result = granpipe("augment", dataset, "--copies", 2)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("corn/a.jpg: unreadable: ")
    assert reason in result.stderr
    assert rejects(dataset / "augmented") == {"corn/a.jpg": "unreadable"}
    assert len(arrays(dataset / "augmented")) == 6
    granpipe("augment", dataset, "--copies", 2, "--strict", code=1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("corn/a.jpg.npy,", "../../a.npy,"),
        ("corn/a.jpg.npy,", "corn/b.png.npy,"),
        ("corn/a.jpg.npy,corn,", "corn/a.jpg.npy,wheat,"),
        (",0,38,224,186,", ",0,38,x,186,"),
        (",0,38,224,186,", ",0,38,999,186,"),
        (",0,38,224,186,", ",0"),
    ],
    ids=["outside", "another's array", "class", "no number", "outside the canvas", "cut off"],
)
def test_a_damaged_row_costs_its_photograph_only(granpipe, dataset, old, new):
    table = (dataset / "labels.csv").read_text()
    box = rows(dataset / "labels.csv")[0]
    old = old.replace(",0,38,224,186,", ",{left},{top},{right},{bottom},".format(**box))
    assert old in table
    (dataset / "labels.csv").write_text(table.replace(old, new, 1))
    granpipe("augment", dataset, "--copies", 2)
    assert rejects(dataset / "augmented") == {"corn/a.jpg": "unreadable"}
    assert len(arrays(dataset / "augmented")) == 6


def test_a_dataset_that_is_not_there_or_not_ours_is_one_clear_line(granpipe, tmp_path):
    (tmp_path / "other").mkdir()
    save(tmp_path / "photos/corn/a.jpg")
    for folder, code, said in (
        ("missing", 2, "no such folder"),
        ("other", 1, "holds no finished dataset; run granpipe prepare"),
        ("photos", 2, f"run granpipe prepare {tmp_path}/photos {tmp_path}/photos-arrays and then "),
    ):
        assert_one_line(granpipe("augment", tmp_path / folder, code=code), said)
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\xff\xfe", 'path,"label'], ids=repr)
def test_a_damaged_table_is_one_clear_line(granpipe, dataset, text):
    (dataset / "labels.csv").write_bytes(text.encode("latin-1"))
    assert_one_line(granpipe("augment", dataset, code=1), "labels.csv")


def test_a_dataset_without_photographs_is_one_clear_line(granpipe, tmp_path):
    save(tmp_path / "img/no-class.jpg")
    stderr = granpipe("prepare", tmp_path / "img", tmp_path / "out", code=1).stderr
    assert stderr.endswith(
        f"granpipe: nothing was prepared: put each class into a folder of its own (mkdir "
        f"{tmp_path}/img/corn), or use --labels TABLE; if {tmp_path}/img is itself a class, name "
        "the folder above it\n"
    )
    assert "holds no photographs" in granpipe("augment", tmp_path / "out", code=1).stderr


@pytest.mark.slow
def test_copies_that_the_disk_has_no_room_for_are_refused_in_one_line(granpipe, dataset):
    assert_one_line(granpipe("augment", dataset, "--copies", "1000000", code=1), "fewer --copies")


def test_a_folder_with_other_files_is_not_written_into(granpipe, dataset, tmp_path):
    save(tmp_path / "mine/corn/a.jpg")
    for folder in (tmp_path / "mine", dataset, tmp_path / "img"):
        before = tree(folder)
        result = granpipe("augment", dataset, "-o", folder, code=1)
        assert "name an empty or a new folder" in result.stderr
        assert tree(folder) == before


def test_an_augmented_set_is_no_dataset_to_augment(granpipe, dataset):
    granpipe("augment", dataset, "--copies", 1)
    assert "augmented set itself" in granpipe("augment", dataset / "augmented", code=1).stderr


def test_quiet_prints_nothing(granpipe, dataset):
    assert granpipe("augment", dataset, "-q").output == ""


def test_a_table_with_fewer_rows_than_promised_is_not_believed(granpipe, dataset):
    granpipe("augment", dataset, "--copies", 1)
    before = tree(dataset / "augmented")
    lines = (dataset / "labels.csv").read_text().splitlines(keepends=True)
    (dataset / "labels.csv").write_text("".join(lines[:-1]))
    said = granpipe("augment", dataset, "--copies", 1, code=1).stderr
    assert "dataset.json promises 4" in said
    assert tree(dataset / "augmented") == before
