"""Pictures that are damaged, or larger than is good: told, and never taken for whole."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, features

from granpipe.errors import PhotoError
from granpipe.photo.decoding import load
from granpipe.photo.exif import read_capture
from granpipe.photo.letterbox import letterbox
from granpipe.photo.memory import check_memory, decoding_memory
from granpipe.photo.opening import open_photo

from conftest import encoded, picture, reason


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def with_hole(data: bytes) -> bytes:
    """Return a file with 4,096 bytes in its middle set to zero."""
    middle = len(data) // 2
    return data[:middle] + bytes(4096) + data[middle + 4096 :]


def test_a_picture_whose_decoding_failed_once_is_failed_for_ever():
    image = open_photo(with_hole(encoded(noise(200, 150), "PNG")))
    for _ in range(3):
        with pytest.raises(PhotoError, match="truncated"):
            load(image)
    with pytest.raises(PhotoError, match="truncated"):
        letterbox(image)


def test_a_damaged_png_is_truncated_after_its_exif_was_looked_for():
    data = with_hole(encoded(noise(200, 150), "PNG"))
    image = open_photo(data)
    read_capture(image, data)
    with pytest.raises(PhotoError, match="truncated"):
        letterbox(image)


def tiff_with_rows(rows_in_strips: int, height: int = 75) -> bytes:
    """Return a raw TIFF whose strips hold fewer rows than it declares."""
    data = bytearray(encoded(noise(40, rows_in_strips), "TIFF"))
    with Image.open(io.BytesIO(data)) as image:
        tags = {257: rows_in_strips, 278: image.tag_v2[278]}
    place = int.from_bytes(data[4:8], "little")
    for entry in range(int.from_bytes(data[place : place + 2], "little")):
        at = place + 2 + 12 * entry
        if int.from_bytes(data[at : at + 2], "little") == 257:
            assert int.from_bytes(data[at + 8 : at + 10], "little") == tags[257]
            data[at + 8 : at + 10] = height.to_bytes(2, "little")
    return bytes(data)


def test_a_raw_tiff_whose_strips_cover_a_few_rows_only_is_truncated():
    assert letterbox(open_photo(tiff_with_rows(75)))[2] == (40, 75)
    with pytest.raises(PhotoError, match="truncated"):
        letterbox(open_photo(tiff_with_rows(3)))


def tiff_of_planes(planes: list[np.ndarray], compression: int = 1) -> bytes:
    """Return a little-endian TIFF whose channels stand apart."""
    height, width = planes[0].shape
    count, bits = len(planes), planes[0].itemsize * 8
    parts = [one.tobytes() for one in planes]
    if compression != 1:
        parts = [zlib.compress(part) for part in parts]
    numbers = {
        256: [width],
        257: [height],
        258: [bits] * count,
        259: [compression],
        262: [2 if count > 2 else 1],
        273: [8 + sum(map(len, parts[:place])) for place in range(count)],
        277: [count],
        278: [height],
        279: [len(part) for part in parts],
        284: [2],
    }
    if count == 2:
        numbers[338] = [2]
    end = 8 + sum(map(len, parts))
    directory, values = struct.pack("<H", len(numbers)), b""
    for tag, ones in numbers.items():
        data = struct.pack(f"<{len(ones)}I", *ones)
        at = end + 6 + 12 * len(numbers) + len(values)
        if len(ones) > 1:
            values, data = values + data, struct.pack("<I", at)
        directory += struct.pack("<HHI", tag, 4, len(ones)) + data
    return b"II*\0" + struct.pack("<I", end) + b"".join(parts) + directory + bytes(4) + values


@pytest.mark.parametrize(("bits", "channels"), [(8, 3), (16, 3), (8, 2)])
@pytest.mark.parametrize("compression", [1, 8])
def test_a_tiff_whose_channels_stand_apart_is_drawn_right_or_unsupported(
    bits, channels, compression
):
    pixels = np.asarray(noise(40, 30))
    kind = pixels.dtype.newbyteorder("<") if bits == 8 else np.dtype("<u2")
    planes = [
        pixels[..., at % 3].astype(kind) * (257 if bits == 16 else 1) for at in range(channels)
    ]
    data = tiff_of_planes(planes, compression)
    if channels == 2 or (bits == 16 and compression == 1):
        assert re.match("unsupported: .*apart", reason(data))
    else:
        assert np.array_equal(letterbox(open_photo(data))[0], letterbox(Image.fromarray(pixels))[0])


def test_pixels_of_other_sides_than_the_header_says_are_truncated(monkeypatch):
    image = open_photo(encoded(picture(), "BMP"))
    monkeypatch.setattr(image, "load", lambda: setattr(image, "_size", (9, 9)))
    with pytest.raises(PhotoError, match="other sides"):
        load(image)


@pytest.mark.parametrize(
    ("mode", "format", "buffers"),
    [
        ("RGB", "PNG", 1),
        ("RGBA", "PNG", 2),
        ("P", "PNG", 2),
        ("RGB", "BMP", 1),
        ("RGB", "TIFF", 2),
        ("RGBA", "TIFF", 3),
        ("RGB", "WEBP", 4),
        ("RGBA", "WEBP", 4),
        pytest.param(
            *("RGB", "AVIF", 3),
            marks=pytest.mark.skipif(not features.check("avif"), reason="Pillow without AVIF"),
        ),
    ],
)
def test_memory_is_the_file_and_four_bytes_a_pixel_for_each_buffer(mode, format, buffers):
    data = encoded(picture(60, 50).convert(mode), format)
    image = open_photo(data)
    assert decoding_memory(image, image.size, len(data)) == len(data) + 4 * buffers * 60 * 50


def test_a_jpeg_takes_memory_for_its_reduced_scale_unless_it_is_progressive():
    for progressive, buffers in ((False, 0), (True, 2)):
        data = encoded(picture(800, 640), "JPEG", progressive=progressive)
        image = open_photo(data)
        image.draft(None, (100, 80))
        needed = decoding_memory(image, (800, 640), 0)
        assert needed == 4 * 100 * 80 + 4 * buffers * 800 * 640


def test_a_picture_of_many_short_rows_takes_memory_for_each_row():
    narrow = Image.new("L", (1, 30_000_000))  # which Pillow keeps in 270 MB
    assert decoding_memory(narrow, narrow.size, 0) > 270_000_000


def test_a_picture_of_long_rows_takes_memory_for_their_scaling():
    wide = Image.new("L", (40_000_000, 1))  # whose scaling takes 1,920 MB
    assert decoding_memory(wide, wide.size, 0) > 1_920_000_000


def test_what_takes_more_memory_than_allowed_is_too_large_and_says_how_much():
    image = open_photo(encoded(Image.new("1", (15_000, 12_000)), "PNG"))
    check_memory(image, image.size, 0, max_memory=720_000_000)
    said = "too_large: would take 720 MB to decode, 700 MB are allowed"
    with pytest.raises(PhotoError, match=said):
        letterbox(image)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_the_same_in_strips(format):
    rows = np.arange(600, dtype=np.uint16)[:, None] * 109
    grey = np.broadcast_to(rows, (600, 40)).copy()
    array, box, *_ = letterbox(open_photo(encoded(Image.fromarray(grey), format)), 600)
    content = array[box.top : box.bottom, box.left : box.right, 0].astype(int)
    assert np.abs(content - np.round(grey / 257)).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_png_whose_pixel_checksums_are_wrong_is_truncated(mode):
    data = bytearray(encoded(noise(90, 70).convert(mode), "PNG"))
    place = data.index(b"IDAT") + 4
    end = place + int.from_bytes(data[place - 8 : place - 4], "big")
    data[end] ^= 1  # the checksum itself: the pixels are as they were
    with pytest.raises(PhotoError, match="checksum"):
        letterbox(open_photo(bytes(data)))


@pytest.mark.parametrize("missing", [0, 1, 35])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_a_png_whose_data_end_before_its_rows_do_is_truncated(mode, missing):
    image = Image.new("RGB", (90, 70)).convert(mode)  # black to its last row
    data = encoded(image, "PNG")
    start = data.index(b"IDAT") - 4
    pixels = zlib.decompress(data[start + 8 :])
    rest = b"IDAT" + zlib.compress(pixels[: len(pixels) * (70 - missing) // 70])
    sums = zlib.crc32(rest).to_bytes(4, "big")
    short = data[:start] + (len(rest) - 4).to_bytes(4, "big") + rest + sums + data[-12:]
    if missing:
        with pytest.raises(PhotoError, match="its data end"):
            load(open_photo(short))
    else:
        assert load(open_photo(short)).tobytes() == image.tobytes()


@pytest.mark.parametrize("size", [9, 64])
def test_a_png_without_the_palette_that_it_promises_is_truncated(size):
    data = encoded(noise(90, 70).quantize(9), "PNG")
    start = data.index(b"PLTE") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    with pytest.raises(PhotoError, match="truncated"):
        letterbox(open_photo(data[:start] + data[end:]), size)


def tiff_of_strips(change_offsets, change_counts) -> bytes:
    """Return a raw TIFF of four strips (TIFF 6.0, section 2), with their tags changed."""
    width, rows, strips = 40, 15, 4
    pixels = np.asarray(noise(width, rows * strips)).tobytes()
    size = len(pixels) // strips
    starts = 8 + np.arange(strips) * size
    offsets, counts = change_offsets(starts), change_counts(np.full(strips, size))
    arrays = len(pixels) + 8
    lists = struct.pack("<3H4I4I", 8, 8, 8, *offsets, *counts)
    tags = [(256, 3, 1, width), (257, 3, 1, rows * strips), (258, 3, 3, arrays), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 2), (273, 4, 4, arrays + 6), (277, 3, 1, 3), (278, 3, 1, rows)]
    tags += [(279, 4, 4, arrays + 22)]
    table = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = struct.pack("<2sHI", b"II", 42, arrays + len(lists))
    return head + pixels + lists + table + bytes(4)


def as_it_is(numbers):
    return numbers


@pytest.mark.parametrize(
    ("change_offsets", "change_counts"),
    [(lambda offsets: offsets * 0 + offsets[0], as_it_is), (as_it_is, lambda counts: counts // 2)],
    ids=["one strip for all", "short strips"],
)
def test_a_raw_tiff_whose_strips_contradict_the_picture_is_truncated(change_offsets, change_counts):
    assert letterbox(open_photo(tiff_of_strips(as_it_is, as_it_is)))[2] == (40, 60)
    with pytest.raises(PhotoError, match="strips"):
        letterbox(open_photo(tiff_of_strips(change_offsets, change_counts)))


def jpeg(**options) -> bytes:
    image = picture(320, 240).resize((640, 480))
    return encoded(image, "JPEG", quality=85, **options)


KINDS = [{}, {"progressive": True}, {"restart_marker_rows": 1}]


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("tail", [b"", bytes(3000), b"\xff" * 99, jpeg()], ids=len)
def test_a_sound_jpeg_is_drawn_as_pillow_draws_it_whatever_follows_its_end(options, tail):
    data = jpeg(**options)
    with Image.open(io.BytesIO(data)) as plain:
        assert load(open_photo(data + tail)).tobytes() == plain.tobytes()


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("count", [300, 900])
@pytest.mark.parametrize("inserted", [True, False])
def test_a_jpeg_with_codes_too_many_or_too_few_is_truncated(options, count, inserted):
    data = jpeg(**options)
    middle = data.rindex(b"\xff\xda") + (len(data) - data.rindex(b"\xff\xda")) // 2
    more = data[middle - count : middle] if inserted else b""
    damaged = data[:middle] + more + data[middle + (0 if inserted else count) :]
    with Image.open(io.BytesIO(damaged)) as plain:
        plain.load()  # Pillow says nothing
    with pytest.raises(PhotoError, match="truncated"):
        load(open_photo(damaged))


def test_a_jpeg_that_lacks_whole_restart_intervals_is_truncated():
    data = jpeg(restart_marker_rows=1)
    first, second = (data.index(bytes([0xFF, 0xD0 + number])) for number in (2, 3))
    with pytest.raises(PhotoError, match="missing"):
        load(open_photo(data[:first] + data[second:]))


def test_what_no_memory_is_found_for_is_too_large_and_says_its_sides(monkeypatch):
    image = open_photo(encoded(picture(), "BMP"))
    width, height = image.size

    def load_nothing():
        raise MemoryError

    monkeypatch.setattr(image, "load", load_nothing)
    with pytest.raises(PhotoError, match=f"{width} x {height} pixels: rows too long"):
        load(image)
