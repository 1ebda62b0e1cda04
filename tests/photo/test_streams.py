"""Sides and colours as the streams of HEIC and AVIF say them, and what their boxes say of them."""

import random
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo import av1, hevc
from granpipe.photo.letterbox import letterbox
from granpipe.photo.memory import decoding_memory
from granpipe.photo.opening import open_photo
from granpipe.photo.streams import Bits

import draw_containers as dc
from conftest import picture, psnr, put, reason, rejects, rows, save, textured

pytestmark = pytest.mark.usefixtures("heic")

KINDS = ["AVIF", "HEIF"]
CODINGS = {"AVIF": b"av01", "HEIF": b"hvc1"}


class Writer:
    """Writes the bits of a stream, the highest one of a number first."""

    def __init__(self) -> None:
        self.bits = ""

    def put(self, *pairs: tuple[int, int]) -> "Writer":
        """Write numbers, each with how many bits it has."""
        self.bits += "".join(f"{number:0{size}b}" if size else "" for size, number in pairs)
        return self

    def golomb(self, *numbers: int) -> "Writer":
        for number in numbers:
            written = f"{number + 1:b}"
            self.bits += "0" * (len(written) - 1) + written
        return self

    def done(self) -> bytes:
        bits = self.bits + "1"
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8, "big")


@given(st.lists(st.integers(0, 2**31), max_size=9))
def test_exp_golomb_numbers_are_read_as_written(numbers):
    bits = Bits(Writer().golomb(*numbers).done())
    assert [bits.golomb() for _ in numbers] == numbers
    assert not bits.is_spent


# HEVC


def configuration(*units: bytes) -> bytes:
    """Return the contents of `hvcC`, with units of one kind in an array each."""
    kinds = [one[0] >> 1 if one else 33 for one in units]
    parts = zip(kinds, units, strict=True)
    arrays = b"".join(struct.pack(">BHH", kind, 1, len(one)) + one for kind, one in parts)
    return bytes(22) + bytes([len(units)]) + arrays


def escaped(unit: bytes) -> bytes:
    """Put a 3 where two zeros would be followed by 0 to 3 (H.265, section 7.4.2)."""
    found = bytearray()
    for value in unit:
        if found[-2:] == b"\0\0" and value < 4:
            found.append(3)
        found.append(value)
    return bytes(found)


def listed(writer: Writer, before=(), after=()) -> Writer:
    writer.golomb(len(before), len(after))
    for step in (*before, *after):
        writer.golomb(step - 1).put((1, 1))
    return writer


def picture_sets(writer: Writer) -> Writer:
    """Write three sets: one of its own, and two that say how they differ from the last."""
    writer.golomb(3)
    listed(writer, (1, 2, 4), (1,))
    writer.put((1, 1), (1, 1)).golomb(0)  # a step of -1 from -1, -3, -7 and 1
    writer.put((1, 1), (1, 0), (1, 0), (1, 0), (1, 1), (1, 1), (1, 1))
    # Of -2, -4, -8, 0 and -1 the second is dropped and 0 is none: -1, -2, -8.
    writer.put((1, 1), (1, 0)).golomb(1)
    return writer.put(*[(1, 1)] * 4)


def scaling_lists(writer: Writer) -> Writer:
    for size in range(4):
        for matrix in range(2 if size == 3 else 6):
            if matrix % 2:
                writer.put((1, 0)).golomb(0)
            else:
                writer.put((1, 1)).golomb(*[1] * (min(64, 16 << 2 * size) + (size > 1)))
    return writer


def sps(
    *,
    sides=(160, 120),
    chroma=1,
    window=None,
    layers=0,
    lists=False,
    sets=False,
    long_term=0,
    pulses=False,
    colours=(9, 14, 9, 1),
    aspect=None,
) -> bytes:
    """Return a sequence parameter set (H.265, section 7.3.2.2)."""
    writer = Writer().put((4, 0), (3, layers), (1, 1), (96, 0))
    writer.put(*[(1, 1)] * (2 * layers), (2 * (8 - layers) if layers else 0, 0))
    writer.put(*[(96, 5)] * layers).golomb(0, chroma)
    writer.put(*[(1, 0)] * (chroma == 3)).golomb(*sides)
    writer.put((1, window is not None)).golomb(*(window or ())).golomb(2, 2, 4)
    writer.put((1, 1)).golomb(*[4, 2, 0] * (layers + 1)).golomb(0, 3, 0, 3, 1, 1)
    writer.put((1, lists), *[(1, 1)] * lists)
    writer = scaling_lists(writer) if lists else writer
    writer.put((2, 3), (1, pulses))
    if pulses:
        writer.put((8, 0x77)).golomb(0, 2).put((1, 0))
    writer = picture_sets(writer) if sets else writer.golomb(0)
    writer.put((1, long_term > 0))
    if long_term:
        writer.golomb(long_term).put(*[(9, 257)] * long_term)
    writer.put((2, 1), (1, 1), (1, aspect is not None))
    if aspect:
        writer.put((8, 255), (32, aspect))
    writer.put((1, 1), (1, 0), (1, colours is not None))
    if colours:
        writer.put((3, 5), (1, colours[3]), (1, 1), *((8, point) for point in colours[:3]))
    return escaped(b"\x42\1" + writer.put((7, 0), (1, 0)).done())


SETS = {
    "plain": {},
    "sub-layers": {"layers": 3},
    "scaling lists": {"lists": True},
    "sets of pictures": {"sets": True},
    "long-term pictures": {"long_term": 20},
    "pulse codes": {"pulses": True},
    "an aspect": {"aspect": 1 << 16 | 1},
    "zeros to be escaped": {"aspect": 1 << 31, "sides": (1 << 12, 1 << 12)},
    "channels apart": {"chroma": 3},
    "all": {"layers": 6, "lists": True, "sets": True, "long_term": 32, "pulses": True},
}


@pytest.mark.parametrize("options", SETS.values(), ids=SETS)
def test_sides_and_colours_of_hevc_are_read_behind_whatever_is_before_them(options):
    other = b"\x40\1\x0c"
    found = hevc.stream_header(configuration(other, sps(**options)))
    assert found.sides == options.get("sides", (160, 120))
    assert found.code_points == (9, 14, 9, 1)


@pytest.mark.parametrize(
    ("chroma", "sides"), [(0, (157, 113)), (1, (154, 106)), (2, (154, 113)), (3, (157, 113))]
)
def test_a_conformance_window_is_no_part_of_the_sides(chroma, sides):
    unit = sps(chroma=chroma, window=(1, 2, 3, 4))
    assert hevc.stream_header(configuration(unit)).sides == sides


def test_a_window_larger_than_its_picture_and_a_set_of_another_layer_are_none():
    assert hevc.stream_header(configuration(sps(window=(80, 80, 0, 0)))) is None
    layered = bytearray(sps())
    layered[1] = 0x09
    assert hevc.stream_header(configuration(bytes(layered))) is None
    assert hevc.stream_header(configuration(sps(colours=None))).code_points is None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_of_hevc_raise(rest):
    whole = sps(**SETS["all"])
    for unit in (b"\x42\1" + rest, whole[: len(rest)] + rest, whole[: len(rest)]):
        found = hevc.stream_header(configuration(unit))
        assert found is None or min(found.sides) > 0
    hevc.stream_header(rest)
    hevc.stream_header(bytes(22) + b"\xff" + rest)


HOSTILE = """
import sys, time
from granpipe.photo import av1, hevc
start = time.process_time()
for byte in (0, 0x42, 0xFF, 0x55, 0xAA):
    for data in (bytes([byte]) * 500_000, bytes(22) + b"\\xff" + b"\\x21\\xff\\xff" * 170_000):
        hevc.stream_header(data)
        hevc.stream_header(bytes(22) + b"\\1\\x21\\0\\1\\xff\\xff\\x42\\1" + data)
        av1.stream_header(data)
        av1.stream_header(b"\\x0a\\xff\\1" + data)
print(time.process_time() - start)
"""


def test_hostile_streams_take_no_time():
    said = subprocess.run(
        [sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=True
    )
    assert float(said.stdout) < 2


# AV1


def sequence(*, reduced=False, clock=0, ids=False, screen=2, points=(9, 14, 9)) -> bytes:
    """Return a sequence header (AV1, section 5.5) as a unit; clock 1 is one of even steps."""
    writer = Writer().put((3, 0), (1, 1), (1, reduced))
    if reduced:
        writer.put((5, 8))
    else:
        writer.put((1, clock > 0))
        if clock:
            writer.put((32, 1), (32, 30), (1, clock == 1))
            writer = writer.golomb(3) if clock == 1 else writer
            writer.put((1, 1), (5, 9), (32, 7), (5, 3), (5, 11))
        writer.put((1, 1), (5, 1))
        for _ in range(2):
            writer.put((12, 1), (5, 9), (1, 0))
            writer.put(*[(1, 1), (21, 3)] if clock else [])
            writer.put((1, 1), (4, 3))
    writer.put((4, 7), (4, 6), (8, 159), (7, 119))
    if not reduced:
        writer.put((1, ids), *[(4, 3), (3, 2)] * ids)
    writer.put((3, 7))
    if not reduced:
        writer.put((4, 15), (1, 1), (2, 3), (1, screen == 2), *[(1, screen)] * (screen < 2))
        writer.put(*[(1, 1)] * (screen > 0), (3, 6))
    writer.put((3, 5), (1, 0), (1, 0), (1, points is not None))
    writer.put(*((8, point) for point in points or ()), (1, 1))
    return unit(1, writer.done())


def unit(kind: int, content: bytes) -> bytes:
    return bytes([kind << 3 | 2, len(content)]) + content


def frame(*, own: int, clock=0, ids=False, screen=2, kind=0) -> bytes:
    """Return the beginning of a frame (AV1, section 5.9.2); of other sides if it is its own."""
    writer = Writer().put((1, 0), (2, kind), (1, 1), (12 if clock == 2 else 0, 5))
    writer.put(*[(1, 0)] * (kind != 0), (1, 0), *[(1, 1)] * (screen == 2))
    writer.put(*[(1, 0)] * (screen > 0), (8 if ids else 0, 77), (1, own))
    return unit(6, writer.put((30, 0)).done())


@pytest.mark.parametrize("reduced", [True, False])
@pytest.mark.parametrize("clock", [0, 1, 2])
@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("screen", [0, 1, 2])
@pytest.mark.parametrize("own", [0, 1])
def test_sides_and_colours_of_av1_are_read_behind_whatever_is_before_them(
    reduced, clock, ids, screen, own
):
    stream = sequence(reduced=reduced, clock=clock, ids=ids, screen=screen)
    found = av1.stream_header(b"\x12\0" + stream)
    assert (found.sides, found.code_points) == ((160, 120), (9, 14, 9, 1))
    for kind in (0, 2):
        shown = frame(own=own, clock=clock, ids=ids, screen=screen, kind=kind)
        found = av1.stream_header(b"\x12\0" + stream + shown)
        assert found.may_be_smaller is bool(own and not reduced)


@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_of_av1_raise(data):
    for stream in (data, b"\x12\0\x0a" + data, b"\x0a\x20" + data, sequence() + data):
        found = av1.stream_header(stream)
        assert found is None or len(found.sides) == 2


# Sides that are said beside those that are coded


LIES = [(120, 160), (80, 60), (320, 240), (159, 119), (160, 121), (168, 128), (0, 0), (40_000,) * 2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("said", LIES, ids=str)
def test_a_picture_that_says_other_sides_than_it_has_is_refused_with_both(kind, said):
    data = dc.said_sides(dc.container(picture(160, 120), kind), *said)
    wide, high = said
    assert reason(data) == (
        f"truncated: says it has {wide} x {high} pixels, and is coded as 160 x 120"
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sides", [(160, 120), (161, 121), (65, 67), (17, 1), (1, 1)])
def test_sides_are_those_before_the_picture_is_cut_and_turned(kind, sides):
    image = picture(*sides)
    assert open_photo(dc.container(image, kind)).size == sides
    turned = letterbox(open_photo(dc.container(image, kind, dc.irot(1))), 32)
    assert turned[2] == sides[::-1]
    clear = dc.container(image.convert("RGBA"), kind, dc.clap(1, 1))
    assert letterbox(open_photo(clear), 32)[2] == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_is_drawn_and_neither_it_nor_its_tiles_may_say_other_sides(kind):
    tile = picture(128, 128)
    data = dc.container(tile, kind, quality=95)

    def grid(tile_sides=(128, 128), sides=(250, 200), said=None) -> bytes:
        return dc.grid(data, CODINGS[kind], 2, 2, tile_sides, sides, said)

    whole = Image.new("RGB", (256, 256))
    for place in ((0, 0), (128, 0), (0, 128), (128, 128)):
        whole.paste(tile, place)
    found = letterbox(open_photo(grid()), 250)[3]
    assert psnr(np.asarray(found), np.asarray(whole.crop((0, 0, 250, 200)))) > 35
    assert "128 x 96 pixels, and is coded as 128 x 128" in reason(grid((128, 96), (250, 180)))
    assert "250 x 256 pixels, and is put together as 250 x 200" in reason(grid(said=(250, 256)))


def with_other_sides_of_alpha(data: bytes, width: int, height: int) -> bytes:
    """Return a file whose transparency, its second item, has an `ispe` of its own."""
    data = bytearray(dc.with_properties(data, dc.box(b"ispe", struct.pack(">4xII", width, height))))
    first = data.index(b"ipma") + 14
    last = first + 1 + data[first]
    number, data[last - 1] = data[last - 1] & 0x7F, data[first + 1]
    kinds = [kind for kind, _ in dc.boxes(dc.property_of(bytes(data), b"ipco"))]
    sides = kinds.index(b"ispe") + 1
    second = range(last + 3, last + 3 + data[last + 2])
    (place,) = (place for place in second if data[place] & 0x7F == sides)
    data[place] = number
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_transparency_that_says_other_sides_is_refused_too(kind):
    image = picture(160, 120).convert("RGBA")
    image.putalpha(picture(160, 120, seed=2).convert("L"))
    clear = dc.container(image, kind)
    assert letterbox(open_photo(with_other_sides_of_alpha(clear, 160, 120)), 64)[2] == (160, 120)
    assert "says it has 80 x 60 pixels" in reason(with_other_sides_of_alpha(clear, 80, 60))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_sides_that_are_said_neither_may_be_wrong(kind, is_first):
    sides = [(80, 60), (160, 120)][:: 1 if is_first else -1]
    more = dc.box(b"ispe", struct.pack(">4xII", *sides[1]))
    data = dc.said_sides(dc.container(picture(160, 120), kind, more), *sides[0])
    assert "says it has 80 x 60 pixels, and is coded as 160 x 120" in reason(data)


def test_a_picture_of_several_layers_may_be_a_smaller_one():
    plain = dc.container(picture(160, 120), "AVIF")
    for said, is_refused in (((80, 60), False), ((80, 80), True), ((320, 240), True)):
        data = dc.said_sides(dc.with_properties(plain, dc.box(b"a1op", b"\0")), *said)
        if is_refused:
            assert "and is coded as 160 x 120" in reason(data)
        else:
            assert letterbox(open_photo(data), 64)[2] == said
            image = open_photo(data)
            assert decoding_memory(image, image.size, 0) == 4 * 3 * 160 * 120
            with pytest.raises(PhotoError, match="160 x 120"):
                open_photo(data, max_pixels=10_000)


def test_the_command_line_says_both_sides(granpipe, tmp_path):
    data = dc.said_sides(dc.container(picture(160, 120), "AVIF"), 80, 60)
    put(tmp_path / "img/corn/a.avif", data)
    granpipe("prepare", tmp_path / "img", tmp_path / "out", code=1)
    (row,) = rows(tmp_path / "out/rejected.csv")
    assert row["reason"] == "truncated"
    assert row["detail"] == "says it has 80 x 60 pixels, and is coded as 160 x 120"


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_of_a_grid_makes_what_reads_it_raise(kind):
    rng = random.Random(7)
    data = dc.grid(dc.container(picture(64, 64), kind), CODINGS[kind], 2, 1, (64, 64), (128, 64))
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 2, 5])):
            changed[rng.randrange(700)] = rng.randrange(256)
        try:
            letterbox(open_photo(bytes(changed)), 32)
        except PhotoError as error:
            assert error.reason in {"truncated", "unsupported", "unreadable", "too_large"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filling", [b"\0", b"\xff"], ids=["zeros", "ones"])
def test_what_was_never_written_or_is_erased_is_missing(granpipe, tmp_path, kind, filling):
    suffix, folder = kind.lower(), tmp_path / "img/corn"
    whole = save(folder / f"a.{suffix}", textured(1, (640, 480)), quality=90).read_bytes()
    names = set()
    for start in (len(whole) * share // 10 & ~511 for share in (3, 6, 8)):
        for name, end in (
            (f"hole{start}", min(start + 4096, len(whole))),
            (f"end{start}", len(whole)),
        ):
            damaged = whole[:start] + filling * (end - start) + whole[end:]
            (folder / f"{name}.{suffix}").write_bytes(damaged + name.encode())
            names.add(f"corn/{name}.{suffix}")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == dict.fromkeys(names, "truncated")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_missing_of_flat_pictures(granpipe, tmp_path, kind):
    for level in (0, 128, 255):
        flat = Image.new("RGB", (2000, 1500), (level,) * 3)
        flat.paste(textured(level).resize((2000, 500)))
        save(tmp_path / f"img/corn/{level}.{kind.lower()}", flat)
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == {}
