"""What the speed table says follows from what ran: folders, ratios, fidelity."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("resource", reason="CPU seconds are read from a module of Unix")

from bench_fidelity import References
from bench_photos import Kind, photographs_of
from bench_pooled import letterbox
from bench_rounds import Bench, Contender, Turn


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path, quick=False)


def contender(items: int, *seconds: float) -> Contender:
    turns = [Turn(clock, clock, 2 * clock, Path(), None) for clock in seconds]
    return Contender("drawn", None, items, turns)


def test_every_turn_writes_into_an_empty_folder_of_a_new_name(bench):
    contents = []
    runs = [Contender(name, lambda out: contents.append([*out.iterdir()]), 1) for name in "ab"]
    bench.compete("folders", runs, rounds=3)
    assert contents == 6 * [[]]
    assert len({turn.folder for run in runs for turn in run.turns}) == 6


def test_a_ratio_is_taken_for_each_item_within_a_round():
    first, other = contender(10, 1, 2, 4), contender(5, 1, 1, 1)
    assert other.ratios(first, "seconds") == [2, 1, 0.5]
    assert other.ratios(first, "cpu") == [2, 1, 0.5]
    assert first.median("cpu") == 6


def test_the_fidelity_of_turned_pictures_is_low_and_missing_ones_are_noticed(bench):
    paths = photographs_of(photos := Kind(8, 640, 480).draw(bench))
    run = Contender("Pillow", lambda out: [letterbox("pillow", photos, out, p) for p in paths], 8)
    run.take_turn(out := bench.new_folder())
    references = References.of(paths)
    assert min(map(float, references.fidelity(run).split("/"))) > 38
    for path in out.rglob("*.npy"):
        np.save(path, np.load(path)[::-1])
    assert max(map(float, references.fidelity(run).split("/"))) < 30
    path.unlink()
    with pytest.raises(AssertionError, match="wrote 7 pictures"):
        references.fidelity(run)
