"""Every queue keeps the same promises: a file, librdkafka's broker in memory, and Apache Kafka."""

import hashlib
import time

import pytest

from granpipe.service.events import DownError, Event, Refusal, event_of
from granpipe.service.queue import QueueFile

from brokers import events_waiting, mock_cluster, received, send, settings_of
from harm import until

KINDS = ["file", *(pytest.param(one, marks=pytest.mark.servers) for one in ("mock", "kafka"))]


@pytest.fixture(params=KINDS)
def opened(request, tmp_path):
    """Return a function that opens a queue, again and again on the same events."""
    pytest.importorskip("confluent_kafka", reason="the extra service is not installed")
    from granpipe.service.kafka import KafkaEvents

    made = []
    if request.param == "file":
        make, rest = (lambda: QueueFile(str(tmp_path))), None
    elif request.param == "mock":
        rest, servers = mock_cluster()
        make = lambda: KafkaEvents(settings_of({"GRANPIPE_KAFKA": servers}))  # noqa: E731
    else:
        rest = request.getfixturevalue("kafka")
        make = lambda: KafkaEvents(settings_of(rest.variables))  # noqa: E731

    def open_one():
        made.append(make())
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def events(count: int):
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


LIES = [
    b"",
    b"[]",
    b"null",
    b"\xff",
    b"[" * 100_000,
    b'{"sha256": 1}',
    b'{"sha256": "", "source": "corn/a.jpg", "size": 5}',
    b'{"sha256": "%s", "source": "corn/a.jpg", "size": 1}' % (b"a" * 999_900),
    b'{"sha256": "%s", "source": "corn/a.jpg", "size": true}' % (b"a" * 64),
    b'{"sha256": "%s", "source": "corn/a.jpg", "size": 1e400}' % (b"a" * 64),
    b'{"sha256": "%s", "source": "corn/a.jpg", "size": 9223372036854775808}' % (b"a" * 64),
    b'{"sha256": "%s", "source": "corn/\\ud800.jpg", "size": 1}' % (b"a" * 64),
    b'{"sha256": "%s", "source": "", "size": 1}' % (b"a" * 64),
    b'{"sha256": "%s", "source": "corn/%s.jpg", "size": 1}' % (b"a" * 64, b"a" * 1_024),
    b'{"sha256": "%s", "source": ["corn/a.jpg"], "size": 1}' % (b"A" * 64),
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_a_message_that_is_no_event_is_refused_with_a_short_reason(lie):
    refused = event_of(lie, "photographs-0-17")
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.source) == ("bad_event", "photographs-0-17")
    assert 0 < len(refused.detail) <= 200 and refused.detail.isprintable()


@pytest.mark.servers
def test_messages_that_are_no_events_are_taken_as_refusals_and_do_not_come_again(kafka):
    from granpipe.service.kafka import KafkaEvents

    send(kafka.variables, LIES)
    queue, (event,) = KafkaEvents(settings_of(kafka.variables)), events(1)
    queue.publish(event)
    found = []
    until(lambda: found.extend(queue.take(20, 0.5)) or event in found, "the event", every=0)
    refused = [one for one in found if isinstance(one, Refusal)]
    assert [one.source for one in refused] == [f"{kafka.name}-0-{n}" for n in range(len(LIES))]
    queue.reject(refused)
    queue.commit()
    assert queue.is_drained()
    queue.close()
    assert events_waiting(kafka.variables) == 0
    told = received(kafka.variables, len(LIES))
    assert {one["reason"] for one in told} == {"bad_event"}


@pytest.mark.servers
def test_a_broker_that_is_not_there_is_down_within_ten_seconds():
    pytest.importorskip("confluent_kafka", reason="the extra service is not installed")
    from granpipe.service.kafka import KafkaEvents

    queue = KafkaEvents(settings_of({"GRANPIPE_KAFKA": "127.0.0.1:1"}))
    began = time.monotonic()
    with pytest.raises(DownError, match="Kafka: no broker of 127.0.0.1:1 answers"):
        queue.publish(events(1)[0])
    with pytest.raises(DownError, match="Kafka: no broker of 127.0.0.1:1 answers"):
        queue.check()
    assert time.monotonic() - began < 10
    queue.close()
