"""How to reach a Kafka cluster: the settings of librdkafka, as its users have them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from granpipe.errors import DatasetError

KAFKA = "GRANPIPE_KAFKA"
_PREFIX = f"{KAFKA}_"
_OWN = {"CONFIG", "TOPIC", "REJECTED_TOPIC"}
_SERVERS = "bootstrap.servers"
_SECRET = ("password", "secret", "key.pem", "token", "sasl.oauthbearer.config")

FIXED = {
    "acks": "all",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": "false",
    "enable.idempotence": "true",
}
"""What the promises of the online path rest on."""


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """A cluster, and the names of what is there.

    Attributes
    ----------
    client : mapping
        Settings of librdkafka, `bootstrap.servers` and secrets among them.
    topic, rejected_topic : str
        Of the events; of what cannot be used.
    """

    client: Mapping[str, str] = field(repr=False)
    topic: str = "photographs"
    rejected_topic: str = "photographs-rejected"

    @property
    def servers(self) -> str:
        return self.client[_SERVERS]

    def redact(self, text: str) -> str:
        """Return a text without the values of secret settings.

        >>> KafkaSettings({"sasl.password": "abc"}).redact("no abc here")
        'no *** here'
        """
        for name, value in self.client.items():
            if value and any(word in name for word in _SECRET):
                text = text.replace(value, "***")
        return text


def read_kafka_settings(variables: Mapping[str, str]) -> KafkaSettings | None:
    """Return what the environment says of Kafka; None where it names no broker.

    GRANPIPE_KAFKA are the brokers, GRANPIPE_KAFKA_CONFIG is a file of settings, and
    GRANPIPE_KAFKA_SASL_USERNAME the setting sasl.username. A variable counts before the file.

    Raises
    ------
    DatasetError
        The file cannot be read, or a setting cannot be as it is.

    Examples
    --------
    >>> read_kafka_settings({"GRANPIPE_KAFKA": "a:9092", "GRANPIPE_KAFKA_TOPIC": "t"}).topic
    't'
    """
    client: dict[str, str] = {}
    if file := variables.get(f"{_PREFIX}CONFIG"):
        client |= _properties(file)
    if servers := variables.get(KAFKA):
        client[_SERVERS] = servers
    for name, value in variables.items():
        setting = name.removeprefix(_PREFIX)
        if name.startswith(_PREFIX) and setting not in _OWN and value:
            client[setting.lower().replace("_", ".")] = value
    if not client.get(_SERVERS):
        if client:
            raise DatasetError(f"{KAFKA}: name the brokers, as host:port,host:port")
        return None
    for name, value in FIXED.items():
        if client.get(name, value).lower() != value:
            raise DatasetError(f"Kafka: {name} must be {value}, or events could be lost")
    topic = variables.get(f"{_PREFIX}TOPIC") or "photographs"
    rejected = variables.get(f"{_PREFIX}REJECTED_TOPIC") or f"{topic}-rejected"
    if rejected == topic:
        raise DatasetError(f"GRANPIPE_KAFKA_REJECTED_TOPIC: must be another topic than {topic}")
    return KafkaSettings(client, topic, rejected)


def _properties(file: str) -> dict[str, str]:
    """Return the settings of a file of lines name=value; # and ! begin a comment."""
    try:
        return dict(_each_property(Path(file).read_text("utf-8"), file))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not UTF-8"
        raise DatasetError(f"GRANPIPE_KAFKA_CONFIG: {file}: {why}") from error


def _each_property(text: str, file: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        name, sign, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith(("#", "!")):
            continue
        if not sign:
            raise DatasetError(f"GRANPIPE_KAFKA_CONFIG: {file}: line {number}: write name=value")
        yield name.strip(), value.strip()
