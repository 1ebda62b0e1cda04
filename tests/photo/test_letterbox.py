"""Geometry and pixels of the arrays, against independent decodes and pictures made here."""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from granpipe.photo.kinds import SUFFIXES
from granpipe.photo.letterbox import content_box, letterbox
from granpipe.photo.opening import open_photo

from conftest import PHOTOS, ROOT, encoded, picture, psnr, put, rejects, rows, save
from draw_containers import chunk

sides = st.integers(1, 20_000)
sizes = st.integers(1, 1024)
small = st.integers(1, 300)

# How the rows and columns of a file stand to the upright picture: Exif 2.32, tag 274.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: upright[:, ::-1].swapaxes(0, 1),
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: upright[::-1].swapaxes(0, 1),
}
TURNINGS = [
    turning
    for quarter in range(4)
    for turning in (
        lambda array, quarter=quarter: np.rot90(array, quarter),
        lambda array, quarter=quarter: np.rot90(array, quarter)[:, ::-1],
    )
]


@pytest.fixture
def prepared(granpipe, tmp_path):
    """Prepare tmp_path/src and return an array, and the row that goes with it."""

    def run(name: str, *options: object) -> tuple[np.ndarray, dict[str, str]]:
        out = tmp_path / "out"
        granpipe("prepare", tmp_path / "src", out, *options)
        row = next(row for row in rows(out / "labels.csv") if row["source"] == f"corn/{name}")
        return np.load(out / row["path"]), row

    return run


@pytest.fixture
def corn(tmp_path):
    """Return the folder of the only class, which `prepared` prepares."""
    (tmp_path / "src/corn").mkdir(parents=True)
    return tmp_path / "src/corn"


def box_of(row: dict[str, str]) -> tuple[slice, slice]:
    left, top, right, bottom = (int(row[side]) for side in ("left", "top", "right", "bottom"))
    return slice(top, bottom), slice(left, right)


def content(array: np.ndarray, row: dict[str, str]) -> np.ndarray:
    return array[box_of(row)]


def fitted(image: Image.Image, size: int = 224) -> Image.Image:
    """Scale an upright picture to its content box, from all of its pixels."""
    scale = min(size / image.width, size / image.height)
    new = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(new, Image.Resampling.LANCZOS)


def full_decode(path: Path, convert_profile: bool = True) -> np.ndarray:
    """Decode, convert and turn a photograph in full size, and only then make it small."""
    image = Image.open(path)
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if profile and convert_profile:
        srgb = ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, BytesIO(profile), srgb, outputMode="RGB")
    return np.asarray(fitted(image.convert("RGB")))


def png_file(width: int, height: int, depth: int, colour: int, lines: np.ndarray) -> bytes:
    """Return a PNG file of samples that Pillow itself cannot write."""
    samples = lines.astype(">u2" if depth == 16 else "u1")
    raw = b"".join(b"\0" + line.tobytes() for line in samples)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


# Geometry


@given(sides, sides, sizes)
def test_proportions_are_kept_within_a_pixel(width, height, size):
    box = content_box(width, height, size)
    longest = max(width, height)
    assert abs(box.width - width * size / longest) < 1
    assert abs(box.height - height * size / longest) < 1


@given(sides, sides, sizes)
def test_the_box_lies_in_the_canvas_and_touches_two_opposite_sides(width, height, size):
    box = content_box(width, height, size)
    assert 0 <= box.left < box.right <= size
    assert 0 <= box.top < box.bottom <= size
    assert (box.left, box.right) == (0, size) or (box.top, box.bottom) == (0, size)


@given(sides, sides, sizes)
def test_the_box_is_centred_with_the_odd_pixel_right_and_below(width, height, size):
    box = content_box(width, height, size)
    assert (size - box.right) - box.left in {0, 1}
    assert (size - box.bottom) - box.top in {0, 1}


@given(small, small, st.integers(1, 100))
def test_white_stands_in_its_box_and_the_fill_colour_all_around(width, height, size):
    array, box, shape, _ = letterbox(Image.new("RGB", (width, height), "white"), size, (1, 2, 3))
    expected = np.full((size, size, 3), (1, 2, 3), np.uint8)
    expected[box.top : box.bottom, box.left : box.right] = 255
    assert shape == (width, height)
    assert np.array_equal(array, expected)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "CMYK", "P"])
def test_the_picture_told_beside_the_array_is_what_stands_in_its_box(mode):
    image = picture(60, 45)
    if mode.endswith("A"):
        image.putalpha(picture(60, 45, 1).convert("L"))
    array, box, _, content = letterbox(image.convert(mode), 50, (200, 100, 50))
    assert content.mode == "RGB"
    assert np.array_equal(content, array[box.top : box.bottom, box.left : box.right])


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (640, 480, (0, 28, 224, 196)),
        (480, 640, (28, 0, 196, 224)),
        (640, 427, (0, 37, 224, 186)),
        (500, 500, (0, 0, 224, 224)),
        (5000, 1, (0, 111, 224, 112)),
    ],
)
def test_known_sides_give_known_boxes(width, height, box):
    got = content_box(width, height, 224)
    assert (got.left, got.top, got.right, got.bottom) == box


# Golden pixels


def real_photographs() -> list[Path]:
    folders = [PHOTOS / "challenge", PHOTOS / "gps", PHOTOS / "orientation", ROOT / "img"]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.*"))]
    return [path for path in paths if path.suffix.lower() in SUFFIXES]


def test_pixels_agree_with_a_full_size_decode(granpipe, tmp_path, photos):
    paths = real_photographs()
    (tmp_path / "src/all").mkdir(parents=True)
    for number, path in enumerate(paths):
        (tmp_path / f"src/all/{number:02}{path.suffix}").symlink_to(path)
    granpipe("prepare", tmp_path / "src", tmp_path / "out")
    table = rows(tmp_path / "out/labels.csv")
    quality = {
        path.name: psnr(content(np.load(tmp_path / "out" / row["path"]), row), full_decode(path))
        for path, row in zip(paths, table, strict=True)
    }
    assert min(quality.values()) >= 35, quality
    assert np.median(list(quality.values())) >= 40, quality


def test_eight_real_orientations_are_the_same_upright_picture(granpipe, tmp_path, photos):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/x").symlink_to(photos / "orientation")
    granpipe("prepare", tmp_path / "src", tmp_path / "out")
    arrays = [np.load(tmp_path / f"out/x/landscape_{n}.jpg.npy") for n in range(1, 9)]
    for array in arrays:
        array[60:120, 95:145] = 0  # each file has its own digit drawn here
    for array in arrays[1:]:
        assert psnr(array, arrays[0]) >= 30
        matches = [psnr(turning(array), arrays[0]) for turning in TURNINGS]
        assert np.argmax(matches) == 0


# Orientation


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("tif", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("webp", {"lossless": True}),
        ("avif", {"quality": 100, "subsampling": "4:4:4"}),
        ("jpg", {"quality": 100, "subsampling": 0}),
    ],
)
def test_every_orientation_is_turned_upright(granpipe, tmp_path, suffix, options):
    upright = np.asarray(picture(224, 168))
    for tag, stored in STORED.items():
        exif = Image.Exif()
        exif[0x0112] = tag
        image = Image.fromarray(np.ascontiguousarray(stored(upright)))
        save(tmp_path / f"src/corn/{tag}.{suffix}", image, exif=exif, **options)
    granpipe("prepare", tmp_path / "src", tmp_path / "out")
    exact = suffix not in {"jpg", "avif"}
    table = rows(tmp_path / "out/labels.csv")
    assert len(table) == 8
    for row in table:
        array = np.load(tmp_path / "out" / row["path"])
        assert (row["width"], row["height"]) == ("224", "168")
        assert box_of(row) == (slice(28, 196), slice(0, 224))
        assert psnr(content(array, row), upright) > (1000 if exact else 35)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_is_none_changes_nothing(corn, prepared, value):
    exif = Image.Exif()
    exif[0x0112] = value
    save(corn / "a.png", picture(224, 168), exif=exif)
    array, row = prepared("a.png")
    assert np.array_equal(content(array, row), np.asarray(picture(224, 168)))


def test_an_orientation_written_as_a_fraction_turns_picture_and_box_alike(corn, prepared):
    entry = struct.pack("<HHII", 0x0112, 5, 1, 26)  # type 5 is RATIONAL
    block = b"II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<III", 0, 6, 1)
    upright = np.asarray(picture(224, 168))
    image = Image.fromarray(np.ascontiguousarray(STORED[6](upright)))
    save(corn / "a.png", image, exif=b"Exif\0\0" + block)
    array, row = prepared("a.png")
    assert (row["width"], row["height"]) == ("224", "168")
    assert np.array_equal(content(array, row), upright)


# Kinds of pixels


def test_grey_of_16_bits_is_scaled_and_not_clipped(corn, prepared):
    levels = np.linspace(0, 65535, 224).round()
    (corn / "a.png").write_bytes(png_file(224, 224, 16, 0, np.tile(levels, (224, 1))))
    array, _ = prepared("a.png")
    assert np.abs(array[0, :, 0].astype(float) - np.arange(224) * 255 / 223).max() <= 1
    assert (array == array[:1, :, :1]).all()


def test_colour_of_16_bits_is_scaled_and_not_clipped(corn, prepared):
    levels = np.linspace(0, 65535, 224).round()
    line = np.stack([levels, levels[::-1], np.full_like(levels, 32768)], axis=1)
    (corn / "a.png").write_bytes(png_file(224, 224, 16, 2, np.tile(line, (224, 1, 1))))
    array, _ = prepared("a.png")
    ramp = np.arange(224) * 255 / 223
    expected = np.stack([ramp, ramp[::-1], np.full(224, 127.5)], axis=1)
    assert np.abs(array.astype(float) - expected).max() <= 1


def test_16_bits_in_a_tiff_of_either_byte_order_are_scaled(corn, prepared):
    levels = np.tile(np.linspace(0, 65535, 224).round().astype(np.uint16), (224, 1))
    save(corn / "a.tif", Image.fromarray(levels))
    header = b"MM\0*" + struct.pack(">IH", 8 + levels.nbytes, 7)
    tags = [(256, 224), (257, 224), (258, 16), (259, 1), (262, 1), (273, 8), (279, levels.nbytes)]
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    (corn / "b.tif").write_bytes(
        header[:8] + levels.astype(">u2").tobytes() + header[8:] + entries + bytes(4)
    )
    little, _ = prepared("a.tif")
    big, _ = prepared("b.tif")
    assert np.array_equal(little, big)
    assert np.abs(little[0, :, 0].astype(float) - np.arange(224) * 255 / 223).max() <= 1


def test_a_cmyk_jpeg_becomes_its_colours(corn, prepared):
    save(corn / "a.jpg", picture(448, 336).convert("CMYK"), quality=95)
    array, row = prepared("a.jpg")
    assert psnr(content(array, row), np.asarray(fitted(picture(448, 336)))) > 35


def test_transparent_entries_of_a_palette_show_the_fill_colour(corn, prepared):
    image = Image.new("P", (224, 224), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    image.paste(0, (0, 0, 112, 224))
    save(corn / "a.png", image, transparency=0)
    array, _ = prepared("a.png", "--fill", "#ff8000")
    assert (array[:, :112] == (255, 128, 0)).all()
    assert (array[:, 112:] == (10, 200, 30)).all()


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [("LA", (200, 51), (240, 142, 40)), ("RGBA", (0, 100, 200, 51), (200, 122, 40))],
)
def test_alpha_is_mixed_with_the_fill_colour(corn, prepared, mode, colour, expected):
    save(corn / "a.png", Image.new(mode, (300, 300), colour))
    array, _ = prepared("a.png", "--fill", "#fa8000")
    # A fifth of the picture over four fifths of 250, 128, 0.
    assert np.abs(array.astype(int) - expected).max() <= 1


def test_opaque_pixels_do_not_bleed_into_transparent_ones(corn, prepared):
    image = Image.new("RGBA", (448, 448), (255, 255, 255, 0))
    image.paste((0, 0, 0, 255), (0, 0, 225, 448))
    save(corn / "a.png", image)
    array, _ = prepared("a.png")
    assert array.max() <= 1


def test_grey_palette_and_1_bit_pictures_become_rgb(corn, prepared):
    for mode in ("L", "P", "1"):
        save(corn / f"{mode}.png", picture(224, 168).convert(mode))
    for mode in ("L", "P", "1"):
        array, row = prepared(f"{mode}.png")
        expected = np.asarray(picture(224, 168).convert(mode).convert("RGB"))
        assert np.array_equal(content(array, row), expected)


def test_a_display_p3_photograph_is_converted_to_srgb(corn, prepared):
    path = ROOT / "img/wheat/IMG_3307.jpeg"
    (corn / "a.jpeg").write_bytes(path.read_bytes())
    array, row = prepared("a.jpeg")
    converted, unconverted = full_decode(path), full_decode(path, convert_profile=False)
    assert psnr(converted, unconverted) < 35
    assert psnr(content(array, row), converted) > psnr(converted, unconverted) + 5


def test_a_profile_that_is_srgb_changes_nothing(corn, prepared):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save(corn / "a.png", picture(224, 168), icc_profile=srgb)
    array, row = prepared("a.png")
    assert np.array_equal(content(array, row), np.asarray(picture(224, 168)))


def test_32_bit_pixels_are_unsupported(granpipe, corn, tmp_path):
    save(corn / "a.tif", Image.new("F", (20, 20), 0.5))
    save(corn / "b.tif", Image.new("I", (20, 20), 70_000))
    granpipe("prepare", tmp_path / "src", tmp_path / "out", code=1)
    assert set(rejects(tmp_path / "out").values()) == {"unsupported"}


# Odd sizes and formats


def test_a_strip_of_1_by_5000_pixels_is_one_column(corn, prepared):
    save(corn / "a.png", Image.new("RGB", (1, 5000), (9, 99, 199)))
    array, row = prepared("a.png")
    assert box_of(row) == (slice(0, 224), slice(111, 112))
    assert (array[:, 111] == (9, 99, 199)).all()
    assert array.sum() == 224 * (9 + 99 + 199)


def test_a_single_pixel_fills_the_canvas(corn, prepared):
    save(corn / "a.png", Image.new("RGB", (1, 1), (9, 99, 199)))
    array, _ = prepared("a.png")
    assert (array == (9, 99, 199)).all()


def test_a_small_picture_is_scaled_up(corn, prepared):
    save(corn / "a.png", picture(40, 30))
    array, row = prepared("a.png")
    assert (row["width"], row["height"]) == ("40", "30")
    assert box_of(row) == (slice(28, 196), slice(0, 224))
    assert psnr(content(array, row), np.asarray(fitted(picture(40, 30)))) > 55


def test_the_first_picture_of_an_animation_is_taken(corn, prepared):
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("#c81e0a", "#0ac81e")]
    save(corn / "a.png", frames[0], save_all=True, append_images=frames[1:])
    save(corn / "b.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    for name in ("a.png", "b.webp"):
        array, _ = prepared(name)
        assert (array == (200, 30, 10)).all()


def test_the_first_picture_of_an_mpo_is_taken(corn, prepared):
    options = {"append_images": [Image.new("RGB", (448, 336))], "quality": 95}
    save(corn / "a.jpg", picture(448, 336), format="MPO", save_all=True, **options)
    array, row = prepared("a.jpg")
    assert psnr(content(array, row), np.asarray(fitted(picture(448, 336)))) > 35


def test_every_format_is_decoded(corn, prepared):
    lossy = ["a.jpg", "a.JPEG", "a.jpe", "a.webp", "a.avif"]
    exact = ["a.png", "a.tif", "a.TIFF", "a.bmp"]
    for seed, name in enumerate(lossy + exact):
        save(corn / name, picture(448, 336, seed))
    for seed, name in enumerate(lossy + exact):
        array, row = prepared(name)
        expected = np.asarray(fitted(picture(448, 336, seed)))
        assert psnr(content(array, row), expected) > (30 if name in lossy else 55), name


def test_heic_is_decoded_with_the_extra(corn, prepared):
    pytest.importorskip("pillow_heif").register_heif_opener()
    save(corn / "a.heic", picture(448, 336), quality=90)
    array, row = prepared("a.heic")
    assert psnr(content(array, row), np.asarray(fitted(picture(448, 336)))) > 30


def test_heic_without_the_extra_is_rejected_with_the_extras_name(start, corn, tmp_path):
    (corn / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100))
    put(tmp_path / "shadow/pillow_heif.py", b"raise ImportError\n")
    path = os.pathsep.join([str(tmp_path / "shadow"), str(ROOT)])
    process = start(
        "prepare", tmp_path / "src", tmp_path / "out", env=os.environ | {"PYTHONPATH": path}
    )
    _, errors = process.communicate()
    assert process.returncode == 1
    assert rejects(tmp_path / "out") == {"corn/a.heic": "unsupported"}
    assert "granpipe[heic]" in errors


def test_a_jpeg_is_not_decoded_larger_than_needed():
    image = open_photo(encoded(picture(3200, 2400), "JPEG"))
    letterbox(image)
    assert image.size == (400, 300)


@pytest.mark.parametrize(("bits", "photometric"), [(12, 1), (16, 1), (16, 0)])
def test_grey_tiffs_use_all_levels_whatever_their_bits_and_their_zero(bits, photometric):
    top = 2**bits - 1
    ramp = np.linspace(0, top, 256).round().astype(np.uint16)[None].repeat(64, 0)
    stored = top - ramp if photometric == 0 else ramp
    data = retagged(encoded(Image.fromarray(stored), "TIFF"), {258: bits, 262: photometric})
    if bits == 12:  # two pixels in three bytes
        pairs = stored.reshape(-1, 2).tolist()
        packed = b"".join((a << 12 | b).to_bytes(3, "big") for a, b in pairs)
        data = data.replace(stored.tobytes(), packed.ljust(stored.nbytes, b"\0"))
    array, box, *_ = letterbox(open_photo(data), 256)
    expected = np.arange(256)[None].repeat(box.height, 0)
    assert np.abs(array[box.top : box.bottom, :, 0].astype(int) - expected).max() <= 1


def retagged(tiff: bytes, values: dict[int, int]) -> bytes:
    """Return a little-endian TIFF with other values in tags of one SHORT."""
    data = bytearray(tiff)
    start = int.from_bytes(data[4:8], "little")
    for entry in range(start + 2, start + 2 + 12 * data[start], 12):
        tag = int.from_bytes(data[entry : entry + 2], "little")
        if tag in values:
            data[entry + 8 : entry + 10] = values[tag].to_bytes(2, "little")
    return bytes(data)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_colour_named_transparent_shows_the_fill(mode):
    colour = (10, 20, 30) if mode == "RGB" else 10
    data = encoded(Image.new(mode, (8, 8), colour), "PNG", transparency=colour)
    array, *_ = letterbox(open_photo(data), 8, fill=(200, 100, 50))
    assert (array == (200, 100, 50)).all()
