"""What is kept of a photograph's file and frame beside the plant."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from granpipe.photo.details import Details, details_of
from granpipe.photo.jpeg_header import PlainJpeg
from granpipe.photo.opening import open_photo
from granpipe.photo.traces import BORDER, blocks_of, border_of, quantization_of

from conftest import encoded, picture
from exif_blocks import jpeg_at


@pytest.mark.parametrize("quality", [1, 50, 85, 100])
def test_the_quantization_is_that_of_pillow(quality):
    data = encoded(picture(), "JPEG", quality=quality)
    image = open_photo(data)
    assert isinstance(image, PlainJpeg)
    assert quantization_of(image) == sum(Image.open(BytesIO(data)).quantization[0])
    assert quantization_of(Image.open(BytesIO(data))) == quantization_of(image)


def test_numbers_of_sixteen_bits_are_added_up():
    table = [1 + 5 * number for number in range(64)]
    data = encoded(picture(), "JPEG", qtables=[table, table])
    wide = b"".join(number.to_bytes(2, "big") for number in table)
    start = data.index(b"\xff\xdb")
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    segment = b"\xff\xdb" + (131).to_bytes(2, "big") + b"\x10" + wide
    image = open_photo(data[:start] + segment + data[start + 2 + length :])
    assert quantization_of(image) == sum(table)


def test_other_formats_have_no_quantization():
    assert quantization_of(open_photo(encoded(picture(), "PNG"))) is None


def test_blocks_are_named():
    assert blocks_of(Details()) == ""
    assert blocks_of(Details(exif=b"II", xmp=b"x", profile=b"p")) == "exif xmp icc"
    assert blocks_of(details_of(open_photo(jpeg_at(1, 2)))) == "exif"


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (5, 3), (168, 224)])
def test_the_border_is_corners_and_middles(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    found = np.frombuffer(border_of(pixels), np.uint8).reshape(BORDER, 3)
    height, width = shape
    assert found[0].tolist() == pixels[0, 0].tolist()
    assert found[1].tolist() == pixels[0, width // 2].tolist()
    assert found[4].tolist() == pixels[height // 2, -1].tolist()
    assert found[7].tolist() == pixels[-1, -1].tolist()
