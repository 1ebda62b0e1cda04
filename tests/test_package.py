"""The wheel and the sdist, installed and run outside the repository."""

import os
import re
import subprocess
import sys
import tarfile

import pytest

from conftest import ROOT, save

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A wheel and an sdist of the files that are here."""
    pytest.importorskip("build", reason="the package build is not installed")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_wheel_runs_the_three_commands_in_a_clean_place(dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel]
    subprocess.run(pip, check=True, capture_output=True)
    save(tmp_path / "img/corn/a.jpg")
    environment = os.environ | {"PYTHONPATH": str(site)}
    for arguments in (
        ["prepare", "img", "out"],
        ["augment", "--copies", "2"],
        ["map", "img", "-o", "map.html", "-o", "map.csv"],
    ):
        command = [sys.executable, "-P", "-m", "granpipe", *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=environment)
    assert (tmp_path / "out/augmented/corn/a.jpg.2.npy").is_file()
    assert "granpipe-data" in (tmp_path / "map.html").read_text()
    assert (site / "granpipe/py.typed").is_file()
    (licence,) = site.glob("granpipe-*.dist-info/licenses/granpipe/LICENSE")
    assert "Permission is hereby granted" in licence.read_text()
    (about,) = site.glob("granpipe-*.dist-info/METADATA")
    assert re.findall(r"!\[|\]\((?!https?:)", about.read_text("utf-8").replace("[![", "")) == []


def test_the_sdist_holds_all_that_the_tests_need(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for name in (
        "granpipe/mapping/web/page.html",
        "granpipe/LICENSE",
        "tests/conftest.py",
        "README.md",
        ".readme/map.png",
        ".github/CONTRIBUTING.md",
    ):
        assert name in names
    assert any(name.startswith("img/") for name in names)
