"""What is merely unknown is unsupported and named; what is no part of a picture never costs it."""

import random
import struct
import subprocess
import sys
import zlib

import numpy as np
import PIL
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.decoding import load
from granpipe.photo.exif import read_capture
from granpipe.photo.kinds import begins_like_photo
from granpipe.photo.letterbox import letterbox
from granpipe.photo.memory import decoding_memory
from granpipe.photo.opening import open_photo
from granpipe.photo.png_chunks import read_chunks
from granpipe.photo.unread import bmp_profile, describe, is_lossless, simpler, webp_sides

import draw_samples
import exif_blocks as eb
from conftest import drawn, encoded, picture, psnr, reason, rejects, rows, save
from draw_containers import chunk, raw_tiffs, tags_of, tiff, with_page

BLOCK = eb.block(eb.gps(), image={0x0112: eb.short(6)})


# GIF, and what openers make room for


def gif(width: int, height: int, disposal: int = 2) -> bytes:
    """Return a GIF of one pixel in a frame that claims other sides."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    control = b"!\xf9\4" + bytes([disposal << 2]) + bytes(4)
    return head + control + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2D\1\0;"


OPENING = """
import resource, sys
from granpipe.errors import PhotoError
from granpipe.photo.opening import open_photo
open_photo(open(sys.argv[1], "rb").read())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_photo(open(sys.argv[2], "rb").read(), 200_000_000, 700_000_000)
except PhotoError as error:
    print(error.reason)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def huge_webp(side: int, **options) -> bytes:
    data = bytearray(encoded(picture(), "WEBP", **options))
    place = data.index(b"VP8X") + 12
    data[place : place + 6] = (side - 1).to_bytes(3, "little") * 2
    return bytes(data)


HUGE = {
    "a frame of a GIF": (gif(65_535, 65_535), "unsupported"),
    "a small frame of a GIF": (gif(1, 1), "unsupported"),
    "an animated WebP": (
        huge_webp(16_000, save_all=True, append_images=[picture(seed=1)]),
        "too_large",
    ),
    "an animated WebP of too many buffers": (
        huge_webp(8_000, save_all=True, append_images=[picture(seed=1)]),
        "too_large",
    ),
}


def tiff_of_strips(count: int, place: int = 8) -> bytes:
    """Return a TIFF that claims so many strips, and holds their places."""
    numbers = b"".join(struct.pack("<I", place) for _ in range(count))
    tags = {0x100: eb.short(1), 0x101: eb.long(count), 0x102: eb.short(8), 0x103: eb.short(1)}
    tags |= {0x106: eb.short(1), 0x115: eb.short(1), 0x116: eb.short(1), 0x117: eb.long(1)}
    tags[0x111] = eb.Value(eb.LONG, "B", tuple(numbers))
    data = eb.block(image=tags)
    at = data.index(struct.pack("<HHI", 0x111, 4, 4 * count))
    return data[: at + 4] + struct.pack("<I", count) + data[at + 8 :]


HUGE["a TIFF of very many strips"] = (tiff_of_strips(300_000), "too_large")


@pytest.mark.parametrize(("data", "word"), HUGE.values(), ids=HUGE)
def test_nothing_that_a_header_claims_makes_the_opener_take_memory(tmp_path, data, word):
    (tmp_path / "sound.jpg").write_bytes(encoded(picture(), "JPEG"))
    (tmp_path / "huge.jpg").write_bytes(data)
    command = [sys.executable, "-c", OPENING, tmp_path / "sound.jpg", tmp_path / "huge.jpg"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == word
    assert int(said[1]) < 30  # MB


def test_a_gif_is_unsupported_in_prepare_and_map_whatever_its_name(granpipe, tmp_path):
    path = tmp_path / "img/corn/a.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(gif(65_535, 65_535))
    save(tmp_path / "img/corn/b.jpg")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == {"corn/a.jpg": "unsupported"}
    granpipe("map", tmp_path / "img", "-o", tmp_path / "map.csv")
    assert rows(tmp_path / "map.csv")[0]["detail"] == "is a GIF"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\x0a\xfa\x7f", "unsupported: is JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported: is JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "unsupported: is JPEG 2000"),
        (b"8BPS\0\1", "unsupported: is a Photoshop document"),
        (b"\0\0\0\x18ftypisom\0\0\2\0", "unreadable: is no picture, whatever its name says"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "unreadable: is no picture, whatever its name says"),
        (b"<!DOCTYPE html>", "unreadable: is no picture, whatever its name says"),
        (b"\0\0\0\x18ftypavif\0\0\2\0", "truncated: cut off or damaged before its pixels begin"),
    ],
    ids=["JXL", "JXL in boxes", "JP2", "PSD", "film", "sound", "page", "AVIF"],
)
def test_what_is_no_photograph_is_not_called_damaged(data, said):
    assert reason(data + bytes(99)) == said


@pytest.mark.parametrize("filling", [b"\0", b"\xff"], ids=["zeros", "ones"])
@pytest.mark.parametrize("size", [512, 10**6])
def test_a_file_that_begins_with_what_was_never_written_is_damaged(
    granpipe, tmp_path, filling, size
):
    path = save(tmp_path / "img/corn/a.jpg")
    path.write_bytes((filling * size)[: path.stat().st_size] + path.read_bytes()[size:])
    granpipe("prepare", tmp_path / "img", tmp_path / "out", code=1)
    (row,) = rows(tmp_path / "out/rejected.csv")
    assert row["reason"] == "truncated"
    assert row["detail"] == "its beginning was never written, or is erased"


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": BLOCK}], ids=str)
def test_the_sides_of_a_webp_are_read_as_pillow_reads_them(options):
    assert webp_sides(encoded(picture(123, 45), "WEBP", **options)) == (123, 45)


# JPEG


def jpeg_of_bits(bits: int, marker: int = 0xC1, channels: int = 3) -> bytes:
    """Return a JPEG whose frame claims to be of another kind."""
    data = bytearray(encoded(picture(), "JPEG"))
    place = data.index(b"\xff\xc0")
    data[place + 1], data[place + 4], data[place + 9] = marker, bits, channels
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (jpeg_of_bits(12), "is a 12-bit JPEG"),
        (jpeg_of_bits(12, 0xC2), "is a 12-bit JPEG"),
        (jpeg_of_bits(16, 0xC3), "is a 16-bit lossless JPEG"),
        (jpeg_of_bits(8, 0xC5), "is a hierarchical JPEG"),
        (jpeg_of_bits(8, 0xCB), "is a lossless JPEG of arithmetic codes"),
        (jpeg_of_bits(8, 0xF7), "is JPEG-LS"),
        (jpeg_of_bits(8, 0xC0, 2), "is a JPEG of 2 channels"),
    ],
    ids=["12 bits", "12 bits, progressive", "16 bits", "hierarchical", "arithmetic", "LS", "2"],
)
def test_a_jpeg_that_is_not_read_is_unsupported_and_named(data, what):
    assert reason(data) == f"unsupported: {what}"


@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_lossless_jpeg_does_not_take_ycbcr_for_rgb(subsampling):
    """Decoders take three channels without a name for RGB; ffmpeg writes YCbCr so."""
    data = bytearray(encoded(picture(), "JPEG", subsampling=subsampling))
    data[data.index(b"\xff\xc0") + 1] = 0xC3
    film = eb.segment(0xFE, b"Lavc59.37.100\0")
    said = "unsupported: is a lossless JPEG whose colours, YCbCr it seems, are not named"
    assert reason(bytes(data[:2] + film + data[20:])) == said
    if subsampling:
        assert reason(bytes(data[:2] + data[20:])) == said


def lossless(levels: np.ndarray) -> bytes:
    """Return a lossless JPEG of grey levels (ITU T.81, annex H), each predicted by its left one."""
    height, width = levels.shape
    before = np.concatenate([np.full((1, 1), 128), levels[:-1, :1]])
    steps = levels.astype(int) - np.hstack([before, levels[:, :-1]])
    bits = []
    for step in steps.ravel().tolist():
        size = abs(step).bit_length()
        value = step if step > 0 else step + (1 << size) - 1
        bits.append(f"{size:04b}" + (f"{value:0{size}b}" if size else ""))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    codes = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0, 0, 0, 0, 9, *[0] * 12, *range(9)])
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    return b"".join(
        [
            b"\xff\xd8",
            eb.segment(0xC3, frame),
            eb.segment(0xC4, table),
            eb.segment(0xDA, bytes([1, 1, 0, 1, 0, 0])),
            codes,
            b"\xff\xd9",
        ]
    )


@pytest.mark.parametrize(("width", "height"), [(64, 48), (640, 110), (1500, 900)])
def test_a_lossless_jpeg_of_any_size_is_drawn(width, height):
    grey = picture(width, height).convert("L")
    data = lossless(np.asarray(grey))
    assert is_lossless(data)
    found = letterbox(open_photo(data), 224)[3]
    expected = letterbox(open_photo(encoded(grey, "PNG")), 224)[3]
    assert np.array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("width", [1, 64, 600, 627, 640, 1300])
def test_a_lossless_jpeg_without_its_end_is_truncated_as_others_are(width):
    data = lossless(np.asarray(picture(width, 90).convert("L")))
    said = "truncated: lacks only its end marker, it seems; save it again"
    assert reason(data[:-2]) == said
    half = data[: len(data) // 2]
    assert reason(half) == "truncated: the file ends before its pixels do"
    assert reason(half + data[-2:]) == "truncated: its codes end before its pixels do"


ODD_SEGMENTS = {
    "JFIF of 7 bytes": eb.segment(0xE0, b"JFIF\0"),
    "JFIF of 4 bytes": eb.segment(0xE0, b"JFIF"),
    "Adobe of 6 bytes": eb.segment(0xEE, b"Adobe\0"),
    "Photoshop": eb.segment(0xED, b"Photoshop 3.0\0" + b"8BIM" * 3),
    "MPF": eb.segment(0xE2, b"MPF\0" + b"II*\0\xff\xff"),
    "a profile of 12 bytes": eb.segment(0xE2, b"ICC_PROFILE\0"),
    "EXIF of nothing": eb.segment(0xE1, b"Exif\0\0"),
    "a reserved marker": eb.segment(0xF3, b"nobody knows"),
    "another reserved marker": eb.segment(0x4F, b"nobody knows"),
    "EXIF twice": eb.segment(0xE1, b"Exif\0\0" + BLOCK) * 2,
}


@pytest.mark.parametrize("odd", ODD_SEGMENTS.values(), ids=ODD_SEGMENTS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_an_odd_segment_does_not_cost_a_jpeg(odd, mode):
    data = encoded(picture(320, 240).convert(mode), "JPEG", quality=90)
    plain = data[:2] + data[20:]
    assert data[2:4] == b"\xff\xe0"
    for changed in (data[:2] + odd + data[2:], plain[:2] + odd + plain[2:]):
        found = drawn(changed)
        turned = BLOCK in changed
        assert np.array_equal(found, drawn(data) if not turned else np.rot90(drawn(data), -1))


def test_exif_beside_an_odd_segment_is_read():
    data = encoded(picture(), "JPEG")
    odd = ODD_SEGMENTS["JFIF of 4 bytes"] + eb.segment(0xE1, b"Exif\0\0" + BLOCK)
    capture = read_capture(open_photo(data[:2] + odd + data[2:]))
    assert (capture.verdict, capture.position.lat) == ("ok", 12.51)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str
)
@pytest.mark.parametrize("left", [b"", b"\xff"])
def test_a_jpeg_that_lacks_its_end_marker_alone_says_that(options, left):
    data = encoded(picture(320, 240), "JPEG", **options)
    assert reason(data[:-2] + left) == (
        "truncated: lacks only its end marker, it seems; save it again"
    )
    assert "before its pixels do" in reason(data[:-200])


# PNG


def png(chunk: bytes, image: Image.Image | None = None, *, is_behind: bool = False) -> bytes:
    data = encoded(image or picture(), "PNG")
    place = len(data) - 12 if is_behind else 33
    return data[:place] + chunk + data[place:]


LONG = zlib.compress(bytes(3_000_000))
ODD_CHUNKS = {
    "packed text of 3 MB": chunk(b"zTXt", b"Comment\0\0" + LONG),
    "packed international text of 3 MB": chunk(b"iTXt", b"Comment\0\1\0\0\0" + LONG),
    "70 MB of text": chunk(b"tEXt", b"Comment\0" + b"x" * 1_000_000) * 70,
    "a text that is not packed": chunk(b"zTXt", b"Comment\0\0nonsense"),
    "packed in an unknown way": chunk(b"zTXt", b"Comment\0\7nonsense"),
    "a checksum of a text": chunk(b"tEXt", b"Comment\0hello", is_whole=False),
    "gAMA of 2 bytes": chunk(b"gAMA", b"\0\0"),
    "cHRM of 2 bytes": chunk(b"cHRM", b"\0\0"),
    "pHYs of 2 bytes": chunk(b"pHYs", b"\0\0"),
    "a profile of 3 MB": chunk(b"iCCP", b"name\0\0" + LONG),
    "a profile packed in an unknown way": chunk(b"iCCP", b"name\0\7"),
    "acTL of 2 bytes": chunk(b"acTL", b"\0\0"),
    "no keyword": chunk(b"iTXt", b""),
    "another frame's pixels": chunk(b"fdAT", b"\0\0\0\1nonsense"),
    "another frame": chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", b"\0"),
    "a suggested palette": chunk(b"PLTE", bytes(6), is_whole=False),
    "half a suggested palette": chunk(b"PLTE", bytes(2)),
}


@pytest.mark.parametrize("odd", ODD_CHUNKS.values(), ids=ODD_CHUNKS)
@pytest.mark.parametrize("is_behind", [False, True])
def test_an_odd_chunk_does_not_cost_a_png(odd, is_behind):
    assert np.array_equal(drawn(png(odd, is_behind=is_behind)), drawn(encoded(picture(), "PNG")))


ODD_KEYS = [
    *((mode, size) for mode in ("1", "L", "RGB", "LA", "RGBA") for size in (0, 1, 3, 4, 5, 7, 300)),
    *(("P", size) for size in (0, 257, 300)),
]


@pytest.mark.parametrize(("mode", "size"), ODD_KEYS)
def test_a_colour_key_of_a_length_that_cannot_be_does_not_cost_a_png(mode, size):
    plain = encoded(picture(64, 48).convert(mode), "PNG")
    place = plain.index(b"IDAT") - 4
    odd = plain[:place] + chunk(b"tRNS", bytes(size)) + plain[place:]
    found, expected = (drawn(data, fill=(200, 30, 10)) for data in (odd, plain))
    assert np.array_equal(found, expected)


def test_a_colour_key_counts_once_and_before_the_pixels():
    levels = np.full((8, 8), 77)
    data = grey_png(8, levels, 77)
    assert tuple(drawn(data, fill=(200, 30, 10))[32, 32]) == (200, 30, 10)
    key, other = (chunk(b"tRNS", struct.pack(">H", level)) for level in (77, 99))
    assert tuple(drawn(data.replace(key, key + other), fill=(200, 30, 10))[32, 32]) == (200, 30, 10)
    late = data.replace(key, b"").replace(chunk(b"IEND", b""), key + chunk(b"IEND", b""))
    assert tuple(drawn(late, fill=(200, 30, 10))[32, 32]) == (77, 77, 77)


def test_a_large_profile_of_a_png_counts():
    profile = draw_samples._display_p3()
    start = struct.unpack_from(">I", profile, 0)[0]
    large = struct.pack(">I", start + 2_000_000) + profile[4:] + bytes(2_000_000)
    odd = chunk(b"iCCP", b"name\0\0" + zlib.compress(large))
    expected = drawn(encoded(picture(), "PNG", icc_profile=profile))
    assert np.array_equal(drawn(png(odd)), expected)


def raw_profile(name: str, block: bytes) -> bytes:
    """Return EXIF as ImageMagick and exiv2 write it into a text."""
    digits = block.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n{name}\n{len(block):8}\n{lines}\n".encode()


@pytest.mark.parametrize("keyword", ["exif", "APP1"])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("head", [b"", b"Exif\0\0"])
@pytest.mark.parametrize("is_behind", [False, True])
def test_exif_in_a_text_of_a_png_turns_it_and_gives_its_position(keyword, kind, head, is_behind):
    text = raw_profile(keyword.lower(), head + BLOCK)
    before = {b"tEXt": b"\0", b"zTXt": b"\0\0", b"iTXt": b"\0\1\0\0\0"}[kind]
    content = text if kind == b"tEXt" else zlib.compress(text)
    odd = chunk(kind, f"Raw profile type {keyword}".encode() + before + content)
    data = png(odd, is_behind=is_behind)
    assert letterbox(open_photo(data), 64)[2] == (48, 64)
    capture = read_capture(open_photo(data))
    assert (capture.verdict, capture.position.lat, capture.position.lon) == ("ok", 12.51, 45.255)


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"\nexif\n", b"\nexif\n  4\nzz", b"exif 4 4d4d", b"\nexif\n 1\n\xff"]
)
def test_a_text_that_holds_no_exif_gives_none(text):
    data = png(chunk(b"tEXt", b"Raw profile type exif\0" + text))
    assert read_capture(open_photo(data)).verdict == "no_exif"


XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def test_an_orientation_in_xmp_alone_turns_nothing_and_is_flagged(granpipe, tmp_path):
    corn = tmp_path / "img/corn"
    corn.mkdir(parents=True)
    image = picture(320, 240)
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
    (corn / "a.png").write_bytes(png(text, image))
    (corn / "b.jpg").write_bytes(eb.jpeg(None, eb.xmp(XMP), picture=image))
    (corn / "c.jpg").write_bytes(eb.jpeg(BLOCK, eb.xmp(XMP), picture=image))
    image.save(corn / "d.webp", xmp=XMP)
    image.save(corn / "e.tif", tiffinfo={700: XMP})
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    found = {
        row["source"][5:]: (row["width"], "orientation" in row["flags"].split())
        for row in rows(tmp_path / "out/labels.csv")
    }
    assert found == {
        **dict.fromkeys(("a.png", "b.jpg", "d.webp", "e.tif"), ("320", True)),
        "c.jpg": ("240", False),
    }


# Grey and colours that are transparent


def grey_png(depth: int, levels: np.ndarray, key: int) -> bytes:
    """Return a PNG of one channel, of which one level is transparent."""
    height, width = levels.shape
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    bits = ((levels[..., None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
    lines = np.packbits(bits.reshape(height, -1), axis=1)
    pixels = b"".join(b"\0" + line.tobytes() for line in lines)
    clear = chunk(b"tRNS", struct.pack(">H", key))
    rest = chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + clear + rest


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_grey_that_is_transparent_shows_the_fill(depth):
    most = 2**depth - 1
    levels = np.zeros((32, 32), int)
    levels[:, 8:16], levels[:, 16:24], levels[:, 24:] = most // 3, most, max(most - 1, 0)
    key = most
    array = drawn(grey_png(depth, levels, key), 32, fill=(200, 30, 10))
    assert tuple(array[16, 20]) == (200, 30, 10)
    # A level beside it is not transparent, however near it is.
    expected = round(255 * (most - 1) / most)
    assert tuple(array[16, 28]) == (expected,) * 3
    assert tuple(array[16, 4]) == (0, 0, 0)


def colour_png(levels: np.ndarray, key: tuple[int, ...]) -> bytes:
    height, width, _ = levels.shape
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    pixels = b"".join(b"\0" + line.astype(">u2").tobytes() for line in levels)
    rest = chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"tRNS", struct.pack(">3H", *key)) + rest


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_bits_above_the_depth_do_not_count_in_the_grey_that_is_transparent(depth):
    levels = np.zeros((32, 32), int)
    levels[:, 16:] = 2**depth - 1
    for key in (0, 2**depth - 1):
        plain = drawn(grey_png(depth, levels, key), 32, fill=(200, 30, 10))
        for above in (1 << depth, 0xFFFF << depth & 0xFFFF):
            data = grey_png(depth, levels, key | above)
            assert np.array_equal(drawn(data, 32, fill=(200, 30, 10)), plain)


def test_bits_above_the_depth_do_not_count_in_the_colour_that_is_transparent():
    leaf = Image.new("RGB", (32, 32), (90, 140, 60))
    leaf.paste((200, 40, 40), (0, 0, 16, 32))
    data = encoded(leaf, "PNG")
    for above in (0, 0x100, 0xFF00):
        key = struct.pack(">3H", *(above | level for level in (90, 140, 60)))
        clear = data[:33] + chunk(b"tRNS", key) + data[33:]
        array = drawn(clear, 32, fill=(1, 2, 3))
        assert (tuple(array[5, 25]), tuple(array[5, 5])) == ((1, 2, 3), (200, 40, 40))


def test_the_colour_of_16_bits_that_is_transparent_is_that_one_alone():
    levels = np.full((200, 32, 3), 0x1234)
    levels[:, 16:] = (0x1234, 0x1234, 0x1235)
    array = drawn(colour_png(levels, (0x1234, 0x1234, 0x1234)), 200, fill=(200, 30, 10))
    assert tuple(array[100, 90]) == (200, 30, 10)
    assert tuple(array[100, 112]) == (0x12, 0x12, 0x12)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_16_bits_takes_two_buffers_more(channels):
    if channels == 3:
        data = colour_png(np.zeros((60, 50, 3), int), (1, 2, 3))
    else:
        data = grey_png(16, np.zeros((60, 50), int), 1)
    image = open_photo(data)
    assert decoding_memory(image, image.size, 0) == 3 * 4 * 60 * 50


# TIFF and BMP


def tiff_of_bits(bits: int, photometric: int, channels: int, order: str, kind: int = 1) -> bytes:
    tags = tags_of(16, 8, photometric, *[bits] * channels)
    tags |= {0x153: eb.short(*[kind] * channels)} if kind != 1 else {}
    return tiff(tags, bytes(16 * 8 * channels * bits // 8), order)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("bits", "photometric", "channels", "kind", "words"),
    [
        *((bits, 2, 3, 1, f"{bits}-bit RGB") for bits in (2, 4, 10, 12, 14, 24, 32)),
        *((bits, 1, 1, 1, f"{bits}-bit grey") for bits in (10, 14, 24)),
        (12, 0, 1, 1, "12-bit white-is-zero grey"),
        (16, 2, 3, 3, "16-bit floating-point RGB"),
        (32, 2, 3, 3, "32-bit floating-point RGB"),
        (16, 32845, 3, 2, "16-bit signed LogLuv of 3 channels"),
        (16, 32844, 1, 2, "16-bit signed LogL"),
    ],
)
def test_a_tiff_of_pixels_that_are_not_read_is_unsupported_and_says_what_they_are(
    bits, photometric, channels, kind, words, order
):
    data = tiff_of_bits(bits, photometric, channels, order, kind)
    assert reason(data) == f"unsupported: is a TIFF whose pixels are not read: {words}"
    for end in (20, 60, len(data) // 3):  # a part of it is damaged, whatever it was to be
        assert reason(data[:end]).startswith(("truncated", "unsupported: is a TIFF"))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", raw_tiffs())
def test_a_raw_photograph_is_unsupported_and_not_drawn_as_its_preview(name, order):
    data, said = raw_tiffs(order)[name]
    assert reason(data) == f"unsupported: {said}"
    assert not begins_like_photo(data)
    for end in range(20, len(data), 37):
        assert reason(data[:end]).startswith(("truncated", "unsupported", "unreadable"))


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"FUJIFILMCCD-RAW 0201FF129502", "Fujifilm RAF"),
        (b"IIRO\x08\0\0\0", "Olympus ORF"),
        (b"MMOR\0\0\0\x08", "Olympus ORF"),
        (b"IIU\0\x18\0\0\0", "Panasonic RW2"),
        (b"II*\0\x10\0\0\0CR\2\0", "Canon CR2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "Canon CR3"),
    ],
)
def test_a_raw_photograph_is_known_by_how_it_begins(beginning, kind):
    data = beginning + bytes(2000)
    assert reason(data) == f"unsupported: is a raw photograph: {kind}"
    assert not begins_like_photo(data)


def test_a_tiff_of_several_pictures_is_not_raw():
    small = tags_of(16, 8, 1, 8)
    plain = tiff(small, bytes(range(128)))
    parted = tiff(small | {0x14A: eb.long(8)}, bytes(range(128)))  # itself, at a smaller scale
    paged = with_page(tiff(small | {0xFE: eb.long(1)}, bytes(range(128))), small)
    for data in (parted, paged, with_page(plain, small | {0x100: eb.short(99)})):
        assert np.array_equal(drawn(data), drawn(plain))
        assert begins_like_photo(data)


@pytest.mark.parametrize(
    ("sides", "is_preview"), [((64, 31), True), ((24, 12), False), ((64, 64), False)]
)
def test_a_first_page_is_a_preview_of_a_page_of_its_proportions_and_twice_its_sides(
    sides, is_preview
):
    tags = {0x100: eb.short(16), 0x101: eb.short(8), 0x102: eb.short(8), 0x106: eb.short(1)}
    wide, high = map(eb.short, sides)
    data = with_page(tiff(tags, bytes(range(128))), tags | {0x100: wide, 0x101: high})
    if is_preview:
        assert reason(data) == "unsupported: is a TIFF that begins with a preview of its picture"
    else:
        assert letterbox(open_photo(data), 16)[2] == (16, 8)


IS_BEFORE_13 = int(PIL.__version__.partition(".")[0]) < 13
since_13 = pytest.mark.skipif(IS_BEFORE_13, reason="Pillow read none of these before")


def test_uncompressed_pixels_of_a_tiff_that_share_their_colours_are_unsupported():
    data = tiff_of_bits(8, 6, 3, "<")  # two by two, where nothing is said
    assert reason(data) == (
        "unsupported: is a TIFF of uncompressed pixels that share their colours"
    )
    tags = tags_of(16, 8, 6, 8, 8, 8) | {0x212: eb.short(1, 1)}
    if not IS_BEFORE_13:
        grey = drawn(tiff(tags, bytes([90, 128, 128]) * 16 * 8))
        assert np.abs(grey[32, 32].astype(int) - 90).max() <= 1


@since_13
def test_a_tiff_of_the_levels_of_video_is_unsupported():
    tags = tags_of(16, 8, 6, 8, 8, 8) | {0x212: eb.short(1, 1)}
    full, video = (
        tiff(tags | {0x214: eb.rational(*ends, 128, 255, 128, 255)}, bytes([90, 128, 128]) * 16 * 8)
        for ends in ((0, 255), (16, 235))
    )
    drawn(full)
    assert reason(video) == "unsupported: its levels are those of video, 16 to 235"


def test_signed_levels_of_8_bits_are_unsupported_as_those_of_16_are():
    said = "unsupported: has signed or 32-bit pixels, whose range nobody knows"
    assert reason(tiff_of_bits(8, 1, 1, "<", kind=2)) == said
    assert reason(tiff_of_bits(16, 1, 1, "<", kind=2)) == said


@since_13
def test_channels_apart_of_which_one_has_no_meaning_are_unsupported():
    tags = tags_of(16, 8, 2, 8, 8, 8, 8) | {0x103: eb.short(1), 0x116: eb.short(8)}
    tags |= {0x111: eb.long(0, 0, 0, 0), 0x117: eb.long(*[128] * 4)}
    tags |= {0x11C: eb.short(2), 0x152: eb.short(0)}
    start = len(eb.block(image=tags))
    tags[0x111] = eb.long(*range(start, start + 512, 128))
    said = "8-bit RGB of 4 channels, channels apart"
    data = eb.block(image=tags) + bytes(512)
    assert reason(data) == f"unsupported: is a TIFF whose pixels are not read: {said}"


@since_13
def test_grey_that_is_multiplied_by_its_alpha_is_drawn():
    tags = tags_of(16, 16, 1, 8, 8) | {0x152: eb.short(1)}
    for fill, grey in ((0, 60), (255, 187)):  # of level 120 and half of it transparent
        array = drawn(tiff(tags, bytes([60, 128]) * 256), 16, fill=(fill,) * 3)
        assert np.abs(array.astype(int) - grey).max() <= 1


@pytest.mark.parametrize("compression", [34676, 34712, 32809, 99])
def test_a_compression_that_is_not_read_is_unsupported_and_named(compression):
    tags = tags_of(16, 8, 2, 8, 8, 8) | {0x103: eb.short(compression)}
    assert reason(tiff(tags, bytes(500))).startswith("unsupported: is a TIFF")


def test_big_endian_grey_of_16_bits_counted_from_white_is_named():
    said = reason(tiff_of_bits(16, 0, 1, ">"))
    assert said.endswith("pixels are not read: 16-bit white-is-zero grey")


WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 16: "Q", 17: "q"}
NUMBERS = [(kind, form, count) for kind, form in WHOLE.items() for count in (1, 2, 9)]
NUMBERS += [(11, "f", 1), (12, "d", 1), (5, "II", 1), (10, "ii", 1)]


@pytest.mark.parametrize(("kind", "form", "count"), NUMBERS)
def test_a_bigtiff_is_turned_by_an_orientation_of_any_type(kind, form, count):
    leaf = picture(60, 40)
    data = bytearray(encoded(leaf, "TIFF", big_tiff=True, tiffinfo={0x112: 1}))
    place = data.index(struct.pack("<HHQ", 0x112, 3, 1))
    value = struct.pack("<" + form, 6, *[1] * (len(form) - 1)) * count
    struct.pack_into("<HHQ", data, place, 0x112, kind, count)
    inline = value.ljust(8, b"\0") if len(value) <= 8 else struct.pack("<Q", len(data))
    data[place + 12 : place + 20] = inline
    data += value if len(value) > 8 else b""
    expected = np.asarray(leaf.transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(
        drawn(bytes(data), 60), drawn(encoded(Image.fromarray(expected), "PNG"), 60)
    )


def test_a_big_endian_bigtiff_is_unsupported_and_a_little_endian_one_is_read():
    image = picture()
    data = encoded(image, "TIFF", big_tiff=True)
    assert np.array_equal(drawn(data), drawn(encoded(image, "TIFF")))
    assert reason(b"MM\0+\0\x08\0\0" + bytes(500)) == (
        "unsupported: is a TIFF whose pixels are not read: a big-endian BigTIFF"
    )


@pytest.mark.parametrize("shift", [0, 8])
def test_a_colour_map_of_8_bits_is_as_bright_as_one_of_16(shift):
    levels = np.arange(256)
    reds, greens, blues = levels, levels[::-1], np.full(256, 77)
    colours = np.stack([reds, greens, blues])
    numbers = (colours << shift | (colours if shift else 0)).ravel().tolist()
    tags = tags_of(16, 16, 3, 8) | {0x140: eb.short(*numbers)}
    array = drawn(tiff(tags, bytes(range(256))), 16)
    assert np.array_equal(array.reshape(-1, 3), colours.T)


def test_an_orientation_of_another_type_turns_jpeg_and_tiff():
    for value in (eb.byte(6), eb.long(6), eb.rational(6), eb.text("6")):
        turned = eb.jpeg(eb.block(image={0x0112: value}), picture=picture())
        assert letterbox(open_photo(turned), 64)[2] == (48, 64)
        tags = tags_of(4, 2, 1, 8) | {0x112: value}
        pixels = np.arange(8, dtype=np.uint8) * 30
        array, box, *_ = letterbox(open_photo(tiff(tags, pixels.tobytes())), 4)
        found = array[box.top : box.bottom, box.left : box.right, 0]
        assert np.array_equal(found, np.rot90(pixels.reshape(2, 4), -1)), value


def bmp(bits: int, packing: int, masks: tuple[int, ...] = (), size: int = 40) -> bytes:
    width, height = 8, 4
    head = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, packing, 0, 0, 0, 0, 0)
    head += struct.pack(f"<{len(masks)}I", *masks)
    head = head.ljust(size, b"\0")
    start = 14 + len(head)
    pixels = bytes((width * bits + 31) // 32 * 4 * height)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + pixels


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bmp(32, 3, (0x3FF00000, 0xFFC00, 0x3FF)), "is a BMP of 32 bits in fields"),
        (bmp(16, 3, (0xF00, 0xF0, 0xF)), "is a BMP of 16 bits in fields"),
        (bmp(0, 5), "is a BMP with PNG inside"),
        (bmp(24, 4), "is a BMP with JPEG inside"),
        (bmp(24, 4, size=64), "is a BMP with packing of OS/2 inside"),
        (bmp(2, 0), "is a 2-bit BMP"),
        (bmp(64, 0), "is a 64-bit BMP"),
    ],
    ids=["10 10 10", "4 4 4", "PNG", "JPEG", "OS/2", "2 bits", "64 bits"],
)
def test_a_bmp_that_is_not_read_is_unsupported_and_named(data, words):
    assert reason(data).startswith(f"unsupported: {words}")


@pytest.mark.parametrize("size", [56, 108, 124])
def test_a_bmp_whose_alpha_is_0_all_over_is_opaque(size):
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    plain = bytearray(bmp(32, 3, masks, size))
    plain[-128:] = bytes([60, 140, 90, 0]) * 32
    array = drawn(bytes(plain), 8, fill=(200, 30, 10))
    assert tuple(array[4, 4]) == (90, 140, 60)
    plain[-1] = 255  # one pixel that is not clear, and the others are
    array = drawn(bytes(plain), 8, fill=(200, 30, 10))
    assert tuple(array[4, 4]) == (200, 30, 10)


@given(st.binary(max_size=300), st.sampled_from([b"", b"BM", b"II*\0", b"MM\0*", b"II+\0"]))
def test_no_beginning_makes_what_describes_it_raise(rest, start):
    for data in (start + rest, b"\xff\xd8\xff" + rest, b"\x89PNG\r\n\x1a\n" + rest):
        describe(data)
        simpler(data)
        webp_sides(data)
        bmp_profile(data)
        read_chunks(data)


def test_no_damage_makes_what_describes_a_file_raise():
    rng = random.Random(3)
    seeds = [tiff_of_bits(12, 2, 3, "<"), bmp(16, 3, (1, 2, 3)), jpeg_of_bits(12), gif(9, 9)]
    seeds += [png(odd) for name, odd in ODD_CHUNKS.items() if "MB" not in name]
    for seed in seeds * 40:
        data = bytearray(seed)
        for _ in range(rng.choice([1, 3, 9])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        describe(bytes(data))
        simpler(bytes(data))
        read_chunks(bytes(data))


def test_a_sound_picture_is_never_described_as_unknown():
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"):
        data = encoded(picture(), kind)
        assert describe(data) == ""
        assert psnr(drawn(data), drawn(simpler(data))) > 99
        load(open_photo(data))


@pytest.mark.parametrize("size", [16, 24, 32, 48, 60])
def test_a_bmp_with_a_header_that_is_not_read_is_unsupported(size):
    head = struct.pack("<IIIHH", size, 16, 16, 1, 24).ljust(size, b"\0")
    data = b"BM" + struct.pack("<IHHI", 14 + size + 768, 0, 0, 14 + size) + head + bytes(768)
    assert reason(data) == f"unsupported: is a BMP with a header of {size} bytes"


def test_one_plane_of_three_is_no_picture():
    tags = tags_of(64, 64, 2, 8, 8, 8) | {0x11C: eb.short(2)}
    assert reason(tiff(tags, bytes([90]) * 64 * 64)).startswith("truncated: ")


def of_one_channel(data: bytes) -> bytes:
    """Return a JPEG whose first scan has its first channel alone; the others are missing."""
    scan = data.index(b"\xff\xda")
    end = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    return (
        data[:scan] + eb.segment(0xDA, b"\1" + data[scan + 5 : scan + 7] + b"\0\x3f\0") + data[end:]
    )


ODD_JPEGS = {
    "plain": b"",
    "an odd segment": ODD_SEGMENTS["JFIF of 4 bytes"],
    "another picture": ODD_SEGMENTS["MPF"],
    "remarks twice": ODD_SEGMENTS["EXIF twice"],
}


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
@pytest.mark.parametrize("odd", ODD_JPEGS.values(), ids=ODD_JPEGS)
@pytest.mark.parametrize("marker", [0xC0, 0xC9])
def test_a_jpeg_whose_channels_have_scans_of_their_own_takes_more_memory(mode, odd, marker):
    data = encoded(picture(640, 480).convert(mode), "JPEG")
    data = data[:2] + odd + data[2:].replace(b"\xff\xc0", bytes([0xFF, marker]), 1)
    whole, parted = open_photo(data), open_photo(of_one_channel(data))
    needed = [decoding_memory(image, image.size, len(data)) for image in (whole, parted)]
    assert needed[1] - needed[0] == 4 * 2 * 640 * 480


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("odd", ODD_JPEGS.values(), ids=ODD_JPEGS)
@pytest.mark.parametrize("marker", [0xC2, 0xCA])
def test_the_coefficients_of_a_progressive_jpeg_are_counted_however_it_is_opened(mode, odd, marker):
    data = encoded(picture(640, 480).convert(mode), "JPEG", progressive=True)
    data = data[:2] + odd + data[2:].replace(b"\xff\xc2", bytes([0xFF, marker]), 1)
    image = open_photo(data)
    assert decoding_memory(image, image.size, 0) == 4 * 3 * 640 * 480
    with pytest.raises(PhotoError, match="too_large: .*MB"):
        letterbox(image, 32, max_memory=4 * 2 * 640 * 480)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=["baseline", "progressive"])
def test_the_coefficients_of_a_progressive_jpeg_in_a_tiff_are_counted(options):
    data = encoded(picture(640, 480).convert("L"), "JPEG", **options)
    tags = tags_of(640, 480, 1, 8) | {0x103: eb.short(7)}
    image = open_photo(tiff(tags, data))
    buffers = 4 if options else 2
    assert decoding_memory(image, image.size, 0) == 4 * buffers * 640 * 480
    assert psnr(drawn(tiff(tags, data)), drawn(data)) > 35


@pytest.mark.parametrize(
    ("sides", "is_sound"),
    [
        *(((160, 120), True), ((160, 118), True), ((160, 100), True)),
        *(((320, 120), False), ((80, 120), False), ((160, 240), False), ((160, 60), False)),
        *(((159, 120), False), ((161, 120), False), ((160, 121), False)),
    ],
)
def test_a_tiff_that_says_other_sides_than_its_jpeg_is_refused(sides, is_sound):
    width, height = sides
    tags = tags_of(width, height, 1, 8) | {0x103: eb.short(7)}
    data = tiff(tags, encoded(picture(160, 120).convert("L"), "JPEG", quality=95))
    if is_sound:
        expected = picture(160, 120).convert("L").crop((0, 0, *sides))
        assert psnr(drawn(data), drawn(encoded(expected, "PNG"))) > 35
    else:
        assert reason(data) == (
            f"truncated: a part of it is to have {width} x {height} pixels, and has 160 x 120"
        )


def tiles(sides: tuple[int, int]) -> bytes:
    """Return 160 x 128 grey pixels in four tiles of 80 x 64, which are JPEGs of such sides."""
    image = picture(160, 128).convert("L")
    corners = [(left, top) for top in (0, 64) for left in (0, 80)]
    crops = [image.crop((left, top, left + 80, top + 64)).resize(sides) for left, top in corners]
    parts = [encoded(crop, "JPEG", quality=95) for crop in crops]
    tags = tags_of(160, 128, 1, 8) | {0x103: eb.short(7), 0x142: eb.short(80), 0x143: eb.short(64)}
    tags |= {0x144: eb.long(*[0] * 4), 0x145: eb.long(*map(len, parts))}
    places = [len(eb.block(image=tags)) + sum(map(len, parts[:number])) for number in range(4)]
    return eb.block(image=tags | {0x144: eb.long(*places)}) + b"".join(parts)


@pytest.mark.parametrize("sides", [(80, 64), (64, 64), (80, 48), (96, 64)])
def test_tiles_of_a_tiff_that_are_jpegs_of_other_sides_are_refused(sides):
    if sides == (80, 64):
        expected = encoded(picture(160, 128).convert("L"), "PNG")
        assert psnr(drawn(tiles(sides)), drawn(expected)) > 35
    else:
        found = f"{sides[0]} x {sides[1]}"
        assert reason(tiles(sides)).endswith(f"is to have 80 x 64 pixels, and has {found}")


@pytest.mark.parametrize("height", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("rows", [8, 16, 64, 1000])
def test_a_tiff_of_jpegs_in_strips_and_tiles_is_drawn(height, rows):
    image = picture(50, height)
    options = {"compression": "jpeg", "quality": 95}
    striped = encoded(image, "TIFF", tiffinfo={278: rows}, **options)
    assert psnr(drawn(striped), drawn(encoded(image, "PNG"))) > 30


@pytest.mark.parametrize("name", ["exif", "generic profile", "iptc or exif 2"])
def test_a_text_may_have_any_name_in_its_first_line(name):
    digits = (b"Exif\0\0" + BLOCK).hex()
    text = f"\n{name}\n{len(digits) // 2:8d}\n{digits}\n".encode()
    data = png(chunk(b"tEXt", b"Raw profile type APP1\0" + text))
    assert letterbox(open_photo(data), 64)[2] == (48, 64)
    assert read_capture(open_photo(data)).verdict == "ok"


def test_xmp_in_a_text_of_app1_hides_no_exif_in_another():
    packet = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"
    texts = [raw_profile("app1", packet), raw_profile("app1", b"Exif\0\0" + BLOCK)]
    chunks = [chunk(b"tEXt", b"Raw profile type APP1\0" + text) for text in texts]
    for parts in (chunks, chunks[::-1]):
        assert read_capture(open_photo(png(b"".join(parts)))).verdict == "ok"


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0xFFFFFFF6])
@pytest.mark.parametrize("is_lossless", [True, False])
def test_a_chunk_of_webp_that_ends_nowhere_does_not_cost_the_picture(size, is_lossless):
    plain = encoded(picture(64, 48), "WEBP", lossless=is_lossless)
    data = encoded(picture(64, 48), "WEBP", lossless=is_lossless, exif=b"Exif\0\0" + bytes(64))
    place = data.index(b"EXIF") + 4
    odd = data[:place] + struct.pack("<I", size) + data[place + 4 :]
    assert np.array_equal(drawn(odd), drawn(plain))
    assert np.array_equal(drawn(data[: place + 20]), drawn(plain))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tag", [254, 255, 266, 269, 270, 271, 272, 274])
def test_a_tag_of_tiff_that_points_outside_does_not_cost_the_picture(tag, order):
    tags, pixels = tags_of(16, 8, 2, 8, 8, 8), bytes(range(16)) * 8 * 3
    plain = tiff(tags, pixels, order)
    odd = bytearray(tiff(tags | {tag: eb.short(*[1] * 40)}, pixels, order))
    entry = odd.index(struct.pack(f"{order}HHI", tag, 3, 40))
    odd[entry + 8 : entry + 12] = struct.pack(f"{order}I", 0x7FFFFFF0)
    assert np.array_equal(drawn(bytes(odd)), drawn(plain))
