"""Positions in XMP: as the specification writes them, as DJI does, and as strangers might."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granpipe.photo.exif import read_capture
from granpipe.photo.gps import VERDICTS
from granpipe.photo.opening import open_photo
from granpipe.photo.xmp import LARGEST, locate_xmp

import exif_blocks as eb

SPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:e="http://ns.adobe.com/exif/1.0/" xmlns:d="http://www.dji.com/drone-dji/1.0/"'
)


def packet(attributes: str = "", elements: str = "") -> bytes:
    description = f"<rdf:Description {SPACES} {attributes}>{elements}</rdf:Description>"
    return f'<?xpacket begin=""?><rdf:RDF {SPACES}>{description}</rdf:RDF>\n  '.encode()


def exif(lat: str, lon: str, more: str = "") -> bytes:
    return packet(f'e:GPSLatitude="{lat}" e:GPSLongitude="{lon}" {more}')


def dji(lat: str, lon: str, name: str = "GpsLongitude", more: str = "") -> bytes:
    return packet(f'd:GpsLatitude="{lat}" d:{name}="{lon}" {more}')


@pytest.mark.parametrize(
    ("data", "lat", "lon"),
    [
        (exif("48,12.5N", "11,30.25E"), 48 + 12.5 / 60, 11 + 30.25 / 60),
        (exif("48,12,30S", "11,30,15W"), -(48 + 12.5 / 60), -(11 + 30.25 / 60)),
        (exif("48.25", "-11.5"), 48.25, -11.5),
        (exif("48.25 n", "11.5 w"), 48.25, -11.5),
        (exif("0,0.0N", "11,0E"), 0, 11),
        (exif("89,60N", "179,59,60E"), 90, 180),
        (dji("+48.208333", "-11.5"), 48.208333, -11.5),
        (dji("-48.208333", "11.5", "GpsLongtitude"), -48.208333, 11.5),
        (
            packet(
                "", "<e:GPSLatitude>48,12.5N</e:GPSLatitude><e:GPSLongitude>11,30E</e:GPSLongitude>"
            ),
            *(48 + 12.5 / 60, 11.5),
        ),
    ],
)
def test_all_forms_are_read(data, lat, lon):
    verdict, position = locate_xmp(data)
    assert (verdict, position.position_from) == ("ok", "xmp")
    assert (position.lat, position.lon) == pytest.approx((lat, lon), abs=1e-7)


def test_what_stands_beside_the_position_is_read():
    more = 'e:GPSAltitude="5405/10" e:GPSImgDirection="90/1" e:GPSImgDirectionRef="T"'
    more += ' e:GPSHPositioningError="15/2" e:GPSDOP="2"'
    _, position = locate_xmp(exif("48,12.5N", "11,30E", more))
    assert (position.altitude, position.direction, position.direction_ref) == (540.5, 90, "true")
    assert (position.accuracy, position.dop) == (7.5, 2)


def test_a_drones_height_above_its_start_is_no_altitude():
    more = 'd:AbsoluteAltitude="+540.25" d:RelativeAltitude="+30.10"'
    assert locate_xmp(dji("48.2", "11.5", more=more))[1].altitude == 540.25
    assert locate_xmp(dji("48.2", "11.5", more='d:RelativeAltitude="+30.10"'))[1].altitude is None


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (exif("0,0.0N", "0,0.0E"), "null_island"),
        (dji("0.000000", "0.000000"), "null_island"),
        (exif("48,12.5N", "11,30E", 'e:GPSStatus="V"'), "void_fix"),
        (exif("48,12.5", "11,30"), "missing_ref"),
        (exif("48,12.5E", "11,30E"), "bad_ref"),
        (exif("-48,12.5N", "11,30E"), "bad_ref"),
        (exif("91,0N", "11,30E"), "out_of_range"),
        (exif("48,61N", "11,30E"), "out_of_range"),
        (exif("nan", "inf"), "unreadable"),
        (exif("1e2", "11"), "unreadable"),
        (exif("48", ""), "no_gps"),
        (packet('GPSLatitude="48" GPSLongitude="11"'), "no_gps"),
        (b"", "unreadable"),
        (b"GPSLatitude", "unreadable"),
        (exif("48,12.5N", "11,30E")[:-40], "unreadable"),
    ],
)
def test_what_gives_no_place_has_its_verdict(data, verdict):
    assert locate_xmp(data) == (verdict, None)
    assert verdict in VERDICTS


ENTITY = b'<!DOCTYPE x [<!ENTITY a "48">]>'
BOMB = b"<!DOCTYPE x [" + b"".join(
    b'<!ENTITY a%d "%s">' % (k + 1, b"&a%d;" % k * 10) for k in range(20)
)


@pytest.mark.parametrize(
    "data",
    [
        ENTITY + exif("&a;", "11").removeprefix(b'<?xpacket begin=""?>'),
        BOMB + b"]><x>&a20;</x>",
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<GPSLatitude>" * 70_000,
        b'<a xmlns="' + b"x" * 100_000 + b'">' + b"<b/>" * 200_000 + b"</a>",
        exif("48", "11").ljust(LARGEST + 1),
        exif("48" + "0" * 500_000, "11"),
    ],
    ids=["entity", "bomb", "file", "deep", "long space", "large", "digits"],
)
def test_a_hostile_packet_gives_no_place_(data):
    verdict, position = locate_xmp(data)
    assert (verdict in {"unreadable", "no_gps"}, position) == (True, None)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_verdict(data):
    assert locate_xmp(data)[0] in VERDICTS
    assert locate_xmp(exif("48", "11")[: len(data)] + data)[0] in VERDICTS


def capture(exif_block: bytes | None, xmp: bytes):
    data = eb.jpeg(exif_block, eb.xmp(xmp))
    return read_capture(open_photo(data), data)


def test_xmp_is_asked_where_exif_has_no_position_and_says_so_where_it_has_none_either():
    there = exif("48,12.5N", "11,30E")
    assert capture(eb.block(eb.gps()), there).position.position_from == "exif"
    for block in (None, eb.block({}), eb.block(eb.gps(lat_ref=None)), b"nonsense"):
        found = capture(block, there)
        assert (found.verdict, found.detail) == ("ok", "")
        assert found.position.position_from == "xmp"
    found = capture(eb.block({}), exif("0,0N", "0,0E"))
    assert (found.verdict, found.detail) == ("no_gps", "XMP: null_island")
    taken = {eb.TAKEN: eb.text("2024:06:27 15:10:02")}
    assert capture(eb.block({}, taken), there).taken_at == "2024-06-27T15:10:02"


def test_a_fix_that_exif_calls_void_is_not_taken_from_xmp():
    found = capture(eb.block(eb.gps(status=eb.text("V"))), exif("48,12.5N", "11,30E"))
    assert (found.verdict, found.position) == ("void_fix", None)
