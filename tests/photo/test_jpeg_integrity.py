"""JPEGs whose codes are damaged are rejected; sound ones are decoded at a reduced scale."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.decoding import load
from granpipe.photo.jpeg_integrity import find_stretches
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

from conftest import encoded, picture, psnr, reason, rejects, rows, textured

SIDES = (640, 480)


def jpeg(image: Image.Image | None = None, **options) -> bytes:
    image = image or picture(320, 240).resize(SIDES)
    return encoded(image, "JPEG", **{"quality": 85} | options)


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


def test_a_jpeg_of_very_many_restarts_without_its_end_is_truncated():
    data = jpeg(picture(1300, 1040), restart_marker_blocks=1)
    assert data.count(b"\xff\xd0") > 600
    load(open_photo(data))
    with pytest.raises(PhotoError, match="truncated: lacks its end marker"):
        load(open_photo(data[:-2]))


@pytest.mark.parametrize("end", [b"", b"\xff", b"\xff\x7f\0\0"], ids=repr)
@pytest.mark.parametrize("size", [100, 480])
def test_a_jpeg_without_its_end_is_truncated_as_pillow_says(end, size):
    damaged = jpeg().removesuffix(b"\xff\xd9") + end
    with pytest.raises(OSError, match="truncated|broken"):
        plain(damaged)
    with pytest.raises(PhotoError, match="truncated"):
        letterbox(open_photo(damaged), size)


# `picture(48, 32)` in grey of quality 75, which `jpegtran -arithmetic` wrote in three ways, and
# 1024 x 768 pixels of grey 128, whose codes all are zeros that are not written.
ARITHMETIC = {
    "sequential": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx
NDQ0Hyc5PTgyPC4zNDL/yQALCAAgADABAREA/8wABgAQEAX/2gAIAQEAAD8AyPHtZxK9UXghjRr/ABSrrvrzBqGlEKvnHRAVitUR
Wswk0P4xIlFWD/rmh1CX2p9EeExZnExhdUVt3lwXpgb7NPDKm6q1Ls0pxSfDuq8VoeZurEALjneIFlwV+zESPaEtzXhToywcEsss
3cQD68BtRPxed9yR6kvjZ/U5vKAMY5xwHrdJkLBQAbmOS7YLAxSGApKBVSdl+Lae+faL7S9w/9k=
""",
    "progressive": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx
NDQ0Hyc5PTgyPC4zNDL/ygALCAAgADABAREA/8wABAAQ/9oACAEBAAAAAbavbcLRvMv7kjRy/vH2J8o7xWfDNlfeEP/MAAQQBf/a
AAgBAQABBQIYINoR25v0C0q+IYrv+rplMpi3H8/w6z8ik0Y96b49fCg7Mc6QmBB1pGOA/8wABBAF/9oACAEBAAY/Ase/wob/zAAE
EAX/2gAIAQEAAT8hiwFBumQiSdETYkHD9GGxFxxw36DRMA4qgb0nnUulqEn/2gAIAQEAAAAQ3fjw/8wABBAF/9oACAEBAAE/EJw9
ZJqbZCZEmVbXg2n9yXkn8nYVTVpGFQtaoKFaFP5ye9OAujCr521z5S7tKFzxXFX4UFz/2Q==
""",
    "restarts": """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx
NDQ0Hyc5PTgyPC4zNDL/yQALCAAgADABAREA/8wABgAQEAX/3QAEAAz/2gAIAQEAAD8AyPHtZxK9UXghjRr/ABSrrvrzBqGlEKvn
HRAVitURWswk0P4xIlFWD/rmh1CX2p9EeExZnExhdUVt3lwXpgb7NPDKm6q1Ls0pxSfDuq8VoeZurEALjneIFlwg/9D/ALdVgV+f
eP8ARfGzkHeUIQOaU34rPtLnabjMZN3MpVuNLZ5dyogCAOXx/wC+axHkM91W0hKlE2e7BE1Kvwtcf2zSvWW6J2nnpB83SXb/AApI
/9k=
""",
}
FLAT = """
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAx
NDQ0Hyc5PTgyPC4zNDL/ygALCAMABAABAREA/8wABAAQ/9oACAEBAAAAAUvQ/8wABBAF/9oACAEBAAEFAqXw/8wABBAF/9oACAEB
AAY/AqXw/8wABBAF/9oACAEBAAE/IaXw/9oACAEBAAAAEEvG/8wABBAF/9oACAEBAAE/EKXw/9k=
"""
LACKS_END = "truncated: lacks only its end marker, it seems; save it again"


def arithmetic(name: str) -> bytes:
    return base64.b64decode(ARITHMETIC[name])


@pytest.mark.parametrize("name", ARITHMETIC)
def test_a_jpeg_of_arithmetic_codes_that_lacks_its_end_marker_alone_says_that(name):
    data = arithmetic(name)
    expected = letterbox(open_photo(jpeg(picture(48, 32).convert("L"), quality=75)), 64)[0]
    for sound in (data, data + bytes(9)):
        assert np.array_equal(letterbox(open_photo(sound), 64)[0], expected)
    assert reason(data[:-2]) == LACKS_END
    assert reason(data[:-1]) == LACKS_END


@pytest.mark.parametrize("name", ARITHMETIC)
@pytest.mark.parametrize("size", [64_400, 65_000, 65_350, 65_450, 65_533])
def test_a_jpeg_of_arithmetic_codes_may_be_large(name, size):
    data = arithmetic(name)
    remark = b"\xff\xfe" + size.to_bytes(2, "big") + bytes(size - 2)
    larger = data[:2] + remark + data[2:]
    assert np.array_equal(letterbox(open_photo(larger), 64)[0], letterbox(open_photo(data), 64)[0])


@pytest.mark.parametrize("name", ["sequential", "restarts"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_a_jpeg_that_lacks_arithmetic_codes_is_truncated(name, is_ended):
    data = arithmetic(name)
    cut = data[: data.index(b"\xff\xda") + 30] + b"\xff\xd9" * is_ended
    what = "its codes end" if is_ended else "the file ends"
    assert reason(cut) == f"truncated: {what} before its pixels do"


def test_a_flat_jpeg_of_arithmetic_codes_is_whole():
    data = base64.b64decode(FLAT)
    for size in (64, 500, 1024):
        assert (letterbox(open_photo(data), size)[0][size // 2] == 128).all()
    assert reason(data[:-2]) == LACKS_END


WRITERS = {
    "usual tables": {},
    "own tables": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
    "progressive": {"progressive": True},
}


def test_zeros_among_codes_are_missing_parts(granpipe, tmp_path):
    names = set()
    folder = tmp_path / "img/corn"
    folder.mkdir(parents=True)
    for name, options in WRITERS.items():
        whole = jpeg(textured(1, (1200, 900)), **options)
        start = next(find_stretches(whole)).start
        (folder / f"{name}.jpg").write_bytes(whole)
        for share in range(1, 10):
            place = start + (len(whole) - start) * share // 10 & ~511
            for size in (512, 4096):
                damaged = whole[:place] + bytes(size) + whole[place + size :]
                if name == "progressive" or damaged[-2:] != b"\xff\xd9":
                    continue  # the former may change nothing that can be seen
                (folder / f"{name} {share} {size}.jpg").write_bytes(damaged)
                names.add(f"corn/{name} {share} {size}.jpg")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == dict.fromkeys(names, "truncated")
    assert len(names) > 40
    assert len(rows(tmp_path / "out/labels.csv")) == len(WRITERS)


@pytest.mark.parametrize("options", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_zeros_are_no_damage_of_flat_pictures_and_slopes(options, mode):
    slope = Image.linear_gradient("L").resize((3000, 900))
    flats = [Image.new("RGB", (3000, 900), (level,) * 3) for level in (0, 128, 255)]
    for image in (slope, slope.rotate(180), *flats):
        data = jpeg(image.convert(mode), **options)
        assert psnr(letterbox(open_photo(data))[0], plain(data)) > 35


@pytest.mark.parametrize("options", WRITERS.values(), ids=WRITERS)
def test_zeros_behind_all_codes_are_padding(options):
    whole = jpeg(**options)
    padded = whole[:-2] + bytes(3000) + whole[-2:]
    assert np.array_equal(letterbox(open_photo(padded))[0], letterbox(open_photo(whole))[0])


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}], ids=str)
def test_zeros_instead_of_the_last_codes_are_no_padding(options):
    whole = jpeg(**options)
    *_, last = find_stretches(whole)
    cut = whole[: last.end - 200] + bytes(200) + whole[last.end :]
    assert reason(cut) == "truncated: its codes end before its pixels do"


@pytest.mark.parametrize("count", [17, 30, 47, 100])
def test_more_codes_than_pixels_are_damage(count):
    data = jpeg()
    (only,) = find_stretches(data)
    extra = data[only.start + 100 : only.start + 100 + count].replace(b"\xff", b"\xfe")
    assert reason(data[: only.end] + extra + data[only.end :]) == (
        "truncated: its pixels end before its codes"
    )


@pytest.mark.parametrize("codes", [b"", b"\x12\x34\x56"])
def test_a_restart_behind_the_last_pixels_is_no_damage_unless_codes_follow(codes):
    whole = jpeg(restart_marker_rows=1)
    count = len(list(find_stretches(whole)))
    more = whole[:-2] + bytes([0xFF, 0xD0 + (count - 1) % 8]) + codes + whole[-2:]
    if codes:
        assert reason(more) == "truncated: its pixels end before its codes"
    else:
        assert np.array_equal(letterbox(open_photo(more))[0], letterbox(open_photo(whole))[0])
