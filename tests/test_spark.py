"""The engine of Spark against a real cluster: the bytes of the local engine, whatever dies."""

import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import sys
import termios
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

import exif_blocks as eb
from conftest import picture, put_every_outcome, save, tree
from executor_harm import NOT_THERE
from harm import PATIENCE, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
SPARK = ["--engine", "spark"]
# Words of command lines: executors and what works for them, and a driver with all of its own.
AT_WORK = ("CoarseGrained", "pyspark.daemon", "serve()")
ALL = ("SparkSubmit", "CoarseGrained", "serve()")


@pytest.fixture(autouse=True)
def harmless(request):
    """Leave nothing of one test's harm to the next."""
    yield
    if "drivers" in request.fixturenames:
        request.getfixturevalue("cluster").be_well()


@pytest.fixture(scope="module")
def lake(module_lake):
    return module_lake


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Run a command by the local engine."""
    from click.testing import CliRunner

    from granpipe.commands.group import cli

    def run(*words):
        result = CliRunner().invoke(cli, list(map(str, words)), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.fixture(scope="module")
def kinds(tmp_path_factory, lake, local) -> dict[str, bytes]:
    """Return what the local engine makes of photographs with all that can become of one."""
    folder = tmp_path_factory.mktemp("kinds") / "img"
    put_every_outcome(folder)
    for suffix in ("webp", "tif", "bmp", "jpeg", "avif"):
        save(folder / f"wheat/kind.{suffix}", picture(80, 60, len(suffix) + ord(suffix[0])))
    lake.upload(folder, "kinds/img")
    for command in three_commands(folder, folder.with_name("out")):
        local(*command)
    shutil.rmtree(folder)
    return tree(folder.parent)


def three_commands(source, out, *words):
    maps = [word for name in ("m.html", "m.csv", "m.kml") for word in ("-o", f"{out}/maps/{name}")]
    shards, few = ("--shards", f"{out}-shards"), ("--shard-size", 4)
    of_copies = ("--shards", f"{out}-copies", *few, "--shard-format", "png")
    return [
        ["prepare", source, out, "--split", "50/50", *shards, *few, *words],
        ["augment", out, "--copies", 2, *of_copies, *words],
        ["map", source, *maps, "--base-url", "https://host/", *words],
    ]


@pytest.fixture(scope="module")
def corn(tmp_path_factory, lake, local) -> dict[str, bytes]:
    """Return what the local engine makes of photographs enough to be hit in the middle of them."""
    folder = tmp_path_factory.mktemp("corn") / "img"
    for number in range(80):
        save(folder / f"corn/{number:03}.jpg", picture(96, 64, seed=number))
    lake.upload(folder, "img")
    local("prepare", folder, folder.with_name("out"))
    return tree(folder.with_name("out"))


def arrays(lake, prefix: str) -> int:
    return sum(key.endswith(".npy") for key in lake.objects(prefix))


def deadly(lake, prefix: str, **sizes: int) -> None:
    """Upload two dozen good photographs with a place, and some that do harm."""
    for number in range(24):
        size = sizes.pop(f"p{number:02}", 0) or 64
        data = eb.jpeg_at(40 + number, 7, picture=picture(size, size, number))
        lake.put(f"{prefix}/corn/{number:02}.jpg", data)


def outputs(lake, out: str) -> dict[str, bytes]:
    """Return all that three commands wrote, by the names that it has in `kinds`."""
    parts = ("", "-shards", "-copies")
    trees = {f"out{part}": lake.tree(f"{out}{part}") for part in parts}
    return {f"{name}/{path}": data for name in trees for path, data in trees[name].items()}


def test_three_commands_give_the_bytes_of_the_local_engine(driver, lake, kinds):
    for command in three_commands(lake.url("kinds/img"), lake.url("kinds/out"), *SPARK):
        printed, _ = driver(*command)
        if command[0] == "prepare":
            assert re.search("22 photographs found: 15 prepared", printed), printed
    assert outputs(lake, "kinds/out") == kinds
    assert len(lake.tree("kinds/out-shards")) > 2
    assert b"label_conflict" in lake.get("kinds/out/rejected.csv")
    assert lake.own("kinds/out") == {"ledger.sqlite"}


def test_a_decoder_that_aborts_hangs_or_kills_its_container_costs_itself(
    driver, lake, local, tmp_path
):
    deadly(lake, "harm/img", p07=13, p12=17, p17=19)
    deadly(lake, "well/img", p07=20, p12=21, p17=22)
    local("prepare", lake.url("well/img"), tmp_path)
    driver("prepare", lake.url("harm/img"), lake.url("harm/out"), *SPARK)
    found = lake.tree("harm/out")
    rejected = found["rejected.csv"].decode().splitlines()[1:]
    assert [line.split(",")[:2] for line in rejected] == [
        [f"corn/{name}.jpg", "crashed"] for name in ("07", "12", "17")
    ], rejected
    assert "took its container down twice" in rejected[2]
    expected = {path: data for path, data in tree(tmp_path).items() if path.endswith(".npy")}
    for name in ("07", "12", "17"):
        del expected[f"corn/{name}.jpg.npy"]
    assert {path: data for path, data in found.items() if path.endswith(".npy")} == expected


def test_one_that_kills_its_container_costs_itself_where_nothing_is_written(
    driver, lake, local, tmp_path
):
    deadly(lake, "one/img", p05=13, p17=19)
    _, said = driver("prepare", lake.url("one/img"), lake.url("one/out"), "--dry-run", *SPARK)
    assert "corn/05.jpg: crashed: its decoder was ended by signal 6; " in said
    assert "corn/17.jpg: crashed: its decoder took its container down twice; " in said
    assert said.count("crashed") == 2
    assert not lake.objects("one/out")
    printed, said = driver("map", lake.url("one/img"), "-o", tmp_path / "m.html", *SPARK)
    assert "24 photographs found: 22 on the map" in printed
    assert "corn/17.jpg: unreadable (its decoder took its container down twice)\n" in said
    assert "corn/05.jpg: unreadable (its decoder was ended by signal 6)\n" in said


def test_what_a_task_writes_late_is_found_and_made_again(driver, cluster, lake, local, tmp_path):
    deadly(lake, "late/img")
    lake.put("late/img/corn/00-haunted.jpg", eb.jpeg_at(12, 13))
    lake.put("late/img/corn/99-last.jpg", eb.jpeg_at(13, 14))
    local("prepare", lake.url("late/img"), tmp_path)
    driver("prepare", lake.url("late/img"), lake.url("late/out"), *SPARK)
    assert (cluster.harm / "haunted-late").exists()
    assert tree(tmp_path) == lake.tree("late/out")


@pytest.mark.parametrize(
    ("lacks", "line"),
    [
        ("granpipe", r"Spark: executors on \S+ have no granpipe; install it there, ship it, .+"),
        ("pillow 9.9", r"Spark: executors on \S+ have pillow 9.9, this machine \S+; make both one"),
    ],
)
def test_what_executors_lack_is_one_line(driver, cluster, lake, corn, lacks, line):
    cluster.lack(lacks)
    printed, said = driver("prepare", lake.url("img"), lake.url("lack"), *SPARK, code=1)
    assert re.fullmatch(f"granpipe: {line}\n", said), said
    assert not printed
    assert not arrays(lake, "lack")


def test_a_source_that_executors_do_not_have_is_one_line(driver, lake, tmp_path):
    source = tmp_path / NOT_THERE.strip("/")
    save(source / "corn/a.jpg")
    for words in (["prepare", source, lake.url("lack")], ["map", source, "-o", tmp_path / "m.csv"]):
        _, said = driver(*words, *SPARK, code=1)
        line = rf"granpipe: Spark: {source}: executors on \S+ do not reach it \(No such file .+\n"
        assert re.fullmatch(line, said), said


def test_whatever_is_killed_the_job_completes(driver, cluster, server, lake, corn):
    cluster.slow(0.2)
    driver.send("prepare", lake.url("img"), lake.url("killed"), *SPARK)
    until(lambda: arrays(lake, "killed") > 3, process=driver.process)
    os.kill(cluster.pids("pyspark.daemon")[-1], signal.SIGKILL)  # the worker, or the daemon itself
    time.sleep(1)
    os.kill(cluster.pids("CoarseGrainedExecutorBackend")[0], signal.SIGKILL)
    time.sleep(1)
    cluster.kill("worker-1")
    server.kill()
    time.sleep(10)
    server.start()
    cluster.start_worker("worker-1")
    code, printed, said = driver.answer()
    assert code == 0, said
    assert "80 photographs found: 80 prepared" in printed
    assert lake.tree("killed") == corn


def test_nothing_runs_on_without_its_driver_and_the_next_run_does_the_rest(
    drivers, cluster, local, lake, corn
):
    cluster.slow(0.3)
    driver = drivers.own(cluster.driver())
    driver.send("prepare", lake.url("img"), lake.url("left"), *SPARK)
    # The plan, and some of what a job has brought: others may be done before a slow executor's.
    until(
        lambda: sum(key.startswith("parts/") for key in lake.own("left")) > 1,
        process=driver.process,
    )
    driver.process.kill()
    until(lambda: not any(map(cluster.pids, AT_WORK)), "the end of the executors")
    before = lake.objects("left/corn")
    printed = local("prepare", lake.url("img"), lake.url("left"))
    kept = int(re.search(r"\((\d+) unchanged", printed)[1])
    assert 1 <= kept < 80
    assert sum(lake.objects("left/corn")[key] == of for key, of in before.items()) >= kept
    assert lake.tree("left") == corn
    assert lake.own("left") == {"ledger.sqlite"}


class Screen:
    """A terminal of 80 columns, and what stood on it."""

    def __init__(self, drivers, environment, *words) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        command = [sys.executable, "-c", ON_A_TERMINAL, *words]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        self.driver = drivers.popen(command, environment, **pipes)
        os.close(theirs)
        self.text = b""
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        with suppress(OSError):  # as a terminal ends
            while data := os.read(self.ours, 1 << 16):
                self.text += data

    def shows(self, pattern: bytes) -> bool:
        return bool(re.search(pattern, self.text))

    def press(self, key: bytes) -> None:
        os.write(self.ours, key)

    def end(self) -> tuple[int, list[str]]:
        """Return the exit code, and the lines as they stood there, each with all that it was."""
        code = self.driver.process.wait(PATIENCE)
        self.thread.join()
        os.close(self.ours)
        return code, self.text.decode().split("\r\n")


# A terminal sends Ctrl-C to those whose own it is.
ON_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from granpipe.commands.group import main
main()
"""
BAR = re.compile(r" *(\d+)%\|.{10,}\| (\d+)/80 \[[\d:]+<[\d:?]+,.*photographs.*\]")


def test_ctrl_c_ends_all_in_one_line_and_the_next_run_does_the_rest(
    drivers, cluster, local, lake, corn
):
    cluster.slow(0.1)
    words = ["prepare", lake.url("img"), lake.url("stopped"), *SPARK]
    for moment in ("Java starts", "arrays are written"):
        until(lambda: not cluster.pids("SparkSubmit"))  # of the driver before
        screen = Screen(drivers, cluster.driver(), *words)
        if moment == "Java starts":
            until(lambda: cluster.pids("SparkSubmit"), process=screen.driver.process)
        else:
            until(partial(screen.shows, rb" [1-9]\d*/80 \["), process=screen.driver.process)
        screen.press(b"\x03")
        code, lines = screen.end()
        assert code == 130, lines
        assert lines[-2:] == ["granpipe: interrupted; repeat the command to continue", ""]
        until(lambda: not any(map(cluster.pids, ALL)), f"the end of all when {moment}", 10)
    drawn = [part for part in re.split(r"\r|\^C", lines[0]) if part]
    assert len(drawn) > 1
    assert [part for part in drawn if not BAR.fullmatch(part)] == []
    assert max(map(len, drawn)) in {79, 80}
    printed = local("prepare", lake.url("img"), lake.url("stopped"))
    assert re.search(r"80 photographs found: 80 prepared \((?!0|80)\d+ unchanged", printed)
    assert lake.tree("stopped") == corn


def test_a_driver_whose_java_dies_ends_in_one_line_and_the_next_run_does_the_rest(
    drivers, cluster, local, lake, corn
):
    cluster.slow(0.1)
    screen = Screen(drivers, cluster.driver(), "prepare", lake.url("img"), lake.url("dead"), *SPARK)
    until(partial(screen.shows, rb" [1-9]\d*/80 \["), process=screen.driver.process)
    for process in cluster.pids("SparkSubmit"):
        os.kill(process, signal.SIGKILL)
    code, lines = screen.end()
    assert code == 1, lines
    assert len(lines) == 3
    assert lines[1].startswith("granpipe: Spark: its driver's Java has ended")
    until(lambda: not any(map(cluster.pids, ALL)), "the end of all")
    printed = local("prepare", lake.url("img"), lake.url("dead"))
    assert re.search(r"80 photographs found: 80 prepared \((?!0|80)\d+ unchanged", printed)
    assert lake.tree("dead") == corn


def test_a_lost_executor_tears_no_bar(drivers, cluster, lake, corn):
    drivers.leave()
    until(lambda: not cluster.pids("CoarseGrained"))
    cluster.slow(0.1)
    words = ["prepare", lake.url("img"), lake.url("lost"), *SPARK]
    screen = Screen(drivers, cluster.driver(), *words)
    until(partial(screen.shows, rb" [1-9]\d*/80 \["), process=screen.driver.process)
    os.kill(cluster.pids("CoarseGrained")[0], signal.SIGKILL)
    code, lines = screen.end()
    assert code == 0, lines
    end = next(number for number, line in enumerate(lines) if line.startswith("class "))
    parts = [part for line in lines[:end] for part in line.split("\r") if part.strip()]
    assert [part for part in parts if not BAR.fullmatch(part)] == []
    assert BAR.fullmatch(parts[-1])[2] == "80"
    assert lake.tree("lost") == corn


def test_where_spark_gives_no_executor_it_is_said(drivers, cluster, lake, corn):
    driver = cluster.driver(spark__executor__memory="900g")
    command = [sys.executable, "-m", "granpipe", "prepare", lake.url("img"), lake.url("no")]
    process = drivers.popen([*command, *SPARK], driver).process
    said = process.stderr.readline()
    assert said == (
        "granpipe: Spark gives no executor: are its cores or its memory all taken?\n"
    ), said
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=PATIENCE)[1].splitlines()[-1] == (
        "granpipe: interrupted; repeat the command to continue"
    )


def test_executors_that_are_taken_away_change_nothing_and_a_log_tells_how_far(
    drivers, cluster, lake, corn
):
    cluster.slow(0.1)
    lines = "import granpipe.commands.options as options; options.BETWEEN_LINES = 1.0"
    taken = {
        "enabled": "true",
        "shuffleTracking.enabled": "true",
        "minExecutors": "0",
        "executorIdleTimeout": "1s",
        "cachedExecutorIdleTimeout": "1s",
    }
    settings = {f"spark__dynamicAllocation__{name}": value for name, value in taken.items()}
    driver = drivers.own(cluster.driver(**settings), before=lines)
    before = cluster.executors()
    _, said = driver("prepare", lake.url("img"), lake.url("dynamic"), *SPARK)
    assert lake.tree("dynamic") == corn
    logged = re.findall(r"granpipe: (\d+) of 80, \d+ a second, (?:\d+ min left|none yet)\n", said)
    assert len(logged) > 3, said
    until(lambda: not cluster.pids("CoarseGrained"), "the end of executors that are idle", 30)
    driver("map", lake.url("img"), "-o", lake.url("dynamic/m.csv"), *SPARK)
    assert len(cluster.executors() - before) > 2


def test_a_task_that_is_killed_where_spark_tries_nothing_twice_costs_itself(
    drivers, cluster, lake, tmp_path
):
    deadly(lake, "task/img", p17=23)
    driver = drivers.own(cluster.driver(spark__master="local[2]"))
    _, said = driver("prepare", lake.url("task/img"), tmp_path / "out", "--dry-run", *SPARK)
    assert "corn/17.jpg: crashed: its decoder took its container down twice; " in said
    assert said.count("crashed") == 1


def test_over_spark_connect(drivers, cluster, lake, kinds, tmp_path):
    drivers.leave()
    environment = cluster.environment | {"SPARK_REMOTE": cluster.start_connect()}
    try:
        driver = drivers.own(environment)
        for command in three_commands(lake.url("kinds/img"), lake.url("kinds/far"), *SPARK):
            driver(*command)
        assert outputs(lake, "kinds/far") == kinds
        deadly(lake, "far/img", p17=19)
        _, said = driver("prepare", lake.url("far/img"), tmp_path, "--dry-run", *SPARK)
        assert "corn/17.jpg: crashed: its decoder took its container down twice; " in said
    finally:
        cluster.kill("connect")
