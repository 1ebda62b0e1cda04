"""Measure the engine of Spark beside the local one, and the memory of a driver."""

import base64
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import pytest

from granpipe.jobs import prepare as job
from granpipe.jobs.packing import CopyRows
from granpipe.jobs.prepare_photo import Outcome
from granpipe.photo.likeness import BYTES, WINDOWS
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Entry, Held

import buckets
import clusters

# A session starts once; the first run warms it up, and is not counted.
DRIVER = """
import json, sys, time
from granpipe.commands.group import cli
engine, source, *outs = sys.argv[1:]
for out in outs:
    start = time.perf_counter()
    try:
        words = ["--workers", "2"] * (engine == "local")
        cli(["prepare", source, out, "-q", "--engine", engine, *words])
    except SystemExit as end:
        assert not end.code
    print(json.dumps(time.perf_counter() - start), flush=True)
    input()  # while it is looked at
"""


def bench_spark(photos: Path, folder: Path) -> None:
    """Prepare the same photographs from S3 to S3 by two processes, one executor and two."""
    try:
        clusters.skip_without_spark()
        server = buckets.start_server(folder / "server")
    except pytest.skip.Exception as cause:
        print(f"\nSpark: left out, {cause}")
        return
    cluster = clusters.Cluster(folder / "cluster", buckets.variables(server.endpoint))
    try:
        cluster.start()
        lake = server.make_bucket()
        lake.upload(photos, "img")
        count = len(lake.objects("img"))
        title = f"prepare {count:,} photographs from S3 to S3"
        print(f"\n{title:<46}{'start':>8}{'seconds':>9}   CPU s of workers, driver, server")
        taken: dict[str, float] = {}
        for name, engine, cores in RUNS:
            environment = cluster.driver(spark__cores__max=cores)
            outs = [lake.url(f"{name}/{number}") for number in range(3)]
            command = [sys.executable, "-c", DRIVER, engine, lake.url("img"), *outs]
            told = time_runs(command, environment, cluster, server)
            first, *others = (seconds for seconds, _ in told)
            taken[name] = min(others)
            cpu = dict(told)[taken[name]]
            print(f"  {name:<44}{first - taken[name]:>8.1f}{taken[name]:>9.1f}", end="")
            print(f"{cpu['workers']:>20.1f}{cpu['driver']:>8.1f}{cpu['server']:>8.1f}", flush=True)
        local, two, one = taken.values()
        load = os.getloadavg()[0]
        print(f"  Spark takes {two / local:.2f} times as long as the local engine, and two workers")
        print(f"  are {one / two:.2f} times as fast as one; {load:.1f} processes wanted the cores")
    finally:
        cluster.stop()
        server.kill()


def time_runs(
    command: list[str], environment: dict[str, str], cluster: Any, server: Any
) -> list[tuple[float, Counter[str]]]:
    """Return for each run its seconds, and the CPU seconds that it took of whom."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as driver:
        told, before = [], cpu_seconds(cluster, server)
        for line in driver.stdout:
            now = cpu_seconds(cluster, server)
            told.append((float(line), now - before))
            before = now
            print(file=driver.stdin, flush=True)
    assert driver.returncode == 0
    return told


def cpu_seconds(cluster: Any, server: Any) -> Counter[str]:
    """Return what Spark, its driver and the server have had, with their ended children."""
    seconds: Counter[str] = Counter()
    for pid in [server.process.pid, *cluster.pids("")]:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            own, children = (sum(map(int, stat[n : n + 2])) / TICKS for n in (11, 13))
            is_driver = b"SparkSubmit" in words or b"granpipe.commands" in words
            who = "driver" if is_driver else "workers"
            seconds["server" if pid == server.process.pid else who] += own
            seconds["workers"] += children
    return seconds


ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
RUNS = [
    ("local engine, two processes", "local", "2"),
    ("Spark, two workers of one core", "spark", "2"),
    ("Spark, one of them", "spark", "1"),
]


class Source(Folder):
    """Photographs that are nowhere."""

    count = 0

    def list(self, folder: str = "", *, deep: bool = True) -> Iterator[Entry]:
        for number in range(self.count):
            yield Entry(source(number), 100_000 + number, digest(number)[:32])


class Target(Folder):
    """A dataset whose arrays and packs are nowhere."""

    made = 0
    packs: ClassVar[set[str]] = set()

    def move(self, path: str, target: str) -> str:
        self.packs.add(target)
        return target

    def list(self, folder: str = "", *, deep: bool = True) -> Iterator[Entry]:
        if not folder:
            yield from (Entry(pack, 1, pack) for pack in sorted(self.packs))
        if not folder.startswith("crop"):
            yield from super().list(folder, deep=deep)
            return
        for number in range(Target.made):
            if source(number).startswith(f"{folder}/"):
                yield Entry(f"{source(number)}.npy", 150_656, digest(number)[32:])

    @contextmanager
    def hold(self, folder: str, say: Any) -> Iterator[Held]:
        yield Held(self, lambda: None, lambda: None)


class Engine:
    """Tells of arrays without a pixel."""

    def open(self, url: str) -> Folder:
        return Source("nowhere") if url == "nowhere" else Target(url)

    def run(self, function: Any, items: Any, place: object) -> Iterator[Outcome]:
        if isinstance(function, CopyRows):
            yield from (([], "") for _ in items)
            return
        for item in items:
            number = int(item.photo.path[-11:-4])
            whole = record(function.settings, number) | {"version": item.photo.version}
            whole |= {"look": look(number)} if function.looks else {}
            whole |= {"place": item.slot} if item.slot else {}
            Target.made += not item.slot
            yield Outcome(whole["sha256"], json.dumps(whole, separators=(",", ":")), False)


def source(number: int) -> str:
    return f"crop {number // 50 % 7}/IMG_{number:07}.jpg"


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def record(settings: Any, number: int) -> dict[str, Any]:
    sums = {"sum": [4_412_312] * 3, "sum_of_squares": [612_341_234] * 3}
    row, column = divmod(number // 5, 1_000)  # five photographs a field, a kilometre apart
    place = {"latitude": 40.000001 + row / 100, "longitude": 8.000001 + column / 64}
    place |= {"altitude": 500.0}
    moment = {"taken_at": "2024-06-01T10:30:00", "utc_offset": "+02:00", "camera": "Drawn Phone 1"}
    size = {"width": 4000, "height": 3000, "left": 0, "top": 28, "right": 224, "bottom": 196}
    known = {"recipe": settings.recipe, "max_memory": settings.max_memory, "flags": ""}
    arrays = {"array_sha256": digest(number), "array_version": digest(number)[32:]}
    return known | size | place | moment | sums | arrays | {"sha256": digest(number)}


def look(number: int) -> str:
    """Return hashes of a photograph that is like no other, as a record has them."""
    bits = hashlib.shake_256(str(number).encode()).digest((1 + WINDOWS) * BYTES)
    return base64.b64encode(bits).decode()


class NoMoments:
    """Means of no pixel."""

    def add(self, *words: object) -> None:
        """Take nothing in."""

    def mean(self) -> list[float]:
        return [0.5] * 3

    std = mean


def bench_memory(count: int) -> None:
    """Print what a driver takes for so many photographs, in first runs and in one after those."""
    print(f"\n{f'prepare {count:,} records, no pixels':<46}{'CPU s':>8}{'memory':>19}")
    with tempfile.TemporaryDirectory() as name:
        for number, (what, words) in enumerate(MEMORY):
            out = f"{name}/{number if words else 'out'}"
            seconds, taken = measured(count, out, *words)
            print(f"  {what:<44}{seconds:>8.1f}{taken:>16,.0f} MB", flush=True)


def measured(count: int, out: str, *words: str) -> tuple[float, float]:
    """Return the CPU seconds and megabytes of a run in a process of its own."""
    command = [sys.executable, __file__, str(count), out, *words]
    told = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    seconds, taken = map(float, told.stdout.split())
    return seconds, taken


MEMORY: list[tuple[str, list[str]]] = [
    ("first run", []),
    ("second run, nothing changed", []),
    ("first run with --pack 1000", ["pack", "1000"]),
    ("first run with --split, by place", ["split", "80/10/10", "together", "place:200,burst"]),
    ("first run with --split, by likeness, too", ["split", "80/10/10"]),
]


def measure(count: int, out: str, *words: str) -> None:
    """Prepare, and print seconds and megabytes beyond those of the interpreter."""
    options: dict[str, Any] = dict(zip(words[::2], words[1::2], strict=True))
    options |= {"pack": int(options["pack"])} if "pack" in options else {}
    Source.count = count
    Target.made = count if Path(out).exists() else 0
    before = peak()
    start = time.process_time()
    with (
        mock.patch.object(job, "choose", lambda *words: Engine()),
        mock.patch("granpipe.jobs.prepare_tables.Moments", NoMoments),
    ):
        job.prepare("nowhere", out, **options)
    print(time.process_time() - start, peak() - before)


def peak() -> float:
    """Return the most memory that this process has had, in megabytes."""
    try:
        told = Path("/proc/self/status").read_text()
    except OSError:
        # Of a process that was started by a larger one, this may be what that one had.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return int(told.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    measure(int(sys.argv[1]), *sys.argv[2:])
