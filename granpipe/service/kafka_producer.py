"""Messages to a Kafka cluster, each waited for."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer

from granpipe.errors import DatasetError
from granpipe.service.events import DownError
from granpipe.service.kafka_settings import FIXED, KafkaSettings

_PATIENCE = 5.0  # seconds until a cluster that keeps silent counts as down
_SHORT = 1.0  # seconds, where it is known that no broker answers
_BETWEEN_LOOKS = 0.1
_ASKING = 2.0

COMMON = {
    "log_level": "0",  # errors are reported where they matter, in a line of ours
    "reconnect.backoff.max.ms": "2000",
    "topic.metadata.refresh.interval.ms": "10000",
}


class Trouble:
    """What a client reports of its connections: the last error that explains most."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._last = ""
        self.text = ""

    def hear(self, error: Any) -> None:
        """Take an error of librdkafka's thread; `error_cb` of a client."""
        if error.name() in {"_AUTHENTICATION", "_SSL", "_RESOLVE", "_FATAL"} or error.fatal():
            self.text = self._settings.redact(error.str())
        elif error.name() == "_TRANSPORT":  # may be no more than an idle connection's end
            self._last = self._settings.redact(error.str())
        elif error.name() == "_ALL_BROKERS_DOWN" and not self.text:
            why = f"; {self._last}" if self._last else ""
            self.text = f"no broker of {self._settings.servers} answers{why}"


def check_client(settings: KafkaSettings) -> None:
    """Raise DatasetError where librdkafka does not take the settings."""
    try:
        Consumer(COMMON | {"group.id": "granpipe"} | dict(settings.client)).close()
    except KafkaException as error:
        raise DatasetError(f"Kafka: {settings.redact(error.args[0].str())}") from error


class KafkaProducer:
    """Delivers messages to all replicas, and waits until they are there.

    Parameters
    ----------
    settings : KafkaSettings
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._turn = threading.Lock()
        self._producer: Any = None
        self._trouble = Trouble(settings)

    def send(self, topic: str, messages: Sequence[tuple[str, bytes]]) -> None:
        """Deliver messages, keys and values; raise DownError where one may not have come."""
        producer, answers, are_all = self._open(), list[Any](), threading.Event()

        def take(error: Any, _: object) -> None:
            answers.append(error)
            if len(answers) == len(messages):
                are_all.set()

        try:
            for key, value in messages:
                producer.produce(topic, value, key.encode(), on_delivery=take)
        except BufferError as error:
            raise self._down(str(error)) from error
        except KafkaException as error:
            raise self._failed(error.args[0], producer) from error
        began = time.monotonic()
        while not are_all.wait(_BETWEEN_LOOKS):
            waited = time.monotonic() - began
            if waited > _PATIENCE or (self._trouble.text and waited > _SHORT):
                raise self._down("no answer")
        if failed := next(filter(None, answers), None):
            raise self._failed(failed, producer)
        self._trouble.text = ""

    def check(self) -> None:
        """Ask the cluster for the topic; raise DownError where it does not answer."""
        try:
            self._open().list_topics(self._settings.topic, timeout=_ASKING)
        except KafkaException as error:
            raise self._down(error.args[0].str()) from error
        self._trouble.text = ""

    def _failed(self, error: Any, producer: Any) -> DownError:
        """Return what is to be raised; where a producer can deliver no more, the next is made."""
        if error.fatal() or error.name() == "_FATAL":
            with self._turn:
                if producer is self._producer:
                    self._producer = None
        return self._down(error.str())

    def _down(self, why: str) -> DownError:
        return DownError(f"Kafka: {self._trouble.text or self._settings.redact(why)}")

    def _open(self) -> Any:
        """Return the producer; made once in each process, since it must not cross a fork."""
        with self._turn:
            if self._producer is None:
                limit = str(int(1000 * _PATIENCE))
                own = {"linger.ms": "2", "message.timeout.ms": limit} | COMMON
                own |= dict(self._settings.client) | FIXED
                self._producer = Producer(own | {"error_cb": self._trouble.hear})
                threading.Thread(target=self._serve, args=(self._producer,), daemon=True).start()
            return self._producer

    def _serve(self, producer: Any) -> None:
        """Call what waits for deliveries."""
        # It raises once the producer can deliver no more.
        with suppress(KafkaException):
            while producer is self._producer:
                producer.poll(_BETWEEN_LOOKS)

    def close(self) -> None:
        """Send what is under way, for a second."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(1)
