"""Interrupted runs: killed, out of disk, with dying workers. The next run completes each."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from granpipe.dataset.arrays import begin_change
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.ledger_file import PARTS
from granpipe.errors import DatasetError
from granpipe.jobs.augment import augment
from granpipe.jobs.photomap import map_photos
from granpipe.jobs.prepare import prepare
from granpipe.stores.folder import Folder

import ledgers
from conftest import ROOT, assert_one_line, picture, put, rejects, rows, save, tree
from harm import DEADLY_DECODER, handling, is_alive, kill, until, workers_of

# It takes so long that a run can be hit in the middle.
HARMFUL_DECODER = f"""{DEADLY_DECODER}
def slow_load(self):
    time.sleep(0.006)
    return deadly_load(self)

ImageFile.ImageFile.load = slow_load
"""
KILLED_DECODER = """
import os, signal
from pathlib import Path
from PIL import ImageFile

load = ImageFile.ImageFile.load
kills = Path(__file__).with_name("kills")

def killed_load(self):
    if self.size == (17, 17) and (not kills.exists() or kills.stat().st_size < {}):
        with kills.open("a") as file:
            file.write(".")
        os.kill(os.getpid(), signal.SIGKILL)
    return load(self)

ImageFile.ImageFile.load = killed_load
"""
HALF_A_WRITE = """
import os, signal
from granpipe.stores.folder import Folder

write = Folder.write

def write_half(folder, path, data):
    if not path.endswith(".npy"):
        return write(folder, path, data)
    with folder.writer(path) as file:
        file.write(bytes(data)[:1000])
        file.flush()
        os.killpg(0, signal.SIGKILL)

Folder.write = write_half
"""
PHOTOGRAPHS = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals and process groups"),
]


@pytest.fixture(scope="module")
def src(tmp_path_factory) -> Path:
    """Return a folder of enough photographs that a run can be hit in the middle."""
    folder = tmp_path_factory.mktemp("crash") / "src"
    for number in range(PHOTOGRAPHS):
        label = ("corn", "soybean", "wheat")[number % 3]
        save(folder / label / f"{number:03}.jpg", picture(800, 600, number), quality=80)
    (folder / "corn/broken.jpg").write_bytes(b"no picture")
    shutil.copy(folder / "corn/000.jpg", folder / "corn/twin.jpg")
    return folder


@pytest.fixture(scope="module")
def whole(src) -> dict[str, bytes]:
    """Return the files of an uninterrupted run."""
    out = src.parent / "whole"
    command = [sys.executable, "-m", "granpipe", "prepare", "-q", src, out]
    subprocess.run(command, cwd=ROOT, check=True)
    return tree(out)


@pytest.fixture
def harmful(injected):
    """Start granpipe with a decoder that is slow, and deadly for some pictures."""
    return partial(injected, HARMFUL_DECODER)


def count_arrays(out: Path) -> int:
    return sum(1 for _ in out.glob("[!.]*/*.npy"))


def until_arrays(out: Path, count: int, process: subprocess.Popen) -> None:
    until(lambda: count_arrays(out) >= count, f"{count} arrays", process=process, every=0.001)


def count_records(out: Path) -> int:
    """Count the arrays whose records a killed run has written, into its ledger's parts."""
    lines = [line for part in out.glob(f"{PARTS}/*") for line in part.read_text().splitlines()]
    return len({line.split(",")[0] for line in lines if ", [" in line})


@pytest.mark.slow
def test_after_kill_9_at_six_moments_the_next_run_completes(
    granpipe, harmful, src, out, whole, rng
):
    in_the_middle = 0
    moments = [0, *(rng.randrange(PHOTOGRAPHS) for _ in range(4)), PHOTOGRAPHS]
    for number, moment in enumerate(moments):
        target = out / str(number)
        process = harmful("prepare", src, target)
        until_arrays(target, moment, process)
        time.sleep(rng.uniform(0, 0.03))
        kill(process)
        in_the_middle += count_arrays(target) > 0 and not (target / "dataset.json").exists()
        granpipe("prepare", src, target)
        assert tree(target) == whole, f"killed at {moment} arrays"
    assert in_the_middle >= 3


@pytest.mark.slow
def test_a_run_killed_again_and_again_gets_to_the_end(granpipe, harmful, src, out, whole):
    recorded = 0
    for _ in range(2):
        process = harmful("prepare", src, out, "--workers", 1)
        until(lambda before=recorded: count_records(out) > before, process=process, every=0.001)
        kill(process)
        recorded = count_records(out)
    result = granpipe("prepare", src, out)
    kept = int(re.search(r"\((\d+) unchanged\)", result.stdout)[1])
    assert 0 < recorded - 1 <= kept < PHOTOGRAPHS  # the twin's array may be one of the recorded
    assert tree(out) == whole


def test_a_run_with_other_settings_that_is_killed_is_completed_too(
    granpipe, harmful, src, out, whole
):
    granpipe("prepare", src, out)
    process = harmful("prepare", src, out, "--fill", "#010203")
    until(lambda: not (out / "dataset.json").exists(), process=process, every=0.001)
    time.sleep(0.05)
    kill(process)
    assert not (out / "dataset.json").exists()
    granpipe("prepare", src, out, "--fill", 0)
    assert tree(out) == whole


def test_a_kill_in_the_middle_of_a_write_leaves_no_half_array(granpipe, injected, tmp_path):
    for number in range(3):
        save(tmp_path / f"src/corn/{number}.png", picture(seed=number))
    process = injected(HALF_A_WRITE, "prepare", tmp_path / "src", tmp_path / "out")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert count_arrays(tmp_path / "out") == 0
    granpipe("prepare", tmp_path / "src", tmp_path / "out")
    assert count_arrays(tmp_path / "out") == 3
    assert not (tmp_path / "out/.granpipe/tmp").exists()


def test_a_ledger_line_that_was_cut_off_does_not_swallow_the_next(granpipe, src, out):
    granpipe("prepare", src, out)
    ledgers.part(out, '["corn/cut')
    ledger = Ledger(Folder(str(out)), "prepare")
    ledger.plan_names(["corn/new.jpg", "corn/newer.jpg"])
    again = Ledger(Folder(str(out)), "prepare")
    planned = [name for (name,) in again.index.rows("SELECT name FROM planned")]
    assert planned == ["corn/new.jpg", "corn/newer.jpg"]


@pytest.mark.parametrize("line", ["", '{"gran', '{"gran\n', '{"granpipe": "prepare"}'])
def test_a_ledger_whose_first_line_was_cut_off_is_still_ours(granpipe, src, out, whole, line):
    put(out / ".granpipe/ledger.sqlite", line.encode())
    granpipe("prepare", src, out)
    assert tree(out) == whole


@pytest.mark.parametrize("command", ["prepare", "augment", "map"])
def test_an_error_here_ends_the_workers_at_once(src, out, command):
    def failing(results, total):
        yield next(results)
        raise RuntimeError("on purpose")

    commands = {
        "prepare": lambda: prepare(src, out, progress=failing),
        "augment": lambda: augment(out, progress=failing),
        "map": lambda: map_photos(src, [out.with_suffix(".csv")], progress=failing),
    }
    if command == "augment":
        prepare(src, out)
    # Who keeps the error keeps the frames where it was raised, and what they hold.
    with pytest.raises(RuntimeError) as error:
        commands[command]()
    assert str(error.value) == "on purpose"
    assert workers_of(os.getpid()) == []


def test_ctrl_c_is_one_line_and_exit_130_and_leaves_no_process(granpipe, harmful, src, out, whole):
    process = harmful("prepare", src, out)
    until_arrays(out, 11, process)
    workers = workers_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    # Click ends the line of ^C first.
    assert errors.lstrip("\n") == "granpipe: interrupted; repeat the command to continue\n"
    assert workers
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    granpipe("prepare", src, out)
    assert tree(out) == whole


def test_a_limit_on_the_size_of_files_is_one_line_and_costs_no_photograph(injected, tmp_path):
    for number in range(2):
        save(tmp_path / f"src/corn/{number}.jpg", picture(seed=number))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    process = injected(limit, "prepare", tmp_path / "src", tmp_path / "out", "--workers", 2)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert re.fullmatch(r"granpipe: \S+\.npy: File too large; fix that, then run again\n", errors)


def test_a_worker_killed_in_the_middle_costs_one_photograph(granpipe, harmful, src, out, whole):
    process = harmful("prepare", src, out, "--workers", 2)
    until_arrays(out, 11, process)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 0
    reasons = list(rejects(out).values())
    assert reasons.count("crashed") <= 1  # none, if it was killed between two photographs
    assert set(reasons) <= {"unreadable", "duplicate", "crashed"}
    # One line less, if it was corn/000.jpg: its twin is then no duplicate.
    assert errors.count("\n") == len(reasons)
    assert len(rows(out / "labels.csv")) >= PHOTOGRAPHS - 1
    granpipe("prepare", src, out)
    assert tree(out) == whole


@pytest.mark.parametrize("kills", [1, 2])
def test_a_worker_killed_while_it_decodes_is_tried_once_more(granpipe, injected, tmp_path, kills):
    for number in range(6):
        save(tmp_path / f"src/corn/{number}.png", picture(seed=number))
    save(tmp_path / "src/corn/large.png", picture(17, 17))
    process = injected(KILLED_DECODER.format(kills), "prepare", tmp_path / "src", tmp_path / "out")
    _, errors = process.communicate()
    assert process.returncode == 0
    if kills == 2:
        assert rejects(tmp_path / "out") == {"corn/large.png": "crashed"}
        assert errors.count("\n") == 1
        assert "corn/large.png: crashed: its decoder was ended by signal 9" in errors
        granpipe("prepare", tmp_path / "src", tmp_path / "out")
    assert rejects(tmp_path / "out") == {}
    granpipe("prepare", tmp_path / "src", tmp_path / "fresh")
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")


def test_a_decoder_that_aborts_costs_one_photograph(granpipe, harmful, tmp_path):
    for number in range(20):
        save(tmp_path / f"src/corn/{number:02}.png", picture(seed=number))
    save(tmp_path / "src/corn/07a.png", picture(13, 13))
    process = harmful("prepare", tmp_path / "src", tmp_path / "out")
    stdout, errors = process.communicate()
    assert process.returncode == 0
    assert "21 photographs found: 20 prepared" in stdout
    assert rejects(tmp_path / "out") == {"corn/07a.png": "crashed"}
    assert errors.count("\n") == 1
    granpipe("prepare", tmp_path / "src", tmp_path / "out")
    assert rejects(tmp_path / "out") == {}


def test_a_former_twin_whose_decoder_dies_is_in_one_table_only(granpipe, harmful, tmp_path):
    save(tmp_path / "src/corn/a.png", picture(13, 13))
    save(tmp_path / "src/corn/c.png")
    shutil.copy(tmp_path / "src/corn/a.png", tmp_path / "src/corn/b.png")
    granpipe("prepare", tmp_path / "src", tmp_path / "out")
    (tmp_path / "src/corn/a.png").unlink()
    process = harmful("prepare", tmp_path / "src", tmp_path / "out")
    stdout, _ = process.communicate()
    assert "2 photographs found: 1 prepared" in stdout
    assert rejects(tmp_path / "out") == {"corn/b.png": "crashed"}
    assert [row["source"] for row in rows(tmp_path / "out/labels.csv")] == ["corn/c.png"]


# Disk full


FULL = "No space left on device"


@pytest.mark.parametrize("kilobytes", [0, 4, 8, 2000])
def test_a_full_disk_is_one_line_and_the_next_run_completes(
    granpipe, small_disk, src, whole, kilobytes
):
    disk = small_disk("8m")
    filler = disk / "filler"
    filler.write_bytes(bytes(8_388_608 - 1024 * kilobytes))
    for _ in range(2):
        assert_one_line(granpipe("prepare", src, disk / "out", code=1), FULL)
    filler.unlink()
    small_disk("64m")
    granpipe("prepare", src, disk / "out")
    assert tree(disk / "out") == whole


def test_a_disk_that_is_full_only_for_the_tables_is_one_line_too(granpipe, small_disk, src, whole):
    disk = small_disk("64m")
    granpipe("prepare", src, disk / "out")
    (src / "corn/broken.jpg").rename(src / "corn/late.jpg")
    try:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "filler").write_bytes(bytes(free))
        assert_one_line(granpipe("prepare", src, disk / "out", code=1), FULL)
    finally:
        (src / "corn/late.jpg").rename(src / "corn/broken.jpg")
    (disk / "filler").unlink()
    granpipe("prepare", src, disk / "out")
    assert tree(disk / "out") == whole


def test_workers_leave_soon_after_their_parent_was_killed_alone(harmful, tmp_path):
    for number in range(4):  # each takes its worker a minute
        save(tmp_path / f"img/corn/{number}.png", picture(17, 17, number))
    process = harmful("prepare", tmp_path / "img", tmp_path / "out")
    until(lambda: len(workers_of(process.pid)) >= 2, process=process)
    time.sleep(0.5)
    workers = workers_of(process.pid)
    process.kill()
    process.wait()
    until(lambda: not any(map(is_alive, workers)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_end_takes_the_workers_along(harmful, src, out, number):
    process = harmful("prepare", src, out)
    until_arrays(out, 11, process)
    workers = workers_of(process.pid)
    process.send_signal(number)
    assert process.wait() == 128 + number
    assert workers
    assert not any(map(is_alive, workers))


def test_what_a_worker_of_an_ended_run_still_wants_to_write_comes_to_nothing(src, out):
    prepare(src, out)
    before = tree(out)
    late = Folder(str(out), ".granpipe/tmp/1-1")
    for write in (begin_change, lambda store: store.write("corn/000.jpg.npy", b"late")):
        with pytest.raises(DatasetError):
            write(late)
    assert tree(out) == before


def test_a_run_under_nohup_goes_on_when_the_terminal_closes(harmful, src, out, whole):
    with handling(signal.SIGHUP, signal.SIG_IGN):
        process = harmful("prepare", src, out)
    until_arrays(out, 11, process)
    process.send_signal(signal.SIGHUP)
    assert process.wait() == 0
    assert tree(out) == whole


def test_a_run_that_was_stopped_for_a_while_loses_nothing(tmp_path):
    code = (
        "import sys, time; from granpipe.engines import processes; print('started', flush=True);"
        "print([result for _, result in processes.run(time.sleep, [0.4] * 4, 2, time_limit=1.5)])"
    )
    options = {"stdout": subprocess.PIPE, "text": True, "cwd": ROOT, "start_new_session": True}
    process = subprocess.Popen([sys.executable, "-c", code], **options)
    assert process.stdout.readline() == "started\n"
    until(lambda: len(workers_of(process.pid)) == 2, process=process)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=20)[0] == "[None, None, None, None]\n"


def test_on_a_disk_that_became_read_only_what_is_up_to_date_ends_well(granpipe, small_disk, src):
    disk = small_disk("128m")
    granpipe("prepare", src, disk / "out")
    granpipe("augment", disk / "out", "--copies", 1)
    shutil.copytree(disk / "out", disk / "copy")  # of other times and file numbers
    remount, other = partial(subprocess.run, check=True), ["--copies", 1, "--seed", 1]
    remount(["mount", "-o", "remount,ro", disk])
    try:
        for out in (disk / "out", disk / "copy"):
            granpipe("prepare", src, out)
            granpipe("augment", out, "--copies", 1)
        for command in (
            ["prepare", src, disk / "out", "--size", 9],
            ["augment", disk / "out", *other],
        ):
            result = granpipe(*command, code=1)
            assert "Read-only file system; fix that" in result.stderr.splitlines()[-1]
            assert "Traceback" not in result.stderr
    finally:
        remount(["mount", "-o", "remount,rw", disk])
