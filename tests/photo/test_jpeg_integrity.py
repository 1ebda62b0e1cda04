"""JPEGs whose codes are damaged are rejected; sound ones are decoded at a reduced scale."""

import io

import numpy as np
import pytest
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.decoding import load
from granpipe.photo.jpeg_integrity import find_stretches
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

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


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}], ids=str
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_white_sky_is_decoded_at_a_reduced_scale(mode, options):
    image = picture(320, 240).resize(SIDES)
    image.paste("white", (0, 0, 640, 200))
    data = jpeg(image.convert(mode), **options)
    array, full = letterbox(open_photo(data))[0], plain(data)
    assert not np.array_equal(array, full)
    assert psnr(array, full) > 35


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
