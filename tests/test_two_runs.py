"""Two runs at once on one dataset: each ends well, or says in one line whom it waits for."""

import os
import threading
from functools import partial

import pytest

from granpipe.dataset.names import OWN
from granpipe.jobs.prepare import prepare
from granpipe.stores.folder import Folder

from conftest import assert_one_line, picture, save, tree
from harm import kill, until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="signals")]

# Runs first in each process: every decode and every copy takes its time.
SLOW = """
import time
from PIL import Image
from granpipe.copies.sampling import Sampler

def slowly(function):
    def run(*args, **options):
        time.sleep(0.05)
        return function(*args, **options)
    return run

Image.Image.resize, Sampler.draw = slowly(Image.Image.resize), slowly(Sampler.draw)
"""


@pytest.fixture
def src(tmp_path):
    for number in range(30):
        save(tmp_path / f"src/corn/{number:02}.jpg", picture(seed=number))
    return tmp_path / "src"


@pytest.fixture
def slowly(injected):
    """Start a command that takes more than a second."""
    return partial(injected, SLOW)


def wait_for_arrays(folder, process) -> None:
    until(lambda: len([*folder.glob("corn/*.npy")]) >= 3, "arrays", process=process, every=0.01)


@pytest.mark.parametrize("command", ["prepare", "augment"])
def test_a_second_run_ends_at_once_and_names_the_first(granpipe, slowly, src, out, command):
    first = slowly("prepare", src, out)
    wait_for_arrays(out, first)
    words = (command, src, out) if command == "prepare" else (command, out, "--copies", 1)
    assert_one_line(granpipe(*words, code=1), f"process {first.pid} on ")
    assert first.wait() == 0
    granpipe(*words)


def test_prepare_while_augment_runs_ends_well_and_no_copy_of_the_old_is_called_whole(
    granpipe, slowly, src, out
):
    granpipe("prepare", src, out)
    copying = slowly("augment", out, "--copies", 2, "--workers", 1)
    wait_for_arrays(out / "augmented", copying)
    granpipe("prepare", src, out, "--fill", "#010203")
    said = copying.communicate()[1]
    assert copying.returncode == 1
    assert said.count("\n") == 1
    assert "changed while its copies were made" in said
    assert not (out / "augmented/dataset.json").exists()
    granpipe("augment", out, "--copies", 2)
    granpipe("augment", out, "--copies", 2, "-o", out.with_name("anew"))
    assert tree(out / "augmented") == tree(out.with_name("anew"))


def test_map_runs_beside_both(granpipe, slowly, src, out, tmp_path):
    granpipe("map", src, "-o", tmp_path / "before.csv")
    preparing = slowly("prepare", src, out)
    wait_for_arrays(out, preparing)
    granpipe("map", src, "-o", tmp_path / "beside.csv")
    assert preparing.wait() == 0
    assert (tmp_path / "beside.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


def test_a_dry_run_takes_no_lock(granpipe, slowly, src, out):
    preparing = slowly("prepare", src, out)
    wait_for_arrays(out, preparing)
    granpipe("prepare", src, out, "--dry-run")
    assert preparing.wait() == 0


def test_a_killed_run_frees_the_lock_at_once(granpipe, slowly, src, out):
    first = slowly("prepare", src, out)
    wait_for_arrays(out, first)
    kill(first)
    granpipe("prepare", src, out)
    assert (out / "dataset.json").exists()


def test_of_many_runs_at_once_the_dataset_is_whole(granpipe, start, src, out):
    runs = [start("prepare", src, out, "-q") for _ in range(4)]
    ends = [(run.wait(), run.stderr.read()) for run in runs]
    assert 0 in [code for code, _ in ends]
    for code, said in ends:
        assert code == 0 or (code == 1 and "is writing here; wait for it" in said), said
    granpipe("prepare", src, out.with_name("alone"))
    assert tree(out) == tree(out.with_name("alone"))


def test_a_lock_that_will_be_given_back_soon_is_waited_for_and_that_is_said(src, out):
    said = []
    store, release = Folder(str(out)), threading.Event()

    def hold():
        with store.hold(OWN, print, is_brief=True):
            held.set()
            release.wait(30)

    held = threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)

    def say(line):
        said.append(line)
        release.set()

    report = prepare(src, out, say=say)
    holder.join()
    assert report.prepared.total() == 30
    assert len(said) == 1 and f"process {os.getpid()} on " in said[0], said
    assert "waiting for its batch" in said[0]
