"""Measure how fast arrays are read for training, in one process, in a shuffled order."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from granpipe import Photographs, load_array, read_table

from bench_photos import SMALL
from bench_rounds import Bench, Contender, granpipe

PASSES, BATCH = 10, 64


def bench_photographs(bench: Bench) -> None:
    """Print a table of arrays, and of copies that are made when asked for."""
    dataset = bench.new_folder()
    granpipe("prepare", SMALL.draw(bench), dataset)
    rows = read_table(dataset / "labels.csv")
    order = np.random.default_rng(0).permutation(len(rows))
    mapped = memory_map(bench.new_folder() / "all.npy", dataset, rows)
    photographs = Photographs(dataset)
    ways: dict[str, Callable[[], object]] = {
        "granpipe.Photographs, batches of 64": partial(each, photographs.batch, batches(order)),
        "granpipe.Photographs, one by one": partial(each, photographs.__getitem__, order),
        "granpipe.load_array": partial(each, lambda item: load_array(dataset, rows[item]), order),
        "np.load, to float32": partial(each, lambda item: as_float(dataset, rows[item]), order),
        "one open memory map, batches of 64": partial(each, mapped.__getitem__, batches(order)),
    }
    count = PASSES * len(rows)
    contenders = [Contender(name, partial(passes, way), count) for name, way in ways.items()]
    bench.compete(f"read {len(rows):,} arrays, {PASSES} times", contenders)
    copied = Photographs(dataset, copies=1)
    drawn = Contender(
        "granpipe.Photographs", lambda _: each(copied.batch, batches(order)), len(rows)
    )
    bench.compete(f"read {len(rows):,} arrays and make a copy of each", [drawn])


def memory_map(path: Path, dataset: Path, rows: Sequence[dict[str, str]]) -> np.ndarray:
    """Return all arrays as one file that stays open."""
    np.save(path, np.stack([load_array(dataset, row) for row in rows]))
    return np.load(path, mmap_mode="r")


def batches(order: np.ndarray) -> list[np.ndarray]:
    return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]


def each(read: Callable[[object], object], items: Iterable[object]) -> None:
    """Read items one after another, and keep none."""
    for item in items:
        read(item)


def as_float(dataset: Path, row: dict[str, str]) -> np.ndarray:
    """Return an array as a data set of ten lines does."""
    return np.load(dataset / row["path"]).transpose(2, 0, 1).astype(np.float32) / 255


def passes(way: Callable[[], object], _: Path) -> None:
    for _ in range(PASSES):
        way()
