"""Processes that wait for the next run."""

import os
import signal
import time
from contextlib import closing

import pytest

from granpipe.engines.local import Standby
from granpipe.engines.processes import WorkerCrashed

from harm import is_alive, until

pytestmark = pytest.mark.slow


class Multiply:
    """A function that is another one for each factor."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __call__(self, item: int) -> tuple[int, int]:
        if item == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        return self.factor * item, os.getpid()


@pytest.fixture
def engine():
    engine = Standby(2)
    yield engine
    engine.rest()


def run(engine: Standby, factor: int, count: int = 4) -> set[int]:
    """Return the processes that have done it."""
    done = [result for _, result in engine.run(Multiply(factor), range(count), None)]
    assert [value for value, _ in done] == [factor * item for item in range(count)]
    return {process for _, process in done}


def test_the_next_run_has_the_same_processes_and_its_own_function(engine):
    before = run(engine, 1)
    assert len(before) == 2
    assert run(engine, 2) == before
    assert run(engine, 3, 1) < before


def test_more_items_have_more_processes(engine):
    assert len(run(engine, 1, 1)) == 1
    assert len(run(engine, 1, 4)) == 2


def test_they_end_when_nothing_comes(engine):
    before = run(engine, 1)
    engine.rest()
    assert not any(map(is_alive, before))
    assert not run(engine, 1) & before


def test_a_run_that_is_not_ended_leaves_none(engine):
    before = run(engine, 1)
    with closing(engine.run(Multiply(2), range(100), None)) as results:
        next(results)
    assert not any(map(is_alive, before))
    run(engine, 3)


def test_what_died_in_or_after_the_run_before_is_started_again_for_the_new_function(engine):
    done = dict(engine.run(Multiply(1), [12, 13, 14], None))
    assert done[13] == WorkerCrashed("was ended by signal 9")
    for process in run(engine, 2):
        os.kill(process, signal.SIGKILL)
        until(lambda process=process: not is_alive(process), "its end")
    run(engine, 3)
