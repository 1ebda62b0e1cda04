"""What a task of Spark finds wrong, and which item took its container down; no cluster needed."""

import pickle
import subprocess
import sys

import pytest

from granpipe.engines.parcels import Run
from granpipe.engines.spark_task import Order, _killers, trouble
from granpipe.stores.folder import Folder

# What Spark does with a function: pickle it by its text, and run it where granpipe may be another.
SENDS = """
import sys
from pyspark.cloudpickle import dumps
from granpipe.engines.spark_jobs import task_of, versions
sys.stdout.buffer.write(dumps(task_of(b"", versions(), probes=True)))
"""
RUNS = """
import pickle, sys
import pyarrow
task = pickle.load(sys.stdin.buffer)
batch = pyarrow.RecordBatch.from_arrays([pyarrow.array([0])], ["id"])
print(next(task([batch])).column(1)[0].as_py().decode())
"""


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("raise ImportError('none')", "have no granpipe; install it there, ship it, or set "),
        ("__version__ = '0.0.1'", "have granpipe 0.0.1, this machine "),
    ],
)
def test_executors_without_granpipe_or_with_another_are_told_of(tmp_path, module, told):
    pytest.importorskip("pyspark", reason="the extra spark is not installed")
    (tmp_path / "granpipe").mkdir()
    (tmp_path / "granpipe/__init__.py").write_text(module)
    sent = subprocess.run([sys.executable, "-c", SENDS], capture_output=True, check=True).stdout
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{RUNS}"]
    said = subprocess.run(command, input=sent, capture_output=True, check=True).stdout.decode()
    assert told in said
    assert said.count("\n") == 1


def test_what_an_executor_does_not_reach_is_named(tmp_path):
    run = Run(Folder(str(tmp_path / "out")), ".granpipe/engine/1", b"key")
    order = Order(abs, 1, run, sample=(Folder(str(tmp_path / "img")), "corn/a.jpg"))
    assert trouble(pickle.dumps(order)).startswith(f"{tmp_path}/img: executors on ")
    (tmp_path / "img/corn").mkdir(parents=True)
    (tmp_path / "img/corn/a.jpg").write_bytes(b"there")
    assert trouble(pickle.dumps(order)).startswith(f"{tmp_path}/out: executors on ")
    run.put("pulse", 0)
    assert trouble(pickle.dumps(order)) == ""


def test_a_sealed_value_of_another_run_or_name_is_none(tmp_path):
    store = Folder(str(tmp_path))
    run, other = Run(store, "desk", b"key"), Run(store, "desk", b"another")
    run.put("part-1", ["made"])
    assert run.get("part-1") == ["made"]
    with pytest.raises(FileNotFoundError):
        other.get("part-1")
    (tmp_path / "desk/part-2").write_bytes((tmp_path / "desk/part-1").read_bytes())
    with pytest.raises(FileNotFoundError):
        run.get("part-2")


@pytest.mark.parametrize(
    ("deaths", "crashed"),
    [
        ([], set()),
        ([(0, 9)], set()),
        ([(0, 9), (3, 4)], {3}),
        ([(3, 4), (3, 4)], {3}),
        ([(0, 9), (3, 4), (6, 7)], {3}),
        ([(0, 9), (3, 4), (6, 7), (6, 7)], {3, 6}),
    ],
)
def test_an_item_crashed_at_its_second_death(deaths, crashed):
    assert _killers(deaths) == crashed
