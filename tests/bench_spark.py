"""Measure the engine of Spark beside the local one, and the memory of a driver."""

import os
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

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
            runs = time_runs(command, environment, cluster, server)
            first, *others = (seconds for seconds, _ in runs)
            taken[name] = min(others)
            cpu = dict(runs)[taken[name]]
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
        runs, before = [], cpu_seconds(cluster, server)
        for line in driver.stdout:
            now = cpu_seconds(cluster, server)
            runs.append((float(line), now - before))
            before = now
            print(file=driver.stdin, flush=True)
    assert driver.returncode == 0
    return runs


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
