"""Files that other decoders' suites hold, through the command line: true, or truly refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

from conftest import PHOTOS, psnr, rows

REFUSED = {
    "flower-rgb-contig-12.tif": "is a TIFF whose pixels are not read: 12-bit RGB",
    "gif-frame-65535.jpg": "is a GIF",
    "hdr-pq-bt2020.avif": "its colours are coded as high dynamic range (PQ)",
    "monkey12.jpg": "is a 12-bit JPEG",
    "rgb32bf.bmp": "is a BMP of 32 bits in fields that are not read",
}
SIDES = {
    "exiv2-raw-profile.png": ("40", "60"),
    "jfif-app0-of-7-bytes.jpg": ("160", "120"),
    "lossless-640.jpg": ("640", "110"),
    "orientation-byte.jpg": ("120", "160"),
    "palette-8bit-colormap.tif": ("160", "120"),
    "png-text-over-1MB.png": ("160", "120"),
    "tbbn0g04.png": ("32", "32"),
}
FILL = (200, 30, 10)


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """Return a folder of one class that holds the files."""
    if not (PHOTOS / "odd").is_dir():
        pytest.skip(f"no odd files at {PHOTOS / 'odd'}")
    folder = tmp_path_factory.mktemp("odd")
    shutil.copytree(PHOTOS / "odd", folder / "img/odd")
    return folder


def test_each_odd_file_is_prepared_or_says_truly_why_not(odd, granpipe):
    fill = "#" + "".join(f"{level:02x}" for level in FILL)
    granpipe("prepare", odd / "img", odd / "out", "--fill", fill)
    refused = {
        row["source"][4:]: (row["reason"], row["detail"]) for row in rows(odd / "out/rejected.csv")
    }
    assert refused == {name: ("unsupported", detail) for name, detail in REFUSED.items()}
    prepared = {row["source"][4:]: row for row in rows(odd / "out/labels.csv")}
    assert {name: (row["width"], row["height"]) for name, row in prepared.items()} == SIDES
    assert prepared["exiv2-raw-profile.png"]["latitude"] == "48.1333333"
    assert prepared["exiv2-raw-profile.png"]["taken_at"] == "2024-06-01T10:00:00"
    clear = np.load(odd / "out/odd/tbbn0g04.png.npy")
    assert tuple(clear[0, 0]) == FILL
    # The same scene, of which one file is drawn as every decoder draws it.
    plain = np.load(odd / "out/odd/png-text-over-1MB.png.npy")
    assert psnr(np.load(odd / "out/odd/palette-8bit-colormap.tif.npy"), plain) > 25
    assert psnr(np.load(odd / "out/odd/jfif-app0-of-7-bytes.jpg.npy"), plain) > 25


def test_a_lossless_jpeg_is_drawn_as_its_full_decode(odd):
    path = odd / "img/odd/lossless-640.jpg"
    with Image.open(path) as image:
        full = image.convert("RGB").resize((224, 38), Image.Resampling.LANCZOS)
    drawn = letterbox(open_photo(path.read_bytes()), 224)[3]
    assert drawn.size in {(224, 38), (224, 39)}
    assert psnr(np.asarray(drawn.resize(full.size)), np.asarray(full)) > 30
