"""Rounds in which contenders take turns, and the table of what they took."""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

QUICK = 10  # times fewer photographs with --quick
CORES = os.cpu_count() or 1


class Turn(NamedTuple):
    """One run: seconds by the clock, and of all cores for it and for the system on its behalf."""

    seconds: float
    user: float
    system: float
    folder: Path
    result: object

    @property
    def cpu(self) -> float:
        return self.user + self.system


@dataclass(slots=True)
class Contender:
    """A program or function to be measured: `run`, which is None where it is not installed.

    `run` takes a folder of its own for each turn; `items` is how many things it makes.
    """

    name: str
    run: Callable[[Path], object] | None
    items: int
    turns: list[Turn] = field(default_factory=list)

    def take_turn(self, folder: Path) -> None:
        """Run once, after what earlier runs wrote has reached the disk."""
        os.sync()
        start, before = time.perf_counter(), cpu_seconds()
        result = self.run(folder)
        seconds, after = time.perf_counter() - start, cpu_seconds()
        user, system = (end - begin for end, begin in zip(after, before, strict=True))
        self.turns.append(Turn(seconds, user, system, folder, result))

    def median(self, measure: str) -> float:
        """Return the median of `seconds`, `user`, `system` or `cpu`."""
        return statistics.median(getattr(turn, measure) for turn in self.turns)

    def ratios(self, first: "Contender", measure: str) -> list[float]:
        """Return, for each round, what an item takes as a multiple of what the first's takes."""
        fewer = first.items / self.items
        return [
            fewer * getattr(own, measure) / getattr(other, measure)
            for own, other in zip(self.turns, first.turns, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Column:
    """A last column of a table: its heading, and what it says of a contender."""

    heading: str
    text: Callable[[Contender], str]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where everything is written, and whether fewer photographs are enough."""

    folder: Path
    quick: bool

    def count(self, full: int) -> int:
        return full // QUICK if self.quick else full

    def new_folder(self) -> Path:
        """Return an empty folder of a new name.

        None is removed before the end: where ext4 makes a file, it passes over the inodes of what
        was deleted in the last minutes, and so a deletion would slow the next run.
        """
        return Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))

    def compete(
        self,
        title: str,
        contenders: Sequence[Contender],
        rounds: int = 5,
        column: Column | None = None,
    ) -> None:
        """Let contenders take turns, every other round backwards, and print a table."""
        installed = [contender for contender in contenders if contender.run]
        for number in range(2 if self.quick else rounds):
            for contender in installed[:: -1 if number % 2 else 1]:
                contender.take_turn(self.new_folder())
        print_table(title, contenders, column)


def print_table(title: str, contenders: Sequence[Contender], column: Column | None) -> None:
    """Print medians, and the medians of the ratios to the first line."""
    print(f"\n{title:<46} seconds  CPU s system   per s x clock x CPU", end="")
    print(f"{column.heading:>10}" if column else "")
    first = contenders[0]
    for contender in contenders:
        if not contender.turns:
            print(f"  {contender.name:<44}  not installed")
            continue
        seconds, cpu, system = map(contender.median, ("seconds", "cpu", "system"))
        clock, work = (statistics.median(contender.ratios(first, x)) for x in ("seconds", "cpu"))
        line = f"  {contender.name:<44}{seconds:>8.3f}{cpu:>7.2f}{system:>7.2f}"
        line += f"{contender.items / seconds:>8,.0f}{clock:>8.2f}{work:>6.2f}"
        line += f"{column.text(contender):>10}" if column else ""
        print(line.rstrip(), flush=True)


def cpu_seconds() -> tuple[float, float]:
    """Return the user's and the system's time of this process and of its children that ended."""
    usages = list(map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
    return sum(usage.ru_utime for usage in usages), sum(usage.ru_stime for usage in usages)


def run(
    *words: object, stdin: bytes = b"", env: dict[str, str] | None = None, **how: object
) -> bytes:
    """Run a program to its end, and return its output.

    Python may write its compiled modules: where that is forbidden, starting is what is measured.
    """
    env = dict(env or os.environ)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [*map(str, words)], check=False, input=stdin, capture_output=True, env=env, **how
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.returncode}\n{done.stderr.decode()}")
    return done.stdout


python = partial(run, sys.executable)
granpipe = partial(python, "-m", "granpipe")


def under_xargs(paths: Sequence[Path], *words: object) -> None:
    """Run a program of one thread on 16 files at a time, on all cores."""
    names = b"\0".join(map(os.fsencode, paths))
    threads = {"VIPS_CONCURRENCY": "1", "MAGICK_THREAD_LIMIT": "1"}
    run("xargs", "-0", f"-P{CORES}", "-n16", *words, stdin=names, env=os.environ | threads)


def has_program(name: str) -> bool:
    """Return whether xargs can run a program of this name."""
    return bool(shutil.which("xargs") and shutil.which(name))
