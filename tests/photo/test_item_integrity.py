"""A HEIC or AVIF that lacks a part is rejected, and what follows its picture is left out."""

import struct

import numpy as np
import pytest

from granpipe.errors import PhotoError
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

import draw_containers as dc
from conftest import picture, rejects, rows, textured

pytestmark = pytest.mark.usefixtures("heic")

KINDS = {"AVIF": b"av01", "HEIF": b"hvc1"}


def grid(kind: str) -> bytes:
    """Return a picture of 3 x 2 tiles, as phones write them."""
    tile = dc.container(textured(1, (64, 64)), kind)
    return dc.grid(tile, KINDS[kind], 3, 2, (64, 64), (180, 120))


def reason(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        letterbox(open_photo(data), 64)
    return str(caught.value)


def test_a_grid_that_is_cut_off_is_truncated_wherever_that_is(granpipe, tmp_path):
    names = set()
    for kind in KINDS:
        whole = grid(kind)
        folder = tmp_path / "img/corn"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"whole.{kind.lower()}").write_bytes(whole)
        first = whole.index(b"mdat") + 12
        for left in (first + 100, (first + len(whole)) // 2, len(whole) - 200, len(whole) - 1):
            (folder / f"{left}.{kind.lower()}").write_bytes(whole[:left])
            names.add(f"corn/{left}.{kind.lower()}")
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    assert rejects(tmp_path / "out") == dict.fromkeys(names, "truncated")
    assert len(rows(tmp_path / "out/labels.csv")) == 2


@pytest.mark.parametrize("place", [0.2, 0.5, 0.7])
def test_a_tile_whose_units_are_of_other_lengths_is_truncated(place):
    whole = grid("HEIF")
    start = whole.index(b"mdat") + 12
    place = int(start + place * (len(whole) - start))
    shifted = whole[:place] + b"some bytes" + whole[place:-10]
    assert reason(shifted) == "truncated: its codes are not as long as they say"


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_of_more_rows_than_tiles_is_truncated(kind):
    whole = grid(kind)
    layout = bytes([0, 0, 1, 2]) + struct.pack(">HH", 180, 120)
    assert whole.count(layout) == 1
    larger = bytes([0, 0, 2, 2]) + struct.pack(">HH", 180, 120)
    assert reason(whole.replace(layout, larger)).startswith("truncated")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_film_behind_a_picture_does_not_cost_it(kind, is_damaged):
    plain = dc.container(picture(160, 120), kind)
    film = dc.box(b"ftyp", b"mp42\0\0\0\0isommp42") + dc.box(b"mdat", bytes(3000))
    film += dc.box(b"moov", bytes(100))
    film = film[:-50] if is_damaged else film
    found = letterbox(open_photo(plain + film), 64)[0]
    assert np.array_equal(found, letterbox(open_photo(plain), 64)[0])


@pytest.mark.parametrize(
    ("kind", "made"), [("AVIF", b"iden"), ("AVIF", b"tmap"), ("HEIF", b"tmap")]
)
def test_a_picture_that_is_made_of_others_is_named(kind, made):
    data = grid(kind).replace(b"grid", made)
    assert reason(data) == (
        f"unsupported: is {'an AVIF' if kind == 'AVIF' else 'a HEIC'} whose picture is made of "
        f"others, as {made.decode()}"
    )


def test_filler_data_behind_a_picture_is_no_damage():
    """Cameras fill up to a size that they have fixed, and Canon's do it with zeros."""
    tile = dc.container(textured(1, (64, 64)), "HEIF")
    stream, filler = dict(dc.boxes(tile))[b"mdat"], b"\x4c\1" + bytes(3000) + b"\x80"
    filled = stream + struct.pack(">I", len(filler)) + filler
    filled = tile.replace(dc.box(b"mdat", stream), dc.box(b"mdat", filled))
    assert filled != tile
    plain = letterbox(open_photo(grid("HEIF")))[0]
    filled = dc.grid(filled, b"hvc1", 3, 2, (64, 64), (180, 120))
    assert np.array_equal(letterbox(open_photo(filled))[0], plain)


def test_a_tile_that_is_erased_as_a_whole_is_missing():
    whole = grid("HEIF")
    start = whole.index(b"mdat") + 12
    size = (len(whole) - start) // 6
    erased = whole[: start + size] + bytes(size) + whole[start + 2 * size :]
    assert reason(erased) == "truncated: a part of its codes was never written, or is erased"
