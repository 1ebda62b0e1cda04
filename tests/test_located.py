"""Where photographs were taken: how exact that is, and what says so."""

import json
import tracemalloc
from pathlib import Path

import pytest

import exif_blocks as eb
from conftest import SMALL, place, put, rows, table, textured, tree
from pages import page_data

pytestmark = pytest.mark.slow

# Pixels of all canvases in the see-through blue of the circle.
LIGHT_BLUE = """[...document.querySelectorAll('canvas')].reduce(
  (count, { width, height }, k, all) => {
  if (!width) return count;
  const { data } = all[k].getContext('2d').getImageData(0, 0, width, height);
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] > 40 && data[at + 3] < 60 && data[at + 2] > 200) count += 1;
  }
  return count;
}, 0)"""


def shoot(path: Path, seed: int = 0, exif: dict | None = None, **gps: eb.Value | None) -> Path:
    """Write a photograph with these GPS tags, an hour ago."""
    return put(path, eb.jpeg(eb.block(eb.gps(**gps), exif), picture=textured(seed)))


# Accuracy


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (eb.rational(4.75), "4.75"),
        (eb.rational(100_000), "100000.0"),
        (eb.rational(100_001), ""),
        (eb.rational(0), ""),
        (eb.rational((5, 0)), ""),
        (eb.rational((0, 0)), ""),
        (eb.srational(-3), ""),
        (eb.double(float("nan")), ""),
        (eb.double(float("inf")), ""),
        (eb.text("words"), ""),
        (None, ""),
    ],
)
def test_an_accuracy_is_metres_above_0_and_up_to_100_km(granpipe, src, out, written, read):
    shoot(src / "corn/a.jpg", accuracy=written, dop=written)
    granpipe("prepare", src, out, *SMALL)
    granpipe("map", src, "-o", out.parent / "map.csv")
    (seen,) = rows(out.parent / "map.csv")
    row = table(out)["corn/a.jpg"]
    assert (row["accuracy"], row["position_from"]) == (read, "exif")
    assert row["dop"] == (read if read != "100000.0" else "")
    assert [seen[name] for name in ("accuracy", "dop", "position_from")] == [
        row[name] for name in ("accuracy", "dop", "position_from")
    ]


def test_an_imprecise_position_is_flagged_and_joins_no_group_by_place(granpipe, src, out):
    for number, metres in enumerate([20, 20, 400, 400]):
        shoot(src / f"corn/{number}.jpg", number, accuracy=eb.rational(metres))
    for number in range(4, 12):
        place(src / f"corn/{number}.jpg", number, number, 20)
    split = ("--split", "60/20/20", "--keep-together")
    granpipe("prepare", src, out, *SMALL, *split, "place:200")
    found = table(out)
    groups = [found[f"corn/{number}.jpg"]["group"] for number in range(4)]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    flags = [found[f"corn/{number}.jpg"]["flags"].split() for number in range(4)]
    assert ["imprecise" in words for words in flags] == [False, False, True, True]
    granpipe("prepare", src, out, *SMALL, *split, "place:500")
    assert len({row["group"] for row in rows(out / "labels.csv")}) == 9
    assert "imprecise" not in (out / "labels.csv").read_text()


def test_what_is_imprecise_may_be_dropped(granpipe, src, out):
    shoot(src / "corn/a.jpg", 1, accuracy=eb.rational(400))
    shoot(src / "corn/b.jpg", 2, accuracy=eb.rational(40))
    printed = granpipe("prepare", src, out, *SMALL, "--drop", "imprecise").output
    assert "corn/a.jpg: flagged: imprecise" in printed
    assert table(out).keys() == {"corn/b.jpg"}


def test_the_page_knows_the_accuracy_and_a_redacted_map_does_not(granpipe, src, tmp_path):
    shoot(src / "corn/a.jpg", accuracy=eb.rational(4.76), dop=eb.rational(2))
    page, redacted = tmp_path / "map.html", tmp_path / "redacted.csv"
    granpipe("map", src, "-o", page, "--thumbnails", 0)
    assert page_data(page)["points"][0][14] == 4.8
    granpipe("map", src, "-o", redacted, "--redact", 2)
    (row,) = rows(redacted)
    assert (row["accuracy"], row["dop"], row["position_from"]) == ("", "", "exif")


def test_the_popup_of_a_photograph_draws_its_accuracy_on_the_map(visit, granpipe, src, tmp_path):
    shoot(src / "corn/a.jpg", accuracy=eb.rational(500))
    page = tmp_path / "map.html"
    granpipe("map", src, "-o", page, "--offline")
    opened = visit(page)
    opened.page.evaluate("granpipe.map.setZoom(16, { animate: false })")
    opened.page.evaluate("granpipe.open(0)")
    assert "within 500 m" in opened.page.locator(".popup dl").inner_text()
    assert opened.page.evaluate(LIGHT_BLUE) > 10_000


# Sidecars

NO_GPS = eb.block({}, {eb.TAKEN: eb.text("2024:06:27 15:10:02")})
LIGHTROOM = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF
 xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description
 xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="{},30N" exif:GPSLongitude="7,0E"/>
</r:RDF></x:xmpmeta>"""
LONG = "a-name-that-is-much-longer-than-what-takeout-writes.jpg"  # 55 characters


def unplaced(path: Path, seed: int = 0) -> Path:
    """Write a photograph without a position, an hour ago."""
    return put(path, eb.jpeg(NO_GPS, picture=textured(seed)))


def takeout(lat: float, lon: float = 7.5, name: str = "geoData", **more) -> str:
    place = {"latitude": lat, "longitude": lon, "altitude": 0.0}
    return json.dumps({"title": "x.jpg", name: place} | more)


@pytest.mark.parametrize(
    ("photo", "sidecar"),
    [
        ("a.jpg", "a.jpg.json"),
        ("a.JPG", "A.jpg.JSON"),
        ("a.jpg", "a.jpg.supplemental-metadata.json"),
        ("a-photograph-of-maize.jpg", "a-photograph-of-maize.jpg.supplemental-metadat.json"),
        ("a(1).jpg", "a.jpg(1).json"),
        ("a(12).jpg", "a.jpg.supplemental-metadata(12).json"),
        (LONG, f"{LONG[:46]}.json"),
        (LONG, f"{LONG[:51]}.json"),
    ],
)
def test_takeout_says_where_a_photograph_was_taken(granpipe, src, out, photo, sidecar):
    unplaced(src / "corn" / photo)
    takeout_json = takeout(48.25, title=photo.replace("(1)", "").replace("(12)", ""))
    (src / "corn" / sidecar).write_text(takeout_json)
    (src / "corn/notes.json").write_text(takeout(1))
    printed = granpipe("prepare", src, out, *SMALL).output
    row = table(out)[f"corn/{photo}"]
    assert (row["latitude"], row["longitude"], row["altitude"]) == ("48.25", "7.5", "")
    assert row["position_from"] == "sidecar"
    assert "1 other file ignored" in printed
    mapped = out.parent / "map.csv"
    assert "1 other file ignored" in granpipe("map", src, "-o", mapped).output
    (seen,) = rows(mapped)
    assert (seen["latitude"], seen["position_from"]) == ("48.25", "sidecar")


def test_a_cut_name_is_that_of_the_photograph_in_the_title(granpipe, src, out):
    other = f"{LONG[:48]}-2.jpg"
    for number, name in enumerate([LONG, other]):
        unplaced(src / "corn" / name, number)
    (src / f"corn/{LONG[:46]}.json").write_text(takeout(48.25, title=LONG))
    granpipe("prepare", src, out, *SMALL)
    found = table(out)
    assert found[f"corn/{LONG}"]["latitude"] == "48.25"
    assert found[f"corn/{other}"]["latitude"] == ""


@pytest.mark.parametrize("sidecar", ["a.xmp", "a.jpg.xmp"])
def test_lightroom_and_darktable_say_where_a_photograph_was_taken(granpipe, src, out, sidecar):
    unplaced(src / "corn/a.jpg")
    (src / "corn" / sidecar).write_text(LIGHTROOM.format(48))
    granpipe("prepare", src, out, *SMALL)
    row = table(out)["corn/a.jpg"]
    assert (row["latitude"], row["position_from"]) == ("48.5", "sidecar")


def test_the_photograph_comes_before_its_sidecar_and_a_sidecar_before_the_table(
    granpipe, src, out, tmp_path
):
    place(src / "corn/own.jpg", 1, 10, 20)
    for number, name in enumerate(("told", "void", "table"), 2):
        unplaced(src / f"corn/{name}.jpg", number)
    (src / "corn/own.jpg.json").write_text(takeout(1))
    exif = {"latitude": 0.0, "longitude": 0.0}
    (src / "corn/told.jpg.json").write_text(takeout(40, geoDataExif=exif))
    (src / "corn/void.jpg.json").write_text(takeout(0, 0))
    text = "source,label,latitude,longitude\n" + "".join(
        f"corn/{name}.jpg,corn,50,8\n" for name in ("own", "told", "void", "table")
    )
    (tmp_path / "labels.csv").write_text(text)
    granpipe("prepare", src, out, *SMALL, "--labels", tmp_path / "labels.csv")
    found = {Path(name).stem: row for name, row in table(out).items()}
    assert {name: (row["latitude"], row["position_from"]) for name, row in found.items()} == {
        "own": ("10.0", "exif"),
        "told": ("40.0", "sidecar"),
        "void": ("50.0", "table"),
        "table": ("50.0", "table"),
    }


def test_the_exif_of_takeout_comes_before_what_its_owner_said(granpipe, src, out):
    unplaced(src / "corn/a.jpg")
    exif = {"latitude": 41.5, "longitude": 7.5, "altitude": 540.25}
    (src / "corn/a.jpg.json").write_text(takeout(48, geoDataExif=exif))
    granpipe("prepare", src, out, *SMALL)
    row = table(out)["corn/a.jpg"]
    assert (row["latitude"], row["altitude"]) == ("41.5", "540.25")


def test_a_sidecar_that_changes_changes_the_tables_and_decodes_nothing(granpipe, src, out):
    for number in range(3):
        unplaced(src / f"corn/{number}.jpg", number)
    (src / "corn/0.jpg.json").write_text(takeout(40))
    granpipe("prepare", src, out, *SMALL)
    (src / "corn/0.jpg.json").write_text(takeout(41))
    (src / "corn/1.jpg.json").write_text(takeout(42))
    assert "(3 unchanged)" in granpipe("prepare", src, out, *SMALL).output
    assert [row["latitude"] for row in rows(out / "labels.csv")] == ["41.0", "42.0", ""]
    before = tree(out)
    granpipe("prepare", src, out.parent / "again", *SMALL, "--workers", 2)
    again = tree(out.parent / "again")
    assert again["labels.csv"] == before["labels.csv"]
    (src / "corn/0.jpg.json").unlink()
    granpipe("prepare", src, out, *SMALL)
    assert [row["latitude"] for row in rows(out / "labels.csv")] == ["", "42.0", ""]


HOSTILE = {
    "deep": "[" * 500_000,
    "NaN": '{"geoData": {"latitude": NaN, "longitude": 7}}',
    "infinity": '{"geoData": {"latitude": 1e999, "longitude": 7}}',
    "digits": '{"geoData": {"latitude": 1' + "0" * 9_000 + ', "longitude": 7}}',
    "words": '{"geoData": {"latitude": "48", "longitude": true}}',
    "a list": "[1, 2]",
    "no JSON": "\x00\x01",
    "too large": takeout(48).ljust(1_000_001),
    "far": takeout(91),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_sidecar_costs_its_position_alone_and_is_told(granpipe, src, out, text):
    unplaced(src / "corn/a.jpg")
    (src / "corn/a.jpg.json").write_text(text)
    done = granpipe("prepare", src, out, *SMALL)
    line = "1 sidecars cannot be read, as corn/a.jpg.json: damaged, or over 1 MB; fix that"
    assert (line in done.stderr) == (text != HOSTILE["far"])
    assert table(out)["corn/a.jpg"]["latitude"] == ""
    granpipe("map", src, "-o", out.parent / "map.csv")
    (seen,) = rows(out.parent / "map.csv")
    assert seen["verdict"] == "no_gps"
    assert seen["detail"].startswith("sidecar a.jpg.json: ")


def test_a_huge_sidecar_is_not_read_whole(granpipe, src, out):
    unplaced(src / "corn/a.jpg")
    with (src / "corn/a.jpg.json").open("wb") as file:
        file.truncate(100_000_000)
    tracemalloc.start()
    granpipe("map", src, "-o", out.parent / "map.csv")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 60_000_000


def test_sidecars_in_a_bucket_are_read_as_in_a_folder(granpipe, lake, src, out):
    for number in range(4):
        unplaced(src / f"corn/{number}.jpg", number)
        (src / f"corn/{number}.jpg.json").write_text(takeout(40 + number))
    granpipe("prepare", src, out, *SMALL)
    lake.upload(src, "src")
    granpipe("prepare", lake.url("src"), lake.url("out"), *SMALL)
    assert lake.get("out/labels.csv") == (out / "labels.csv").read_bytes()
