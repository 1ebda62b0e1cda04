"""Settings are checked at start: a line for each that cannot be used, and nothing is served."""

import os
import subprocess
import sys

import pytest
from PIL import Image

TOKEN = "s3cret-of-ours"


@pytest.fixture
def begin(tmp_path, monkeypatch, capfd):
    """Start the web server with some variables alone; return its exit code and what it says."""
    for package in ("flask", "waitress", "elastic_transport"):
        pytest.importorskip(package, reason="the extra service is not installed")
    from granpipe.service.__main__ import main

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GRANPIPE_")]:
        monkeypatch.delenv(name)

    def run(*options: str, **variables: str) -> tuple[int, list[str]]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["granpipe.service", *options])
        try:
            code = main()
        except SystemExit as left:
            code = left.code
        said = capfd.readouterr()
        assert said.out == "" and not any(tmp_path.iterdir())
        return code, said.err.splitlines()

    return run


@pytest.mark.parametrize(
    ("command", "variables", "said"),
    [
        (["flask", "--app", "granpipe.service", "run", "-p", "0"], {}, "GRANPIPE_OPEN=local"),
        (
            ["granpipe.service", "--host", "192.0.2.7"],
            {"GRANPIPE_TOKEN": TOKEN},
            "cannot bind 192.0.2.7:8000: Cannot assign requested address; choose another --port",
        ),
    ],
)
def test_a_process_that_cannot_serve_says_so_and_ends(command, variables, said, tmp_path):
    pytest.importorskip("waitress", reason="the extra service is not installed")
    known = {name: text for name, text in os.environ.items() if "GRANPIPE_" not in name}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=known | variables,
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr


def test_without_a_word_on_who_is_answered_nothing_is_served(begin):
    code, lines = begin()
    assert (code, len(lines)) == (2, 1)
    assert "GRANPIPE_TOKEN" in lines[0] and "GRANPIPE_OPEN=local" in lines[0]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"GRANPIPE_ENGINE": "flink"}, "GRANPIPE_ENGINE: write local or spark"),
        ({"GRANPIPE_LOG": "xml"}, "GRANPIPE_LOG: write text or json"),
        ({"GRANPIPE_OPEN": "world"}, "GRANPIPE_OPEN: write local"),
        ({"GRANPIPE_SEARCH": "host:9200"}, "GRANPIPE_SEARCH: write https://host:port"),
        ({"GRANPIPE_TOKEN": f"{TOKEN}\n"}, "GRANPIPE_TOKEN: has a blank, a line break"),
        ({"GRANPIPE_TOKEN": TOKEN, "GRANPIPE_OPEN": "local"}, "set one of them"),
        ({"GRANPIPE_SOURCE": "ftp://host/x"}, "only folders and s3://bucket/prefix can be used"),
        (
            {"GRANPIPE_SOURCE": "photos", "GRANPIPE_OUTPUT": "photos/arrays"},
            "GRANPIPE_OUTPUT: is inside GRANPIPE_SOURCE",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_line_and_exit_2(variables, said, begin):
    code, lines = begin(**variables)
    assert (code, len(lines)) == (2, 1)
    assert said in lines[0] and TOKEN not in lines[0]


def test_a_variable_that_nothing_reads_is_named_with_the_nearest_one(begin):
    mistaken = {"GRANPIPE_KAFAK": "host:9092", "GRANPIPE_TOKN": TOKEN, "GRANPIPE_XYZZY": "1"}
    code, lines = begin(**mistaken, GRANPIPE_PREPARE_SIZE="64", GRANPIPE_MAP_REDACT="2")
    assert code == 2
    assert lines[:3] == [
        "granpipe.service: GRANPIPE_KAFAK: no such variable; did you mean GRANPIPE_KAFKA?",
        "granpipe.service: GRANPIPE_TOKN: no such variable; did you mean GRANPIPE_TOKEN?",
        "granpipe.service: GRANPIPE_XYZZY: no such variable",
    ]
    assert len(lines) == 4 and "GRANPIPE_OPEN" in lines[3]
