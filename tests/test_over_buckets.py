"""Folders and buckets alike: the commands over a real S3 server give the same bytes."""

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest

from granpipe import DatasetError, Photographs, letterbox_photo, load_array, read_table

from conftest import picture, put_every_outcome, save, tree

WAYS = ["folder to bucket", "bucket to folder", "bucket to bucket"]
TABLES = {"labels.csv", "rejected.csv", "dataset.json"}


@pytest.fixture(scope="module")
def img(tmp_path_factory) -> Path:
    """Return a folder of photographs with all that can become of one."""
    folder = tmp_path_factory.mktemp("ways") / "img"
    put_every_outcome(folder)
    return folder


@pytest.fixture
def places(request, img, tmp_path, lake):
    """Return source, output and a way to read the output's files, for a way of `WAYS`."""
    source, output = request.param.split(" to ")
    if source == "bucket":
        lake.upload(img, "photos/img")
    out = tmp_path / "out" if output == "folder" else lake.url("sets/out")

    def read(name: str = "out") -> dict[str, bytes]:
        return tree(tmp_path / name) if output == "folder" else lake.tree(f"sets/{name}")

    return lake.url("photos/img") if source == "bucket" else img, out, read


@pytest.fixture(scope="module")
def plain(img):
    """Return where folder and folder were used, by the commands' own process."""
    return img.parent / "plain"


@pytest.mark.parametrize("places", WAYS, indirect=True)
def test_prepare_and_augment_give_the_same_bytes_over_buckets(granpipe, img, plain, places):
    source, out, read = places
    if not plain.exists():
        granpipe("prepare", img, plain, "--preview", plain.with_suffix(".png"))
        granpipe("augment", plain, "--copies", 2, "--preview", f"{plain}-copies.png")
        granpipe("prepare", img, plain, "--shards", f"{plain}-shards", "--shard-size", 4)
    granpipe("prepare", source, out, "--preview", f"{out}-sheets/sheet.png")
    granpipe("augment", out, "--copies", 2, "--preview", f"{out}-sheets/copies.png")
    expected = tree(plain)
    assert {"corn/a.PNG.npy", "augmented/corn/a.PNG.2.npy", *TABLES} <= expected.keys()
    assert b"label_conflict" in expected["rejected.csv"]
    assert read() == expected
    # Twice: the second run finds what the first wrote.
    for kept in (0, 2):
        words = ("--shards", f"{out}-shards", "--shard-size", 4)
        assert f"({kept} unchanged" in granpipe("prepare", source, out, *words).output
    assert read("out-shards") == tree(Path(f"{plain}-shards"))
    sheets = (plain.with_suffix(".png"), Path(f"{plain}-copies.png"))
    assert [*read("out-sheets").values()] == [sheet.read_bytes() for sheet in reversed(sheets)]


@pytest.mark.parametrize("places", WAYS, indirect=True)
def test_map_gives_the_same_bytes_over_buckets(granpipe, img, places, tmp_path):
    source, out, read = places
    names = ["map.html", "map.geojson", "map.csv", "map.kml"]
    for here, there in ((img, tmp_path / "plain"), (source, out)):
        outputs = [word for name in names for word in ("-o", f"{there}/{name}")]
        granpipe("map", here, *outputs, "--base-url", "https://host/photos")
    expected = tree(tmp_path / "plain")
    assert expected["map.csv"].count(b",ok,") == 5
    assert b"https://host/photos/" in expected["map.html"]
    assert read() == expected


def read_one(photographs: Photographs, answers: "multiprocessing.Queue[object]") -> None:
    try:
        answers.put(photographs[1][0].tobytes())
    except DatasetError as error:
        answers.put(str(error))


def test_trainers_read_a_bucket_as_a_folder_but_not_when_forked(granpipe, img, tmp_path, lake):
    for out in (tmp_path / "out", lake.url("out")):
        granpipe("prepare", img, out, "--size", 32)
        granpipe("augment", out, "--copies", 2)
    here = Photographs(tmp_path / "out", copies=2)
    for there in (Photographs(lake.url("out"), copies=2), Photographs(lake.url("out/augmented"))):
        assert there.classes == here.classes
        assert np.array_equal(there.labels, here.labels)
        assert np.array_equal(there.batch(range(20))[0], here.batch(range(20))[0])
    row = read_table(f"{lake.url('out')}/augmented/labels.csv")[3]
    assert np.array_equal(load_array(lake.url("out/augmented"), row), here[3][0])
    for method, expected in (("spawn", here[1][0].tobytes()), ("fork", "forked; start workers")):
        context = multiprocessing.get_context(method)
        answers = context.Queue()
        process = context.Process(target=read_one, args=(there, answers))
        process.start()
        assert expected in answers.get(timeout=60)
        process.join()
    granpipe("prepare", img, lake.url("out"), "--size", 40)
    with pytest.raises(DatasetError, match="out of date"):
        load_array(lake.url("out/augmented"), row)
    lake.upload(img, "photos/img")
    from_bucket = letterbox_photo(f"{lake.url('photos/img')}/corn/a-b.jpg")
    assert np.array_equal(from_bucket, letterbox_photo(img / "corn/a-b.jpg"))


def test_labels_and_a_given_split_over_buckets_give_the_bytes_of_folders(granpipe, tmp_path, lake):
    for number in range(8):
        save(tmp_path / f"flat/{number}.png", picture(seed=number))
    shutil.copy(tmp_path / "flat/0.png", tmp_path / "flat/again.png")
    lines = [
        f"{n}.png,{'corn' if n % 2 else 'rye'},{'train' if n < 6 else 'test'}" for n in range(8)
    ]
    table = tmp_path / "survey.csv"
    table.write_text("\n".join(["source,label,split", *lines, "again.png,rye,test"]) + "\n")
    lake.upload(tmp_path / "flat", "photos/flat")
    lake.put("photos/survey.csv", table.read_bytes())
    words = ("--split", "given", "--folds", 2, "--alike", "--size", 32)
    granpipe("prepare", tmp_path / "flat", tmp_path / "here", "--labels", table, *words)
    there = lake.url("sets/there")
    granpipe(
        *("prepare", lake.url("photos/flat"), there),
        *("--labels", lake.url("photos/survey.csv"), *words),
    )
    expected = tree(tmp_path / "here")
    assert b"again.png,test,0.png,train,bytes,0" in expected["leaks.csv"]
    assert {"shortcuts.csv", "alike.csv"} <= expected.keys()
    assert lake.tree("sets/there") == expected
    granpipe("prepare", lake.url("photos/flat"), there)  # by the table as noted
    assert lake.tree("sets/there") == expected
