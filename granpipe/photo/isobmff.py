"""What the boxes of a HEIC or AVIF file say of its picture.

Boxes and items are those of ISO/IEC 14496-12 and 23008-12, properties those of 23008-12 (`ispe`,
`irot`, `imir`, `clap`) and 14496-12 (`colr`). Only what the primary picture needs is read: Pillow
applies no clean aperture and no code points, and stops at EXIF that it cannot read.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from granpipe.photo.av1 import stream_colours

if TYPE_CHECKING:
    from fractions import Fraction

_MOST_BOXES = 4096
"""Boxes, items and properties of each kind that are looked at; a phone writes a hundred."""

_LARGEST_EXIF, _STREAM = 1 << 20, 1024
_EXIF = b"Exif"
_REMARKS = (_EXIF, b"mime")  # the latter is XMP
# Orientations of Exif for quarter turns anticlockwise, without and with a mirror before display
# (`imir` axis 0 swaps top and bottom, 1 swaps left and right), as irot comes before imir.
_TURNS = {None: (1, 8, 3, 6), 0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}


class _DamagedError(Exception):
    """A box ends outside its file, or holds less than it must."""


@dataclass(frozen=True, slots=True)
class Container:
    """What is said of the primary picture; each part is empty where nothing is.

    Attributes
    ----------
    kind : bytes
        How it is coded: `hvc1`, `av01`, or how it is put together: `grid`.
    codings : frozenset of bytes
        How all items are coded.
    sides : tuple of int or None
        Width and height as they are coded, in pixels, neither cut nor turned.
    aperture : tuple of int or None
        Left, top, right and bottom of the part to be shown, half-open, in coded pixels.
    orientation : int
        What turns the picture upright once it is cut, as in Exif 2.32, section 4.6.4, tag 274.
    has_profile : bool
        An ICC profile is there.
    code_points : tuple of int or None
        Primaries, transfer and matrix as in ITU-T H.273, and 1 for the full range.
    exif : bytes
        The TIFF block of its EXIF.
    remark_types : tuple of int
        Where the types of EXIF and XMP items stand in the file.
    is_whole : bool
        All boxes could be read.
    """

    kind: bytes = b""
    codings: frozenset[bytes] = frozenset()
    sides: tuple[int, int] | None = None
    aperture: tuple[int, int, int, int] | None = None
    orientation: int = 1
    has_profile: bool = False
    code_points: tuple[int, int, int, int] | None = None
    exif: bytes = b""
    remark_types: tuple[int, ...] = ()
    is_whole: bool = False


@dataclass(slots=True)
class _Meta:
    """The parts of a `meta` box, as far as they could be read."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)  # of the kinds, in the file
    extents: dict[int, tuple[int, int, int]] = field(default_factory=dict)  # method, start, length
    properties: list[tuple[bytes, int, int]] = field(default_factory=list)
    owned: list[int] = field(default_factory=list)
    described: list[tuple[int, int]] = field(default_factory=list)
    inner: int = 0  # where idat begins
    is_whole: bool = False


def read_container(data: bytes) -> Container:
    """Return what the boxes of a HEIC or AVIF file say of its picture; never raises.

    Parameters
    ----------
    data : bytes
        The file. What is damaged in it is left out.
    """
    meta = _Meta()
    try:
        for kind, start, end in _boxes(data, 0, len(data)):
            if kind == b"meta":
                _read_meta(data, start + 4, end, meta)
                meta.is_whole = True
                break
    except (_DamagedError, struct.error):
        pass
    found: dict[str, Any] = {}
    for kind, start, end in (meta.properties[place] for place in meta.owned):
        try:
            _take_property(data, kind, start, end, found)
        except (_DamagedError, struct.error, ZeroDivisionError):
            continue
    return _container(data, meta, found)


def _container(data: bytes, meta: _Meta, found: dict[str, Any]) -> Container:
    sides = found.get("sides")
    aperture = found.get("aperture")
    quarters, axis = found.get("quarters", 0), found.get("axis")
    exif_items = [item for item, kind in meta.kinds.items() if kind == _EXIF]
    return Container(
        meta.kinds.get(meta.primary, b""),
        frozenset(meta.kinds.values()),
        sides,
        _cut(sides, aperture) if sides and aperture else None,
        _TURNS[axis][quarters],
        "profile" in found,
        found.get("code_points") or _stream_colours(data, meta),
        _exif(data, meta, exif_items),
        tuple(meta.places[item] for item, kind in meta.kinds.items() if kind in _REMARKS),
        meta.is_whole,
    )


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of the contents of each box between two places."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        stop = start + size if size else end
        if stop < start + head or stop > end:
            raise _DamagedError
        yield kind, start + head, stop
        start = stop


def _read_meta(data: bytes, start: int, end: int, meta: _Meta) -> None:
    for kind, begin, stop in _boxes(data, start, end):
        if kind == b"pitm":
            meta.primary = _number(data, begin + 4, 4 if _number(data, begin, 1) else 2)
        elif kind == b"iinf":
            _read_items(data, begin, stop, meta)
        elif kind == b"iloc":
            _read_places(data, begin, stop, meta)
        elif kind == b"idat":
            meta.inner = begin
        elif kind == b"iref":
            _read_references(data, begin, stop, meta)
        elif kind == b"iprp":
            _read_properties(data, begin, stop, meta)


def _number(data: bytes, start: int, size: int) -> int:
    if start + size > len(data):
        raise _DamagedError
    return int.from_bytes(data[start : start + size], "big")


def _read_items(data: bytes, start: int, end: int, meta: _Meta) -> None:
    start += 8 if _number(data, start, 1) else 6
    for kind, begin, _ in _boxes(data, start, end):
        version = _number(data, begin, 1)
        if kind == b"infe" and version >= 2:
            size = 2 if version == 2 else 4
            item, place = _number(data, begin + 4, size), begin + 6 + size
            meta.kinds[item], meta.places[item] = data[place : place + 4], place


def _read_places(data: bytes, start: int, end: int, meta: _Meta) -> None:
    """Read where items are (14496-12, section 8.11.3); of those in pieces the first piece."""
    version, sizes = _number(data, start, 1), _number(data, start + 4, 2)
    offset_size, length_size, base_size = (sizes >> shift & 15 for shift in (12, 8, 4))
    index_size = sizes & 15 if version else 0
    item_size = 4 if version == 2 else 2
    count, start = _number(data, start + 6, item_size), start + 6 + item_size
    for _ in range(min(count, _MOST_BOXES)):
        item, start = _number(data, start, item_size), start + item_size
        method, start = (_number(data, start, 2) & 15, start + 2) if version else (0, start)
        base, start = _number(data, start + 2, base_size), start + 2 + base_size
        pieces, start = _number(data, start, 2), start + 2
        first = start + index_size
        if pieces:
            offset = base + _number(data, first, offset_size)
            length = _number(data, first + offset_size, length_size)
            meta.extents[item] = method, offset, length
        start += pieces * (index_size + offset_size + length_size)
        if start > end:
            raise _DamagedError


def _read_references(data: bytes, start: int, end: int, meta: _Meta) -> None:
    size = 4 if _number(data, start, 1) else 2
    for kind, begin, stop in _boxes(data, start + 4, end):
        if kind == b"cdsc":
            item, count = _number(data, begin, size), _number(data, begin + size, 2)
            places = range(begin + size + 2, stop - size + 1, size)[: min(count, _MOST_BOXES)]
            meta.described += [(item, _number(data, place, size)) for place in places]


def _read_properties(data: bytes, start: int, end: int, meta: _Meta) -> None:
    for kind, begin, stop in _boxes(data, start, end):
        if kind == b"ipco":
            meta.properties += list(_boxes(data, begin, stop))
        elif kind == b"ipma":
            _read_owners(data, begin, stop, meta)


def _read_owners(data: bytes, start: int, end: int, meta: _Meta) -> None:
    """Read which properties the primary item has (23008-12, section 9.3.2)."""
    size, wide = (4 if _number(data, start, 1) else 2), _number(data, start + 3, 1) & 1
    count, start = _number(data, start + 4, 4), start + 8
    for _ in range(min(count, _MOST_BOXES)):
        item, owned = _number(data, start, size), _number(data, start + size, 1)
        start += size + 1
        for place in range(start, start + owned * (1 + wide), 1 + wide):
            number = _number(data, place, 1 + wide) & (0x7FFF if wide else 0x7F)
            if item == meta.primary and 0 < number <= len(meta.properties):
                meta.owned.append(number - 1)
        start += owned * (1 + wide)
        if start > end:
            raise _DamagedError


def _take_property(data: bytes, kind: bytes, start: int, end: int, found: dict[str, Any]) -> None:
    content = data[start:end]
    if kind == b"ispe":
        found["sides"] = struct.unpack_from(">II", content, 4)
    elif kind == b"irot":
        found["quarters"] = _number(content, 0, 1) & 3
    elif kind == b"imir":
        found["axis"] = _number(content, 0, 1) & 1
    elif kind == b"clap":
        from fractions import Fraction  # noqa: PLC0415 - for the few that are cut

        numbers = struct.unpack_from(">IIIIiIiI", content)
        found["aperture"] = tuple(map(Fraction, numbers[::2], numbers[1::2]))
    elif kind == b"colr" and content[:4] == b"nclx":
        *points, rest = struct.unpack_from(">HHHB", content, 4)
        found["code_points"] = (*points, rest >> 7)
    elif kind == b"colr" and content[:4] in {b"prof", b"rICC"}:
        found["profile"] = True


def _cut(
    sides: tuple[int, int], aperture: "tuple[Fraction, Fraction, Fraction, Fraction]"
) -> tuple[int, int, int, int] | None:
    """Return the clean aperture as a box in the picture (14496-12, section 12.1.4).

    It is given by its width, its height and what its centre is off the picture's. None stands for
    one that is empty or lies outside, which is left out of account.
    """
    width, height, across, down = aperture
    edges = []
    for side, part, off in zip(sides, (width, height), (across, down), strict=True):
        first = math.floor(off + (side - part) / 2)
        edges.append((first, first + round(part)))
    (left, right), (top, bottom) = edges
    is_within = 0 <= left < right <= sides[0] and 0 <= top < bottom <= sides[1]
    return (left, top, right, bottom) if is_within else None


def _stream_colours(data: bytes, meta: _Meta) -> tuple[int, int, int, int] | None:
    """Return the code points in the AV1 stream of the picture, or of the first part of a grid."""
    coded = [item for item, kind in meta.kinds.items() if kind == b"av01"]
    item = meta.primary if meta.primary in coded else next(iter(coded), None)
    method, start, length = meta.extents.get(item, (2, 0, 0)) if item is not None else (2, 0, 0)
    start += meta.inner if method == 1 else 0
    return stream_colours(data[start : start + min(length, _STREAM)]) if method < 2 else None


def _exif(data: bytes, meta: _Meta, items: list[int]) -> bytes:
    """Return the TIFF block of the EXIF item that describes the primary picture, or the first."""
    for item in sorted(items, key=lambda item: (item, meta.primary) not in meta.described):
        method, start, length = meta.extents.get(item, (2, 0, 0))
        start += meta.inner if method == 1 else 0
        content = data[start : start + min(length or _LARGEST_EXIF, _LARGEST_EXIF)]
        if method > 1 or len(content) < 5:
            continue
        block = content[4 + int.from_bytes(content[:4], "big") :]
        if block.startswith((b"II*\0", b"MM\0*")):
            return block
        places = (content.find(mark, 0, 64) for mark in (b"II*\0", b"MM\0*"))
        return content[max(4, *places) :]  # what is no block is told from what is not there
    return b""
