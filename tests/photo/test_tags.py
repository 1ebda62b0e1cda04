"""A camera's block is read for the tags that are asked for, which are as exifread reads them."""

from io import BytesIO

import exifread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from granpipe.photo.gps import locate
from granpipe.photo.tags import read_orientation, read_tags

import exif_blocks as eb
from exif_blocks import byte, gps, long, rational, short, text, undefined

ASKED = {
    "Image Make",
    "Image Model",
    "EXIF DateTimeOriginal",
    "EXIF DateTimeDigitized",
    "EXIF OffsetTimeOriginal",
    "EXIF OffsetTimeDigitized",
}
IMAGE = {eb.MAKE: text("Drawn"), eb.MODEL: text("Phone 1"), 0x011A: rational(72), 0x0112: short(6)}
EXIF = {
    eb.TAKEN: text("2024:06:27 15:10:02"),
    eb.TAKEN_OFFSET: text("+02:00"),
    0x927C: undefined(bytes(2000)),  # the maker's own note
} | {number: rational(number) for number in range(0x9201, 0x9210)}
PLACE = gps(altitude=rational(512), altitude_ref=byte(0)) | {29: text("2024:06:27")}
BLOCK = eb.block(PLACE, EXIF, IMAGE)


def meaning(tags, block):
    """Return what granpipe takes from tags: types and values, and the position."""
    values = {name: (tags[name].field_type, tags[name].values) for name in ASKED & tags.keys()}
    return values, locate(tags, block)


def read_all(block):
    return exifread.process_file(BytesIO(block), details=False)


@pytest.mark.parametrize("order", "<>")
def test_a_camera_s_block_is_read_in_part_with_the_same_result(order):
    block = eb.block(PLACE, EXIF, IMAGE, order)
    tags = read_tags(block)
    assert meaning(tags, block) == meaning(read_all(block), block)
    assert len(read_all(block)) > 25
    assert len(tags) == 2 + 2 + 2 + 7  # camera, tables, times, place and its date


@pytest.mark.parametrize("lat", [rational(91, 1.5, (1, 7)), rational(12, 30, (5, 0))], ids=str)
def test_a_wrong_coordinate_is_quoted_as_exifread_prints_it(lat):
    block = eb.block(gps(lat=lat))
    verdict, detail, _ = locate(read_tags(block), block)
    assert (verdict, detail) == locate(read_all(block), block)[:2]
    assert detail.startswith("latitude [")


def with_table_behind(block, tags):
    """Return a block whose first table, of no values of its own, leads to another one."""
    place = 8 + 2 + 12 * int.from_bytes(block[8:10], "little")
    pointer = len(block).to_bytes(4, "little")
    return block[:place] + pointer + block[place + 4 :] + eb.table(tags, len(block))


ODD = {
    "a tag given twice": eb.block(gps()).replace(b"\x03\0\x02\0", b"\x01\0\x02\0"),
    "GPS tags led to by the EXIF table": eb.block(exif={eb.GPS_POINTER: long(8)}),
    "a pointer of two bytes": eb.block(gps(), image={eb.EXIF_POINTER: short(26)}),
    "a value outside the block": eb.block(gps(lat=rational(1, 2, 3).at(5000))),
    "a value in the header": eb.block(gps(lat=rational(1, 2, 3).at(4))),
    "a thousand values": eb.block(gps(altitude=rational(*range(1000)))),
    "an unknown type": eb.block(gps(altitude=eb.Value(77, "B", (1, 2, 3, 4, 5)))),
    "a table outside the block": eb.block(gps(), gps_at=5000),
    "as large as a file": eb.block(gps()) + bytes(1 << 17),
    "a cut table": eb.block({1: text("N")})[:-6],
    "GPS tags of a second picture": with_table_behind(eb.block(gps()), {eb.GPS_POINTER: long(8)}),
}


@pytest.mark.parametrize("block", ODD.values(), ids=ODD.keys())
def test_a_block_with_anything_out_of_order_is_read_by_exifread(block):
    tags = read_tags(block)
    assert tags.keys() == read_all(block).keys()
    assert meaning(tags, block) == meaning(read_all(block), block)


def test_a_thumbnail_s_table_is_left_out():
    tags = read_tags(with_table_behind(eb.block(gps()), {0x0201: long(8), 0x0202: long(8)}))
    assert not [name for name in tags if name.startswith("Thumbnail")]


@settings(max_examples=5 * settings().max_examples)
@given(
    st.dictionaries(st.integers(4, len(BLOCK) - 1), st.integers(0, 255), max_size=3),
    st.integers(8, len(BLOCK)),
)
def test_of_a_damaged_block_the_same_is_taken_as_by_reading_all_of_it(mutations, length):
    damaged = bytes(mutations.get(place, old) for place, old in enumerate(BLOCK))[:length]
    try:
        expected = meaning(read_all(damaged), damaged)
    except Exception:  # by a tag that may not be asked for
        return
    assert meaning(read_tags(damaged), damaged) == expected


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_the_one_that_pillow_reads(order, orientation):
    block = eb.block(PLACE, EXIF, IMAGE | {0x0112: short(orientation)}, order)
    assert read_orientation(block) == orientation


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((kind(6), 6) for kind in (byte, long, rational, eb.srational, eb.double)),
        *((value, 6) for value in (short(6, 3), text("6"), undefined(b"\6"), text("6 "))),
        *((value, 1) for value in (short(9), long(1 << 31), rational((6, 0)), rational(6.5))),
        *((value, 1) for value in (text("left"), eb.double(float("inf")), long(6, 6).at(1 << 20))),
    ],
    ids=str,
)
@pytest.mark.parametrize("order", "<>")
def test_an_orientation_of_another_type_is_taken(value, expected, order):
    assert read_orientation(eb.block(image={0x0112: value}, order=order)) == expected


def test_without_an_orientation_it_is_1():
    assert read_orientation(eb.block(PLACE)) == 1
