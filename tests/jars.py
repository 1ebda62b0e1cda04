"""Servers written in Java: their jars, by Maven, into the user's cache."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "granpipe-tests")


def fetch(pom: Path, profile: str) -> Path:
    """Return the folder with the jars of a profile, fetched once; skip where they cannot be had."""
    if not shutil.which("javac"):  # what compiles a program as it is started
        pytest.skip("no Java development kit is installed")
    folder = _CACHE / profile
    _CACHE.mkdir(parents=True, exist_ok=True)
    with Path(_CACHE, f"{profile}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes want the same
        if not folder.is_dir():
            _fetch(pom, profile, folder)
    return folder


def _fetch(pom: Path, profile: str, folder: Path) -> None:
    if not shutil.which("mvn"):
        pytest.skip(f"{profile}: Maven is not installed")
    half = folder.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={half}"]
    command = ["mvn", "-q", "-B", "-f", str(pom), "-P", profile, *goal]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{profile}: Maven did not fetch its jars within ten minutes")
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if "ERROR" in line]
        pytest.skip(f"{profile}: Maven cannot fetch its jars: {said[0] if said else ''}")
    half.rename(folder)
