"""Load on the online path: posts a second, and photographs a second through the whole flow."""

import http.client
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from granpipe.service.events import Event
from granpipe.service.queue import QueueFile

import exif_blocks as eb
from conftest import encoded, picture
from harm import until
from online import Online, form
from slow_clients import send_slowly, strangers

CLIENTS = 16


def post_all(port: int, bodies: Sequence[tuple[bytes, str]], **headers: str) -> list[float]:
    """Post everything over a few lasting connections; return the seconds of each that arrived."""
    turns, seconds = iter(bodies), list[float]()
    lock = threading.Lock()

    def post() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                body, kind = next(turns, (b"", ""))
            if not body:
                return connection.close()
            began = time.perf_counter()
            try:
                connection.request("POST", "/post_image", body, {"Content-Type": kind} | headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            if answer.status == 200:
                seconds.append(time.perf_counter() - began)

    with ThreadPoolExecutor(CLIENTS) as clients:
        [*clients.map(lambda _: post(), range(CLIENTS))]
    return seconds


def bench_slow_clients(port: int, count: int = 600, **headers: str) -> None:
    """Print how posts of 100 kB do beside slow clients, and phones at 15 kB/s beside strangers."""
    number = 0
    for slow in (0, 100, 300):
        bodies = []
        for _ in range(count):
            number += 1
            bodies.append(form(eb.jpeg_at(1.0, number / 100) + bytes(100_000), "corn"))
        with strangers(port, slow):
            began = time.perf_counter()
            seconds = sorted(post_all(port, bodies, **headers))
            took = time.perf_counter() - began
        print(f"  {slow:3} slow clients: {len(seconds)} of {count} posts arrive, ", end="")
        if seconds:
            slowest = 1000 * seconds[int(0.99 * (len(seconds) - 1))]
            print(f"{len(seconds) / took:,.0f} a second, p99 {slowest:.0f} ms, ", end="")
            print(f"at most {1000 * seconds[-1]:.0f} ms", end="")
        print(flush=True)

    def phone(at: int) -> int:
        body, kind = form(eb.jpeg_at(2.0, at) + bytes(300_000), "corn")
        try:
            return send_slowly(port, body, kind, 20.0, **headers)
        except (OSError, IndexError):
            return 0

    for slow in (0, 100):
        with strangers(port, slow), ThreadPoolExecutor(6) as phones:
            arrived = [*phones.map(phone, range(slow, slow + 6))].count(200)
        print(f"  phones at 15 kB/s, {slow:3} slow clients: {arrived} of 6 arrive", flush=True)


def memory_of(pid: int) -> float:
    """Return how many megabytes a process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def cpu_seconds() -> float:
    """Return what all processes took that were started here and have ended."""
    return sum(os.times()[2:4])


def seconds_of(pids: Sequence[int]) -> float:
    """Return the processor's seconds that these running processes took."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(stat[11]) + int(stat[12]) for stat in fields) / os.sysconf("SC_CLK_TCK")


def bench_service(photos: Sequence[Path], folder: Path) -> None:
    """Print what the embedded parts do on this machine."""
    bodies = [form(path.read_bytes() + str(n).encode(), "corn") for n, path in enumerate(photos)]
    count = len(bodies)
    path = Online(folder, {"GRANPIPE_STATE": "state", "GRANPIPE_OPEN": "local"})
    folder.mkdir(parents=True, exist_ok=True)
    try:
        web = path.web()
        servers = [web.pid]
        began, before = time.perf_counter(), seconds_of(servers)
        seconds = sorted(post_all(path.port, bodies))
        assert len(seconds) == count
        took, spent = time.perf_counter() - began, seconds_of(servers) - before
        slowest = 1000 * statistics.quantiles(seconds, n=100)[98]
        print(f"\n{count:,} posts, the web server, {CLIENTS} clients")
        print(f"  {count / took:,.0f} posts/s, 99th percentile {slowest:.0f} ms", end=", ")
        print(f"{1000 * spent / count:.1f} CPU ms a post", flush=True)
        began, before = time.perf_counter(), cpu_seconds()
        worker = path.worker()
        until(lambda: path.arrays() >= count, "the worker", 600)
        flow = count / (time.perf_counter() - began)
        until(lambda: "batch" in worker.log.read_text(), "the log")
        memory = memory_of(worker.pid)
        worker.terminate()
        worker.wait()
        spent = cpu_seconds() - before
        print(
            f"  worker: {flow:,.0f} photographs/s, {spent:.2f} CPU s, {memory:.0f} MB", flush=True
        )
        began, before = time.perf_counter(), cpu_seconds()
        command = [sys.executable, "-m", "granpipe", "prepare", "-q", path.source, folder / "out"]
        subprocess.run(command, check=True, env=os.environ)
        plain = count / (time.perf_counter() - began)
        spent = cpu_seconds() - before
        print(f"  granpipe prepare: {plain:,.0f} photographs/s, {spent:.2f} CPU s", end=", ")
        print(f"ratio {flow / plain:.2f}")
        bench_slow_clients(path.port)
    finally:
        path.close()
    bench_memory_of_worker(folder / "memory", 10 * count)


def bench_memory_of_worker(folder: Path, count: int) -> None:
    """Print what a worker holds while so many events come, of tiny photographs."""
    photo, events = encoded(picture(16, 12), "JPEG"), QueueFile(str(folder / "state"))
    path = Online(folder, {"GRANPIPE_STATE": "state", "GRANPIPE_OPEN": "local"})
    (path.source / "corn").mkdir(parents=True)
    worker, megabytes = path.worker(), list[float]()
    try:
        for number in range(count):
            data = photo + str(number).encode()
            source = f"corn/{sha256(data).hexdigest()}.jpg"
            (path.source / source).write_bytes(data)
            events.publish(Event(source[5:69], source, len(data)))
            if (number + 1) % (count // 5) == 0:
                until(lambda: not events.lag(), "a batch", 600)
                megabytes.append(memory_of(worker.pid))
    finally:
        path.close()
    held = ", ".join(f"{size:.1f}" for size in megabytes)
    print(f"  memory of the worker at each fifth of {count:,} events: {held} MB", flush=True)
