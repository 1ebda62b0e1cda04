"""The engine of Spark against a real cluster: the bytes of the local engine, whatever dies."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import exif_blocks as eb
from clusters import PATIENCE
from conftest import picture, save, tree

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

# One session does for many commands: it takes long to start.
DRIVER = """
import json, sys
from granpipe.commands.group import cli
for words in json.loads(sys.argv[1]):
    try:
        cli(words, prog_name="granpipe")
    except SystemExit as end:
        if end.code:
            raise
"""
# Runs first in each process of a cluster. Sizes tell what is to happen when a picture is decoded.
HARMFUL_DECODER = """
import os, resource, signal, time
from PIL import ImageFile
from granpipe.engines.processes import Pool

load = ImageFile.ImageFile.load
Pool.__init__.__defaults__ = (8.0,)

def parent_of(pid):
    return int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])

def harmful_load(self):
    time.sleep(SECONDS)
    if self.size == (13, 13):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.abort()
    if self.size == (17, 17):
        time.sleep(60)
    if self.size == (19, 19):
        executor = parent_of(parent_of(os.getppid()))
        os.kill(executor, signal.SIGKILL)
        time.sleep(60)
    return load(self)

ImageFile.ImageFile.load = harmful_load
"""


def slow(seconds: float) -> str:
    return HARMFUL_DECODER.replace("SECONDS", str(seconds))


@pytest.fixture
def run(start_process):
    """Run commands in one driver and return what they printed."""

    def run(environment, *commands):
        process = start_process(environment, *commands)
        printed, said = process.communicate(timeout=3 * PATIENCE)
        assert process.returncode == 0, said
        return printed

    return run


@pytest.fixture
def start_process(tmp_path):
    """Start commands in one driver."""
    started = []

    def start(environment, *commands):
        words = json.dumps([[str(word) for word in command] for command in commands])
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, words],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def harmless(request):
    """Leave nothing of one test's harm to the next."""
    yield
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").inject("")


@pytest.fixture
def img(tmp_path) -> Path:
    """Return a folder of photographs with all that can become of one."""
    folder = tmp_path / "img"
    for number, name in enumerate(["corn-1/z", "corn/a", "corn/a/b", "corn/a-b", "wheat/ä o"]):
        save(folder / f"{name}.png", picture(seed=number))
        (folder / f"{name}.jpg").write_bytes(eb.jpeg_at(46 + number, 7 + number))
    for suffix in ("webp", "tif", "bmp", "jpeg", "avif"):
        save(folder / f"wheat/kind.{suffix}", picture(80, 60, len(suffix) + ord(suffix[0])))
    shutil.copy(folder / "corn/a.png", folder / "corn/twin.png")
    shutil.copy(folder / "corn/a-b.png", folder / "wheat/conflict.png")
    shutil.copy(folder / "corn/a.png", folder / "no_label.png")
    (folder / "corn/broken.jpg").write_bytes(b"no picture")
    (folder / "corn/empty.jpg").write_bytes(b"")
    (folder / "corn/cut.png").write_bytes((folder / "corn/a.png").read_bytes()[:-200])
    (folder / "corn/notes.txt").write_bytes(b"ignored")
    return folder


def three_commands(source, out, *words):
    maps = [word for name in ("m.html", "m.csv", "m.kml") for word in ("-o", f"{out}-maps/{name}")]
    return [
        ["prepare", source, out, "--split", "50/50", "--pack", 4, *words],
        ["augment", out, "--copies", 2, *words],
        ["map", source, *maps, "--links", "https://host/", *words],
    ]


def fields(folder: Path, count: int) -> Path:
    for number in range(count):
        save(folder / f"corn/{number:03}.jpg", picture(96, 64, seed=number))
    return folder


def wait_for_arrays(lake, prefix: str, process, count: int = 3) -> None:
    for _ in range(20 * PATIENCE):
        if sum(key.endswith(".npy") for key in lake.objects(prefix)) >= count:
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no arrays")


def test_three_commands_give_the_bytes_of_the_local_engine(granpipe, run, cluster, lake, img):
    plain = img.with_name("plain")
    for command in three_commands(img, plain):
        granpipe(*command)
    lake.upload(img, "img")
    source, out = lake.url("img"), lake.url("out")
    printed = run(cluster.driver(), *three_commands(source, out, "--engine", "spark"))
    assert tree(plain) == lake.tree("out")
    assert tree(img.with_name("plain-maps")) == lake.tree("out-maps")
    assert b"label_conflict" in lake.get("out/rejected.csv")
    assert re.search("21 photographs found: 14 prepared", printed), printed
    assert lake.own("out") == {"ledger.jsonl"}


def test_over_spark_connect(granpipe, run, cluster, lake, img):
    plain = img.with_name("plain")
    for command in three_commands(img, plain):
        granpipe(*command)
    lake.upload(img, "img")
    address = cluster.start_connect()
    environment = cluster.environment | {"SPARK_REMOTE": address}
    try:
        commands = three_commands(lake.url("img"), lake.url("out"), "--engine", "spark")
        run(environment, *commands)
    finally:
        cluster.kill("connect")
    assert tree(plain) == lake.tree("out")
    assert tree(img.with_name("plain-maps")) == lake.tree("out-maps")


def test_whatever_is_killed_the_job_completes(
    granpipe, start_process, cluster, lake, proxy, tmp_path
):
    img = fields(tmp_path / "img", 120)
    granpipe("prepare", img, tmp_path / "plain")
    lake.upload(img, "img")
    cluster.inject(slow(0.15))
    driver = cluster.driver(spark__executorEnv__AWS_ENDPOINT_URL=proxy.endpoint)
    driver["AWS_ENDPOINT_URL"] = proxy.endpoint
    command = ["prepare", lake.url("img"), lake.url("out"), "--engine", "spark"]
    process = start_process(driver, command)
    wait_for_arrays(lake, "out", process)
    os.kill(cluster.pids("pyspark.daemon")[-1], signal.SIGKILL)  # the worker, or the daemon itself
    time.sleep(1)
    os.kill(cluster.pids("CoarseGrainedExecutorBackend")[0], signal.SIGKILL)
    time.sleep(1)
    cluster.kill("worker-1")
    proxy.down()
    time.sleep(10)
    proxy.up()
    cluster.start_worker("worker-1")
    printed, said = process.communicate(timeout=3 * PATIENCE)
    assert process.returncode == 0, said
    assert "120 photographs found: 120 prepared" in printed
    assert tree(tmp_path / "plain") == lake.tree("out")


def test_nothing_runs_on_without_its_driver_and_the_next_run_does_the_rest(
    granpipe, start_process, cluster, lake, tmp_path
):
    img = fields(tmp_path / "img", 80)
    granpipe("prepare", img, tmp_path / "plain")
    lake.upload(img, "img")
    cluster.inject(slow(0.1))
    command = ["prepare", lake.url("img"), lake.url("out"), "--engine", "spark"]
    process = start_process(cluster.driver(), command)
    for _ in range(20 * PATIENCE):
        ledger = [key for key in lake.own("out") if key.startswith("parts/")]
        if len(ledger) > 2:  # the plan, and what two chunks or more have brought
            break
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.kill()
    until = time.monotonic() + 10
    while cluster.pids("CoarseGrained") + cluster.pids("pyspark.daemon") + cluster.pids("serve()"):
        assert time.monotonic() < until
        time.sleep(0.1)
    before = lake.objects("out/corn")
    printed = granpipe("prepare", lake.url("img"), lake.url("out")).stdout
    kept = int(re.search(r"\((\d+) of them up to date", printed)[1])
    assert 10 <= kept < 80
    assert sum(lake.objects("out/corn")[key] == of for key, of in before.items()) >= kept
    assert tree(tmp_path / "plain") == lake.tree("out")
    assert lake.own("out") == {"ledger.jsonl"}


def test_a_decoder_that_aborts_hangs_or_kills_its_container_costs_itself(
    granpipe, run, cluster, lake, tmp_path
):
    img = fields(tmp_path / "img", 24)
    granpipe("prepare", img, tmp_path / "plain")
    for name, size in {"007a": 13, "012a": 17, "017a": 19}.items():
        save(img / f"corn/{name}.png", picture(size, size))
    lake.upload(img, "img")
    cluster.inject(slow(0.01))
    run(cluster.driver(), ["prepare", lake.url("img"), lake.url("out"), "--engine", "spark"])
    found = lake.tree("out")
    rejected = found["rejected.csv"].decode().splitlines()[1:]
    assert [line.split(",")[:2] for line in rejected] == [
        [f"corn/{name}.png", "crashed"] for name in ("007a", "012a", "017a")
    ], rejected
    assert "took its container down twice" in rejected[2]
    expected = {path: data for path, data in tree(tmp_path / "plain").items() if "/" in path}
    assert {path: data for path, data in found.items() if "/" in path} == expected


ZOMBIE = """
import threading, time
from granpipe.stores.bucket import Bucket

write = Bucket.write

def write_and_haunt(self, path, data):
    version = write(self, path, data)
    if path == "corn/000.jpg.npy":
        def late():
            time.sleep(1)
            write(self, path, bytes(128) + b"other settings")
        threading.Thread(target=late).start()
    return version

Bucket.write = write_and_haunt
"""


def test_what_a_task_writes_late_is_found_and_made_again(granpipe, run, cluster, lake, tmp_path):
    img = fields(tmp_path / "img", 40)
    granpipe("prepare", img, tmp_path / "plain")
    lake.upload(img, "img")
    once = f"import os\nif not os.path.exists({str(tmp_path / 'mark')!r}):\n"
    haunted = ZOMBIE.replace(
        "        def late",
        f"        open({str(tmp_path / 'mark')!r}, 'w').close()\n        def late",
    ).replace("\n", "\n    ")
    cluster.inject(slow(0.2) + once + "    " + haunted)
    run(cluster.driver(), ["prepare", lake.url("img"), lake.url("out"), "--engine", "spark"])
    assert (tmp_path / "mark").exists()
    assert tree(tmp_path / "plain") == lake.tree("out")
