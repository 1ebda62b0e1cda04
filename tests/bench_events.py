"""Events a second with one, two and three workers on Apache Kafka, and how long one event takes."""

import statistics
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest

from granpipe.service.events import Event
from granpipe.service.kafka import KafkaEvents

from brokers import events_waiting, settings_of
from harm import until
from kafkas import Broker, Topics
from online import Online

PARTITIONS = 6
POSTS = 20


def bench_events(photos: Sequence[Path], folder: Path) -> None:
    """Print what this machine does."""
    broker = Broker(folder / "broker")
    try:
        broker.format()
        broker.start()
        broker.wait()
        print(f"\n{len(photos):,} events on {PARTITIONS} partitions of Apache Kafka")
        for count in (1, 2, 3):
            bench_workers(photos, folder / str(count), broker, count)
    except pytest.skip.Exception as error:
        print(f"\nevents: {error}")
    finally:
        broker.kill()


def bench_workers(photos: Sequence[Path], folder: Path, broker: Broker, count: int) -> None:
    topics = Topics(broker, f"bench-{count}")
    topics.make(PARTITIONS)
    folder.mkdir()
    path = Online(folder, topics.variables | {"GRANPIPE_OPEN": "local"})
    queue = KafkaEvents(settings_of(topics.variables))
    try:
        workers = [path.worker() for _ in range(count)]
        one = [
            seconds_of(path, queue, photo, number) for number, photo in enumerate(photos[:POSTS])
        ]
        began = time.perf_counter()
        for number, photo in enumerate(photos):  # as the intake does, or a sweep would find them
            queue.publish(put(path, photo, POSTS + number))
        until(lambda: not events_waiting(topics.variables), "the workers", 900, every=0.2)
        took = time.perf_counter() - began
        lines = "".join(worker.log.read_text() for worker in workers).splitlines()
        counts = [line.split("photographs=")[1].split()[0] for line in lines if " batch " in line]
        twice = sum(map(int, counts)) - len(photos) - POSTS
        print(
            f"  {count} workers: {len(photos) / took:,.0f} events/s, {twice} done twice", end=", "
        )
        print(f"{statistics.median(one):.2f} s from one event to its array", flush=True)
    finally:
        queue.close()
        path.close()


def put(path: Online, photo: Path, number: int) -> Event:
    """Put a photograph where the intake would, and return its event."""
    data = photo.read_bytes() + str(number).encode()
    source = f"corn/{sha256(data).hexdigest()}.jpg"
    (path.source / "corn").mkdir(parents=True, exist_ok=True)
    (path.source / source).write_bytes(data)
    return Event(source[5:69], source, len(data))


def seconds_of(path: Online, queue: KafkaEvents, photo: Path, number: int) -> float:
    """Return how long it takes until the array of one event is there."""
    event = put(path, photo, number)
    began = time.perf_counter()
    queue.publish(event)
    array = path.output / f"{event.source}.npy"
    until(array.exists, "the array", every=0.005)
    return time.perf_counter() - began
