"""Work in processes that may die."""

import ctypes
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import closing, suppress
from pathlib import Path
from subprocess import PIPE

import pytest

from granpipe.engines import processes
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.worker import extend_deadline
from granpipe.errors import DatasetError, PhotoError

pytestmark = pytest.mark.slow


@pytest.fixture
def forks() -> None:
    """Let workers here be of the kind that they are."""


def die(item: object) -> None:
    if item == "abort":
        os.abort()
    if item == "exit":
        os._exit(3)
    if item == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if isinstance(item, Path) and not item.exists():
        item.touch()
        os._exit(3)
    if item == "quit":
        sys.exit("a decoder may not do so")


def work(item: object) -> object:
    """Do as the item says; runs in a worker."""
    die(item)
    if item == "kill while it sends":
        threading.Timer(0.02, os.kill, [os.getpid(), signal.SIGKILL]).start()
        return bytes(200_000_000)
    if item == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
    if item == "hang":
        time.sleep(60)
    if item == "hang in C":
        ctypes.PyDLL(None).sleep(60)  # holds the interpreter: no thread runs meanwhile
    if item == "take long, and say so":
        extend_deadline(30)
        time.sleep(4)
    if item == "print":
        os.write(1, b"a library prints\n")
        print("and so does Python", flush=True)
    if item == "log":
        logging.getLogger().warning("into a file of the parent")
        print("and so", file=sys.stderr, flush=True)
    if item == "write to nobody":
        reader, writer = os.pipe()
        os.close(reader)
        with suppress(BrokenPipeError):
            os.write(writer, b"x")
    if item == "fail":
        raise PhotoError("unreadable", "on purpose")
    return item, os.getpid()


def run(function, items, workers: int, **limit: float) -> Generator[object, None, None]:
    """Start workers at once, and return what yields the result of every item."""
    return results_of(items, processes.run(function, items, workers, **limit))


def results_of(items, pairs) -> Generator[object, None, None]:
    with closing(pairs):
        for (item, result), expected in zip(pairs, items, strict=True):
            assert item is expected
            yield result


def values(results) -> list[object]:
    return [result if isinstance(result, WorkerCrashed) else result[0] for result in results]


def inspect_worker(item: object) -> tuple[bytes, list[str], list[object]]:
    """Return what a worker is: its program, its open files, what it does about signals."""
    numbers = list(Path("/proc/self/fd").iterdir())
    files = [str(number.readlink()) for number in numbers if number.exists()]
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    return Path("/proc/self/cmdline").read_bytes(), files, handlers


def output_of(code: str, *, file: Path | None = None) -> str:
    """Run code that can import this module, in a process that has one thread."""
    code = f"from test_processes import *\n{code}"
    if file:
        file.write_text(code)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])
    }
    command = [sys.executable, file] if file else [sys.executable, "-c", code]
    process = subprocess.run(
        command, env=environment, stdout=PIPE, text=True, check=True, timeout=60
    )
    return process.stdout


ANOTHER_THREAD = "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n"
either_kind = pytest.mark.parametrize("before", ["", ANOTHER_THREAD], ids=["fork", "spawn"])
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")


# In order, from so many processes


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(workers):
    assert list(run(math.sqrt, range(100), workers)) == [math.sqrt(n) for n in range(100)]


def test_slow_items_do_not_change_the_order():
    waits = [0.2, 0, 0.1, 0, 0, 0.05]
    assert list(run(time.sleep, waits, 3)) == [None] * 6


def test_more_workers_than_items_and_no_items_at_all():
    assert list(run(abs, [-1, -2], 9)) == [1, 2]
    assert list(run(abs, [], 4)) == []


def test_the_work_is_done_by_as_many_other_processes_as_asked_for():
    pids = {pid for _, pid in run(work, range(200), 2)}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_a_long_list_is_taken_up_as_the_results_are_taken():
    class Counted(list):
        taken = 0

        def __getitem__(self, place):
            self.taken = max(self.taken, place.stop)
            return super().__getitem__(place)

    items = Counted(range(10_000))
    results = run(abs, items, 2)
    next(results)
    assert items.taken <= 600
    results.close()


# What ends a worker costs one item


@either_kind
def test_workers_of_either_kind_may_die_and_print(before):
    items = [1, "exit", "kill", "hang", "print", "interrupt", "quit", 2]
    output = output_of(f"{before}print(values(run(work, {items}, 2, time_limit=1)))")
    crashed = map(WorkerCrashed, ["left with 3", "was ended by signal 9", "took longer than 1 s"])
    assert output == f"{[1, *crashed, 'print', 'interrupt', WorkerCrashed('left with 1'), 2]}\n"


@pytest.mark.parametrize(
    ("harm", "cause"),
    [
        ("abort", f"was ended by signal {signal.SIGABRT:d}"),
        ("kill", f"was ended by signal {getattr(signal, 'SIGKILL', 9):d}"),
        ("kill while it sends", f"was ended by signal {getattr(signal, 'SIGKILL', 9):d}"),
        ("exit", "left with 3"),
        ("quit", "left with 1"),
    ],
)
def test_a_dying_worker_costs_the_item_that_killed_it(harm, cause):
    items = [*range(40), harm, *range(41, 80)]
    assert values(run(work, items, 2)) == [*range(40), WorkerCrashed(cause), *range(41, 80)]


@either_kind
def test_what_a_worker_died_of_once_is_done_by_the_next(before, tmp_path):
    items = [*range(40), tmp_path / "mark", *range(41, 80)]
    output = output_of(
        f"from pathlib import PosixPath\n{before}print(values(run(work, {items}, 2)))"
    )
    assert output == f"{items}\n"
    assert (tmp_path / "mark").exists()


def test_every_item_may_cost_a_worker_its_life():
    assert values(run(work, ["exit"] * 5, 2)) == [WorkerCrashed("left with 3")] * 5


@pytest.mark.parametrize("harm", ["hang", pytest.param("hang in C", marks=on_linux)])
def test_a_hanging_item_is_ended_at_the_time_limit(harm):
    start = time.monotonic()
    results = values(run(work, [1, harm, 3], 1, time_limit=1))
    assert results == [1, WorkerCrashed("took longer than 1 s"), 3]
    assert time.monotonic() - start < 20


def test_an_item_may_ask_for_more_seconds_for_itself_alone():
    items = [1, "take long, and say so", "hang", 2]
    crashed = WorkerCrashed("took longer than 2 s")
    assert values(run(work, items, 1, time_limit=2.0)) == [*items[:2], crashed, 2]


# Errors, and what cannot be started


def test_an_error_in_the_function_is_raised_here_after_the_results_before_it():
    results = run(work, [0, 1, "fail", 3], 1)
    assert values([next(results), next(results)]) == [0, 1]
    with pytest.raises(PhotoError, match="unreadable: on purpose"):
        next(results)


def test_a_function_that_does_not_pickle_is_an_error_here():
    with pytest.raises(Exception, match="pickle|local"):
        list(run(lambda item: item, [1], 1))


def test_a_worker_that_dies_while_it_starts_is_started_again(monkeypatch, tmp_path):
    mark = tmp_path / "mark"
    once = (
        f"import os, sys\nif not os.path.exists({str(mark)!r}):\n open({str(mark)!r}, 'w')\n"
        " os._exit(9)\n"
    )
    *python, code = processes._COMMAND
    monkeypatch.setattr(processes, "_COMMAND", [*python, once + code])
    assert list(run(abs, [-1, -2, -3], 1)) == [1, 2, 3]
    assert mark.exists()


def test_a_worker_that_never_starts_is_an_error(monkeypatch):
    monkeypatch.setattr(processes, "_COMMAND", [sys.executable, "-c", "raise SystemExit(5)"])
    with pytest.raises(DatasetError, match="cannot start a worker: .* left with 5"):
        list(run(abs, [-1, -2, -3], 2))


def test_one_that_starts_slowly_after_a_hanging_item_is_not_ended_too(monkeypatch):
    *options, program = processes._COMMAND
    slow = [*options, f"import time; time.sleep(0.9); {program}"]
    monkeypatch.setattr(processes, "_COMMAND", slow)
    results = values(run(work, [1, "hang", 3], 1, time_limit=1))
    assert results == [1, WorkerCrashed("took longer than 1 s"), 3]


# Its parent's terminal, files and signals are none of a worker's


def test_workers_leave_ctrl_c_to_their_parent():
    assert values(run(work, [1, "interrupt", 3], 1)) == [1, "interrupt", 3]


def test_what_a_worker_prints_reaches_neither_the_results_nor_the_terminal(capfd):
    assert values(run(work, ["print", 2, "log"], 1)) == ["print", 2, "log"]
    assert capfd.readouterr() == ("", "")


@on_linux
@pytest.mark.parametrize(("before", "forks"), [("", True), (ANOTHER_THREAD, False)])
def test_a_process_of_one_thread_forks_its_workers_and_they_hold_nothing_of_it(before, forks):
    output = output_of(
        f"""{before}
file = open(os.path.realpath(sys.executable))
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
mine = Path("/proc/self/cmdline").read_bytes()
for program, files, handlers in run(inspect_worker, [0, 1], 2):
    print(program == mine, file.name in files, *map(int, handlers))
"""
    )
    assert output == f"{forks} False 0 1\n" * 2


@on_linux
def test_a_thread_that_shows_the_progress_comes_too_late_to_forbid_forks():
    output = output_of(
        f"""
mine, results = Path("/proc/self/cmdline").read_bytes(), run(inspect_worker, [0, 1], 2)
{ANOTHER_THREAD}
print(*(program == mine for program, *_ in results))
"""
    )
    assert output == "True True\n"


def test_what_the_parent_has_open_is_out_of_reach_of_its_forks(tmp_path):
    items = [0, "log", 1, "write to nobody", 2]
    output = output_of(
        f"""
logging.basicConfig(filename={str(tmp_path / "log")!r})
sys.stderr = open({str(tmp_path / "errors")!r}, "w")
print(values(run(work, {items}, 1)))
"""
    )
    assert output == f"{items}\n"
    assert (tmp_path / "errors").read_text() == ""


@on_linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_while_workers_are_forked_is_handled_once(number, tmp_path):
    output = output_of(
        f"""
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), {int(number)}))
signal.signal({int(number)}, lambda *_: print("handled"))
print(list(run(abs, [-1], 1)), flush=True)
"""
    )
    assert output == "[1]\n"


@either_kind
def test_the_script_that_starts_workers_is_not_run_by_them(before, tmp_path):
    code = f'print("once")\n{before}print(list(run(abs, [-1, -2], 2)))'
    assert output_of(code, file=tmp_path / "script.py") == "once\n[1, 2]\n"


def test_closing_early_ends_every_process_and_thread():
    threads = threading.active_count()
    results = run(work, [1, "hang", "hang"], 2)
    next(results)
    start = time.monotonic()
    results.close()
    assert time.monotonic() - start < 5
    assert threading.active_count() == threads


# Steps that overlap


class Distant:
    """Steps over a network that takes its time."""

    ahead = 2

    def weight(self, item):
        return 1

    def fetch(self, item):
        time.sleep(item)
        return item

    def work(self, item, fetched):
        return fetched

    def keep(self, item, made):
        time.sleep(item)
        return made


class Deadly(Distant):
    """Steps of which one may end their process."""

    def work(self, item, fetched):
        return os._exit(3) if item == 7 else fetched

    def fetch(self, item):
        return item

    def keep(self, item, made):
        return made


class Heavy(Distant):
    """Steps that say how many items were fetched, and not yet worked on, at once."""

    ahead = 3
    fetched = 0

    def weight(self, item):
        return item

    def fetch(self, item):
        Heavy.fetched += 1

    def work(self, item, fetched):
        time.sleep(0.05)
        Heavy.fetched -= 1
        return Heavy.fetched + 1

    def keep(self, item, made):
        return made


def test_to_wait_for_a_network_is_not_to_hang():
    assert list(run(Distant(), [0, 3, 0], 1, time_limit=2.0)) == [0, 3, 0]


def test_steps_overlap():
    start = time.monotonic()
    assert list(run(Distant(), [0.2] * 20, 1)) == [0.2] * 20
    assert time.monotonic() - start < 0.75 * 20 * 2 * 0.2


def test_what_works_in_steps_is_no_fork_and_loses_the_item_that_kills():
    output = output_of("print(list(run(Deadly(), range(40), 1)))")
    assert output == f"{[*range(7), WorkerCrashed('left with 3'), *range(8, 40)]}\n"


@pytest.mark.parametrize(("weight", "most"), [(1, 3), (100_000_000, 1)])
def test_few_items_and_not_too_many_bytes_are_fetched_ahead(weight, most):
    assert max(run(Heavy(), [weight] * 12, 1)) == most
