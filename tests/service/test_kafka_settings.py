"""What the environment may say of Kafka; what it may not is one line, without secrets."""

import pytest

from granpipe.errors import DatasetError
from granpipe.service.kafka_settings import read_kafka_settings


def read(**variables: str):
    return read_kafka_settings({f"GRANPIPE_{name}": value for name, value in variables.items()})


def test_without_brokers_there_is_no_kafka_and_names_are_the_usual_ones():
    assert read() is None
    assert read(KAFKA="", KAFKA_TOPIC="", KAFKA_SASL_USERNAME="") is None
    usual = read(KAFKA="a:9092,b:9092")
    assert (usual.topic, usual.rejected_topic) == ("photographs", "photographs-rejected")
    assert usual.client == {"bootstrap.servers": "a:9092,b:9092"}


def test_a_variable_counts_before_the_file_and_a_topic_names_its_dead_letters(tmp_path):
    lines = ["# of staging", "bootstrap.servers = a:9092", "", "! too", "sasl.password=a = b\\c "]
    (tmp_path / "client.properties").write_text("\n".join(lines))
    settings = read(
        KAFKA_CONFIG=str(tmp_path / "client.properties"),
        KAFKA="b:9092",
        KAFKA_TOPIC="staging",
        KAFKA_GROUP_ID="them",
    )
    assert settings.client == {
        "bootstrap.servers": "b:9092",
        "sasl.password": "a = b\\c",
        "group.id": "them",
    }
    assert (settings.topic, settings.rejected_topic) == ("staging", "staging-rejected")
    assert "b\\c" not in repr(settings)
    assert settings.redact("password a = b\\c is wrong") == "password *** is wrong"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"KAFKA_TOPIC": "t", "KAFKA_GROUP_ID": "g"}, "name the brokers"),
        ({"KAFKA": "a:1", "KAFKA_ACKS": "1"}, "acks must be all"),
        ({"KAFKA": "a:1", "KAFKA_ENABLE_AUTO_COMMIT": "true"}, "enable.auto.commit must be false"),
        ({"KAFKA": "a:1", "KAFKA_REJECTED_TOPIC": "photographs"}, "another topic"),
        ({"KAFKA_CONFIG": "gone.properties"}, "gone.properties: No such file"),
    ],
)
def test_what_cannot_be_is_one_line(variables, said):
    with pytest.raises(DatasetError, match=said) as told:
        read(**variables)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["bootstrap.servers", "a=b\n\nsecret"])
def test_a_line_of_the_file_that_sets_nothing_is_told_by_its_number(tmp_path, text):
    file = tmp_path / "client.properties"
    file.write_text(text)
    with pytest.raises(DatasetError, match="line [13]: write name=value") as told:
        read(KAFKA_CONFIG=str(file))
    assert "secret" not in str(told.value)
    file.write_bytes(b"\xff")
    with pytest.raises(DatasetError, match="is not UTF-8"):
        read(KAFKA_CONFIG=str(file))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"KAFKA_TOPICS": "t"}, 'No such configuration property: "topics"'),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, 'Invalid value "TLS"'),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA_LOCATION": "gone.pem"},
            "ssl.ca.location",
        ),
    ],
)
def test_what_librdkafka_does_not_take_is_one_line_at_the_start(variables, said, tmp_path):
    pytest.importorskip("confluent_kafka", reason="the extra service is not installed")
    from granpipe.service.kafka import KafkaEvents

    with pytest.raises(DatasetError, match="Kafka: ") as told:
        KafkaEvents(read(KAFKA="127.0.0.1:1", KAFKA_SASL_PASSWORD="secret", **variables))
    assert said in str(told.value) and "\n" not in str(told.value)
    assert "secret" not in str(told.value)
