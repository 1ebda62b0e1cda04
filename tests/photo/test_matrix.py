"""What of a photograph is read in which format: each cell of the table is a test or says why not.

`granpipe/photo/README.md` shows the table, and a test keeps it true. `PYTHONPATH=tests python
tests/photo/test_matrix.py` prints it.
"""

import base64
import io
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from granpipe.photo.exif import read_capture
from granpipe.photo.letterbox import letterbox
from granpipe.photo.opening import open_photo

import draw_containers as dc
import draw_samples
import exif_blocks as eb
from conftest import encoded, picture, psnr, reason

FORMATS = ("JPEG", "PNG", "WebP", "TIFF", "BMP", "AVIF", "HEIC")
LEAF, FROM_P3, FROM_ADOBE = (90, 140, 60), (73, 142, 46), (53, 141, 50)
FILL = (200, 30, 10)
EXIF = {eb.TAKEN: eb.text("2024:06:27 15:10:02"), eb.TAKEN_OFFSET: eb.text("+02:00")}
README = Path(__file__).parents[2] / "granpipe/photo/README.md"
BEGIN, END = "<!-- the table: tests/photo/test_matrix.py -->\n", "<!-- its end -->\n"


def written(image: Image.Image, kind: str, **options) -> bytes:
    if kind == "HEIC":
        pytest.importorskip("pillow_heif").register_heif_opener()
    lossless = {"JPEG": {"quality": 95, "subsampling": 0}, "WebP": {"lossless": True}}
    lossless |= {"AVIF": {"quality": 100}, "HEIC": {"quality": 100}}
    name = "HEIF" if kind == "HEIC" else kind
    return encoded(image, name, **lossless.get(kind, {}), **options)


def with_exif(kind: str, image: dict | None = None) -> bytes:
    """Return a photograph with a position, a time and perhaps an orientation."""
    block = eb.block(eb.gps(), EXIF, image)
    if kind == "JPEG":
        return eb.jpeg(block, picture=picture(160, 120))
    if kind == "TIFF":
        exif = Image.Exif()
        exif.load(block)
        return written(picture(160, 120), kind, exif=exif)
    return written(picture(160, 120), kind, exif=block)


def leaf() -> Image.Image:
    return Image.new("RGB", (32, 24), LEAF)


def drawn(data: bytes) -> np.ndarray:
    return letterbox(open_photo(data), 160, FILL)[0]


def bmp(bits: int, pixels: bytes, head: bytes, sides: tuple[int, int], packing: int = 0) -> bytes:
    """Return a bitmap with a header of version 5, of which `head` is the end."""
    info = struct.pack("<IiiHHIIiiII", 124, *sides, 1, bits, packing, 0, 0, 0, 0, 0)
    info += head.ljust(84, b"\0")
    return b"BM" + struct.pack("<IHHI", 138 + len(pixels), 0, 0, 138) + info + pixels


# One column of the table each: what is made, and what must come of it.


def orientation(kind: str) -> None:
    data = with_exif(kind, {0x0112: eb.short(6)})
    array, box, sides, small = letterbox(open_photo(data), 160)
    assert (sides, box.width, box.height, array.shape) == ((120, 160), 120, 160, (160, 160, 3))
    upright = picture(160, 120).transpose(Image.Transpose.ROTATE_270)
    assert psnr(np.asarray(small), np.asarray(upright)) > 30


def icc(kind: str) -> None:
    profile = draw_samples._display_p3()
    if kind == "BMP":
        head = bytes(16) + b"DEBM" + bytes(52) + struct.pack("<II", 124 + 32 * 24 * 3, len(profile))
        data = bmp(24, bytes(LEAF[::-1]) * 32 * 24 + profile, head, (32, 24))
    else:
        data = written(leaf(), kind, icc_profile=profile)
    assert np.abs(drawn(data)[80, 80].astype(int) - FROM_P3).max() <= 3


def named_colours(kind: str) -> None:
    if kind in {"AVIF", "HEIC"}:
        written(leaf(), kind)
        name = "HEIF" if kind == "HEIC" else kind
        data = dc.container(leaf(), name, dc.nclx(12, 13), drop=[b"colr"], quality=100)
        expected = FROM_P3
    elif kind == "PNG":
        plain, points = written(leaf(), kind), dc.chunk(b"cICP", bytes([12, 13, 0, 1]))
        data, expected = plain[:33] + points + plain[33:], FROM_P3
    else:
        data, expected = with_r03(kind), FROM_ADOBE
    assert np.abs(drawn(data)[80, 80].astype(int) - expected).max() <= 4


def with_r03(kind: str) -> bytes:
    """Return a leaf in Adobe RGB, of which EXIF's interoperability index alone tells."""
    index = {1: eb.text("R03")}
    if kind == "TIFF":
        image = {0x100: eb.short(1), 0x101: eb.short(1), 0x102: eb.short(8, 8, 8)}
        image |= {0x103: eb.short(1), 0x106: eb.short(2), 0x115: eb.short(3), 0x117: eb.long(3)}
        size = len(
            eb.block(
                None, {0xA001: eb.short(65535), 0xA005: eb.long(0)}, image | {0x111: eb.long(0)}
            )
        )
        exif = {0xA001: eb.short(65535), 0xA005: eb.long(size + 4)}
        data = eb.block(None, exif, image | {0x111: eb.long(size)}) + bytes(LEAF) + b"\0"
        return data + eb.table(index, len(data))
    size = len(eb.block(exif={0xA001: eb.short(65535), 0xA005: eb.long(0)}))
    block = eb.block(exif={0xA001: eb.short(65535), 0xA005: eb.long(size)}) + eb.table(index, size)
    return eb.jpeg(block, picture=leaf()) if kind == "JPEG" else written(leaf(), kind, exif=block)


# 32 x 24 pixels of 10 bits, drawn by `avifenc -d 10`: red rises to the right, green to the bottom.
AVIF_OF_10_BITS = """
AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUEAAADybWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAAAAAA
AAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAAAeaWxvYwAAAABEAAABAAEAAAABAAABGgAAAEMAAAAoaWluZgAAAAAAAQAA
ABppbmZlAgAAAAABAABhdjAxQ29sb3IAAAAAamlwcnAAAABLaXBjbwAAABRpc3BlAAAAAAAAACAAAAAYAAAAEHBpeGkAAAAA
AwoKCgAAAAxhdjFDgSBAAAAAABNjb2xybmNseAABAA0ABoAAAAAXaXBtYQAAAAAAAAABAAEEAQKDBAAAAEttZGF0EgAKCDgR
P35wENBpMjUVAAAAQAA6OjboKcMtSpan3tRoT/mdCgKQU2kJhQdIXQ5faifvsVvVr7pob/IYm3gQaQtKgA==
"""


def sixteen_bits(kind: str) -> None:
    if kind == "AVIF":
        rows, columns = np.mgrid[0:24, 0:32]
        expected = np.stack([columns * 8, rows * 10, (columns + rows) * 4], -1)
        found = letterbox(open_photo(base64.b64decode(AVIF_OF_10_BITS)), 32)[3]
        assert psnr(np.asarray(found), expected) > 30
        return
    levels = np.asarray(picture(160, 120).convert("L"), np.uint16) * 257
    if kind == "HEIC":
        pillow_heif = pytest.importorskip("pillow_heif")
        heif, stream = pillow_heif.from_bytes("L;16", (160, 120), levels.tobytes()), io.BytesIO()
        heif.save(stream, quality=100)
        data = stream.getvalue()
    else:
        data = written(Image.fromarray(levels), kind)
    assert psnr(np.asarray(letterbox(open_photo(data), 160)[3])[..., 0], levels / 257) > 38


def sixteen_bits_are_refused(kind: str) -> None:
    if kind == "JPEG":
        data = bytearray(written(leaf(), kind))
        place = data.index(b"\xff\xc0")
        data[place + 1], data[place + 4] = 0xC1, 12
    else:
        data = bmp(64, bytes(8 * 32 * 24), b"", (32, 24))
    assert re.match("unsupported: .*(12-bit|64-bit)", reason(bytes(data)))


def alpha(kind: str) -> None:
    image = Image.new("RGBA", (32, 32), (*LEAF, 255))
    image.paste((0, 0, 0, 0), (0, 0, 16, 32))
    if kind == "BMP":
        pixels = np.asarray(image)[::-1, :, [2, 1, 0, 3]].tobytes()
        masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
        data = bmp(32, pixels, masks, (32, 32), packing=3)
    else:
        data = written(image, kind)
    array = drawn(data).astype(int)
    assert np.abs(array[80, 20] - FILL).max() <= 3
    assert np.abs(array[80, 140] - LEAF).max() <= 3


def position(kind: str) -> None:
    found = read_capture(open_photo(with_exif(kind)))
    assert (found.verdict, found.position.lat, found.position.lon) == ("ok", 12.51, 45.255)


def capture_time(kind: str) -> None:
    found = read_capture(open_photo(with_exif(kind)))
    assert (found.taken_at, found.utc_offset) == ("2024-06-27T15:10:02", "+02:00")


NO_EXIF = "has no EXIF"
NONE = dict.fromkeys(("BMP",), NO_EXIF)
COLUMNS: dict[str, tuple[Callable[[str], None], dict[str, str]]] = {
    "orientation": (orientation, NONE),
    "ICC": (icc, {}),
    "nclx, cICP, R03": (named_colours, {"BMP": "names none"}),
    "16 bit": (sixteen_bits, {"WebP": "has 8 bits", "JPEG": "refused", "BMP": "refused"}),
    "alpha": (alpha, {"JPEG": "has none"}),
    "GPS": (position, NONE),
    "time": (capture_time, NONE),
}
"""What is looked at: the check of a format, and why there is none for some."""

CELLS = [
    (column, kind)
    for column, (_, holes) in COLUMNS.items()
    for kind in FORMATS
    if kind not in holes
]
REFUSED = [
    (column, kind)
    for column, (_, holes) in COLUMNS.items()
    for kind, why in holes.items()
    if why == "refused"
]


@pytest.mark.parametrize(("column", "kind"), CELLS, ids=map("-".join, CELLS))
def test_read(column, kind):
    COLUMNS[column][0](kind)


@pytest.mark.parametrize(("column", "kind"), REFUSED, ids=map("-".join, REFUSED))
def test_refused(column, kind):
    assert column == "16 bit"
    sixteen_bits_are_refused(kind)


def table() -> str:
    """Return the table as Markdown: a cell names its test, or says why there is none."""
    lines = [["", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    for kind in FORMATS:
        cells = []
        for column, (_, holes) in COLUMNS.items():
            why, name = holes.get(kind), f"[{column}-{kind}]"
            said = f"no: `test_refused{name}`" if why == "refused" else why
            cells.append(said or f"yes: `test_read{name}`")
        lines.append([kind, *cells])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def test_the_readme_s_table_is_that_of_the_tests():
    shown = README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert shown == table()


if __name__ == "__main__":
    print(table(), end="")
