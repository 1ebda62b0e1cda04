"""`--alike` and `--drop`: near-duplicates without a split, and leaving out what is flagged."""

import json

import pytest
from PIL import Image, ImageFilter

from conftest import rejects, rows, save, textured, tree

SMALL = ("--size", 32)


@pytest.fixture
def src(tmp_path):
    """Write five photographs, blurred copies of two, one of them as another class, and a blank."""
    folder = tmp_path / "src"
    for number in range(5):
        save(folder / f"corn/{number}.png", detailed(number))
    save(folder / "corn/0 soft.png", detailed(0).filter(ImageFilter.GaussianBlur(2)))
    save(folder / "rye/1 soft.png", detailed(1).filter(ImageFilter.GaussianBlur(2)))
    save(folder / "rye/blank.png", Image.new("RGB", (96, 72), "#446633"))
    return folder


def detailed(seed: int) -> Image.Image:
    """Return a picture with fine detail, of which a blurred copy has less."""
    return textured(seed, (48, 36)).resize((96, 72), Image.Resampling.NEAREST)


def pairs(out) -> set[tuple[str, str]]:
    return {(row["source"], row["other"]) for row in rows(out / "alike.csv")}


ALIKE = {("corn/0 soft.png", "corn/0.png"), ("corn/1.png", "rye/1 soft.png")}


def test_near_duplicates_are_told_without_a_split(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL)
    assert not (out / "alike.csv").exists()
    granpipe("prepare", src, out, *SMALL, "--alike")
    assert pairs(out) == ALIKE
    assert {row["split"] for row in rows(out / "labels.csv")} == {""}


def test_they_are_told_until_nobody_wants_it(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL, "--alike")
    before = tree(out)
    granpipe("prepare", src, out, *SMALL)
    assert tree(out) == before
    save(src / "corn/4 soft.png", detailed(4).filter(ImageFilter.GaussianBlur(2)))
    granpipe("prepare", src, out, *SMALL)
    assert pairs(out) == ALIKE | {("corn/4 soft.png", "corn/4.png")}
    granpipe("prepare", src, out, *SMALL, "--no-alike")
    assert not (out / "alike.csv").exists()


def test_a_split_by_likeness_tells_them_anyway(granpipe, src, out):
    words = ("--split", "50/50", "--allow-empty", "--alike")
    granpipe("prepare", src, out, *SMALL, *words)
    assert pairs(out) == ALIKE
    granpipe("prepare", src, out, *SMALL, *words, "--keep-together", "folder")
    assert pairs(out) == ALIKE
    granpipe("prepare", src, out, *SMALL, "--split", "none")
    assert pairs(out) == ALIKE


def test_what_is_wished_beside_a_split_is_wished_after_it(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL, "--split", "50/50", "--allow-empty", "--alike")
    granpipe("prepare", src, out, *SMALL, "--split", "none")
    assert pairs(out) == ALIKE
    granpipe("prepare", src, out, *SMALL, "--split", "50/50", "--allow-empty", "--no-alike")
    granpipe("prepare", src, out, *SMALL, "--split", "none")
    assert not (out / "alike.csv").exists()


def test_what_is_flagged_is_left_out(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL, "--drop", "blank")
    assert rejects(out) == {"rye/blank.png": "flagged"}
    assert not (out / "rye/blank.png.npy").exists()
    settings = json.loads((out / "dataset.json").read_text())["settings"]
    assert settings["drop"] == ["blank"]


def test_of_those_that_look_alike_the_sharpest_of_a_class_stays(granpipe, src, out):
    stderr = granpipe("prepare", src, out, *SMALL, "--drop", "alike").stderr
    assert rejects(out) == {"corn/0 soft.png": "flagged"}
    assert "looks like corn/0.png, which is sharper" in stderr


def test_what_is_left_out_is_not_decoded_again_and_comes_back_when_wanted(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL, "--drop", "blank,alike")
    before = tree(out)
    assert "6 unchanged" in granpipe("prepare", src, out, *SMALL).output
    assert tree(out) == before
    granpipe("prepare", src, out, *SMALL, "--drop", "none")
    granpipe("prepare", src, out.with_name("fresh"), *SMALL)
    assert tree(out) == tree(out.with_name("fresh"))


def test_the_next_sharpest_takes_the_place_of_one_that_is_gone(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL, "--drop", "alike")
    (src / "corn/0.png").unlink()
    granpipe("prepare", src, out, *SMALL)
    assert "corn/0 soft.png" in {row["source"] for row in rows(out / "labels.csv")}


def test_the_same_bytes_whatever_the_history(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL)
    granpipe("prepare", src, out, *SMALL, "--alike")
    granpipe("prepare", src, out, *SMALL, "--drop", "alike,blank", "--workers", 2)
    fresh = out.with_name("fresh")
    granpipe("prepare", src, fresh, *SMALL, "--drop", "blank,alike", "--alike")
    assert tree(out) == tree(fresh)


def test_dropping_most_of_a_dataset_wants_a_word(granpipe, src, out):
    for number in range(30):
        save(src / f"corn/b{number}.png", Image.new("RGB", (40 + number, 30), "#446633"))
    granpipe("prepare", src, out, *SMALL)
    stderr = granpipe("prepare", src, out, *SMALL, "--drop", "blank", code=1).stderr
    assert "--allow-deletions" in stderr
    assert len(rows(out / "labels.csv")) == 38
    granpipe("prepare", src, out, *SMALL, "--drop", "blank", "--allow-deletions")
    assert len(rows(out / "labels.csv")) == 7


def test_another_s_file_is_not_written_over(granpipe, src, out):
    granpipe("prepare", src, out, *SMALL)
    (out / "alike.csv").write_text("mine")
    assert "alike.csv" in granpipe("prepare", src, out, *SMALL, "--alike", code=1).stderr
    assert (out / "alike.csv").read_text() == "mine"
