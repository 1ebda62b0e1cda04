"""`granpipe prepare --split`: what belongs together stands on one side, and stays there."""

import json
import os
import random
import shutil
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from granpipe.dataset.alike import FARTHEST
from granpipe.dataset.together import parse_together
from granpipe.jobs import settle_split

import ledgers
from conftest import ROOT, assert_one_line, content_of, place, rows, save, splits, textured, tree
from harm import NO_DECODER, kill, until

SIDES = {"train", "validation", "test"}
SPLIT = ("--split", "60/20/20")


@pytest.fixture
def src(tmp_path):
    """Six fields of corn and wheat with three photographs each, and four photographs alone."""
    for field in range(6):
        for number in range(3):
            name = f"{('corn', 'wheat')[field % 2]}/{field}{number}.jpg"
            place(tmp_path / "src" / name, 3 * field + number, 40 + field, 10 + number * 1e-4)
    for number in range(4):
        save(tmp_path / f"src/corn/s{number}.png", textured(100 + number))
    return tmp_path / "src"


@pytest.fixture
def prepare(granpipe):
    return partial(granpipe, "prepare")


def columns(out: Path) -> dict[str, tuple[str, str]]:
    return {row["source"]: (row["group"], row["split"]) for row in rows(out / "labels.csv")}


def settings(out: Path) -> dict:
    return json.loads((out / "dataset.json").read_text())["settings"]


def test_a_field_stands_on_one_side(prepare, src, out):
    prepare(src, out, *SPLIT)
    found = columns(out)
    fields = defaultdict(set)
    for source, column in found.items():
        fields[source[:-5] if "/s" not in source else source].add(column)
    assert len(found) == 22
    assert {len(one) for one in fields.values()} == {1}
    assert len({group for group, _ in found.values()}) == 10
    assert all(group.startswith("g") and len(group) == 17 for group, _ in found.values())
    assert set(splits(out).values()) == SIDES
    for label in ("corn", "wheat"):
        assert {side for source, side in splits(out).items() if source.startswith(label)} == SIDES
    expected = {"split": "60/20/20", "together": "place:200,burst,likeness", "seed": 0}
    assert expected.items() <= settings(out).items()


def test_a_group_is_named_after_the_smallest_digest_of_its_members(prepare, src, out):
    prepare(src, out, *SPLIT)
    members = defaultdict(list)
    for row in rows(out / "labels.csv"):
        members[row["group"]].append(row["sha256"])
    assert all(group == f"g{min(digests)[:16]}" for group, digests in members.items())


def test_the_summary_counts_groups_and_sides(prepare, src, out):
    lines = [" ".join(line.split()) for line in prepare(src, out, *SPLIT).stdout.splitlines()]
    assert "class train validation test" in lines
    wheat = [row for row in rows(out / "labels.csv") if row["label"] == "wheat"]
    cells = []
    for side in ("train", "validation", "test"):
        groups = [row["group"] for row in wheat if row["split"] == side]
        cells.append(f"{len(groups)} ({len(set(groups))})")
    assert " ".join(["wheat", *cells]) in lines
    text = prepare(src, out).stdout
    assert "4 photographs without position, time or near-duplicate" in text
    assert "Split 60/20/20 of 10 groups by place:200,burst,likeness, seed 0." in text
    assert "Too few groups for" not in text
    assert "One group holds" not in text


def test_classes_with_too_few_groups_are_named(prepare, src, out):
    save(src / "rye/a.png", textured(200))
    assert "Too few groups to be in every split: rye." in prepare(src, out, *SPLIT).stdout


def test_a_group_of_over_a_third_is_told_with_what_helps(prepare, tmp_path, out):
    for number in range(6):
        place(tmp_path / f"src/corn/{number}.jpg", number, 40 + 0.001 * number, 10)
    place(tmp_path / "src/corn/far.jpg", 9, 50, 10)
    text = prepare(tmp_path / "src", out, *SPLIT, "--allow-empty").stdout
    assert "One group holds 6 of 7 photographs" in text
    assert "<class>/<field>/" in text
    assert "One group" not in prepare(tmp_path / "src", out, "--together", "place:50").stdout


def test_photographs_in_no_folder_of_a_field_are_counted_where_it_counts(prepare, src, out):
    (src / "corn/north").mkdir()
    photos = sorted((src / "corn").glob("*.*"))
    photos[0].rename(src / "corn/north" / photos[0].name)
    folder = ("--keep-together", "folder,place:200")
    text = " ".join(prepare(src, out, *SPLIT, *folder, "--allow-empty").stdout.split())
    count = len(rows(out / "labels.csv")) - 1
    assert f"for the rule folder to join: {count} photographs." in text
    assert "rule folder" not in prepare(src, out, "--keep-together", "place:200").stdout


def test_a_split_without_photographs_ends_with_1_and_says_what_would_do(prepare, tmp_path, out):
    for number in range(60):  # one farm: 60 m apart, in one line
        place(tmp_path / f"src/corn/{number:02}.jpg", number, 46 + 60 * number / 111_195, 10)
    refused = prepare(tmp_path / "src", out, "--split", "80/10/10", code=1).stderr
    assert refused.endswith(
        "granpipe: split 80/10/10: no photograph is in validation or test: the largest group has "
        "60 of 60 photographs; --keep-together place:60,burst,likeness would do; "
        "--allow-empty permits it\n"
    )
    assert not (out / "labels.csv").exists()
    fair = ("--split", "80/10/10", "--keep-together", "place:60,burst,likeness")
    assert not prepare(tmp_path / "src", out, *fair).stderr
    assert Counter(splits(out).values()) == {"train": 48, "validation": 6, "test": 6}


def test_where_classes_have_too_few_groups_that_is_the_reason(prepare, tmp_path, out):
    for number in range(10):
        save(tmp_path / f"src/crop {number // 2}/{number}.png", textured(number))
    stderr = prepare(tmp_path / "src", out, "--split", "80/10/10", code=1).stderr
    assert ": some classes have fewer groups than there are splits; --allow-empty permits" in stderr


def test_where_classes_have_few_groups_the_largest_is_not_the_reason(prepare, tmp_path, out):
    for number in range(30):
        save(tmp_path / f"src/crop {number % 6}/{number}.png", textured(number))
    stderr = prepare(tmp_path / "src", out, "--split", "80/10/10").stderr
    assert stderr.endswith("train has 60 %: classes have few groups\n")


def test_an_empty_split_that_is_allowed_is_told_of_in_each_run(prepare, tmp_path, out):
    for number in range(30):
        place(tmp_path / f"src/corn/{number:02}.jpg", number, 46 + 60 * number / 111_195, 10)
    prepare(tmp_path / "src", out, "--split", "80/20", "--allow-empty")
    before = tree(out)
    stderr = prepare(tmp_path / "src", out).stderr
    assert "--split none, and then --split 80/20 --keep-together place:60,burst" in stderr
    assert tree(out) == before
    prepare(tmp_path / "src", out, "--split", "none")
    dealt = ("--split", "80/20", "--keep-together", "place:60,burst,likeness")
    assert not prepare(tmp_path / "src", out, *dealt).stderr
    assert Counter(splits(out).values()) == {"train": 24, "test": 6}


RISK = ", but may test on what a network was trained on"


def test_where_former_splits_alone_are_in_the_way_that_is_said_with_all_options(
    prepare, tmp_path, out
):
    for number in range(40):
        save(tmp_path / f"src/corn/f{number // 4}/{number}.png", textured(number, (24, 18)))
    asked = ("--split", "80/10/10", "--seed", 3, "--folds", 2)
    prepare(tmp_path / "src", out, *asked)
    folder = ("--keep-together", "folder")
    refused = prepare(tmp_path / "src", out, *asked, *folder, code=1).stderr
    advice = "--split none, and then --split 80/10/10 --keep-together folder --seed 3 --folds 2"
    cause = "validation or test: photographs keep their splits"
    assert refused.endswith(f"{cause}; {advice} would do{RISK}; --allow-empty permits it\n")
    prepare(tmp_path / "src", out, "--split", "none")
    prepare(tmp_path / "src", out, *asked, *folder)
    assert Counter(splits(out).values()) == {"train": 32, "validation": 4, "test": 4}


def test_a_share_that_is_missed_is_a_line(prepare, tmp_path, out):
    for number in range(30):
        lat = 46 + 90 * number / 111_195 if number < 24 else 50 + number
        place(tmp_path / f"src/corn/{number:02}.jpg", number, lat, 10)
    tried = prepare(tmp_path / "src", out, "--split", "50/50", "--dry-run").stderr
    assert "split 50/50: train has 80 %, test has 20 %: the largest group has 24 of 30" in tried
    fair = "--keep-together place:90,burst,likeness"
    assert tried.endswith(f"; {fair} would do\n")
    # Once a split is written, photographs keep it.
    advice = f"; --split none, and then --split 50/50 {fair} would do"
    assert prepare(tmp_path / "src", out, "--split", "50/50").stderr.endswith(f"{advice}\n")
    assert prepare(tmp_path / "src", out).stderr.endswith(f"{advice}{RISK}\n")
    prepare(tmp_path / "src", out, "--split", "none")
    assert not prepare(tmp_path / "src", out, "--split", "50/50", *fair.split()).stderr


@pytest.mark.parametrize(
    ("split", "sides"),
    [("70/30", {"train", "test"}), ("100/0/0", {"train"}), ("80/20/0", {"train", "validation"})],
)
def test_sides_without_a_share_stay_empty(prepare, src, out, split, sides):
    prepare(src, out, "--split", split)
    assert set(splits(out).values()) == sides


def test_without_split_there_are_no_sides(prepare, src, out):
    prepare(src, out)
    assert set(columns(out).values()) == {("", "")}
    assert not (out / "alike.csv").exists()
    assert not settings(out).keys() & {"split", "together", "seed"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--together", "place"), "add --split"),
        (("--seed", "3"), "add --split"),
        (("--split", "none", "--seed", "3"), "add --split"),
    ],
)
def test_nonsense_gets_one_line_and_writes_nothing(prepare, src, out, options, words):
    assert_one_line(prepare(src, out, *options, code=2), words)
    assert not out.exists()


def test_split_on_a_prepared_dataset_decodes_nothing(prepare, injected, src, out):
    prepare(src, out, *SPLIT)
    expected = tree(out)
    shutil.rmtree(out)
    prepare(src, out)
    process = injected(NO_DECODER, "prepare", src, out, *SPLIT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert tree(out) == expected


def test_an_array_that_was_altered_is_made_again_before_it_is_judged(prepare, src, out):
    prepare(src, out, *SPLIT)
    expected = tree(out)
    shutil.rmtree(out)
    prepare(src, out)
    path = out / "corn/00.jpg.npy"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    with path.open("r+b") as file:  # the same file, size and time
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    prepare(src, out, *SPLIT)
    assert tree(out) == expected


def test_records_of_before_are_completed(prepare, src, out):
    prepare(src, out, *SPLIT)
    expected = tree(out)
    ledgers.edit(out / ledgers.LEDGER, "UPDATE records SET phash = NULL", is_sealed=True)
    prepare(src, out)
    assert tree(out) == expected


def test_an_unchanged_dataset_keeps_its_columns_without_any_search(prepare, src, out, monkeypatch):
    first = prepare(src, out, *SPLIT).stdout
    expected = tree(out)

    def search(*_):
        raise AssertionError("searched")

    monkeypatch.setattr(settle_split, "load_grouping", search)
    again = prepare(src, out).stdout
    assert tree(out) == expected
    assert again.replace("22 unchanged", "0 unchanged") == first


def test_sides_stay_when_split_is_not_given_again(prepare, src, out):
    prepare(src, out, *SPLIT, "--seed", 5, "--together", "place:150")
    before = columns(out)
    place(src / "corn/new.jpg", 300, 40, 10)
    save(src / "corn/other.png", textured(301))
    prepare(src, out)
    after = columns(out)
    assert {source: after[source][1] for source in before} == splits_of(before)
    assert after["corn/new.jpg"][1] == after["corn/00.jpg"][1]
    assert after["corn/other.png"][1] in SIDES
    assert settings(out)["seed"] == 5
    assert settings(out)["together"] == "place:150"


def splits_of(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {source: split for source, (_, split) in found.items()}


def test_split_none_removes_sides(prepare, src, out):
    prepare(src, out)
    plain = tree(out)
    prepare(src, out, *SPLIT)
    assert (out / "alike.csv").exists()
    prepare(src, out, "--split", "none")
    assert tree(out) == plain
    prepare(src, out)
    assert tree(out) == plain


def test_a_renamed_photograph_keeps_its_side(prepare, src, out):
    prepare(src, out, *SPLIT)
    before = splits(out)
    (src / "corn/s0.png").rename(src / "wheat/renamed.png")
    (src / "corn/00.jpg").unlink()
    prepare(src, out)
    after = splits(out)
    assert after.pop("wheat/renamed.png") == before.pop("corn/s0.png")
    del before["corn/00.jpg"]
    assert after == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("alike.csv", b"distance", b"distants"), ("labels.csv", b"corn/00.jpg,", b"corn/99.jpg,")],
)
def test_tables_that_were_altered_under_their_time_are_not_believed(
    prepare, src, out, name, old, new
):
    Image.open(src / "corn/s0.png").save(src / "corn/copy.jpg", quality=50)
    expected = prepare(src, out, *SPLIT).stdout
    before = (out / name).stat()
    with (out / name).open("r+b") as file:  # the same file, size and time
        data = file.read().replace(old, new)
        file.seek(0)
        file.write(data)
    os.utime(out / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert prepare(src, out).stdout.replace("23 unchanged", "0 unchanged") == expected


def set_sides(out: Path, sides: dict[str, str]) -> None:
    """Write sides into labels.csv by hand, for sources that begin so."""
    lines = (out / "labels.csv").read_text().splitlines()
    for number, line in enumerate(lines):
        for start, side in sides.items():
            if line.startswith(start):
                cells = dict(zip(lines[0].split(","), line.split(","), strict=True))
                lines[number] = ",".join((cells | {"split": side}).values())
    (out / "labels.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("earliest", ["train", "validation"])
def test_merged_groups_take_the_earliest_side(prepare, src, out, earliest):
    prepare(src, out, *SPLIT)
    alone = {source: side for source, side in splits(out).items() if "/s" in source}
    set_sides(out, {"corn/0": earliest, "corn/2": "validation", "corn/4": "test", "wheat": "test"})
    prepare(src, out, "--together", "place:120000")  # a degree, from field to field
    fields = {source: column for source, column in columns(out).items() if "/s" not in source}
    assert len({group for group, _ in fields.values()}) == 1
    assert {side for _, side in fields.values()} == {earliest}
    assert alone.items() <= splits(out).items()


def test_the_same_bytes_for_any_order_and_any_workers(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "one", *SPLIT, "--workers", 1)
    names = sorted(path.relative_to(src) for path in src.rglob("*.*"))
    random.Random(3).shuffle(names)
    for name in names:  # folders list what was written first in other order
        (tmp_path / "moved" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(src / name, tmp_path / "moved" / name)
    granpipe("prepare", tmp_path / "moved", tmp_path / "three", *SPLIT, "--workers", 3)
    assert tree(tmp_path / "one") == tree(tmp_path / "three")


@pytest.mark.slow
@pytest.mark.parametrize("batches", [2, 5])
def test_photographs_that_come_move_none_from_training(prepare, src, out, batches):
    names = sorted(path.relative_to(src) for path in src.rglob("*.*"))
    random.Random(batches).shuffle(names)
    before: dict[str, str] = {}
    for number in range(batches):
        for name in names[number::batches]:
            (src.parent / "some" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(src / name, src.parent / "some" / name)
        prepare(src.parent / "some", out, *SPLIT, "--allow-empty")
        after = splits(out)
        assert all(after[name] == "train" for name in before if before[name] == "train")
        groups = defaultdict(set)
        for group, side in columns(out).values():
            groups[group].add(side)
        assert {len(sides) for sides in groups.values()} == {1}
        before = after


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_run_forgets_no_side(prepare, start, src, out):
    prepare(src, out, *SPLIT)
    before = splits(out)
    for number in range(40):
        save(src / f"corn/n{number:02}.png", textured(400 + number))
    process = start("prepare", src, out, "--workers", 1)
    until(lambda: not (out / "dataset.json").exists(), process=process, every=0.001)
    kill(process)
    prepare(src, out)
    after = splits(out)
    assert {source: after[source] for source in before} == before
    assert set(after.values()) == SIDES


def test_a_damaged_table_ends_the_run_before_sides_are_forgotten(prepare, src, out):
    prepare(src, out, *SPLIT)
    (out / "labels.csv").write_bytes(b"\xff\xfe\xfd")
    result = prepare(src, out, code=1)
    assert "only it records the split" in result.stderr
    (out / "labels.csv").write_text("source,path\n")
    save(src / "corn/another.png", textured(500))
    assert "only it records the split" in prepare(src, out, code=1).stderr
    (out / "labels.csv").unlink()
    advice = "use --split none, and then --split 60/20/20, to split anew"
    assert advice in prepare(src, out, code=1).stderr
    prepare(src, out, "--split", "none")
    prepare(src, out, *SPLIT)
    assert set(splits(out).values()) == SIDES


def test_a_table_that_was_cut_between_rows_ends_the_run_too(prepare, src, out):
    prepare(src, out, *SPLIT)
    lines = (out / "labels.csv").read_text().splitlines(keepends=True)
    (out / "labels.csv").write_text("".join(lines[:5]))
    assert "only it records the split" in prepare(src, out, code=1).stderr
    (out / "labels.csv").write_text("".join(lines))
    prepare(src, out)


def test_a_photograph_that_is_away_for_some_runs_comes_back_to_its_side(prepare, src, out):
    prepare(src, out, *SPLIT)
    before = splits(out)
    away = src.with_name("away")
    away.mkdir()
    gone = sorted(before)[::3]
    for number, source in enumerate(gone):
        (src / source).rename(away / str(number))
    prepare(src, out, "--allow-deletions")
    save(src / "corn/another.png", textured(500))
    prepare(src, out)
    for number, source in enumerate(gone):
        (away / str(number)).rename(src / source)
    prepare(src, out)
    after = splits(out)
    assert {source: after[source] for source in before} == before


def test_a_photograph_whose_bytes_were_rewritten_in_place_keeps_its_side(prepare, src, out):
    prepare(src, out, *SPLIT)
    before = splits(out)
    for source in before:
        (src / source).write_bytes((src / source).read_bytes() + b"\0")
    prepare(src, out)
    assert splits(out) == before


@pytest.mark.parametrize("side", sorted(SIDES))
def test_a_side_that_was_set_by_hand_stays(prepare, src, out, side):
    prepare(src, out, *SPLIT)
    set_sides(out, {"corn/s0": side})
    prepare(src, out)
    assert splits(out)["corn/s0.png"] == side


def test_a_file_of_others_called_alike_is_left_alone(prepare, src, out):
    prepare(src, out)
    (out / "alike.csv").write_text("mine")
    assert "alike.csv" in prepare(src, out, *SPLIT, code=1).stderr
    assert (out / "alike.csv").read_text() == "mine"


# Likeness


@pytest.fixture
def copies(src):
    """Add copies of photographs in other bytes, one of them under another class."""
    Image.open(src / "corn/s0.png").save(src / "corn/copy.jpg", quality=50)
    Image.open(src / "corn/s1.png").resize((300, 225)).rotate(90, expand=True).save(
        src / "wheat/turned.png"
    )
    return src


def test_alike_names_spanning_links_and_nothing_is_deleted(prepare, copies, out):
    text = prepare(copies, out, *SPLIT).stdout
    table = rows(out / "alike.csv")
    assert list(table[0]) == ["source", "other", "distance", "label", "other_label"]
    assert [(row["source"], row["other"]) for row in table] == [
        ("corn/copy.jpg", "corn/s0.png"),
        ("corn/s1.png", "wheat/turned.png"),
    ]
    assert [row["label"] for row in table] == ["corn", "corn"]
    assert [row["other_label"] for row in table] == ["corn", "wheat"]
    assert all(0 <= int(row["distance"]) <= FARTHEST for row in table)
    found = columns(out)
    assert found["corn/copy.jpg"] == found["corn/s0.png"]
    assert found["wheat/turned.png"] == found["corn/s1.png"]
    assert len(found) == 24
    assert "Alike under two classes, of which one may be wrong: 1 pair;" in text
    assert "2 photographs without position, time or near-duplicate" in text


def test_likeness_counts_only_where_it_was_asked_for(prepare, copies, out):
    prepare(copies, out, *SPLIT, "--together", "place")
    assert rows(out / "alike.csv") == []
    assert columns(out)["corn/copy.jpg"][0] != columns(out)["corn/s0.png"][0]
    prepare(copies, out, "--together", "likeness")
    assert len(rows(out / "alike.csv")) == 2


def test_a_fields_folder_keeps_together(prepare, src, out):
    for number in range(3):
        (src / "corn/east").mkdir(exist_ok=True)
        (src / f"corn/s{number}.png").rename(src / f"corn/east/s{number}.png")
    prepare(src, out, *SPLIT, "--together", "place,folder")
    groups = {columns(out)[f"corn/east/s{number}.png"][0] for number in range(3)}
    assert len(groups) == 1


def test_the_eight_orientations_are_one_group_and_ten_photographs_ten(
    prepare, photos, tmp_path, out
):
    for kind in ("orientation", "challenge"):
        shutil.copytree(photos / kind, tmp_path / "src" / kind)
    prepare(tmp_path / "src", out, *SPLIT)
    groups = defaultdict(set)
    for source, (group, _) in columns(out).items():
        groups[source.split("/")[0]].add(group)
    assert len(groups["orientation"]) == 1
    assert len(groups["challenge"]) == 10
    named = {row["source"].split("/")[0] for row in rows(out / "alike.csv")}
    assert named == {"orientation"}
    assert len(rows(out / "alike.csv")) == 7


def test_the_drawn_pictures_never_pair(prepare, out):
    prepare(ROOT / "img", out, *SPLIT)
    assert rows(out / "alike.csv") == []
    found = columns(out)
    same = {source for source in found if found[source][0] == found["wheat/DSC_0650.JPG"][0]}
    assert same == {"wheat/DSC_0650.JPG", "wheat/DSC_0651.JPG"}  # one place, a minute apart
    assert len({group for group, _ in found.values()}) == 24


# Flags


def test_flags_stand_in_the_table_with_and_without_sides(prepare, src, out):
    save(src / "corn/black.png", Image.new("RGB", (400, 300)))
    prepare(src, out)
    flags = {row["source"]: row["flags"] for row in rows(out / "labels.csv")}
    assert flags["corn/black.png"] == "dark blank"
    assert flags["corn/s0.png"].split()[-1] == "tiny"
    text = prepare(src, out, *SPLIT).stdout
    assert "1 blank" in text
    assert "1 dark" in text
    assert {row["source"]: row["flags"] for row in rows(out / "labels.csv")} == flags


# What others make of sides


def test_copies_are_made_of_the_training_side_alone(granpipe, prepare, src, out):
    prepare(src, out, *SPLIT)
    text = granpipe("augment", out, "--copies", 2).stdout
    training = {source for source, side in splits(out).items() if side == "train"}
    table = rows(out / "augmented/labels.csv")
    assert {row["source"] for row in table} == training
    assert {(row["group"], row["split"]) for row in table} == {columns(out)[s] for s in training}
    assert len(table) == 2 * len(training)
    assert f"the others have {22 - len(training)} photographs" in text
    text = granpipe("augment", out, "--copies", 2, "--side", "all").stdout
    assert "the others have" not in text
    assert len(rows(out / "augmented/labels.csv")) == 44


def test_new_sides_make_copies_stale_and_augment_removes_those_of_held_out_ones(
    granpipe, prepare, src, out
):
    prepare(src, out)
    granpipe("augment", out, "--copies", 1)
    assert "stale" not in prepare(src, out).stdout
    assert "stale" in prepare(src, out, *SPLIT).stdout
    granpipe("augment", out, "--copies", 1)
    held = [source for source, side in splits(out).items() if side != "train"]
    assert held
    assert not any((out / f"augmented/{source}.1.npy").exists() for source in held)
    assert "stale" not in prepare(src, out).stdout


def test_where_nothing_is_for_training_augment_says_so(granpipe, prepare, src, out):
    prepare(src, out, *SPLIT)
    text = (out / "labels.csv").read_text().replace(",train,", ",test,")
    (out / "labels.csv").write_text(text)
    assert "the training split is empty" in granpipe("augment", out, code=1).stderr


def test_map_tells_sides_and_counts_what_does_not_match(granpipe, prepare, src, out, tmp_path):
    prepare(src, out, *SPLIT)
    place(src / "corn/later.jpg", 600, 40, 10)
    (src / "corn/s0.png").unlink()
    files = ("-o", tmp_path / "m.csv", "-o", tmp_path / "m.geojson", "-o", tmp_path / "m.html")
    text = granpipe("map", src, *files, "--dataset", out).stdout
    assert "21 of them are in the dataset, 1 are not; the dataset has 1 others." in text
    expected = columns(out)
    for row in rows(tmp_path / "m.csv"):
        assert (row["group"], row["split"]) == expected.get(row["source"], ("", ""))
    for feature in json.loads((tmp_path / "m.geojson").read_text())["features"]:
        properties = feature["properties"]
        assert (properties["group"], properties["split"]) == expected.get(
            properties["source"], (None, None)
        )


def test_map_refuses_a_dataset_without_sides(granpipe, prepare, src, out, tmp_path):
    prepare(src, out)
    result = granpipe("map", src, "-o", tmp_path / "m.csv", "--dataset", out, code=1)
    assert "has no split" in result.stderr


def test_help_groups_the_options(granpipe):
    text = granpipe("prepare", "--help").output
    headings = [
        line for line in text.splitlines() if line.rstrip().endswith(":") and line[0] != " "
    ]
    assert headings == ["Everyday:", "Split:", "Positions:", "Scale:"]
    assert text.index("Split:") < text.index("--split SHARES") < text.index("Scale:")
    assert str(parse_together("place,burst,likeness")) in text


# What is counted in dataset.json


def assert_statistics(folder: Path, table: list[dict[str, str]], split: str) -> None:
    summary, content = json.loads((folder / "dataset.json").read_text()), content_of(folder, table)
    counted = {"split": split, "arrays": len(table), "pixels": len(content)}
    assert summary["mean_of"] == counted
    assert summary["mean"] == pytest.approx(content.mean(axis=0), abs=2e-6)
    assert summary["std"] == pytest.approx(content.std(axis=0), abs=2e-6)


def test_mean_and_std_are_those_of_training_alone(granpipe, prepare, src, out):
    prepare(src, out, *SPLIT)
    table = rows(out / "labels.csv")
    assert_statistics(out, [row for row in table if row["split"] == "train"], "train")
    prepare(src, out, "--split", "none")
    assert_statistics(out, rows(out / "labels.csv"), "all")


@pytest.mark.parametrize("side", ["train", "all"])
def test_copies_have_a_mean_and_std_of_their_own(granpipe, prepare, src, out, side):
    prepare(src, out, *SPLIT)
    granpipe("augment", out, "--copies", 3, "--split-only", side)
    table = rows(out / "augmented/labels.csv")
    training = [row for row in table if row["split"] == "train"]
    assert (side == "all") == (len(training) < len(table))
    firsts = [row for row in training if row["copy"] == "1"]
    assert_statistics(out / "augmented", firsts, "train")
    granpipe("augment", out, "--copies", 2, "--split-only", side)
    assert_statistics(out / "augmented", firsts, "train")  # of copies that were kept


def test_classes_are_counted_by_split(granpipe, prepare, src, out):
    prepare(src, out)
    assert json.loads((out / "dataset.json").read_text())["splits"] == {}
    prepare(src, out, *SPLIT)
    granpipe("augment", out, "--copies", 2)
    for folder in (out, out / "augmented"):
        summary = json.loads((folder / "dataset.json").read_text())
        table = Counter((row["split"], row["label"]) for row in rows(folder / "labels.csv"))
        expected = {
            split: {label: table[split, label] for label in summary["classes"]}
            for split in ("train", "validation", "test")
        }
        assert summary["splits"] == expected
        assert summary["classes"] == dict(
            sorted(Counter(row["label"] for row in rows(folder / "labels.csv")).items())
        )
