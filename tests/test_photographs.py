"""`granpipe.Photographs`: what trainers take is what the commands wrote, byte for byte."""

import json
import multiprocessing
import pickle
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from granpipe import (
    DatasetError,
    OptionError,
    PhotoError,
    Photographs,
    Ranges,
    augment,
    make_copy,
    parameters_of,
    prepare,
    read_table,
)

from conftest import picture, save

pytestmark = pytest.mark.slow

COUNTS = {"barley": 3, "corn": 9, "wheat": 6}
CODEC = "corn/ü, 1.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Eighteen photographs of three unequal classes, split in `out` and not in `plain`."""
    folder = tmp_path_factory.mktemp("photographs")
    for label, count in COUNTS.items():
        for number in range(count):
            name = CODEC if (label, number) == ("corn", 1) else f"{label}/{number}.png"
            save(folder / "img" / name, picture(90 - 5 * number, 60, 20 * len(label) + number))
    options = {"size": 32, "workers": 1}
    prepare(folder / "img", folder / "out", split="60/20/20", together="burst", **options)
    prepare(folder / "img", folder / "plain", **options)
    return folder


@pytest.fixture(scope="module")
def out(folder) -> Path:
    return folder / "out"


def rows_of(dataset: Path, split: str = "") -> list[dict[str, str]]:
    return [row for row in read_table(dataset / "labels.csv") if split in {"", row["split"]}]


@pytest.mark.parametrize("split", ["train", "validation", "test", "all"])
def test_originals_are_those_of_the_split_in_the_order_of_the_table(out, split):
    table = rows_of(out, "" if split == "all" else split)
    photographs = Photographs(out, split=split)
    assert len(photographs) == len(table) > 0
    for item, row in enumerate(table):
        array, label = photographs[item]
        assert (array.dtype, array.shape, type(label)) == (np.uint8, (32, 32, 3), int)
        assert np.array_equal(array, np.load(out / row["path"]))
        assert label == int(row["label_index"])
        assert photographs.classes[label] == row["label"]
        assert photographs.source(item) == row["source"]


def test_without_a_split_all_is_for_training_and_nothing_else_is_there(folder):
    assert len(Photographs(folder / "plain")) == 18
    with pytest.raises(DatasetError, match="no photographs of the split test; it has none"):
        Photographs(folder / "plain", split="test")


def test_items_batches_and_single_ones_are_the_same(out):
    photographs = Photographs(str(out), split="all", copies=2)
    items = [5, 0, -1, np.int64(7), 5]
    arrays, labels = photographs.batch(items)
    assert (arrays.dtype, arrays.shape) == (np.uint8, (5, 32, 32, 3))
    assert (labels.dtype, labels.shape) == (np.int64, (5,))
    several = photographs.__getitems__(items)
    for item, array, label, (other, index) in zip(items, arrays, labels, several, strict=True):
        single, number = photographs[item]
        assert np.array_equal(array, single) and np.array_equal(other, single)
        assert label == index == number == photographs.labels[item]
    assert np.array_equal(photographs.batch(np.array([3, 4]))[0], photographs.batch([3, 4])[0])
    assert [array.shape for array in photographs.batch([])] == [(0, 32, 32, 3), (0,)]
    assert len(list(photographs)) == len(photographs) == 36
    for wrong in (36, -37):
        with pytest.raises(IndexError, match="none of 36 items"):
            photographs[wrong]
        with pytest.raises(IndexError, match="none of 36 items"):
            photographs.batch([0, wrong])


def test_an_array_belongs_to_the_caller(out):
    photographs = Photographs(out)
    before, _ = photographs[0]
    photographs[0][0][:] = 0
    assert np.array_equal(photographs[0][0], before) and before.any()


@pytest.mark.parametrize("ranges", [Ranges(), Ranges(flip_vertical=0.5, rotate=90, crop=0.3)])
@pytest.mark.parametrize("seed", [0, 7])
def test_copies_are_those_of_augment_epoch_by_epoch(folder, out, tmp_path, seed, ranges):
    augment(out, 6, output=tmp_path / "copies", seed=seed, ranges=ranges, workers=1)
    written = {(row["source"], int(row["copy"])): row for row in rows_of(tmp_path / "copies")}
    photographs = Photographs(out, copies=2, seed=seed, ranges=ranges)
    sources = [row["source"] for row in rows_of(out, "train")]
    assert len(photographs) == 2 * len(sources)
    seen = set()
    for epoch in range(3):
        photographs.epoch = epoch
        for item in range(len(photographs)):
            row = written[sources[item // 2], 2 * epoch + item % 2 + 1]
            expected = np.load(tmp_path / "copies" / row["path"])
            array, label = photographs[item]
            assert np.array_equal(array, expected)
            assert label == int(row["label_index"])
            original = np.load(out / f"{row['source']}.npy")
            assert np.array_equal(make_copy(original, *parameters_of(row)), array)
            seen.add(row["path"])
    assert len(seen) == len(written)


def test_copies_on_disk_are_read_until_they_are_out_of_date(folder, tmp_path):
    prepare(folder / "img", tmp_path / "out", size=32, workers=1)
    augment(tmp_path / "out", 2, workers=1)
    made = Photographs(tmp_path / "out", copies=2)
    read = Photographs(tmp_path / "out/augmented")
    assert len(made) == len(read) == 36
    assert np.array_equal(made.batch(range(36))[0], read.batch(range(36))[0])
    assert np.array_equal(made.labels, read.labels)
    with pytest.raises(DatasetError, match="augmented set itself"):
        Photographs(tmp_path / "out/augmented", copies=1)
    prepare(folder / "img", tmp_path / "out", size=32, fill="#fff", workers=1)
    with pytest.raises(DatasetError, match="out of date; run granpipe prepare, or augment"):
        Photographs(tmp_path / "out/augmented")


def test_weights_draw_every_class_alike(out):
    for copies in (0, 3):
        photographs = Photographs(out, split="all", copies=copies)
        weights, labels = photographs.weights(), photographs.labels
        assert len(weights) == len(photographs)
        assert weights.mean() == pytest.approx(1)
        sums = [weights[labels == label].sum() for label in range(3)]
        assert sums == pytest.approx([len(photographs) / 3] * 3)


def test_mean_and_std_are_those_of_dataset_json(out):
    summary = json.loads((out / "dataset.json").read_text())
    photographs = Photographs(out, split="test")
    assert photographs.mean.dtype == photographs.std.dtype == np.float32
    assert photographs.mean == pytest.approx(summary["mean"])
    assert photographs.std == pytest.approx(summary["std"])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_the_same(out, method):
    photographs = Photographs(out, copies=2)
    with multiprocessing.get_context(method).Pool(2) as pool:
        items = range(len(photographs))
        for item, (array, label) in zip(
            items, pool.map(photographs.__getitem__, items), strict=True
        ):
            assert np.array_equal(array, photographs[item][0])
            assert label == photographs[item][1]


def test_it_is_small_and_quick_to_hand_on(folder, tmp_path):
    """With 100,000 rows: a list of dicts took over a kilobyte each."""
    rows = 100_000
    header, *lines = (folder / "plain/labels.csv").read_text().splitlines()
    table = [line.replace("0.png", f"{n:07}.png") for n in range(rows // 18 + 1) for line in lines]
    (tmp_path / "labels.csv").write_text("\n".join([header, *table[:rows], ""]))
    summary = json.loads((folder / "plain/dataset.json").read_text()) | {"prepared": rows}
    (tmp_path / "dataset.json").write_text(json.dumps(summary))
    tracemalloc.start()
    photographs = Photographs(tmp_path)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(photographs) == rows
    assert held < 60 * rows and peak < 120 * rows
    assert len(pickle.dumps(photographs)) < 60 * rows
    assert len(repr(photographs)) < 300


def wrong_arguments() -> list[tuple[dict, str]]:
    return [
        ({"split": "valid"}, "split: 'valid' is not one of train, validation, test, all"),
        ({"split": None}, "split: None is not one of"),
        ({"copies": -1}, "copies: -1 is not a whole number between 0 and 1,000,000"),
        ({"epoch": -1}, "epoch: -1 is not a whole number of at least 0"),
        ({"seed": "x"}, "seed: 'x' is not a whole number"),
        ({"ranges": {"rotate": 5}}, "ranges: "),
        ({"dataset": ""}, "dataset: the name is empty"),
    ]


@pytest.mark.parametrize(("wrong", "words"), wrong_arguments(), ids=str)
def test_wrong_arguments_are_refused_in_words(out, wrong, words):
    with pytest.raises(OptionError) as caught:
        Photographs(**{"dataset": out} | wrong)
    assert str(caught.value).startswith(words)


@pytest.fixture
def dataset(folder, tmp_path) -> Path:
    prepare(folder / "img", tmp_path / "out", size=32, workers=1)
    return tmp_path / "out"


def test_a_dataset_that_is_not_whole_is_refused(dataset, tmp_path):
    load = partial(Photographs, dataset)
    table = (dataset / "labels.csv").read_bytes()
    summary = (dataset / "dataset.json").read_text()
    for damaged in (table[:-200], b"", table.replace(b"label_index", b"index"), b"\xff" + table):
        (dataset / "labels.csv").write_bytes(damaged)
        with pytest.raises(DatasetError, match="labels.csv: damaged .* run granpipe prepare again"):
            load()
    (dataset / "labels.csv").write_bytes(table.replace(b"corn/0.png.npy", b"../../x.npy"))
    with pytest.raises(DatasetError, match="damaged .path is"):
        load()
    (dataset / "labels.csv").unlink()
    with pytest.raises(DatasetError, match="no labels.csv"):
        load()
    (dataset / "labels.csv").write_bytes(table)
    (dataset / "dataset.json").write_text(summary.replace('"wheat": 6', '"wheat2": 6, "x": 0'))
    assert load().classes == ["barley", "corn", "wheat2", "x"]
    (dataset / "dataset.json").write_text(summary.replace(',\n    "wheat": 6', ""))
    with pytest.raises(DatasetError, match="classes that dataset.json has not"):
        load()
    (dataset / "dataset.json").unlink()
    for missing in (dataset, tmp_path / "nowhere"):
        with pytest.raises(DatasetError, match="no finished dataset"):
            Photographs(missing)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda file: file.unlink(), "cannot be read: No such file"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1]), "has 3,199 bytes"),
        (lambda file: file.write_bytes(file.read_bytes() + b"x"), "has 3,201 bytes"),
        (lambda file: np.save(file, np.zeros((16, 16, 3), np.uint8)), "(32, 32, 3)"),
        (lambda file: np.save(file, np.zeros((32, 32, 3), np.float32)), "(32, 32, 3)"),
    ],
    ids=["missing", "cut", "longer", "small", "float"],
)
def test_a_damaged_array_is_named(dataset, damage, why):
    photographs = Photographs(dataset)
    item = [photographs.source(item) for item in range(18)].index(CODEC)
    damage(dataset / f"{CODEC}.npy")
    for read in (lambda: photographs[item], lambda: photographs.batch([0, item])):
        with pytest.raises(PhotoError, match=f"^unreadable: {CODEC}.npy: ") as caught:
            read()
        assert why in caught.value.detail
    assert photographs[item - 1][0].any()


def test_torch_loads_batches_in_this_process_and_in_others(out):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    photographs = Photographs(out, copies=2, epoch=1)
    arrays, labels = photographs.batch(range(len(photographs)))
    for how in ({}, {"num_workers": 2}, {"num_workers": 1, "multiprocessing_context": "spawn"}):
        loader = torch.utils.data.DataLoader(photographs, batch_size=4, **how)
        batches = list(loader)
        assert np.array_equal(torch.cat([images for images, _ in batches]).numpy(), arrays)
        assert torch.cat([index for _, index in batches]).numpy().tolist() == labels.tolist()
    sampler = torch.utils.data.WeightedRandomSampler(photographs.weights(), 40)
    drawn = torch.utils.data.DataLoader(photographs, batch_size=10, sampler=sampler)
    assert sum(len(index) for _, index in drawn) == 40
