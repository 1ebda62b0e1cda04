"""JPEGs whose damage nobody tells of are drawn as a decode at full size draws them."""

import io

import numpy as np
import pytest
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.doubt import has_odd_tables
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import load, open_photo
from granpipe.photo.scans import find_stretches

from conftest import picture, psnr

SIDES = (640, 480)


def jpeg(image: Image.Image | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    (image or picture(320, 240).resize(SIDES)).save(buffer, "JPEG", **{"quality": 85} | options)
    return buffer.getvalue()


def plain(data: bytes, size: int = 224) -> np.ndarray:
    """Return the array of a picture that Pillow alone has decoded, at its full size."""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return letterbox(image, size)[0]


def replaced(data: bytes, place: int, byte: int) -> bytes:
    return data[:place] + bytes([byte]) + data[place + 1 :]


@pytest.mark.parametrize("place", [5, 20, 40])
@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_a_damaged_quantum_shows_what_the_full_size_shows(place, options):
    grain = np.random.default_rng(3).integers(-60, 60, (*SIDES[::-1], 1))
    grained = np.asarray(picture(320, 240).resize(SIDES)) + grain
    data = jpeg(Image.fromarray(grained.clip(0, 255).astype(np.uint8)), **options)
    damaged = replaced(data, data.index(b"\xff\xdb") + 5 + place, 255)
    assert psnr(letterbox(open_photo(damaged), 100)[0], plain(damaged, 100)) > 35


KINDS = [{}, {"progressive": True}, {"subsampling": 0}]


def under_a_sky(mode: str, width: int = 640, **options) -> bytes:
    image = picture(320, 240).resize(SIDES)
    image.paste("white", (0, 0, width, 200))
    return jpeg(image.convert(mode), **options)


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize(("mode", "width"), [("RGB", 640), ("L", 640), ("RGB", 240)])
def test_what_is_whiter_than_white_is_decoded_in_full_size(mode, width, options):
    data = under_a_sky(mode, width, **options)
    quantum = data.index(b"\xff\xdb") + 5
    brighter = replaced(data, quantum, 2 * data[quantum])
    assert np.array_equal(letterbox(open_photo(brighter))[0], plain(brighter))


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_white_sky_is_decoded_at_a_reduced_scale(mode, options):
    data = under_a_sky(mode, **options)
    array, full = letterbox(open_photo(data))[0], plain(data)
    assert not np.array_equal(array, full)
    assert psnr(array, full) > 35


@pytest.mark.parametrize(
    ("was", "becomes"),
    [(b"\x00\x01\x02\x03", b"\x00\x01\x02\x02"), (b"\x08\x09\x0a\x0b", b"\x08\x09\x0a\x0f")],
    ids=["twice", "too large"],
)
def test_codes_that_no_encoder_writes_are_odd(was, becomes):
    data = jpeg()
    damaged = data.replace(was, becomes, 1)
    assert damaged != data
    assert has_odd_tables(Image.open(io.BytesIO(damaged)), damaged)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_no_table_of_a_sound_jpeg_is_odd(mode, options):
    image = picture(48, 36).convert(mode)
    for quality in range(1, 101, 3):
        data = jpeg(image, quality=quality, **options)
        assert not has_odd_tables(Image.open(io.BytesIO(data)), data)


@pytest.mark.parametrize("count", [4, 6, 8, 12])
def test_a_progressive_jpeg_that_lacks_a_few_codes_is_truncated(count):
    data = jpeg(progressive=True)
    end = next(find_stretches(data)).end
    damaged = data[: end - count] + data[end:]
    plain(damaged)  # Pillow says nothing, and leaves the last blocks grey
    with pytest.raises(PhotoError, match="truncated"):
        load(open_photo(damaged))


@pytest.mark.parametrize("end", [b"", b"\xff", b"\xff\x7f\0\0"], ids=repr)
@pytest.mark.parametrize("size", [100, 480])
def test_a_jpeg_without_its_end_is_truncated_as_pillow_says(end, size):
    damaged = jpeg().removesuffix(b"\xff\xd9") + end
    with pytest.raises(OSError, match="truncated|broken"):
        plain(damaged)
    with pytest.raises(PhotoError, match="truncated"):
        letterbox(open_photo(damaged), size)
