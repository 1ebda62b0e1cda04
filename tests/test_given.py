"""A data set that was given: its splits, what leaks between them, and labels from a table."""

import csv
import json
import shutil
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from granpipe.dataset.label_table import LabelTable

import exif_blocks as eb
from conftest import SMALL, place, rejects, rows, save, splits, textured, tree

GIVEN = ("--split", "given")


@pytest.fixture
def table(tmp_path):
    """Write a table of labels, and return its path."""

    def write(text: str, name: str = "survey.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def leaks(out: Path) -> dict[tuple[str, str], str]:
    """Return the rule of each pair."""
    return {(row["source"], row["other"]): row["rule"] for row in rows(out / "leaks.csv")}


def labels(out: Path) -> dict[str, str]:
    return {row["source"]: row["label"] for row in rows(out / "labels.csv")}


# Splits


def clean(src: Path) -> None:
    """Write three splits of two classes that have nothing to do with one another."""
    folders = [f"{split}/{label}" for split in ("train", "Val", "testing") for label in "ab"]
    for number, folder in enumerate(folders):
        for photo in range(3):
            place(src / folder / f"{photo}.jpg", 3 * number + photo, 3 * number + photo, 20)


def test_folders_that_are_no_splits_are_told_what_a_given_split_needs(granpipe, src, out):
    save(src / "corn/a.jpg")
    line = granpipe("prepare", src, out, *GIVEN, code=1).stderr.splitlines()[-1]
    needs = f"--split given needs folders such as {src}/train/corn"
    assert line == f"granpipe: nothing was prepared: {needs}; without them, use --split 80/10/10"
    (row,) = rows(out / "rejected.csv")
    assert row["detail"] == "is in no class folder of a split"


def test_folders_called_like_splits_are_kept_as_splits(granpipe, src, out):
    clean(src)
    printed = granpipe("prepare", src, out, *GIVEN, *SMALL).output
    assert "No leaks were found" in printed
    words = {"train": "train", "Val": "validation", "testing": "test"}
    assert splits(out) == {source: words[source.split("/")[0]] for source in splits(out)}
    assert labels(out) == {source: source.split("/")[1] for source in labels(out)}
    assert rows(out / "leaks.csv") == []
    summary = json.loads((out / "dataset.json").read_text())
    assert summary["settings"]["split"] == "given"
    assert summary["classes"] == {"a": 9, "b": 9}
    assert summary["splits"]["validation"] == {"a": 3, "b": 3}
    assert summary["mean_of"]["split"] == "train"


def test_copies_are_of_training_alone_and_know_their_class(granpipe, src, out):
    clean(src)
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    assert "the others have 12 photographs" in granpipe("augment", out, "--copies", 1).output
    copies = rows(out / "augmented/labels.csv")
    assert {row["source"].split("/")[0] for row in copies} == {"train"}
    assert Counter(row["label"] for row in copies) == {"a": 3, "b": 3}
    assert rejects(out / "augmented") == {}


def test_each_rule_names_the_pairs_that_it_joins(granpipe, src, out):
    clean(src)
    shutil.copy(src / "train/a/0.jpg", src / "testing/a/same.jpg")
    with (src / "Val/a/like.png").open("wb") as file:
        textured(1).resize((64, 48)).save(file, "png")
    place(src / "testing/b/near.jpg", 100, 4.0005, 20)  # 56 metres from train/b/1.jpg
    for split, second in (("train", 10), ("Val", 15), ("testing", 30)):
        times = {eb.TAKEN: eb.text(f"2024:05:01 10:00:{second}")}
        exif = eb.block({}, times, {eb.MODEL: eb.text("Pixel")})
        path = src / split / f"b/burst{second}.jpg"
        path.write_bytes(eb.jpeg(exif, picture=textured(second + 200)))
    printed = granpipe("prepare", src, out, *GIVEN).output
    assert leaks(out) == {
        ("testing/a/same.jpg", "train/a/0.jpg"): "bytes",
        ("Val/a/like.png", "train/a/1.jpg"): "likeness",
        ("testing/b/near.jpg", "train/b/1.jpg"): "place",
        ("Val/b/burst15.jpg", "train/b/burst10.jpg"): "burst",
    }
    distances = {row["rule"]: row["distance"] for row in rows(out / "leaks.csv")}
    assert distances["bytes"] == "0"
    assert 50 <= int(distances["place"]) <= 60
    assert distances["burst"] == "5"
    assert "2 photographs of test and 2 photographs of validation" in printed
    assert "4 leaks, which --strict" in granpipe("prepare", src, out, "--strict", code=1).stderr


def test_the_same_bytes_in_two_splits_are_two_photographs(granpipe, src, out):
    clean(src)
    shutil.copy(src / "train/a/0.jpg", src / "testing/a/same.jpg")
    shutil.copy(src / "train/a/1.jpg", src / "train/a/twin.jpg")
    shutil.copy(src / "train/a/2.jpg", src / "testing/b/conflict.jpg")
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    assert {"train/a/0.jpg", "testing/a/same.jpg"} <= splits(out).keys()
    assert rejects(out) == {
        "train/a/twin.jpg": "duplicate",
        "train/a/2.jpg": "label_conflict",
        "testing/b/conflict.jpg": "label_conflict",
    }


def test_groups_that_leak_are_moved_as_a_whole_to_the_earliest_split(granpipe, src, out):
    clean(src)
    # A chain: test is near validation, and that is near train.
    for number, split in enumerate(("train", "Val", "testing")):
        place(src / split / "a/chain.jpg", 300 + number, 60 + number * 0.0012, 20)
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    assert leaks(out) == {
        ("Val/a/chain.jpg", "train/a/chain.jpg"): "place",
        ("testing/a/chain.jpg", "Val/a/chain.jpg"): "place",
    }
    given = splits(out)
    printed = granpipe("prepare", src, out, *GIVEN, "--fix-leaks", "--strict", *SMALL).output
    assert "Moved to the earliest split of their group: 2 photographs." in printed
    moved = {source: split for source, split in splits(out).items() if given[source] != split}
    assert moved == {"Val/a/chain.jpg": "train", "testing/a/chain.jpg": "train"}
    assert len(rows(out / "leaks.csv")) == 2
    before = tree(out)
    granpipe("prepare", src, out, *SMALL)  # it stays mended
    assert tree(out) == before
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    assert splits(out) == given


def test_a_given_split_with_planted_leaks_as_plantseg_has_them(granpipe, src, out, rng):
    """Groups of 70, 32, 11 and 15 that stand in two splits or three, among strangers."""
    number = 0
    planted = set()
    kinds = [("train", "val"), ("train", "test"), ("val", "test"), ("train", "val", "test")]
    for among, count in zip(kinds, (70, 32, 11, 15), strict=True):
        for _ in range(count):
            names = [f"{split}/{rng.choice('abc')}x/{number}.png" for split in among]
            label = names[0].split("/")[1]
            names = [f"{name.split('/')[0]}/{label}/{number}.png" for name in names]
            image = textured(number, (48, 36))
            for place_in_group, name in enumerate(names):
                # Scaled anew, so that the bytes differ.
                save(src / name, image.resize((48 + 4 * place_in_group, 36 + 3 * place_in_group)))
            planted |= {
                (later, earlier) for index, later in enumerate(names) for earlier in names[:index]
            }
            number += 1
    for split in ("train", "val", "test"):
        for _ in range(60):
            save(src / f"{split}/{rng.choice('abc')}x/{number}.png", textured(number, (48, 36)))
            number += 1
    granpipe("prepare", src, out, *GIVEN, "--size", 64, "--workers", 2)
    assert set(leaks(out)) == planted


def test_a_second_run_writes_nothing_and_history_does_not_matter(granpipe, src, out, tmp_path):
    clean(src)
    shutil.copy(src / "train/a/0.jpg", src / "testing/a/same.jpg")
    shutil.move(src / "Val", tmp_path / "aside")
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    shutil.move(tmp_path / "aside", src / "Val")
    granpipe("prepare", src, out, *SMALL)
    granpipe("prepare", src, tmp_path / "fresh", *GIVEN, *SMALL, "--workers", 3)
    assert tree(out) == tree(tmp_path / "fresh")
    times = {name: (out / name).stat().st_mtime_ns for name in tree(out)}
    granpipe("prepare", src, out, *SMALL)
    assert {name: (out / name).stat().st_mtime_ns for name in tree(out)} == times


def test_from_given_to_dealt_and_back(granpipe, src, out):
    clean(src)
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    granpipe("prepare", src, out, "--split", "none", *SMALL)
    assert not (out / "leaks.csv").exists()
    assert set(labels(out).values()) == {"train", "Val", "testing"}
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    assert set(labels(out).values()) == {"a", "b"}


def test_a_folder_that_is_no_split_is_told_before_anything_is_decoded(granpipe, src, out):
    clean(src)
    save(src / "extra/a/0.png")
    stderr = granpipe("prepare", src, out, *GIVEN, code=2).stderr
    assert "extra is none" in stderr
    assert not out.exists() or not list(out.glob("*"))


def test_splits_inside_the_classes_are_pointed_out(granpipe, src, out):
    for folder in ("corn/train", "corn/Val", "rye/train"):
        save(src / folder / "0.png")
    line = granpipe("prepare", src, out, *GIVEN, code=2).stderr
    advice = "here they are inside the classes: move corn/Val to Val/corn, and so on"
    assert line.endswith(f"; {advice}\n")
    (src / "corn/train").rename(src / "corn/north")
    assert "inside the classes" not in granpipe("prepare", src, out, *GIVEN, code=2).stderr


def test_splits_below_another_folder_are_pointed_out(granpipe, src, out):
    clean(src / "archive/fields")
    line = granpipe("prepare", src, out, *GIVEN, code=2).stderr
    assert line.endswith(f"; name {src}/archive/fields, which has them\n")
    save(src / "extra/a/0.png")
    save(src / "more/a/0.png")
    line = granpipe("prepare", src, out, *GIVEN, code=2).stderr
    assert line.endswith("; archive, extra, more are none\n")


def test_a_photograph_without_a_class_folder_is_rejected(granpipe, src, out):
    clean(src)
    save(src / "train/lost.png")
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    assert rejects(out) == {"train/lost.png": "no_label"}


def test_fix_leaks_wants_a_split_that_is_given(granpipe, src, out):
    clean(src)
    for words in (("--fix-leaks",), ("--fix-leaks", "--split", "80/20")):
        assert "--split" in granpipe("prepare", src / "train", out, *words, code=2).stderr


def test_fields_in_folders_leak_where_that_rule_is_asked_for(granpipe, src, out):
    clean(src)
    for split in ("train", "Val"):
        save(src / split / "a/north/0.png", textured(len(split) + 500))
    granpipe("prepare", src, out, *GIVEN, "--keep-together", "folder")
    assert leaks(out) == {("Val/a/north/0.png", "train/a/north/0.png"): "folder"}


# Labels from a table


def flat(src: Path, names: str = "abcdef") -> None:
    for number, name in enumerate(names):
        save(src / f"{name}.png", textured(number))


def test_a_flat_folder_and_a_table_give_the_arrays_of_class_folders(granpipe, src, out, table):
    flat(src)
    path = table(
        "source,label\n" + "".join(f"{n}.png,{'corn' if n < 'd' else 'rye'}\n" for n in "abcdef")
    )
    granpipe("prepare", src, out, "--labels", path)
    for number, name in enumerate("abcdef"):
        save(
            src.with_name("classes") / ("corn" if name < "d" else "rye") / f"{name}.png",
            textured(number),
        )
    granpipe("prepare", src.with_name("classes"), out.with_name("plain"))
    ours, plain = rows(out / "labels.csv"), rows(out.with_name("plain") / "labels.csv")
    assert [row["label_index"] for row in ours] == [row["label_index"] for row in plain]
    for row, other in zip(ours, plain, strict=True):
        assert row["sha256"] == other["sha256"]
        array = (out / row["path"]).read_bytes()
        assert array == (out.with_name("plain") / other["path"]).read_bytes()
    granpipe("augment", out, "--copies", 2)
    assert len(rows(out / "augmented/labels.csv")) == 12


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,class\na.png,NA\n", "utf-8"),
        ("\ufefffile_name;label\na.png;NA\n", "utf-8"),
        ("FileName\tLabel\na.png\tNA\n", "utf-16"),
        ('id,"source",x,"label"\r\n7,"./a.png",,"NA"\r\n', "utf-8"),
        ("label,filename\nNA,.\\a.png\n", "utf-16-le-bom"),
        ("sep=;\r\nfilename;label\r\na.png;NA\r\n", "utf-8-sig"),
    ],
)
def test_tables_as_people_write_them(granpipe, src, out, table, text, encoding):
    flat(src, "a")
    if encoding == "utf-16-le-bom":
        path = table("\ufeff" + text, encoding="utf-16-le")
    else:
        path = table(text, encoding=encoding)
    granpipe("prepare", src, out, *SMALL, "--labels", path)
    assert labels(out) == {"a.png": "NA"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04\x14\0 workbook", "is a spreadsheet; save it as CSV"),
        (b"\xd0\xcf\x11\xe0 workbook", "is a spreadsheet; save it as CSV"),
        ("source,label\na.png,blé\n".encode("latin-1"), "save it as CSV UTF-8"),
    ],
)
def test_of_a_table_in_another_form_the_line_says_how_to_save_it(
    granpipe, src, out, table, content, said
):
    flat(src, "a")
    path = table("")
    path.write_bytes(content)
    line = granpipe("prepare", src, out, "--labels", path, code=2).stderr
    assert said in line and line.count("\n") == 1


def test_columns_of_other_names_are_named_behind_the_table(granpipe, src, out, table):
    flat(src, "ab")
    path = table("photo_id,crop,label\na,corn,x\nb,rye,y\n")
    stderr = granpipe("prepare", src, out, "--labels", path, code=2).stderr
    assert "has no column source" in stderr
    assert "survey.csv:photo,crop" in stderr
    granpipe("prepare", src, out, *SMALL, "--labels", f"{path}:photo_id,crop")
    assert labels(out) == {"a.png": "corn", "b.png": "rye"}


def test_a_row_finds_its_photograph_however_it_is_called(granpipe, src, out, table):
    names = ["north/A.JPG", "south/b.png", "maïs.png", "deep/er/d.png"]
    for number, name in enumerate(names):
        save(src / name, textured(number))
    path = table("source,label\nnorth/a.jpg,1\nb,2\nmai\u0308s.png,3\nd.png,4\n")
    granpipe("prepare", src, out, *SMALL, "--labels", path)
    assert labels(out) == dict(zip(names, "1234", strict=True))


@pytest.mark.parametrize("folder", ["/home/me/data/img/", "C:\\data\\img\\", "./img/", "D:/"])
def test_a_row_finds_its_photograph_by_a_path_of_another_machine(granpipe, src, out, table, folder):
    names = ["1.png", "north/1.png", "north/deep/2.png"]
    for number, name in enumerate(names):
        save(src / name, textured(number))
    slash = "\\" if "\\" in folder else "/"
    lines = [f"{folder}{name.replace('/', slash)},{n}\n" for n, name in enumerate(names)]
    path = table("source,label\n" + "".join(lines))
    granpipe("prepare", src, out, *SMALL, "--labels", path)
    assert labels(out) == dict(zip(names, "012", strict=True))


def test_a_row_of_another_folder_takes_no_photograph_that_has_a_row(granpipe, src, out, table):
    flat(src, "ab")
    path = table("source,label\na.png,corn\nold/a.png,rye\n/x/b.png,corn\n/y/b.png,rye\n")
    granpipe("prepare", src, out, *SMALL, "--labels", path)
    assert labels(out) == {"a.png": "corn"}
    assert rejects(out) == {"old/a.png": "no_photograph", "b.png": "label_conflict"}


def test_what_the_table_does_not_settle_is_rejected_and_counted(granpipe, src, out, table):
    for name in ("a", "b", "c", "north/d", "south/d", "e"):
        save(src / f"{name}.png", textured(len(name) + ord(name[-1])))
    path = table(
        "source,label\na.png,corn\na.png,corn\nb.png,corn\nb.png,rye\nd.png,corn\n"
        "gone.png,corn\ne.png,\n,corn\n"
    )
    printed = granpipe("prepare", src, out, *SMALL, "--labels", path)
    assert labels(out) == {"a.png": "corn"}
    assert rejects(out) == {
        "b.png": "label_conflict",
        "c.png": "no_label",
        "north/d.png": "no_label",
        "south/d.png": "no_label",
        "e.png": "no_label",
        "gone.png": "no_photograph",
        "row 9": "no_photograph",
    }
    details = {row["source"]: row["detail"] for row in rows(out / "rejected.csv")}
    assert details["north/d.png"] == "row 6 of the table names it and south/d.png"
    assert "8 photographs found: 1 prepared" in printed.output
    assert "give it a row with its class" in printed.stderr


def test_the_table_is_kept_until_another_is_named(granpipe, src, out, table, monkeypatch, tmp_path):
    flat(src, "ab")
    monkeypatch.chdir(tmp_path)
    table("source,label\na.png,corn\nb.png,rye\n")
    granpipe("prepare", src, out, *SMALL, "--labels", "survey.csv")
    summary = json.loads((out / "dataset.json").read_text())
    assert summary["settings"]["labels"] == "survey.csv"
    monkeypatch.chdir("/")
    before = tree(out)
    granpipe("prepare", src, out, *SMALL)
    assert tree(out) == before
    table("source,label\na.png,corn\nb.png,wheat\n")
    granpipe("prepare", src, out, *SMALL)
    assert labels(out) == {"a.png": "corn", "b.png": "wheat"}
    granpipe("prepare", src, out, *SMALL, "--labels", "none", code=1)
    assert rejects(out) == {"a.png": "no_label", "b.png": "no_label"}


def test_a_lost_table_stops_before_anything_is_deleted(granpipe, src, out, table):
    flat(src, "ab")
    path = table("source,label\na.png,corn\nb.png,rye\n")
    granpipe("prepare", src, out, *SMALL, "--labels", path)
    path.unlink()
    assert "no such table" in granpipe("prepare", src, out, *SMALL, code=2).stderr
    assert len(labels(out)) == 2


def test_group_split_place_and_time_of_a_table(granpipe, src, out, table):
    flat(src)
    path = table(
        "source,label,group,split,latitude,longitude,taken_at\n"
        "a.png,corn,f1,train,48.5,11.25,2024-05-01 10:00:00\nb.png,corn,f1,test,,,\n"
        "c.png,corn,,dev,48.5,11.2505,\nd.png,rye,f2,Training,,,\ne.png,rye,f3,val,,,\n"
        'f.png,rye,,test,"-10,5",20,2024-05-01\n'
    )
    granpipe("prepare", src, out, *SMALL, "--labels", path, *GIVEN)
    table_rows = {row["source"]: row for row in rows(out / "labels.csv")}
    assert [row["split"] for row in table_rows.values()] == [
        *("train", "test", "validation", "train", "validation", "test"),
    ]
    assert table_rows["a.png"]["latitude"] == "48.5"
    assert table_rows["a.png"]["taken_at"] == "2024-05-01T10:00:00"
    assert table_rows["f.png"]["latitude"] == "-10.5"
    assert leaks(out) == {("b.png", "a.png"): "group", ("c.png", "a.png"): "place"}
    granpipe("prepare", src, out, *SMALL, "--split", "50/50", "--allow-empty")
    groups = {row["source"]: row["group"] for row in rows(out / "labels.csv")}
    assert groups["a.png"] == groups["b.png"] == groups["c.png"]
    assert len(set(groups.values())) == 4


def test_a_day_without_an_hour_makes_no_burst(granpipe, src, out, table):
    flat(src)
    lines = "".join(
        f"{name}.png,corn,2024-05-01,{split}\n"
        for name, split in zip("abcdef", "tvtvtv", strict=True)
    )
    lines = lines.replace(",t\n", ",train\n").replace(",v\n", ",val\n")
    path = table("source,label,taken_at,split\n" + lines)
    granpipe("prepare", src, out, *SMALL, "--labels", path, *GIVEN)
    assert leaks(out) == {}


def test_a_missing_value_as_programs_write_it_is_empty(granpipe, src, out, table):
    flat(src, "a")
    path = table("source,label,latitude,longitude,taken_at\na.png,NA,NA,nan,NULL\n")
    granpipe("prepare", src, out, *SMALL, "--labels", path)
    assert rows(out / "labels.csv")[0]["label"] == "NA"
    assert rows(out / "labels.csv")[0]["latitude"] == ""


def test_a_pair_is_told_by_its_strongest_rule_alone_however_many_there_are(
    granpipe, src, out, table
):
    lines = ["source,label,split,group,latitude,longitude"]
    for number in range(60):
        save(src / f"{number}.png", textured(number, (24, 18)))
        split = "train" if number < 50 else "test"
        lines.append(f"{number}.png,corn,{split},one,48.0,11.0")
    path = table("\n".join(lines))
    granpipe("prepare", src, out, *SMALL, "--labels", path, *GIVEN, "--keep-together", "place:200")
    counts = Counter(row["source"] for row in rows(out / "leaks.csv"))
    assert set(leaks(out).values()) == {"group"}
    assert set(counts.values()) == {20}


def test_a_split_of_which_nothing_is_left_is_told(granpipe, src, out):
    clean(src)
    for path in (src / "testing").rglob("*.jpg"):
        path.write_bytes(b"no picture")
    stderr = granpipe("prepare", src, out, *GIVEN, *SMALL).stderr
    assert "split given: no photograph is left in test" in stderr


def test_what_exif_says_counts_before_the_table(granpipe, src, out, table):
    place(src / "a.jpg", 1, 48.0, 11.0)
    path = table("source,label,latitude,longitude\na.jpg,corn,1,2\n")
    granpipe("prepare", src, out, *SMALL, "--labels", path)
    assert rows(out / "labels.csv")[0]["latitude"] == "48.0"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no column"),
        ("source,label,split\na.png,corn,holdout\n", "row 2: split is 'holdout'"),
        ("source,label,latitude\na.png,corn,95\n", "row 2: latitude is '95'"),
        ("source,label,taken_at\na.png,corn,yesterday\n", "row 2: taken_at"),
        ("source,label,taken_at\na.png,corn,2024-02-30\n", "row 2: taken_at"),
        ("source,label,taken_at\na.png,corn,2024-02-20 25:00:00\n", "row 2: taken_at"),
        ("source,label\n" + 'a.png,"' + "x" * 1_100_000 + '"\n', "is no table"),
    ],
    ids=["empty", "split", "latitude", "time", "day", "hour", "large"],
)
def test_a_table_that_makes_no_sense_is_one_clear_line(granpipe, src, out, table, text, words):
    flat(src, "a")
    assert words in granpipe("prepare", src, out, "--labels", table(text), code=2).stderr
    assert not out.exists()


def test_a_table_that_is_no_text_is_one_clear_line(granpipe, src, out, tmp_path):
    flat(src, "a")
    (tmp_path / "t.csv").write_bytes(b"source,label\n\xff\xfe\x00a.png,corn\n")
    stderr = granpipe("prepare", src, out, "--labels", tmp_path / "t.csv", code=2).stderr
    assert "is not UTF-8" in stderr
    stderr = granpipe("prepare", src, out, "--labels", tmp_path / "x.csv", code=2).stderr
    assert "no such table" in stderr


def test_names_of_one_class_in_a_table_are_no_two_classes_in_silence(granpipe, src, out, table):
    flat(src, "ab")
    path = table("source,label\na.png,Corn\nb.png,corn\n")
    said = granpipe("prepare", src, out, "--labels", path, code=2).stderr
    assert "the labels 'Corn', 'corn' are one class" in said
    granpipe("prepare", src, out, *SMALL, "--labels", path, "--merge-classes")
    assert set(labels(out).values()) == {"Corn"}


def test_hostile_labels_and_names_do_no_harm(granpipe, src, out, tmp_path):
    flat(src, "ab")
    evil = ["../../x", "=cmd|' /C calc'!A0"]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["source", "label"], ["a.png", evil[0]], ["b.png", evil[1]], ["../../etc/passwd", "x"]]
        )
    granpipe("prepare", src, out, *SMALL, "--labels", tmp_path / "t.csv")
    assert sorted(labels(out).values()) == sorted(evil)
    assert rejects(out) == {"../../etc/passwd": "no_photograph"}
    assert {path.name for path in tmp_path.iterdir()} == {"src", "out", "t.csv"}


def test_a_large_table_is_read_row_by_row(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("source,label\n" + "".join(f"{n}.png,c{n % 7}\n" for n in range(60_000)))
    tracemalloc.start()
    assert sum(1 for _ in LabelTable(str(path)).rows()) == 60_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4_000_000  # all rows at once are some times that


def test_map_has_the_classes_and_splits_of_the_dataset(granpipe, src, out, tmp_path):
    clean(src)
    granpipe("prepare", src, out, *GIVEN, *SMALL)
    granpipe("map", src, "-o", tmp_path / "map.csv", "--dataset", out)
    assert {row["label"] for row in rows(tmp_path / "map.csv")} == {"a", "b"}
    assert {row["split"] for row in rows(tmp_path / "map.csv")} == {"train", "validation", "test"}
