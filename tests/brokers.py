"""Stand-ins for Kafka and Elasticsearch: noida-db, which speaks to both clients."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@dataclass
class Noida:
    """The program, its folder and its ports, which stay the same when it is started again."""

    folder: Path
    kafka_port: int
    search_port: int
    process: subprocess.Popen | None = field(default=None)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "GRANPIPE_KAFKA": f"127.0.0.1:{self.kafka_port}",
            "GRANPIPE_SEARCH": f"http://127.0.0.1:{self.search_port}",
        }

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        ports = ["--elasticsearch-port", self.search_port, "--kafka-port", self.kafka_port]
        only = ["--only", "elasticsearch,kafka"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_program(), "start", "--data-dir", str(self.folder), *only, *map(str, ports)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        for _ in range(400):
            if all(map(_listens, (self.kafka_port, self.search_port))):
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError((self.folder / "log").read_text("utf-8", "replace")[-2000:])

    def kill(self) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _program() -> str:
    beside = Path(sys.executable).with_name("noida-db")
    found = str(beside) if beside.exists() else shutil.which("noida-db")
    if not found:
        pytest.skip("no broker and search server: noida-db is not installed")
    return found


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def mock_cluster():
    """Start librdkafka's own brokers, which live as long as the producer that is returned."""
    from confluent_kafka import Producer

    keeper = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none:1", "log_level": 0})
    brokers = keeper.list_topics(timeout=10).brokers
    return keeper, ",".join(f"{one.host}:{one.port}" for one in brokers.values())


def events_waiting(servers: str) -> int:
    """Return how many messages of a broker stand behind what the workers have committed."""
    from confluent_kafka import Consumer, TopicPartition

    group = Consumer({"bootstrap.servers": servers, "group.id": "granpipe"})
    numbers = group.list_topics("photographs", 10).topics["photographs"].partitions
    ends = [group.get_watermark_offsets(TopicPartition("photographs", n), 10)[1] for n in numbers]
    done = group.committed([TopicPartition("photographs", n) for n in numbers], 10)
    group.close()
    return sum(max(0, end - max(0, one.offset)) for end, one in zip(ends, done, strict=True))


@pytest.fixture
def noida(tmp_path):
    """Start a broker and a search server."""
    server = Noida(tmp_path / "noida", *free_ports(2))
    server.start()
    yield server
    server.kill()
