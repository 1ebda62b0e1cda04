"""What the tests of harm rest on: signals that are obeyed, and waiting that ends."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT
from harm import until

HANDLERS = """
from signal import SIG_DFL, SIGHUP, SIGINT, default_int_handler, getsignal
assert (getsignal(SIGINT), getsignal(SIGHUP)) == (default_int_handler, SIG_DFL)
"""


def ended(code: int = 0) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    process.wait()
    return process


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_the_tests_start_obeys_signals():
    subprocess.run([sys.executable, "-c", HANDLERS], check=True)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_the_tests_start_obeys_signals_also_under_nohup():
    test = f"{__file__}::{test_what_the_tests_start_obeys_signals.__name__}"
    ignoring = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh"]
    command = [*ignoring, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_who_waits_in_vain_is_told_for_what(tmp_path):
    (tmp_path / "log").write_text("no room")
    with pytest.raises(pytest.fail.Exception, match="waited in vain for rain\nno room"):
        until(lambda: False, "rain", 0.1, log=tmp_path / "log")


def test_nobody_waits_for_what_has_ended():
    with pytest.raises(pytest.fail.Exception, match="left with 3 before rain"):
        until(lambda: False, "rain", process=ended(3))


def test_what_came_before_the_end_has_come():
    until(lambda: True, process=ended())
