"""Raw photographs, which are not decoded: by how they begin, or by the tags of a TIFF.

Most of them are TIFFs whose first picture is a small preview, which is not the photograph.
"""

import struct
from collections.abc import Iterator

from granpipe.photo.tiff import PREFIXES, entries, values

_BEGINNINGS = {
    b"FUJIFILMCCD-RAW": "Fujifilm RAF",
    b"IIRO": "Olympus ORF",
    b"IIRS": "Olympus ORF",
    b"MMOR": "Olympus ORF",
    b"IIU\0": "Panasonic RW2",
    b"FOVb": "Sigma X3F",
    b"\0MRM": "Minolta MRW",
    b"II\x1a\0\0\0HEAPCCDR": "Canon CRW",
}
_RAW = "is a raw photograph: {}"
_PREVIEW = "is a TIFF that begins with a preview of its picture"
_CLASSIC = (b"*\0", b"\0*")
_SUBFILE, _OLD_SUBFILE, _WIDTH, _LENGTH, _PHOTOMETRIC = 254, 255, 256, 257, 262
_PARTS, _DNG = 330, 50706
_READ = frozenset((_SUBFILE, _OLD_SUBFILE, _WIDTH, _LENGTH, _PHOTOMETRIC, _PARTS))
_REDUCED = [2]  # what the old subfile type says of a preview
_SENSOR = frozenset((32803, 34892))  # colour filter array, linear raw
_MOST_PARTS = 8
_UNKNOWN = [1 << 32]  # the width of a picture of which the table is cut off


def describe_raw(data: bytes) -> str:
    r"""Return what a raw photograph is, in words, or nothing for other files.

    Parameters
    ----------
    data : bytes
        The file, or as much of it as holds the tables of its pictures.

    Examples
    --------
    >>> describe_raw(b"FUJIFILMCCD-RAW 0201"), describe_raw(b"\xff\xd8\xff")
    ('is a raw photograph: Fujifilm RAF', '')
    """
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return _RAW.format(kind)
    if data[4:12] == b"ftypcrx ":
        return _RAW.format("Canon CR3")
    if not data.startswith(PREFIXES):
        return ""
    return _RAW.format("Canon CR2") if data[8:10] == b"CR" else _describe_tiff(data)


def _describe_tiff(data: bytes) -> str:
    """Return what a TIFF is by its tags (DNG 1.7, chapter 4; TIFF/EP, section 5.2.2)."""
    found = _tags(data)
    if _DNG in found:
        return _RAW.format("DNG")
    parts = [_tags(data, place) for place in found.get(_PARTS, [])[:_MOST_PARTS]]
    pages = list(_next_tables(data))
    kinds = {kind for table in (found, *parts, *pages) for kind in table.get(_PHOTOMETRIC, ())}
    if kinds & _SENSOR:
        return _RAW.format("levels of a sensor")
    is_smallest = any(found.get(_WIDTH, [0]) < page.get(_WIDTH, _UNKNOWN) for page in pages)
    is_preview = any(kind & 1 for kind in found.get(_SUBFILE, ()))
    is_preview |= found.get(_OLD_SUBFILE) == _REDUCED
    is_preview &= bool(parts or is_smallest)
    return _PREVIEW if is_preview or any(_is_enlarged(found, page) for page in pages) else ""


def _is_enlarged(first: dict[int, list[int]], page: dict[int, list[int]]) -> bool:
    """Return whether a page has the proportions of the first, within 5 %, and twice its sides."""
    try:
        (width, height), (wide, high) = (
            (tags[_WIDTH][0], tags[_LENGTH][0]) for tags in (first, page)
        )
    except LookupError:
        return False
    is_alike = 20 * abs(wide * height - high * width) <= wide * height
    return is_alike and wide >= 2 * width > 0 and high >= 2 * height


def _next_tables(data: bytes) -> Iterator[dict[int, list[int]]]:
    """Yield the tags of the tables that follow the first one of a classic TIFF.

    One that is not there has none.
    """
    order = "<" if data[:2] == b"II" else ">"
    try:
        (place,) = struct.unpack_from(f"{order}I", data, 4)
        for _ in range(_MOST_PARTS if data[2:4] in _CLASSIC else 0):
            (count,) = struct.unpack_from(f"{order}H", data, place)
            (place,) = struct.unpack_from(f"{order}I", data, place + 2 + 12 * count)
            if not place:
                return
            yield _tags(data, place)
    except struct.error:  # the file, or what there is of it, ends
        return


def _tags(data: bytes, start: int | None = None) -> dict[int, list[int]]:
    """Return the tags of a table that decide, as far as it is there."""
    found: dict[int, list[int]] = {}
    try:
        for number, kind, count, place in entries(data, start):
            if number == _DNG:
                found[number] = []
            elif number in _READ:
                found[number] = values(data, kind, count, place)
    except (struct.error, KeyError, OverflowError):
        pass
    return found
