"""A worker in this process, on parts that fail when they are told to."""

import hashlib
import json
import tracemalloc

import pytest


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a worker with an engine that does nothing, and its parts."""
    pytest.importorskip("flask", reason="the extra service is not installed")
    from granpipe.jobs.prepare_ahead import PrepareAhead
    from granpipe.service.journal import Journal
    from granpipe.service.queue import QueueFile
    from granpipe.service.rtree import IndexFile
    from granpipe.service.worker import Worker
    from granpipe.stores.urls import open_store

    def make_one() -> Worker:
        stores = (open_store(str(tmp_path / name)) for name in ("photographs", "arrays"))
        state = str(tmp_path / "state")
        ahead = PrepareAhead(*stores, Idle())
        return Worker(ahead, QueueFile(state), IndexFile(state), Journal(as_json=True))

    return make_one


class Idle:
    """An engine that says of every photograph that it is prepared."""

    def run(self, task, items, place):
        from granpipe.jobs.prepare_photo import Outcome

        for job in items:
            record = {"sha256": job.photo.path[5:69], "width": 4, "height": 3, "max_memory": 1}
            record |= {"left": 0, "top": 28, "right": 224, "bottom": 196, "array_sha256": "a" * 64}
            yield Outcome(record["sha256"], json.dumps(record | {"filler": "x" * 300}), False)


def events(first: int, last: int):
    from granpipe.service.events import Event

    digests = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(first, last))
    return [Event(one, f"corn/{one}.jpg", 1) for one in digests]


def test_the_memory_of_a_worker_does_not_grow_with_the_events_it_has_done(make, monkeypatch):
    from granpipe.service import worker as module

    monkeypatch.setattr(module, "_BREATH", 0.0)
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
    assert len(worker.positions.lacking([one.sha256 for one in events(0, 5_001)])) == 1
