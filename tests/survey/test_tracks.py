"""Positions from tracks: by the command line, and beside what ExifTool makes of the same."""

import json
import os
import random
import shutil
import subprocess
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import exif_blocks as eb
from conftest import SMALL, assert_one_line, place, put, rows, textured, tree

START = datetime(2024, 6, 27, 13, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def shoot(path: Path, taken_at: datetime | None, offset: str = "", seed: int = 0) -> Path:
    """Write a photograph without a position, an hour ago."""
    exif = {} if taken_at is None else {eb.TAKEN: eb.text(taken_at.strftime("%Y:%m:%d %H:%M:%S"))}
    exif |= {eb.TAKEN_OFFSET: eb.text(offset)} if offset else {}
    return put(path, eb.jpeg(eb.block({}, exif), picture=textured(seed)))


def gpx(points: list[tuple], version: str = "1.1", head: str = "") -> str:
    """Return a track of points: latitude, longitude, time, and perhaps metres."""
    lines = []
    for lat, lon, when, *height in points:
        moment = when if isinstance(when, str) else when.strftime("%Y-%m-%dT%H:%M:%SZ")
        ele = "".join(f"<ele>{one}</ele>" for one in height)
        lines.append(f'<trkpt lat="{lat}" lon="{lon}">{ele}<time>{moment}</time></trkpt>')
    space = f"http://www.topografix.com/GPX/{version.replace('.', '/')}"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<gpx version="{version}" xmlns="{space}">'
        f"<trk><trkseg>{''.join(lines)}</trkseg></trk></gpx>"
    )


def seconds(count: float) -> datetime:
    return START + timedelta(seconds=count)


@pytest.fixture
def walk(tmp_path) -> Path:
    """A track of 100 s to the east, a gap of 400 s, and 100 s to the north."""
    path = tmp_path / "walk.gpx"
    there = [(48.0, 11.0, seconds(0), 500), (48.0, 11.002, seconds(100), 510)]
    path.write_text(gpx([*there, (48.001, 11.002, seconds(500)), (48.003, 11.002, seconds(600))]))
    return path


def positions(out: Path) -> dict[str, tuple[str, str, str]]:
    """Return latitude, longitude and where they are from, by the name of the photograph."""
    return {
        Path(row["source"]).stem: (row["latitude"], row["longitude"], row["position_from"])
        for row in rows(out / "labels.csv")
    }


def test_a_track_says_where_photographs_were_taken(granpipe, src, out, walk):
    local = timedelta(hours=2)
    shoot(src / "corn/half.jpg", seconds(50) + local, "+02:00", 1)
    shoot(src / "corn/gap.jpg", seconds(300) + local, "+02:00", 2)
    shoot(src / "corn/north.jpg", seconds(550), "+00:00", 3)
    shoot(src / "corn/before.jpg", seconds(-1) + local, "+02:00", 4)
    shoot(src / "corn/clock.jpg", seconds(25) + local, "", 5)
    shoot(src / "corn/no_time.jpg", None, "", 6)
    place(src / "corn/own.jpg", 7, 10, 20)
    printed = granpipe("prepare", src, out, *SMALL, "--track", walk).stderr
    nothing = ("", "", "")
    assert positions(out) == {
        "half": ("48.0", "11.001", "track"),
        "gap": nothing,
        "north": ("48.002", "11.002", "track"),
        "before": nothing,
        "clock": nothing,
        "no_time": nothing,
        "own": ("10.0", "20.0", "exif"),
    }
    assert [row["altitude"] for row in rows(out / "labels.csv") if "half" in row["source"]] == [
        "505.0"
    ]
    assert "no track can place them: 1; say --clock +02:00" in printed
    again = granpipe("prepare", src, out, *SMALL, "--clock", "+02:00", "--gap", 500)
    assert "(7 unchanged)" in again.output
    assert positions(out)["clock"] == ("48.0", "11.0005", "track")
    assert positions(out)["gap"] == ("48.0005", "11.002", "track")
    granpipe("prepare", src, out, *SMALL, "--clock", "Europe/Berlin", "--clock-shift", "-37s")
    assert positions(out)["half"] == ("48.0", "11.00026", "track")
    settings = json.loads((out / "dataset.json").read_text())["settings"]
    assert settings["track"] == ["walk.gpx"]
    assert [settings[name] for name in ("clock", "clock_shift", "gap")] == [
        *("Europe/Berlin", "-37s", 500)
    ]
    before = tree(out)
    granpipe("prepare", src, out, *SMALL)  # as before, without the options
    assert tree(out) == before
    granpipe("prepare", src, out, *SMALL, "--track", "none")
    assert positions(out)["half"] == nothing


def test_the_map_takes_tracks_and_says_what_was_tried(granpipe, src, walk, tmp_path):
    shoot(src / "corn/half.jpg", seconds(50), "+00:00", 1)
    shoot(src / "corn/gap.jpg", seconds(300), "+00:00", 2)
    shoot(src / "corn/clock.jpg", seconds(25), "", 3)
    table, page = tmp_path / "map.csv", tmp_path / "map.html"
    done = granpipe("map", src, "-o", table, "-o", page, "--track", walk)
    assert "say --clock +02:00" in done.stderr
    assert {row["source"]: (row["verdict"], row["detail"]) for row in rows(table)} == {
        "corn/half.jpg": ("ok", ""),
        "corn/gap.jpg": ("no_gps", "track: not there at this time"),
        "corn/clock.jpg": ("no_gps", "track: no offset"),
    }
    assert page.read_text().count("/9j/") == 1  # a thumbnail
    granpipe("map", src, "-o", table, "--track", walk, "--redact", 2)
    half = next(row for row in rows(table) if "half" in row["source"])
    assert (half["longitude"], half["altitude"], half["position_from"]) == ("11.0", "", "track")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_folders_of_tracks_and_both_versions_are_read(granpipe, src, out, tmp_path, version):
    folder = tmp_path / "tracks/2024"
    folder.mkdir(parents=True)
    for number in range(3):
        day = timedelta(days=number)
        points = [(48 + number, 11, seconds(0) + day), (48 + number, 11.1, seconds(60) + day)]
        (folder / f"{number}.GPX").write_text(gpx(points, version))
        shoot(src / f"corn/{number}.jpg", seconds(60) + day, "+00:00", number)
    (folder / "notes.txt").write_text("no track")
    granpipe("prepare", src, out, *SMALL, "--track", tmp_path / "tracks")
    assert [one[0] for one in positions(out).values()] == ["48.0", "49.0", "50.0"]


def test_two_tracks_that_disagree_say_nothing(granpipe, src, out, tmp_path):
    for number, lat in enumerate((48.0, 48.0005, 49.0)):
        points = [(lat, 11, seconds(0)), (lat, 11, seconds(60))]
        (tmp_path / f"{number}.gpx").write_text(gpx(points))
    shoot(src / "corn/a.jpg", seconds(30), "+00:00")
    tracks = [("--track", tmp_path / f"{number}.gpx") for number in range(3)]
    granpipe("prepare", src, out, *SMALL, *tracks[0], *tracks[1])
    assert positions(out)["a"] == ("48.0", "11.0", "track")
    granpipe("prepare", src, out, *SMALL, *tracks[0], *tracks[2])
    assert positions(out)["a"] == ("", "", "")


def test_the_way_is_the_shorter_one_across_the_antimeridian_and_the_pole(
    granpipe, src, out, tmp_path
):
    track = tmp_path / "far.gpx"
    points = [(-17, 179.999, seconds(0)), (-17, -179.999, seconds(100))]
    points += [(89.999, 0, seconds(1_000)), (89.999, 180, seconds(1_100))]
    track.write_text(gpx(points))
    shoot(src / "corn/date_line.jpg", seconds(75), "+00:00", 1)
    shoot(src / "corn/pole.jpg", seconds(1_050), "+00:00", 2)
    granpipe("prepare", src, out, *SMALL, "--track", track)
    assert positions(out)["date_line"] == ("-17.0", "-179.9995", "track")
    assert positions(out)["pole"][0] == "90.0"


def test_an_hour_that_clocks_have_twice_or_never_places_nothing(granpipe, src, out, tmp_path):
    track = tmp_path / "night.gpx"
    start = datetime(2024, 10, 26, 23, 0, tzinfo=UTC)
    track.write_text(gpx([(48, 11 + k / 1e4, start + timedelta(minutes=k)) for k in range(240)]))
    for hour in (1, 2, 3):
        shoot(src / f"corn/{hour}.jpg", datetime(2024, 10, 27, hour, 30), "", hour)
    shoot(src / "corn/own.jpg", datetime(2024, 10, 27, 2, 30), "+01:00", 4)
    granpipe("prepare", src, out, *SMALL, "--track", track, "--clock", "Europe/Berlin")
    assert {name: one[1] for name, one in positions(out).items()} == {
        "1": "11.003",
        "2": "",
        "3": "11.021",
        "own": "11.015",
    }


def test_the_computers_zone_means_nothing(granpipe, src, out, walk, monkeypatch):
    shoot(src / "corn/a.jpg", seconds(50), "")
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        granpipe("prepare", src, out, *SMALL, "--track", walk, "--clock", "+00:00")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert positions(out)["a"][1] == "11.001"


POINT = [(48.0, 11.0, "2024-06-27T13:00:00Z")]
BOMB = "<!DOCTYPE gpx [" + "".join(f'<!ENTITY a{k + 1} "{f"&a{k};" * 10}">' for k in range(20))
HOSTILE = {
    "no XML": ("junk", "is no GPX"),
    "KML": ("<kml/>", "element gpx is missing"),
    "cut": (gpx(POINT)[:-30], "is no GPX"),
    "entities": (gpx(POINT, head=BOMB + "]>"), "document type"),
    "a file": (gpx(POINT, head='<!DOCTYPE gpx SYSTEM "/etc/passwd">'), "document type"),
    "deep": ("<gpx>" + "<a>" * 1_000_000, "in one another"),
    "without times": (gpx([(48, 11, "")]), "no points of a track with times"),
    "NaN": (gpx([("nan", 11, START), (48, "inf", START), (0, 0, START)]), "no points"),
    "far": (gpx([(91, 11, START), (48, 181, START)]), "no points"),
    "odd times": (gpx([(48, 11, "yesterday"), (48, 11, "9" * 100_000)]), "no points"),
}


@pytest.mark.parametrize(("text", "line"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("command", ["prepare", "map"])
def test_a_hostile_track_ends_in_a_line(granpipe, src, out, tmp_path, command, text, line):
    shoot(src / "corn/a.jpg", seconds(50), "+00:00")
    (tmp_path / "bad.gpx").write_text(text)
    where = [out] if command == "prepare" else ["-o", tmp_path / "map.csv"]
    result = granpipe(command, src, *where, "--track", tmp_path / "bad.gpx", code=1)
    assert_one_line(result, "bad.gpx: ", line)


def test_a_huge_track_ends_in_a_line_and_takes_no_memory(granpipe, src, out, tmp_path):
    shoot(src / "corn/a.jpg", seconds(50), "+00:00")
    with (tmp_path / "huge.gpx").open("wb") as file:
        file.write(b"<gpx>")
        for _ in range(100):
            file.write(b" " * 1_000_000)
    tracemalloc.start()
    done = granpipe("map", src, "-o", tmp_path / "a.csv", "--track", tmp_path / "huge.gpx", code=1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "larger than 50 MB" in done.stderr
    assert most < 60_000_000


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--clock", "Mars/Olympus"), "no offset as +02:00"),
        (("--clock", "../../etc/passwd"), "no offset as +02:00"),
        (("--clock", "+25:00"), "no offset as +02:00"),
        (("--clock", "localtime"), "no offset as +02:00"),
        (("--clock-shift", "soon"), "no time to add"),
        (("--clock-shift", "99999999h"), "no time to add"),
        (("--gap", "0"), "gap"),
        (("--gap", "60"), "name one by --track"),
        (("--track", "nowhere.gpx"), "no such track"),
        (("--track", "nowhere"), "no folder of them"),
    ],
)
def test_a_wrong_option_ends_in_a_line(granpipe, src, out, options, line):
    shoot(src / "corn/a.jpg", seconds(50), "+00:00")
    done = granpipe("prepare", src, out, *SMALL, *options, code=2)
    assert line in done.stderr
    assert "Traceback" not in done.stderr


def draw_track(rng: random.Random, start: datetime, hours: int) -> list[tuple]:
    """Return a walk with a point every 1 to 60 s, and gaps of up to an hour."""
    points, when, lat, lon = [], start, rng.uniform(-60, 60), rng.uniform(-179, 179)
    while when < start + timedelta(hours=hours):
        points.append((round(lat, 7), round(lon, 7), when))
        step = rng.randint(1, 60) if rng.random() < 0.97 else rng.randint(310, 3_600)
        when += timedelta(seconds=step)
        lat += rng.uniform(-5, 5) * min(step, 60) / 111_000
        lon += rng.uniform(-5, 5) * min(step, 60) / 111_000
    return points


def draw_moment(rng: random.Random, points: list[tuple]) -> datetime:
    """Return a time in the track, or in a gap two seconds from its ends."""
    at = rng.randrange(len(points) - 1)
    first, last = points[at][2], points[at + 1][2]
    span = int((last - first).total_seconds())
    return first + timedelta(
        seconds=rng.randint(2, span - 2) if span > 300 else rng.randint(0, span)
    )


def is_unsure(local: datetime) -> bool:
    return local.utcoffset() != local.replace(fold=not local.fold).utcoffset()


@pytest.mark.skipif(not shutil.which("exiftool"), reason="ExifTool is not installed")
@pytest.mark.slow
def test_exiftool_places_the_same_photographs_at_the_same_places(granpipe, tmp_path, rng):
    """Over both changes of the hour, midnight and gaps; with and without an offset."""
    starts = [datetime(2024, 3, 30, 20, tzinfo=UTC), datetime(2024, 10, 26, 20, tzinfo=UTC)]
    starts.append(datetime(2024, 12, 31, 20, tzinfo=UTC))
    tracks = [draw_track(rng, start, 9) for start in starts]
    for number, points in enumerate(tracks):
        (tmp_path / f"{number}.gpx").write_text(gpx(points))
    count = {"offset": 0, "zone": 0}
    while sum(count.values()) < 200:
        local = draw_moment(rng, rng.choice(tracks)).astimezone(BERLIN)
        kind = "offset" if count["offset"] < 100 else "zone"
        if kind == "zone" and is_unsure(local):
            continue
        offset = local.strftime("%z")
        text = f"{offset[:3]}:{offset[3:]}" if kind == "offset" else ""
        shoot(tmp_path / f"img/{kind}/{count[kind]:03}.jpg", local, text, 1)
        count[kind] += 1
    given = [word for number in range(3) for word in ("--track", tmp_path / f"{number}.gpx")]
    table = tmp_path / "map.csv"
    granpipe("map", tmp_path / "img", "-o", table, *given, "--clock", "Europe/Berlin")
    ours = {row["source"]: (row["latitude"], row["longitude"]) for row in rows(table)}
    theirs = exiftool(tmp_path, 3)
    assert len(ours) == 200
    placed = {source for source, one in ours.items() if one[0]}
    assert placed == theirs.keys()
    assert 50 < len(placed) < 200
    for source in placed:
        here = tuple(map(float, ours[source]))
        assert here == pytest.approx(theirs[source], abs=1e-5, rel=0), source


def exiftool(folder: Path, tracks: int) -> dict[str, tuple[float, float]]:
    """Return where ExifTool places the photographs of img/, by source."""
    options = ["-q", "-overwrite_original", "-api", "GeoMaxIntSecs=300", "-api", "GeoMaxExtSecs=1"]
    options += [word for number in range(tracks) for word in ("-geotag", folder / f"{number}.gpx")]
    environment = os.environ | {"TZ": "Europe/Berlin"}
    times = {"offset": "${DateTimeOriginal}${OffsetTimeOriginal}", "zone": "${DateTimeOriginal}"}
    for kind, moment in times.items():
        command = ["exiftool", *options, f"-geotime<{moment}", folder / "img" / kind]
        subprocess.run(command, env=environment, check=False, capture_output=True)
    read = ["exiftool", "-q", "-json", "-n", "-r", "-GPSLatitude", "-GPSLongitude", folder / "img"]
    listed = json.loads(subprocess.run(read, check=True, capture_output=True).stdout)
    return {
        Path(one["SourceFile"]).relative_to(folder / "img").as_posix(): (
            *(one["GPSLatitude"], one["GPSLongitude"]),
        )
        for one in listed
        if "GPSLatitude" in one
    }
