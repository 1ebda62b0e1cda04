"""The engine of Spark against a real cluster: the bytes of the local engine, whatever dies."""

import os
import re
import shutil
import time

import pytest

import exif_blocks as eb
from clusters import PATIENCE
from conftest import picture, save, tree

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
SPARK = ["--engine", "spark"]


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
    lake.upload(folder, "kinds/img")
    for command in three_commands(folder, folder.with_name("out")):
        local(*command)
    shutil.rmtree(folder)
    return tree(folder.parent)


def three_commands(source, out, *words):
    maps = [word for name in ("m.html", "m.csv", "m.kml") for word in ("-o", f"{out}/maps/{name}")]
    return [
        ["prepare", source, out, "--split", "50/50", "--pack", 4, *words],
        ["augment", out, "--copies", 2, *words],
        ["map", source, *maps, "--links", "https://host/", *words],
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


def wait_until(is_so, driver) -> None:
    for _ in range(20 * PATIENCE):
        if is_so():
            return
        assert driver.process.poll() is None
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def arrays(lake, prefix: str) -> int:
    return sum(key.endswith(".npy") for key in lake.objects(prefix))


def deadly(lake, prefix: str, **sizes: int) -> None:
    """Upload two dozen good photographs with a place, and some that do harm."""
    for number in range(24):
        size = sizes.pop(f"p{number:02}", 0) or 64
        data = eb.jpeg_at(40 + number, 7, picture=picture(size, size, number))
        lake.put(f"{prefix}/corn/{number:02}.jpg", data)


def test_three_commands_give_the_bytes_of_the_local_engine(driver, lake, kinds):
    for command in three_commands(lake.url("kinds/img"), lake.url("kinds/out"), *SPARK):
        printed, _ = driver(*command)
        if command[0] == "prepare":
            assert re.search("21 photographs found: 14 prepared", printed), printed
    assert {f"out/{path}": data for path, data in lake.tree("kinds/out").items()} == kinds
    assert b"label_conflict" in lake.get("kinds/out/rejected.csv")
    assert lake.own("kinds/out") == {"ledger.jsonl"}


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
    printed, said = driver("map", lake.url("one/img"), "-o", tmp_path / "m.csv", *SPARK)
    assert "24 photographs found: 24 on the map" in printed  # no thumbnail, no pixel
    printed, said = driver("map", lake.url("one/img"), "-o", tmp_path / "m.html", *SPARK)
    assert "24 photographs found: 22 on the map" in printed
    assert "corn/17.jpg: unreadable (its decoder took its container down twice)\n" in said
    assert "corn/05.jpg: unreadable (its decoder was ended by signal 6)\n" in said
