"""A sound HEIC or AVIF is read whatever brand comes first, and what is refused is named."""

import struct

import numpy as np
import pytest

from granpipe.errors import PhotoError
from granpipe.photo.brands import brands_of
from granpipe.photo.exif import read_capture
from granpipe.photo.isobmff import read_container
from granpipe.photo.kinds import HEAD, begins_like_photo
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

import draw_containers as dc
import exif_blocks as eb
from conftest import picture

pytestmark = pytest.mark.usefixtures("heic")

BLOCK = eb.block(eb.gps(), image={0x0112: eb.short(1)})


def branded(data: bytes, *brands: bytes) -> bytes:
    """Return a file with other brands, the major one first."""
    (_, said), *rest = dc.boxes(data)
    names = brands[0] + bytes(4) + b"".join(brands[1:])
    moved = 64  # of which a free box takes what the brands do not
    head = dc.box(b"ftyp", names)
    head += dc.box(b"free", bytes(8 + len(said) + moved - len(head) - 8))
    meta = dict(rest)[b"meta"]
    inner = [
        (kind, dc._moved(part, moved) if kind == b"iloc" else part)
        for kind, part in dc.boxes(meta[4:])
    ]
    meta = meta[:4] + b"".join(dc.box(*one) for one in inner)
    others = [dc.box(kind, meta if kind == b"meta" else part) for kind, part in rest]
    return b"".join([head, *others])


def upright(data: bytes) -> np.ndarray:
    return np.asarray(letterbox(open_photo(data), 160)[3])


AVIF = [
    *[(b"MA1B", b"avif", b"mif1", b"MA1B"), (b"avio", b"avif", b"mif1"), (b"miaf", b"avif")],
    *[(b"mif2", b"avif"), (b"avis", b"avif", b"avis", b"msf1"), (b"msf1", b"avif"), (b"avif",)],
    *[(b"mif1", b"miaf"), (b"heic", b"mif1", b"avif"), (b"mif1", b"avif"), (b"\0\0\0\0", b"avif")],
    *[(b"avif", b"mif1", b"tmap"), (b"tmap", b"avif")],
]
HEIC = [
    *[(b"miaf", b"heic", b"mif1"), (b"MiHB", b"heic"), (b"mif2", b"mif1", b"heic")],
    *[(b"avif", b"mif1", b"heic"), (b"msf1", b"heic"), (b"heic", b"miaf"), (b"heic", b"heic")],
    *[(b"heic", b"heic", b"isom"), (b"mif1", b"heic", b"mp42", b"msf1")],
]


@pytest.mark.parametrize(
    ("kind", "brands"),
    [*(("AVIF", brands) for brands in AVIF), *(("HEIF", brands) for brands in HEIC)],
    ids=str,
)
def test_a_picture_is_read_whatever_its_brands_are(kind, brands):
    plain = dc.container(picture(160, 120), kind, dc.irot(1), quality=80, exif=BLOCK, xmp=b"<x/>")
    data = branded(plain, *brands)
    assert brands_of(data) == list(brands)
    image = open_photo(data)
    assert np.array_equal(upright(data), upright(plain))
    assert image.info["xmp"] == b"<x/>"
    assert read_capture(image) == read_capture(open_photo(plain))
    assert read_capture(image).position


@pytest.mark.parametrize("brands", [*AVIF[:6], *HEIC], ids=str)
def test_its_first_bytes_tell_that_it_is_a_photograph(brands):
    data = branded(dc.container(picture(16, 16), "AVIF"), *brands)
    assert begins_like_photo(data[:HEAD])
    film = branded(data, b"isom", b"isom", b"iso2", b"avc1", b"mp41")
    assert not begins_like_photo(film[:HEAD])
    assert not begins_like_photo(b"\0\0\0\x18ftypcrx \0\0\0\1mif1heic"[:HEAD])


def test_the_brands_of_usual_files_are_left_alone():
    for kind in ("AVIF", "HEIF"):
        assert not read_container(dc.container(picture(16, 16), kind)).patches


def test_a_heic_without_room_for_brands_is_named():
    data = branded(dc.container(picture(16, 16), "HEIF"), b"heic")
    with pytest.raises(PhotoError, match="unsupported: is a HEIC of the brand 'heic' alone"):
        open_photo(data)


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [("AVIF", b"ispe"), ("AVIF", b"av1C"), ("HEIF", b"ispe"), ("HEIF", b"hvcC")],
)
def test_what_a_file_lacks_is_named(kind, lacking):
    data = dc.container(picture(160, 120), kind, drop=[lacking])
    with pytest.raises(PhotoError, match=f"unsupported: .*{lacking.decode()}"):
        open_photo(data)


def test_an_avif_of_the_longest_sides_is_opened():
    data = dc.container(picture(32_768, 16), "AVIF", speed=10, quality=30)
    assert open_photo(data).size == (32_768, 16)


@pytest.mark.parametrize("sides", [(33_000, 20), (3, 32_769)])
def test_an_avif_of_longer_sides_than_are_decoded_is_too_large(sides):
    data = dc.container(picture(*sides), "AVIF", speed=10, quality=30)
    with pytest.raises(PhotoError, match=f"too_large: {sides[0]} x {sides[1]} pixels"):
        open_photo(data)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_an_avif_of_too_many_pixels_is_too_large_where_no_decoder_opens_it(kind):
    codes = {"AVIF": b"av01", "HEIF": b"hvc1"}[kind]
    tile = dc.container(picture(64, 64), kind)
    data = dc.grid(tile, codes, 255, 2, (64, 64), (40_000, 128))
    with pytest.raises(PhotoError, match="too_large: "):
        letterbox(open_photo(data, max_pixels=5_000_000), 64)


def test_an_avif_of_more_pixels_than_its_decoder_takes_is_too_large():
    tile = dc.container(picture(64, 64), "AVIF")
    data = dc.grid(tile, b"av01", 2, 2, (64, 64), (17_000, 17_000))
    said = "too_large: 17000 x 17000 pixels; of an AVIF 32,768 a"
    with pytest.raises(PhotoError, match=said):
        open_photo(data, max_pixels=10**9)


def with_marks(data: bytes, is_essential: bool) -> bytes:
    """Return a file whose properties must all be known, or need not."""
    place = data.index(b"ipma") + 4
    count = data[place + 10]
    changed = bytearray(data)
    for at in range(place + 11, place + 11 + count):
        changed[at] = changed[at] & 0x7F | (is_essential << 7)
    assert struct.unpack_from(">I", data, place + 4) > (0,)
    return bytes(changed)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize("added", [dc.irot(1), dc.imir(0), dc.clap(100, 60)], ids=["t", "m", "c"])
def test_a_turn_that_need_not_be_known_is_applied(kind, added):
    plain = dc.container(picture(160, 120), kind, added, quality=80)
    unmarked = with_marks(plain, is_essential=False)
    assert unmarked != plain
    assert np.array_equal(upright(unmarked), upright(plain))
