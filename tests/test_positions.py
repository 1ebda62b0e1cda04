"""Where photographs were taken: how exact that is, and what says so."""

import os
import time
from pathlib import Path

import pytest

import exif_blocks as eb
from conftest import place, rows, textured
from pages import page_data

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
SMALL = ("--size", 16)


@pytest.fixture
def src(tmp_path) -> Path:
    return tmp_path / "src"


def shoot(path: Path, seed: int = 0, exif: dict | None = None, **gps: eb.Value | None) -> Path:
    """Write a photograph with these GPS tags, an hour ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(eb.jpeg(eb.block(eb.gps(**gps), exif), picture=textured(seed)))
    then = time.time_ns() - 3_600_000_000_000
    os.utime(path, ns=(then, then))
    return path


def table(out: Path) -> dict[str, dict[str, str]]:
    """Return the rows of labels.csv by source."""
    return {row["source"]: row for row in rows(out / "labels.csv")}


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
    told = table(out)
    groups = [told[f"corn/{number}.jpg"]["group"] for number in range(4)]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    flags = [told[f"corn/{number}.jpg"]["flags"].split() for number in range(4)]
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
