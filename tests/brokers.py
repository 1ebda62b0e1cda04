"""What brokers of Kafka are asked by the tests, and librdkafka's own brokers."""

import json
import socket
from uuid import uuid4

from harm import until


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def free_port() -> int:
    return free_ports(1)[0]


def mock_cluster():
    """Start librdkafka's own brokers, which live as long as the producer that is returned."""
    from confluent_kafka import Producer

    keeper = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none:1", "log_level": 0})
    brokers = keeper.list_topics(timeout=10).brokers
    return keeper, ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())


def settings_of(variables: dict[str, str]):
    """Return how the online path reaches Kafka with these variables."""
    from granpipe.service.kafka_settings import read_kafka_settings

    return read_kafka_settings(variables)


def send(variables: dict[str, str], values: list[bytes]) -> None:
    """Send messages to the topic of the photographs, whatever they are."""
    from confluent_kafka import Producer

    settings = settings_of(variables)
    producer = Producer({"bootstrap.servers": settings.servers})
    for value in values:
        producer.produce(settings.topic, value, b"key")
    assert producer.flush(10) == 0


def received(variables: dict[str, str], count: int) -> list[dict]:
    """Return the dead letters, once there are so many."""
    from confluent_kafka import Consumer

    settings, found = settings_of(variables), []
    own = {"group.id": f"test-{uuid4().hex}", "auto.offset.reset": "earliest"}
    reader = Consumer({"bootstrap.servers": settings.servers, "log_level": 0} | own)
    reader.subscribe([settings.rejected_topic])

    def are_all() -> bool:
        messages = reader.consume(10, 0.5)
        found.extend(json.loads(message.value()) for message in messages if not message.error())
        return len(found) >= count

    until(are_all, f"{count} dead letters", every=0)
    reader.close()
    return found


def events_waiting(variables: dict[str, str]) -> int:
    """Return how many messages of a broker stand behind what the workers have committed."""
    from confluent_kafka import Consumer, TopicPartition

    settings = settings_of(variables)
    own = {"group.id": settings.client.get("group.id", "granpipe"), "log_level": 0}
    group, topic = Consumer({"bootstrap.servers": settings.servers} | own), settings.topic
    numbers = group.list_topics(topic, 10).topics[topic].partitions
    ends = [group.get_watermark_offsets(TopicPartition(topic, n), 10)[1] for n in numbers]
    done = group.committed([TopicPartition(topic, n) for n in numbers], 10)
    group.close()
    return sum(max(0, end - max(0, place.offset)) for end, place in zip(ends, done, strict=True))
