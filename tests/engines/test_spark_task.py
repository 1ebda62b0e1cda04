"""What a task of Spark finds wrong, tells and watches; no cluster needed."""

import math
import pickle
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from granpipe.engines import heartbeat as heartbeats
from granpipe.engines.heartbeat import Heartbeat, watched
from granpipe.engines.spark_task import Died, Failed, Order, trouble, work
from granpipe.stores.folder import Folder

from conftest import put

# What Spark does with a function: pickle it by its text, and run it where granpipe may be another.
SENDS = """
import sys
from pyspark.cloudpickle import dumps
from granpipe.engines.spark_jobs import task_of, versions
sys.stdout.buffer.write(dumps(task_of(b"", None, versions())))
"""
RUNS = """
import pickle, sys
import pyarrow
task = pickle.load(sys.stdin.buffer)
batch = pyarrow.RecordBatch.from_arrays([pyarrow.array([0])], ["id"])
print(next(task([batch])).column(1)[0].as_py().decode())
"""


@pytest.mark.extras
@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("raise ImportError('none')", "have no granpipe; install it there, ship it, or set "),
        ("__version__ = '0.0.1'", "have granpipe 0.0.1, this machine "),
    ],
)
def test_executors_without_granpipe_or_with_another_are_told_of(tmp_path, module, line):
    pytest.importorskip("pyspark", reason="the extra spark is not installed")
    put(tmp_path / "granpipe/__init__.py", module.encode())
    sent = subprocess.run([sys.executable, "-c", SENDS], capture_output=True, check=True).stdout
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{RUNS}"]
    said = subprocess.run(command, input=sent, capture_output=True, check=True).stdout.decode()
    assert line in said
    assert said.count("\n") == 1


def test_what_an_executor_does_not_reach_is_named(tmp_path):
    heartbeat = Heartbeat(Folder(str(tmp_path / "out")), ".granpipe/engine/pulse", "run-1")
    order = Order(abs, 1, heartbeat, sample=(Folder(str(tmp_path / "img")), "corn/a.jpg"))
    assert trouble(pickle.dumps(order)).startswith(f"{tmp_path}/img: executors on ")
    put(tmp_path / "img/corn/a.jpg", b"there")
    assert trouble(pickle.dumps(order)).startswith(f"{tmp_path}/out: executors on ")
    replace(heartbeat, run="run-2").give(0)
    assert "is not of this run" in trouble(pickle.dumps(order))
    heartbeat.give(0)
    assert trouble(pickle.dumps(order)) == ""


@pytest.mark.parametrize("end", ["gone", "silent", "another"])
def test_a_task_ends_soon_after_its_driver(tmp_path, monkeypatch, end):
    monkeypatch.setattr(heartbeats, "BEAT", 0.02)
    monkeypatch.setattr(heartbeats, "PATIENCE", 0.2)
    heartbeat = Heartbeat(Folder(str(tmp_path)), "engine/pulse", "run-1")
    ended = threading.Event()
    with heartbeat.beating(), watched(heartbeat, ended.set):
        assert not ended.wait(0.5)
    assert not list(tmp_path.iterdir())
    if end != "gone":
        replace(heartbeat, run="run-1" if end == "silent" else "run-2").give(0)
    with watched(heartbeat, ended.set):
        assert ended.wait(5)


@pytest.mark.parametrize(
    ("attempt", "copies", "expected"), [(0, 0, [1, 2]), (1, 0, Died()), (1, 1, [1, 2])]
)
def test_a_task_that_was_tried_before_says_so(attempt, copies, expected):
    order = Order(abs, 1, None, copies=copies, chunks=[b"", pickle.dumps([-1, 2])])
    assert pickle.loads(work(pickle.dumps(order), 1, 1, attempt)) == expected


def test_an_error_is_told_and_not_raised():
    order = Order(math.sqrt, 1, None, chunks=[pickle.dumps([4, -1])])
    assert pickle.loads(work(pickle.dumps(order), 0, 1, 0)) == Failed("math domain error")
