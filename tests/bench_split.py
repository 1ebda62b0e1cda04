"""Measure the steps of `prepare --split` on photographs without pixels."""

import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np

from granpipe.dataset.dealing import NOWHERE, Groups, deal
from granpipe.dataset.grouping_input import Facts, GroupingInput
from granpipe.dataset.groups import Grouping
from granpipe.dataset.label_table import LabelTable
from granpipe.dataset.leaks import find_leaks
from granpipe.dataset.shares import Folds, Shares, parse_shares
from granpipe.dataset.together import parse_together
from granpipe.photo.likeness import BYTES, WINDOWS

from bench_rounds import Bench, cpu_seconds


def bench_split(bench: Bench) -> None:
    """Print the time and memory of each step, for ten and for a hundred thousand."""
    for count in (10_000, 100_000):
        print_steps(bench.count(count))
    print_given(bench.count(300_000))


def print_steps(count: int) -> None:
    """Print the seconds and the memory of each step for so many photographs."""
    photos = draw_facts(count)
    rules = ("likeness", "place", "burst")
    steps = {f"{rule}: groups": partial(firsts_of, photos, rule) for rule in rules}
    groups = firsts_of(photos, "place")
    steps["split assigned"] = partial(deal_all, groups, parse_shares("80/10/10"))
    print_all(f"split {count:,} records", steps)


def print_given(count: int) -> None:
    """Print the same of what a data set that was given asks for."""
    photos = draw_facts(count)
    given = np.random.default_rng(1).choice(3, count, p=[0.8, 0.1, 0.1])
    steps: dict[str, Callable[[], object]] = {
        f"{rule}: leaks": partial(count_leaks, photos, rule, given)
        for rule in ("likeness", "place", "burst")
    }
    steps["folds assigned"] = partial(deal_all, firsts_of(photos, "place"), Folds(5))
    steps["a table of labels, read"] = partial(read_table_of, count)
    print_all(f"a data set of {count:,} that was given", steps)


def print_all(title: str, steps: Mapping[str, Callable[[], object]]) -> None:
    """Print what each step takes."""
    print(f"\n{title:<46}{'seconds':>8}{'CPU s':>8}{'peak of arrays':>19}")
    for name, step in steps.items():
        start, cpu_start = time.perf_counter(), sum(cpu_seconds())
        step()
        seconds, cpu = time.perf_counter() - start, sum(cpu_seconds()) - cpu_start
        print(f"  {name:<44}{seconds:>8.3f}{cpu:>8.3f}{peak_of(step):>16,.0f} MB", flush=True)


def read_table_of(count: int) -> None:
    """Read a table with the labels of so many photographs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.csv")
        with path.open("w") as file:
            file.write("source,label,latitude,longitude\n")
            file.writelines(f"IMG_{n:07}.jpg,crop {n % 7},48.5,{n % 90}\n" for n in range(count))
        for _ in LabelTable(str(path)).rows():
            pass


def firsts_of(photos: GroupingInput, rule: str) -> np.ndarray:
    """Return the first photograph of the group of each."""
    return Grouping(photos, parse_together(rule)).firsts()


def count_leaks(photos: GroupingInput, rule: str, given: np.ndarray) -> int:
    return sum(len(pairs) for pairs, _ in find_leaks(photos, parse_together(rule), given))


def deal_all(firsts: np.ndarray, shares: Shares | Folds) -> None:
    """Deal groups, each of one of seven classes."""
    names, group = np.unique(firsts, return_inverse=True)
    former = np.full(len(group), NOWHERE)
    deal(Groups.of(group, group % 7, former), map("g{:016x}".format, names), shares, 0)


def peak_of(step: Callable[[], object]) -> float:
    """Return how many megabytes a step takes beyond what is there before."""
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def draw_facts(count: int) -> GroupingInput:
    """Return what prepare knows of photographs in fields of fifty, one of fifty a copy."""
    rng = np.random.default_rng(0)
    wholes = rng.integers(0, 256, (count, BYTES), np.uint8)
    copies = np.arange(count // 50) * 50 + 1
    wholes[copies] = noisy(wholes[copies - 1], 0.05, rng)
    windows = [noisy(wholes, 0.12 + 0.08 * (n >= 9), rng) for n in range(WINDOWS)]
    looks = np.stack([wholes, *windows], axis=1)
    fields = np.repeat(rng.uniform(-60, 60, (-(-count // 50), 2)), 50, axis=0)[:count]
    places = np.round(fields + rng.normal(0, 5e-4, (count, 2)), 6)
    places[rng.random(count) < 0.2] = np.nan
    digests = [sha256(str(number).encode()).hexdigest() for number in range(count)]
    by_digest = sorted(range(count), key=digests.__getitem__)
    photos = (
        Facts(
            place,
            f"crop {number // 50 % 7}/{number:07}.jpg",
            digests[number],
            *places[number].tolist(),
            f"2024-06-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00",
            f"Phone {number // 50 % 40}",
        )
        for place, number in enumerate(by_digest)
    )
    return GroupingInput.of(photos, [looks[number].tobytes() for number in by_digest], 1, count)


def noisy(hashes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return hashes with so many of their bits turned around."""
    return hashes ^ np.packbits(rng.random((len(hashes), 8 * BYTES)) < share, axis=1)
