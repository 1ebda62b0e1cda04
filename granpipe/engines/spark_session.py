"""A session of Spark, as Spark's users start one, and what Spark says meanwhile."""

import atexit
import os
import re
import shutil
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from granpipe.errors import DatasetError

_REMOTE_PORT = 15_002
STARVES = "has not accepted any resources"
"""In the warning of Spark that stands for a cluster without a free core."""

# What log4j calls an error, as Spark's own pattern has it or as another.
_TELLS = re.compile(rf".*{STARVES}|(?![\d/]{{8}} [\d:]{{8}} (?:INFO|WARN)\b).*\b(?:ERROR|FATAL)\b")
_STAMP = re.compile(r"^[\d/]{8} [\d:]{8} ")
_OWN = re.compile(r"granpipe\.errors\.\w*Error: (.+)")
_CAUSE = re.compile(r"(?:Error|Exception)\b|cannot|unable|refused", re.IGNORECASE)


def check_extra() -> None:
    """Raise DatasetError where the extra `spark` is missing."""
    if find_spec("pyspark") is None or find_spec("pyarrow") is None:
        raise DatasetError("--engine spark needs: pip install 'granpipe[spark]'")


def start_session(say: Callable[[str], None]) -> Any:
    """Return the session that Spark's configuration and variables ask for; local[*] by default.

    Parameters
    ----------
    say : callable
        Told, in a line, of errors that Spark writes into its log.

    Raises
    ------
    DatasetError
        There is no Java, or Spark does not start.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415 - the extra spark

    if SparkSession.getActiveSession() is not None:
        return SparkSession.builder.getOrCreate()
    log = _Log(say)
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
        raise DatasetError(f"Spark does not start: {log.cause() or told(error)}") from error
    atexit.register(session.stop)
    if not remote and session.sparkContext.master.startswith("local"):
        # Else its workers are whatever `python3` is, which may not be this one.
        session.sparkContext.pythonExec = os.environ.get("PYSPARK_PYTHON", sys.executable)
    return session


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


def _launch(log: "_Log") -> None:
    """Start Java for Spark, with what it says in our hands: it would tear a progress bar."""
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
            gateway = launch_gateway(popen_kwargs={"stderr": log.pipe()})
        log.close_pipe()
        SparkContext._ensure_initialized(gateway=gateway)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold signals back while Java starts: until it has told its port, it outlives us."""
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


class _Log:
    """Reads what Spark writes to stderr, and passes on what tells a failure."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.last: deque[str] = deque(maxlen=50)
        self.writer: int | None = None

    def pipe(self) -> int:
        reader, self.writer = os.pipe()
        threading.Thread(target=self._read, args=(reader,), daemon=True).start()
        return self.writer

    def close_pipe(self) -> None:
        if self.writer is not None:
            os.close(self.writer)

    def _read(self, reader: int) -> None:
        said = ""
        with open(reader, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                self.last.append(line.strip())
                text = _STAMP.sub("", line).strip()[:300]
                if _TELLS.match(line) and text != said:  # it repeats itself every 15 seconds
                    said = text
                    self.say(f"Spark: {text}")

    def cause(self) -> str:
        """Return the last line that tells why something went wrong."""
        return next((line[:300] for line in reversed(self.last) if _CAUSE.search(line)), "")


def told(error: BaseException) -> str:
    """Return one line on what ended a job: granpipe's own words where they are in it."""
    text = str(error)
    if own := _OWN.findall(text):
        return str(own[-1]).strip()
    for sign, meaning in _MEANINGS.items():
        if re.search(sign, text):
            return meaning
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    causes = [line for line in lines if _CAUSE.search(line)]
    return f"{(causes or lines or [type(error).__name__])[0][:300]}"


def is_own(error: BaseException) -> bool:
    """Tell whether granpipe itself ended a job with an error."""
    return bool(_OWN.search(str(error)))


_MEANINGS = {
    "PYTHON_VERSION_MISMATCH": "the executors run another Python than this one, "
    f"{sys.version_info.major}.{sys.version_info.minor}; set PYSPARK_PYTHON to one of that version",
    "No module named '?granpipe": "the executors have no granpipe; install it there, ship it, or "
    "set PYSPARK_PYTHON to the Python there that has it",
    "No module named '?(pyarrow|pandas)": "the executors lack pyarrow or pandas; "
    "pip install 'granpipe[spark]' there, ship them, or set PYSPARK_PYTHON to the Python there "
    "that has them",
    "Cannot run program": "the executors cannot start Python; set PYSPARK_PYTHON to what they have",
}
