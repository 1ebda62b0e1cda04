"""Who holds a lock: a process of a host, in words for another run and as JSON for a lock's file."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from granpipe.errors import BusyError


@dataclass(frozen=True, slots=True)
class Owner:
    """A run that holds a lock.

    Attributes
    ----------
    host, pid, since : str, int, str
        Where it runs, as what process, and since when (ISO 8601, UTC), for people to read.
    place : str
        The machine, its boot and its process namespace: equal only where `pid` can be looked up.
    started : str
        When the process started, as its system counts; another process may get its number.
    """

    host: str
    pid: int
    since: str
    place: str
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (since {self.since})"

    def is_gone(self) -> bool:
        """Return whether it is certain that the process has ended."""
        return self.place == _place() and self.started != _started(self.pid)

    def is_here(self) -> bool:
        """Return whether it is certain that the process is alive."""
        return self.place == _place() and bool(self.started) and not self.is_gone()

    def to_json(self, **extra: object) -> bytes:
        """Return the owner, and what else is kept beside it."""
        return json.dumps(asdict(self) | extra).encode()


def this_process() -> Owner:
    """Return this process as an owner."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Owner(socket.gethostname(), os.getpid(), now, _place(), _started(os.getpid()))


def owner_of(data: bytes) -> Owner | None:
    """Return whom a lock's bytes name; None where they are damaged."""
    try:
        fields = json.loads(data)
        owner = Owner(*(fields[name] for name in Owner.__slots__))
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    texts = (owner.host, owner.since, owner.place, owner.started)
    is_sound = isinstance(owner.pid, int) and all(isinstance(text, str) for text in texts)
    return owner if is_sound else None


def busy_with(url: str, data: bytes) -> BusyError:
    """Return the error that names the owner of a lock, and whether he will be done soon."""
    try:
        is_brief = json.loads(data).get("brief") is True
    except (ValueError, AttributeError, RecursionError):
        is_brief = False
    owner = owner_of(data) or "another run"
    return BusyError(f"{url}: {owner} is writing here; wait for it", is_brief=is_brief)


@cache
def _place() -> str:
    # Containers may share a host's name, but not its processes.
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:  # no Linux: then nobody is said to be gone
        parts.append(f"process {os.getpid()}")
    return " ".join(parts)


def _started(pid: int) -> str:
    """Return when a process started; empty where there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field is the program's name, in brackets, and may hold anything.
    fields = status.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
