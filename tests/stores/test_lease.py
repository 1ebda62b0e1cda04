"""The lock on a bucket: a lease that one run holds, by the server's clock."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from granpipe.errors import BusyError, DatasetError
from granpipe.jobs.prepare import prepare
from granpipe.stores import lease as leases
from granpipe.stores.lease import Lease
from granpipe.stores.owner import Owner, this_process

from buckets import memory_bucket
from conftest import picture, save
from harm import until

pytestmark = pytest.mark.slow

Bucket = pytest.importorskip("granpipe.stores.bucket", reason="the extra s3 is missing").Bucket

LOCK = ".granpipe/lock"
ELSEWHERE = Owner("far", 7, "2024-01-01T00:00:00Z", "far 1 pid:[2]", "99")


@pytest.fixture
def bucket():
    return memory_bucket({})


@pytest.fixture
def short(monkeypatch):
    """Let a lease be free after a moment, and be renewed more often than that."""
    monkeypatch.setattr(leases, "TERM", 0.6)
    monkeypatch.setattr(leases, "RENEWAL", 0.1)


@pytest.fixture
def lines():
    return []


def hold(bucket, lines=()):
    return bucket.hold(".granpipe", lines.append if isinstance(lines, list) else lambda line: None)


def write_lock(bucket, owner: Owner, lease: str = "theirs") -> str:
    return bucket.write(LOCK, owner.to_json(lease=lease, renewals=3))


def test_a_second_run_is_told_who_writes(bucket):
    with hold(bucket):
        with pytest.raises(BusyError) as error, hold(bucket):
            pytest.fail("two hold it")
        who = rf"process {os.getpid()} on \S+ \(since \S+Z\)"
        assert re.fullmatch(rf"s3://memory: {who} is writing here; wait for it", str(error.value))
    assert [*bucket.list()] == []
    with hold(bucket):
        pass


def test_a_process_of_this_host_that_was_killed_frees_it_at_once(bucket, lines):
    code = "from granpipe.stores.owner import *; print(this_process().to_json(lease='x').decode())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    bucket.write(LOCK, dead.stdout)
    with hold(bucket, lines):
        assert json.loads(bucket.read(LOCK)[0])["pid"] == os.getpid()
    assert lines == []


def test_the_number_of_a_dead_process_may_be_anothers_today(bucket):
    mine = this_process()
    write_lock(bucket, Owner(mine.host, 1, mine.since, mine.place, "another time"))
    with hold(bucket):
        pass


def test_a_process_that_could_not_give_it_back_gets_it_again(bucket):
    write_lock(bucket, this_process())
    with hold(bucket):
        pass


def test_a_server_that_never_lets_it_be_replaced_is_not_asked_for_ever(bucket, monkeypatch):
    write_lock(bucket, this_process())
    monkeypatch.setattr(Bucket, "replace", lambda *args: None)
    with pytest.raises(BusyError, match="delete .granpipe/lock"), hold(bucket):
        pytest.fail("holds nothing")


@pytest.mark.parametrize("data", [ELSEWHERE.to_json(lease="x"), b'["\xff"]'])
def test_a_silent_owner_elsewhere_loses_it_after_the_term_only(bucket, lines, short, data):
    bucket.write(LOCK, data)
    start = time.monotonic()
    with hold(bucket, lines):
        assert time.monotonic() - start >= 0.6
        assert json.loads(bucket.read(LOCK)[0])["pid"] == os.getpid()
    who = r"process 7 on far \(since 2024-01-01T00:00:00Z\)" if b"far" in data else "another run"
    assert re.fullmatch(
        rf"s3://memory: locked by {who}, silent for 0 s; waiting up to [01] s for a sign of life",
        *lines,
    )


def test_the_age_of_a_lock_is_no_matter_of_our_clock(bucket, short, monkeypatch):
    write_lock(bucket, ELSEWHERE)
    monkeypatch.setattr(time, "time", lambda: 9e9)
    assert 0 <= bucket.age(LOCK, "probe") < 0.5
    assert [entry.path for entry in bucket.list()] == [LOCK]


def test_a_live_owner_elsewhere_never_loses_it(bucket, short, monkeypatch):
    theirs = Lease(bucket, ".granpipe", lambda line: None)
    theirs.owner = ELSEWHERE
    theirs.take()
    for _ in range(2):
        with pytest.raises(BusyError, match="process 7 on far"), hold(bucket):
            pytest.fail("taken from the living")
    theirs.check()
    theirs.give_back()
    assert [*bucket.list()] == []


def test_of_many_that_wait_for_a_dead_owner_one_gets_it_at_a_time(bucket, short):
    write_lock(bucket, ELSEWHERE)
    together = threading.Barrier(4)
    outcomes = []

    def go():
        together.wait()
        with suppress(BusyError), hold(bucket):
            outcomes.append("held")
            time.sleep(0.3)
            outcomes.append("given back")

    with ThreadPoolExecutor(4) as threads:
        [*threads.map(lambda _: go(), range(4))]
    assert outcomes == ["held", "given back"] * (len(outcomes) // 2) != []


def test_a_run_that_lost_it_knows_and_leaves_the_lock_of_the_next_alone(bucket, short):
    with hold(bucket) as held:
        held.watch()
        theirs = write_lock(bucket, ELSEWHERE)
        with pytest.raises(DatasetError, match="lost its lock; run again"):
            held.check()
        with pytest.raises(DatasetError, match="lost its lock"):
            held.watch()
    assert bucket.read(LOCK)[1] == theirs


def test_the_loss_is_known_after_a_renewal_without_asking(bucket, short):
    with hold(bucket) as held:
        bucket.delete(LOCK)
        time.sleep(0.3)
        with pytest.raises(DatasetError, match="lost its lock"):
            held.watch()
    assert [*bucket.list()] == []


def test_who_cannot_renew_for_the_term_has_lost_it(bucket, short, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "access denied")

    with hold(bucket) as held:
        monkeypatch.setattr(Bucket, "replace", refuse)
        with pytest.raises(DatasetError, match="lock: access denied; fix that"):
            held.check()
        held.watch()
        time.sleep(0.7)
        with pytest.raises(DatasetError, match="lost its lock"):
            held.watch()


def test_a_run_that_lost_its_lease_stops_writes_no_tables_and_deletes_nothing(
    lake, tmp_path, short
):
    for number in range(40):
        save(tmp_path / f"img/corn/{number:02}.png", picture(seed=number))
    out = lake.url("out")
    prepare(tmp_path / "img", out, size=32)
    (tmp_path / "img/corn/00.png").unlink()
    before = lake.objects("out")

    taken = []

    def robbed(results, total):
        for result in results:
            taken.append(result)
            if len(taken) == 4:
                lake.put("out/.granpipe/lock", ELSEWHERE.to_json(lease="theirs"))
                time.sleep(0.3)
            yield result

    with pytest.raises(DatasetError, match="lost its lock"):
        prepare(tmp_path / "img", out, size=48, workers=1, progress=robbed)
    assert len(taken) < 20
    after = lake.objects("out")
    assert json.loads(lake.get("out/.granpipe/lock"))["lease"] == "theirs"
    for name in ("labels.csv", "rejected.csv", "corn/00.png.npy", ".granpipe/ledger.sqlite"):
        assert after[f"out/{name}"] == before[f"out/{name}"]
    assert "out/dataset.json" not in after


@pytest.fixture
def rivals(lake, start, tmp_path):
    """Start two runs at once on one output, of photographs that take a while."""

    def run(output: object) -> list[tuple[int, str, int]]:
        for number in range(400):
            save(tmp_path / f"img/corn/{number:03}.bmp", picture(100, 100, number))
        runs = [start("prepare", tmp_path / "img", output, "--workers", 1) for _ in range(2)]
        ends = [process.communicate(timeout=60)[1] for process in runs]
        return sorted((p.returncode, e, p.pid) for p, e in zip(runs, ends, strict=True))

    return run


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_of_two_runs_at_once_one_wins_and_the_other_says_who(rivals, lake, tmp_path, kind):
    output = lake.url("out") if kind == "bucket" else tmp_path / "out"
    (won, nothing, winner), (lost, line, _) = rivals(output)
    assert (won, nothing, lost) == (0, "", 1)
    who = rf"process {winner} on \S+ \(since \S+\)"
    assert re.fullmatch(rf"granpipe: {output}: {who} is writing here; wait for it\n", line)


def test_ctrl_c_while_it_waits_for_a_lease_is_one_line(lake, start, tmp_path):
    save(tmp_path / "img/corn/a.png")
    lake.put("out/.granpipe/lock", ELSEWHERE.to_json(lease="theirs"))
    process = start("prepare", tmp_path / "img", lake.url("out"))
    assert "locked by process 7 on far" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 130
    assert errors.lstrip("\n") == "granpipe: interrupted; repeat the command to continue\n"
    assert lake.own("out") == {"lock"}


def test_ctrl_c_in_the_middle_gives_it_back(lake, start, tmp_path, granpipe):
    for number in range(40):
        save(tmp_path / f"img/corn/{number:02}.bmp", picture(500, 500, number))
    process = start("prepare", tmp_path / "img", lake.url("out"))
    until(
        lambda: any(key.endswith(".npy") for key in lake.objects("out")), "arrays", process=process
    )
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors.lstrip("\n") == "granpipe: interrupted; repeat the command to continue\n"
    assert "lock" not in lake.own("out")


def test_of_concurrent_creators_and_replacers_one_wins(lake):
    keys, rivals = 20, 4
    bucket = Bucket(lake.name, "race")
    jobs = [(f"lock-{key}", b"%d" % rival) for key in range(keys) for rival in range(rivals)]
    with ThreadPoolExecutor(16) as pool:
        made = [*pool.map(lambda job: bucket.create(*job), jobs)]
        versions = {path: bucket.read(path)[1] for path, _ in jobs}
        changes = [(path, b"new " + data, versions[path]) for path, data in jobs]
        changed = [*pool.map(lambda change: bucket.replace(*change), changes)]
    for outcomes in (made, changed):
        winners = Counter(path for (path, _), won in zip(jobs, outcomes, strict=True) if won)
        assert winners == dict.fromkeys(versions, 1)
