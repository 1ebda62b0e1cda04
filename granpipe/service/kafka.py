"""Events on a Kafka broker, by way of confluent-kafka."""

import threading
import time
from collections.abc import Sequence
from typing import Any

from granpipe.service.events import DownError, Event, Refusal, event_of

TOPIC, REJECTED, GROUP = "photographs", "photographs-rejected", "granpipe"

_PATIENCE = 8.0  # seconds until a broker that keeps silent counts as down
_LONGEST_BATCH = 3_600_000  # milliseconds; a batch may wait for a prepare
_AT_ONCE = 500


class KafkaEvents:
    """Two topics of a broker; an `Events`.

    Parameters
    ----------
    servers : str
        host:port, or several with commas.
    settings : dict, optional
        Further settings of librdkafka.
    """

    def __init__(self, servers: str, settings: dict[str, Any] | None = None) -> None:
        # A broker that is down is told of where it is asked for something, not on stderr.
        common = {"bootstrap.servers": servers, "log_level": 0, "error_cb": self._hear}
        self._common = common | {"topic.metadata.refresh.interval.ms": 10_000} | (settings or {})
        self._turn = threading.Lock()
        self._trouble = ""
        self._producer: Any = None
        self._consumer: Any = None

    def _hear(self, error: Any) -> None:
        if error.name() == "_ALL_BROKERS_DOWN":
            self._trouble = str(error)

    def publish(self, event: Event) -> None:
        """Send a message with the photograph's SHA-256 for its key, and wait until it is kept."""
        self._send(TOPIC, [(event.sha256, event.to_json())])

    def reject(self, refusals: Sequence[Refusal]) -> None:
        """Send a message for each."""
        self._send(REJECTED, [(one.sha256, one.to_json()) for one in refusals])

    def _send(self, topic: str, messages: Sequence[tuple[str, bytes]]) -> None:
        from confluent_kafka import KafkaException  # noqa: PLC0415 - the extra service

        producer, answers = self._produce(), list[Any]()
        all_answered = threading.Event()

        def take(error: object, _: object) -> None:
            answers.append(error)
            if len(answers) == len(messages):
                all_answered.set()

        try:
            for key, value in messages:
                producer.produce(topic, value, key.encode(), on_delivery=take)
        except (KafkaException, BufferError) as error:
            raise DownError(f"Kafka: {error}") from error
        failed = not all_answered.wait(_PATIENCE) or any(answers)
        if failed:
            raise DownError(f"Kafka: {next(filter(None, answers), 'keeps silent')}")

    def _produce(self) -> Any:
        """Return the producer; made once in each process, since it must not cross a fork."""
        from confluent_kafka import Producer  # noqa: PLC0415 - the extra service

        with self._turn:
            if self._producer is None:
                limit = int(1000 * (_PATIENCE - 1))
                own = {"acks": "all", "linger.ms": 2, "message.timeout.ms": limit}
                self._producer = Producer(self._common | own)
                threading.Thread(target=_poll, args=(self._producer,), daemon=True).start()
        return self._producer

    def take(self, most: int, seconds: float) -> list[Event]:
        """Return what the broker has; what is no event is passed over."""
        from confluent_kafka import KafkaException  # noqa: PLC0415 - the extra service

        try:
            found = self._consume().consume(min(most, _AT_ONCE), seconds)
            errors = [one.error() for one in found if one.error()]
            if errors and not _is_new_topic(errors[0]):
                raise DownError(f"Kafka: {errors[0]}")
        except KafkaException as error:
            raise DownError(f"Kafka: {error}") from error
        trouble, self._trouble = self._trouble, ""
        if trouble and not found:
            raise DownError(f"Kafka: {trouble}")
        events = (event_of(one.value()) for one in found if not one.error())
        return [event for event in events if event]

    def _consume(self) -> Any:
        from confluent_kafka import Consumer  # noqa: PLC0415 - the extra service

        if self._consumer is None:
            own = {
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "max.poll.interval.ms": _LONGEST_BATCH,
                "session.timeout.ms": 10_000,
                "allow.auto.create.topics": True,
            }
            self._consumer = Consumer(self._common | own)
            self._consumer.subscribe([TOPIC])
        return self._consumer

    def commit(self) -> None:
        """Commit what was taken."""
        from confluent_kafka import KafkaException  # noqa: PLC0415 - the extra service

        try:
            self._consume().commit(asynchronous=False)
        except KafkaException as error:
            # What was not committed comes again, and changes nothing the second time.
            if not _is_nothing_new(error.args[0]):
                raise DownError(f"Kafka: {error}") from error

    def give_back(self) -> None:
        """Leave the group; whoever joins it begins behind the last commit."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def lag(self) -> int:
        """Return how many messages stand behind this consumer's positions; -1 where unknown."""
        from confluent_kafka import KafkaException  # noqa: PLC0415 - the extra service

        try:
            waiting = 0
            for place in self._consume().position(self._consume().assignment()):
                low, high = self._consume().get_watermark_offsets(place, cached=True)
                waiting += max(0, high - max(low, place.offset))
        except (KafkaException, TypeError):
            return -1
        return waiting

    def check(self) -> None:
        """Ask for the topic."""
        from confluent_kafka import KafkaException  # noqa: PLC0415 - the extra service

        try:
            self._produce().list_topics(TOPIC, timeout=2)
        except KafkaException as error:
            raise DownError(f"Kafka: {error}") from error

    def close(self) -> None:
        """Leave the group, and send what is under way."""
        self.give_back()
        if self._producer is not None:
            self._producer.flush(1)


def _poll(producer: Any) -> None:
    while True:
        producer.poll(0.1)
        time.sleep(0)


def _is_new_topic(error: Any) -> bool:
    """Tell whether the topic is yet to be made, by the first message."""
    return str(error.name()) == "UNKNOWN_TOPIC_OR_PART"


def _is_nothing_new(error: Any) -> bool:
    return str(error.name()) == "_NO_OFFSET"
