"""Damage in a TIFF that libtiff passes over is seen: checksums behind pixels, zeros in JPEGs."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

from conftest import psnr, rejects, rows, textured

KINDS = {
    "deflate": {"compression": "tiff_adobe_deflate"},
    "jpeg": {"compression": "jpeg", "quality": 90},
}


def tiff(options: dict, image: Image.Image | None = None) -> bytes:
    stream = io.BytesIO()
    (image or textured(1, (640, 480))).save(stream, "TIFF", **options)
    return stream.getvalue()


def test_a_tiff_that_lacks_a_part_of_its_codes_is_truncated(granpipe, tmp_path):
    names, folder = set(), tmp_path / "img/corn"
    folder.mkdir(parents=True)
    for kind, options in KINDS.items():
        whole = tiff(options)
        (folder / f"{kind}.tif").write_bytes(whole)
        with Image.open(io.BytesIO(whole)) as image:
            parts = list(zip(image.tag_v2[273], image.tag_v2[279], strict=True))
        for number, (start, size) in enumerate(parts[:8]):
            place = start + size // 2
            if size > 900:
                damaged = whole[:place] + bytes(200) + whole[place + 200 :]
                (folder / f"{kind} {number}.tif").write_bytes(damaged)
                names.add(f"corn/{kind} {number}.tif")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == dict.fromkeys(names, "truncated")
    assert len(names) >= 10
    assert len(rows(tmp_path / "out/labels.csv")) == len(KINDS)


def test_a_bit_that_changes_a_few_pixels_is_seen():
    whole, found = tiff(KINDS["deflate"]), 0
    random_places = random.Random(3)
    with Image.open(io.BytesIO(whole)) as image:
        start, size = image.tag_v2[273][0], image.tag_v2[279][0]
    for _ in range(20):
        damaged = bytearray(whole)
        damaged[random_places.randrange(start, start + size)] ^= 4
        with pytest.raises(PhotoError, match="truncated"):
            letterbox(open_photo(bytes(damaged)), 64)
        found += 1
    assert found == 20


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_tiff_is_whole(options, level):
    flat = Image.new("RGB", (2000, 700), (level,) * 3)
    array = letterbox(open_photo(tiff(options, flat)), 64)[0]
    assert psnr(array[32], np.full((64, 3), level)) > 40


def test_a_deflated_part_without_its_sum_is_drawn():
    """Some writers flush their codes and never finish them."""
    whole = tiff(KINDS["deflate"] | {"strip_size": 1 << 24})
    with Image.open(io.BytesIO(whole)) as image:
        (start,), (size,) = image.tag_v2[273], image.tag_v2[279]
    cut = whole[: start + size - 4] + bytes(4) + whole[start + size :]
    place = cut.index(size.to_bytes(4, "little"))
    cut = cut[:place] + (size - 4).to_bytes(4, "little") + cut[place + 4 :]
    assert np.array_equal(letterbox(open_photo(cut))[0], letterbox(open_photo(whole))[0])
