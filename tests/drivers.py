"""Drivers of Spark for the tests, and what befalls their executors."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from clusters import Cluster
from harm import PATIENCE

# One session does for many commands: it takes long to start.
DRIVER = """
import contextlib, io, json, os, sys
from granpipe.commands.group import cli
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # of Java and all others
for line in sys.stdin:
    printed, said, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        try:
            cli(json.loads(line), prog_name="granpipe")
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([code, printed.getvalue(), said.getvalue()]), file=answers, flush=True)
"""


@dataclass
class Driver:
    """A process with one session of Spark, which runs commands until its input ends."""

    process: subprocess.Popen[str]

    def send(self, *words: object) -> None:
        """Have a command run."""
        print(json.dumps([str(word) for word in words]), file=self.process.stdin, flush=True)

    def answer(self) -> tuple[int, str, str]:
        """Return the exit code of the command, what it printed, and what it said to stderr."""
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        code, printed, said = json.loads(line)
        return code, printed, said

    def __call__(self, *words: object, code: int = 0) -> tuple[str, str]:
        """Run a command; return what it printed, and what it said."""
        self.send(*words)
        left, printed, said = self.answer()
        assert left == code, (left, printed, said)
        return printed, said

    def end(self) -> None:
        """End the session, and see that nothing of it is left."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(PATIENCE)


class Drivers:
    """All drivers on a cluster, of which one at a time has its cores."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.shared: Driver | None = None
        self.started: list[subprocess.Popen[str]] = []

    def popen(self, command: list[object], environment: dict[str, str], **options) -> Driver:
        """Start a driver of another command line, once nobody else has the cores."""
        self.leave()
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            list(map(str, command)),
            env=environment,
            start_new_session=True,
            text=True,
            **(piped | options),
        )
        self.started.append(process)
        return Driver(process)

    def own(self, environment: dict[str, str], before: str = "") -> Driver:
        """Start a driver of one test; `before` is code that it runs first."""
        command = [sys.executable, "-c", before + DRIVER]
        return self.popen(command, environment, stderr=None)

    def share(self) -> Driver:
        """Return the driver of all tests that need none of their own."""
        if self.shared is None or self.shared.process.poll() is not None:
            self.shared = self.own(self.cluster.driver())
        return self.shared

    def leave(self) -> None:
        """Give back the cores."""
        if self.shared:
            self.shared.end()
        self.shared = None

    def stop(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()
            for stream in filter(None, (process.stdin, process.stdout)):
                stream.close()


@pytest.fixture(scope="module")
def drivers(cluster: Cluster) -> Iterator[Drivers]:
    """Return what starts drivers on the cluster."""
    drivers = Drivers(cluster)
    yield drivers
    drivers.stop()


@pytest.fixture
def driver(drivers: Drivers) -> Driver:
    """Return a driver that tests share."""
    return drivers.share()
