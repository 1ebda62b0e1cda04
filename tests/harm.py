"""What kills, hangs and waits, for the tests of what becomes of a run that is harmed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATIENCE = 90.0  # seconds, on a busy machine

# Code for `hooked` and `injected`. No picture can be opened:
NO_DECODER = """
import os, PIL.ImageFile

PIL.ImageFile.ImageFile.__init__ = lambda *args, **options: os._exit(7)
"""
# The sides of a picture tell what happens when it is decoded:
DEADLY_DECODER = """
import os, resource, time
from PIL import ImageFile

load = ImageFile.ImageFile.load

def deadly_load(self):
    if self.size == (13, 13):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()
    if self.size == (17, 17):
        time.sleep(60)
    return load(self)

ImageFile.ImageFile.load = deadly_load
"""


def hooked(folder: Path, code: str) -> dict[str, str]:
    """Return an environment in which each process of Python runs this code first.

    Python imports a module named sitecustomize as it starts; this writes one into the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.fixture
def injected(start, tmp_path):
    """Start granpipe with some code run first in each of its processes."""

    def run(code: str, *args: object) -> subprocess.Popen:
        return start(*args, env=hooked(tmp_path / "inject", code))

    return run


def die(*arguments: object) -> None:
    """Take the place of a function at which a run is killed."""
    raise SystemExit(9)


def until(
    condition: Callable[[], object],
    what: str = "it",
    patience: float = PATIENCE,
    *,
    process: subprocess.Popen | None = None,
    log: Path | None = None,
    every: float = 0.05,
) -> None:
    """Wait until something holds.

    Parameters
    ----------
    condition : callable
        Asked again and again.
    what : str
        What is waited for, in words.
    patience, every : float
        Seconds to wait at most, and from one question to the next.
    process : subprocess.Popen, optional
        What brings it about: if it ends before, nothing else will.
    log : Path, optional
        A file whose end says why it was waited for in vain.
    """
    ends, why = time.monotonic() + patience, ""
    while True:
        if process is not None and process.poll() is not None:
            why = f"left with {process.returncode} before {what}"
        elif time.monotonic() > ends:
            why = f"waited in vain for {what}"
        if condition():
            return
        if why:
            pytest.fail(f"{why}\n{log.read_text('utf-8', 'replace')[-2000:] if log else ''}")
        time.sleep(every)


def launch(command: Sequence[object], log: Path, **options) -> subprocess.Popen:
    """Start a program in a group of its own, which writes into a log."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            **options,
        )


def kill(process: subprocess.Popen) -> None:
    """End a process and its group as `kill -9` does, if it has not ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def workers_of(parent: int) -> list[int]:
    """Return the processes that work for a run, by the listing of all processes."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    processes = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
    (own,) = [args for pid, _, args in processes if int(pid) == parent] or [""]
    children = [(int(pid), args) for pid, ppid, args in processes if int(ppid) == parent]
    # A fork goes by its parent's command line.
    return [pid for pid, args in children if args == own or "import serve;" in args]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and nobody waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@contextmanager
def handling(number: int, handler: object) -> Iterator[None]:
    """Handle a signal otherwise for a while; what is started meanwhile inherits SIG_IGN alone."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.fixture(scope="session", autouse=True)
def signals_are_obeyed() -> None:
    """Let what tests start obey SIGINT and SIGHUP, also where these come ignored, as by nohup.

    What is ignored is inherited, and what is handled is not: with a handler that does nothing the
    tests go on as before, and what they start has the default.
    """
    for name in {"SIGINT", "SIGHUP"} & {number.name for number in signal.Signals}:
        if signal.getsignal(signal.Signals[name]) is signal.SIG_IGN:
            signal.signal(signal.Signals[name], lambda *_: None)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of 2 MB; its size can be changed by calling what this returns."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def size(text: str) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={text}", disk], check=True)
        return disk

    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a small disk")
    yield size
    subprocess.run(["umount", disk], check=True)
