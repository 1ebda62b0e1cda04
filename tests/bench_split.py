"""Measure the steps of `prepare --split` on photographs without pixels."""

import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from hashlib import sha256

import numpy as np

from granpipe.dataset.dealing import Member, deal
from granpipe.dataset.grouping_input import Facts, GroupingInput
from granpipe.dataset.groups import Grouping, Groups
from granpipe.dataset.names import label_of
from granpipe.dataset.sides import parse_shares
from granpipe.dataset.together import Together, parse_together
from granpipe.photo.likeness import BYTES, WINDOWS

from bench_rounds import Bench, cpu_seconds


def bench_split(bench: Bench) -> None:
    """Print the time and memory of each step, for ten and for a hundred thousand."""
    for count in (10_000, 100_000):
        print_steps(bench.count(count))


def print_steps(count: int) -> None:
    """Print the seconds and the memory of each step for so many photographs."""
    photos = draw_facts(count)
    rules = ("likeness", "place", "burst")
    steps = {f"{rule}: groups": partial(groups_of, photos, parse_together(rule)) for rule in rules}
    groups = groups_of(photos, parse_together("place")).names
    members = [Member(label_of(photo.source), groups[photo.source]) for photo in photos]
    steps["sides dealt"] = partial(deal, members, parse_shares("80/10/10"), 0)
    print(f"\n{f'split {count:,} records':<46}{'seconds':>8}{'CPU s':>8}{'peak of arrays':>19}")
    for name, step in steps.items():
        start, cpu_start = time.perf_counter(), sum(cpu_seconds())
        step()
        seconds, cpu = time.perf_counter() - start, sum(cpu_seconds()) - cpu_start
        print(f"  {name:<44}{seconds:>8.3f}{cpu:>8.3f}{peak_of(step):>16,.0f} MB", flush=True)


def groups_of(photos: GroupingInput, together: Together) -> Groups:
    return Grouping(photos, together).groups()


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
    photos = (
        Facts(
            f"crop {number // 50 % 7}/{number:07}.jpg",
            sha256(str(number).encode()).hexdigest(),
            *places[number].tolist(),
            f"2024-06-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00",
            f"Phone {number // 50 % 40}",
        )
        for number in range(count)
    )
    return GroupingInput.of(photos, [look.tobytes() for look in looks])


def noisy(hashes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return hashes with so many of their bits turned around."""
    return hashes ^ np.packbits(rng.random((len(hashes), 8 * BYTES)) < share, axis=1)
