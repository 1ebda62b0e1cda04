"""The tables in the `meta` box of a HEIC or AVIF file (ISO/IEC 14496-12, 23008-12).

Which items there are, how each is coded, where it is in the file, which others it belongs to and
which properties it has. What these say of the picture is `granpipe.photo.isobmff`'s to tell.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

HEVC = (b"hvc1", b"hev1")
"""Items that are coded in HEVC."""

_MOST_BOXES = 4096
"""Boxes, items and properties of each kind that are looked at; a phone writes a hundred."""

_MOST_PIECES = 16
_MOST_LINKS = 1 << 16
"""References between items, and properties of all items together, that are looked at."""


class DamagedError(Exception):
    """A box ends outside its file, or holds less than it must."""


class IsoBox(NamedTuple):
    """A box: its kind, where its contents begin and end, and where its kind is written."""

    kind: bytes
    start: int
    end: int
    place: int


@dataclass(slots=True)
class Meta:
    """The tables of a `meta` box, as far as they could be read.

    Attributes
    ----------
    primary : int
        The item that is the picture.
    kinds, places : dict
        How each item is coded, or what it is; and where that is written in the file.
    extents : dict
        Of each item how its places are meant (14496-12, section 8.11.3.3), and where each of its
        pieces begins and how many bytes it has.
    properties : list of IsoBox
        All properties, in order.
    owned : dict
        Numbers of the properties of each item, from 0.
    marks : list of tuple
        Numbers of properties, each with where in the file an item is said to have it; the highest
        bit is set there if a reader must know the property.
    references : list of tuple
        Kind, item and other item of each reference.
    inner : int
        Where idat begins.
    is_whole : bool
        All tables could be read.
    """

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    extents: dict[int, tuple[int, list[tuple[int, int]]]] = field(default_factory=dict)
    properties: list[IsoBox] = field(default_factory=list)
    owned: dict[int, list[int]] = field(default_factory=dict)
    marks: list[tuple[int, int]] = field(default_factory=list)
    references: list[tuple[bytes, int, int]] = field(default_factory=list)
    inner: int = 0
    is_whole: bool = False

    def content(self, data: bytes, item: int, most: int) -> bytes:
        """Return the contents of an item, or as much of its beginning as is asked for."""
        method, pieces = self.extents.get(item, (2, []))
        if method > 1:
            return b""
        found, base = b"", self.inner if method == 1 else 0
        for start, length in pieces:
            left = most - len(found)
            found += data[base + start : base + start + min(length or left, left)]
        return found

    def is_cut_off(self, item: int, size: int) -> bool:
        """Return whether an item is not wholly in a file of so many bytes, or is nowhere."""
        method, pieces = self.extents.get(item, (0, []))
        if method > 1:  # within another item
            return False
        base = self.inner if method == 1 else 0
        ends = (base + start + (length or 1) for start, length in pieces)  # 0 means to the end
        return max(ends, default=size + 1) > size

    def property_of(self, item: int, kind: bytes) -> IsoBox | None:
        """Return the last property of a kind that an item has."""
        owned = (self.properties[number] for number in self.owned.get(item, ()))
        return next((box for box in reversed(list(owned)) if box.kind == kind), None)

    def inputs(self, item: int) -> list[int]:
        """Return the items from which an item is derived (`dimg`), as a grid is from its tiles."""
        found = (to for name, start, to in self.references if (name, start) == (b"dimg", item))
        return list(dict.fromkeys(found))


def read_meta(data: bytes) -> Meta:
    """Return the tables of the first `meta` box; never raises, and leaves out what is damaged."""
    meta = Meta()
    try:
        for kind, start, end, _ in boxes(data, 0, len(data)):
            if kind == b"meta":
                _read_tables(data, start + 4, end, meta)
                meta.is_whole = True
                break
    except (DamagedError, struct.error):
        pass
    last = len(meta.properties)
    for item, owned in meta.owned.items():
        meta.owned[item] = [number for number in owned if 0 <= number < last]
    return meta


def boxes(data: bytes, start: int, end: int) -> Iterator[IsoBox]:
    """Yield each box between two places; raise DamagedError where one ends outside."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        size, place, head = int.from_bytes(data[start : start + 4], "big"), start + 4, 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        stop = start + size if size else end
        if stop < start + head or stop > end:
            raise DamagedError
        yield IsoBox(data[place : place + 4], start + head, stop, place)
        start = stop


def number(data: bytes, start: int, size: int) -> int:
    """Return a number of so many bytes, the highest first; raise DamagedError at the end."""
    if start + size > len(data):
        raise DamagedError
    return int.from_bytes(data[start : start + size], "big")


def _read_tables(data: bytes, start: int, end: int, meta: Meta) -> None:
    for kind, begin, stop, _ in boxes(data, start, end):
        if kind == b"pitm":
            meta.primary = number(data, begin + 4, 4 if number(data, begin, 1) else 2)
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


def _read_items(data: bytes, start: int, end: int, meta: Meta) -> None:
    start += 8 if number(data, start, 1) else 6
    for kind, begin, _, _ in boxes(data, start, end):
        version = number(data, begin, 1)
        if kind == b"infe" and version >= 2:
            size = 2 if version == 2 else 4
            item, place = number(data, begin + 4, size), begin + 6 + size
            meta.kinds[item], meta.places[item] = data[place : place + 4], place


def _read_places(data: bytes, start: int, end: int, meta: Meta) -> None:
    """Read where items are (14496-12, section 8.11.3)."""
    version, sizes = number(data, start, 1), number(data, start + 4, 2)
    offset_size, length_size, base_size = (sizes >> shift & 15 for shift in (12, 8, 4))
    index_size = sizes & 15 if version else 0
    item_size = 4 if version == 2 else 2
    count, start = number(data, start + 6, item_size), start + 6 + item_size
    for _ in range(min(count, _MOST_BOXES)):
        item, start = number(data, start, item_size), start + item_size
        method, start = (number(data, start, 2) & 15, start + 2) if version else (0, start)
        base, start = number(data, start + 2, base_size), start + 2 + base_size
        parts, start = number(data, start, 2), start + 2
        step, pieces = index_size + offset_size + length_size, list[tuple[int, int]]()
        for part in range(min(parts, _MOST_PIECES)):
            place = start + part * step + index_size
            length = number(data, place + offset_size, length_size)
            pieces.append((base + number(data, place, offset_size), length))
        meta.extents[item] = method, pieces
        start += parts * step
        if start > end:
            raise DamagedError


def _read_references(data: bytes, start: int, end: int, meta: Meta) -> None:
    size = 4 if number(data, start, 1) else 2
    for kind, begin, stop, _ in boxes(data, start + 4, end):
        item, count = number(data, begin, size), number(data, begin + size, 2)
        places = range(begin + size + 2, stop - size + 1, size)[: min(count, _MOST_BOXES)]
        meta.references += [(kind, item, number(data, place, size)) for place in places]
        if len(meta.references) > _MOST_LINKS:
            raise DamagedError


def _read_properties(data: bytes, start: int, end: int, meta: Meta) -> None:
    for kind, begin, stop, _ in boxes(data, start, end):
        if kind == b"ipco":
            meta.properties += list(boxes(data, begin, stop))
        elif kind == b"ipma":
            _read_owners(data, begin, stop, meta)


def _read_owners(data: bytes, start: int, end: int, meta: Meta) -> None:
    """Read which properties each item has (23008-12, section 9.3.2)."""
    size, wide = (4 if number(data, start, 1) else 2), number(data, start + 3, 1) & 1
    count, start = number(data, start + 4, 4), start + 8
    for _ in range(min(count, _MOST_BOXES)):
        item, owned = number(data, start, size), number(data, start + size, 1)
        start += size + 1
        for place in range(start, start + owned * (1 + wide), 1 + wide):
            which = number(data, place, 1 + wide) & (0x7FFF if wide else 0x7F)
            meta.owned.setdefault(item, []).append(which - 1)
            meta.marks.append((which - 1, place))
        start += owned * (1 + wide)
        if start > end or len(meta.marks) > _MOST_LINKS:
            raise DamagedError
