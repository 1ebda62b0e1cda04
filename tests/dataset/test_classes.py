"""label_index: a class keeps it, whatever comes and goes, unless it is asked for anew."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest

from granpipe import prepare as prepare_by_function

import ledgers
from conftest import picture, put, rows, save, tree
from harm import die

pytestmark = pytest.mark.slow


@pytest.fixture
def src(tmp_path) -> Path:
    for number, name in enumerate(("corn/a.png", "corn/b.png", "wheat/c.png", "wheat/d.png")):
        save(tmp_path / "src" / name, picture(seed=number))
    return tmp_path / "src"


@pytest.fixture
def prepare(granpipe, src, out):
    return partial(granpipe, "prepare", src, out, "--size", 16)


def indices(out: Path) -> dict[str, int]:
    return {row["label"]: int(row["label_index"]) for row in rows(out / "labels.csv")}


def classes(out: Path) -> list[str]:
    return list(json.loads((out / "dataset.json").read_text())["classes"])


def test_a_new_class_gets_the_next_index_and_changes_no_other(prepare, src, out):
    prepare()
    save(src / "alfalfa/x.png")
    save(src / "beet/x.png", picture(seed=9))
    result = prepare()
    assert "label_index changed" not in result.output
    assert indices(out) == {"corn": 0, "wheat": 1, "alfalfa": 2, "beet": 3}
    assert classes(out) == ["corn", "wheat", "alfalfa", "beet"]


@pytest.mark.parametrize("how", ["rejected", "removed"])
def test_a_class_without_photographs_keeps_its_place(prepare, src, out, how):
    prepare()
    for photo in (src / "corn").iterdir():
        photo.write_bytes(b"no picture") if how == "rejected" else photo.unlink()
    prepare()
    assert indices(out) == {"wheat": 1}
    summary = json.loads((out / "dataset.json").read_text())
    assert list(summary["classes"].items()) == [("corn", 0), ("wheat", 2)]
    save(src / "corn/a.png", picture(seed=0))
    prepare()
    assert indices(out) == {"corn": 0, "wheat": 1}


def test_a_class_of_which_nothing_was_ever_prepared_has_no_index(prepare, src, out):
    put(src / "alfalfa/x.png", b"no picture")
    prepare()
    assert classes(out) == ["corn", "wheat"]


def test_indices_anew_are_those_of_a_new_dataset_and_every_change_is_said(prepare, src, out):
    prepare()
    save(src / "alfalfa/x.png")
    shutil.rmtree(src / "corn")
    prepare()
    line = "label_index changed: alfalfa 2 -> 0; networks trained before use the old numbers.\n"
    before = tree(out)
    assert prepare("--reindex-labels", "--dry-run", "-q").stderr == line
    assert tree(out) == before
    said = prepare("--reindex-labels", "-q")
    assert (said.stdout, said.stderr) == ("", line)
    assert indices(out) == {"alfalfa": 0, "wheat": 1}
    assert prepare("--reindex-labels", "-q").output == ""
    anew = out.with_name("anew")
    prepare_by_function(src, anew, size=16, workers=1)
    assert tree(anew) == tree(out)
    assert prepare("-q").output == ""
    assert tree(anew) == tree(out)


def test_the_function_reindexes_and_reports_it_too(prepare, src, out):
    prepare()
    save(src / "alfalfa/x.png")
    report = prepare_by_function(src, out, size=16, workers=1)
    assert report.reindexed == []
    report = prepare_by_function(src, out, size=16, workers=1, reindex_labels=True)
    assert report.reindexed == [("alfalfa", 2, 0), ("corn", 0, 1), ("wheat", 1, 2)]


def lose_nothing(out: Path) -> None:
    pass


def lose_the_ledger(out: Path) -> None:
    shutil.rmtree(out / ".granpipe")


def lose_the_ledger_and_dataset_json(out: Path) -> None:
    lose_the_ledger(out)
    (out / "dataset.json").unlink()


def lose_dataset_json(out: Path) -> None:
    (out / "dataset.json").unlink()


def damage_the_ledger(out: Path) -> None:
    change = """UPDATE notes SET value = '["beet", "corn"]' WHERE name = 'classes'"""
    ledgers.edit(out / ".granpipe/ledger.sqlite", change)


LOSSES = [
    lose_nothing,
    damage_the_ledger,
    lose_the_ledger,
    lose_the_ledger_and_dataset_json,
    lose_dataset_json,
]


@pytest.mark.parametrize("lose", LOSSES, ids=lambda lose: lose.__name__)
def test_indices_outlive_a_lost_ledger(prepare, src, out, lose):
    prepare()
    save(src / "alfalfa/x.png")
    prepare()
    before = tree(out)
    lose(out)
    assert "label_index changed" not in prepare("-q").stderr
    assert tree(out) == before


def test_where_nothing_tells_an_index_any_more_all_are_counted_anew_and_that_is_said(
    prepare, src, out
):
    prepare()
    shutil.rmtree(src / "corn")
    prepare()
    lose_the_ledger_and_dataset_json(out)
    assert "label_index changed: wheat 1 -> 0" in prepare("-q").stderr
    assert indices(out) == {"wheat": 0}


@pytest.mark.parametrize("place", ["dataset.tables.Draft.save", "dataset.ledger.Ledger.compact"])
def test_a_kill_between_tables_changes_no_index_that_a_table_showed(
    prepare, src, out, monkeypatch, place
):
    prepare()
    save(src / "beet/x.png")
    with monkeypatch.context() as patch:
        patch.setattr(f"granpipe.{place}", die)
        prepare(code=9)
    save(src / "alfalfa/x.png", picture(seed=8))
    (out / "dataset.json").unlink(missing_ok=True)
    prepare()
    assert indices(out) == {"corn": 0, "wheat": 1, "beet": 2, "alfalfa": 3}


def test_copies_have_the_indices_and_the_order_of_their_photographs(granpipe, prepare, src, out):
    prepare()
    save(src / "alfalfa/x.png")
    prepare("--split", "60/40")
    granpipe("augment", out, "--copies", 2)
    photos = {row["source"]: row["label_index"] for row in rows(out / "labels.csv")}
    for row in rows(out / "augmented/labels.csv"):
        assert row["label_index"] == photos[row["source"]]
    assert classes(out / "augmented") == classes(out) == ["corn", "wheat", "alfalfa"]


def test_a_dataset_of_before_keeps_the_indices_that_it_has(prepare, src, out):
    """Its ledger has no note on them."""
    prepare()
    forget = "DELETE FROM notes WHERE name = 'classes'"
    ledgers.edit(out / ".granpipe/ledger.sqlite", forget, is_sealed=True)
    save(src / "alfalfa/x.png")
    prepare()
    assert indices(out) == {"corn": 0, "wheat": 1, "alfalfa": 2}
