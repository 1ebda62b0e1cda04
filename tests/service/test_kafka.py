"""The online path on Apache Kafka itself: secured, with several workers, and killed."""

import hashlib
import re
import threading

import pytest
from test_kills import PHOTOGRAPHS, check, kill_all_at_once, post_all

import exif_blocks as eb
from brokers import events_waiting, received, send, settings_of
from conftest import photographs
from harm import kill, until

PASSWORD = "secret-of-phone"


def sasl(mechanism: str, password: str = PASSWORD) -> dict[str, str]:
    names = {"SASL_MECHANISM": mechanism, "SASL_USERNAME": "phone", "SASL_PASSWORD": password}
    return {f"GRANPIPE_KAFKA_{name}": value for name, value in names.items()}


def secured(kafka, protocol: str) -> dict[str, str]:
    """Return the variables for a listener: of SASL_SSL, or of SSL with a client's certificate."""
    broker = kafka.broker
    port = broker.ports[1] if protocol == "SASL_SSL" else broker.ports[2]
    return kafka.variables | {
        "GRANPIPE_KAFKA": f"127.0.0.1:{port}",
        "GRANPIPE_KAFKA_SECURITY_PROTOCOL": protocol,
        "GRANPIPE_KAFKA_SSL_CA_LOCATION": str(broker.certificates / "ca.pem"),
    }


def take_one(queue):
    found = []
    until(lambda: found.extend(queue.take(10, 0.5)) or found, "an event", every=0)
    return found


def event(number: int = 0):
    from granpipe.service.events import Event

    digest = hashlib.sha256(bytes([number])).hexdigest()
    return Event(digest, f"corn/{digest}.jpg", 5)


@pytest.mark.parametrize("way", ["SCRAM-SHA-256", "PLAIN", "OAUTHBEARER", "certificate", "file"])
def test_a_secured_broker_is_reached_in_each_way_that_librdkafka_knows(kafka, way, tmp_path):
    from granpipe.service.kafka import KafkaEvents

    if way == "certificate":
        files = kafka.broker.certificates
        variables = secured(kafka, "SSL") | {
            "GRANPIPE_KAFKA_SSL_CERTIFICATE_LOCATION": str(files / "worker.pem"),
            "GRANPIPE_KAFKA_SSL_KEY_LOCATION": str(files / "worker.pem"),
        }
    elif way == "OAUTHBEARER":
        variables = secured(kafka, "SASL_SSL") | {
            "GRANPIPE_KAFKA_SASL_MECHANISM": way,
            "GRANPIPE_KAFKA_ENABLE_SASL_OAUTHBEARER_UNSECURE_JWT": "true",
            "GRANPIPE_KAFKA_SASL_OAUTHBEARER_CONFIG": "principal=phone",
        }
    elif way == "file":
        told = secured(kafka, "SASL_SSL") | sasl("SCRAM-SHA-256")
        settings = settings_of(told).client | {"bootstrap.servers": told["GRANPIPE_KAFKA"]}
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        (tmp_path / "client.properties").write_text("# ours\n\n" + "".join(lines))
        variables = {
            "GRANPIPE_KAFKA_CONFIG": str(tmp_path / "client.properties"),
            "GRANPIPE_KAFKA_TOPIC": kafka.name,
        }
    else:
        variables = secured(kafka, "SASL_SSL") | sasl(way)
    queue = KafkaEvents(settings_of(variables))
    queue.publish(event())
    assert take_one(queue) == [event()]
    queue.commit()
    queue.close()


@pytest.mark.parametrize("wrong", ["password", "authority", "certificate"])
def test_what_a_broker_has_against_a_client_is_told_in_a_line_without_secrets(
    kafka, wrong, online, tmp_path
):
    variables = secured(kafka, "SASL_SSL") | sasl("SCRAM-SHA-256", "another-secret")
    told = "SASL authentication error: Authentication failed"
    if wrong == "authority":
        from kafkas import make_certificates

        make_certificates(tmp_path / "others")
        variables["GRANPIPE_KAFKA_SSL_CA_LOCATION"] = str(tmp_path / "others/ca.pem")
        told = "certificate verify failed"
    elif wrong == "certificate":
        variables, told = secured(kafka, "SSL"), "alert bad certificate"
    path = online(**variables)
    web, worker = path.web(), path.worker()
    answer = path.post(eb.jpeg_at(1.0, 2.0), "corn")
    assert answer.status == 503
    for process, what in ((web, "down"), (worker, "waiting")):
        line = f" {what} .*cause=.*Kafka: .*{told}"
        until(lambda p=process, at=line: re.search(at, p.log.read_text()), f"{what}: {told}")
        assert "another-secret" not in process.log.read_text()
        assert "%3|" not in process.log.read_text() and "Traceback" not in process.log.read_text()


def test_several_workers_share_the_events_with_prepare_and_none_is_done_twice(
    online, kafka, granpipe, start
):
    kafka.make(6)
    path, photos, acknowledged = online(**kafka.variables), photographs(PHOTOGRAPHS), set()
    path.web()
    workers = [path.worker()]
    phone = threading.Thread(target=post_all, args=(path, photos, acknowledged))
    phone.start()
    for goal in (60, 140):
        until(lambda goal=goal: path.arrays() >= goal, "arrays")
        workers.append(path.worker())
    preparing = start("prepare", path.source, path.output)
    said, warned = preparing.communicate(timeout=60)
    assert preparing.returncode == 0, warned
    phone.join()
    check(path, photos, granpipe)
    lines = "".join(worker.log.read_text() for worker in workers).splitlines()
    batches = [line for line in lines if " batch " in line]

    def total(name: str, lines: list[str]) -> int:
        return sum(int(re.search(rf" {name}=(\d+)", line)[1]) for line in lines)

    # A worker that joins looks for what has no event, and may be faster than its event.
    assert total("photographs", [line for line in batches if " waited=" in line]) == len(photos)
    listed, kept = re.search(r"(\d+) prepared(?: \((\d+) unchanged\))?", said).groups("0")
    assert total("prepared", batches) + int(listed) - int(kept) == len(photos)
    assert "Traceback" not in path.log()


def test_a_worker_that_is_killed_leaves_its_events_to_another(online, kafka, granpipe):
    kafka.make(4)
    path = online(**kafka.variables, GRANPIPE_KAFKA_SESSION_TIMEOUT_MS="6000")
    photos = photographs(120)
    path.web()
    workers = [path.worker(), path.worker()]
    post_all(path, photos[:60], set())
    until(lambda: path.arrays() > 0, "an array")
    kill(workers[0])
    post_all(path, photos[60:], set())
    check(path, photos, granpipe)


def test_a_broker_that_is_killed_loses_nothing_and_is_told_of(online, kafka, granpipe):
    kafka.make(2)
    path, photos, acknowledged = online(**kafka.variables), photographs(120), set()
    path.web()
    worker = path.worker()
    phone = threading.Thread(target=post_all, args=(path, photos, acknowledged))
    phone.start()
    until(lambda: len(acknowledged) >= 50, "posts")
    kafka.broker.kill()
    until(lambda: path.post(photos[-1], "wheat").status == 503, "a refusal")
    until(lambda: " waiting cause=" in worker.log.read_text(), "a line of the worker")
    kafka.broker.start()
    phone.join()
    check(path, photos, granpipe)
    assert "Traceback" not in path.log()


def test_web_worker_and_broker_killed_at_once_lose_and_double_nothing(online, kafka, granpipe):
    kill_all_at_once(online(**kafka.variables), kafka.broker, granpipe)


def test_poison_reaches_the_dead_letters_once_and_nothing_waits_for_it(online, kafka, granpipe):
    path, photo = online(**kafka.variables), eb.jpeg_at(1.0, 2.0)
    path.web()
    poison = [b'{"sha256": "", "source": "corn/a.jpg", "size": 5}', b"a" * 999_900]
    send(kafka.variables, [*poison, event().to_json()])  # whose photograph is not there
    path.post(photo, "corn")
    path.worker()
    check(path, [photo], granpipe)
    found = received(kafka.variables, 3)
    assert sorted(one["reason"] for one in found) == ["bad_event", "bad_event", "unreadable"]


def test_events_that_the_broker_has_deleted_are_made_up_for(online, kafka, granpipe):
    path, photos = online(**kafka.variables), photographs(12)
    path.web()
    worker = path.worker()
    post_all(path, photos[:4], set())
    check(path, photos[:4], granpipe)
    kill(worker)
    post_all(path, photos[4:8], set())
    kafka.delete_messages()
    post_all(path, photos[8:], set())
    path.worker()
    check(path, photos, granpipe)
    assert events_waiting(kafka.variables) == 0
