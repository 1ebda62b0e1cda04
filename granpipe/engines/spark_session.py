"""A session of Spark, as Spark's users start one."""

import atexit
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from granpipe.engines.spark_jobs import CAUSE, line_of
from granpipe.errors import DatasetError

_REMOTE_PORT = 15_002


def check_extra() -> None:
    """Raise DatasetError where the extra `spark` is missing."""
    if find_spec("pyspark") is None or find_spec("pyarrow") is None:
        raise DatasetError("--engine spark needs: pip install 'granpipe[spark]'")


def start_session() -> Any:
    """Return the session that Spark's configuration and variables ask for; local[*] by default.

    Raises
    ------
    DatasetError
        There is no Java, or Spark does not start.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415 - the extra spark

    if SparkSession.getActiveSession() is not None:
        return SparkSession.builder.getOrCreate()
    # What Java writes would tear a progress bar, as would what Py4J logs of a connection to it.
    log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as Java writes
    logging.getLogger().addFilter(_is_not_of_py4j)
    remote = os.environ.get("SPARK_REMOTE", "")
    try:
        if remote:
            _check_remote(remote)
        else:
            _launch(log)
            _check_master()
        builder = SparkSession.builder.appName("granpipe")
        session: Any = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    except DatasetError:
        raise
    except Exception as error:
        raise DatasetError(f"Spark does not start: {_cause(log) or line_of(error)}") from error
    atexit.register(_stop, session)
    if not remote and session.sparkContext.master.startswith("local"):
        # Else its workers are whatever `python3` is, which may not be this one.
        session.sparkContext.pythonExec = os.environ.get("PYSPARK_PYTHON", sys.executable)
    if not remote:  # where Java dies, a server of PySpark's would print the traceback of its thread
        session.sparkContext._accumulatorServer.handle_error = lambda *_: None
    return session


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    return "py4j" not in Path(record.pathname).parts


def _stop(session: Any) -> None:
    with suppress(Exception):  # Java may be gone
        session.stop()


def _cause(log: IO[bytes]) -> str:
    """Return the last line of Spark's log that says why something went wrong."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    causes = (line for line in reversed(lines) if CAUSE.search(line) and " WARN " not in line)
    return next((line.strip()[:300] for line in causes), "")


def _check_remote(url: str) -> None:
    """Look whether anybody listens: Spark's client itself tries for ten minutes."""
    parts = urlsplit(url)
    if parts.scheme != "sc" or not parts.hostname or parts.hostname == "local":
        return
    if not _answers(address := f"{parts.hostname}:{parts.port or _REMOTE_PORT}"):
        raise DatasetError(f"SPARK_REMOTE: nobody answers at {address}; start Spark Connect there")


def _check_master() -> None:
    """Look whether a master of Spark's own kind listens: Spark itself tries for a minute."""
    from pyspark import SparkConf  # noqa: PLC0415 - the extra spark

    master = SparkConf().get("spark.master") or ""
    addresses = master.removeprefix("spark://").split(",") if master.startswith("spark:") else []
    if addresses and not any(map(_answers, addresses)):
        raise DatasetError(f"spark.master: nobody answers at {master}; start a master there")


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError):
        return False
    return True


def _launch(log: IO[bytes]) -> None:
    """Start Java for Spark, which writes its log into a file."""
    from pyspark import SparkContext  # noqa: PLC0415 - the extra spark
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415

    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit is Java, and no terminal for us
        SparkContext._ensure_initialized()
        return
    if not _java():
        raise DatasetError(
            "--engine spark needs Java 17 or newer: install it, or set JAVA_HOME, or SPARK_REMOTE"
        )
    if SparkContext._gateway is None:
        with _undisturbed():
            gateway = launch_gateway(popen_kwargs={"stderr": log})
        SparkContext._ensure_initialized(gateway=gateway)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back while Java starts: until it has said its port, it outlives us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.signal(number, lambda number, _: came.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
