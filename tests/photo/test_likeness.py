"""The same picture in other bytes has nearly the same hash, and other pictures have not."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from granpipe.dataset.alike import FARTHEST, distance
from granpipe.photo import likeness
from granpipe.photo.letterbox import content, letterbox
from granpipe.photo.likeness import BYTES, WINDOWS, hashes, levels_of, turns

from conftest import encoded
from draw_fields import CROPS, LIGHTS, draw_field

pytestmark = pytest.mark.slow

Transpose = Image.Transpose


def look(image: Image.Image) -> bytes:
    array, box, *_ = letterbox(image)
    return hashes(levels_of(content(array, box).convert("L"))).tobytes()


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(BytesIO(encoded(image, "JPEG", quality=quality))).convert("RGB")


def scaled(image: Image.Image, scale: float) -> Image.Image:
    sides = (round(image.width * scale), round(image.height * scale))
    return image.resize(sides, Image.Resampling.BICUBIC)


def cut(image: Image.Image, share: float, seed: int) -> Image.Image:
    """Return what is left when a share of both sides is cut off somewhere, saved again."""
    rng = np.random.default_rng(seed)
    width, height = round(image.width * (1 - share)), round(image.height * (1 - share))
    left = int(rng.integers(image.width - width + 1))
    top = int(rng.integers(image.height - height + 1))
    return jpeg(image.crop((left, top, left + width, top + height)), 85)


def framed(image: Image.Image, border: tuple[float, float], colour: tuple) -> Image.Image:
    wide = (round(border[0] * image.width), round(border[1] * image.height))
    return jpeg(ImageOps.expand(image, wide, colour), 85)


DISTORTIONS = {
    **{f"quality {q}": lambda image, q=q: jpeg(image, q) for q in (30, 50, 95)},
    **{f"scaled by {s}": lambda image, s=s: scaled(image, s) for s in (0.25, 0.5, 2)},
    "sent by a messenger": lambda image: jpeg(scaled(image, 0.6), 60),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "a little cut off": lambda image: cut(image, 0.02, 1),
    "black bars": lambda image: framed(image, (0, 0.12), (0, 0, 0)),
    "a white frame": lambda image: framed(image, (0.06, 0.06), (250, 250, 250)),
    "a thin red frame": lambda image: framed(image, (0.02, 0.02), (90, 20, 30)),
    **{way.name: lambda image, way=way: image.transpose(way) for way in Transpose},
}


def fields(count: int) -> list[Image.Image]:
    labels, lights = list(CROPS), list(LIGHTS)
    return [
        draw_field(labels[n % 5], lights[n // 5 % 5], (224, 168), np.random.default_rng([5, n]))
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    return fields(12)


@pytest.fixture(scope="module")
def drawn_looks(drawn) -> list[bytes]:
    return [look(image) for image in drawn]


@pytest.fixture(scope="module")
def real(photos) -> list[Image.Image]:
    paths = sorted((photos / "challenge").rglob("*.jpg"))
    return [Image.open(path).convert("RGB") for path in paths]


@pytest.fixture(scope="module")
def real_looks(real) -> list[bytes]:
    return [look(image) for image in real]


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_a_drawn_picture_in_other_bytes_is_found(drawn, drawn_looks, distortion):
    for image, before in zip(drawn, drawn_looks, strict=True):
        assert distance(before, look(DISTORTIONS[distortion](image))) <= FARTHEST


@pytest.mark.slow
@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_a_photograph_in_other_bytes_is_found(real, real_looks, distortion):
    for image, before in zip(real, real_looks, strict=True):
        assert distance(before, look(DISTORTIONS[distortion](image))) <= FARTHEST


@pytest.mark.parametrize(("share", "least"), [(0.05, 0.97), (0.1, 0.8)])
def test_cropped_copies_are_found(drawn, share, least):
    cases = [(look(image), look(cut(image, share, s))) for image in drawn for s in range(4)]
    assert np.mean([distance(*case) <= FARTHEST for case in cases]) >= least


def test_frames_are_found_by_what_is_inside_alone(drawn, monkeypatch):
    pairs = [(image, framed(image, (0, 0.12), (0, 0, 0))) for image in drawn]
    monkeypatch.setattr(likeness, "_inside", lambda picture: None)
    missed = [distance(look(image), look(copy)) > FARTHEST for image, copy in pairs]
    assert np.mean(missed) > 0.9


def test_different_drawn_fields_never_look_alike(drawn_looks):
    pairs = [(one, other) for n, one in enumerate(drawn_looks) for other in drawn_looks[:n]]
    assert min(distance(*pair) for pair in pairs) > FARTHEST + 10


def test_different_photographs_do_not_look_alike(real_looks):
    pairs = [(one, other) for n, one in enumerate(real_looks) for other in real_looks[:n]]
    assert len(pairs) == 45
    assert min(distance(*pair) for pair in pairs) > FARTHEST + 10


@pytest.mark.parametrize("colour", [(0, 0, 0), (120, 160, 210), (255, 255, 255)])
def test_where_there_is_nothing_to_see_nothing_is_alike(colour):
    sky = look(Image.new("RGB", (64, 48), colour))
    assert sky == b""
    assert distance(sky, sky) == 8 * BYTES


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (5000, 10)])
def test_pictures_of_any_shape_have_hashes_or_none(size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    assert len(look(Image.fromarray(noise))) % BYTES == 0


def test_padding_is_not_looked_at(drawn):
    dark, bright = (letterbox(drawn[0], fill=(level,) * 3) for level in (0, 255))
    assert np.array_equal(
        levels_of(content(*dark[:2]).convert("L")), levels_of(content(*bright[:2]).convert("L"))
    )


def test_a_picture_without_a_frame_has_a_hash_and_those_of_its_windows(drawn):
    array, box, *_ = letterbox(drawn[0])
    assert hashes(levels_of(content(array, box).convert("L"))).shape == (1 + WINDOWS, BYTES)


def test_a_turned_hash_is_that_of_the_turned_picture(drawn):
    array, box, *_ = letterbox(drawn[1])
    picture = levels_of(content(array, box).convert("L"))
    ways = [way.tobytes() for way in turns(hashes(picture)[:1])]
    nearest = set()
    for way in (None, *Transpose):
        turned = picture if way is None else np.asarray(Image.fromarray(picture).transpose(way))
        found = hashes(turned)[0].tobytes()
        apart = [bits_apart(found, one) for one in ways]
        assert min(apart) <= 24
        nearest.add(int(np.argmin(apart)))
    assert nearest == set(range(8))


def bits_apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def test_no_machine_can_round_otherwise():
    """Another libm may differ in the last digit: no wave is that near to the next whole number."""
    for before, after in [(0, 0), (0, 0.04), (0.02, 0.02), (0.04, 0), (0, 0.08), (0.04, 0.04)]:
        edges = np.arange(65.0).clip(before * 64, (1 - after) * 64)
        middles = ((edges[1:] + edges[:-1]) / 2 - before * 64) / ((1 - after - before) * 64)
        waves = np.diff(edges) * np.cos(np.pi * np.arange(1, 17)[:, None] * middles) * 4096
        assert np.abs(waves % 1 - 0.5).min() > 1e-4
        assert np.array_equal(np.rint(waves), likeness._waves(before, after))
    assert 64 * 64 * 255 * 4096**2 < 2**53


def test_the_bits_are_these():
    """The hash of a picture drawn by a formula, as every machine must find it."""
    y, x = np.mgrid[0:96, 0:128]
    picture = ((x * x // 7 + y * y // 5 + x * y // 11) % 256).astype(np.uint8)
    assert hashes(picture)[0].tobytes().hex() == (
        "0000041c7ffffcff0fc07c70e1f00ee01cf078e1c3ff1fe5fc9e20101073ffe0"
    )
