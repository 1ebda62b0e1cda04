"""Every way in which cameras write a position, and every way in which they fail to.

A row of a table below is a photograph: what its EXIF block says other than 12°30'36" north and
45°15'18" east in degrees, minutes and seconds, and what granpipe makes of it.
"""

import json
import math
import shutil
import struct
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import features

from granpipe.errors import PhotoError
from granpipe.photo.exif import Capture, read_capture
from granpipe.photo.gps import VERDICTS, Position
from granpipe.photo.opening import open_photo

import exif_blocks as eb
from conftest import ROOT
from exif_blocks import byte, double, gps, long, rational, short, srational, text, undefined

LAT, LON = 12.51, 45.255
DIRECTION_REF = 16

POSITIONS = {
    "degrees, minutes and seconds": (gps(), LAT, LON),
    "degrees and decimal minutes": (gps(lat=rational(12, 30.6)), LAT, LON),
    "decimal minutes, seconds 0": (gps(lat=rational(12, 30.6, 0)), LAT, LON),
    "decimal degrees, minutes and seconds 0": (gps(lat=rational(12.51, 0, 0)), LAT, LON),
    "decimal degrees alone": (gps(lat=rational(12.51), lon=rational(45.255)), LAT, LON),
    "seconds 60, as ExifTool writes 11.2": (gps(lat=rational(11, 11, 60)), 11.2, LON),
    "minutes 60": (gps(lon=rational(45, 60, 0)), LAT, 46),
    "minutes 59 and seconds 60": (gps(lat=rational(12, 59, 60)), 13, LON),
    "90 degrees by carrying": (gps(lat=rational(89, 59, 60)), 90, LON),
    "seconds 0/0": (gps(lat=rational(12, 30.6, (0, 0))), LAT, LON),
    "doubles": (gps(lat=double(12, 30, 36), lon=double(45.255)), LAT, LON),
    "integers": (gps(lat=short(12, 30, 36), lon=long(45, 15, 18)), LAT, LON),
    "text of decimal degrees": (gps(lat=text("12.51"), lon=text(" 45.255 ")), LAT, LON),
    "text of three numbers": (gps(lat=text("12 30 36"), lon=text("45, 15, 18")), LAT, LON),
    "text with signs of arc": (gps(lat=text("12°30'36\""), lon=text("45:15:18")), LAT, LON),
    "south and west": (gps(lat_ref=text("S"), lon_ref=text("W")), -LAT, -LON),
    "lower-case refs": (gps(lat_ref=text("s"), lon_ref=text("w")), -LAT, -LON),
    "spelled-out refs": (gps(lat_ref=text("South"), lon_ref=text("WEST")), -LAT, -LON),
    "refs padded with blanks": (gps(lat_ref=text(" S  "), lon_ref=text("W ")), -LAT, -LON),
    "refs padded with NUL": (gps(lat_ref=text("S\0\0\0"), lon_ref=text("W\0")), -LAT, -LON),
    "refs without the ending NUL": (
        gps(lat_ref=eb.Value(eb.ASCII, "B", (83,)), lon_ref=eb.Value(eb.ASCII, "B", (87,))),
        -LAT,
        -LON,
    ),
    "refs typed BYTE": (gps(lat_ref=byte(83, 0), lon_ref=byte(87)), -LAT, -LON),
    "refs typed UNDEFINED": (gps(lat_ref=undefined(b"S\0"), lon_ref=undefined(b"W ")), -LAT, -LON),
    "signed with south is south once": (
        gps(lat=srational(-12, 30, 36), lat_ref=text("S")),
        -LAT,
        LON,
    ),
    "all parts signed with west": (
        gps(lon=srational(-45, -15, -18), lon_ref=text("W")),
        LAT,
        -LON,
    ),
    "signed type, no sign": (gps(lat=srational(12, 30, 36)), LAT, LON),
    "minus half a degree": (gps(lat=srational(0, -30, 0), lat_ref=text("S")), -0.5, LON),
    "exactly 180 east": (gps(lon=rational(180, 0, 0)), LAT, 180),
    "exactly 180 west": (gps(lon=rational(180, 0, 0), lon_ref=text("W")), LAT, -180),
    "the pole": (gps(lat=rational(90, 0, 0), lat_ref=text("S")), -90, LON),
    "Greenwich": (gps(lon=rational(0, 0, 0), lon_ref=text("W")), LAT, 0),
    "the equator": (gps(lat=rational(0, 0, 0), lat_ref=text("S")), 0, LON),
    "a fix marked as good": (gps(status=text("A")), LAT, LON),
    "a cut remark behind whole coordinates": (gps(method=text("GPS-FIX").at(60_000)), LAT, LON),
}

FAILURES = {
    "no GPS tags but the table": ("no_gps", gps(lat=None, lat_ref=None, lon=None, lon_ref=None)),
    "no coordinates": ("no_gps", gps(lat=None, lon=None)),
    "only a latitude": ("no_gps", gps(lon=None, lon_ref=None)),
    "only a longitude": ("no_gps", gps(lat=None)),
    "coordinates of no numbers": ("no_gps", gps(lat=rational(), lon=rational())),
    "coordinates of blank text": ("no_gps", gps(lat=text("  "), lon=text(""))),
    "all 0/0": ("zero_denominator", gps(lat=rational(*[(0, 0)] * 3), lon=rational(*[(0, 0)] * 3))),
    "degrees 12/0": ("zero_denominator", gps(lat=rational((12, 0), 30, 36))),
    "degrees 0/0": ("zero_denominator", gps(lon=rational((0, 0), 15, 18))),
    "seconds 36/0": ("zero_denominator", gps(lat=rational(12, 30, (36, 0)))),
    "both 0": ("null_island", gps(lat=rational(0, 0, 0), lon=rational(0, 0, 0))),
    "both 0, no refs": (
        "null_island",
        gps(lat=rational(0), lon=rational(0), lat_ref=None, lon_ref=None),
    ),
    "latitude 91": ("out_of_range", gps(lat=rational(91, 0, 0))),
    "latitude 90 and a second": ("out_of_range", gps(lat=rational(90, 0, 1))),
    "longitude 181": ("out_of_range", gps(lon=rational(181, 0, 0))),
    "longitude -181 and west": ("out_of_range", gps(lon=srational(-181), lon_ref=text("W"))),
    "minutes above 60": ("out_of_range", gps(lat=rational(12, 60.01, 0))),
    "seconds above 60": ("out_of_range", gps(lon=rational(45, 15, 60.01))),
    "latitude 90 by carrying, and a second": ("out_of_range", gps(lat=rational(89, 60, 1))),
    "degrees in hundredths": ("out_of_range", gps(lat=rational(1251))),
    "no latitude ref": ("missing_ref", gps(lat_ref=None)),
    "no longitude ref": ("missing_ref", gps(lon_ref=None)),
    "signed, but no ref": ("missing_ref", gps(lat=srational(-12, 30, 36), lat_ref=None)),
    "blank ref": ("missing_ref", gps(lat_ref=text("  "))),
    "ref of NULs": ("missing_ref", gps(lon_ref=byte(0, 0))),
    "ref of another letter": ("bad_ref", gps(lat_ref=text("X"))),
    "refs swapped": ("bad_ref", gps(lat_ref=text("E"), lon_ref=text("N"))),
    "ref of undecodable bytes": ("bad_ref", gps(lat_ref=text(b"\xff\xfe"))),
    "negative, yet north": ("bad_ref", gps(lat=srational(-12, 30, 36))),
    "negative, yet east": ("bad_ref", gps(lon=double(-45.255))),
    "status V": ("void_fix", gps(status=text("V"))),
    "status v, typed BYTE": ("void_fix", gps(status=byte(118))),
    "NaN": ("unreadable", gps(lat=double(math.nan))),
    "infinity": ("unreadable", gps(lon=double(math.inf, 0, 0))),
    "four numbers": ("unreadable", gps(lat=rational(12, 30, 36, 0))),
    "bytes": ("unreadable", gps(lat=undefined(b"12.51"))),
    "text that is garbage": ("unreadable", gps(lat=text("north of the barn"))),
    "text with a decimal comma": ("unreadable", gps(lat=text("12,51"))),
    "text of undecodable bytes": ("unreadable", gps(lat=text(b"\xb2\xb3"))),
    "a coordinate past the end": ("unreadable", gps(lat=rational(12, 30, 36).at(60_000))),
    "a coordinate partly past the end": ("unreadable", gps(lon=rational(45, 15, 18).at(150))),
}

CUT = {
    "GPS pointer past the end": eb.block(gps(), gps_at=60_000),
    "GPS pointer to the header": eb.block(gps(), gps_at=0),
    "GPS pointer at the largest number": eb.block(gps(), gps_at=0xFFFFFFFF),
    "cut inside the longitude": eb.block(gps())[:-4],
    "cut inside the table of GPS tags": eb.block(gps())[:60],
    "cut inside the first table": eb.block(gps())[:15],
    "cut behind the first tag's number": eb.block(gps())[:12],
    "only the header": b"II*\0",
    "first table at 0": b"II*\0" + bytes(60),
    "no TIFF at all": b"GPS: 12.51, 45.255",
    "a PNG file in the place of TIFF": b"\x89PNG\r\n\x1a\n" + bytes(40),
}


def capture(photo: bytes) -> Capture:
    """Read a photograph as prepare and map do."""
    return read_capture(open_photo(photo), photo)


def capture_of(tags: dict[int, eb.Value], order: str = "<") -> Capture:
    """Read a JPEG file with these GPS tags."""
    return capture(eb.jpeg(eb.block(tags, order=order)))


def rows(table):
    return pytest.mark.parametrize("row", table.values(), ids=table)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little endian", "big endian"])
@rows(POSITIONS)
def test_a_position_is_read_however_it_is_written(row, order):
    tags, lat, lon = row
    found = capture_of(tags, order)
    assert (found.verdict, found.detail) == ("ok", "")
    assert (found.position.lat, found.position.lon) == pytest.approx((lat, lon), abs=1e-9)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little endian", "big endian"])
@rows(FAILURES)
def test_what_is_no_position_gets_the_reason(row, order):
    verdict, tags = row
    found = capture_of(tags, order)
    assert (found.verdict, found.position) == (verdict, None)
    assert len(found.detail) <= 120
    assert found.detail.isprintable()


@rows(CUT)
def test_a_damaged_block_is_unreadable(row):
    found = capture(eb.jpeg(row))
    assert (found.verdict, found.position) == ("unreadable", None)
    assert found.detail


def test_every_verdict_is_tested():
    tested = {verdict for verdict, _ in FAILURES.values()} | {"ok", "no_exif"}
    assert tested == set(VERDICTS)


def test_no_block_and_an_empty_one_are_no_exif():
    assert capture(eb.jpeg(None)) == Capture("no_exif")
    assert capture(eb.jpeg(b"")) == Capture("no_exif")


def test_a_block_without_gps_tags_is_no_gps():
    assert capture(eb.jpeg(eb.block(image={eb.MODEL: text("Hoe 3")}))).verdict == "no_gps"


@pytest.mark.parametrize("exif", [None, eb.block(exif={})], ids=["no EXIF", "EXIF without GPS"])
def test_a_position_in_xmp_alone_is_pointed_out(exif):
    packet = b'<x:xmpmeta><rdf:Description exif:GPSLatitude="12,30.6N"/></x:xmpmeta>'
    found = capture(eb.jpeg(exif, eb.xmp(packet)))
    assert found.verdict in {"no_exif", "no_gps"}
    assert "XMP" in found.detail


def test_a_cut_remark_does_not_hide_that_the_coordinates_are_whole():
    whole = eb.block(gps(method=undefined(b"ASCII\0\0\0GPS")))
    assert capture(eb.jpeg(whole[:-6])).position == Position(LAT, LON)


def test_the_equator_and_greenwich_are_no_minus_zero():
    equator = capture_of(gps(lat=rational(0), lat_ref=text("S"))).position
    greenwich = capture_of(gps(lon=rational(0), lon_ref=text("W"))).position
    assert str(equator.lat) == str(greenwich.lon) == "0.0"


def test_gps_tags_in_the_table_of_exif_tags_are_found():
    start = len(eb.block(exif={eb.GPS_POINTER: long(0)}))
    block = eb.block(exif={eb.GPS_POINTER: long(start)}) + eb.table(gps(), start)
    assert capture(eb.jpeg(block)).position == Position(LAT, LON)
    assert capture(eb.jpeg(block[:-4])).verdict == "unreadable"


@pytest.mark.parametrize("datum", ["WGS-84", "WGS84", "wgs 84", "WGS-84\0\0", "", "WGS 1984"])
def test_wgs_84_is_not_worth_a_word(datum):
    assert capture_of(gps(datum=text(datum))).detail == ""


def test_another_datum_is_noted():
    found = capture_of(gps(datum=text("TOKYO")))
    assert (found.verdict, found.detail) == ("ok", "datum 'TOKYO' taken for WGS 84")


@pytest.mark.parametrize(
    ("metres", "tags"),
    [
        pytest.param(433.5, gps(altitude=rational(433.5)), id="no ref"),
        pytest.param(433.5, gps(altitude=rational(433.5), altitude_ref=byte(0)), id="above"),
        pytest.param(-422, gps(altitude=rational(422), altitude_ref=byte(1)), id="below"),
        pytest.param(12, gps(altitude=rational(12), altitude_ref=byte(2)), id="ellipsoid, above"),
        pytest.param(-12, gps(altitude=rational(12), altitude_ref=byte(3)), id="ellipsoid, below"),
        pytest.param(-422, gps(altitude=srational(-422)), id="signed"),
        pytest.param(-422, gps(altitude=srational(-422), altitude_ref=byte(1)), id="signed, once"),
        pytest.param(-422, gps(altitude=rational(422), altitude_ref=text("1")), id="ref as text"),
        pytest.param(
            -422, gps(altitude=rational(422), altitude_ref=text("\1")), id="ref as ASCII 1"
        ),
        pytest.param(
            422, gps(altitude=rational(422), altitude_ref=text("\0")), id="ref as ASCII 0"
        ),
        pytest.param(0, gps(altitude=rational(0), altitude_ref=byte(1)), id="sea level"),
        pytest.param(None, gps(altitude_ref=byte(0)), id="a ref alone"),
        pytest.param(None, gps(altitude=rational((0, 0))), id="0/0"),
        pytest.param(None, gps(altitude=rational((5, 0))), id="5/0"),
        pytest.param(None, gps(altitude=double(math.nan)), id="NaN"),
        pytest.param(None, gps(altitude=text("high")), id="text"),
        pytest.param(None, gps(altitude=rational(12).at(60_000)), id="past the end"),
    ],
)
def test_altitude_is_in_metres_above_sea_level(metres, tags):
    found = capture_of(tags)
    assert found.verdict == "ok"
    assert found.position.altitude == metres
    assert not str(found.position.altitude).startswith("-0")


@pytest.mark.parametrize(
    ("degrees", "value"),
    [
        (271.25, rational(271.25)),
        (0, rational(0)),
        (0, rational(360)),
        (None, rational(361)),
        (None, srational(-1)),
        (None, rational((0, 0))),
        (None, text("NNW")),
    ],
    ids=["west", "north", "north again", "361", "-1", "0/0", "text"],
)
def test_direction_is_in_degrees_from_north(degrees, value):
    assert capture_of(gps(direction=value)).position.direction == degrees


@pytest.mark.parametrize(
    ("north", "ref"),
    [
        ("true", text("T")),
        ("magnetic", text("M")),
        ("magnetic", text("m ")),
        ("magnetic", text("Magnetic")),
        ("true", byte(ord("T"))),
        ("", text("X")),
        ("", text("")),
        ("", None),
    ],
    ids=str,
)
def test_direction_says_from_which_north_it_is(north, ref):
    tags = gps(direction=rational(271.25)) | ({DIRECTION_REF: ref} if ref else {})
    assert capture_of(tags).position.direction_ref == north


def test_without_a_direction_there_is_no_north():
    assert capture_of(gps() | {DIRECTION_REF: text("M")}).position.direction_ref == ""


@pytest.mark.parametrize(
    ("taken_at", "tags"),
    [
        pytest.param("2024-06-27T15:10:02", {eb.TAKEN: text("2024:06:27 15:10:02")}, id="plain"),
        pytest.param(
            "2024-06-27T15:10:02-03:30",
            {eb.TAKEN: text("2024:06:27 15:10:02"), eb.TAKEN_OFFSET: text("-03:30")},
            id="offset",
        ),
        pytest.param(
            "2024-06-27T15:10:02",
            {eb.TAKEN: text("2024:06:27 15:10:02"), eb.TAKEN_OFFSET: text("   :  ")},
            id="blank offset",
        ),
        pytest.param(
            "2024-06-27T15:10:02",
            {eb.TAKEN: text("2024:06:27 15:10:02"), eb.TAKEN_OFFSET: text("+99:99")},
            id="impossible offset",
        ),
        pytest.param(
            "2024-06-28T08:00:00+02:00",
            {
                eb.TAKEN: text("0000:00:00 00:00:00"),
                eb.TAKEN_OFFSET: text("+01:00"),
                eb.DIGITIZED: text("2024:06:28 08:00:00"),
                eb.DIGITIZED_OFFSET: text("+02:00"),
            },
            id="digitized",
        ),
        pytest.param("2024-06-27T15:10:02", {eb.TAKEN: byte(*b"2024:06:27 15:10:02")}, id="bytes"),
        pytest.param("", {eb.TAKEN: text("0000:00:00 00:00:00")}, id="zeros"),
        pytest.param("", {eb.TAKEN: text("    :  :     :  :  ")}, id="blanks"),
        pytest.param("", {eb.TAKEN: text("2024:02:30 10:00:00")}, id="February 30"),
        pytest.param("", {eb.TAKEN: text("2024:06:27 24:00:00")}, id="hour 24"),
        pytest.param("", {eb.TAKEN: text("yesterday")}, id="words"),
        pytest.param("", {eb.TAKEN: text(b"\xff\xfe")}, id="undecodable"),
        pytest.param("", {eb.TAKEN: rational(2024)}, id="a number"),
        pytest.param("", {}, id="nothing"),
    ],
)
def test_capture_time_is_iso_8601_or_nothing_and_the_offset_stands_beside_it(taken_at, tags):
    found = capture(eb.jpeg(eb.block(exif=tags)))
    assert (found.taken_at, found.utc_offset) == (taken_at[:19], taken_at[19:])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Pixel 8a", "Pixel 8a"),
        ("  HUAWEI \0\0", "HUAWEI"),
        ("Caméra", "Caméra"),
        (b"Cam\xe9ra", "Cam�ra"),
        ("a\nb\rc\x1b[31md\x7f", "a b c [31md"),
        ("x" * 5000, "x" * 100),
        ("<b>{{7*7}}</b>\u202e", "<b>{{7*7}}</b>\u202e"),
        ("", ""),
    ],
    ids=["plain", "padded", "UTF-8", "Latin-1", "controls", "long", "hostile", "empty"],
)
def test_camera_is_one_short_line(written, read):
    tags = {eb.MAKE: text(written), eb.MODEL: text(written)}
    found = capture(eb.jpeg(eb.block(image=tags)))
    assert (found.make, found.model) == (read, read)


def test_a_photograph_without_a_position_keeps_its_time_and_camera():
    exif = {eb.TAKEN: text("2024:06:27 15:10:02")}
    cut = eb.block(gps(), exif, {eb.MODEL: text("Pixel 8a")})[:-4]
    found = capture(eb.jpeg(cut))
    assert found.verdict == "unreadable"
    assert (found.taken_at, found.model) == ("2024-06-27T15:10:02", "Pixel 8a")


TABLES = (
    gps(altitude=rational(433.5), direction=rational(271.25)),
    {eb.TAKEN: text("2024:06:27 15:10:02"), eb.TAKEN_OFFSET: text("+02:00")},
    {eb.MAKE: text("Google"), eb.MODEL: text("Pixel 8a")},
)
BLOCK = eb.block(*TABLES)
BIG_BLOCK = eb.block(*TABLES, order=">")
FULL = Capture(
    "ok",
    position=Position(LAT, LON, 433.5, 271.25),
    taken_at="2024-06-27T15:10:02",
    utc_offset="+02:00",
    make="Google",
    model="Pixel 8a",
    utc_offset_from="exif",
)
JFIF = eb.segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
COLOURS = eb.segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(60_000))

FILES = {
    "JPEG": lambda: eb.jpeg(BLOCK),
    "JPEG, big endian": lambda: eb.jpeg(BIG_BLOCK),
    "JPEG behind JFIF": lambda: eb.jpeg(BLOCK, JFIF),
    "JPEG behind a big colour profile": lambda: eb.jpeg(BLOCK, JFIF, COLOURS),
    "JPEG behind big XMP": lambda: eb.jpeg(BLOCK, eb.xmp(b" " * 60_000)),
    "JPEG in two segments": lambda: eb.jpeg(
        None,
        eb.segment(0xE1, b"Exif\0\0" + BLOCK[:90]),
        eb.segment(0xE1, b"Exif\0\0" + BLOCK[90:]),
    ),
    "PNG before the pixels": lambda: eb.png(BLOCK),
    "PNG behind the pixels": lambda: eb.png(BLOCK, behind_pixels=True),
    "WebP": lambda: eb.saved(BLOCK, "WEBP"),
    "TIFF": lambda: eb.tiff(*TABLES),
    "TIFF, big endian": lambda: eb.tiff(*TABLES, order=">"),
}


@pytest.mark.parametrize("make_file", FILES.values(), ids=FILES)
def test_every_kind_of_file_gives_the_same_capture(make_file):
    assert capture(make_file()) == FULL


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_gives_the_same_capture():
    assert capture(eb.saved(BLOCK, "AVIF")) == FULL


def test_heic_gives_the_same_capture():
    pytest.importorskip("pillow_heif", reason="HEIC needs the extra heic")
    assert capture(eb.saved(BLOCK, "HEIF")) == FULL


def test_a_tiff_file_without_gps_is_no_gps():
    assert capture(eb.tiff({}, {}, {})).verdict == "no_gps"


def test_a_text_of_a_png_file_that_is_called_exif_is_no_block():
    chunk = b"exif\0\0\0\0\0a note on this picture"
    assert capture(eb.png(chunk, kind=b"iTXt")).verdict == "no_exif"


def test_the_photograph_that_other_tests_build_is_where_they_say():
    photo = eb.jpeg_at(-17.825, -179.999, altitude=-3.5, taken_at="2024:01:02 03:04:05", model="X")
    assert capture(photo) == Capture(
        "ok",
        position=Position(-17.825, -179.999, -3.5),
        taken_at="2024-01-02T03:04:05",
        model="X",
    )


@given(st.floats(-90, 90), st.floats(-180, 180), st.sampled_from("<>"))
def test_any_place_comes_back_within_a_decimetre(lat, lon, order):
    written = gps(
        lat=eb.dms(lat),
        lat_ref=text("S" if lat < 0 else "N"),
        lon=eb.dms(lon),
        lon_ref=text("W" if lon < 0 else "E"),
    )
    found = capture(eb.jpeg(eb.block(written, order=order)))
    if found.verdict == "null_island":
        assert (lat, lon) == pytest.approx((0, 0), abs=1e-6)
    else:
        assert (found.position.lat, found.position.lon) == pytest.approx((lat, lon), abs=1e-6)


def assert_sane(found: Capture):
    assert found.verdict in VERDICTS
    assert (found.position is None) == (found.verdict != "ok")
    if found.position:
        assert -90 <= found.position.lat <= 90
        assert -180 <= found.position.lon <= 180
    assert len(found.make) <= 100
    assert len(found.detail) <= 250


NUMBERS = st.one_of(
    st.sampled_from(
        [*range(0x20), eb.MAKE, eb.TAKEN, eb.EXIF_POINTER, eb.GPS_POINTER, 0x14A, 0x201, 0xA005]
    ),
    st.integers(0, 0xFFFF),
)
VALUES = st.builds(
    eb.Value,
    st.integers(0, 14),
    st.just("B"),
    st.binary(max_size=30).map(tuple),
    st.none() | st.integers(0, 300) | st.just(0xFFFFFFFF),
)
TAGS = st.dictionaries(NUMBERS, VALUES, max_size=12)


@given(st.binary(max_size=300), st.sampled_from([b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0"]))
def test_random_bytes_get_a_verdict(content, header):
    assert_sane(capture(eb.jpeg(header + content)))


@given(st.builds(eb.block, TAGS, TAGS, TAGS, st.sampled_from("<>"), st.none() | st.integers(0, 99)))
def test_random_tags_get_a_verdict(block):
    assert_sane(capture(eb.jpeg(block)))


@settings(max_examples=3 * settings().max_examples)
@given(
    st.sampled_from([BLOCK, BIG_BLOCK]),
    st.dictionaries(st.integers(0, len(BLOCK) - 1), st.integers(0, 255), max_size=6),
    st.integers(0, len(BLOCK)),
)
def test_a_mutated_and_cut_block_gets_a_verdict(block, mutations, length):
    mutated = bytes(mutations.get(place, old) for place, old in enumerate(block))[:length]
    assert_sane(capture(eb.jpeg(mutated)))


@given(st.dictionaries(st.integers(8, 400), st.integers(0, 255), max_size=4))
def test_a_mutated_tiff_file_gets_a_verdict(mutations):
    whole = eb.tiff(*TABLES)
    mutated = bytes(mutations.get(place, old) for place, old in enumerate(whole))
    try:
        image = open_photo(mutated)
    except PhotoError:
        return
    assert_sane(read_capture(image, mutated))


def maze(count: int, number: int, kind: int, values: int, pointer: int, step: int = 0) -> bytes:
    """Return a block of so many tags that all point to one place."""
    tags = [(number + step * i, kind, values, pointer) for i in range(count)]
    table = struct.pack("<H", count) + b"".join(struct.pack("<HHLL", *tag) for tag in tags)
    return b"II*\0\x08\0\0\0" + table + b"\0\0\0\0"


HOSTILE = {
    "5000 tags of 999 rationals": maze(5000, 0x1000, eb.RATIONAL, 999, 8, step=1),
    "4000 versions of 17,000 letters": maze(4000, 0x9000, eb.ASCII, 17_000, 48_014) + b"x" * 17_000,
    "2500 pointers to 2500 tags": maze(2500, eb.GPS_POINTER, eb.LONG, 1, 8 + 2 + 2500 * 12 + 4)
    + maze(2500, 0, eb.LONG, 100, 8, step=1)[8:],
}


@rows(HOSTILE)
def test_a_hostile_block_costs_seconds_at_most(row):
    photo = eb.jpeg(row)
    start = time.process_time()
    assert_sane(capture(photo))
    assert time.process_time() - start < 5


def test_nothing_is_printed_about_bad_blocks(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(eb.jpeg(eb.block(gps(), gps_at=60_000)[:-3]))
    (tmp_path / "loop.jpg").write_bytes(eb.jpeg(eb.block(exif={})[:22] + bytes([8, 0, 0, 0])))
    (tmp_path / "text.jpg").write_bytes(eb.jpeg(eb.block(image={eb.MAKE: text(b"\xff")})))
    program = (
        "import pathlib, sys\n"
        "from granpipe.photo.exif import read_capture\n"
        "from granpipe.photo.opening import open_photo\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    read_capture(open_photo(path.read_bytes()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], cwd=ROOT, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


def exiftool(*paths) -> list[dict]:
    """Return what ExifTool says of files: signed degrees, metres, degrees from north."""
    if not shutil.which("exiftool"):
        pytest.skip("ExifTool is not installed (Debian: libimage-exiftool-perl)")
    wanted = ["-GPSLatitude", "-GPSLongitude", "-GPSAltitude", "-GPSImgDirection"]
    command = ["exiftool", "-n", "-j", "-q", *wanted, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, check=False)
    return json.loads(done.stdout)


def assert_agrees(found: Capture, said: dict):
    position = found.position
    assert (position.lat, position.lon) == pytest.approx(
        (said["GPSLatitude"], said["GPSLongitude"]), abs=1e-5
    )
    for ours, theirs in [
        (position.altitude, said.get("GPSAltitude")),
        (position.direction, said.get("GPSImgDirection")),
    ]:
        assert ours == (theirs if theirs is None else pytest.approx(theirs, abs=1e-3))


def real_photographs(folder):
    """Yield each photograph that opens, with its capture."""
    for path in sorted(folder.rglob("*.*")):
        if path.is_file():
            try:
                yield path, capture(path.read_bytes())
            except PhotoError:
                continue


def compare_with_exiftool(*folders) -> int:
    captures = dict(pair for folder in folders for pair in real_photographs(folder))
    read = exiftool(*captures)
    for found, said in zip(captures.values(), read, strict=True):
        if found.position:
            assert_agrees(found, said)
        else:  # ExifTool does not judge
            assert "GPSLatitude" not in said or found.verdict == "void_fix", said
    return sum(found.verdict == "ok" for found in captures.values())


def test_exiftool_agrees_on_real_photographs(photos):
    kinds = ("broken", "challenge", "gps", "orientation")
    assert compare_with_exiftool(*(photos / kind for kind in kinds)) >= 3


def test_exiftool_agrees_on_the_sample_pictures():
    assert compare_with_exiftool(ROOT / "img") > 0


def test_what_exiftool_writes_with_one_decimal_is_read(tmp_path):
    """It writes 11.2 degrees as 11 11 60/1."""
    if not shutil.which("exiftool"):
        pytest.skip("ExifTool is not installed (Debian: libimage-exiftool-perl)")
    places = {f"{tenths}.jpg": tenths / 10 for tenths in range(101, 161)}
    lines = ["SourceFile,GPSLatitude,GPSLatitudeRef,GPSLongitude,GPSLongitudeRef"]
    for name, degrees in places.items():
        (tmp_path / name).write_bytes(eb.jpeg(None))
        lines.append(f"./{name},{degrees},N,{degrees},E")
    (tmp_path / "places.csv").write_text("\n".join(lines))
    command = ["exiftool", "-q", "-overwrite_original", "-csv=places.csv", "."]
    subprocess.run(command, cwd=tmp_path, check=True, stderr=subprocess.DEVNULL)
    captures = {name: capture((tmp_path / name).read_bytes()) for name in places}
    read = {name: found.position and found.position.lat for name, found in captures.items()}
    assert read == pytest.approx(places, abs=1e-6)
