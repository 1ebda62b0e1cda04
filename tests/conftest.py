"""What the tests share: the command line, real photographs, and small pictures made here."""

import csv
import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings
from PIL import Image

from granpipe.commands.group import cli
from granpipe.engines import processes
from granpipe.errors import PhotoError
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

import exif_blocks as eb
from buckets import gateway, gateway_lake, lake, module_lake, proxy, server  # noqa: F401 - fixtures
from clusters import cluster  # noqa: F401 - a fixture
from drivers import driver, drivers  # noqa: F401 - fixtures
from harm import ROOT, injected, signals_are_obeyed, small_disk  # noqa: F401 - fixtures
from kafkas import kafka, kafka_broker  # noqa: F401 - fixtures
from online import client, online  # noqa: F401 - fixtures
from search_servers import search_programs, search_server  # noqa: F401 - fixtures

PHOTOS = ROOT.parent / "shared" / "photos"

# A machine that is slow for a moment is no defect.
settings.register_profile("all", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("few", settings.get_profile("all"), max_examples=20)
settings.load_profile("all")

SMALL = ("--size", 16)

# The mark of every test that uses a fixture.
MARKS = {
    "server": "servers",
    "gateway": "servers",
    "kafka": "servers",
    "online": "servers",
    "search_server": "servers",
    "cluster": "spark",
    "browser": "browser",
}

LONGEST = (
    *("test_spark", "test_kafka", "test_kills", "test_crash", "test_hostile", "test_memory"),
    *("test_positions", "test_real_parts", "test_lease", "test_fuzz", "test_fields", "test_page"),
    *("test_processes", "test_view", "test_bad_input", "test_shortcuts", "test_split"),
    *("test_prepare", "test_augment", "test_map"),
)
"""Files that are begun first, so that no test process has much to do when the others are done."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, metavar="N", help="Draw at random what this seed drew.")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed of all that is drawn at random; processes of pytest-xdist are given it."""
    given = getattr(config, "workerinput", {}).get("seed", config.option.seed)
    config.option.drawn_from = random.randrange(2**32) if given is None else given
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = config.option.drawn_from


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    node.workerinput["seed"] = node.config.option.drawn_from


def pytest_report_header(config: pytest.Config) -> str:
    return f"drawn at random: --seed {config.option.drawn_from}"


def pytest_terminal_summary(terminalreporter, exitstatus: int, config: pytest.Config) -> None:
    if exitstatus == pytest.ExitCode.TESTS_FAILED:
        terminalreporter.write_line(f"to draw the same again: --seed {config.option.drawn_from}")
    facts = [
        fact
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for fact in report.user_properties
    ]
    for program, count in sorted(Counter(of for name, of in facts if name == "server").items()):
        terminalreporter.write_line(f"on {program}: {count} tests passed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their fixtures, and begin with the longest."""
    for item in items:
        for fixture in MARKS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKS[fixture])
    items.sort(key=lambda item: (*LONGEST, item.path.stem).index(item.path.stem))


def pytest_xdist_auto_num_workers() -> int:
    """Start half as many test processes again as there are cores: many tests wait for others."""
    cores = os.cpu_count() or 1
    return cores + cores // 2


@pytest.fixture
def rng(pytestconfig) -> random.Random:
    """Draw at random, again the same with `--seed`."""
    return random.Random(pytestconfig.option.drawn_from)


def may_fork() -> bool:
    """Return whether all threads but this one wait for orders, or for the lease of a bucket."""
    return sys.platform == "linux" and sum(not one.daemon for one in threading.enumerate()) == 1


@pytest.fixture(autouse=True)
def forks(monkeypatch) -> None:
    """Let granpipe fork its workers, as on the command line: that takes 0.3 s of CPU less.

    What works on buckets is no fork, so that obstore's threads do not matter.
    """
    monkeypatch.setattr(processes, "_has_one_thread", may_fork)


@pytest.fixture
def granpipe():
    """Run granpipe in this process; expects exit code 0 by default, None for any.

    It has one worker by default, which starts sooner than two.
    """

    def run(*args: object, code: int | None = 0) -> Result:
        if args[:1] and args[0] in cli.commands and "--workers" not in args:
            args = (*args, "--workers", 1)
        result = CliRunner().invoke(cli, [str(arg) for arg in args], catch_exceptions=False)
        assert code is None or result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def start():
    """Start granpipe as a process of its own, in a group of its own."""
    started = []

    def run(*args: object, **options) -> subprocess.Popen:
        command = [sys.executable, "-m", "granpipe", *map(str, args)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = subprocess.Popen(command, start_new_session=True, **options)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def src(tmp_path) -> Path:
    """Return the folder of photographs, which is not there yet."""
    return tmp_path / "src"


@pytest.fixture
def out(tmp_path) -> Path:
    """Return the folder of a dataset that is not there yet."""
    return tmp_path / "out"


@pytest.fixture
def heic() -> None:
    """See that HEIC is read, or skip."""
    pytest.importorskip("pillow_heif").register_heif_opener()


@pytest.fixture(scope="session")
def photos() -> Path:
    """Return the folder of real photographs, which is not part of this repository."""
    if not PHOTOS.is_dir():
        pytest.skip(f"no real photographs at {PHOTOS}")
    return PHOTOS


def picture(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Return a smooth colour picture, another one for every seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def assert_one_line(result: Result, *words: object) -> None:
    """See that a command wrote one line to stderr, with these words."""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert str(word) in result.stderr


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    """Return a picture as a file of a kind; options are Pillow's."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def put(path: Path, data: bytes) -> Path:
    """Write a file, an hour ago, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    then = time.time_ns() - 3_600_000_000_000  # what is younger than two seconds is always hashed
    os.utime(path, ns=(then, then))
    return path


def save(path: Path, image: Image.Image | None = None, **options) -> Path:
    """Save a picture, an hour ago, making its folder; a picture of its own for every path."""
    image = image or picture(seed=sum(path.name.encode()))
    kind = options.pop("format", "") or Image.registered_extensions()[path.suffix.lower()]
    return put(path, encoded(image, kind, **options))


def put_every_outcome(folder: Path) -> None:
    """Save photographs of all that can become of one, and files that are ignored."""
    for number, name in enumerate(["corn-1/z", "corn/a", "corn/a/b", "corn/a-b", "wheat/ä o"]):
        save(folder / f"{name}.png", picture(seed=number))
        (folder / f"{name}.jpg").write_bytes(eb.jpeg_at(46 + number, 7 + number))
    save(folder / "corn/a.PNG")
    shutil.copy(folder / "corn/a.png", folder / "corn/twin.png")
    shutil.copy(folder / "corn/a-b.png", folder / "wheat/conflict.png")
    shutil.copy(folder / "corn/a.png", folder / "no_label.png")
    (folder / "corn/broken.jpg").write_bytes(b"no picture")
    (folder / "corn/empty.jpg").write_bytes(b"")
    (folder / "corn/cut.png").write_bytes((folder / "corn/a.png").read_bytes()[:-200])
    (folder / "corn/notes.txt").write_bytes(b"ignored")
    (folder / "corn/._a.jpg").write_bytes(b"ignored")


def textured(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    """Return a picture with something to see, another one for every seed."""
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, 256, (side, side, 3), np.uint8) for side in (4, 9, 20)]
    layers = [Image.fromarray(part).resize(size, Image.Resampling.BICUBIC) for part in parts]
    return Image.blend(Image.blend(layers[0], layers[1], 0.4), layers[2], 0.3)


def place(path: Path, seed: int, lat: float, lon: float) -> Path:
    """Write a photograph with a position, an hour ago."""
    return put(path, eb.jpeg_at(lat, lon, picture=textured(seed)))


def photographs(count: int) -> list[bytes]:
    """Return photographs of many places, each with a picture of its own."""
    places = ((-60 + number / 3, number / 2) for number in range(count))
    pictures = (picture(320, 240, number) for number in range(count))
    return [eb.jpeg_at(*at, picture=image) for at, image in zip(places, pictures, strict=True)]


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def rejects(output: Path) -> dict[str, str]:
    """Return the reasons of a dataset's rejected photographs, by source."""
    return {row["source"]: row["reason"] for row in rows(output / "rejected.csv")}


def splits(output: Path) -> dict[str, str]:
    """Return the splits of a dataset's photographs, by source."""
    return {row["source"]: row["split"] for row in rows(output / "labels.csv")}


def table(output: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a dataset's labels.csv, by source."""
    return {row["source"]: row for row in rows(output / "labels.csv")}


def content_of(output: Path, table: list[dict[str, str]]) -> np.ndarray:
    """Return the pixels inside the content boxes of a table's arrays, 0 to 1."""
    pixels = []
    for row in table:
        left, top, right, bottom = (int(row[key]) for key in ("left", "top", "right", "bottom"))
        pixels.append(np.load(output / row["path"])[top:bottom, left:right].reshape(-1, 3))
    return np.concatenate(pixels) / 255


def tree(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder, by relative path; not granpipe's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".granpipe" not in path.relative_to(folder).parts
    }


def drawn(data: bytes, size: int = 64, **options) -> np.ndarray:
    """Return the array of a photograph; options are those of `letterbox`."""
    return letterbox(open_photo(data), size, **options)[0]


def reason(data: bytes) -> str:
    """Return the reason and the detail with which a photograph is rejected."""
    with pytest.raises(PhotoError) as caught:
        drawn(data)
    return str(caught.value)


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two 8-bit pictures, in decibel."""
    error = np.mean((first.astype(float) - second) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


@pytest.fixture(scope="module")
def browser():
    """Chromium, where it is installed."""
    from pages import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser):
    """Open a page from its file with the network cut; at the end, nothing may have gone wrong."""
    from pages import visits

    with visits(browser) as open_page:
        yield open_page


@pytest.fixture(scope="session")
def season(tmp_path_factory) -> Path:
    """The page of seven photographs in three classes, three of them at one spot; two unmapped."""
    from pages import SEASON, make_page

    folder = tmp_path_factory.mktemp("season")
    for day, (source, (lat, lon)) in enumerate(SEASON.items(), 1):
        image = eb.jpeg_at(
            *(lat, lon, 540.5, f"2024:06:{day:02} 15:10:02", "Pixel 7"),
            orientation=6 if "portrait" in source else 1,
            picture=picture(640, 480, day),
        )
        put(folder / "img" / source, image)
    save(folder / "img/corn/screen.png")
    (folder / "img/wheat/damaged.jpg").write_bytes(eb.jpeg(b"nonsense"))
    return make_page(folder)


@pytest.fixture(scope="session")
def linked(season) -> Path:
    """The page of `season` that links Leaflet; without a network it never arrives."""
    from pages import make_page, no_leaflet

    with no_leaflet():
        return make_page(season.parent, "linked.html", offline=False)
