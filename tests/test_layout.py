"""Which files are photographs, whatever they are called, and which folders are classes."""

import os

import pytest

from conftest import encoded, picture, put, rejects, rows, save, tree
from draw_containers import raw_tiffs

ODD_NAMES = ["a.jfif", "b.HIF", "c.mpo", "d.jpg_large", "e.JPG~", "f.jpg?w=300&h=200", "IMG_0001"]


# Files


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"])
def test_a_photograph_is_told_by_its_content_where_its_name_tells_nothing(granpipe, tmp_path, kind):
    for seed, name in enumerate(ODD_NAMES):
        put(tmp_path / "img/corn" / name, encoded(picture(seed=seed), kind))
    result = granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert "7 photographs found: 7 prepared" in result.stdout
    assert {row["source"] for row in rows(tmp_path / "out/labels.csv")} == {
        f"corn/{one}" for one in ODD_NAMES
    }
    again = granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert "(7 unchanged)" in again.stdout
    result = granpipe("map", tmp_path / "img", "-o", tmp_path / "m.csv")
    assert "7 photographs found" in result.stdout


def test_on_a_disk_a_photograph_is_one_whatever_its_ending(granpipe, tmp_path):
    names = ["notes.txt", "README.md", "a.csv", "b.gif", "c.zip", "d.PY", "e.npy", "f.db"]
    for seed, name in enumerate(names):
        put(tmp_path / "img/corn" / name, encoded(picture(seed=seed), "JPEG"))
    for name in ("g.txt", "h.gif", "i.zip"):
        put(tmp_path / "img/corn" / name, b"GIF89a" if name == "h.gif" else b"no photograph")
    result = granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert "8 photographs found: 8 prepared" in result.stdout
    assert "Ignored: .gif 1, .txt 1, .zip 1." in result.stdout
    assert {row["source"] for row in rows(tmp_path / "out/labels.csv")} == {
        f"corn/{name}" for name in names
    }
    again = granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert "(8 unchanged)" in again.stdout


def test_raw_photographs_of_any_ending_are_ignored_and_counted(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.jpg")
    kinds = {kind: data for kind, (data, _) in raw_tiffs().items()}
    kinds["RAF"] = b"FUJIFILMCCD-RAW " + bytes(999)
    kinds["CR2"] = b"II*\0\x10\0\0\0CR\2\0" + bytes(999)
    kinds["CR3"] = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(999)
    for kind, data in kinds.items():
        for name in ("IMG_0001", "a.CR2~", "b.raw_photo", "c.bin", "d.dng", "e.txt"):
            put(tmp_path / "img/corn" / kind / name, data)
    for words in (["prepare", tmp_path / "out"], ["map", "-o", tmp_path / "map.csv"]):
        result = granpipe(words[0], tmp_path / "img", *words[1:])
        assert "1 photograph" in result.stdout
        assert f"{6 * len(kinds)} other files ignored" in result.stdout


def test_a_raw_photograph_that_is_named_like_another_is_rejected_by_its_name(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.jpg")
    for name, (data, _) in raw_tiffs().items():
        put(tmp_path / f"img/corn/{name}.tif", data)
        put(tmp_path / f"img/corn/{name}.jpg", data)
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    found = {row["source"]: row["detail"] for row in rows(tmp_path / "out/rejected.csv")}
    assert found == {
        f"corn/{name}.{ending}": said
        for name, (_, said) in raw_tiffs().items()
        for ending in ("jpg", "tif")
    }
    assert set(rejects(tmp_path / "out").values()) == {"unsupported"}


def test_what_is_no_photograph_is_ignored_and_counted_by_its_ending(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.jpg")
    jpeg = encoded(picture(seed=1), "JPEG")
    for name in ("raw.CR2", "raw.dng", "film.mp4", "Thumbs.db", ".hidden.jpg", ".cache/k.jpg"):
        put(tmp_path / "img/corn" / name, jpeg)  # these endings tell enough
    for name in ("README", "LICENCE", "notes.odd", "empty"):
        put(tmp_path / "img/corn" / name, b"" if name == "empty" else b"RIFF, not WEBP")
    put(tmp_path / "img/corn/bm.weird", b"BM is how a letter begins")
    put(tmp_path / "img/corn/film", b"\0\0\0\x20ftypisom" + bytes(20))
    for words in (["prepare", "--dry-run"], ["prepare"]):
        result = granpipe(words[0], tmp_path / "img", tmp_path / "out", *words[1:])
        assert "1 photograph found: 1 prepared" in result.stdout
        assert "12 other files ignored" in result.stdout
        assert "Ignored: no ending 4, hidden 2, .cr2 1, .db 1, .dng 1, .mp4 1, others 2." in (
            result.stdout
        )


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_cannot_be_read_is_no_secret(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.jpg")
    put(tmp_path / "img/corn/IMG_0001", b"who knows")
    (tmp_path / "img/corn/IMG_0001").chmod(0)
    put(tmp_path / "img/corn/notes.txt", b"nobody asks")
    (tmp_path / "img/corn/notes.txt").chmod(0)
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == {"corn/IMG_0001": "unreadable"}


def test_on_s3_only_files_of_unknown_endings_are_looked_at_and_once(granpipe, lake, proxy):
    for seed, name in enumerate(["a.jpg", "b.jfif", "c.cr2", "d.txt", "README"]):
        lake.put(
            f"img/corn/{name}",
            encoded(picture(seed=seed), "JPEG") if seed < 3 else b"a text of its own",
        )
    command = ("prepare", lake.url("img"), lake.url("out"))
    result = granpipe(*command)
    assert "2 photographs found: 2 prepared" in result.stdout
    read = [key for key in proxy.keys("GET") if key.startswith("img/")]
    assert sorted(read) == [
        *("img/corn/README", "img/corn/a.jpg", "img/corn/b.jfif", "img/corn/b.jfif"),
    ]
    proxy.requests.clear()
    granpipe(*command)
    assert [key for key in proxy.keys("GET") if key.startswith("img/")] == ["img/corn/README"]


# Folders


@pytest.mark.parametrize(
    ("folders", "label"),
    [
        (["Corn", "corn", "corn "], "Corn"),
        (["mai\u0308s", "ma\u00efs"], "ma\u00efs"),
        (["STRASSE", "stra\u00dfe"], "STRASSE"),
    ],
)
def test_folders_that_are_one_name_are_no_two_classes_in_silence(
    granpipe, tmp_path, folders, label
):
    for seed, folder in enumerate(folders):
        save(tmp_path / "img" / folder / f"{seed}.png", picture(seed=seed))
    save(tmp_path / "img/wheat/w.png", picture(seed=9))
    if len(list((tmp_path / "img").iterdir())) <= len(folders):
        pytest.skip("a disk on which these are one folder")
    refused = granpipe("prepare", tmp_path / "img", tmp_path / "out", code=2)
    assert refused.stderr.count("\n") == 1
    assert all(ascii(one) in refused.stderr or repr(one) in refused.stderr for one in folders)
    assert "--merge-classes" in refused.stderr
    assert not (tmp_path / "out").exists()

    split = ("--split", "50/50", "--keep-together", "folder")
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--merge-classes", *split)
    found = rows(tmp_path / "out/labels.csv")
    labels = {row["source"]: (row["label"], row["label_index"]) for row in found}
    others = {f"{folder}/{seed}.png": (label, "0") for seed, folder in enumerate(folders)}
    assert labels == {"wheat/w.png": ("wheat", "1"), **others}
    assert all(row["path"] == f"{row['source']}.npy" for row in found)
    copied = granpipe("augment", tmp_path / "out", "--copies", 1, "--split-only", "all")
    assert f"{len(found)} copies" in copied.stdout
    before = tree(tmp_path / "out")
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--merge-classes")
    assert tree(tmp_path / "out") == before


def test_the_same_photograph_in_merged_folders_is_a_duplicate(granpipe, tmp_path):
    for folder in ("Corn", "corn "):
        save(tmp_path / "img" / folder / "a.png")
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--merge-classes")
    assert rejects(tmp_path / "out") == {"corn /a.png": "duplicate"}


@pytest.mark.parametrize("folders", [["train", "test"], ["Training", "VALID", "dev"], ["testing"]])
def test_folders_called_like_splits_are_no_classes_in_silence(granpipe, tmp_path, folders):
    for seed, folder in enumerate(folders):
        save(tmp_path / "img" / folder / f"corn/{seed}.png", picture(seed=seed))
    for words in ([], ["--split", "80/20"], ["--dry-run"]):
        refused = granpipe("prepare", tmp_path / "img", tmp_path / "out", *words, code=2)
        first = tmp_path / "img" / min(folders, key=lambda name: (name[:2] not in "trTr", name))
        assert f"name {first}, or say --split none" in refused.stderr
        assert refused.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--split", "none")
    assert {row["label"] for row in rows(tmp_path / "out/labels.csv")} == set(folders)
    save(tmp_path / "img/wheat/w.png", picture(seed=9))
    granpipe("prepare", tmp_path / "img", tmp_path / "other")


def test_merged_folders_keep_the_index_of_their_class(granpipe, tmp_path):
    for seed, label in enumerate(["corn", "wheat"]):
        save(tmp_path / "img" / label / f"{seed}.png", picture(seed=seed))
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    save(tmp_path / "img/Corn/2.png", picture(seed=2))
    if len(list((tmp_path / "img").iterdir())) < 3:
        pytest.skip("a disk on which Corn and corn are one folder")
    granpipe("prepare", tmp_path / "img", tmp_path / "out", "--merge-classes")
    numbers = {row["label"]: row["label_index"] for row in rows(tmp_path / "out/labels.csv")}
    assert numbers == {"Corn": "0", "wheat": "1"}


@pytest.mark.parametrize("way", ["crops", "crops/sub", "crops/2024/june"])
def test_classes_that_stand_deeper_are_told_of(granpipe, tmp_path, way):
    for seed, label in enumerate(["corn", "wheat"]):
        save(tmp_path / "img" / way / f"{label}/{seed}.png", picture(seed=seed))
    stderr = granpipe("prepare", tmp_path / "img", tmp_path / "out").stderr
    assert f"name {tmp_path}/img/{way}\n" in stderr


def test_one_class_of_folders_is_told_of(granpipe, tmp_path):
    for seed, name in enumerate(["corn/a", "wheat/b"]):
        save(tmp_path / "img/crops" / f"{name}.png", picture(seed=seed))
    stderr = granpipe("prepare", tmp_path / "img", tmp_path / "out").stderr
    assert "one class, crops; if its folders are the classes ('corn', 'wheat'), name " in stderr
    save(tmp_path / "img/crops/c.png", picture(seed=3))
    assert "one class" not in granpipe("prepare", tmp_path / "img", tmp_path / "out").stderr
