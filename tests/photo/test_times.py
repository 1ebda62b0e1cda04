"""Local time, and what it is ahead of UTC, as EXIF writes them or GPS's time shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granpipe.photo.exif import read_capture
from granpipe.photo.opening import open_photo

import exif_blocks as eb
from conftest import put, rows
from exif_blocks import byte, gps, rational, text

GPS_TIME, GPS_DATE = 7, 29
MODIFIED_OFFSET = 0x9010


def times(exif: dict, place: dict | None = None) -> tuple[str, str, str]:
    found = read_capture(open_photo(eb.jpeg(eb.block(place, exif))))
    return found.taken_at, found.utc_offset, found.utc_offset_from


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2018:05:25 07:13:09.978", ("2018-05-25T07:13:09", "", "")),
        ("2018:05:25 07:13:09.9", ("2018-05-25T07:13:09", "", "")),
        ("2018:05:25 07:13:09,978", ("2018-05-25T07:13:09", "", "")),
        ("2018:05:25 07:13:09:978", ("2018-05-25T07:13:09", "", "")),
        ("2018:05:25 07:13:09:978+0200", ("2018-05-25T07:13:09", "+02:00", "exif")),
        ("2018:05:25 07:13:09+2", ("2018-05-25T07:13:09", "+02:00", "exif")),
        ("2018:05:25 07:13:09+:", ("2018-05-25T07:13:09", "", "")),
        ("2018:05:25 07:13:09:", ("2018-05-25T07:13:09", "", "")),
        ("2018:05:25 07:13:09.978+02:00", ("2018-05-25T07:13:09", "+02:00", "exif")),
        ("2018-05-25T07:13:09Z", ("2018-05-25T07:13:09", "+00:00", "exif")),
        ("2018-05-25 07:13:09-0330", ("2018-05-25T07:13:09", "-03:30", "exif")),
        ("2018:05:25 07:13:09+99:00", ("2018-05-25T07:13:09", "", "")),
        ("2018:5:5 7:3:9", ("2018-05-05T07:03:09", "", "")),
        ("2018/05/25 07:13:09", ("2018-05-25T07:13:09", "", "")),
        ("2018:05:25 07:13:60", ("", "", "")),
        ("2018:05:25 07:13", ("", "", "")),
        ("2018:05:25 07:13:09 PM", ("", "", "")),
    ],
)
def test_a_time_that_another_program_wrote_is_read_to_the_second(written, read):
    """DateTimeDigitized is another moment, and never stands in for a time that cannot be read."""
    exif = {eb.TAKEN: text(written), eb.DIGITIZED: text("2020:01:01 00:00:00")}
    assert times(exif) == read


@pytest.mark.parametrize("blank", ["0000:00:00 00:00:00", "    :  :     :  :  ", ""])
def test_the_time_of_digitization_stands_in_where_there_is_no_other(blank):
    exif = {eb.TAKEN: text(blank), eb.DIGITIZED: text("2020:01:02 03:04:05.5")}
    assert times(exif) == ("2020-01-02T03:04:05", "", "")


def clock(
    hour: float, minute: float = 0, second: float = 0, date: str | None = None, **changes
) -> dict:
    """Return GPS tags with a time of the position."""
    tags = gps(**changes) | {GPS_TIME: rational(hour, minute, second)}
    return tags if date is None else tags | {GPS_DATE: text(date)}


LOCAL = {eb.TAKEN: text("2024:06:01 20:24:44")}


@pytest.mark.parametrize(
    ("place", "offset"),
    [
        (clock(18, 24, 44, "2024:06:01"), "+02:00"),
        (clock(18, 24, 44), "+02:00"),
        (clock(18, 21, 10, "2024:06:01"), "+02:00"),
        (clock(18, 31, 10.5, "2024:06:01"), "+02:00"),
        (clock(14, 39, 44, "2024:06:01"), "+05:45"),
        (clock(14, 54, 44, "2024-06-01"), "+05:30"),
        (clock(23, 54, 44, "2024:06:01"), "-03:30"),
        (clock(20, 24, 44, "2024:06:01"), "+00:00"),
        (clock(6, 24, 44, "2024:06:01"), "+14:00"),
        (clock(6, 24, 44, "2024:06:02"), "-10:00"),
        (clock(6, 24, 44, lon=rational(175)), "+14:00"),
        (clock(6, 24, 44, lon=rational(155), lon_ref=text("W")), "-10:00"),
        (clock(6, 24, 44, lon=None, lon_ref=None), ""),
        (clock(18, 9, 44, "2024:06:01"), ""),
        (clock(18, 24, 44, "2024:05:30"), ""),
        (clock(18, 24, 44, "2004:10:16"), ""),
        (clock(0, 0, 0), ""),
        (clock(25, 0, 0, "2024:06:01"), ""),
        (clock(18, 75, 0, "2024:06:01"), ""),
        (clock(18, 24, 44, "2024:99:01"), ""),
        (gps() | {GPS_TIME: rational((0, 0), (0, 0), (0, 0)), GPS_DATE: text("2024:06:01")}, ""),
        (gps() | {GPS_TIME: rational(18, 24), GPS_DATE: text("2024:06:01")}, ""),
        (gps() | {GPS_DATE: text("2024:06:01")}, ""),
    ],
    ids=[
        *(
            "a date",
            "no date",
            "3 minutes old",
            "6 minutes ahead",
            "Nepal",
            "India",
            "Newfoundland",
        ),
        *("UTC", "Kiritimati", "Hawaii", "east without date", "west without date"),
        *("either without date", "no such clock", "two days off", "a week number rolled over"),
        *("zeros", "hour 25", "minute 75", "month 99", "0/0", "two numbers", "a date alone"),
    ],
)
def test_an_offset_that_follows_from_the_time_of_the_position_is_told_and_so_is_its_origin(
    place, offset
):
    assert times(LOCAL, place) == ("2024-06-01T20:24:44", offset, "gps" if offset else "")


def test_a_written_offset_counts_before_the_time_of_the_position():
    exif = LOCAL | {eb.TAKEN_OFFSET: text("+01:00")}
    assert times(exif, clock(18, 24, 44)) == ("2024-06-01T20:24:44", "+01:00", "exif")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *(("Z", "+00:00"), ("z", "+00:00"), ("+0530", "+05:30"), ("+5:30", "+05:30")),
        *(("+05", "+05:00"), ("-3", "-03:00"), ("-0330", "-03:30"), ("+05:30", "+05:30")),
        *((" +05:30 ", "+05:30"), ("+530", "+05:30"), ("+14:00", "+14:00"), ("-00:00", "-00:00")),
        *(("05:30", ""), ("+15:00", ""), ("+05:60", ""), ("+", ""), ("+05:", ""), ("+0", "+00:00")),
        *(("   :  ", ""), ("UTC", ""), ("+05:30:00", ""), ("++5", ""), ("+123456", "")),
    ],
)
def test_an_offset_that_another_program_wrote_is_read(written, read):
    exif = LOCAL | {eb.TAKEN_OFFSET: text(written)}
    assert times(exif) == ("2024-06-01T20:24:44", read, "exif" if read else "")


def test_the_offset_of_the_modification_is_not_the_photograph_s():
    exif = LOCAL | {MODIFIED_OFFSET: text("+09:00")}
    assert times(exif) == ("2024-06-01T20:24:44", "", "")


def test_without_a_local_time_there_is_no_offset():
    assert times({}, clock(18, 24, 44, "2024:06:01")) == ("", "", "")


def test_the_tables_tell_offset_and_origin(granpipe, tmp_path):
    corn = tmp_path / "img/corn"
    place = clock(18, 24, 44, "2024:06:01", direction=rational(90)) | {16: text("M")}
    put(corn / "a.jpg", eb.jpeg(eb.block(place, LOCAL)))
    put(corn / "b.jpg", eb.jpeg(eb.block(gps(), LOCAL | {eb.TAKEN_OFFSET: text("+01:00")})))
    put(corn / "c.jpg", eb.jpeg(eb.block(gps(), {eb.MAKE: text("x")})))
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.csv", "-o", tmp_path / "map.kml")
    for table in (tmp_path / "out/labels.csv", tmp_path / "map.csv"):
        found = [
            (row["utc_offset"].lstrip("'"), row["utc_offset_from"])  # inert in a spreadsheet
            for row in rows(table)
        ]
        assert found == [("+02:00", "gps"), ("+01:00", "exif"), ("", "")]
    assert "utc_offset_from: gps" in (tmp_path / "map.kml").read_text()


@given(st.text(max_size=30), st.lists(st.integers(0, 255), max_size=24))
def test_no_time_makes_the_reader_raise(written, numbers):
    exif = {eb.TAKEN: text(written.encode("utf-8", "replace"))}
    place = gps() | {GPS_TIME: byte(*numbers), GPS_DATE: text(written.encode("utf-8", "replace"))}
    taken_at, offset, origin = times(exif, place)
    assert len(taken_at) in {0, 19}
    assert bool(offset) is bool(origin)
