"""Events on a Kafka cluster, by way of confluent-kafka."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from granpipe.service.events import DownError, Event, Refusal, event_of
from granpipe.service.kafka_producer import COMMON, KafkaProducer, Trouble, check_client
from granpipe.service.kafka_settings import FIXED, KafkaSettings

_ASKING = 2.0  # seconds in which a cluster must answer about the topic before it counts as up again
_COMMITTING = 10.0  # as long as the group waits for a worker
_MOMENT, _TICK = 0.1, 0.005
_CONSUMER = {
    "group.id": "granpipe",
    "session.timeout.ms": "10000",  # after which the events of a worker that was killed are others'
    "max.poll.interval.ms": "600000",  # much more than a batch takes
    "queued.max.messages.kbytes": "16384",  # messages of strangers may be large
    "allow.auto.create.topics": "true",
}
# The topic is made by its first message; a group that waited too long is joined again.
_HARMLESS = {"UNKNOWN_TOPIC_OR_PART", "_MAX_POLL_EXCEEDED"}
# The group has given a partition to another worker, which does its events again to no effect.
_LOST = {"ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "_STATE"}


class KafkaEvents:
    """Two topics of a cluster; an `Events`.

    A worker stays in its group while it waits, and whatever it took stays in its hands until it is
    committed or the group gives the partition to another one.

    Parameters
    ----------
    settings : KafkaSettings

    Raises
    ------
    DatasetError
        librdkafka does not take the settings.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        check_client(settings)
        self._settings = settings
        self._producer = KafkaProducer(settings)
        self._trouble = Trouble(settings)
        self._consumer: Any = None
        # Each with its partition and offset, in the order of their arrival.
        self._taken: list[tuple[Event | Refusal, int, int]] = []
        self._returned = 0  # how many of them the last `take` has returned
        self._errors: list[Any] | None = None  # of the last commit; None before its answer

    def publish(self, event: Event) -> None:
        """Send a message with the photograph's SHA-256 for its key, and wait until it is kept."""
        self._producer.send(self._settings.topic, [(event.sha256, event.to_json())])

    def reject(self, refusals: Sequence[Refusal]) -> None:
        """Send a message for each."""
        messages = [(refusal.key, refusal.to_json()) for refusal in refusals]
        self._producer.send(self._settings.rejected_topic, messages)

    def check(self) -> None:
        """Ask the cluster for the topic; raise DownError where it does not answer."""
        self._producer.check()

    def take(self, most: int, seconds: float) -> list[Event | Refusal]:
        """Return what was given back; else wait for a message, and take what came along with it."""
        try:
            self._see_to_trouble()
            wait = seconds if self._returned == len(self._taken) else 0
            while len(self._taken) < most:
                message = self._open().poll(wait)
                if message is None:
                    break
                self._keep(message)
                wait = 0
        except KafkaException as error:
            raise self._down(error.args[0]) from error
        new, self._returned = self._taken[self._returned :], len(self._taken)
        return [event for event, _, _ in new]

    def _keep(self, message: Any) -> None:
        """Take a message for the next batch."""
        if error := message.error():
            if error.name() not in _HARMLESS:
                raise self._down(error)
            time.sleep(_MOMENT)  # it may be said again at once
            return
        place = f"{message.topic()}-{message.partition()}-{message.offset()}"
        event = event_of(message.value(), place)
        self._taken.append((event, message.partition(), message.offset()))

    def _see_to_trouble(self) -> None:
        """Where connections failed, see that the cluster answers by now."""
        if self._trouble.text:
            self._open().list_topics(self._settings.topic, timeout=_ASKING)
            self._trouble.text = ""

    def _down(self, error: Any) -> DownError:
        if error.fatal():
            self._leave()
        return DownError(f"Kafka: {self._trouble.text or self._settings.redact(error.str())}")

    def _open(self) -> Any:
        if self._consumer is None:
            own = _CONSUMER | COMMON | dict(self._settings.client) | FIXED
            hears = {"error_cb": self._trouble.hear, "on_commit": self._hear_commit}
            self._consumer = Consumer(own | hears)
            self._consumer.subscribe([self._settings.topic], on_revoke=self._forget)
        return self._consumer

    def _forget(self, *_: object) -> None:
        """Let go of what was taken: its partitions are others' by now."""
        self._taken, self._returned = [], 0

    def commit(self) -> None:
        """Commit what was taken."""
        topic = self._settings.topic
        ends = {partition: offset + 1 for _, partition, offset in self._taken[: self._returned]}
        offsets = [TopicPartition(topic, partition, end) for partition, end in ends.items()]
        try:
            errors = self._commit(offsets) if offsets else []
        except KafkaException as error:
            errors = [error.args[0]]
        for trouble in errors:
            if trouble.name() not in _LOST:
                raise self._down(trouble)
        del self._taken[: self._returned]
        self._returned = 0

    def _commit(self, offsets: Sequence[Any]) -> list[Any]:
        """Commit offsets; return what went wrong.

        The client's own call that waits for an answer waits for ever, and says nothing.
        """
        self._errors, ends = None, time.monotonic() + _COMMITTING
        self._open().commit(offsets=offsets, asynchronous=True)
        while (errors := self._errors) is None:
            if time.monotonic() > ends:
                raise DownError(f"Kafka: {self._trouble.text or 'no answer to a commit'}")
            message = self._open().poll(_TICK)
            if message is not None and not message.error():
                self._keep(message)
        return errors

    def _hear_commit(self, error: Any, offsets: Sequence[Any]) -> None:
        """Take the answer to a commit; `on_commit` of the client."""
        each = [place.error for place in offsets or [] if place.error]
        self._errors = each or ([error] if error else [])

    def give_back(self) -> None:
        """Let the next `take` return the same again, unless they are others' by then."""
        self._returned = 0

    def wait(self, seconds: float) -> None:
        """Sleep, but see every second what the group has decided; a message that comes is kept."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            with suppress(KafkaException):  # whoever asks for events next hears of it
                message = self._consumer.poll(0) if self._consumer else None
                if message is not None and not message.error():
                    self._keep(message)
            time.sleep(min(left, 1.0))

    def lag(self) -> int:
        """Return how many messages of this worker's partitions wait; -1 where unknown."""
        if self._consumer is None:
            return -1
        try:
            places = self._consumer.position(self._consumer.assignment())
            return self._waiting(places, cached=True)
        except (KafkaException, TypeError):
            return -1

    def is_drained(self) -> bool:
        """Return whether the group has committed all messages of all partitions."""
        topic, consumer = self._settings.topic, self._open()
        try:
            numbers = consumer.list_topics(topic, timeout=_ASKING).topics[topic].partitions
            places = [TopicPartition(topic, number) for number in numbers]
            return self._waiting(consumer.committed(places, timeout=_ASKING), cached=False) == 0
        except (KafkaException, TypeError):
            return False

    def _waiting(self, places: Sequence[Any], *, cached: bool) -> int:
        """Return how many messages are behind offsets."""
        waiting = 0
        for place in places:
            ends = {"cached": True} if cached else {"timeout": _ASKING}
            low, high = self._consumer.get_watermark_offsets(place, **ends)
            waiting += max(0, high - max(low, place.offset))
        return waiting

    def close(self) -> None:
        """Leave the group, and send what is under way."""
        self._leave()
        self._producer.close()

    def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._forget()
        if consumer is not None:
            consumer.close()
