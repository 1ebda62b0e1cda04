"""Programs of others that the tests fetch or build once, into the user's cache."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "granpipe-tests")

BRIEF = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
"""How Java runs what lives for a minute: it compiles quickly, not well."""


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that is made once, whole or not at all, whoever else wants it now."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder, half = CACHE / name, CACHE / f"{name}.half"
    with Path(CACHE, f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes want the same
        if not folder.is_dir():
            shutil.rmtree(half, ignore_errors=True)
            make(half)
            half.rename(folder)
    return folder


def jars(pom: Path, profile: str) -> Path:
    """Return the folder with the jars of a profile; skip where they cannot be had."""
    if not shutil.which("javac"):  # what compiles a program as it is started
        pytest.skip("no Java development kit is installed")
    goal = ["mvn", "-q", "-B", "-f", str(pom), "-P", profile, "dependency:copy-dependencies"]
    return cached(profile, lambda folder: _run([*goal, f"-DoutputDirectory={folder}"], profile))


def go_program(package: str, version: str) -> Path:
    """Return a program of Go, built from its sources; skip where it cannot be had."""
    name = package.rpartition("/")[2]

    def build(folder: Path) -> None:
        _run(["go", "install", f"{package}@{version}"], name, GOBIN=str(folder))

    return cached(f"{name}-{version}", build) / name


def _run(command: list[str], what: str, **variables: str) -> None:
    """Run a program that fetches things; skip the test where it does not succeed."""
    if not shutil.which(command[0]):
        pytest.skip(f"{what}: {command[0]} is not installed")
    try:
        done = subprocess.run(
            command,
            check=False,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=600,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{what}: {command[0]} did not end within ten minutes")
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["nothing"]
        errors = [line for line in said if "ERROR" in line] or said[-1:]
        pytest.skip(f"{what}: {command[0]} failed: {errors[0][:200]}")
