"""Bad input of every kind: a reason and one line for each file, and the run goes on."""

import os
import random
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from granpipe.engines import processes

from conftest import PHOTOS, ROOT, encoded, picture, put, rejects, rows, save
from draw_containers import chunk

pytestmark = pytest.mark.slow

GOOD = picture(320, 240, seed=99)


@pytest.fixture
def corn(tmp_path):
    """Return the folder of the only class, with one good photograph in it."""
    return save(tmp_path / "src/corn/good.png", GOOD).parent


@pytest.fixture
def prepare(granpipe, tmp_path):
    """Prepare tmp_path/src; check what holds for any input; return the rejects and stderr."""

    def run(*options: object) -> tuple[dict[str, str], str]:
        out = tmp_path / "out"
        result = granpipe("prepare", tmp_path / "src", out, *options)
        prepared, rejected = rows(out / "labels.csv"), rows(out / "rejected.csv")
        assert f"{len(prepared) + len(rejected)} photographs found" in result.stdout
        assert "corn/good.png" in {row["source"] for row in prepared}
        assert_clean(result.stderr, len(rejected))
        assert_clean(result.stdout, result.stdout.count("\n"))
        return rejects(out), result.stderr

    return run


def assert_clean(text: str, lines: int) -> None:
    """Assert that each photograph has its line, none a traceback, and no character that acts."""
    assert len(text.splitlines()) == text.count("\n") == lines
    assert "Traceback" not in text
    assert all(char.isprintable() for char in text.replace("\n", ""))


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)


def tiff(width: int, height: int) -> bytes:
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (279, 8)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def webp(width: int, height: int) -> bytes:
    """Return an animated WebP whose canvas is larger than its one frame."""
    frame = bytes(6) + struct.pack("<I", 15)[:3] * 2 + bytes(4)
    frame += encoded(picture(16, 16), "WEBP")[12:]
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    parts = [(b"VP8X", b"\x02\0\0\0" + canvas), (b"ANIM", bytes(6)), (b"ANMF", frame)]
    body = b"WEBP" + b"".join(kind + struct.pack("<I", len(d)) + d for kind, d in parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


# Damaged files


def test_an_empty_file_text_and_nonsense_are_unreadable(corn, prepare):
    (corn / "empty.jpg").touch()
    (corn / "text.jpg").write_text("these are no pixels")
    (corn / "page.jpeg").write_text("<!DOCTYPE html><title>404</title>")
    (corn / "zeros.png").write_bytes(bytes(10_000))
    (corn / "vector.png").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (corn / "archive.jpg").write_bytes(b"PK\3\4" + bytes(100))
    (corn / "one.bmp").write_bytes(b"B")
    rejected, _ = prepare()
    assert rejected.pop("corn/zeros.png") == "truncated"  # as of a file that was never written
    assert set(rejected.values()) == {"unreadable"}
    assert len(rejected) == 6


def test_random_bytes_are_rejected_with_or_without_the_beginning_of_a_picture(corn, prepare):
    rng = random.Random(1)
    kinds = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")
    for number, kind in enumerate(kinds):
        start = encoded(picture(), kind)[:40]
        (corn / f"{number}.jpg").write_bytes(start + rng.randbytes(5000))
        (corn / f"{number}.png").write_bytes(start[:12] + rng.randbytes(5000))
    for number in range(5):
        (corn / f"random{number}.jpg").write_bytes(rng.randbytes(5000))
    rejected, _ = prepare()
    # A BMP has no checksum: random pixels after its header are a picture.
    assert len(rejected) >= 18
    assert set(rejected.values()) <= {"unreadable", "truncated", "unsupported", "too_large"}


def test_a_jpeg_cut_at_every_tenth_of_its_length_is_truncated(corn, prepare):
    data = encoded(picture(640, 480), "JPEG", quality=95)
    for tenth in range(1, 10):
        (corn / f"{tenth}.jpg").write_bytes(data[: len(data) * tenth // 10])
    rejected, _ = prepare()
    assert rejected == {f"corn/{tenth}.jpg": "truncated" for tenth in range(1, 10)}


def test_real_damaged_photographs_do_not_stop_the_run(corn, prepare, photos):
    for path in (PHOTOS / "broken").iterdir():
        shutil.copy(path, corn)
    rejected, _ = prepare()
    assert set(rejected.values()) <= {"unreadable", "truncated"}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_deflate"}),
        ("AVIF", {}),
        ("BMP", {}),
    ],
)
def test_a_file_cut_anywhere_is_rejected_or_whole_to_the_last_pixel(
    corn, tmp_path, prepare, kind, options
):
    data = encoded(GOOD, kind, **options)
    cuts = [1, 3, 7, 11, 20, 40, *(len(data) * tenth // 10 for tenth in range(1, 10))]
    cuts += [len(data) - left for left in (20, 8, 2, 1)]
    (corn / "good.png").write_bytes(data)
    for number, cut in enumerate(cuts):
        (corn / f"{number}.jpg").write_bytes(data[:cut])
    rejected, _ = prepare()
    whole = np.load(tmp_path / "out/corn/good.png.npy")
    for row in rows(tmp_path / "out/labels.csv"):
        assert np.array_equal(np.load(tmp_path / "out" / row["path"]), whole), row["source"]
    assert len(rejected) >= 15
    assert set(rejected.values()) <= {"unreadable", "truncated"}


def test_a_heic_cut_anywhere_is_rejected(corn, prepare):
    pytest.importorskip("pillow_heif").register_heif_opener()
    data = encoded(GOOD, "HEIF")
    for tenth in range(1, 10):
        (corn / f"{tenth}.heic").write_bytes(data[: len(data) * tenth // 10])
    rejected, _ = prepare()
    assert len(rejected) == 9
    assert set(rejected.values()) <= {"unreadable", "truncated"}


# Bombs


@pytest.mark.parametrize("sides", [(50_000, 50_000), (65_500, 65_500)])
def test_a_bomb_is_too_large_by_its_header(corn, prepare, sides):
    width, height = sides
    bmp = bytearray(encoded(picture(), "BMP"))
    bmp[18:26] = struct.pack("<ii", width, height)
    jpeg = bytearray(encoded(picture(), "JPEG"))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", height, width)
    bombs = {
        "png": png_header(width, height) + chunk(b"IDAT", zlib.compress(bytes(10_000_000))),
        "tif": tiff(width, height),
        "webp": webp(width, height),
        "bmp": bmp,
        "jpg": jpeg,
    }
    for suffix, data in bombs.items():
        (corn / f"bomb.{suffix}").write_bytes(data)
    rejected, errors = prepare()
    assert rejected == {f"corn/bomb.{suffix}": "too_large" for suffix in bombs}
    assert errors.count(f"{width} x {height} pixels") == len(bombs)


def test_sides_of_nothing_and_of_billions_are_rejected(corn, prepare):
    (corn / "zero.tif").write_bytes(tiff(0, 10))
    (corn / "zero.png").write_bytes(png_header(0, 0))
    (corn / "most.tif").write_bytes(tiff(2**32 - 1, 2**32 - 1))
    (corn / "most.png").write_bytes(png_header(2**32 - 1, 2**32 - 1))
    rejected, _ = prepare()
    assert len(rejected) == 4


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("huge.jpg", 50_000_000_000, "50,000,000,000 bytes"),
        ("huge.heic", 800_000_000, "would take 800 MB to decode, 700 MB are allowed"),
    ],
)
def test_a_file_of_more_bytes_than_decoding_may_take_is_not_read(corn, prepare, name, size, words):
    with (corn / name).open("wb") as file:
        file.write(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" if name == "huge.heic" else b"")
        file.truncate(size)
    rejected, errors = prepare()
    assert rejected == {f"corn/{name}": "too_large"}
    assert words in errors


def test_huge_texts_in_a_png_do_no_harm(corn, prepare):
    head, rest = encoded(picture(), "PNG")[:33], encoded(picture(), "PNG")[33:]
    bomb = zlib.compress(bytes(100_000_000))
    for name, kind, data in (
        ("ztxt", b"zTXt", b"Comment\0\0" + bomb),
        ("itxt", b"iTXt", b"Comment\0\1\0\0\0" + bomb),
        ("iccp", b"iCCP", b"icc\0\0" + bomb),
        ("exif", b"eXIf", bytes(1_000_000)),
    ):
        (corn / f"{name}.png").write_bytes(head + chunk(kind, data) + rest)
    rejected, _ = prepare()
    assert set(rejected.values()) <= {"truncated", "duplicate"}


# Hostile metadata


def test_a_hostile_colour_profile_is_left_out_of_account(corn, tmp_path, prepare):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    profiles = [b"x", bytes(200), srgb[:150], srgb[:-50], lab, random.Random(2).randbytes(3000)]
    profiles.append(srgb[:128] + random.Random(3).randbytes(len(srgb) - 128))
    for number, profile in enumerate(profiles):
        save(corn / f"{number}.png", GOOD, icc_profile=profile)
    save(corn / "grey.png", GOOD.convert("L"), icc_profile=srgb)
    save(corn / "cmyk.jpg", GOOD.convert("CMYK"), icc_profile=srgb)
    rejected, _ = prepare()
    assert rejected == {}
    good = np.load(tmp_path / "out/corn/good.png.npy")
    for number in range(len(profiles)):
        array = np.load(tmp_path / f"out/corn/{number}.png.npy")
        assert np.abs(array.astype(int) - good).max() <= 2


def test_hostile_exif_costs_the_position_and_not_the_photograph(corn, tmp_path, prepare):
    rng = random.Random(4)
    blocks = [b"", b"MM\0*", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", bytes(60_000)]
    blocks += [b"MM\0*\0\0\0\x08" + rng.randbytes(3000) for _ in range(5)]
    # A directory whose next directory is itself.
    blocks.append(b"II*\0\x08\0\0\0\0\0\x08\0\0\0")
    # An entry of four billion letters.
    blocks.append(b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x0112, 2, 2**32 - 1, 26))
    for number, block in enumerate(blocks):
        save(corn / f"{number}.jpg", GOOD, exif=b"Exif\0\0" + block, quality=95)
    rejected, _ = prepare()
    assert set(rejected.values()) <= {"duplicate"}
    for row in rows(tmp_path / "out/labels.csv"):
        assert (row["width"], row["height"], row["latitude"]) == ("320", "240", "")


# Files that are none


def test_links_that_lead_nowhere_and_folders_with_a_photographs_name_are_named(corn, prepare):
    (corn / "dangling.jpg").symlink_to(corn / "nothing.jpg")
    (corn / "self.jpg").symlink_to(corn / "self.jpg")
    save(corn / "folder.jpg/inside.jpg")
    rejected, errors = prepare()
    assert rejected == {
        "corn/dangling.jpg": "unreadable",
        "corn/self.jpg": "unreadable",
        "corn/folder.jpg": "unreadable",
    }
    assert "dangling.jpg: unreadable: link to a file that is not there" in errors
    assert "folder.jpg: unreadable: is a folder" in errors


def test_a_class_named_like_a_photograph_is_a_class(corn, prepare):
    save(corn.parent / "maize.jpg/a.jpg")
    assert prepare() == ({}, "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_devices_are_not_waited_for(corn, prepare):
    os.mkfifo(corn / "pipe.jpg")
    (corn / "zero.jpg").symlink_to("/dev/zero")
    (corn / "null.jpg").symlink_to(os.devnull)
    rejected, _ = prepare()
    assert set(rejected.values()) == {"unreadable"}
    assert len(rejected) == 3


def test_what_may_not_be_read_is_named_and_the_rest_prepared(corn, tmp_path):
    save(corn.parent / "closed/a.jpg").parent.chmod(0)
    save(corn / "private.jpg").chmod(0)
    command = [sys.executable, "-m", "granpipe", "prepare", tmp_path / "src", tmp_path / "out"]
    if os.geteuid() == 0:  # who may read everything, unless the right is taken away
        if not shutil.which("setpriv"):
            pytest.skip("root may read everything")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    (corn.parent / "closed").chmod(0o700)
    assert done.returncode == 1, done.stderr
    assert rejects(tmp_path / "out") == {"corn/private.jpg": "unreadable"}
    assert done.stderr.count("Permission denied") == 3
    assert_clean(done.stderr, 3)
    assert "corn/private.jpg: unreadable: Permission denied; allow reading it" in done.stderr
    assert "1 folder or photograph could not be read" in done.stderr
    assert "2 photographs found: 1 prepared" in done.stdout


# Names


def test_hostile_names_are_harmless_on_the_terminal_and_exact_in_the_tables(
    corn, tmp_path, prepare
):
    names = [
        "new\nline.jpg",
        "carriage\rreturn.jpg",
        'quote".jpg',
        "apostrophe'.jpg",
        "comma,.jpg",
        "=1+1.jpg",
        "@SUM(1).jpg",
        "\x1b[31mred\x07.jpg",
        "\x1b]0;title\x07.jpg",
        "gpj\u202e.jpg",
        "next\u0085line\u2028.jpg",
        " blank .jpg",
        "-rf.jpg",
        "percent%s{}{{x}}.jpg",
        "\N{EAR OF MAIZE}.jpg",
    ]
    for seed, name in enumerate(names):
        save(corn / name, picture(seed=seed))
        (corn / f"bad {name}").write_bytes(b"no picture")
    rejected, _ = prepare()
    assert set(rejected) == {f"corn/bad {name}" for name in names}
    table = rows(tmp_path / "out/labels.csv")
    assert {row["source"] for row in table} == {f"corn/{n}" for n in [*names, "good.png"]}
    for row in table:
        assert np.load(tmp_path / "out" / row["path"]).shape == (224, 224, 3)


def test_a_hostile_class_is_harmless_on_the_terminal(corn, tmp_path, prepare):
    labels = ["new\nline", "re\rturn", "\x1b[2J", "gpj\u202e", "=1+1", "a,b", 'q"', " "]
    for seed, label in enumerate(labels):
        save(corn.parent / label / "a.jpg", picture(seed=seed))
    assert prepare() == ({}, "")
    table = rows(tmp_path / "out/labels.csv")
    assert {row["label"] for row in table} == {"corn", *labels}


@pytest.mark.parametrize("merged", [[], ["Corn"]], ids=["", "merged"])
def test_names_that_are_not_utf_8_are_rejected_in_tables_that_are(corn, tmp_path, prepare, merged):
    for folder in merged:
        save(corn.parent / folder / "b.jpg")
    try:
        for name in (b"\xff.jpg", b"caf\xe9.jpg", b"\xed\xa0\x80.jpg"):
            save(corn / os.fsdecode(name), GOOD)
        save(corn.parent / os.fsdecode(b"ma\xefs") / "a.jpg")
    except OSError:
        pytest.skip("this file system knows UTF-8 names only")
    rejected, _ = prepare("--merge-classes")
    assert rejected == {
        "corn/\\xff.jpg": "bad_name",
        "corn/caf\\xe9.jpg": "bad_name",
        "corn/\\xed\\xa0\\x80.jpg": "bad_name",
        "ma\\xefs/a.jpg": "bad_name",
    }
    assert "corn/good.png.npy" in (tmp_path / "out/labels.csv").read_bytes().decode()


@pytest.mark.skipif(os.name == "nt", reason="no folder there may have such a name")
def test_a_class_called_like_a_drive_is_rejected_in_every_run(corn, prepare):
    drives = [f"{label}/a.jpg" for label in ("C:", "c:x", ":x")]
    for name in drives:
        save(corn.parent / name)
    for _ in range(2):
        assert prepare()[0] == dict.fromkeys(drives, "bad_name")


@pytest.mark.parametrize("letter", ["a", "\N{EAR OF MAIZE}"])
def test_a_name_is_rejected_only_where_its_array_would_have_none(corn, prepare, letter):
    names = {}
    for length in (239, 250):
        stem = letter * ((length - 4) // len(letter.encode()))
        names[length] = stem + "x" * (length - 4 - len(stem.encode())) + ".jpg"
        save(corn / names[length])
    rejected, _ = prepare()
    assert rejected == {f"corn/{names[250]}": "bad_name"}


def test_deep_folders_are_followed(corn, tmp_path, prepare):
    deep = Path(*["deeper"] * 60)
    save(corn / deep / "a.jpg")
    assert prepare() == ({}, "")
    assert (tmp_path / "out/corn" / deep / "a.jpg.npy").is_file()


def test_hostile_folder_names_are_harmless_in_every_message(granpipe, tmp_path):
    source, output = tmp_path / "s\x1b[31m\n", tmp_path / "o\x1b[31m\n"
    assert_clean(granpipe("prepare", source, output, code=2).stderr, 1)
    for number in range(25):
        save(source / f"corn/{number}.jpg").write_bytes(b"no picture")
    assert_clean(granpipe("prepare", source, output, code=1).stderr, 22)
    put(output / "augmented/dataset.json", b'{"made_from": "another"}')
    assert_clean(granpipe("prepare", source, output, "-q", code=1).stderr, 2)
    (output / "augmented").mkdir(exist_ok=True)  # which goes when it is empty
    (output / "augmented/labels.csv").write_text("path")
    stale = granpipe("prepare", source, output, code=1)
    assert_clean(stale.stdout, 5)
    assert_clean(granpipe("prepare", source, source / "in", code=1).stderr, 1)
    for name in (".granpipe/ledger.sqlite", "dataset.json", "labels.csv"):
        (output / name).unlink()
    assert_clean(granpipe("prepare", source, output, code=1).stderr, 1)


def test_what_is_unsupported_is_told_with_one_advice(granpipe, tmp_path, monkeypatch):
    """That is the missing extra of a HEIC, and another format for what no format can mend here."""
    corn = tmp_path / "img/corn"
    corn.mkdir(parents=True)
    Image.new("F", (20, 20), 0.5).save(corn / "a.tif")
    (corn / "b.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400))
    (tmp_path / "pillow_heif.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(processes, "_has_one_thread", lambda: False)  # a fork may have read HEIC
    result = granpipe("prepare", tmp_path / "img", tmp_path / "out", code=1)
    assert result.stderr.splitlines()[:-1] == [
        "corn/a.tif: unsupported: has signed or 32-bit pixels, whose range nobody knows; "
        "save it as JPEG or PNG",
        "corn/b.heic: unsupported: HEIC needs the extra: pip install 'granpipe[heic]'",
    ]
