"""The memory of a run grows by no more than a small row for each photograph."""

import sys

import pytest

from bench_spark import measured

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the most memory")
MOST = 250  # MB of 300,000 photographs
MANY, MORE = 30_000, 60_000


@pytest.mark.parametrize("words", [(), ("pack", "1000")], ids=["files", "packs"])
def test_300_000_photographs_will_fit(tmp_path, words):
    def taken(count: int) -> float:
        return measured(count, f"{tmp_path}/{count}", *words)[1]

    runs = 1 if words else 2  # the second one finds nothing to do
    for _ in range(runs):
        some, more = taken(MANY), taken(MORE)
        growth = (more - some) / (MORE - MANY)
        assert 0 < growth < (MOST - more) / (300_000 - MORE)
