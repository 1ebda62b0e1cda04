"""Apache Kafka itself: a broker of one node (KRaft) on this machine, with topics for each test."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from brokers import free_ports
from harm import ROOT, kill, launch, until
from programs import BRIEF, jars

PROFILE = "kafka-4.1.1"

_JAVA = ["java", "-Xmx256m", *BRIEF]
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "num.partitions": "1",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.retention.check.interval.ms": "1000",
    "log.initial.task.delay.ms": "1000",
}


_LOGIN = "org.apache.kafka.common.security"
_SECURE = {
    "listener.security.protocol.map": "CLIENTS:PLAINTEXT,SECURE:SASL_SSL,MUTUAL:SSL,"
    "CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "SCRAM-SHA-256,PLAIN,OAUTHBEARER",
    "listener.name.secure.scram-sha-256.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule "
    "required;",
    "listener.name.secure.plain.sasl.jaas.config": f"{_LOGIN}.plain.PlainLoginModule required "
    'user_phone="secret-of-phone";',
    "listener.name.secure.oauthbearer.sasl.jaas.config": f"{_LOGIN}.oauthbearer."
    'OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
    "listener.name.mutual.ssl.client.auth": "required",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
}


def kafka_jars() -> Path:
    """Return the folder with the jars of Kafka."""
    return jars(ROOT / "tests/java/kafka/pom.xml", PROFILE)


@dataclass
class Broker:
    """A broker, its folder and its ports, which stay the same when it is started again.

    Attributes
    ----------
    folder : Path
        Of its files; `certificates` are in it.
    ports : list of int
        For anybody, for whom SASL lets in, for whom a certificate does, and its own.
    """

    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(4))
    process: subprocess.Popen | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _java(self, *words: str) -> list[str]:
        path = f"{kafka_jars()}/*"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [*_JAVA, quiet, "-cp", path, *words]

    def format(self) -> None:
        """Make its folder, with its settings, certificates, and the user phone."""
        make_certificates(self.certificates, "broker", "worker")
        names = ("CLIENTS", "SECURE", "MUTUAL", "CONTROLLER")
        places = [
            f"{name}://127.0.0.1:{port}" for name, port in zip(names, self.ports, strict=True)
        ]
        own = {
            "controller.quorum.voters": f"1@127.0.0.1:{self.ports[3]}",
            "listeners": ",".join(places),
            "advertised.listeners": ",".join(places[:3]),
            "inter.broker.listener.name": "CLIENTS",
            "ssl.keystore.location": str(self.certificates / "broker.pem"),
            "ssl.truststore.location": str(self.certificates / "ca.pem"),
            "log.dirs": str(self.folder / "data"),
        }
        lines = (f"{name}={value}\n" for name, value in (_SETTINGS | _SECURE | own).items())
        (self.folder / "server.properties").write_text("".join(lines))
        words = ["kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA"]
        words += ["--add-scram", "SCRAM-SHA-256=[name=phone,password=secret-of-phone]"]
        config = ["-c", str(self.folder / "server.properties")]
        done = subprocess.run(
            self._java(*words, *config), check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, on what a former one has left, without waiting for it."""
        command = self._java("kafka.Kafka", str(self.folder / "server.properties"))
        self.process = launch(command, self._log)

    def wait(self) -> None:
        """Wait until it answers."""
        admin = self.admin()
        until(lambda: _answers(admin), "Kafka", process=self.process, log=self._log, every=0.3)

    def admin(self):
        """Return a client that makes topics, and deletes what is in them."""
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.servers, "log_level": "0"})

    def kill(self) -> None:
        """Kill it, as `kill -9` does."""
        if self.process:
            kill(self.process)


def make_certificates(folder: Path, *names: str) -> None:
    """Write ca.pem, and for each name a file of a key and a certificate of 127.0.0.1."""
    trustme = pytest.importorskip("trustme")
    from cryptography.hazmat.primitives import serialization as form

    authority = trustme.CA()
    folder.mkdir(parents=True)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in names:
        made = authority.issue_cert("127.0.0.1")
        key = form.load_pem_private_key(made.private_key_pem.bytes(), None)
        how = form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        chain = b"".join(certificate.bytes() for certificate in made.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes(key.private_bytes(*how) + chain)


def _answers(admin) -> bool:
    from confluent_kafka import KafkaException

    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


@dataclass(frozen=True)
class Topics:
    """The two topics and the group of one test.

    Attributes
    ----------
    broker : Broker
    name : str
        Of all three, with which their names begin.
    """

    broker: Broker
    name: str

    @property
    def variables(self) -> dict[str, str]:
        return {
            "GRANPIPE_KAFKA": self.broker.servers,
            "GRANPIPE_KAFKA_TOPIC": self.name,
            "GRANPIPE_KAFKA_GROUP_ID": f"{self.name}-workers",
        }

    def make(self, partitions: int) -> None:
        """Make the topic of the events."""
        from confluent_kafka.admin import NewTopic

        admin = self.broker.admin()  # which ends what it does when nothing holds it
        admin.create_topics([NewTopic(self.name, partitions, 1)])[self.name].result(30)

    def delete_messages(self) -> None:
        """Delete all events, as the broker does once their retention has passed."""
        from confluent_kafka import OFFSET_END, TopicPartition

        admin = self.broker.admin()
        numbers = admin.list_topics(self.name, 10).topics[self.name].partitions
        ends = [TopicPartition(self.name, number, OFFSET_END) for number in numbers]
        for deleted in admin.delete_records(ends).values():
            deleted.result(30)


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory) -> Iterator[Broker]:
    """Start Apache Kafka once for all tests of a process."""
    pytest.importorskip("confluent_kafka", reason="the extra service is not installed")
    broker = Broker(tmp_path_factory.mktemp("kafka") / "broker")
    broker.format()
    try:
        broker.start()
        broker.wait()
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def kafka(kafka_broker: Broker, record_property: Callable[..., None]) -> Topics:
    """Return topics of this test alone, on a broker that runs."""
    record_property("server", PROFILE)
    if kafka_broker.process is None or kafka_broker.process.poll() is not None:
        kafka_broker.start()
        kafka_broker.wait()
    return Topics(kafka_broker, f"events-{uuid4().hex[:8]}")
