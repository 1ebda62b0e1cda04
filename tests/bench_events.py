"""Events a second with one, two and three workers on Apache Kafka, and how long one event takes."""

import re
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
TIMES = 3  # each photograph, with other bytes behind its end


def bench_events(photos: Sequence[Path], folder: Path) -> None:
    """Print what this machine does."""
    broker = Broker(folder / "broker")
    try:
        broker.format()
        broker.start()
        broker.wait()
        print(f"\n{TIMES * len(photos):,} events on {PARTITIONS} partitions of Apache Kafka")
        for count in (1, 2, 3):
            bench_workers([*photos] * TIMES, folder / str(count), broker, count)
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
        publish_all(path, topics, photos)
        until(lambda: not events_waiting(topics.variables), "the workers", 900, every=0.05)
        took = time.perf_counter() - began
        lines = "".join(worker.log.read_text() for worker in workers)
        # What a worker looks for without an event may come with one, too: then it is kept.
        twice = sum(map(int, re.findall(r" prepared=(\d+)", lines))) - len(photos) - POSTS
        rate = f"{len(photos) / took:,.0f} events/s"
        print(f"  {count} workers: {rate}, {twice} done twice, ", end="")
        print(f"{statistics.median(one):.2f} s from one event to its array", flush=True)
    finally:
        queue.close()
        path.close()


def publish_all(path: Online, topics: Topics, photos: Sequence[Path]) -> None:
    """Put photographs where the intake would, each followed by its event."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": topics.broker.servers})
    for number, photo in enumerate(photos):
        event = put(path, photo, POSTS + number)
        producer.produce(topics.name, event.to_json(), event.sha256)
    assert producer.flush(60) == 0


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
