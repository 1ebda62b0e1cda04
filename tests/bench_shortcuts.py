"""Measure how long shortcuts.csv takes, for records without pixels.

`python tests/bench_shortcuts.py COUNT SIZE` judges so many photographs in groups of this size, and
prints CPU seconds and the megabytes beyond those of the interpreter with the records in the index.
"""

import subprocess
import sys
import time
from collections.abc import Iterator

from granpipe.dataset.index import Index
from granpipe.dataset.record import Record
from granpipe.jobs.find_shortcuts import find_rows

from bench_memory import ROOT, digest, peak, position, source, traces
from bench_rounds import Bench

SUMS = ("red", "green", "blue")


def bench_shortcuts(bench: Bench) -> None:
    """Print seconds and megabytes for photographs alone, and for groups of five and fifty."""
    count = bench.count(300_000)
    print(f"\n{f'shortcuts.csv, {count:,} records':<46}{'CPU s':>8}{'memory':>19}")
    for size in (1, 5, 50):
        arguments = [sys.executable, __file__, str(count), str(size)]
        done = subprocess.run(arguments, capture_output=True, check=True, cwd=ROOT)
        seconds, taken = map(float, done.stdout.split())
        print(f"  {f'groups of {size}':<44}{seconds:>8.1f}{taken:>16,.0f} MB", flush=True)


def index_of(count: int, size: int) -> Index:
    """Return an index with the records of so many photographs, in groups of this size."""
    index = Index(Record)
    index.create(
        """CREATE TABLE split (name TEXT PRIMARY KEY, grp TEXT, split TEXT) WITHOUT ROWID;
        CREATE TABLE given (photo TEXT PRIMARY KEY, taken_at TEXT) WITHOUT ROWID;
        CREATE VIEW positions AS SELECT name, latitude, longitude FROM records;"""
    )
    for number in range(count):
        index.put(source(number), record(number), "")
    groups = ((source(n), f"g{digest(n // size)[:16]}", "train") for n in range(count))
    index.load("INSERT INTO split VALUES (?, ?, ?)", groups)
    return index


def record(number: int) -> Record:
    lat, lon = position(number)
    noise = bytes.fromhex(digest(number))
    texts = dict.fromkeys(("recipe", "version", "array_version", "utc_offset", "flags"), "")
    sides = {"left": 0, "top": 28, "right": 224, "bottom": 196, "width": 4000, "height": 3000}
    sums = {colour: 4_412_312 + 4_096 * noise[at] for at, colour in enumerate(SUMS)}
    squares = {f"{colour}_squares": 612_341_234 for colour in SUMS}
    taken_at = f"2024-{1 + noise[3] % 12:02}-{1 + noise[4] % 28:02}T{noise[5] % 24:02}:30:00"
    return Record(
        **texts,
        **sides,
        **sums,
        **squares,
        **traces(number),
        sha256=digest(number),
        array_sha256=digest(number),
        max_memory=0,
        latitude=lat,
        longitude=lon,
        altitude=None,
        taken_at=taken_at,
        utc_offset_from="",
        camera=f"Drawn Phone {noise[6] % 20}",
    )


def measure(count: int, size: int) -> Iterator[float]:
    """Yield the CPU seconds, and the megabytes."""
    index = index_of(count, size)
    before, start = peak(), time.process_time()
    find_rows(index)
    yield time.process_time() - start
    yield peak() - before


if __name__ == "__main__":
    print(*measure(int(sys.argv[1]), int(sys.argv[2])))
