"""Commands and functions check the same, in the same words, and take the same."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from granpipe import DatasetError, augment, map_photos, prepare
from granpipe.copies.transform import Ranges
from granpipe.errors import OptionError

from conftest import picture, save, tree


@pytest.fixture
def src(tmp_path) -> Path:
    save(tmp_path / "src/corn/a.png", picture(60, 40, 1))
    save(tmp_path / "src/wheat/b.png", picture(40, 60, 2))
    return tmp_path / "src"


@pytest.fixture
def out(src, tmp_path) -> Path:
    prepare(src, tmp_path / "out", size=32, workers=1)
    return tmp_path / "out"


WRONG = {
    prepare: [
        *[("size", value) for value in (0, -1, 4097, 224.0, "x", True, np.int64(0), [224])],
        *[("max_pixels", 0), ("max_memory", 0), ("max_memory", -700), ("max_memory", 0.5)],
        *[("fill", value) for value in (256, -1, "#12", "#1234567", "red", (1, 2), (0, 0, 256))],
        *[("workers", value) for value in (0, -1, 257, 1.5, "x")],
        *[("engine", "gpu"), ("engine", None), ("seed", "x"), ("seed", 1.5)],
    ],
    augment: [
        *[("copies", value) for value in (0, -1, 1_000_001, 2.5, "x", None)],
        *[("flip_horizontal", 1.5), ("flip_vertical", -0.1), ("rotate", 181), ("rotate", "x")],
        *[("crop", 0), ("crop", 1.01), ("crop", float("nan")), ("seed", "x"), ("seed", None)],
        *[("side", "test"), ("workers", -1), ("engine", "gpu")],
    ],
    map_photos: [
        *[("thumbnails", -1), ("thumbnails", 513), ("redact", 7), ("redact", -1)],
        *[("links", "ftp://host/"), ("links", "x"), ("workers", -1), ("engine", "gpu")],
        *[("title", ""), ("title", 201 * "x")],
    ],
}
CASES = [(function, name, value) for function, pairs in WRONG.items() for name, value in pairs]
OPTIONS = {"side": "--split-only", "links": "--base-url"}


@pytest.mark.slow
@pytest.mark.parametrize(("function", "name", "value"), CASES, ids=lambda one: str(one)[:20])
def test_a_function_refuses_in_words_what_its_command_refuses(
    granpipe, src, out, tmp_path, function, name, value
):
    augment(out, 2, workers=1)
    before = tree(tmp_path)
    call = {
        prepare: partial(prepare, src, out),
        augment: partial(augment, out),
        map_photos: partial(map_photos, src, tmp_path / "map.csv"),
    }[function]
    with pytest.raises(OptionError) as caught:
        call(**{name: value})
    words = str(caught.value)
    assert words.startswith(f"{name}: ") and "\n" not in words
    assert isinstance(caught.value, DatasetError) and isinstance(caught.value, ValueError)
    assert tree(tmp_path) == before
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        command = {
            prepare: ("prepare", src, out),
            augment: ("augment", out),
            map_photos: ("map", src, "-o", tmp_path / "map.csv"),
        }[function]
        option = OPTIONS.get(name, f"--{name.replace('_', '-')}")
        said = granpipe(*command, option, value, code=2).stderr
        if name not in {"engine", "side"}:
            what = words.removeprefix(f"{name}: ")
            assert what.partition(" is ")[2] in said
        assert tree(tmp_path) == before


def test_prepare_takes_what_its_command_takes(granpipe, src, tmp_path):
    granpipe("prepare", src, tmp_path / "a", "--size", 32, "--fill", "#fff", "--max-memory", 500)
    for number, fill in enumerate(["#fff", "#ffffff", 255, "255", (255, 255, 255), [255] * 3]):
        out = tmp_path / f"b{number}"
        prepare(str(src), str(out), size=np.int64(32), fill=fill, max_memory=500, workers=1)
        assert tree(out) == tree(tmp_path / "a")


def test_megabytes_are_meant_where_the_option_says_megabytes(src, tmp_path):
    save(src / "corn/large.png", picture(1200, 1200))
    report = prepare(src, tmp_path / "out", max_memory=5, workers=1)
    assert [one.reason for one in report.rejected] == ["too_large"]
    assert prepare(src, tmp_path / "out", max_memory=7, workers=1).rejected == []


def test_augment_takes_what_its_command_takes(granpipe, out, tmp_path):
    granpipe("augment", out, "--rotate", 5, "--crop", 1, "--flip-vertical", 1, "-o", tmp_path / "a")
    with_ranges = Ranges(flip_vertical=1, rotate=5, crop=1)
    augment(str(out), output=tmp_path / "b", rotate=5, crop=1, flip_vertical=1, workers=1)
    augment(out, output=str(tmp_path / "c"), ranges=with_ranges, workers=1)
    assert tree(tmp_path / "a") == tree(tmp_path / "b") == tree(tmp_path / "c")
    for wrong in ({"ranges": with_ranges, "rotate": 5}, {"ranges": {"rotate": 5}}):
        with pytest.raises(OptionError, match="ranges: "):
            augment(out, output=tmp_path / "d", **wrong)


def test_map_takes_one_name_as_well_as_several(src, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    map_photos("src", "one.csv", workers=1)
    map_photos(src, tmp_path / "two.csv", workers=1)
    map_photos(src, ["three.csv", tmp_path / "four.geojson"], workers=1)
    files = [Path(name).read_bytes() for name in ("one.csv", "two.csv", "three.csv")]
    assert files[0] == files[1] == files[2]
    assert Path("four.geojson").exists()
    with pytest.raises(OptionError, match="outputs: name a file"):
        map_photos(src, [])
    with pytest.raises(OptionError, match="give it or links"):
        map_photos(src, "five.html", redact=2, links="https://host/")


@pytest.mark.parametrize("place", ["", "  ", None, 5, b"out"])
def test_a_place_without_a_name_is_refused(src, out, tmp_path, place):
    for call in (
        lambda: prepare(place, tmp_path / "x"),
        lambda: prepare(src, place),
        lambda: augment(place),
        lambda: map_photos(place, tmp_path / "map.csv"),
    ):
        with pytest.raises(OptionError, match="name"):
            call()
