"""The memory of a run grows by no more than a small row for each photograph."""

import sys

import pytest

from bench_spark import measured

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the most memory"),
]
COUNT = 40_000
# With 700 bytes for each further photograph, 300,000 of them take 250 MB.
MOST = 64


@pytest.mark.parametrize("words", [(), ("pack", "1000")], ids=["files", "packs"])
def test_300_000_photographs_will_fit(tmp_path, words):
    _, first = measured(COUNT, str(tmp_path / "out"), *words)
    assert 0 < first < MOST
    if not words:
        _, second = measured(COUNT, str(tmp_path / "out"))
        assert 0 < second < MOST
