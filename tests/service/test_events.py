"""Every queue keeps the same promises: a file, librdkafka's broker in memory, and noida-db's."""

import hashlib
import time

import pytest

from brokers import mock_cluster, send
from harm import until

KINDS = ["file", *(pytest.param(one, marks=pytest.mark.servers) for one in ("mock", "noida"))]


@pytest.fixture(params=KINDS)
def opened(request, tmp_path):
    """Return a function that opens a queue, again and again on the same events."""
    pytest.importorskip("confluent_kafka", reason="the extra service is not installed")
    from granpipe.service.kafka import KafkaEvents
    from granpipe.service.queue import QueueFile

    made = []
    if request.param == "file":
        make, rest = (lambda: QueueFile(str(tmp_path))), None
    elif request.param == "mock":
        rest, servers = mock_cluster()
        make = lambda: KafkaEvents(servers)  # noqa: E731
    else:
        rest = request.getfixturevalue("noida")
        make = lambda: KafkaEvents(rest.variables["GRANPIPE_KAFKA"])  # noqa: E731

    def open_one():
        made.append(make())
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def events(count: int):
    from granpipe.service.events import Event

    digests = [hashlib.sha256(bytes([number % 256])).hexdigest() for number in range(count)]
    return [Event(one, f"corn/{number}-{one}.jpg", number) for number, one in enumerate(digests)]


def take_all(queue, count: int) -> list:
    found: list = []

    def are_all() -> bool:
        found.extend(queue.take(20, 0.5))
        return len(found) >= count

    until(are_all, f"{count} events", 40, every=0)
    return sorted(found, key=lambda event: event.size)


def test_what_was_committed_does_not_come_again_and_what_was_not_does(opened):
    queue, told = opened(), events(30)
    for event in told[:20]:
        queue.publish(event)
    assert take_all(queue, 20) == told[:20]
    assert queue.lag() == 0
    queue.commit()
    for event in told[20:]:
        queue.publish(event)
    assert take_all(queue, 10) == told[20:]
    queue.give_back()
    assert take_all(queue, 10) == told[20:]
    queue.close()
    again = opened()
    assert take_all(again, 10) == told[20:]
    again.commit()
    again.close()
    assert opened().take(20, 2.0) == []


def test_to_commit_with_nothing_taken_is_no_error(opened):
    queue = opened()
    assert queue.take(20, 0.1) == []
    queue.commit()


@pytest.mark.servers
def test_a_message_that_is_no_event_is_passed_over():
    pytest.importorskip("confluent_kafka", reason="the extra service is not installed")
    from granpipe.service.events import Event, event_of
    from granpipe.service.kafka import KafkaEvents

    keeper, servers = mock_cluster()
    lies = [b"", b"[]", b"null", b"\xff", b'{"sha256": 1}', b"[" * 100_000]
    lies += [b'{"sha256": "a", "source": "b", "size": true}']
    lies += [b'{"sha256": "a", "source": "corn/\\ud800.jpg", "size": 1}']
    assert [event_of(one) for one in lies] == [None] * len(lies)
    queue = KafkaEvents(servers)
    send(servers, lies)
    queue.publish(Event("a", "corn/a.jpg", 1))
    assert take_all(queue, 1) == [Event("a", "corn/a.jpg", 1)]
    queue.commit()
    queue.close()
    del keeper


@pytest.mark.servers
def test_a_broker_that_is_not_there_is_down_within_ten_seconds():
    pytest.importorskip("confluent_kafka", reason="the extra service is not installed")
    from granpipe.service.events import DownError
    from granpipe.service.kafka import KafkaEvents

    queue = KafkaEvents("127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(DownError, match="Kafka"):
        queue.publish(events(1)[0])
    assert time.monotonic() - began < 10
    queue.close()
