"""`--shards`: what stands in the tar files, that trainers read them, and what becomes of them."""

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import time
from collections import Counter
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from granpipe import load_array, make_copy
from granpipe.dataset.shards import key_of, shard_bits
from granpipe.jobs.copy_photo import parameters_of

from conftest import SMALL, picture, psnr, put, rows, save, tree
from harm import kill, until

PHOTOGRAPHS = 60
SIZE = ("--shard-size", 8)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    """A folder of sixty photographs in three classes."""
    folder = tmp_path_factory.mktemp("shards") / "img"
    for number in range(PHOTOGRAPHS):
        label = ("corn", "rye", "maïs")[number % 3]
        save(folder / f"{label}/{number:02}.v1.png", picture(32, 24, number))
    return folder


@pytest.fixture
def img(photographs, tmp_path) -> Path:
    return Path(shutil.copytree(photographs, tmp_path / "img"))


@pytest.fixture
def shards(tmp_path) -> Path:
    return tmp_path / "shards"


@pytest.fixture
def prepare(granpipe, img, tmp_path, shards):
    """Prepare the photographs and write shards of them."""

    def run(*options, code=0):
        words = (img, tmp_path / "out", *SMALL, "--shards", shards, *SIZE, *options)
        return granpipe("prepare", *words, code=code)

    return run


def members(shard: Path) -> dict[str, bytes]:
    with tarfile.open(shard) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def samples(folder: Path, pattern: str = "*") -> dict[str, dict[str, bytes]]:
    """Return the files of each sample by its key, read as any tool reads a tar file."""
    found: dict[str, dict[str, bytes]] = {}
    for shard in sorted(folder.glob(f"{pattern}.tar")):
        for name, data in members(shard).items():
            key, _, suffix = name.partition(".")
            assert suffix not in found.setdefault(key, {}), f"{key} is there twice"
            found[key][suffix] = data
    return found


def summary(folder: Path) -> dict:
    return json.loads((folder / "shards.json").read_text())


def pixels(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data))


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.*")}


def test_each_photograph_is_one_sample_with_its_array_index_and_row(prepare, shards, tmp_path):
    assert re.search(r"8 shards of 60 samples in .*shards \(0 unchanged", prepare().output)
    table = {
        key_of(row["source"], row["sha256"], 0): row for row in rows(tmp_path / "out/labels.csv")
    }
    found = samples(shards)
    assert found.keys() == table.keys()
    for key, row in table.items():
        assert found[key].keys() == {"npy", "cls", "json"}
        assert found[key]["npy"] == (tmp_path / "out" / row["path"]).read_bytes()
        assert found[key]["cls"].decode() == row["label_index"]
        left_out = {"group", "fold", "flags"}
        assert json.loads(found[key]["json"]) == {
            name: cell for name, cell in row.items() if name not in left_out
        }


def test_shards_json_lists_every_shard_with_counts_and_hashes(prepare, shards, tmp_path):
    prepare()
    listed = summary(shards)["shards"]
    assert [shard["name"] for shard in listed] == sorted(path.name for path in shards.glob("*.tar"))
    for shard in listed:
        data = (shards / shard["name"]).read_bytes()
        assert shard["bytes"] == len(data)
        assert shard["sha256"] == hashlib.sha256(data).hexdigest()
        assert shard["samples"] == len(members(shards / shard["name"])) / 3
    dataset = json.loads((tmp_path / "out/dataset.json").read_text())
    for name in ("classes", "mean", "std"):
        assert summary(shards)[name] == dataset[name]
    assert list(summary(shards)["classes"]) == list(dataset["classes"])
    assert summary(shards)["samples"] == PHOTOGRAPHS


def test_classes_are_mixed_in_shards(prepare, shards):
    prepare("--shard-size", 30)
    for shard in shards.glob("*.tar"):
        labels = [data for name, data in members(shard).items() if name.endswith(".cls")]
        assert max(Counter(labels).values()) < 0.75 * len(labels)
        assert labels != sorted(labels)


def test_nothing_of_the_time_or_the_user_is_in_a_shard(prepare, shards):
    prepare()
    for shard in shards.glob("*.tar"):
        with tarfile.open(shard) as tar:
            about = {(one.mtime, one.uid, one.gid, one.uname, one.gname, one.mode) for one in tar}
        assert about == {(0, 0, 0, "", "", 0o644)}


def test_splits_have_shards_of_their_own(prepare, shards, tmp_path):
    prepare("--split", "60/20/20")
    for split in ("train", "validation", "test"):
        sources = {
            json.loads(one["json"])["source"] for one in samples(shards, f"{split}-*").values()
        }
        expected = {
            row["source"] for row in rows(tmp_path / "out/labels.csv") if row["split"] == split
        }
        assert sources == expected
    assert len(samples(shards)) == PHOTOGRAPHS
    prepare("--split", "none")
    assert {path.name.partition("-")[0] for path in shards.glob("*.tar")} == {"all"}


@pytest.mark.parametrize("form", ["png", "jpeg:95"])
def test_other_formats_hold_the_same_pictures(prepare, shards, tmp_path, form):
    prepare("--shard-format", form, "--size", 224)
    suffix = {"png": "png", "jpeg:95": "jpg"}[form]
    for files in samples(shards).values():
        array = load_array(tmp_path / "out", json.loads(files["json"]))
        shown = np.asarray(Image.open(io.BytesIO(files[suffix])))
        if form == "png":
            assert np.array_equal(shown, array)
        else:
            assert psnr(shown, array) > 35
    assert summary(shards)["format"] == form


def test_a_second_run_writes_nothing(prepare, shards):
    prepare()
    before = times(shards)
    assert "(8 unchanged), 0 deleted" in prepare().output
    assert times(shards) == before


def test_a_new_photograph_changes_one_shard(prepare, img, shards):
    prepare()
    before = tree(shards)
    save(img / "corn/new.png", picture(32, 24, 1000))
    assert "(7 unchanged)" in prepare().output
    changed = {name for name, data in tree(shards).items() if before.get(name) != data}
    assert len(changed) == 2
    assert "shards.json" in changed
    assert len(samples(shards)) == PHOTOGRAPHS + 1


def test_a_changed_and_a_lost_photograph_change_their_shards_alone(prepare, img, shards):
    prepare()
    first = samples(shards)
    save(img / "corn/00.v1.png", picture(32, 24, 2000))
    (img / "rye/01.v1.png").unlink()
    prepare()
    second = samples(shards)
    assert len(first.keys() - second.keys()) == 2
    assert len(second.keys() - first.keys()) == 1


def test_where_the_number_of_shards_doubles_the_former_are_gone(prepare, shards):
    prepare()
    assert "16 shards" in prepare("--shard-size", 4).output
    assert {path.name[-9:] for path in shards.glob("*.tar")} == {"00016.tar"}
    assert len(samples(shards)) == PHOTOGRAPHS


def test_the_bytes_do_not_depend_on_workers_or_history(prepare, granpipe, img, shards, tmp_path):
    late = img / "late"
    shutil.move(img / "rye", late)
    prepare()
    prepare("--shard-format", "png")
    shutil.move(late, img / "rye")
    prepare("--workers", 3, "--reindex-labels")
    fresh = tmp_path / "fresh"
    words = ("prepare", img, tmp_path / "out2", *SMALL, "--shards", fresh, *SIZE)
    granpipe(*words)
    assert tree(shards) == tree(fresh)


def test_no_shard_is_empty_however_small_they_are(prepare, shards):
    prepare("--shard-size", 1)
    assert all(shard["samples"] for shard in summary(shards)["shards"])
    assert len(samples(shards)) == PHOTOGRAPHS


def test_a_number_of_shards_is_near_to_the_size_asked_for():
    for count in (1, 10, 999, 12_345, 1_000_000):
        for size in (1, 100, 1000):
            each = count / 2 ** shard_bits(count, size)
            assert each <= max(size * 2**0.5, 1) + 1e-9
            assert each >= size / 2**0.5 - 1e-9 or count < size


def has_shards(shards: Path, goal: int, process) -> bool:
    return len([*shards.glob("*.tar")]) >= goal or process.poll() is not None


@pytest.mark.slow
@pytest.mark.parametrize("command", ["prepare", "augment"])
def test_whatever_is_killed_the_next_run_gives_the_same_bytes(
    start, granpipe, img, shards, tmp_path, rng, command
):
    granpipe("prepare", img, tmp_path / "out", "--size", 96)
    words = {
        "prepare": ("prepare", img, tmp_path / "out", "--size", 96, *SIZE),
        "augment": ("augment", tmp_path / "out", "--copies", 3, "--shard-size", 20),
    }[command]
    granpipe(*words, "--shards", tmp_path / "whole")
    interrupted = 0
    for _ in range(8):
        goal = len([*shards.glob("*.tar")]) + 1 + rng.randrange(3)
        process = start(*words, "--shards", shards)
        until(partial(has_shards, shards, goal, process), every=0.002)
        time.sleep(rng.uniform(0, 0.02))
        kill(process)
        is_whole = (shards / "shards.json").exists()
        interrupted += not is_whole and any(shards.glob("*.tar"))
        for path in shards.glob("*.tar"):
            assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()
        if is_whole:
            shutil.rmtree(shards)
    granpipe(*words, "--shards", shards)
    assert tree(shards) == tree(tmp_path / "whole")
    assert interrupted


@pytest.mark.parametrize("damage", ["cut", "gone", "altered", "altered under its time"])
def test_a_damaged_shard_is_written_again(prepare, shards, damage):
    prepare()
    before, shard = tree(shards), next(shards.glob("*.tar"))
    status = shard.stat()
    if damage == "gone":
        shard.unlink()
    else:
        data = bytearray(shard.read_bytes())
        data[1000] ^= 1
        with shard.open("r+b") as file:
            file.write(data)
            file.truncate(900 if damage == "cut" else len(data))
    options = ()
    if damage.endswith("time"):
        os.utime(shard, ns=(status.st_atime_ns, status.st_mtime_ns))
        options = ("--verify",)
    prepare(*options)
    assert tree(shards) == before


def test_without_its_ledger_a_folder_of_shards_is_still_ours(prepare, shards):
    prepare()
    shutil.rmtree(shards / ".granpipe")
    assert "ledger is lost" in prepare("--shard-size", 30).stderr
    assert {path.name[-9:] for path in shards.glob("*.tar")} == {"00002.tar"}
    assert len(samples(shards)) == PHOTOGRAPHS


def test_files_of_others_are_not_written_among(prepare, granpipe, shards, tmp_path):
    put(shards / "thesis.txt", b"mine")
    assert "name an empty or a new folder" in prepare(code=1).stderr
    (shards / "thesis.txt").unlink()
    prepare()
    words = ("augment", tmp_path / "out", "--copies", 1, "--shards", shards)
    assert "did not write" in granpipe(*words, code=1).stderr
    assert "did not write" in granpipe("prepare", tmp_path / "img", shards, code=1).stderr


@pytest.mark.parametrize("inside", ["img/corn", "out", "out/shards"])
def test_shards_are_not_written_among_photographs_or_arrays(granpipe, img, tmp_path, inside):
    words = ("prepare", img, tmp_path / "out", "--shards", tmp_path / inside)
    assert "choose a folder of their own" in granpipe(*words, code=1).stderr
    assert not (tmp_path / "out").exists()


def test_an_array_that_was_altered_ends_the_run_in_a_line(prepare, tmp_path):
    prepare()
    path = tmp_path / "out/corn/00.v1.png.npy"
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    prepare()  # the shards are up to date, and nobody has noticed
    stderr = prepare("--shard-format", "png", code=1).stderr
    assert f"{path}: is not as granpipe wrote it; run again with --verify" in stderr
    prepare("--shard-format", "png", "--verify")


def test_a_dry_run_writes_no_shards(prepare, shards):
    prepare("--dry-run")
    assert not shards.exists()


def test_shards_of_what_is_no_more_do_not_stay_whole(granpipe, prepare, img, shards, tmp_path):
    prepare()
    for path in img.rglob("*.png"):
        path.write_bytes(b"no picture")
    prepare("--allow-deletions", code=1)
    assert [*shards.glob("*.tar")] == []
    assert summary(shards)["samples"] == 0


def test_shards_of_copies_that_are_no_more_do_not_stay_whole(granpipe, img, shards, tmp_path):
    granpipe("prepare", img, tmp_path / "out", *SMALL)
    granpipe("augment", tmp_path / "out", "--copies", 1, "--shards", shards)
    granpipe("augment", tmp_path / "out", "--copies", "balance:1", "--shards", shards)
    assert [*shards.glob("*.tar")] == []


def test_a_folder_that_shards_may_not_have_is_told_before_the_work(prepare, shards, tmp_path):
    put(shards / "thesis.txt", b"mine")
    prepare(code=1)
    assert not (tmp_path / "out").exists()


def test_shards_of_augment_hold_the_copies(granpipe, img, shards, tmp_path):
    granpipe("prepare", img, tmp_path / "out", *SMALL)
    words = ("augment", tmp_path / "out", "--copies", 3, "--shards", shards, "--shard-size", 30)
    assert "8 shards of 180 samples" in granpipe(*words).output
    assert "\n1 shard of 180 samples" in granpipe(*words[:-1], 1000).output
    granpipe(*words)
    originals = {row["source"]: row for row in rows(tmp_path / "out/labels.csv")}
    found = samples(shards)
    assert len(found) == 180
    for key, files in found.items():
        row = json.loads(files["json"])
        assert key == key_of(row["source"], row["sha256"], int(row["copy"]))
        array = load_array(tmp_path / "out", originals[row["source"]])
        assert np.array_equal(make_copy(array, *parameters_of(row)), pixels(files["npy"]))


def test_neighbours_in_a_shard_of_copies_are_of_different_photographs(
    granpipe, img, shards, tmp_path
):
    granpipe("prepare", img, tmp_path / "out", *SMALL)
    granpipe("augment", tmp_path / "out", "--copies", 3, "--shards", shards)
    (shard,) = shards.glob("*.tar")
    keys = [name.partition("-")[0] for name in members(shard) if name.endswith(".cls")]
    assert all(one != other for one, other in pairwise(keys))


def test_names_that_are_hostile_do_no_harm_in_a_shard(granpipe, tmp_path, shards):
    names = ['a"b,c.png', "\u202egnp.png", "line\nbreak.png", "{{7*7}}.png"]
    for number, name in enumerate(names):
        save(tmp_path / f"img/co.rn;/{name}", picture(32, 24, number))
    granpipe("prepare", tmp_path / "img", tmp_path / "out", *SMALL, "--shards", shards)
    found = samples(shards)
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in found)
    sources = {json.loads(files["json"])["source"] for files in found.values()}
    assert sources == {f"co.rn;/{name}" for name in names}


# The readers that people use


@pytest.mark.slow
# It leaves files open.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", ["npy", "png", "jpeg:95"])
def test_webdataset_reads_every_sample_once(prepare, shards, tmp_path, form):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    prepare("--shard-format", form, "--size", 224)
    suffix = {"npy": "npy", "png": "png", "jpeg:95": "jpg"}[form]
    urls = sorted(map(str, shards.glob("*.tar")))
    reader = webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8")
    seen = []
    for array, index, row in reader.to_tuple(suffix, "cls", "json"):
        seen.append(row["source"])
        assert index == int(row["label_index"])
        expected = load_array(tmp_path / "out", row)
        assert psnr(array, expected) > 35 if form == "jpeg:95" else np.array_equal(array, expected)
    assert sorted(seen) == [row["source"] for row in rows(tmp_path / "out/labels.csv")]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["npy", "png", "jpeg:95"])
def test_hugging_face_reads_every_sample_once(prepare, shards, tmp_path, form, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    prepare("--shard-format", form, "--split", "60/20/20")
    suffix = {"npy": "npy", "png": "png", "jpeg:95": "jpg"}[form]
    splits = ("train", "validation", "test")
    files = {split: str(shards / f"{split}-*.tar") for split in splits}
    loaded = datasets.load_dataset(
        "webdataset", data_files=files, cache_dir=str(tmp_path / "cache")
    )
    for split in splits:
        seen = []
        for sample in loaded[split]:
            row = sample["json"]
            assert row["split"] == split
            assert sample["cls"] == int(row["label_index"])
            seen.append(row["source"])
            array, expected = np.asarray(sample[suffix]), load_array(tmp_path / "out", row)
            is_same = psnr(array, expected) > 30 if form == "jpeg:95" else (array == expected).all()
            assert is_same
        table = rows(tmp_path / "out/labels.csv")
        assert sorted(seen) == [row["source"] for row in table if row["split"] == split]
