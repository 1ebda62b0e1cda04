"""HEIC and AVIF are turned, cut and read as their boxes say, and no odd box costs the picture."""

import io
import random
import re
import struct
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from granpipe.errors import PhotoError
from granpipe.photo.details import details_of
from granpipe.photo.exif import read_capture
from granpipe.photo.isobmff import read_container
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

import draw_containers as dc
import exif_blocks as eb
from conftest import picture, psnr, reason, rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("heic")]

KINDS = ["AVIF", "HEIF"]
BLOCK = eb.block(eb.gps(), image={0x0112: eb.short(1)})


def upright(data: bytes, size: int = 160) -> np.ndarray:
    return np.asarray(letterbox(open_photo(data), size)[3])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quarters", [None, 0, 1, 2, 3])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_turns_and_mirrors_are_those_of_other_decoders(kind, quarters, axis):
    turns = [] if quarters is None else [dc.irot(quarters)]
    turns += [] if axis is None else [dc.imir(axis)]
    data = dc.container(picture(160, 120), kind, *turns, quality=95)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(upright(data), np.asarray(expected))
    # libheif turns the pixels itself, so that the two are read in two ways.
    plain = np.rot90(np.asarray(picture(160, 120)), quarters or 0)
    plain = plain if axis is None else np.flip(plain, axis)
    assert psnr(upright(data), plain) > 35


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_aperture_is_cut_out_before_the_picture_is_turned(kind):
    data = dc.container(picture(160, 120), kind, dc.clap(100, 60, 10, -5), dc.irot(1), quality=95)
    _, box, sides, small = letterbox(open_photo(data), 100)
    cut = picture(160, 120).crop((40, 25, 140, 85)).transpose(Image.Transpose.ROTATE_90)
    assert sides == (60, 100)
    assert (box.width, box.height) == (60, 100)
    assert psnr(np.asarray(small), np.asarray(cut)) > 35


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("aperture", "sides"),
    [
        (dc.clap(160, 120), (160, 120)),
        (dc.clap(159, 119, 0.5, 0.5), (159, 119)),
        (dc.clap(1, 1), (1, 1)),
        (dc.clap(0, 0), (160, 120)),
        (dc.clap(400, 60), (160, 120)),
        (dc.clap(100, 60, 90), (160, 120)),
        (dc.clap(-100, 60), (160, 120)),
        (dc.box(b"clap", bytes(32)), (160, 120)),
        (dc.box(b"clap", b"\0\1"), (160, 120)),
    ],
    ids=["all", "all but one", "one", "none", "larger", "outside", "negative", "zeros", "cut"],
)
def test_an_aperture_that_cannot_be_is_left_out_of_account(kind, aperture, sides):
    plain = dc.container(picture(160, 120), kind, quality=80)
    data = dc.with_properties(plain, aperture)
    assert letterbox(open_photo(data), 160)[2] == sides
    if sides == (160, 120):
        assert np.array_equal(upright(data), upright(plain))


ODD_PROPERTIES = {
    "colr of nothing": dc.box(b"colr", b""),
    "colr of 3 bytes": dc.box(b"colr", b"ncl"),
    "nclx of 2 bytes": dc.box(b"colr", b"nclx\0\1"),
    "nclx of 6 bytes": dc.box(b"colr", b"nclx" + bytes(6)),
    "QuickTime's nclc": dc.box(b"colr", b"nclc\0\1\0\1\0\1"),
    "a profile of nothing": dc.box(b"colr", b"prof"),
    "a profile of nonsense": dc.box(b"colr", b"prof" + b"x" * 300),
    "irot of nothing": dc.box(b"irot", b""),
    "imir of nothing": dc.box(b"imir", b""),
    "pixi of nothing": dc.box(b"pixi", b""),
    "pixi of too few": dc.box(b"pixi", b"\0\0\0\0\xff\x08"),
    "pasp of nothing": dc.box(b"pasp", b""),
    "clli of nothing": dc.box(b"clli", b""),
    "mdcv of nothing": dc.box(b"mdcv", b""),
    "uuid of 3 bytes": dc.box(b"uuid", b"abc"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", ODD_PROPERTIES.values(), ids=ODD_PROPERTIES)
def test_an_odd_property_does_not_cost_the_picture(kind, odd):
    plain = dc.container(picture(160, 120), kind, quality=80)
    assert np.array_equal(upright(dc.with_properties(plain, odd)), upright(plain))
    bare = dc.with_properties(plain, odd, drop=[b"colr"])
    assert psnr(upright(bare), upright(plain)) > 35


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_names_of_its_colours_the_last_sound_one_counts(kind):
    leaf = Image.new("RGB", (32, 24), (90, 140, 60))
    for more in ([], [ODD_PROPERTIES["nclx of 2 bytes"]]):
        data = dc.container(leaf, kind, dc.nclx(12, 13), *more, quality=100)
        assert np.abs(upright(data, 32)[12, 16].astype(int) - (73, 142, 46)).max() <= 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("points", [(0, 0, 0), (255, 255, 255), (3, 3, 3), (1, 19, 6), (1, 13, 18)])
def test_code_points_that_are_reserved_name_nothing_and_cost_nothing(kind, points):
    plain = dc.container(picture(160, 120), kind, quality=80)
    odd = dc.with_properties(plain, dc.nclx(*points), drop=[b"colr"])
    assert psnr(upright(odd), upright(plain)) > 40
    named = dc.with_properties(plain, dc.nclx(12, 13), dc.nclx(*points), drop=[b"colr"])
    assert read_container(named).code_points == (12, 13, 6, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_matrix_that_shared_colours_cannot_have_is_left_out_and_primaries_count(kind):
    leaf = Image.new("RGB", (32, 24), (90, 140, 60))
    data = dc.container(leaf, kind, dc.nclx(12, 13, 0), drop=[b"colr"], quality=100)
    assert np.abs(upright(data, 32)[12, 16].astype(int) - (73, 142, 46)).max() <= 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("matrix", [15, 16, 17])
def test_matrices_that_no_decoder_here_knows_are_unsupported(kind, matrix):
    data = dc.container(picture(160, 120), kind, dc.nclx(1, 13, matrix), drop=[b"colr"])
    assert re.match("unsupported: .*(IPT|YCgCo)", reason(data))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("loud", "quiet"),
    [
        (dc.box(b"irot", b"\xff"), dc.irot(3)),
        (dc.box(b"imir", b"\xff"), dc.imir(1)),
        (dc.nclx(12, 13)[:-1] + b"\xff", dc.nclx(12, 13)),
    ],
    ids=["irot", "imir", "nclx"],
)
def test_bits_of_a_property_that_mean_nothing_change_nothing(kind, loud, quiet):
    plain = dc.container(picture(160, 120), kind, quality=80)
    found, expected = (
        upright(dc.with_properties(plain, one, drop=[b"colr"])) for one in (loud, quiet)
    )
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_property_that_must_be_known_and_is_not_makes_a_picture_unsupported(kind):
    data = dc.container(picture(160, 120), kind, dc.box(b"abcd", b"1234"))
    assert re.match("unsupported: .*'abcd'", reason(data))


XMP = b"<x:xmpmeta><rdf:Description tiff:Orientation='%d'/></x:xmpmeta>"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("said", "turns", "is_contradicted"),
    [(6, [dc.irot(3)], False), (6, [], True), (3, [dc.irot(1)], True), (1, [dc.irot(1)], False)],
    ids=["the same", "XMP alone", "another", "XMP was reset"],
)
def test_xmp_that_says_otherwise_than_the_boxes_is_flagged(kind, said, turns, is_contradicted):
    data = dc.container(picture(320, 240), kind, *turns, xmp=(XMP % said).ljust(300))
    image = open_photo(data)
    assert letterbox(image, 64)[2] == ((240, 320) if turns else (320, 240))
    assert details_of(image).is_contradicted is is_contradicted


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("said", "turns", "is_contradicted"),
    [(6, [dc.irot(3)], False), (6, [], True), (3, [dc.irot(1)], True), (1, [dc.irot(1)], False)],
    ids=["the same", "EXIF alone", "another", "EXIF was reset"],
)
def test_what_turns_a_picture_is_its_boxes_and_exif_that_says_otherwise_is_flagged(
    granpipe, tmp_path, kind, said, turns, is_contradicted
):
    # Pillow would make turns of an orientation, so it is given another tag first.
    block = eb.block(eb.gps(), image={0x0113: eb.short(said)})
    data = dc.container(picture(320, 240), kind, *turns, quality=90, exif=block)
    assert data.count(b"\x13\1\3\0") == 1
    data = data.replace(b"\x13\1\3\0", b"\x12\1\3\0")
    path = tmp_path / "img/corn" / f"a.{kind.lower()}"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    granpipe("prepare", tmp_path / "img", tmp_path / "out")
    (row,) = rows(tmp_path / "out/labels.csv")
    is_turned = bool(turns)
    assert (row["width"], row["height"]) == (("240", "320") if is_turned else ("320", "240"))
    assert ("orientation" in row["flags"].split()) is is_contradicted
    assert row["latitude"] == "12.51"


NONSENSE = {
    "zeros": bytes(200),
    "words": b"nonsense" * 30,
    "a table outside": b"II*\0\xff\xff\xff\xff" + bytes(200),
    "endless tables": b"MM\0*\0\0\0\x08\xff\xff" + b"\1" * 200,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_exif_that_is_nonsense_does_not_cost_the_picture(kind, nonsense):
    data = dc.container(picture(160, 120), kind, quality=90, exif=BLOCK)
    old = read_container(data).exif
    odd = data.replace(old, nonsense[: len(old)].ljust(len(old), b"x"))
    assert np.array_equal(upright(odd), upright(data))
    assert read_capture(open_photo(odd)).verdict == "unreadable"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [1, 3, 4])
def test_an_exif_item_without_exif_does_not_cost_the_picture(kind, length):
    data = dc.container(picture(160, 120), kind, quality=90, exif=BLOCK)
    size = len(read_container(data).exif) + 4
    start = data.index(b"iloc")
    place = next(at for at in range(start, start + 90) if data[at : at + 4] in lengths(size))
    odd = data[:place] + struct.pack(">I", length) + data[place + 4 :]
    assert np.array_equal(upright(odd), upright(data))
    assert read_capture(open_photo(odd)).verdict == "no_exif"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF])
def test_an_xmp_item_that_ends_nowhere_does_not_cost_the_picture(kind, length):
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>".ljust(301)
    data = dc.container(picture(160, 120), kind, quality=90, xmp=packet)
    start = data.index(b"iloc")
    size = struct.pack(">I", len(packet))
    place = next(at for at in range(start, start + 90) if data[at : at + 4] == size)
    odd = data[:place] + struct.pack(">I", length) + data[place + 4 :]
    assert np.array_equal(upright(odd), upright(data))


def lengths(size: int) -> list[bytes]:
    return [struct.pack(">I", size + more) for more in (0, 6)]


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_that_are_cut_off_are_damage(kind):
    data = dc.container(picture(40, 30), kind)
    for end in range(40, data.index(b"mdat"), 5):
        assert reason(data[:end]).startswith("truncated: "), end


@pytest.mark.parametrize(("coding", "word"), [(b"vvc1", "VVC"), (b"j2k1", "JPEG 2000")])
def test_a_coding_that_is_not_read_is_unsupported_and_named(coding, word):
    data = dc.container(picture(160, 120), "HEIF").replace(b"hvc1", coding)
    assert re.match(f"unsupported: .*{word}", reason(data))


def test_what_libheif_calls_unsupported_is_not_called_damage(monkeypatch):
    image = open_photo(dc.container(picture(160, 120), "HEIF"))
    monkeypatch.setattr(image, "load", lambda: (_ for _ in ()).throw(RuntimeError(SAID)))
    with pytest.raises(PhotoError, match="unsupported: .*codec"):
        letterbox(image)


SAID = "Unsupported feature: Unsupported codec"


def test_sides_are_judged_by_what_is_coded_not_by_what_is_shown():
    data = dc.container(picture(160, 120), "HEIF", dc.clap(10, 10))
    assert open_photo(data).size == (10, 10)
    with pytest.raises(PhotoError, match="too_large: 160 x 120"):
        open_photo(data, max_pixels=10_000)
    with pytest.raises(PhotoError, match="MB"):
        letterbox(open_photo(data), 32, max_memory=4 * 3 * 160 * 120)


@given(st.randoms(use_true_random=False), st.sampled_from(KINDS))
def test_no_damage_makes_the_reader_of_boxes_raise(rng, kind):
    data = bytearray(SOUND[kind])
    for _ in range(rng.choice([1, 2, 8])):
        data[rng.randrange(min(len(data), 500))] = rng.randrange(256)
    del data[rng.randrange(len(data)) :]
    read_container(bytes(data))


def sound() -> dict[str, bytes]:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    properties = (dc.clap(30, 20), dc.irot(1), dc.imir(1), dc.nclx(12, 13))
    options = {"drop": [b"colr"], "exif": BLOCK}
    return {kind: dc.container(picture(40, 30), kind, *properties, **options) for kind in KINDS}


SOUND = sound()


def test_boxes_within_boxes_without_end_take_no_time():
    deep = b""
    for _ in range(2000):
        deep = dc.box(b"meta", bytes(4) + deep)
    many = dc.box(b"ftyp", b"avif" + bytes(4)) + dc.box(b"free", b"") * 200_000
    table = struct.pack(">BBHHI", 2, 0, 0, 0x4444, 0xFFFFFFFF) + random.Random(1).randbytes(4000)
    for data in (deep, many, dc.box(b"meta", bytes(4) + dc.box(b"iloc", table)), crowded()):
        start = time.process_time()
        assert read_container(data).exif == b""
        assert time.process_time() - start < 3


def crowded() -> bytes:
    """Return a file of as many odd properties, owners and references as there is room for."""
    properties = dc.box(b"ipco", dc.box(b"colr", b"") * 127 + dc.box(b"ispe", bytes(12)) * 4000)
    owners = b"".join(
        struct.pack(">HB", 1, 255) + bytes(range(1, 128)) * 2 + b"\1" for _ in range(4000)
    )
    links = struct.pack(">HH", 1, 0xFFFF) + b"\0\1" * 0xFFFF
    return dc.box(b"ftyp", b"avif" + bytes(4)) + dc.box(
        b"meta",
        bytes(4)
        + dc.box(b"pitm", bytes(4) + b"\0\1")
        + dc.box(b"iprp", properties + dc.box(b"ipma", struct.pack(">4xI", 4000) + owners))
        + dc.box(b"iref", bytes(4) + (dc.box(b"dimg", links) + dc.box(b"auxl", links)) * 20),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_a_picture_is_read_once(kind):
    image = open_photo(SOUND[kind])
    assert details_of(image) is details_of(image)
    assert details_of(image).container.code_points == (12, 13, 6, 1)
