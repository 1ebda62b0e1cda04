"""`--folds` and `--hold-out`: whole groups, stable, and what a rule names is tested on alone."""

import json
import random
import shutil
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granpipe.dataset.hold_out import parse_hold_out
from granpipe.dataset.shares import Folds
from granpipe.errors import OptionError
from granpipe.mapping.country import countries_of, country_names

import exif_blocks as eb
from conftest import SMALL, place, put, rows, save, table, textured, tree
from members import Member, deal

BY_FOLDER = ("--keep-together", "folder")
MEMBERS = st.lists(
    st.builds(
        Member,
        st.sampled_from("abc"),
        st.integers(0, 30).map("g{:02}".format),
        st.sampled_from(["", "", "", "0", "1", "2"]),
    ),
    max_size=120,
)


@given(MEMBERS, st.integers(2, 5), st.integers(0, 9))
def test_every_group_has_a_fold_and_former_folds_are_kept(members, count, seed):
    folds = deal(members, Folds(count), seed)
    assert folds.keys() == {one.group for one in members}
    assert set(folds.values()) <= set(Folds(count).splits)
    for name, fold in folds.items():
        former = [
            one.former for one in members if one.group == name and one.former in "01234"[:count]
        ]
        former = [one for one in former if one]
        assert not former or fold == min(former)


@given(st.lists(st.integers(1, 9), min_size=5, max_size=40), st.integers(2, 5))
def test_every_class_is_in_every_fold_where_it_has_enough_groups(sizes, count):
    members = []
    for number, size in enumerate(sizes):
        members += [Member("ab"[number % 2], f"g{number:03}")] * size
    folds = deal(members, Folds(count), 0)
    seen = defaultdict(set)
    groups = defaultdict(set)
    for one in members:
        seen[one.label].add(folds[one.group])
        groups[one.label].add(one.group)
    for label, names in groups.items():
        if len(names) >= count:
            assert len(seen[label]) == count


@given(st.integers(2, 12), st.integers(1, 6), st.integers(2, 6))
def test_no_fold_is_empty_where_each_class_has_fewer_groups_than_folds(classes, groups, count):
    members = [
        Member(f"class {label}", f"g{label:02}{group}")
        for label in range(classes)
        for group in range(groups)
    ]
    folds = deal(members, Folds(count), 0)
    assert len(set(folds.values())) == min(count, len(folds))


def test_a_class_of_mixed_groups_is_in_every_fold_where_that_can_be():
    for seed in range(40):
        rng = random.Random(seed)
        members = []
        for group in range(rng.randrange(8, 20)):
            labels = rng.choices("abcd", k=rng.randrange(1, 4))
            members += [Member(label, f"g{group:02}") for label in labels for _ in range(3)]
        folds, seen, names = deal(members, Folds(4), 0), defaultdict(set), defaultdict(set)
        for one in members:
            seen[one.label].add(folds[one.group])
            names[one.label].add(one.group)
        assert len(set(folds.values())) == 4
        assert all(len(seen[label]) == 4 for label in seen if len(names[label]) >= 6), seed


@given(MEMBERS, MEMBERS, st.integers(2, 4))
def test_photographs_that_come_move_no_fold(first, then, count):
    first = [Member(one.label, one.group) for one in first]
    folds = deal(first, Folds(count), 0)
    kept = [Member(one.label, one.group, folds[one.group]) for one in first]
    again = deal(kept + [Member(one.label, one.group + "new") for one in then], Folds(count), 0)
    assert again.items() >= folds.items()


@pytest.fixture
def fields(tmp_path):
    """Write two classes of eight fields each, of one to four photographs."""
    number = 0
    for label in ("corn", "rye"):
        for field in range(8):
            for _ in range(1 + field % 4):
                save(tmp_path / f"src/{label}/f{field}/{number}.png", textured(number, (24, 18)))
                number += 1
    return tmp_path / "src"


def places(out) -> dict[str, tuple[str, str]]:
    return {source: (row["split"], row["fold"]) for source, row in table(out).items()}


def test_folds_are_of_whole_groups_outside_test(granpipe, fields, tmp_path):
    out = tmp_path / "out"
    words = ("prepare", fields, out, *SMALL, *BY_FOLDER)
    printed = granpipe(*words, "--split", "60/20/20", "--folds", 3).output
    folds, labels = defaultdict(set), defaultdict(set)
    for row in table(out).values():
        assert (row["fold"] == "") == (row["split"] == "test")
        folds[row["group"]].add(row["fold"])
        labels[row["label"]].add(row["fold"])
    assert all(len(one) == 1 for one in folds.values())
    assert labels["corn"] == labels["rye"] == {"", "0", "1", "2"}
    assert "Folds, by photographs outside test: 0: " in printed
    assert json.loads((out / "dataset.json").read_text())["settings"]["folds"] == 3
    granpipe("augment", out, "--copies", 1)
    copies = rows(out / "augmented/labels.csv")
    assert {row["fold"] for row in copies} == {"0", "1", "2"}


def test_folds_stay_when_photographs_come_and_go_when_they_are_not_wanted(
    granpipe, fields, tmp_path
):
    out = tmp_path / "out"
    granpipe("prepare", fields, out, *SMALL, *BY_FOLDER, "--split", "80/20", "--folds", 4)
    before = {source: row["fold"] for source, row in table(out).items()}
    for number in range(6):
        save(fields / f"corn/g{number}/new.png", textured(900 + number, (24, 18)))
    granpipe("prepare", fields, out, *SMALL)
    after = {source: row["fold"] for source, row in table(out).items()}
    assert before.items() <= after.items()
    granpipe("prepare", fields, out, *SMALL, "--folds", 0)
    assert {row["fold"] for row in table(out).values()} == {""}
    assert "folds" not in json.loads((out / "dataset.json").read_text())["settings"]


def test_folds_stay_when_a_class_is_renamed(granpipe, fields, tmp_path):
    words = ("prepare", fields, tmp_path / "out", *SMALL, "--split", "80/20", "--folds", 4)
    granpipe(*words)
    before = {row["sha256"]: row["fold"] for row in table(tmp_path / "out").values()}
    (fields / "corn").rename(fields / "zea")
    granpipe(*words)
    after = {row["sha256"]: row["fold"] for row in table(tmp_path / "out").values()}
    assert after == before


def test_photographs_that_go_and_come_back_have_the_split_and_fold_that_they_had(
    granpipe, fields, tmp_path
):
    words = ("prepare", fields, tmp_path / "out", *SMALL, *BY_FOLDER)
    granpipe(*words, "--split", "80/20", "--folds", 5)
    before = places(tmp_path / "out")
    gone = [fields / "corn" / f"f{number}" for number in range(8)]
    for folder in gone:
        folder.rename(tmp_path / folder.name)
    for number in range(2):  # others come and go, too
        save(fields / f"rye/new{number}/a.png", textured(700 + number, (24, 18)))
        granpipe(*words, "--allow-deletions")
    for folder in gone:
        (tmp_path / folder.name).rename(folder)
        granpipe(*words)
    after = places(tmp_path / "out")
    assert before.items() <= after.items()


def test_folds_without_photographs_are_counted(granpipe, fields, tmp_path):
    words = ("prepare", fields, *SMALL, *BY_FOLDER, "--split", "80/20")
    printed = granpipe(*words[:2], tmp_path / "out", *words[2:], "--folds", 20).stdout
    used = {row["fold"] for row in table(tmp_path / "out").values()} - {""}
    assert f"Too few groups outside test: {20 - len(used)} folds of no photograph." in printed
    assert max(map(len, printed.splitlines()[:-2])) <= 80
    printed = granpipe(*words[:2], tmp_path / "two", *words[2:], "--folds", 3).stdout
    assert "of no photograph" not in printed


def test_folds_do_not_depend_on_workers_or_order(granpipe, fields, tmp_path):
    words = ("--split", "80/20", "--folds", 4, *SMALL, *BY_FOLDER)
    granpipe("prepare", fields, tmp_path / "one", *words)
    granpipe("prepare", fields, tmp_path / "two", *words, "--workers", 3)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_folds_of_a_split_that_is_given(granpipe, fields, tmp_path):
    shutil.copytree(fields, tmp_path / "given/train")
    (tmp_path / "given/test").mkdir()
    shutil.move(tmp_path / "given/train/rye", tmp_path / "given/test/rye")
    granpipe(
        "prepare", tmp_path / "given", tmp_path / "out", *SMALL, "--split", "given", "--folds", 2
    )
    assert {(row["split"], row["fold"]) for row in table(tmp_path / "out").values()} == {
        *(("train", "0"), ("train", "1"), ("test", "")),
    }


@pytest.mark.parametrize(
    "words",
    [
        ("--folds", 3),
        ("--hold-out", "country:FR"),
        ("--split", "given", "--hold-out", "after:2025-01-01"),
    ],
)
def test_folds_and_hold_out_want_a_split_that_is_dealt(granpipe, fields, tmp_path, words):
    assert "--split" in granpipe("prepare", fields, tmp_path / "out", *words, code=2).stderr


# Held out


def shot(path, seed: int, lat: float, lon: float, taken_at: str, model: str) -> None:
    put(path, eb.jpeg_at(lat, lon, taken_at=taken_at, model=model, picture=textured(seed)))


@pytest.fixture
def seasons(tmp_path):
    """Write photographs of three places, two cameras and two years; fields of two each."""
    number = 0
    places = {"north": (48.8, 2.5), "south": (41.4, 2.1), "east": (52.5, 13.4)}
    for field, (lat, lon) in places.items():
        for year in (2024, 2025):
            for label in ("corn", "rye"):
                for again in range(2):
                    shift = 0.01 * number
                    model = "Pixel 8" if label == "corn" and again else "Pixel 8 Pro"
                    name = tmp_path / f"src/{label}/{field}/{number}.jpg"
                    shot(name, number, lat + shift, lon, f"{year}:06:01 10:00:{number:02}", model)
                    number += 1
    return tmp_path / "src"


def held(out) -> set[str]:
    return {source for source, row in table(out).items() if row["split"] == "test"}


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("after:2025-01-01", lambda row: row["taken_at"] >= "2025"),
        ("before:2025-01-01", lambda row: row["taken_at"] < "2025"),
        ("country:FR", lambda row: "/north/" in row["source"]),
        ("country:Spain", lambda row: "/south/" in row["source"]),
        ("country:deu", lambda row: "/east/" in row["source"]),
        ("folder:north/*", lambda row: "/north/" in row["source"]),
        ("folder:corn/south", lambda row: row["source"].startswith("corn/south/")),
    ],
)
def test_what_a_rule_names_is_tested_on(granpipe, seasons, tmp_path, rule, wanted):
    out = tmp_path / "out"
    words = ("--split", "90/10/0", "--allow-empty", "--hold-out", rule, *SMALL)
    granpipe("prepare", seasons, out, *words)
    assert held(out) == {source for source, row in table(out).items() if wanted(row)}
    assert json.loads((out / "dataset.json").read_text())["settings"]["hold_out"] == [rule]


def test_a_camera_is_named_by_its_model(granpipe, seasons, tmp_path):
    out = tmp_path / "out"
    words = ("--split", "90/10/0", "--allow-empty", *SMALL)
    granpipe("prepare", seasons, out, *words, "--hold-out", "camera:pixel 8")
    assert len(held(out)) == 6
    granpipe("prepare", seasons, out, *words, "--hold-out", "camera:Pixel 8*")
    assert len(held(out)) == len(table(out)) == 24


@pytest.mark.parametrize("rule", ["after:2000-01-01", "before:2100-01-01", "camera:*"])
def test_what_is_not_known_of_a_photograph_holds_nothing_out(granpipe, seasons, tmp_path, rule):
    save(seasons / "corn/unknown.png", textured(500))
    words = ("--split", "90/10/0", "--allow-empty", "--hold-out", rule, *SMALL)
    granpipe("prepare", seasons, tmp_path / "out", *words)
    assert set(table(tmp_path / "out")) - held(tmp_path / "out") == {"corn/unknown.png"}


def test_rules_add_up_and_whole_groups_go(granpipe, seasons, tmp_path):
    out = tmp_path / "out"
    place(seasons / "rye/near.jpg", 77, 48.8001, 2.5)  # beside corn/north/0.jpg, without a time
    rules = ("--hold-out", "folder:corn/north", "--hold-out", "country:DE")
    granpipe("prepare", seasons, out, "--split", "90/10/0", "--allow-empty", *rules, *SMALL)
    assert "rye/near.jpg" in held(out)
    assert len(held(out)) == 4 + 8 + 1


def test_what_was_trained_on_stays_and_is_told(granpipe, seasons, tmp_path):
    out = tmp_path / "out"
    words = ("prepare", seasons, out, "--split", "90/10/0", "--allow-empty", *SMALL)
    rule = ("--hold-out", "after:2026-01-01")
    granpipe(*words, *rule)
    assert held(out) == set()
    # A photograph of 2026 that belongs to a group of training.
    shot(seasons / "corn/north/new.jpg", 99, 48.8001, 2.5, "2026:06:01 10:00:00", "Pixel 8")
    printed = granpipe(*words, *rule).output
    assert held(out) == set()
    assert "Trained on before, and so not held out: 1 photograph;" in printed
    advice = "; --split none, and then --split 90/10/0 --hold-out after:2026-01-01, holds all out."
    assert advice in " ".join(printed.split())
    granpipe(*words, "--hold-out", "after:2026-01-01", "--hold-out", "country:ES")
    assert {source.split("/")[1] for source in held(out)} == {"south", "north"}


def test_rules_are_kept_until_others_are_named(granpipe, seasons, tmp_path):
    out = tmp_path / "out"
    granpipe(
        "prepare",
        seasons,
        out,
        "--split",
        "90/10/0",
        "--allow-empty",
        "--hold-out",
        "country:FR",
        *SMALL,
    )
    before = tree(out)
    granpipe("prepare", seasons, out, *SMALL)
    assert tree(out) == before
    granpipe("prepare", seasons, out, *SMALL, "--hold-out", "none")
    assert held(out) == set()


def test_what_holds_nothing_and_what_deals_anew_is_said(granpipe, seasons, tmp_path):
    words = ("prepare", seasons, tmp_path / "out", "--split", "80/20", "--allow-empty", *SMALL)
    assert "anew" not in granpipe(*words).stderr
    stderr = granpipe(*words, "--hold-out", "camera:Pixle 8").stderr
    assert "--hold-out camera:Pixle 8 holds no photograph out" in stderr
    assert "splits all groups again" in stderr
    assert "anew" not in granpipe(*words).stderr
    assert "splits all groups again" in granpipe(*words, "--seed", 1).stderr


@pytest.mark.parametrize(
    "text",
    ["", "after", "after:20250101", "after:soon", "after:2025-13-01", "country:", "moon:full"],
)
def test_a_rule_that_makes_no_sense_is_refused(text, granpipe, seasons, tmp_path):
    with pytest.raises(OptionError, match="is not a rule"):
        parse_hold_out(text)
    words = ("prepare", seasons, tmp_path / "out", "--split", "80/20", "--hold-out", text)
    assert "is not a rule" in granpipe(*words, code=2).stderr


# Countries


@pytest.mark.parametrize(
    ("code", "lat", "lon"),
    [
        *(("FR", 48.85, 2.35), ("US", 41.9, -93), ("BR", -10, -50), ("IN", 20, 78)),
        *(("LS", -29.5, 28.2), ("ZA", -29, 25), ("FJ", -16.6, 179.99), ("RU", 66, -179)),
        *(("NZ", -41.3, 174.8), ("PT", 38.7, -9.14), ("XK", 42.6, 21), ("AQ", -85, 100)),
        *(("AQ", -90, 0), ("AQ", -87, -179.9)),
    ],
)
def test_a_position_is_in_its_country(code, lat, lon):
    (country,) = countries_of([lat], [lon])
    assert code.casefold() in country_names()[country]


def test_a_position_at_sea_and_none_are_in_no_country():
    assert countries_of([0, float("nan")], [-30, float("nan")]).tolist() == [-1, -1]


def test_folds_are_as_even_as_chance_allows():
    counts = Counter()
    members = [Member("ab"[n % 3 == 0], f"g{n // 4:03}") for n in range(400)]
    for name, fold in deal(members, Folds(5), 0).items():
        counts[fold] += sum(one.group == name for one in members)
    assert max(counts.values()) - min(counts.values()) <= 4
