"""`granpipe map`, by the command line and the files it writes; test_page.py looks at the page."""

import base64
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from granpipe.dataset.names import Photo
from granpipe.jobs import map_index, map_run
from granpipe.mapping import page
from granpipe.mapping.extent import extent
from granpipe.mapping.feature import Feature, MapOptions
from granpipe.mapping.leaflet import carried_leaflet
from granpipe.mapping.writers import WRITERS
from granpipe.photo.exif import Capture
from granpipe.photo.gps import VERDICTS, Position

import exif_blocks as eb
from conftest import ROOT, assert_one_line, picture, put, rows, save
from pages import data_block, no_leaflet, page_data

BILLION = 10**9  # positions have nine decimals


def shoot(path: Path, lat: float = 46.9, lon: float = 7.4, **options) -> Path:
    """Save a photograph taken there; more options are those of `exif_blocks.jpeg_at`."""
    return put(path, eb.jpeg_at(lat, lon, **options))


def shoot_with(path: Path, **options) -> Path:
    """Save a photograph with an EXIF block of tables as `exif_blocks.block` takes them."""
    return put(path, eb.jpeg(eb.block(**options)))


@pytest.fixture
def field(tmp_path):
    """A folder `img` of four photographs in two classes, one of them without EXIF."""
    shoot(tmp_path / "img/corn/b.jpg", 46.9, 7.41, altitude=540.5, model="Pixel 7")
    shoot(tmp_path / "img/corn/a.jpg", 46.91, 7.42, taken_at="2024:06:27 15:10:02")
    shoot(tmp_path / "img/wheat/c.jpg", 46.92, 7.43)
    save(tmp_path / "img/wheat/d.png")
    return tmp_path / "img"


def is_one_line(text: str) -> bool:
    return text.count("\n") == 1 and "Traceback" not in text


def verdicts(table: Path) -> dict[str, str]:
    return {row["source"]: row["verdict"] for row in rows(table)}


# What is found


def test_the_commands_work_as_typed(granpipe, field, monkeypatch):
    monkeypatch.chdir(field.parent)
    granpipe("map", "img/", "-o", "map.html")
    granpipe("map", "img/")
    assert Path("map.html").read_text().startswith(page.SIGNATURE)


def test_the_sample_photographs(granpipe, tmp_path):
    output = granpipe("map", ROOT / "img", "-o", tmp_path / "map.html").stdout
    found = [path for path in (ROOT / "img").rglob("*") if path.is_file()]
    data = page_data(tmp_path / "map.html")
    assert len(data["points"]) + len(data["missing"]) == len(found)
    assert f"{len(found)} photographs found: {len(data['points'])} on the map" in output
    assert data["labels"] == ["alfalfa", "barley", "corn", "soybean", "wheat"]


def test_of_the_challenge_photographs_three_are_on_the_map(granpipe, photos, tmp_path):
    granpipe("map", photos / "challenge", "-o", tmp_path / "map.html", "-o", tmp_path / "map.csv")
    data = page_data(tmp_path / "map.html")
    assert [point[3].split("/")[0] for point in data["points"]] == ["barley", "soybean", "wheat"]
    assert [row[2] for row in data["missing"]] == 7 * ["no_exif"]
    assert data["reasons"]["no_exif"]
    assert Counter(verdicts(tmp_path / "map.csv").values()) == {"ok": 3, "no_exif": 7}


def test_photographs_without_class_folders(granpipe, tmp_path):
    shoot(tmp_path / "img/a.jpg")
    shoot(tmp_path / "img/b.jpg")
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.html", "-o", tmp_path / "map.csv")
    data = page_data(tmp_path / "map.html")
    assert (data["labels"], data["totals"]) == ([""], [2])
    assert [row["label"] for row in rows(tmp_path / "map.csv")] == ["", ""]


def test_it_agrees_with_prepare_on_the_same_folder(granpipe, field, tmp_path):
    shoot(field / "corn/2024/june/e.jpg", -33.9, 18.4, altitude=-3)
    granpipe("prepare", field, tmp_path / "out")
    granpipe("map", field, "-o", tmp_path / "map.csv")
    columns = ("source", "label", "latitude", "longitude", "altitude", "taken_at")
    prepared, mapped = (
        [[row[column] for column in columns] for row in rows(table)]
        for table in (tmp_path / "out/labels.csv", tmp_path / "map.csv")
    )
    assert mapped == prepared
    assert len(mapped) == 5


@pytest.mark.parametrize(
    ("folder", "words", "code"),
    [
        ("empty", "has no photographs among its 1 file (.txt 1); name a folder that has some", 1),
        ("missing", "no such folder", 2),
        ("file.jpg", "is a file, not a folder", 2),
    ],
)
def test_a_folder_without_photographs_is_one_clear_line(granpipe, tmp_path, folder, words, code):
    put(tmp_path / "empty/notes.txt", b"rain")
    shoot(tmp_path / "file.jpg")
    result = granpipe("map", tmp_path / folder, "-o", tmp_path / "map.html", code=code)
    assert is_one_line(result.stderr)
    assert f"{folder}: " in result.stderr
    assert words in result.stderr
    assert "<class>" not in result.stderr
    assert not (tmp_path / "map.html").exists()


# Which files are written


def test_every_suffix_makes_its_kind_of_file(granpipe, field, tmp_path):
    names = ("map.html", "map.geojson", "map.kml", "MAP.CSV")
    outputs = [tmp_path / name for name in names]
    result = granpipe("map", field, *(part for path in outputs for part in ("-o", path)))
    assert result.stdout.endswith(f"Written: {', '.join(map(str, outputs))}\n")
    for output in outputs:
        assert output.read_text().startswith(WRITERS[output.suffix.lower()].signature)


@pytest.mark.parametrize("name", ["x.pdf", "x", ".html", "x.html.gz", "x.html/"])
def test_another_suffix_is_one_clear_line(granpipe, field, tmp_path, name):
    output = f"{tmp_path}/{name}"
    result = granpipe("map", field, "-o", tmp_path / "map.csv", "-o", output, code=2)
    assert_one_line(result, f"{name}' does not end in .html, .geojson, .kml, .csv")
    assert not (tmp_path / "map.csv").exists()


def test_a_missing_folder_is_made_for_the_output(granpipe, field, tmp_path):
    granpipe("map", field, "-o", tmp_path / "maps/2024/map.csv")
    assert len(rows(tmp_path / "maps/2024/map.csv")) == 4


@pytest.mark.parametrize("name", ["map.html", "map.geojson", "map.kml", "map.csv"])
def test_only_files_of_ours_are_replaced(granpipe, field, tmp_path, name):
    output = tmp_path / name
    granpipe("map", field, "-o", output)
    before = output.read_bytes()
    shoot(field / "corn/new.jpg")
    granpipe("map", field, "-o", output)
    assert before != output.read_bytes()
    output.write_text("<html>mine</html>")
    result = granpipe("map", field, "-o", output, code=1)
    assert_one_line(result, f"{name}: is not a file that granpipe wrote")
    assert output.read_text() == "<html>mine</html>"


@pytest.mark.parametrize("name", ["closed/map.html", "closed/new/map.csv"])
def test_where_nothing_may_be_written_no_photograph_is_read(field, tmp_path, name):
    (tmp_path / "closed").mkdir(mode=0o500)
    command = [sys.executable, "-B", "-m", "granpipe", "map", field, "-o", tmp_path / name]
    if os.name != "posix":
        pytest.skip("no such rights here")
    if os.geteuid() == 0:  # who may write everywhere, unless the right is taken away
        if not shutil.which("setpriv"):
            pytest.skip("root may write everywhere")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    # A photograph that keeps whoever reads it waiting.
    (field / "corn/a.jpg").unlink()
    os.mkfifo(field / "corn/a.jpg")
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode == 1
    assert is_one_line(done.stderr)
    assert f"cannot write to {tmp_path / name}: permission denied" in done.stderr


def test_the_title_is_that_of_page_and_kml(granpipe, field, tmp_path):
    title = "Trial <b>7</b> & more"
    outputs = ("-o", tmp_path / "map.html", "-o", tmp_path / "map.kml")
    granpipe("map", field, *outputs, "--title", f" {title} ")
    assert page_data(tmp_path / "map.html")["title"] == title
    assert "<name>Trial &lt;b&gt;7&lt;/b&gt; &amp; more</name>" in (
        (tmp_path / "map.kml").read_text()
    )


def test_the_page_links_to_what_is_written_beside_it(granpipe, field, tmp_path):
    names = ("a b#.csv", "map.html", "elsewhere/map.kml", "map.GEOJSON", "other.html", "a b#.csv")
    outputs = [word for name in names for word in ("-o", tmp_path / name)]
    granpipe("map", field, *outputs)
    assert page_data(tmp_path / "map.html")["exports"] == ["./a%20b%23.csv", "./map.GEOJSON"]
    granpipe("map", field, *outputs, "--redact", 2)
    assert page_data(tmp_path / "map.html")["exports"] == []


def test_who_finds_no_metadata_is_told_what_removes_it(granpipe, field, tmp_path):
    result = granpipe("map", field, "-o", tmp_path / "map.csv")
    assert "no_exif: no metadata; messengers such as WhatsApp" in result.stderr
    assert "no_gps: " not in result.stderr


def test_every_verdict_is_explained_that_a_photograph_has(granpipe, tmp_path):
    for name in ("soybean/20230715_121904.jpg", "corn/P1040226.JPG", "wheat/DSC_0650.JPG"):
        (tmp_path / "src" / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / "img" / name, tmp_path / "src" / name)
    lines = granpipe("map", tmp_path / "src", "-o", tmp_path / "map.csv").stderr.splitlines()
    assert lines[-2:] == [
        "no_gps: no position; the camera's location was off, or sharing removed it.",
        "void_fix: the receiver marked its fix as void.",
    ]


def test_a_folder_is_no_output(granpipe, field, tmp_path):
    (tmp_path / "map.html").mkdir()
    result = granpipe("map", field, "-o", tmp_path / "map.html", code=1)
    assert_one_line(result, "map.html: is a folder")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ulimit")
def test_where_the_disk_is_full_the_former_map_stays(granpipe, field, tmp_path):
    output = tmp_path / "maps/map.html"
    granpipe("map", field, "-o", output)
    before = output.read_bytes()
    shoot(field / "corn/new.jpg")
    # 80 blocks, of 512 or 1024 bytes: enough for what the run knows, too few for a page.
    limited = ["sh", "-c", 'ulimit -f 80 && exec "$@"', "sh"]
    command = [*limited, sys.executable, "-B", "-m", "granpipe", "map", field, "-o", output]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert is_one_line(result.stderr[result.stderr.index("granpipe: ") :])
    assert "map.html: " in result.stderr
    assert list(output.parent.iterdir()) == [output]
    assert output.read_bytes() == before


def test_quiet_prints_nothing(granpipe, field, tmp_path):
    assert granpipe("map", field, "-o", tmp_path / "map.csv", "-q").output == ""


# Tables


def test_the_csv_has_a_row_for_every_photograph_sorted_by_source(granpipe, field, tmp_path):
    (field / "notes.txt").write_text("rain")
    output = granpipe("map", field, "-o", tmp_path / "map.csv").stdout
    table = rows(tmp_path / "map.csv")
    assert (tmp_path / "map.csv").read_text().splitlines()[0] == ",".join(MapOptions("").columns)
    assert b"\r" not in (tmp_path / "map.csv").read_bytes()
    assert [row["source"] for row in table] == [
        *("corn/a.jpg", "corn/b.jpg", "wheat/c.jpg", "wheat/d.png")
    ]
    assert table[1] == {
        "source": "corn/b.jpg",
        "label": "corn",
        "verdict": "ok",
        "detail": "",
        "latitude": "46.9",
        "longitude": "7.41",
        "altitude": "540.5",
        "direction": "",
        "taken_at": "",
        "utc_offset": "",
        "make": "",
        "model": "Pixel 7",
        "path": "./img/corn/b.jpg",
        "direction_ref": "",
        "utc_offset_from": "",
        "accuracy": "",
        "dop": "",
        "position_from": "exif",
        **dict.fromkeys(("field", "field_distance", "field_crop", "field_sure"), ""),
    }
    assert table[0]["taken_at"] == "2024-06-27T15:10:02"
    assert (table[3]["verdict"], table[3]["latitude"]) == ("no_exif", "")
    assert "4 photographs found: 3 on the map, 1 not; 1 other file ignored." in output


def test_the_files_say_from_which_north_a_direction_is(granpipe, tmp_path):
    (tmp_path / "img").mkdir()
    for name, ref in (("a", "T"), ("b", "M"), ("c", "?")):
        tags = eb.gps(direction=eb.rational(90)) | {16: eb.text(ref)}
        (tmp_path / f"img/{name}.jpg").write_bytes(eb.jpeg(eb.block(tags)))
    outputs = [tmp_path / f"map.{ending}" for ending in ("csv", "geojson", "kml", "html")]
    granpipe("map", tmp_path / "img", *(word for path in outputs for word in ("-o", path)))
    norths = ["true", "magnetic", ""]
    assert [row["direction_ref"] for row in rows(outputs[0])] == norths
    features = json.loads(outputs[1].read_text())["features"]
    assert [one["properties"]["direction_ref"] or "" for one in features] == norths
    assert outputs[2].read_text().count("direction_ref: magnetic") == 1
    points = page_data(outputs[3])["points"]
    assert [point[13] if len(point) > 13 else None for point in points] == [1, 2, None]
    redacted = tmp_path / "redacted.csv"
    granpipe("map", tmp_path / "img", "-o", redacted, "--redact", 1)
    assert {row["direction_ref"] for row in rows(redacted)} == {""}


def test_the_counts_agree_everywhere(granpipe, photos, tmp_path):
    outputs = ("-o", tmp_path / "map.html", "-o", tmp_path / "map.csv")
    result = granpipe("map", photos, *outputs)
    listed = Counter(verdicts(tmp_path / "map.csv").values())
    printed = {
        verdict: int(count)
        for verdict, count in re.findall(r"^(\w+) +(\d+)$", result.stdout, re.MULTILINE)
    }
    data = page_data(tmp_path / "map.html")
    assert printed == listed
    assert len(data["points"]) == listed["ok"]
    assert Counter(row[2] for row in data["missing"]) == listed - Counter(ok=listed["ok"])
    assert sum(data["totals"]) == listed.total()
    assert f"{listed.total()} photographs found: {listed['ok']} on the map" in result.stdout
    assert listed.keys() <= VERDICTS.keys()


def test_the_page_holds_each_photograph_once_and_short(granpipe, tmp_path):
    exif = {eb.TAKEN: eb.text("2024:06:27 15:10:02"), eb.TAKEN_OFFSET: eb.text("+02:00")}
    tags = {eb.MAKE: eb.text("Google"), eb.MODEL: eb.text("Pixel 7")}
    seen = eb.gps(altitude=eb.rational(540.26), direction=eb.rational(271.7))
    shoot_with(tmp_path / "img/corn/a.jpg", gps=seen, exif=exif, image=tags)
    shoot(tmp_path / "img/corn/b.jpg", -46.9, -7.4)
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.html", "--thumbnails", 0)
    data = page_data(tmp_path / "map.html")
    assert data["points"] == [
        [12.51, 45.255, 0, "corn/a.jpg", 20240627151002, 1, 1, 540.3, 272],
        [-46.9, -7.4, 0, "corn/b.jpg", None, 0, 0],
    ]
    assert (data["zones"], data["cameras"]) == (["", "+02:00"], ["", "Google Pixel 7"])


def test_geojson_puts_longitude_first_and_says_all(granpipe, field, tmp_path):
    granpipe("map", field, "-o", tmp_path / "map.geojson", "-o", tmp_path / "map.csv")
    collection = json.loads((tmp_path / "map.geojson").read_text("utf-8"))
    assert collection["type"] == "FeatureCollection"
    assert [feature["type"] for feature in collection["features"]] == 3 * ["Feature"]
    assert [feature["geometry"] for feature in collection["features"]] == [
        {"type": "Point", "coordinates": [7.42, 46.91]},
        {"type": "Point", "coordinates": [7.41, 46.9, 540.5]},
        {"type": "Point", "coordinates": [7.43, 46.92]},
    ]
    for feature, row in zip(collection["features"], rows(tmp_path / "map.csv"), strict=False):
        texts = {k: "" if v is None else str(v) for k, v in feature["properties"].items()}
        assert texts == row


def test_geojson_says_null_for_what_is_not_known(granpipe, tmp_path):
    shoot(tmp_path / "img/a.jpg")
    shoot(tmp_path / "img/b.jpg", taken_at="2024:06:27 15:10:02")
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.geojson")
    features = json.loads((tmp_path / "map.geojson").read_text())["features"]
    first, second = (feature["properties"] for feature in features)
    assert {name for name, value in first.items() if value is None} == {
        *("label", "detail", "altitude", "direction", "taken_at", "utc_offset", "make", "model"),
        *("direction_ref", "utc_offset_from", "accuracy", "dop"),
        *("field", "field_distance", "field_crop", "field_sure"),
    }
    assert (second["taken_at"], second["utc_offset"]) == ("2024-06-27T15:10:02", None)


@pytest.mark.parametrize("where", ["map", "maps/2024/map", "img/map", "x y#%/map"])
def test_the_path_leads_from_each_file_to_the_photograph(granpipe, field, tmp_path, where):
    outputs = [tmp_path / f"{where}.{suffix}" for suffix in ("geojson", "csv")]
    granpipe("map", field, *(part for path in outputs for part in ("-o", path)))
    for row in rows(outputs[1]):
        assert (outputs[1].parent / row["path"]).samefile(field / row["source"])
    for feature in json.loads(outputs[0].read_text())["features"]:
        properties = feature["properties"]
        assert (outputs[0].parent / properties["path"]).samefile(field / properties["source"])


@pytest.mark.parametrize("option", ["--base-url", "--links"])
def test_with_a_base_url_the_path_is_the_address(granpipe, field, tmp_path, option):
    shoot(field / "corn/a b#.jpg")
    options = (option, "https://host/x", "-o", tmp_path / "map.csv", "-o", tmp_path / "map.kml")
    granpipe("map", field, *options)
    assert rows(tmp_path / "map.csv")[0]["path"] == "https://host/x/corn/a%20b%23.jpg"
    assert 'img src="https://host/x/corn/a%20b%23.jpg"' in (tmp_path / "map.kml").read_text()


def test_geojson_without_any_position_is_valid(granpipe, tmp_path):
    save(tmp_path / "img/a.png")
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.geojson", "-o", tmp_path / "map.html")
    assert json.loads((tmp_path / "map.geojson").read_text())["features"] == []
    assert page_data(tmp_path / "map.html")["bounds"] is None


def test_no_cell_of_the_csv_is_a_formula(granpipe, tmp_path):
    for number, start in enumerate("=+-@"):
        shoot_with(
            tmp_path / f"img/{start}SUM(1){number}/{number}.jpg",
            gps=eb.gps(datum=eb.text(f"{start}1+1")),
            image={eb.MAKE: eb.text(f"{start}cmd|' /C calc'!A0"), eb.MODEL: eb.text(f"{start}2")},
        )
    shoot(tmp_path / "img/=1+1.jpg")
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.csv")
    table = rows(tmp_path / "map.csv")
    numbers = ("latitude", "longitude", "altitude", "direction")
    cells = [value for row in table for name, value in row.items() if name not in numbers]
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n\uff1d"))]
    assert {"'=1+1.jpg", "'=SUM(1)0/0.jpg", "'-cmd|' /C calc'!A0", "'@2"} <= set(cells)


def test_negative_numbers_stay_numbers(granpipe, tmp_path):
    shoot(tmp_path / "img/a.jpg", -33.9, -18.4, altitude=-2.5)
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.csv")
    row = rows(tmp_path / "map.csv")[0]
    assert [row["latitude"], row["longitude"], row["altitude"]] == ["-33.9", "-18.4", "-2.5"]


# What goes wrong with a photograph


def test_every_way_to_fail_is_a_verdict(granpipe, tmp_path):
    folder = tmp_path / "img"
    shoot(folder / "good.jpg")
    whole = eb.jpeg_at(46.9, 7.4, picture=picture(640, 480))
    (folder / "cut-in-header.jpg").write_bytes(whole[:40])
    (folder / "cut-in-pixels.jpg").write_bytes(whole[:-800])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("no picture")
    shoot(folder / "folder/b.jpg/inside.jpg")
    (folder / "no-tiff.jpg").write_bytes(eb.jpeg(b"nonsense"))
    (folder / "no-tables.jpg").write_bytes(eb.jpeg(b"II*\0\xff\xff\xff\x7f"))
    shoot_with(folder / "far-pointer.jpg", gps=eb.gps(), gps_at=60_000)
    shoot_with(folder / "no-gps.jpg", image={eb.MODEL: eb.text("Pixel 7")})
    shoot_with(folder / "void.jpg", gps=eb.gps(status=eb.text("V")))
    expected = {
        "good.jpg": "ok",
        "cut-in-header.jpg": "unreadable",
        "cut-in-pixels.jpg": "ok",  # the position counts, though there is no thumbnail
        "empty.jpg": "unreadable",
        "text.jpg": "unreadable",
        "folder/b.jpg": "unreadable",
        "folder/b.jpg/inside.jpg": "ok",
        "no-tiff.jpg": "unreadable",
        "no-tables.jpg": "unreadable",
        "far-pointer.jpg": "unreadable",
        "no-gps.jpg": "no_gps",
        "void.jpg": "void_fix",
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "fifo.jpg")
        (folder / "dangling.jpg").symlink_to("nowhere.jpg")
        (folder / "loop.jpg").symlink_to("loop.jpg")
        expected |= dict.fromkeys(["fifo.jpg", "dangling.jpg", "loop.jpg"], "unreadable")
    result = granpipe("map", folder, "-o", tmp_path / "map.csv", "-o", tmp_path / "map.html")
    assert verdicts(tmp_path / "map.csv") == expected
    for row in rows(tmp_path / "map.csv"):
        assert bool(row["detail"]) == (row["verdict"] == "unreadable")
    assert "Traceback" not in result.output
    thumbnails = {point[3]: len(point) > 9 for point in page_data(tmp_path / "map.html")["points"]}
    assert [source for source, has_one in thumbnails.items() if not has_one] == [
        "cut-in-pixels.jpg"
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_photograph_that_may_not_be_read_is_a_verdict(granpipe, field, tmp_path):
    (field / "corn/a.jpg").chmod(0)
    granpipe("map", field, "-o", tmp_path / "map.csv")
    assert verdicts(tmp_path / "map.csv")["corn/a.jpg"] == "unreadable"


class Deadly(map_run.SeePhoto):
    """A task that one photograph kills."""

    def __call__(self, job):
        if job.photo.path.endswith("b.jpg"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(job)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_worker_that_dies_costs_its_photograph_only(granpipe, field, tmp_path, monkeypatch):
    monkeypatch.setattr(map_run, "SeePhoto", Deadly)
    granpipe("map", field, "-o", tmp_path / "map.csv")
    table = {row["source"]: row for row in rows(tmp_path / "map.csv")}
    assert table["corn/b.jpg"]["verdict"] == "unreadable"
    assert "signal 9" in table["corn/b.jpg"]["detail"]
    assert [row["verdict"] for row in table.values()].count("ok") == 2


# The same bytes again


@pytest.mark.slow
def test_the_same_bytes_for_any_workers_and_hash_seed(start, field, tmp_path):
    written = []
    names = ("m.html", "m.geojson", "m.kml", "m.csv")
    for workers, seed in ((1, "0"), (3, "1"), (2, "random")):
        folder = tmp_path / f"maps-{workers}"
        outputs = [f"-o{folder / name}" for name in names]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        process = start("map", field, *outputs, "--workers", workers, env=environment)
        assert process.wait(60) == 0
        written.append([(folder / name).read_bytes() for name in names])
    assert written[0] == written[1] == written[2]


# Nothing hostile reaches folium


INJECTION = "{{cycler.__init__.__globals__.os.mkdir(dict(x=1)|first)}}"


@pytest.mark.parametrize("offline", [["--offline"], []], ids=["offline", "online"])
def test_no_text_of_a_photograph_passes_through_a_template(
    granpipe, field, tmp_path, monkeypatch, offline
):
    monkeypatch.chdir(tmp_path)
    granpipe("map", field, "-o", "plain.html", *offline)
    for name in (INJECTION, "{% raw %}", "{# x #}", "{{ 7 * 7 }}"):
        tags = {eb.MAKE: eb.text(name), eb.MODEL: eb.text(name)}
        shoot_with(tmp_path / f"{INJECTION}/{name}/{name}.jpg", gps=eb.gps(), image=tags)
        save(tmp_path / f"{INJECTION}/{name}/{name}.png")
    before = sorted(tmp_path.iterdir())
    granpipe("map", tmp_path / INJECTION, "-o", "plain.html", *offline, "-q")
    assert sorted(tmp_path.iterdir()) == before
    assert INJECTION + "/" in json.dumps(page_data(tmp_path / "plain.html"))


@pytest.mark.parametrize("offline", [["--offline"], []], ids=["offline", "online"])
def test_only_the_data_block_depends_on_the_photographs(granpipe, field, tmp_path, offline):
    pages = []
    shoot(tmp_path / "other/{{7*7}}<script>.jpg", -33.9, 18.4, model="</script><b>")
    for number, folder in enumerate((field, tmp_path / "other")):
        granpipe("map", folder, "-o", tmp_path / f"{number}.html", *offline)
        html = (tmp_path / f"{number}.html").read_text("utf-8")
        assert not set("<>&") & set(data_block(html))
        pages.append(html.replace(data_block(html), ""))
    assert pages[0] == pages[1]


def test_folium_names_nothing_at_random_in_the_page(granpipe, field, tmp_path):
    granpipe("map", field, "-o", tmp_path / "map.html")
    assert not re.search(r"_[0-9a-f]{32}\b", read(tmp_path))


def read(folder: Path) -> str:
    return (folder / "map.html").read_text("utf-8")


def test_a_name_that_is_no_utf8_is_listed_everywhere(granpipe, tmp_path):
    try:
        shoot(tmp_path / "img" / os.fsdecode(b"corn \xff/\xe4.jpg"))
    except (OSError, UnicodeError):
        pytest.skip("this file system takes UTF-8 only")
    names = ("map.html", "map.geojson", "map.csv", "map.kml")
    outputs = [tmp_path / name for name in names]
    granpipe("map", tmp_path / "img", *(part for path in outputs for part in ("-o", path)))
    assert "corn \\xff/\\xe4.jpg</name>" in outputs[3].read_text("utf-8")
    assert list(verdicts(tmp_path / "map.csv")) == ["corn \\xff/\\xe4.jpg"]
    properties = json.loads(outputs[1].read_bytes())["features"][0]["properties"]
    assert properties["source"] == "corn \\xff/\\xe4.jpg"
    assert page_data(outputs[0])["points"][0][3] == "corn \udcff/\udce4.jpg"


# Sharing without the exact place


def shoot_secretly(folder: Path, lat: float, lon: float, number: float) -> None:
    """Save photographs near a place; what their EXIF blocks hold differs with every argument."""
    bearing = eb.gps(lat=eb.dms(lat), lon=eb.dms(lon), direction=eb.rational(number))
    shoot(folder / "corn/altitude.jpg", lat, lon, altitude=500 + number)
    shoot_with(folder / "corn/bearing.jpg", gps=bearing)
    shoot_with(folder / "corn/minutes.jpg", gps=eb.gps(lat=eb.rational(46, 61, number)))
    shoot_with(folder / "corn/nothing.jpg", gps=eb.gps(lon=eb.rational(7, number, (1, 0))))
    shoot_with(folder / "corn/ref.jpg", gps=eb.gps(lat_ref=eb.text(f"N {lat}")))
    shoot(folder / "corn/zero.jpg", lat - 46.94, lon - 7.06)


def test_redacted_files_tell_nothing_of_the_exact_place(granpipe, tmp_path):
    """Two places that round alike, on either side of 0 too, give the same bytes."""
    written = []
    for folder, place in (("1", (46.9482, 7.0513, 7.5)), ("2", (46.9317, 7.0604, 11.25))):
        shoot_secretly(tmp_path / folder / "img", *place)
        names = ("map.html", "map.geojson", "map.kml", "map.csv")
        outputs = [tmp_path / folder / name for name in names]
        options = (part for path in outputs for part in ("-o", path))
        granpipe("map", tmp_path / folder / "img", *options, "--redact", 1)
        written.append([path.read_bytes() for path in outputs])
    assert written[0] == written[1]
    assert verdicts(tmp_path / "1/map.csv") == {
        "corn/altitude.jpg": "ok",
        "corn/bearing.jpg": "ok",
        "corn/minutes.jpg": "out_of_range",
        "corn/nothing.jpg": "zero_denominator",
        "corn/ref.jpg": "bad_ref",
        "corn/zero.jpg": "ok",
    }


def test_redacted_files_have_no_links_altitudes_or_directions(granpipe, tmp_path):
    shoot_secretly(tmp_path / "img", 46.9482, 7.0513, 7.5)
    granpipe(
        *("map", tmp_path / "img", "--redact", 2),
        *("-o", tmp_path / "map.html", "-o", tmp_path / "map.csv", "-o", tmp_path / "map.geojson"),
    )
    data = page_data(tmp_path / "map.html")
    assert (data["links"], data["digits"]) == (None, 2)
    assert [point[7:9] for point in data["points"]] == 3 * [[None, None]]
    assert [len(point) for point in data["points"]] == 3 * [10]
    columns = ("altitude", "direction", "path")
    assert {row[name] for row in rows(tmp_path / "map.csv") for name in columns} == {""}
    features = json.loads((tmp_path / "map.geojson").read_text())["features"]
    assert features[0]["geometry"] == {"type": "Point", "coordinates": [7.05, 46.95]}
    assert {feature["properties"]["path"] for feature in features} == {None}


# Thumbnails


def thumbnail(point: list) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(point[9])))


def test_thumbnails_are_upright_and_say_nothing_but_pixels(granpipe, tmp_path):
    half = Image.new("RGB", (400, 300), "red")
    half.paste("blue", (200, 0, 400, 300))
    shoot(tmp_path / "img/a.jpg", picture=half, orientation=6)
    shoot(tmp_path / "img/b.jpg", picture=half, orientation=1)
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.html")
    first, second = map(thumbnail, page_data(tmp_path / "map.html")["points"])
    assert (first.size, second.size) == ((72, 96), (96, 72))
    top, bottom = (np.array(first)[row, 36].astype(int) for row in (10, 85))
    assert top[0] > 200 + top[2]  # red was left, and orientation 6 turns left to the top
    assert bottom[2] > 150 + bottom[0]
    assert first.mode == "RGB"
    assert not {"exif", "icc_profile", "xmp", "comment"} & first.info.keys()


def test_thumbnails_are_srgb(granpipe, tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"----").replace(b"bXYZ", b"rXYZ").replace(b"----", b"bXYZ")
    profile = eb.segment(0xE2, b"ICC_PROFILE\0\1\1" + swapped)
    plain = Image.new("RGB", (64, 64), (200, 60, 40))
    put(tmp_path / "img/a.jpg", eb.jpeg(eb.block(eb.gps()), profile, picture=plain))
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.html")
    [point] = page_data(tmp_path / "map.html")["points"]
    middle = np.array(thumbnail(point))[48, 48].astype(int)
    assert np.abs(middle - (40, 60, 200)).max() <= 6


def test_thumbnails_may_be_larger_or_left_out(granpipe, field, tmp_path):
    granpipe("map", field, "-o", tmp_path / "map.html", "--thumbnails", 200)
    assert thumbnail(page_data(tmp_path / "map.html")["points"][1]).size == (200, 200)
    granpipe("map", field, "-o", tmp_path / "map.html", "--thumbnails", 0)
    assert "base64" not in data_block(read(tmp_path))


def test_thumbnails_stay_in_a_budget_and_are_spread_evenly(granpipe, tmp_path, monkeypatch):
    for number in range(40):
        image = picture(96, 72, number)
        shoot(tmp_path / f"img/{number:02}.jpg", 46.9, 7.4 + number / 1000, picture=image)
    granpipe("map", tmp_path / "img", "-o", tmp_path / "all.html")
    assert all(len(point) == 10 for point in page_data(tmp_path / "all.html")["points"])
    monkeypatch.setattr(map_index, "THUMBNAIL_BYTES", 60_000)
    granpipe("map", tmp_path / "img", "-o", tmp_path / "some.html")
    points = page_data(tmp_path / "some.html")["points"]
    chosen = [number for number, point in enumerate(points) if len(point) == 10]
    assert 8 <= len(chosen) <= 13
    assert len(set(np.diff(chosen))) == 1
    assert sum(len(points[number][9]) for number in chosen) <= 60_000


# Links


def follow(page_path: Path, source: str) -> Path:
    """Return the file that a browser opens for a link on a page."""
    address = urljoin(page_path.as_uri(), page_data(page_path)["links"] + quote(source))
    return Path(unquote(urlsplit(address).path))


@pytest.mark.parametrize("where", ["m.html", "maps/2024/m.html", "img/m.html", "x y#%/m.html"])
def test_links_lead_from_the_page_to_the_photographs(granpipe, field, tmp_path, where, monkeypatch):
    monkeypatch.chdir(tmp_path)
    granpipe("map", "img", "-o", where)
    assert (
        follow(tmp_path / where, "corn/a.jpg").read_bytes() == (field / "corn/a.jpg").read_bytes()
    )


def test_links_hold_after_both_folders_have_moved(granpipe, tmp_path):
    shoot(tmp_path / "farm/50% a?b#c: é/corn/a.jpg")
    granpipe("map", tmp_path / "farm/50% a?b#c: é", "-o", tmp_path / "farm/maps/map.html")
    links = page_data(tmp_path / "farm/maps/map.html")["links"]
    assert links == "./../50%25%20a%3Fb%23c%3A%20%C3%A9/"
    (tmp_path / "farm").rename(tmp_path / "elsewhere")
    assert follow(tmp_path / "elsewhere/maps/map.html", "corn/a.jpg").is_file()


def test_a_link_to_the_photographs_beside_the_page_moves_with_it(granpipe, field, tmp_path):
    (tmp_path / "share/maps").mkdir(parents=True)
    try:
        (tmp_path / "share/photos").symlink_to(field)
        (tmp_path / "share/maps/map.html").symlink_to(tmp_path / "old.html")
    except OSError:
        pytest.skip("no symbolic links here")
    granpipe("map", tmp_path / "share/photos", "-o", tmp_path / "share/maps/map.html")
    assert page_data(tmp_path / "share/maps/map.html")["links"] == "./../photos/"


# What the map shows at first


DEGREES = st.integers(-90 * BILLION, 90 * BILLION).map(lambda n: n / BILLION)
PLACES = st.lists(st.tuples(DEGREES, DEGREES.map(lambda lat: 2 * lat)), min_size=1, max_size=30)


def widest_gap(lons: list[float]) -> float:
    around = sorted(lon % 360 for lon in lons)
    after = [*around[1:], around[0] + 360]
    return max(b - a for a, b in zip(around, after, strict=True))


@given(PLACES)
@example([(0, 180), (1, -180)])
@example([(90, 0), (-90, 0)])
def test_the_window_is_the_smallest_that_holds_all_but_few(places):
    window = extent([lat for lat, _ in places], [lon for _, lon in places])
    inside = [place for i, place in enumerate(places) if i not in window.outliers]
    assert len(inside) >= 0.9 * (len(places) - 1)
    assert window.south == min(lat for lat, _ in inside)
    assert window.north == max(lat for lat, _ in inside)
    assert -180 <= window.west <= 180
    assert window.east - window.west == pytest.approx(
        360 - widest_gap([lon for _, lon in inside]), abs=1e-6
    )
    for _, lon in inside:
        beyond = (lon - window.west + 1e-6) % 360 - 1e-6
        assert window.west + beyond <= window.east + 1e-6


@given(PLACES, st.randoms(use_true_random=False))
def test_the_window_does_not_depend_on_the_order(places, rng):
    shuffled = rng.sample(places, len(places))
    first, second = (extent(*map(list, zip(*order, strict=True))) for order in (places, shuffled))
    assert (first.south, first.west, first.north) == (second.south, second.west, second.north)
    assert first.east == second.east
    assert sorted(places[i] for i in first.outliers) == sorted(shuffled[i] for i in second.outliers)


@pytest.mark.parametrize("far", [(-33.9, 18.4), (47.0, 9.5), (0.1, -170), (-89, 0)], ids=str)
def test_one_far_place_among_ten_is_left_out(far):
    rng = random.Random(3)
    places = [(47 + rng.gauss(0, 0.01), 8 + rng.gauss(0, 0.01)) for _ in range(9)]
    places.insert(4, far)
    window = extent([lat for lat, _ in places], [lon for _, lon in places])
    assert window.outliers == [4]
    assert window.north - window.south < 0.1
    assert window.east - window.west < 0.1


def test_a_far_place_on_the_other_side_of_the_antimeridian_is_near():
    lats, lons = 9 * [-16.8] + [-16.8], [179 + k / 10 for k in range(9)] + [-179.9]
    assert extent(lats, lons).outliers == []


@pytest.mark.parametrize("count", [4, 10, 50, 1000])
def test_places_all_over_the_world_have_no_outliers(count):
    rng = random.Random(count)
    lats = [rng.uniform(-60, 60) for _ in range(count)]
    assert extent(lats, [rng.uniform(-180, 180) for _ in range(count)]).outliers == []


@pytest.mark.parametrize("count", [1, 2, 100])
def test_photographs_at_one_spot_make_a_window_of_one_point(count):
    window = extent(count * [46.9], count * [7.4])
    assert (window.south, window.west, window.north, window.east) == (46.9, 7.4, 46.9, 7.4)
    assert window.outliers == []


def test_a_few_paces_are_not_far_even_from_one_spot():
    assert extent([*9 * [46.9], 46.901], 10 * [7.4]).outliers == []


def test_the_page_is_told_who_is_far(granpipe, tmp_path):
    for number in range(9):
        shoot(tmp_path / f"img/{number}.jpg", 46.9 + number / 1000, 7.4)
    shoot(tmp_path / "img/0-cape.jpg", -33.9, 18.4)
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.html")
    data = page_data(tmp_path / "map.html")
    assert [data["points"][i][3] for i in data["outliers"]] == ["0-cape.jpg"]
    assert data["bounds"] == [[46.9, 7.4], [46.908, 7.4]]


# Without the network, and at any size


def test_offline_without_the_extra_is_one_clear_line(granpipe, field, tmp_path):
    with no_leaflet():
        result = granpipe("map", field, "-o", tmp_path / "map.html", "--offline", code=1)
        assert_one_line(result, "pip install 'granpipe[offline]'")
        assert not (tmp_path / "map.html").exists()
        granpipe("map", field, "-o", tmp_path / "map.csv", "--offline")  # it needs no Leaflet


def test_without_the_extra_a_line_says_that_the_page_needs_the_network(granpipe, field, tmp_path):
    needs = "the page needs the network"
    with no_leaflet():
        result = granpipe("map", field, "-o", tmp_path / "map.html")
        assert result.stderr.count(needs) == 1
        assert needs not in granpipe("map", field, "-o", tmp_path / "map.csv").stderr
        assert granpipe("map", field, "-o", tmp_path / "map.html", "-q").output == ""
    linked = re.findall(r'<(?:script|link)\b[^>]*\b(?:src|href)="([^"]*)"[^>]*>', read(tmp_path))
    assert len(linked) == 2
    assert read(tmp_path).count('integrity="sha384-') == 2
    assert needs not in granpipe("map", field, "-o", tmp_path / "map.html").stderr


@pytest.mark.parametrize("offline", [["--offline"], []], ids=["offline", "online"])
def test_the_page_holds_leaflet_and_links_nothing(granpipe, field, tmp_path, offline):
    granpipe("map", field, "-o", tmp_path / "map.html", *offline)
    assert not re.search(r"<(script|link|img|iframe)\b[^>]*\b(src|href)=", read(tmp_path))


def feature(rng: random.Random) -> Feature:
    """Return a photograph as a phone takes it."""
    lat, lon, altitude = rng.uniform(46, 48), rng.uniform(7, 9), rng.uniform(400, 600)
    time = f"2024-06-{rng.randint(1, 30):02}T15:{rng.randint(0, 59):02}:02"
    place = Position(lat, lon, altitude, direction=rng.uniform(0, 359))
    name = f"{rng.choice(['alfalfa', 'sorghum', 'wheat'])}/IMG_{rng.randrange(10**8):08}.jpg"
    capture = Capture("ok", "", place, time, "+02:00", "Google", f"Pixel {name[-5]}")
    return Feature(Photo(name), capture)


@pytest.mark.parametrize("offline", [True, False], ids=["offline", "online"])
def test_ten_thousand_photographs_make_a_page_of_a_megabyte(tmp_path, offline):
    rng = random.Random(1)
    features = sorted((feature(rng) for _ in range(10_000)), key=lambda one: one.photo.source)
    options = MapOptions("img", "./img/", offline=offline)
    carried = sum(len(part.tag) for part in carried_leaflet())
    assert 150_000 < carried < 170_000  # is not counted
    assert sum(map(len, WRITERS[".html"].write(features, options))) - carried <= 1_000_000
