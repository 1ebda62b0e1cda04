"""A real cluster of Spark on this machine: a master, two workers of one core, and Connect."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest

from brokers import free_port
from buckets import Server, variables
from harm import launch, until
from programs import BRIEF

ROOT = Path(__file__).parent.parent


def skip_without_spark() -> None:
    """Skip a test where Spark cannot run."""
    for package in ("pyspark", "pyarrow"):
        if find_spec(package) is None:
            pytest.skip(f"the extra spark is not installed: no {package}")
    if not shutil.which("java"):
        pytest.skip("Spark needs Java, and there is none")


@dataclass
class Cluster:
    """A standalone cluster.

    Attributes
    ----------
    folder : Path
        Where logs stand, and the configuration that a driver is to read.
    variables : dict
        What its processes find in their environment.
    """

    folder: Path
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.harm.mkdir(parents=True)
        shutil.copy(ROOT / "tests/executor_harm.py", self.harm / "sitecustomize.py")
        host = ["--host", "127.0.0.1", "--webui-port", "0"]
        self._java("master", "org.apache.spark.deploy.master.Master", *host, "--port", self.port)
        self.wait_for("master", "I have been elected leader")
        for name in ("worker-1", "worker-2"):
            self.start_worker(name)
        for name in ("worker-1", "worker-2"):
            self.wait_for(name, "Successfully registered with master")

    def start_worker(self, name: str) -> None:
        main = "org.apache.spark.deploy.worker.Worker"
        options = ["--host", "127.0.0.1", "--webui-port", "0", "--cores", 1, "--memory", "1g"]
        self._java(name, main, *options, "--work-dir", self.folder / f"{name}-work", self.master)

    def _java(self, name: str, main: str, *words: object) -> None:
        program = Path(self.environment["SPARK_HOME"]) / "bin/spark-class"
        command, log = [program, main, *words], self.folder / name
        self.processes[name] = launch(command, log, env=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        import pyspark

        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return kept | {
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_NO_DAEMONIZE": "1",
            "SPARK_DAEMON_JAVA_OPTS": " ".join(BRIEF),
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": f"{self.harm}:{ROOT}",
            **self.variables,
        }

    def wait_for(self, name: str, sign: str) -> None:
        """Wait until a process has written a text into its log."""
        log = self.folder / name
        until(
            lambda: sign in log.read_text("utf-8", "replace"),
            f"{name} wrote {sign!r}",
            process=self.processes[name],
            log=log,
        )

    def driver(self, **settings: str) -> dict[str, str]:
        """Return the environment of a command that is to use the cluster.

        Parameters
        ----------
        settings : str
            Of Spark, with __ for a dot.
        """
        conf = Path(self.folder / f"conf-{len(list(self.folder.iterdir()))}")
        conf.mkdir()
        defaults = {"spark.master": self.master, "spark.driver.host": "127.0.0.1"}
        defaults |= {"spark.driver.bindAddress": "127.0.0.1", "spark.executor.memory": "512m"}
        defaults |= {"spark.ui.enabled": "false", "spark.executorEnv.HARM": "1"}
        defaults |= {
            f"spark.{of}.extraJavaOptions": " ".join(BRIEF) for of in ("driver", "executor")
        }
        defaults |= {name.replace("__", "."): value for name, value in settings.items()}
        lines = (f"{name} {value}\n" for name, value in defaults.items())
        (conf / "spark-defaults.conf").write_text("".join(lines))
        return self.environment | {"SPARK_CONF_DIR": str(conf)}

    def start_connect(self) -> str:
        """Start a server of Spark Connect on the cluster and return its address."""
        port = free_port()
        program = Path(self.environment["SPARK_HOME"]) / "bin/spark-submit"
        main = "org.apache.spark.sql.connect.service.SparkConnectServer"
        settings = {"grpc.binding.address": "127.0.0.1", "grpc.binding.port": port}
        words = [f"--conf=spark.connect.{name}={value}" for name, value in settings.items()]
        command, log = [program, "--class", main, *words, "spark-internal"], self.folder / "connect"
        self.processes["connect"] = launch(command, log, env=self.driver(spark__cores__max="1"))
        self.wait_for("connect", "Spark Connect server started at")
        return f"sc://127.0.0.1:{port}"

    @property
    def harm(self) -> Path:
        """A folder whose files tell executors what harm to do."""
        return self.folder / "harm"

    def slow(self, seconds: float) -> None:
        """Let executors take so many seconds more for each photograph from now on."""
        (self.harm / "slow").write_text(str(seconds))

    def lack(self, what: str) -> None:
        """Let executors have no granpipe, or "pillow 9.9", from now on."""
        (self.harm / "lacks").write_text(what)

    def be_well(self) -> None:
        """End all harm that was told of."""
        for name in ("slow", "lacks", "haunted", "haunted-late"):
            (self.harm / name).unlink(missing_ok=True)

    def pids(self, word: str) -> list[int]:
        """Return the processes of this cluster that have a word in their command line."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                is_ours = str(self.folder).encode() in (process / "environ").read_bytes()
                if is_ours and word.encode() in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return sorted(found)

    def executors(self) -> set[Path]:
        """Return the folders of all executors that there have been."""
        return set(self.folder.glob("worker-*-work/*/*"))

    def kill(self, name: str) -> None:
        """Kill a master, a worker or Connect."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture(scope="session")
def cluster(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a cluster once for all tests, which reaches the S3 server."""
    skip_without_spark()
    cluster = Cluster(tmp_path_factory.mktemp("spark") / "cluster", variables(server.endpoint))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
