"""A worker in this process, on parts that fail when they are told to."""

import hashlib
import json
import os
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from granpipe.errors import DatasetError
from granpipe.jobs.prepare_online import OnlinePreparer
from granpipe.jobs.prepare_photo import Outcome
from granpipe.service import pace
from granpipe.service import worker as module
from granpipe.service.events import DownError, Event, Refusal
from granpipe.service.index_file import IndexFile
from granpipe.service.queue import QueueFile
from granpipe.service.request_log import RequestLog
from granpipe.service.worker import Worker
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Entry
from granpipe.stores.urls import open_store

from conftest import put, save
from ledgers import RECORD

pytestmark = pytest.mark.slow


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a worker, with an engine that does nothing unless given one."""
    pytest.importorskip("flask", reason="the extra service is not installed")

    def make_one(source=None, engine=None) -> Worker:
        state = str(tmp_path / "state")
        source = source or open_store(str(tmp_path / "photographs"))
        output = open_store(str(tmp_path / "arrays"))
        preparer = OnlinePreparer(source, output, engine or Idle())
        return Worker(preparer, QueueFile(state), IndexFile(state), RequestLog(as_json=True))

    return make_one


class Idle:
    """An engine that says of every photograph that it is prepared."""

    def run(self, task, items, place):
        for job in items:
            digests = {"sha256": job.photo.path[5:69], "array_sha256": "a" * 64}
            yield job, Outcome(replace(RECORD, recipe="x" * 300, **digests), is_kept=False)


class Here:
    """An engine that works in this process."""

    def run(self, task, items, place):
        yield from ((item, task(item)) for item in items)


def events(first: int, last: int):
    digests = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(first, last))
    return [Event(one, f"corn/{one}.jpg", 1) for one in digests]


def test_the_memory_of_a_worker_does_not_grow_with_the_events_it_has_done(make, monkeypatch):
    monkeypatch.setattr(pace, "_BREATH", 0.0)
    worker = make()

    def do(first: int, last: int) -> int:
        for start in range(first, last, 100):
            worker.events.take = lambda *_, start=start: events(start, start + 100)
            worker.work()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = do(0, 1_000)
        assert do(1_000, 5_000) - before < 200_000
    finally:
        tracemalloc.stop()
    assert len(worker.positions.find([one.sha256 for one in events(0, 5_001)])) == 5_000


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8")
def test_events_that_lead_elsewhere_and_names_that_are_not_utf_8_are_rejected(
    make, tmp_path, capfd
):
    worker, photos = make(), tmp_path / "photographs"
    outside = [str(tmp_path / "secret.jpg"), "../secret.jpg", "corn/../../secret.jpg", "a.jpg"]
    outside += [
        ".granpipe/a.jpg",
        "corn/.a.jpg",
        "corn/a.dng",
        "corn",
        "corn/a\\b.jpg",
        "corn/\0.jpg",
    ]
    outside += ["augmented/a.jpg", "corn/" + "a" * 300 + ".jpg", "c:/a.jpg"]
    for number, source in enumerate(outside):
        worker.events.publish(Event(f"{number:064}", source, 5))
    worker.work()
    for number, source in enumerate(outside):
        assert worker.positions.get(f"{number:064}").facts["state"] == "rejected", source
    put(photos / "corn/good.jpg", b"x")
    Path(os.fsdecode(os.fsencode(photos) + b"/corn/caf\xe9.jpg")).write_bytes(b"x")
    worker.sweep()
    known = {one.source: one.facts for one in worker.positions.all()}
    assert known["corn/caf\\xe9.jpg"]["reason"] == "bad_name"
    assert "corn/good.jpg" in known
    capfd.readouterr()
    worker.sweep()
    assert capfd.readouterr().err == ""


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.pauses = 1_000.0, []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def tells(self, monkeypatch, worker) -> None:
        """Be the clock of a worker."""
        for one in (module, pace):
            monkeypatch.setattr(one, "time", self)
        worker.events.wait = self.sleep
        worker._pace.begin_turn()


def test_a_part_that_is_down_is_waited_for_with_growing_pauses_and_a_line_a_minute(
    make, monkeypatch, capfd
):
    clock, worker = Clock(), make()
    clock.tells(monkeypatch, worker)

    def step() -> None:
        if clock.now < 1_600:
            raise DownError("search server: ConnectionError")
        if clock.now < 1_700:
            raise DatasetError("s3://lake: does not answer")

    assert worker.insist(step)
    assert clock.pauses[:8] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert max(clock.pauses) == 30.0 and clock.now < 1_731
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    causes = [line["cause"] for line in lines if line["what"] == "waiting"]
    searches = causes.count("search server: ConnectionError")
    # Ten minutes, then less than two.
    assert 7 <= searches <= 11 and 1 <= len(causes) - searches <= 2
    clock.pauses.clear()
    assert not worker.insist(lambda: None)
    assert clock.pauses == []


def test_a_search_server_that_fails_in_a_batch_has_all_its_events_come_again(make, monkeypatch):
    clock, worker, told = Clock(), make(), events(0, 5)
    clock.tells(monkeypatch, worker)
    for event in told:
        worker.events.publish(event)
    put, failures = worker.positions.put, iter(range(3))

    def put_later(photos):
        if next(failures, None) is not None:
            raise DownError("search server: ConnectionError")
        return put(photos)

    worker.positions.put = put_later
    assert worker.insist(worker.work)
    assert len(worker.positions.find([event.sha256 for event in told])) == len(told)
    assert worker.events.take(10, 0.0) == []
    assert clock.pauses == [0.5, 1.0, 2.0]


def test_a_batch_becomes_smaller_where_one_took_too_long_and_larger_again(make, monkeypatch):
    clock, worker, asked = Clock(), make(), []
    clock.tells(monkeypatch, worker)
    seconds = iter([60, 10, 10, 10])

    def take(most: int, _: float):
        asked.append(most)
        return events(0, most)

    def do(taken) -> None:
        clock.now += next(seconds)

    worker.events.take, worker._do = take, do
    for _ in range(4):
        worker.work()
    assert asked == [500, 166, 332, 500]


def test_others_may_have_the_lock_after_some_seconds_of_batches(make, monkeypatch):
    clock, worker = Clock(), make()
    clock.tells(monkeypatch, worker)
    worker.events.take = lambda most, seconds: events(0, 3)

    def do(taken) -> None:
        clock.now += 2.0

    worker._do = do
    for _ in range(9):
        worker.work()
    assert clock.pauses == [0.25] * 3  # longer than anybody waits between two looks


def test_a_rejected_photograph_whose_event_comes_again_is_told_of_once(make):
    worker, told = make(), []
    event = Event("a" * 64, "corn/.a.jpg", 5)

    def fail(_) -> None:
        raise DownError("search server: ConnectionError")

    worker.events.reject = fail
    worker.events.publish(event)
    with pytest.raises(DownError):
        worker.work()
    assert worker.positions.get(event.sha256) is None
    worker.events.reject = told.extend
    for _ in range(3):
        worker.work()
        worker.events.publish(event)
    assert [(one.sha256, one.reason) for one in told] == [("a" * 64, "bad_name")]


def photo_of(folder: Path, label: str):
    """Save a photograph as the web server does; return its event."""
    data = save(folder / "a.jpg").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    source = f"{label}/{sha256}.jpg"
    (folder / label).mkdir()
    (folder / "a.jpg").rename(folder / source)
    return Event(sha256, source, len(data))


def test_a_deletion_counts_also_where_the_event_of_an_earlier_upload_follows_it(make, tmp_path):
    photos, worker = tmp_path / "photographs", make(engine=Here())
    event = photo_of(photos, "corn")
    worker.events.publish(event)
    worker.work()
    array = tmp_path / "arrays" / f"{event.source}.npy"
    assert array.exists()

    (photos / event.source).unlink()
    worker.events.publish(replace(event, size=0, is_deleted=True))
    worker.events.publish(event)
    worker.work()
    assert not array.exists()
    assert [one.facts["state"] for one in worker.positions.all()] == ["rejected"]


def test_a_folder_that_could_not_be_listed_is_looked_into_by_the_next_batch(
    make, tmp_path, monkeypatch
):
    worker = make(engine=Here())
    ours, other = (photo_of(tmp_path / "photographs", label) for label in ("corn", "wheat"))
    worker.preparer.run([Entry(ours.source, ours.size, "")])
    foreign = tmp_path / "arrays" / f"{other.source}.npy"
    foreign.parent.mkdir()
    foreign.write_bytes(b"of somebody else")

    list_ = type(worker.preparer.output).list

    def fail(store, folder="", **options):
        if folder == "wheat":
            raise DatasetError("Input/output error")
        return list_(store, folder, **options)

    with monkeypatch.context() as context, pytest.raises(DatasetError):
        context.setattr(type(worker.preparer.output), "list", fail)
        worker.preparer.run([Entry(other.source, other.size, "")])
    (became,) = worker.preparer.run([Entry(other.source, other.size, "")])
    assert (became.reason, foreign.read_bytes()) == ("bad_name", b"of somebody else")


def test_what_is_no_event_is_told_of_once_and_what_comes_along_is_prepared(make):
    worker, told = make(), []
    good, bad = Event("b" * 64, f"corn/{'b' * 64}.jpg", 1), Refusal("", "t-0-1", "bad_event", "why")
    worker.events.reject = told.extend
    worker.events.take = lambda most, seconds: [bad, good]
    failures, commit = iter(range(2)), worker.events.commit

    def commit_later() -> None:
        if next(failures, None) is not None:
            raise DownError("Kafka: keeps silent")
        commit()

    worker.events.commit = commit_later
    for _ in range(2):
        with pytest.raises(DownError):
            worker.work()
    worker.work()
    assert told == [bad]
    assert worker.positions.get("b" * 64).facts["state"] == "prepared"


def flaky(root: Path, failing: set[str]):
    """Return a folder that gives no file of these names; nothing at all where "" is among them."""

    class Flaky(Folder):
        def list(self, folder="", *, deep=True):
            if "" in failing:
                return iter([Entry(folder, 0, "", "does not answer", is_folder=True)])
            return super().list(folder, deep=deep)

        def read(self, path):
            self.check(path)
            return super().read(path)

        def head(self, path, size):
            self.check(path)
            return super().head(path, size)

        def check(self, path):
            if failing & {"", path}:
                raise OSError(5, "Input/output error")

    return Flaky(str(root))


def test_photographs_of_a_store_that_does_not_answer_are_waited_for_and_one_alone_is_rejected(
    make, tmp_path, monkeypatch, capfd
):
    photos, failing = tmp_path / "photographs", {""}
    sources = [f"corn/{number:064}.jpg" for number in range(3)]
    for source in sources:
        save(photos / source)
    clock, worker = Clock(), make(flaky(photos, failing), Here())
    sleep = clock.sleep

    def sleep_and_mend(seconds: float) -> None:
        sleep(seconds)
        if len(clock.pauses) == 3:
            failing.clear()
            failing.add(sources[1])

    clock.sleep = sleep_and_mend
    clock.tells(monkeypatch, worker)
    for source in sources:
        worker.events.publish(Event(source[5:69], source, (photos / source).stat().st_size))
    worker.insist(worker.work)
    assert clock.pauses == [0.5, 1.0, 2.0]
    states = {one.source: one.facts["state"] for one in worker.positions.all()}
    assert states == {sources[0]: "prepared", sources[1]: "rejected", sources[2]: "prepared"}
    assert "Input/output error" in capfd.readouterr().err
