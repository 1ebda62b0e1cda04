"""Colours that a file names without an ICC profile come out as sRGB, or are said to be unread."""

import base64
import io
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from granpipe.errors import PhotoError
from granpipe.photo.colour import to_srgb
from granpipe.photo.isobmff import read_container
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo
from granpipe.photo.profiles import Colours, coded_colours, make_profile

import draw_containers as dc
import draw_samples
import exif_blocks as eb
from conftest import encoded, psnr, reason, rejects, save
from draw_containers import chunk

LEAF = (90, 140, 60)
# Of that leaf in sRGB: computed by hand from the primaries' matrices, and told by ImageMagick.
FROM_P3, FROM_ADOBE, FROM_BT2020 = (73, 142, 46), (53, 141, 50), (29, 145, 41)
R03 = {0x0001: eb.text("R03"), 0x0002: eb.undefined(b"0100")}


def leaf(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (32, 24), LEAF).convert(mode)


def centre(data: bytes) -> tuple[int, ...]:
    return tuple(letterbox(open_photo(data), 32)[0][16, 16].tolist())


def near(found, expected, most: int = 3) -> bool:
    return max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= most


def png(*chunks: bytes, image: Image.Image | None = None, **options) -> bytes:
    """Return a PNG with chunks behind its header."""
    data = encoded(image or leaf(), "PNG", **options)
    return data[:33] + b"".join(chunks) + data[33:]


def cicp(*points: int) -> bytes:
    return chunk(b"cICP", bytes(points))


def gama(inverse: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(100_000 * inverse)))


def chrm(*points: float) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(100_000 * point) for point in points)))


P3_POINTS = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize(
    ("points", "expected"),
    [((1, 13), LEAF), ((2, 2), LEAF), ((12, 13), FROM_P3), ((9, 13), FROM_BT2020)],
    ids=["sRGB", "unspecified", "Display P3", "BT.2020"],
)
def test_code_points_of_heic_and_avif_are_converted(kind, points, expected):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    data = dc.container(leaf(), kind, dc.nclx(*points), drop=[b"colr"], quality=100)
    found = centre(data)
    # What the codec itself changes is up to 2 levels, which wide primaries stretch.
    assert near(found, expected, 3 if expected != FROM_BT2020 else 18)
    assert found[0] < expected[0] + 18


# 32 x 24 pixels in Display P3, drawn by `avifenc --cicp 12/13/6`.
AVIF_IN_P3 = """
AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAA
AAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAADUAAAAoaWluZgAAAAAAAQAA
ABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAACAAAAAYAAAAEHBpeGkAAAAA
AwgICAAAAAxhdjFDgSAAAAAAABNjb2xybmNseAAMAA0ABoAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAAD1tZGF0EgAKCDgR
P3YQwNBpMicYwA0000QAOXm+t99/VliDY/kmfeNt1OITElmRMqMK7OxqpP6q05g=
"""


def test_what_an_av1_stream_names_counts_where_its_file_names_nothing():
    named = base64.b64decode(AVIF_IN_P3)
    untold = dc.with_properties(named, drop=[b"nclx"])
    assert read_container(untold).code_points == (12, 13, 6, 1)
    assert np.array_equal(letterbox(open_photo(untold))[0], letterbox(open_photo(named))[0])
    srgb = named.replace(b"nclx\0\x0c", b"nclx\0\1")
    assert psnr(letterbox(open_photo(srgb))[0], letterbox(open_photo(named))[0]) < 40


@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG")])
def test_an_av1_stream_that_alone_names_high_dynamic_range_is_unsupported(transfer, word):
    data = dc.with_properties(base64.b64decode(AVIF_IN_P3), drop=[b"nclx"])
    place = data.index(b"\x0a\x08\x38") + 2  # the sequence header, 8 bytes
    old, new = bytes([12, 13, 6]), bytes([9, transfer, 9])
    written = int.from_bytes(data[place : place + 8], "big")
    (shift,) = (at for at in range(40) if written >> at & 0xFFFFFF == int.from_bytes(old, "big"))
    written ^= (int.from_bytes(old, "big") ^ int.from_bytes(new, "big")) << shift
    said = reason(data[:place] + written.to_bytes(8, "big") + data[place + 8 :])
    assert said.startswith("unsupported: ") and word in said


def heic_of_stream_colours(primaries: int, transfer: int, matrix: int, is_full: int = 0) -> bytes:
    """Return a HEIC of which the stream alone says the colours (ITU-T H.265, annex E)."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    options = {"color_primaries": primaries, "transfer_characteristics": transfer}
    options |= {"matrix_coefficients": matrix, "full_range_flag": is_full}
    return dc.container(leaf(), "HEIF", drop=[b"colr"], quality=100, **options)


@pytest.mark.parametrize(
    ("points", "expected"),
    [((1, 13, 6), LEAF), ((1, 1, 1), LEAF), ((12, 13, 6), FROM_P3), ((9, 14, 9), FROM_BT2020)],
    ids=["sRGB", "BT.709", "Display P3", "BT.2020"],
)
@pytest.mark.parametrize("is_full", [0, 1])
def test_what_an_hevc_stream_names_counts_where_its_file_names_nothing(points, expected, is_full):
    data = heic_of_stream_colours(*points, is_full)
    assert read_container(data).code_points == (*points, is_full)
    found = centre(data)
    assert near(found, expected, 3 if expected != FROM_BT2020 else 18)


@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG")])
def test_an_hevc_stream_that_alone_names_high_dynamic_range_is_unsupported(transfer, word):
    said = reason(heic_of_stream_colours(9, transfer, 9))
    assert said.startswith("unsupported: ") and word in said


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_adobe_rgb_of_exif_counts_where_code_points_name_nothing(kind):
    size = len(eb.block(exif={0xA001: eb.short(65535), 0xA005: eb.long(0)}))
    block = eb.block(exif={0xA001: eb.short(65535), 0xA005: eb.long(size)})
    block += eb.table({1: eb.text("R03")}, size)
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    points = dc.nclx(2, 2)
    data = dc.container(leaf(), kind, points, drop=[b"colr"], exif=block, quality=100)
    assert near(centre(data), FROM_ADOBE, 8)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF", "PNG"])
@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_unsupported_and_says_so(kind, transfer, word):
    if kind == "PNG":
        data = png(cicp(9, transfer, 0, 1))
    else:
        if kind == "HEIF":
            pytest.importorskip("pillow_heif").register_heif_opener()
        data = dc.container(leaf(), kind, dc.nclx(9, transfer, 9), drop=[b"colr"])
    assert re.match(f"unsupported: .*{word}", reason(data))


def test_a_profile_counts_before_code_points_of_heic_and_avif():
    profile = draw_samples._display_p3()
    options = {"quality": 100, "icc_profile": profile}
    data = dc.container(leaf(), "AVIF", dc.nclx(9, 16), drop=[b"nclx"], **options)
    assert near(centre(data), FROM_P3)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((), LEAF),
        ((cicp(1, 13, 0, 1),), LEAF),
        ((cicp(12, 13, 0, 1),), FROM_P3),
        ((cicp(9, 13, 0, 1),), FROM_BT2020),
        ((gama(0.45455),), LEAF),
        ((gama(0.45455), chrm(*P3_POINTS)), FROM_P3),
        ((chrm(*P3_POINTS),), FROM_P3),
        ((gama(1.0),), (160, 196, 133)),
        ((gama(1.0), chunk(b"sRGB", b"\0")), LEAF),
        ((gama(1.0), chrm(*P3_POINTS), cicp(1, 13, 0, 1)), LEAF),
        ((gama(0),), LEAF),
        ((chrm(*[0] * 8),), LEAF),
        ((chrm(*[0.3] * 8),), LEAF),
        ((chunk(b"gAMA", b""), chunk(b"cHRM", b"")), LEAF),
    ],
    ids=[
        *("none", "cICP sRGB", "cICP P3", "cICP BT.2020", "gAMA of sRGB", "gAMA and cHRM", "cHRM"),
        *("linear", "sRGB before gAMA", "cICP before all", "gAMA 0", "cHRM 0", "cHRM in a point"),
        "empty",
    ],
)
def test_colours_that_png_names_are_converted(chunks, expected):
    assert near(centre(png(*chunks)), expected, 1)


def test_code_points_of_png_count_before_its_profile():
    data = png(cicp(1, 13, 0, 1), icc_profile=draw_samples._display_p3())
    assert centre(data) == LEAF
    assert near(centre(png(icc_profile=draw_samples._display_p3())), FROM_P3, 1)


def test_levels_of_video_in_png_are_unsupported():
    said = "unsupported: its levels are those of video, 16 to 235"
    assert reason(png(cicp(1, 13, 0, 0))) == said


def test_grey_has_a_curve_and_no_primaries():
    grey = Image.new("L", (32, 24), 55)
    assert near(centre(png(gama(1.0), image=grey)), (128, 128, 128), 1)
    assert centre(png(cicp(12, 13, 0, 1), image=grey)) == (55, 55, 55)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_grey_whose_profile_is_of_colours_takes_its_curve(kind):
    """Programs that make colours grey leave their profile in the file, and browsers use it."""
    stream, profile = io.BytesIO(), make_profile(Colours(gamma=1.0))
    Image.new("L", (32, 24), 55).save(stream, kind, icc_profile=profile)
    assert near(centre(stream.getvalue()), (128, 128, 128), 1)


def interoperable(space: int | None, index: dict, order: str = "<") -> bytes:
    """Return an EXIF block with a table of interoperability."""
    exif = {0xA005: eb.long(0)}
    if space is not None:
        exif[0xA001] = eb.short(space)
    whole = eb.block(exif=exif, order=order)
    exif[0xA005] = eb.long(len(whole))
    whole = eb.block(exif=exif, order=order)
    return whole + eb.table(index, len(whole), order)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("space", "index", "expected"),
    [
        (65535, R03, FROM_ADOBE),
        (None, R03, FROM_ADOBE),
        (1, R03, LEAF),
        (65535, {0x0001: eb.text("R98")}, LEAF),
        (65535, {0x0002: eb.undefined(b"R03\0")}, LEAF),
    ],
    ids=["R03", "R03 without a space", "R03 with sRGB", "R98", "R03 elsewhere"],
)
def test_adobe_rgb_is_told_by_exif_s_index_alone(kind, order, space, index, expected):
    options = {"lossless": True} if kind == "WEBP" else {}
    exif = b"Exif\0\0" + interoperable(space, index, order)
    assert near(centre(encoded(leaf(), kind, exif=exif, **options)), expected, 3)


def test_adobe_rgb_of_a_tiff_is_told_by_its_own_tags():
    pixel = {0x100: eb.short(1), 0x101: eb.short(1), 0x102: eb.short(8, 8, 8), 0x106: eb.short(2)}
    pixel |= {0x103: eb.short(1), 0x111: eb.long(0), 0x115: eb.short(3), 0x117: eb.long(3)}
    exif = {0xA001: eb.short(65535), 0xA005: eb.long(0)}
    size = len(eb.block(exif=exif, image=pixel))
    exif[0xA005], pixel[0x111] = eb.long(size + 3), eb.long(size)
    data = eb.block(exif=exif, image=pixel) + bytes(LEAF)
    assert near(centre(data + eb.table(R03, len(data))), FROM_ADOBE, 1)


def test_a_profile_counts_before_adobe_rgb_by_index():
    options = {"exif": b"Exif\0\0" + interoperable(65535, R03), "quality": 95}
    data = encoded(leaf(), "JPEG", icc_profile=draw_samples._display_p3(), **options)
    assert near(centre(data), FROM_P3)


def test_named_colours_are_drawn_as_by_a_profile_that_others_made():
    """Pillow's own way through an independent Display P3 profile, on every tenth level."""
    levels = np.array(np.meshgrid(*[range(0, 256, 10)] * 3), np.uint8).reshape(3, -1, 26).T.copy()
    image = Image.fromarray(np.ascontiguousarray(levels.reshape(26, -1, 3)))
    other = ImageCms.profileToProfile(
        image, io.BytesIO(draw_samples._display_p3()), ImageCms.createProfile("sRGB")
    )
    ours = to_srgb(image, coded_colours(12, 13))
    assert psnr(np.asarray(ours), np.asarray(other)) > 45


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_code_points_are_colours_or_unsupported(primaries, transfer, matrix):
    try:
        named = coded_colours(primaries, transfer, matrix)
    except PhotoError as error:
        assert error.reason == "unsupported"
    else:
        for is_grey in (True, False):
            assert named is None or ImageCms.getOpenProfile(
                io.BytesIO(make_profile(named, is_grey=is_grey))
            )


@given(st.tuples(*[st.floats(0, 43_000)] * 8) | st.tuples(*[st.floats(0, 1)] * 8), st.floats(0, 20))
def test_whatever_chromaticities_are_named_a_picture_comes_out(points, gamma):
    drawn = to_srgb(leaf(), Colours(points, gamma))
    assert (drawn.mode, drawn.size) == ("RGB", (32, 24))


def test_unread_colours_are_listed_with_what_they_are(granpipe, tmp_path):
    save(tmp_path / "img/corn/a.png")
    (tmp_path / "img/corn/hdr.png").write_bytes(png(cicp(9, 16, 0, 1)))
    result = granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == {"corn/hdr.png": "unsupported"}
    assert "corn/hdr.png: unsupported: its colours are coded as high dynamic range (PQ); save" in (
        result.stderr
    )


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"damaged\0\0" + zlib.compress(profile))


@pytest.mark.parametrize(
    ("named", "expected"), [(gama(1.0), (160, 196, 133)), (chrm(*P3_POINTS), FROM_P3)]
)
@pytest.mark.parametrize("profile", [b"", b"garbage" * 30])
def test_a_damaged_profile_hides_no_colours_that_are_named(named, expected, profile):
    assert near(centre(png(named, iccp(profile))), expected)
