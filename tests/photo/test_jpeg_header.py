"""A header that granpipe walks itself says what Pillow says of it, however damaged it is."""

import io
import random
import warnings

import pytest
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.decoding import load
from granpipe.photo.jpeg_header import open_plain

import fuzz
from conftest import encoded, picture

JPEGS = {name: data for name, data in fuzz.seeds().items() if name.endswith(".jpg")}
TOLD = ("exif", "xmp", "icc_profile", "progressive")


def pillow(data: bytes) -> Image.Image:
    with warnings.catch_warnings(action="ignore"):
        return Image.open(io.BytesIO(data), formats=["JPEG"])


def pixels(image: Image.Image) -> bytes | str:
    try:
        return load(image).tobytes()
    except PhotoError as error:
        return error.reason


@pytest.mark.parametrize("name", sorted(JPEGS.keys() - {"cmyk.jpg"}))
def test_a_sound_jpeg_is_opened_as_pillow_opens_it(name):
    ours, theirs = open_plain(JPEGS[name]), pillow(JPEGS[name])
    assert (ours.format, ours.mode, ours.size) == (theirs.format, theirs.mode, theirs.size)
    assert [ours.info.get(key) for key in TOLD] == [theirs.info.get(key) for key in TOLD]
    assert ours.getexif() == theirs.getexif()
    for image in (ours, theirs):
        image.draft(None, (image.width // 2, image.height // 2))
    assert pixels(ours) == pixels(theirs)


def test_a_profile_in_pieces_is_joined_in_their_order():
    profile = bytes(range(256)) * 600
    data = encoded(picture(30, 20), "JPEG", icc_profile=profile)
    assert open_plain(data).info["icc_profile"] == profile
    second = data.index(b"ICC_PROFILE\0\2")
    lacking = data[: second - 4] + data[second + 65_533 :]
    assert open_plain(lacking).info["icc_profile"] is None
    assert pillow(lacking).info["icc_profile"] is None


@pytest.mark.parametrize("name", JPEGS)
def test_a_damaged_jpeg_is_judged_and_decoded_as_pillow_opens_it(name):
    rng, opened = random.Random(name), 0
    for _ in range(100):
        head = bytearray(JPEGS[name][:700])
        rng.choice(fuzz.DAMAGES)(head, rng)
        damaged = bytes(head) + JPEGS[name][700:]
        if ours := open_plain(damaged):
            theirs = pillow(damaged)
            assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
            assert [ours.info.get(key) for key in TOLD] == [theirs.info.get(key) for key in TOLD]
            assert pixels(ours) == pixels(theirs)
            opened += 1
    assert opened >= (0 if name == "cmyk.jpg" else 20)
