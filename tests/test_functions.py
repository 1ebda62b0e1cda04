"""The functions of the package: what they show of themselves, and how their runs are followed."""

import inspect
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import granpipe
from granpipe import (
    DatasetError,
    OptionError,
    PhotoError,
    Ranges,
    augment,
    draw_parameters,
    letterbox_photo,
    load_array,
    make_copy,
    map_photos,
    parameters_of,
    prepare,
    read_table,
)
from granpipe.commands.augment import augment_command
from granpipe.commands.map import map_command
from granpipe.commands.prepare import prepare_command

from conftest import ROOT, picture, put, save


@pytest.fixture(scope="module", params=[(224, 0), (100, "#204060")], ids=str)
def prepared(request, tmp_path_factory) -> tuple[Path, int, object]:
    size, fill = request.param
    out = tmp_path_factory.mktemp("prepared") / "out"
    prepare(ROOT / "img", out, size=size, fill=fill)
    return out, size, fill


def test_one_photograph_becomes_the_array_that_prepare_writes(prepared):
    out, size, fill = prepared
    table = read_table(out / "labels.csv")
    assert len(table) == 25
    for row in table:
        path, expected = ROOT / "img" / row["source"], np.load(out / row["path"])
        for photo in (path, str(path), path.read_bytes()):
            array = letterbox_photo(photo, size, fill)
            assert array.dtype == np.uint8 and np.array_equal(array, expected)
            assert array.flags.writeable


def test_a_photograph_that_cannot_be_used_has_the_reason_that_prepare_gives(tmp_path):
    save(tmp_path / "img/corn/sound.png")
    whole = save(tmp_path / "img/corn/a.jpg", picture(400, 300)).read_bytes()
    (tmp_path / "img/corn/a.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "img/corn/b.jpg").write_bytes(b"no picture")
    (tmp_path / "img/corn/c.jpg").write_bytes(b"")
    save(tmp_path / "img/corn/d.png", picture(900, 700))
    report = prepare(tmp_path / "img", tmp_path / "out", max_pixels=600_000, workers=1)
    assert len(report.rejected) == 4
    for one in report.rejected:
        path = tmp_path / "img" / one.source
        for photo in (path, path.read_bytes()):
            with pytest.raises(PhotoError) as caught:
                letterbox_photo(photo, max_pixels=600_000)
            assert (caught.value.reason, caught.value.detail) == (one.reason, one.detail)
    with pytest.raises(PhotoError, match="unreadable") as caught:
        letterbox_photo(tmp_path / "missing.jpg")
    assert caught.value.__notes__ == [f"photo: {tmp_path / 'missing.jpg'}"]
    for wrong in ({"size": 0}, {"fill": "red"}, {"photo": None}, {"photo": 5}, {"max_memory": 0}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            letterbox_photo(**{"photo": whole} | wrong)


def test_a_folder_is_no_table(prepared):
    out, *_ = prepared
    with pytest.raises(
        DatasetError, match=r"out: is a folder; name the table, as .*out/labels\.csv"
    ):
        read_table(out)


def test_a_copy_is_drawn_by_public_names_alone(prepared, tmp_path):
    out, size, _ = prepared
    augment(out, 1, output=tmp_path / "copies", workers=1)
    box, _ = parameters_of(read_table(tmp_path / "copies/labels.csv")[0])
    parameters = draw_parameters(np.random.default_rng(1), box, Ranges(rotate=40))
    copy = make_copy(load_array(out, read_table(out / "labels.csv")[0]), box, parameters)
    assert copy.shape == (size, size, 3)


def test_only_public_names_are_shown():
    assert sorted(dir(granpipe)) == sorted(granpipe.__all__)
    assert all(getattr(granpipe, name) is not None for name in granpipe.__all__)
    with pytest.raises(AttributeError, match="no attribute 'import_module2'"):
        granpipe.import_module2  # noqa: B018


def test_the_package_itself_is_light():
    code = "import granpipe, sys; dir(granpipe); print({'numpy', 'PIL'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.fixture
def src(tmp_path) -> Path:
    for number in range(300):
        name = f"src/a class with a long name {number % 60}/{number:03}.jpg"
        put(tmp_path / name, b"no picture")
    save(tmp_path / "src/corn/a.png")
    return tmp_path / "src"


def test_reports_are_a_line(src, tmp_path):
    report = prepare(src, tmp_path / "out", workers=1)
    assert repr(report) == (
        "<prepare: 301 photographs found, 1 prepared (0 up to date already), 300 rejected, "
        "0 arrays deleted>"
    )
    copies = augment(tmp_path / "out", 2, workers=1)
    assert repr(copies).startswith("<augment: 2 copies in ") and len(repr(copies)) < 250
    assert repr(map_photos(src, tmp_path / "map.csv", workers=1)) == (
        "<map: 301 photographs found, 0 on the map, 0 unseen>"
    )


def test_the_log_tells_rejections_and_what_was_done(src, tmp_path, caplog):
    odd = src / "corn/new\nline.jpg"
    odd.write_bytes(b"no picture")
    with caplog.at_level(logging.INFO, "granpipe"):
        report = prepare(src, tmp_path / "out", workers=1)
    warnings = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert len(warnings) == len(report.rejected) == 301
    assert "corn/new\\nline.jpg: unreadable: is no picture, whatever its name says" in warnings
    assert caplog.records[-1].getMessage() == repr(report)
    caplog.clear()
    (tmp_path / "out/corn/a.png.npy").write_bytes(b"damaged")
    with caplog.at_level(logging.INFO, "granpipe"):
        augment(tmp_path / "out", 1, workers=1)
    assert caplog.records[0].getMessage().startswith("corn/a.png: unreadable: its array")


def test_nothing_is_printed_unless_it_is_asked_for(src, tmp_path, capfd):
    prepare(src, tmp_path / "out", workers=1)
    assert capfd.readouterr() == ("", "")


def test_a_bar_or_a_callable_follows_a_run(src, tmp_path, capfd):
    prepare(src, tmp_path / "out", workers=1, progress="bar")
    out, err = capfd.readouterr()
    assert out == "" and "301/301" in err
    map_photos(src, tmp_path / "map.csv", workers=1, progress="bar")
    assert "301/301" in capfd.readouterr().err
    totals = []

    def follow(results, total):
        totals.append(total)
        return results

    augment(tmp_path / "out", 2, workers=1, progress=follow)
    assert totals == [1]
    with pytest.raises(OptionError, match="progress: 'line' is not 'bar', and cannot be called"):
        prepare(src, tmp_path / "out", progress="line")


@pytest.mark.parametrize(
    ("function", "command"),
    [(prepare, prepare_command), (augment, augment_command), (map_photos, map_command)],
)
def test_arguments_are_called_like_options_or_their_names_are_explained(function, command):
    told = (ROOT / "granpipe/jobs/README.md").read_text("utf-8")
    options = {name for option in command.params for name in option.opts}
    words = {name.strip("-").replace("-", "_") for name in options}
    own = {"progress", "say", "survey", "ranges"}
    for name in inspect.signature(function).parameters.keys() - words - own:
        if name not in {"source", "output", "dataset"}:
            (option,) = re.findall(rf"`{name}` is `(-[a-z-]+)`", told)
            assert option in options
