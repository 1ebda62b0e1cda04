"""What a TIFF is that Pillow does not read, and whether its parts make one picture (TIFF 6.0)."""

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImagePalette

from granpipe.errors import PhotoError

BIG_PREFIXES = (b"II+\0", b"MM\0+")
PREFIXES = (b"II*\0", b"MM\0*", *BIG_PREFIXES)
"""How a TIFF begins: little and big endian, then BigTIFF of both kinds."""

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_BYTE_COUNTS, _PLANAR, _COLOUR_MAP, _FORMAT = 279, 284, 320, 339
_FILL_ORDER, _EXTRA, _SUBSAMPLING, _REFERENCE = 266, 338, 530, 532
_APART, _YCBCR, _LAB = 2, 6, 8
_FULL_RANGE = (0, 255, 128, 255, 128, 255)  # black and white of Y, Cb and Cr
_ASKED = frozenset(
    (_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _FORMAT)
) | {_FILL_ORDER, _EXTRA}
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}  # of a value, in bytes
_WIDTHS = {1: 1, 2: 1, 6: 1, 7: 1, 16: 8, 17: 8} | _SIZES
# What comes before an orientation in a table and makes no pixels, with what it says by default.
_REMARKS = {254: 0, 255: 1, 263: 1, 264: 0, 265: 0, 266: 1, 269: 0, 270: 0, 271: 0, 272: 0, 274: 1}
_MOST_VALUES, _MOST_TAGS, _MOST_NUMBERS = 64, 4096, 200_000
_MOST_SHARED = 4  # times that a byte of the file belongs to the value of a tag
_BYTES, _PRIVATE = frozenset((1, 2, 6, 7)), 700
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I"}
_LETTERS |= {16: "Q", 17: "q", 18: "Q"}
_COLOURS = {
    **{0: "white-is-zero grey", 1: "grey", 2: "RGB", 3: "palette", 4: "mask"},
    **{5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"},
    **{32803: "colour filter array", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw"},
}
_FORMATS = {2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
_COMPRESSIONS = {
    **{1: "", 2: "CCITT", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "old-style JPEG"},
    **{7: "JPEG", 8: "deflate", 32766: "NeXT", 32771: "words of CCITT", 32773: "PackBits"},
    **{32809: "ThunderScan", 32946: "deflate", 34661: "JBIG", 34676: "SGI LogLuv"},
    **{34677: "SGI LogLuv of 24 bits", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA"},
    **{50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"},
}
_DECODED = frozenset((1, 2, 3, 4, 5, 7, 8, 32773, 32946, 34925, 50000))


def without_stray_tags(data: bytes) -> bytes:
    """Return a classic TIFF in which what is no part of the picture points nowhere outside it."""
    order, changed = _order(data), bytearray(data)
    try:
        for tag, kind, count, place in entries(data):
            (value,) = struct.unpack_from(f"{order}I", data, place)
            size = _SIZES.get(kind, 1) * count
            if tag in _REMARKS and size > 4 and value + size > len(data):
                struct.pack_into(f"{order}HHIHxx", changed, place - 8, tag, 3, 1, _REMARKS[tag])
    except struct.error:  # the table is cut off
        return data
    return bytes(changed)


def describe_tiff(data: bytes) -> str:
    """Return what a TIFF is, as `12-bit RGB`, if Pillow reads none of its kind; else nothing."""
    if data[:4] == b"MM\0+":
        return "a big-endian BigTIFF"
    try:
        tags = _read_tags(data)
    except (struct.error, KeyError, OverflowError):
        return ""
    has_sides = all(tags.get(side, [0])[0] for side in (_WIDTH, _LENGTH))
    return _words(tags) if has_sides and not _is_read(data[:2], tags) else ""


def _is_read(order: bytes, tags: dict[int, list[int]]) -> bool:
    """Return whether Pillow knows the kind of pixels, as it looks it up itself."""
    from PIL.TiffImagePlugin import COMPRESSION_INFO, OPEN_INFO  # noqa: PLC0415 - takes a while

    photometric, samples = tags.get(_PHOTOMETRIC, [0])[0], tags.get(_SAMPLES, [1])[0]
    bits, formats = tags.get(_BITS, [1]), tags.get(_FORMAT, [1])
    bits = bits * min(samples, _MOST_VALUES) if len(bits) == 1 else bits[:samples]
    kind = (formats[0],) if len(set(formats)) == 1 else tuple(formats)
    fill_order, extra = tags.get(_FILL_ORDER, [1])[0], tuple(tags.get(_EXTRA, ()))
    key = (order, photometric, kind, fill_order, tuple(bits), extra)
    compression = tags.get(_COMPRESSION, [1])[0]
    if key not in OPEN_INFO or compression not in COMPRESSION_INFO:
        return False
    is_apart = compression == 1 and tags.get(_PLANAR) == [_APART]
    return not is_apart or samples <= len(OPEN_INFO[key][0])  # of the mode, a letter each


def _words(tags: dict[int, list[int]]) -> str:
    bits = tags.get(_BITS, [1])
    samples = tags.get(_SAMPLES, [len(bits)])[0]
    depth = f"{bits[0]}" if len(set(bits)) == 1 else ", ".join(map(str, bits))
    kind = _FORMATS.get(tags.get(_FORMAT, [1])[0], "")
    photometric = tags.get(_PHOTOMETRIC, [0])[0]
    colour = _COLOURS.get(photometric, f"photometric {photometric}")
    compression = tags.get(_COMPRESSION, [1])[0]
    packing = _COMPRESSIONS.get(compression, f"compression {compression}")
    usual = {2: 3, 5: 4, 6: 3, 8: 3}.get(photometric, 1)
    more = f" of {samples} channels" if samples != usual else ""
    apart = ", channels apart" if tags.get(_PLANAR) == [_APART] and samples > 1 else ""
    return f"{depth}-bit {kind}{colour}{more}{apart}{packing and ', ' + packing}"


def _read_tags(data: bytes) -> dict[int, list[int]]:
    """Return the tags of the first table that say what pixels are; raise as `entries` does."""
    tags: dict[int, list[int]] = {}
    for number, kind, size, place in entries(data):
        if number in _ASKED and kind in _LETTERS:
            tags.setdefault(number, values(data, kind, size, place) or [0])
    return tags


def values(data: bytes, kind: int, count: int, place: int) -> list[int]:
    """Return the numbers of an entry, the first 64 at most.

    Raises
    ------
    struct.error, KeyError
        They are not all in the file, or are of a type that holds none.
    """
    order = _order(data)
    offset, room = ("Q", 8) if data[2:4] == b"+\0" else ("I", 4)
    form = order + _LETTERS[kind] * min(count, _MOST_VALUES)
    if struct.calcsize(form) > room:
        (place,) = struct.unpack_from(order + offset, data, place)
    return list(struct.unpack_from(form, data, place))


def _order(data: bytes) -> str:
    return {b"II": "<", b"MM": ">"}[data[:2]]


def entries(data: bytes, start: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, type, count and place of the value of each entry in a table, or the first.

    Raises
    ------
    struct.error, KeyError, OverflowError
        The table is not whole.
    """
    order, is_big = _order(data), data[2:4] == b"+\0"
    offset, counter, first, room = ("Q", "Q", 8, 8) if is_big else ("I", "H", 4, 4)
    if start is None:
        (start,) = struct.unpack_from(order + offset, data, first)
    (count,) = struct.unpack_from(order + counter, data, start)
    start, step = start + struct.calcsize(order + counter), 4 + 2 * room
    for place in range(start, start + min(count, _MOST_TAGS) * step, step):
        yield (*struct.unpack_from(f"{order}HH{offset}", data, place), place + 4 + room)


def check_tables(data: bytes) -> None:
    """Raise PhotoError for a TIFF of more tags and numbers than Pillow takes in its stride.

    It makes an object of each strip and of each number, at 350 bytes and 6 microseconds a strip,
    and versions before 12 read all values, also those that overlap.
    """
    try:
        tags = list(entries(data))
    except (struct.error, OverflowError):
        return  # Pillow will say what it thinks of it
    if len(tags) == _MOST_TAGS:
        raise PhotoError("unsupported", f"is a TIFF of {_MOST_TAGS:,} tags or more")
    if sum(_WIDTHS.get(kind, 1) * size for _, kind, size, _ in tags) > _MOST_SHARED * len(data):
        raise PhotoError("truncated", "its tags name many more bytes than it has")
    sizes = [size for number, kind, size, _ in tags if number < _PRIVATE and kind not in _BYTES]
    if sizes and max(sizes) > _MOST_NUMBERS:
        what = f"a TIFF of {max(sizes):,} strips or numbers, {_MOST_NUMBERS:,} are allowed"
        raise PhotoError("too_large", what)


def fix_colour_map(image: Image.Image) -> None:
    """Give an opened TIFF the palette that it means.

    A colour map has 16 bits. Where all of its numbers are below 256, their writer took 8, as
    libtiff's own tools see it, too; Pillow would draw it black.
    """
    levels = image.tag_v2.get(_COLOUR_MAP, ())  # type: ignore[attr-defined]
    if image.mode in {"P", "PA"} and levels and max(levels) < 256:
        size = len(levels) // 3
        entries = zip(levels[:size], levels[size : 2 * size], levels[2 * size :], strict=False)
        image.palette = ImagePalette.raw("RGB", b"".join(map(bytes, entries)))


def unread_coding(image: Image.Image) -> str:
    """Return what an opened TIFF is that failed to decode, if it is of a kind that may; or nothing.

    Which compressions are read depends on how Pillow's libtiff was built.
    """
    tags = image.tag_v2  # type: ignore[attr-defined]
    compression = tags.get(_COMPRESSION, 1)
    if compression in _DECODED:
        return ""
    return f"a TIFF compressed as {_COMPRESSIONS.get(compression, compression)}"


def check_strips(image: Image.Image) -> None:
    """Raise PhotoError where strips or tiles do not cover the whole picture, each part once.

    That is `truncated`, and `unsupported` where Pillow would misread them.
    """
    tiles = [tile for tile in image.tile if tile[1]]  # type: ignore[attr-defined]
    if not tiles:
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    width, height = int(tags[_WIDTH]), int(tags[_LENGTH])  # not turned yet
    boxes = np.array([tile[1] for tile in tiles]).clip(0, [width, height] * 2)
    planes = int(tags.get(_SAMPLES, 1)) if tags.get(_PLANAR) == _APART else 1
    is_raw = tags.get(_COMPRESSION, 1) == 1
    is_wide = is_raw and set(tags.get(_BITS, ())) != {8}
    photometric = tags.get(_PHOTOMETRIC)
    is_other = photometric in {_YCBCR, _LAB} or any(tile[3][0] == "a" for tile in tiles)
    if planes == 2 or (planes > 1 and (is_wide or is_other)):
        raise PhotoError("unsupported", "keeps its channels apart in a way that Pillow misreads")
    if photometric == _YCBCR and is_raw and tags.get(_SUBSAMPLING, (2, 2)) != (1, 1):
        raise PhotoError("unsupported", "is a TIFF of uncompressed pixels that share their colours")
    if photometric == _YCBCR and is_raw and tags.get(_REFERENCE, _FULL_RANGE) != _FULL_RANGE:
        raise PhotoError("unsupported", "its levels are those of video, 16 to 235")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    offsets = {tile[2] for tile in tiles}
    is_whole = _covers(boxes, width, height) and len(offsets) == len(tiles)
    fewest = planes if is_raw else 1
    if not is_whole or areas.sum() not in {fewest * width * height, planes * width * height}:
        raise PhotoError("truncated", "its strips are not the parts of one picture")
    counts = tags.get(_BYTE_COUNTS, ())
    if is_raw and len(counts) == len(tiles):
        bits = sum(tags.get(_BITS, (1,))) // planes
        if (np.array(counts) * 8 < areas * bits).any():
            raise PhotoError("truncated", "its strips hold less than their part of the picture")


def _covers(boxes: NDArray[np.int64], width: int, height: int) -> bool:
    across, down = np.unique(boxes[:, ::2]), np.unique(boxes[:, 1::2])
    covered = np.zeros((len(down), len(across)), bool)
    lefts, rights = np.searchsorted(across, boxes[:, ::2]).T
    tops, bottoms = np.searchsorted(down, boxes[:, 1::2]).T
    for left, top, right, bottom in zip(lefts, tops, rights, bottoms, strict=True):
        covered[top:bottom, left:right] = True
    corners = (across[0], across[-1], down[0], down[-1])
    return bool(covered[:-1, :-1].all()) and corners == (0, width, 0, height)
