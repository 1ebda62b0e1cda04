"""Names are UTF-8 whatever the locale; one that cannot be is one reject, not the end of a run."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT, picture, rejects, rows, save, tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux"),
]

NAMES = ["Größe.jpg", "日本.jpg", "café.jpg", "e\u0301.jpg", "\N{EAR OF MAIZE}.jpg"]


@pytest.fixture
def src(tmp_path):
    for seed, name in enumerate(NAMES):
        save(tmp_path / "src/maïs" / name, picture(seed=seed))
    return tmp_path / "src"


def run(*words, locale: str, **variables: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "granpipe", *map(str, words)]
    environment = {"LC_ALL": locale, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, env=environment | variables, cwd=ROOT, check=False
    )


@pytest.fixture
def latin_1(tmp_path):
    """Make a locale whose names are not UTF-8."""
    folder = tmp_path / "locales"
    folder.mkdir()
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US.ISO-8859-1"]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no localedef, or no sources of locales, to make one of ISO-8859-1")
    return {"locale": "en_US.ISO-8859-1", "LOCPATH": str(folder)}


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_the_locale_has_no_part_in_names(src, tmp_path, locale):
    expect_the_same(
        src, tmp_path, {"locale": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    )


def test_a_locale_of_another_encoding_has_no_part_in_names(src, tmp_path, latin_1):
    expect_the_same(src, tmp_path, latin_1)


def expect_the_same(src, tmp_path, settings) -> None:
    out = tmp_path / "out-日"
    for words in (["prepare", src, out], ["augment", out, "--copies", 1]):
        done = run(*words, **settings)
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
    outputs = [word for ending in ("html", "csv") for word in ("-o", tmp_path / f"map.{ending}")]
    assert run("map", src, *outputs, **settings).returncode == 0
    table = rows(out / "labels.csv")
    assert [row["source"] for row in table] == sorted(f"maïs/{name}" for name in NAMES)
    assert all((out / row["path"]).is_file() for row in table)
    assert all(
        (out / "augmented" / row["path"]).is_file() for row in rows(out / "augmented/labels.csv")
    )
    assert [row["source"] for row in rows(tmp_path / "map.csv")] == [row["source"] for row in table]
    assert "ma\\u00efs" in (tmp_path / "map.html").read_text()
    assert rejects(out) == {}


def test_a_photograph_a_thousand_folders_deep_is_one_reject(granpipe, src, tmp_path):
    here = os.open(src / "maïs", os.O_RDONLY)
    for _ in range(1990):
        os.mkdir("d", dir_fd=here)
        here, above = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    photo = save(tmp_path / "photo.jpg")
    with os.fdopen(os.open("deep.jpg", os.O_WRONLY | os.O_CREAT, dir_fd=here), "wb") as file:
        file.write(photo.read_bytes())
    os.close(here)
    try:
        result = granpipe("prepare", src, tmp_path / "out", code=None)
        assert f"{len(NAMES)} prepared" in result.stdout
        assert len(rejects(tmp_path / "out")) == 1
        assert "Traceback" not in result.output
        granpipe("map", src, "-o", tmp_path / "map.csv")
    finally:
        subprocess.run(["rm", "-rf", src], check=True)


def test_a_path_too_long_for_the_output_is_one_reject(granpipe, src, tmp_path):
    save(src / "maïs" / "x.jpg")
    far = tmp_path / "/".join(["f" * 200] * 18)
    long = src / "maïs" / "/".join(["y" * 100] * 4)
    save(long / "z.jpg")
    granpipe("prepare", src, far)
    (source,) = rejects(far)
    assert source.endswith("/z.jpg")
    assert len(tree(far)) == len(NAMES) + 1 + 3
