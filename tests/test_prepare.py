"""What prepare promises, by command line and by the files it writes."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL
import pytest
from click.testing import CliRunner
from PIL import Image, ImageOps

from granpipe import DatasetError, __version__
from granpipe.commands.group import cli

import ledgers
from conftest import ROOT, assert_one_line, content_of, picture, put, rejects, rows, save, tree
from harm import NO_DECODER

HEADER = (
    "path,label,label_index,source,sha256,width,height,left,top,right,bottom,"
    "latitude,longitude,altitude,taken_at,utc_offset,flags,group,split,utc_offset_from,fold,"
    "accuracy,dop,position_from,field,field_distance,field_crop,field_sure"
)


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    """Prepare img/ once for all the tests that only read."""
    out = tmp_path_factory.mktemp("samples") / "out"
    command = ["prepare", str(ROOT / "img"), str(out), "--fill", "#204060"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def prepare(granpipe):
    return partial(granpipe, "prepare")


@pytest.fixture
def src(tmp_path):
    """Return a folder with three photographs in two classes."""
    for name in ("corn/a.jpg", "corn/b.png", "wheat/c.jpg"):
        save(tmp_path / "src" / name)
    return tmp_path / "src"


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return which file stands under each name, and when it was written."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in files
    }


def arrays(out: Path) -> list[str]:
    return sorted(name for name in tree(out) if name.endswith(".npy"))


def closing_line(result) -> str:
    return next(line for line in result.stdout.splitlines() if "photographs found" in line)


# What is written


def test_a_preview_among_the_photographs_is_refused(granpipe, tmp_path):
    photo = save(tmp_path / "img/corn/a.png")
    before = photo.read_bytes()
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--preview", photo, code=2)
    assert photo.read_bytes() == before


def test_ten_real_photographs_become_ten_arrays_in_five_classes(prepare, photos, out):
    result = prepare(photos / "challenge", out)
    table = rows(out / "labels.csv")
    for row in table:
        array = np.load(out / row["path"])
        assert (array.shape, array.dtype) == ((224, 224, 3), np.uint8)
    assert len(table) == len(arrays(out)) == 10
    assert len({row["label"] for row in table}) == 5
    assert sum(bool(row["latitude"] and row["longitude"]) for row in table) == 3
    for label in ("alfalfa", "barley", "corn", "soybean", "wheat"):
        assert any(line.split() == [label, "2", "0"] for line in result.stdout.splitlines())
    assert closing_line(result).startswith("10 photographs found: 10 prepared")


def test_labels_csv_has_its_header_sorted_sources_and_unix_lines(samples):
    data = (samples / "labels.csv").read_bytes()
    table = rows(samples / "labels.csv")
    assert data.decode().splitlines()[0] == HEADER
    assert b"\r" not in data
    assert [row["source"] for row in table] == sorted(row["source"] for row in table)
    assert len(table) == sum(path.is_file() for path in (ROOT / "img").rglob("*"))


def test_labels_are_counted_from_0_in_their_order(samples):
    table = rows(samples / "labels.csv")
    labels = sorted(path.name for path in (ROOT / "img").iterdir())
    for row in table:
        assert row["label"] == row["source"].split("/")[0]
        assert row["label_index"] == str(labels.index(row["label"]))


def test_a_row_names_its_array_digest_and_upright_sides(samples):
    for row in rows(samples / "labels.csv"):
        source = ROOT / "img" / row["source"]
        upright = ImageOps.exif_transpose(Image.open(source))
        assert row["path"] == row["source"] + ".npy"
        assert row["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert (int(row["width"]), int(row["height"])) == upright.size


def test_the_padding_around_the_content_box_is_the_fill_colour(samples):
    for row in rows(samples / "labels.csv"):
        array = np.load(samples / row["path"])
        left, top, right, bottom = (int(row[key]) for key in ("left", "top", "right", "bottom"))
        outside = np.ones((224, 224), bool)
        outside[top:bottom, left:right] = False
        assert (array[outside] == (0x20, 0x40, 0x60)).all()
        assert array[top:bottom, left:right].std() > 5


def test_arrays_load_without_pickle_in_plain_order(samples):
    for name in arrays(samples):
        array = np.load(samples / name, allow_pickle=False, mmap_mode="r")
        assert (array.shape, array.dtype, array.flags.c_contiguous) == ((224, 224, 3), "u1", True)


def test_positions_and_times_are_in_ranges_and_formats(samples):
    table = rows(samples / "labels.csv")
    located = [row for row in table if row["latitude"]]
    assert 0 < len(located) < len(table)
    for row in located:
        assert abs(float(row["latitude"])) <= 90
        assert abs(float(row["longitude"])) <= 180
    for row in table:
        assert bool(row["latitude"]) == bool(row["longitude"])
        assert not row["taken_at"] or row["taken_at"][10] == "T"


def test_dataset_json_counts_classes_and_files(samples):
    summary = json.loads((samples / "dataset.json").read_text())
    table = rows(samples / "labels.csv")
    assert summary["granpipe"] == __version__
    settings = {"size": 224, "fill": [32, 64, 96], "max_pixels": 200_000_000}
    assert summary["settings"] == settings | {"max_memory": 700_000_000}
    assert summary["found"] == summary["prepared"] == sum(summary["classes"].values()) == len(table)
    assert summary["rejected"] == summary["ignored"] == 0
    assert list(summary["classes"]) == sorted({row["label"] for row in table})


def test_mean_and_std_are_those_of_the_pixels_inside_the_content_boxes(samples):
    content = content_of(samples, rows(samples / "labels.csv"))
    summary = json.loads((samples / "dataset.json").read_text())
    assert summary["mean"] == pytest.approx(content.mean(axis=0), abs=2e-6)
    assert summary["std"] == pytest.approx(content.std(axis=0), abs=2e-6)


# Which files


def test_endings_count_in_any_case_and_everything_else_is_ignored(prepare, src, out):
    for name in ("d.JPG", "e.JpEg", "f.jpe", "g.WebP", "h.TIF", "i.bmp", "j.AVIF"):
        save(src / "corn/deeper" / name)
    for name in ("notes.txt", "Thumbs.db", "._IMG.jpg", ".hidden.jpg", "movie.mp4", "jpg"):
        (src / "corn" / name).write_bytes(b"x")
    save(src / "corn/.cache/k.jpg")
    result = prepare(src, out)
    assert closing_line(result).startswith("10 photographs found: 10 prepared")
    assert "7 other files ignored" in result.stdout
    assert "corn/deeper/e.JpEg.npy" in arrays(out)


def test_names_that_differ_only_by_their_ending_do_not_collide(prepare, src, out):
    save(src / "corn/a.png")
    prepare(src, out)
    assert {"corn/a.jpg.npy", "corn/a.png.npy"} <= set(arrays(out))


def test_a_photograph_in_no_class_folder_is_rejected(prepare, src, out):
    save(src / "loose.jpg")
    prepare(src, out)
    assert rejects(out) == {"loose.jpg": "no_label"}


def test_the_same_bytes_in_one_class_are_a_duplicate_of_the_first(prepare, src, out):
    for name in ("aa.jpg", "z.jpg"):
        (src / "corn" / name).write_bytes((src / "corn/a.jpg").read_bytes())
    result = prepare(src, out)
    assert rejects(out) == {"corn/aa.jpg": "duplicate", "corn/z.jpg": "duplicate"}
    details = {row["detail"] for row in rows(out / "rejected.csv")}
    assert details == {"same bytes as corn/a.jpg"}
    assert arrays(out) == ["corn/a.jpg.npy", "corn/b.png.npy", "wheat/c.jpg.npy"]
    assert "0 arrays deleted" in result.stdout


def test_the_same_bytes_in_two_classes_are_all_rejected(prepare, src, out):
    for name in ("corn/aa.jpg", "wheat/a.jpg"):
        (src / name).write_bytes((src / "corn/a.jpg").read_bytes())
    prepare(src, out)
    table = rows(out / "rejected.csv")
    assert {row["source"]: (row["reason"], row["detail"]) for row in table} == {
        "corn/a.jpg": ("label_conflict", "same bytes as wheat/a.jpg"),
        "corn/aa.jpg": ("label_conflict", "same bytes as wheat/a.jpg"),
        "wheat/a.jpg": ("label_conflict", "same bytes as corn/a.jpg"),
    }
    assert arrays(out) == ["corn/b.png.npy", "wheat/c.jpg.npy"]


def test_a_twin_comes_in_when_the_other_has_gone(prepare, src, out):
    (src / "corn/z.jpg").write_bytes((src / "corn/a.jpg").read_bytes())
    prepare(src, out)
    (src / "corn/a.jpg").unlink()
    dry = prepare(src, out, "--dry-run")
    result = prepare(src, out)
    assert closing_line(dry) == closing_line(result)
    assert "1 array deleted" in dry.stdout
    assert "1 array deleted" in result.stdout
    assert rejects(out) == {}
    assert "corn/z.jpg.npy" in arrays(out)


def test_folder_links_are_followed_once_and_loops_end(prepare, src, out, tmp_path):
    save(tmp_path / "elsewhere/far.jpg")
    (src / "corn/link").symlink_to(tmp_path / "elsewhere")
    (src / "wheat/link").symlink_to(tmp_path / "elsewhere")
    (src / "corn/loop").symlink_to(src)
    (src / "corn/self").symlink_to(src / "corn")
    prepare(src, out)
    assert [row["source"] for row in rows(out / "labels.csv")] == [
        *("corn/a.jpg", "corn/b.png", "corn/link/far.jpg", "wheat/c.jpg")
    ]
    assert rejects(out) == {}


def test_a_class_may_be_a_link_and_a_photograph_too(prepare, src, out):
    (src / "maize").symlink_to(src.parent / "elsewhere")
    save(src.parent / "elsewhere/a.jpg", picture(seed=77))
    (src / "wheat/d.jpg").symlink_to(save(src.parent / "one.jpg"))
    prepare(src, out)
    assert {"maize/a.jpg.npy", "wheat/d.jpg.npy"} <= set(arrays(out))


@pytest.mark.parametrize(
    "label",
    [
        *("augmented", "Augmented", "labels.csv", "Labels.csv", "rejected.csv", "dataset.json"),
        *("alike.csv", "x.npy"),
    ],
)
def test_a_class_may_not_take_a_name_that_the_dataset_needs(prepare, src, out, label):
    save(src / label / "a.jpg", picture(seed=5))
    prepare(src, out)
    assert rejects(out) == {f"{label}/a.jpg": "bad_name"}
    assert len(rows(out / "labels.csv")) == 3


def test_prepared_and_rejected_add_up_to_found(prepare, src, out):
    (src / "corn/broken.jpg").write_bytes(b"no picture")
    save(src / "loose.jpg")
    save(src / "wheat/d.jpg", picture(seed=9))
    result = prepare(src, out)
    summary = json.loads((out / "dataset.json").read_text())
    assert closing_line(result) == ("6 photographs found: 4 prepared (0 unchanged), 2 rejected.")
    assert (summary["found"], summary["prepared"], summary["rejected"]) == (6, 4, 2)
    assert (len(rows(out / "labels.csv")), len(rows(out / "rejected.csv"))) == (4, 2)


# Again and again


def test_a_second_run_writes_nothing(prepare, src, out):
    prepare(src, out)
    before = stamps(out)
    result = prepare(src, out)
    assert stamps(out) == before
    assert "3 unchanged" in closing_line(result)


def test_a_second_run_rewrites_no_array_or_table_where_some_are_rejected(prepare, src, out):
    (src / "corn/broken.jpg").write_bytes(b"no picture")
    (src / "corn/z.jpg").write_bytes((src / "corn/a.jpg").read_bytes())
    prepare(src, out)
    before, bytes_before = stamps(out), tree(out)
    prepare(src, out)
    after = stamps(out)
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {".granpipe/ledger.sqlite", ".granpipe/lock"}
    assert tree(out) == bytes_before


def test_a_second_run_decodes_nothing(prepare, injected, src, out):
    (src / "corn/z.jpg").write_bytes((src / "corn/a.jpg").read_bytes())
    prepare(src, out)
    before = tree(out)
    process = injected(NO_DECODER, "prepare", src, out)
    stdout, _ = process.communicate()
    assert process.returncode == 0
    assert "4 photographs found: 3 prepared (3 unchanged)" in stdout
    assert tree(out) == before
    # The proof that no decoder was there:
    injected(NO_DECODER, "prepare", src, out, "--force").communicate()
    assert set(rejects(out).values()) == {"crashed"}


def test_changed_bytes_are_noticed_even_when_size_and_time_are_not(prepare, src, out):
    path = save(src / "corn/d.bmp", picture(seed=1))
    prepare(src, out)
    old, status = (out / "corn/d.bmp.npy").read_bytes(), path.stat()
    save(path, picture(seed=2))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    result = prepare(src, out, "--verify")
    assert path.stat().st_size == status.st_size
    assert (out / "corn/d.bmp.npy").read_bytes() != old
    assert "3 unchanged" in closing_line(result)
    assert rows(out / "labels.csv")[2]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("change", [("--size", 100), ("--fill", "#010203")])
def test_other_settings_rebuild_every_array(prepare, src, out, change):
    prepare(src, out)
    result = prepare(src, out, *change)
    prepare(src, out.with_name("fresh"), *change)
    assert "(0 unchanged)" in closing_line(result)
    assert tree(out) == tree(out.with_name("fresh"))


def test_deleted_photographs_leave_the_table_and_their_arrays_go(prepare, src, out):
    prepare(src, out)
    (src / "wheat/c.jpg").unlink()
    result = prepare(src, out)
    assert not (out / "wheat").exists()
    line = "Without photographs now, but with their label_index: wheat; --reindex-labels numbers"
    for printed in (result.stdout, prepare(src, out).stdout):
        assert line in " ".join(printed.split())
    printed = prepare(src, out, "--reindex-labels").stdout  # which lets go of the class, too
    assert "Without photographs" not in printed
    prepare(src, out.with_name("fresh"))
    assert tree(out) == tree(out.with_name("fresh"))
    assert "1 array deleted" in result.stdout


@pytest.mark.parametrize("harm", ["delete", "truncate", "alter", "empty", "folder"])
def test_a_harmed_array_is_made_again(prepare, src, out, harm):
    prepare(src, out)
    before, victim = tree(out), out / "corn/a.jpg.npy"
    data = bytearray(victim.read_bytes())
    victim.unlink()
    if harm == "truncate":
        victim.write_bytes(data[:-1])
    elif harm == "alter":
        data[5000] ^= 1
        victim.write_bytes(data)
    elif harm == "empty":
        victim.touch()
    elif harm == "folder":
        victim.mkdir()
        prepare(src, out, code=1)
        victim.rmdir()
    result = prepare(src, out)
    assert tree(out) == before
    assert "2 unchanged" in closing_line(result)


def test_harmed_tables_are_written_again(prepare, src, out):
    prepare(src, out)
    before = tree(out)
    (out / "labels.csv").write_text("path\n")
    (out / "rejected.csv").unlink()
    (out / "dataset.json").write_text("{}")
    prepare(src, out)
    assert tree(out) == before


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '["corn/a.jpg"]', '["corn/a.jpg", 5]', '["a", {}]', "\0\0\0"]
)
def test_a_harmed_ledger_line_costs_no_more_than_its_array(prepare, src, out, line):
    prepare(src, out)
    before = tree(out)
    ledgers.part(out, line)
    prepare(src, out)
    assert tree(out) == before


def test_a_ledger_that_speaks_of_files_elsewhere_deletes_none(prepare, src, out, tmp_path):
    prepare(src, out)
    (tmp_path / "mine.npy").write_bytes(b"mine")
    for name in ("../mine", str(tmp_path / "mine"), "corn/../../mine"):
        statement = f"INSERT INTO planned VALUES ('{name}')"
        ledgers.edit(out / ledgers.LEDGER, statement, is_sealed=True)
        ledgers.part(out, json.dumps([name, None]))
        prepare(src, out)
    assert (tmp_path / "mine.npy").read_bytes() == b"mine"


def test_former_rejects_are_tried_again(prepare, src, out):
    (src / "corn/d.jpg").write_bytes(b"")
    prepare(src, out)
    assert rejects(out) == {"corn/d.jpg": "unreadable"}
    save(src / "corn/d.jpg", picture(seed=4))
    prepare(src, out)
    assert rejects(out) == {}
    assert "corn/d.jpg.npy" in arrays(out)


def test_force_decodes_again_and_gives_the_same_bytes(prepare, src, out):
    prepare(src, out)
    before = tree(out)
    result = prepare(src, out, "--force")
    assert "(0 unchanged)" in closing_line(result)
    assert tree(out) == before


def test_the_number_of_workers_changes_no_byte(granpipe, tmp_path):
    for workers in (1, 2, 5):
        granpipe("prepare", ROOT / "img", tmp_path / str(workers), "--workers", workers)
    assert tree(tmp_path / "1") == tree(tmp_path / "2") == tree(tmp_path / "5")


def test_a_dry_run_writes_nothing_and_says_what_the_run_then_does(prepare, src, out):
    (src / "corn/d.jpg").write_bytes(b"no picture")
    (src / "corn/z.jpg").write_bytes((src / "corn/a.jpg").read_bytes())
    written = f"Written: {out}/labels.csv\nNext: granpipe augment {out}\n"
    dry = prepare(src, out, "--dry-run")
    assert not out.exists()
    assert "Nothing was written" in dry.stdout
    wet = prepare(src, out)
    assert dry.stdout.replace("Nothing was written: this was a dry run.\n", written) == wet.stdout
    assert dry.stderr == wet.stderr
    (src / "wheat/c.jpg").unlink()
    save(src / "corn/b.png", picture(seed=8))
    before = stamps(out)
    dry = prepare(src, out, "--dry-run")
    assert stamps(out) == before
    wet = prepare(src, out)
    planned = "Would delete: wheat/c.jpg.npy\nNothing was written: this was a dry run.\n"
    assert dry.stdout.replace(planned, written) == wet.stdout
    assert "1 array deleted" in wet.stdout


def test_a_file_beside_copies_that_augment_did_not_write_is_left_alone(prepare, src, out):
    prepare(src, out)
    put(out / "augmented/dataset.json", b'{"mine": 1}')
    before = stamps(out)
    assert "stale" not in prepare(src, out).stdout
    assert stamps(out) == before


# What is refused


def test_a_folder_with_files_of_others_is_neither_written_nor_deleted(prepare, src, out):
    put(out / "thesis.txt", b"years")
    result = prepare(src, out, code=1)
    assert_one_line(result, out, "name an empty or a new folder")
    assert tree(out) == {"thesis.txt": b"years"}


def test_an_output_that_is_a_file_is_refused(prepare, src, out):
    out.write_text("a file")
    assert_one_line(prepare(src, out, code=1), out)
    assert out.read_text() == "a file"


def test_an_output_inside_the_source_is_refused(prepare, src, out):
    before = tree(src)
    (src.parent / "door").symlink_to(src / "corn")
    for inside in (src, src / "out", src / "corn/../new", src.parent / "door/new"):
        assert_one_line(prepare(src, inside, code=1), "lies in")
    assert tree(src) == before


def test_an_output_that_is_a_loop_of_links_is_refused(prepare, src, out):
    out.symlink_to(out)
    assert_one_line(prepare(src, out, code=1), out)


def test_an_output_of_augment_is_refused(granpipe, prepare, src, out):
    prepare(src, out)
    granpipe("augment", out, "--copies", 1, "-o", out.with_name("more"))
    assert_one_line(prepare(src, out.with_name("more"), code=1), "more")


def test_a_link_inside_the_output_does_not_lead_outside(prepare, src, out, tmp_path):
    prepare(src, out)
    (out / "corn").rename(tmp_path / "moved")
    (out / "corn").symlink_to(tmp_path / "moved")
    before = stamps(tmp_path / "moved")
    assert_one_line(prepare(src, out, "--force", code=1), "link")
    for path in (src / "corn").iterdir():
        path.unlink()
    prepare(src, out)
    assert stamps(tmp_path / "moved") == before


@pytest.mark.parametrize("name", ["", "lock", "tmp"])
def test_a_folder_or_lock_of_ours_that_is_a_link_is_refused(prepare, src, out, tmp_path, name):
    prepare(src, out)
    target = out / ".granpipe" / name
    if target.exists():
        target.rename(tmp_path / "moved")
    else:
        (tmp_path / "moved").mkdir()
    target.symlink_to(tmp_path / "moved")
    save(src / "corn/new.jpg")
    assert_one_line(prepare(src, out, code=1), out)


def test_a_ledger_that_is_a_link_is_replaced_and_what_it_leads_to_stays(prepare, src, out):
    prepare(src, out)
    elsewhere = out.with_name("elsewhere.jsonl")
    (out / ".granpipe/ledger.sqlite").rename(elsewhere)
    (out / ".granpipe/ledger.sqlite").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    save(src / "corn/new.jpg")
    prepare(src, out)
    assert elsewhere.read_bytes() == before
    assert len(rows(out / "labels.csv")) == 4


def test_a_name_that_means_another_path_elsewhere_is_rejected(prepare, src, out):
    save(src / "corn/back\\slash.jpg", picture(seed=5))
    prepare(src, out)
    assert rejects(out) == {"corn/back\\slash.jpg": "bad_name"}


def test_nothing_outside_the_output_is_touched(prepare, src, out, tmp_path):
    (src / "corn/d.jpg").write_bytes(b"no picture")
    (tmp_path / "home").mkdir()
    before = stamps(tmp_path)
    for extra in ([], ["--force"], ["--size", 50]):
        prepare(src, out, *extra)
    after = stamps(tmp_path)
    assert {name: after[name] for name in after if not name.startswith("out/")} == before


def test_a_foreign_file_in_the_output_stays(prepare, src, out):
    prepare(src, out)
    (out / "wheat/notes.txt").write_text("mine")
    (out / "wheat/mine.npy").write_bytes(b"mine")
    (src / "wheat/c.jpg").unlink()
    prepare(src, out)
    assert sorted(path.name for path in (out / "wheat").iterdir()) == ["mine.npy", "notes.txt"]


# Options


def test_size_sets_the_sides_of_the_arrays(prepare, src, out):
    prepare(src, out, "--size", 33)
    assert {np.load(out / name).shape for name in arrays(out)} == {(33, 33, 3)}
    assert json.loads((out / "dataset.json").read_text())["settings"]["size"] == 33


@pytest.mark.parametrize(
    ("fill", "colour"), [("0", 0), ("255", 255), ("7", 7), ("#0A64ff", (10, 100, 255))]
)
def test_fill_is_a_grey_level_or_a_colour(prepare, src, out, fill, colour):
    prepare(src, out, "--fill", fill)
    assert (np.load(out / "corn/a.jpg.npy")[:28] == colour).all()


def test_missing_arguments_are_wrong_usage(granpipe, prepare, src):
    assert_one_line(granpipe("prepare", code=2), "SOURCE")
    assert_one_line(prepare(src, code=2), "OUTPUT")


def test_max_pixels_is_judged_by_the_header_and_noticed_when_it_changes(prepare, src, out):
    save(src / "corn/big.png", picture(100, 101))
    prepare(src, out, "--max-pixels", 10_000)
    assert rejects(out) == {"corn/big.png": "too_large"}
    assert "100 x 101" in rows(out / "rejected.csv")[0]["detail"]
    prepare(src, out, "--max-pixels", 10_100)
    assert rejects(out) == {}
    prepare(src, out, "--max-pixels", 10_000)
    assert rejects(out) == {"corn/big.png": "too_large"}
    assert "corn/big.png.npy" not in arrays(out)


def test_strict_exits_with_1_when_anything_is_rejected(prepare, src, out):
    prepare(src, out, "--strict")
    save(src / "loose.jpg")
    result = prepare(src, out, "--strict", code=1)
    assert "--strict" in result.stderr
    assert len(rows(out / "labels.csv")) == 3


def test_quiet_prints_nothing_even_about_rejects(prepare, src, out):
    save(src / "loose.jpg")
    result = prepare(src, out, "-q")
    assert result.output == ""
    assert rejects(out) == {"loose.jpg": "no_label"}


def test_preview_draws_a_sheet_outside_the_dataset(prepare, src, out, tmp_path):
    printed = prepare(src, out, "--preview", tmp_path / "sheet.png").stdout
    assert f"Written: {out}/labels.csv, {tmp_path}/sheet.png\n" in printed
    sheet = Image.open(BytesIO((tmp_path / "sheet.png").read_bytes()))
    assert sheet.format == "PNG"
    assert sheet.width > 2 * 144
    assert sheet.height > 2 * 144
    assert len({colour for _, colour in sheet.getcolors(1_000_000)}) > 100


@pytest.mark.parametrize("name", ["notes.png", "folder.png", "mine.png"])
def test_preview_overwrites_nothing_but_its_own_sheets(prepare, src, out, tmp_path, name):
    (tmp_path / "notes.png").write_text("my notes")
    (tmp_path / "folder.png").mkdir()
    save(tmp_path / "mine.png")
    mine = (tmp_path / "mine.png").read_bytes()
    assert_one_line(prepare(src, out, "-q", "--preview", tmp_path / name, code=1), name)
    assert (tmp_path / "notes.png").read_text() == "my notes"
    assert (tmp_path / "mine.png").read_bytes() == mine
    assert not out.exists()
    prepare(src, out, "--preview", tmp_path / "sheet.png")
    prepare(src, out, "--preview", tmp_path / "sheet.png")


def test_a_sheet_that_cannot_be_written_takes_no_report_with_it(
    prepare, src, out, tmp_path, monkeypatch
):
    def full(*args, **options):
        raise DatasetError("no space left")

    monkeypatch.setattr("granpipe.dataset.contact_sheet.draw_dataset", full)
    done = prepare(src, out, "--json", "--preview", tmp_path / "sheet.png", code=1)
    assert json.loads(done.stdout)["found"] > 0
    assert done.stderr.endswith("no space left\n")
    done = prepare(src, out, "--preview", tmp_path / "sheet.png", code=1)
    assert "photographs found" in done.stdout and "sheet.png" not in done.stdout


def test_a_split_is_tried_on_a_dataset_that_nobody_may_write(prepare, src, out, monkeypatch):
    prepare(src, out)
    monkeypatch.setattr(os, "access", lambda *args: False)
    done = prepare(src, out, "--split", "50/50", "--allow-empty", "--dry-run")
    assert "this was a dry run" in done.stdout


def test_preview_that_cannot_be_written_is_refused_before_any_work(prepare, src, out, tmp_path):
    (tmp_path / "notes.txt").write_text("no folder")
    result = prepare(src, out, "--preview", tmp_path / "notes.txt/sheet.png", code=1)
    assert_one_line(result, "notes.txt/sheet.png")
    assert not out.exists()


def test_preview_with_dry_run_is_wrong_usage(prepare, src, out, tmp_path):
    prepare(src, out, "--dry-run", "--preview", tmp_path / "sheet.png", code=2)


def test_more_than_twenty_rejects_are_summed_up(prepare, src, out):
    for number in range(25):
        (src / f"corn/bad{number:02}.jpg").write_bytes(b"no picture")
    result = prepare(src, out)
    assert result.stderr.count("\n") == 21
    assert f"... and 5 more, all in {out / 'rejected.csv'}" in result.stderr
    assert len(rejects(out)) == 25


# Terminal and process


def test_no_bar_is_drawn_where_stderr_is_no_terminal(start, src, out):
    process = start("prepare", src, out, cwd=ROOT)
    stdout, stderr = process.communicate()
    assert process.returncode == 0
    assert stderr == ""
    assert all(char.isprintable() or char == "\n" for char in stdout)


def on_terminal(start, *args: object) -> str:
    """Run granpipe with a terminal for its stderr; return what was drawn there."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    process = start(*args, stderr=terminal, cwd=ROOT)
    os.close(terminal)
    drawn = b""
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # Linux says so at the end
            break
        if not chunk:
            break
        drawn += chunk
    os.close(master)
    assert process.wait() == 0
    return drawn.decode()


def test_a_terminal_shows_a_bar_with_rate_and_time(start, src, out):
    drawn = on_terminal(start, "prepare", src, out)
    assert "3/3" in drawn
    assert "100%" in drawn
    assert "photographs/s" in drawn
    assert "<" in drawn


def test_quiet_draws_no_bar_on_a_terminal(start, src, out):
    assert on_terminal(start, "prepare", src, out, "-q") == ""


def test_python_m_granpipe_runs_the_command_line():
    run = [sys.executable, "-m", "granpipe", "--version"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=True)
    first, *others = done.stdout.splitlines()
    assert first == f"granpipe {__version__}"
    assert "Pillow" in done.stdout
    assert others[-1].startswith("reads JPEG, ")


def test_a_class_that_the_console_cannot_write_does_not_end_the_run(start, src, out):
    save(src / "玉米/a.jpg", picture(seed=6))
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"}
    process = start("prepare", src, out, env=env)
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, "")
    assert "\\u7389\\u7c73" in stdout
    assert "4 photographs found: 4 prepared" in stdout


def test_the_dataset_may_lie_in_the_current_folder(start, src, tmp_path):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    (tmp_path / "here").mkdir()
    for _ in range(2):
        process = start("prepare", "../src", ".", cwd=tmp_path / "here", env=env)
        _, stderr = process.communicate()
        assert (process.returncode, stderr) == (0, "")
    assert len(rows(tmp_path / "here/labels.csv")) == 3


@pytest.mark.parametrize("command", ["prepare", "augment", "map"])
def test_every_command_explains_itself_with_an_example(granpipe, command):
    result = granpipe(command, "--help")
    assert "Example" in result.stdout
    assert f"granpipe {command} " in result.stdout.split("Example")[1]


def test_help_shows_the_three_commands_and_how_they_are_called(granpipe):
    for args in ([], ["--help"]):
        result = granpipe(*args)
        for line in ("granpipe prepare img/ out/", "granpipe augment --copies 5", "granpipe map"):
            assert line in result.stdout


def test_names_are_quoted_as_rfc_4180_says(prepare, src, out):
    names = ['quote".jpg', "comma,.jpg", "new\nline.jpg", "return\r.jpg", " blank.jpg"]
    for seed, name in enumerate(names):
        save(src / "corn" / name, picture(seed=seed))
    prepare(src, out)
    with (out / "labels.csv").open(encoding="utf-8", newline="") as file:
        sources = [row["source"] for row in csv.DictReader(file, strict=True)]
    assert {f"corn/{name}" for name in names} <= set(sources)


def test_a_file_of_the_users_in_the_place_of_an_array_is_neither_overwritten_nor_deleted(
    granpipe, tmp_path
):
    save(tmp_path / "img/corn/a.jpg")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    (tmp_path / "out/corn/b.jpg.npy").write_text("mine")
    for data in (b"no picture", (tmp_path / "img/corn/a.jpg").read_bytes() + b" "):
        (tmp_path / "img/corn/b.jpg").write_bytes(data)
        for option in ((), ("--dry-run",)):
            result = granpipe("prepare", tmp_path / "img", tmp_path / "out", *option, code=1)
            assert "was not written by granpipe; move it away" in result.stderr
        assert (tmp_path / "out/corn/b.jpg.npy").read_text() == "mine"


@pytest.mark.parametrize("change", ["recipe = 1", "width = NULL", "sha256 = 'x'", "checksum = ''"])
def test_a_damaged_record_of_the_ledger_is_made_again(granpipe, tmp_path, change):
    save(tmp_path / "img/corn/a.jpg")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    before = tree(tmp_path / "out")
    ledgers.edit(tmp_path / "out" / ledgers.LEDGER, f"UPDATE records SET {change}")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert tree(tmp_path / "out") == before


def test_closed_standard_error_does_no_harm(start, tmp_path):
    save(tmp_path / "img/corn/a.jpg")
    command = f'"{sys.executable}" -m granpipe prepare img out 2>&-'
    subprocess.run(
        command,
        shell=True,
        cwd=tmp_path,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert len(rows(tmp_path / "out/labels.csv")) == 1


def test_arrays_are_made_again_with_another_pillow(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.jpg")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    change = (
        f"UPDATE records SET recipe = replace(recipe, 'pillow {PIL.__version__}', 'pillow 1.0')"
    )
    ledgers.edit(tmp_path / "out" / ledgers.LEDGER, change, is_sealed=True)
    output = granpipe("prepare", tmp_path / "img", tmp_path / "out").output
    assert "1 prepared (0 unchanged)" in output


def test_verify_finds_a_table_that_was_altered_under_a_restored_time(prepare, src, out):
    prepare(src, out)
    before, table = tree(out), out / "labels.csv"
    status = table.stat()
    with table.open("r+b") as file:
        file.write(table.read_bytes().replace(b"corn/a", b"c0rn/a"))
    os.utime(table, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert tree(out) != before
    prepare(src, out, "--verify")
    assert tree(out) == before
