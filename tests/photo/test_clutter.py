"""A file of very many parts beside its pixels is refused before it takes seconds."""

import re
import struct
import time
import zlib

import numpy as np
import pytest

import exif_blocks as eb
from conftest import drawn, encoded, picture, reason
from draw_containers import chunk

MANY = 2_000_000  # bytes
SECONDS = 2.0  # of which a tenth was measured


JPEG, PNG = encoded(picture(), "JPEG", quality=90), encoded(picture(), "PNG")
SCAN = JPEG.index(b"\xff\xda")
ODD = eb.segment(0xF3, b"nobody knows")  # so that it is no plain header
EXIF = eb.segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")


@pytest.fixture(autouse=True)
def clock():
    """See that a test takes no longer of the processor than it may."""
    began = time.process_time()
    yield
    assert time.process_time() - began < SECONDS


def jpeg_with(parts: bytes, place: int = 2) -> bytes:
    return JPEG[:place] + parts + JPEG[place:]


def png_with(parts: bytes, *, is_behind: bool = False) -> bytes:
    place = len(PNG) - 12 if is_behind else 33
    return PNG[:place] + parts + PNG[place:]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (b"\xff" * MANY, "bytes between segments"),
        (ODD + b"a" * MANY, "bytes between segments"),
        (b"\xff\0" * (MANY // 2), "bytes between segments"),
        (b"\xff\xd0" * (MANY // 2), "segments"),
        (b"\xff\xfe\0\2" * (MANY // 4), "segments"),
        (ODD + b"\xff\xfe\0\2" * (MANY // 4), "segments"),
        (EXIF * 300, "blocks of EXIF"),
    ],
    ids=["fill", "junk", "FF 00", "restarts", "comments", "comments of an odd one", "EXIF"],
)
@pytest.mark.parametrize("place", [2, SCAN])
def test_a_jpeg_of_too_many_parts_is_refused_at_once(parts, words, place):
    said = f"unsupported: is a JPEG of more than .* {words} before"
    assert re.match(said, reason(jpeg_with(parts, place)))


@pytest.mark.parametrize(
    "parts",
    [b"\xff" * 200_000, ODD + b"a" * 200_000, b"\xff\xfe\0\2" * 4000, ODD + EXIF * 200],
    ids=["fill", "junk", "comments", "EXIF"],
)
def test_a_jpeg_of_fewer_parts_is_read(parts):
    assert np.array_equal(drawn(jpeg_with(parts)), drawn(JPEG))


def test_a_jpeg_of_too_many_segments_between_its_scans_is_refused_at_once():
    data = encoded(picture(), "JPEG", progressive=True)
    place = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    assert np.array_equal(
        drawn(data[:place] + b"\xff\xfe\0\2" * 60_000 + data[place:]), drawn(data)
    )
    said = reason(data[:place] + b"\xff\xfe\0\2" * MANY + data[place:])
    assert said == "unsupported: is a JPEG of more than 65,536 segments"


def test_fill_before_the_end_marker_is_passed_over():
    assert np.array_equal(drawn(JPEG[:-2] + b"\xff" * 10 * MANY + JPEG[-2:]), drawn(JPEG))


@pytest.mark.parametrize(
    ("kind", "most"), [(b"tEXt", "65,536"), (b"abCd", "65,536"), (b"IDAT", "262,144")]
)
def test_a_png_of_too_many_chunks_is_refused_at_once(kind, most):
    said = f"unsupported: is a PNG of more than {most} chunks"
    assert reason(png_with(chunk(kind, b"") * 300_000)) == said


@pytest.mark.parametrize(
    ("count", "size", "what"),
    [
        (4_100, 8, "unsupported: is a TIFF of 4,096 tags or more"),
        (300, 1_000_000, "truncated: its tags name many more bytes than it has"),
    ],
)
def test_a_tiff_of_too_many_tags_or_of_tags_that_share_their_bytes_is_refused(count, size, what):
    tags = b"".join(struct.pack("<HHII", 40_000 + n, 7, size, 8) for n in range(count))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", count)
    assert reason(head + tags + bytes(size)) == what


def test_a_webp_of_too_many_chunks_is_refused_at_once():
    data = b"RIFF\0\0\0\2WEBP" + b"JUNK\0\0\0\0" * 300_000
    assert reason(data) == "unsupported: is a WebP of more than 65,536 chunks"


def test_a_jpeg_of_too_many_blocks_of_photoshops_is_refused():
    block = b"\xff\xed\0\x10Photoshop 3.0\0"
    assert np.array_equal(drawn(JPEG[:2] + block * 50 + JPEG[2:]), drawn(JPEG))
    said = reason(JPEG[:2] + block * 70 + JPEG[2:])
    assert said.startswith("unsupported: is a JPEG of more than 64 blocks")


def test_a_png_of_many_chunks_is_read():
    assert np.array_equal(drawn(png_with(chunk(b"tEXt", b"a\0b") * 50_000)), drawn(PNG))


@pytest.mark.parametrize("length", [1 << 20, 2 << 20])
@pytest.mark.parametrize("is_behind", [False, True])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_texts_that_are_long_once_they_are_inflated_do_not_cost_a_png(length, is_behind, kind):
    head = b"a\0\0" if kind == b"zTXt" else b"a\0\1\0\0\0"
    bomb = chunk(kind, head + zlib.compress(bytes(length)))
    block = eb.block(image={0x0112: eb.short(6)})
    data = png_with(bomb * 2000 + chunk(b"eXIf", block), is_behind=is_behind)
    assert struct.unpack_from(">II", data, 16) == (64, 48)
    turned = drawn(png_with(chunk(b"eXIf", block)))
    assert np.array_equal(drawn(data), turned)
    assert not np.array_equal(turned, drawn(PNG))
