"""How a session of Spark starts, or why not, in one line; no cluster needed."""

import os
import re
import sys
import threading
import time

import pytest

from granpipe.commands import options
from granpipe.engines.spark_jobs import line_of

from brokers import free_port
from clusters import skip_without_spark
from conftest import picture, save

WORDS = ["prepare", "img", "out", "--engine", "spark"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Stand beside a photograph, where nobody has told of a Spark."""
    save(tmp_path / "img/corn/a.jpg", picture())
    monkeypatch.chdir(tmp_path)
    for name in ("SPARK_REMOTE", "SPARK_CONF_DIR", "MASTER", "PYSPARK_SUBMIT_ARGS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("package", ["pyspark", "pyarrow"])
@pytest.mark.parametrize("command", ["prepare", "augment", "map"])
def test_without_the_extra_its_name_is_told(granpipe, monkeypatch, command, package):
    monkeypatch.setitem(sys.modules, package, None)
    result = granpipe(command, *WORDS[1 : 2 + (command == "prepare")], *WORDS[3:], code=1)
    assert result.output == "granpipe: --engine spark needs: pip install 'granpipe[spark]'\n"


@pytest.mark.spark
@pytest.mark.parametrize("home", ["", "/nowhere"])
def test_without_java_it_is_asked_for(start, home, tmp_path):
    skip_without_spark()
    words = {"JAVA_HOME": home} if home else {"PATH": str(tmp_path)}
    process = start(*WORDS, env={**os.environ, "JAVA_HOME": "", **words})
    printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed) == (1, "")
    assert said == (
        "granpipe: --engine spark needs Java 17 or newer: install it, or set JAVA_HOME, "
        "or SPARK_REMOTE\n"
    )


@pytest.mark.spark
def test_a_master_or_a_server_that_nobody_is_is_told_at_once(start, tmp_path):
    skip_without_spark()
    nobody, address = free_port(), "127.0.0.1"
    (tmp_path / "spark-defaults.conf").write_text(f"spark.master spark://{address}:{nobody}\n")
    began = time.monotonic()
    master = start(*WORDS, env={**os.environ, "SPARK_CONF_DIR": str(tmp_path)})
    remote = start(
        "map",
        *WORDS[1:2],
        *WORDS[3:],
        env={**os.environ, "SPARK_REMOTE": f"sc://{address}:{nobody}"},
    )
    assert master.communicate(timeout=60)[1] == (
        f"granpipe: spark.master: nobody answers at spark://{address}:{nobody}; "
        "start a master there\n"
    )
    assert remote.communicate(timeout=60)[1] == (
        f"granpipe: SPARK_REMOTE: nobody answers at {address}:{nobody}; start Spark Connect there\n"
    )
    assert (master.returncode, remote.returncode) == (1, 1)
    assert time.monotonic() - began < 60


def test_what_ended_a_job_is_one_line():
    own = "Traceback\n  File\ngranpipe.errors.DatasetError: s3://lake: is full; fix that\n\tat java"
    assert line_of(RuntimeError(own)) == "s3://lake: is full; fix that"
    assert "PYSPARK_PYTHON" in line_of(RuntimeError('Cannot run program "python9": error=2'))
    assert line_of(ValueError()) == "ValueError"


def test_a_log_tells_how_far_a_run_is_also_while_nothing_comes(monkeypatch, capsys):
    monkeypatch.setattr(options, "BETWEEN_LINES", 0.05)
    threads = threading.active_count()

    def results():
        time.sleep(0.3)
        yield from range(150)
        time.sleep(0.3)
        yield from range(50)

    assert len(list(options.progress(results(), 200, quiet=False))) == 200
    said = capsys.readouterr().err
    assert "granpipe: 0 of 200, 0 a second, none yet\n" in said
    assert re.search(r"granpipe: 150 of 200, [\d,]+ a second, 0 min left\n", said)
    assert threading.active_count() == threads
    assert len(list(options.progress(iter("ab"), 2, quiet=True))) == 2
    assert not capsys.readouterr().err
