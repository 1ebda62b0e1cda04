"""What the streams of a HEIC or AVIF file say: the colours and the sides.

Sides that are said in `ispe` are those of the decoded picture (23008-12, section 6.5.3). Decoders
differ over a file that says others: they scale its picture, cut it or refuse it.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from granpipe.photo import av1, hevc
from granpipe.photo.meta_box import HEVC, IsoBox, Meta
from granpipe.photo.streams import StreamHeader

_AV1 = b"av01"
CODED = (_AV1, *HEVC)
"""Items that are coded streams."""

_NEEDED: dict[bytes, tuple[bytes, ...]] = {
    **{_AV1: (b"ispe", b"av1C"), **dict.fromkeys(HEVC, (b"ispe", b"hvcC"))},
    **dict.fromkeys((b"grid", b"iovl"), (b"ispe",)),
}
_BEGINNING = 1024
_MOST_ALPHAS, _MOST_DERIVED, _MOST_PARTS = 4, 16, 1024
_LAYERS = (b"lsel", b"a1op")
_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")


def named_colours(data: bytes, meta: Meta) -> tuple[int, int, int, int] | None:
    """Return the code points in the stream of the picture, or of the first part of a grid."""
    coded = {item: kind for item, kind in meta.kinds.items() if kind in CODED}
    parts = [meta.primary, *meta.inputs(meta.primary), *coded]
    item = next((item for item in parts if item in coded), None)
    header = _header(data, meta, item) if item is not None else None
    return header.code_points if header else None


def decoded_sides(data: bytes, meta: Meta) -> tuple[int, int] | None:
    """Return the largest sides that a decoder makes room for; None where the stream says none."""
    header = _coded(data, meta, meta.primary)
    return header.sides if header else None


def wrong_sides(data: bytes, meta: Meta) -> str:
    """Return how the sides that are said of a picture differ from its own; nothing if they agree.

    The parts of a grid and the transparency of the picture are looked at, too. What cannot be read
    is left to decoders to judge.
    """
    headers: dict[tuple[bytes | None, IsoBox | int], StreamHeader | None] = {}
    for item in islice(coded_parts(data, meta), _MOST_PARTS):
        said = _said(data, meta, item)
        source = meta.kinds.get(item), meta.property_of(item, b"hvcC") or item
        if source not in headers:  # the tiles of a HEIC share theirs
            headers[source] = _coded(data, meta, item)
        coded = headers[source]
        if coded and (wrong := [sides for sides in said if not _agree(sides, coded)]):
            what = "put together" if meta.kinds.get(item) == b"grid" else "coded"
            (width, height), (wide, high) = wrong[0], coded.sides
            return f"says it has {width} x {height} pixels, and is {what} as {wide} x {high}"
    return ""


def lacking(meta: Meta) -> str:
    """Return the kind of a property that the picture or a part of it has to have and has not."""
    for item in (meta.primary, *meta.inputs(meta.primary)[:_MOST_PARTS]):
        had = {meta.properties[number].kind for number in meta.owned.get(item, ())}
        for kind in _NEEDED.get(meta.kinds.get(item, b""), ()):
            if kind not in had:
                return kind.decode()
    return ""


def coded_parts(data: bytes, meta: Meta) -> Iterator[int]:
    """Yield the items that make pixels: the picture, its alpha, and what both are made of."""
    others = [
        item for kind, item, other in meta.references if (kind, other) == (b"auxl", meta.primary)
    ]
    clear = [item for item in others if _is_alpha(data, meta.property_of(item, b"auxC"))]
    parts, derived = [meta.primary, *clear[:_MOST_ALPHAS]], 0
    for item in parts:  # which grows as tiles are found, and what those are made of
        yield item
        if meta.kinds.get(item) not in CODED and derived < _MOST_DERIVED:
            parts += (tile for tile in meta.inputs(item) if tile not in parts)
            derived += 1


def _is_alpha(data: bytes, box: IsoBox | None) -> bool:
    return box is not None and data[box.start + 4 : box.end].startswith(_ALPHA)


def _said(data: bytes, meta: Meta, item: int) -> tuple[tuple[int, int], ...]:
    """Return all sides that are said of an item; decoders choose among them as they like."""
    boxes = (meta.properties[number] for number in meta.owned.get(item, ()))
    places = (box.start + 4 for box in boxes if box.kind == b"ispe" and box.end - box.start >= 12)
    return tuple(struct.unpack_from(">II", data, place) for place in places)


def _header(data: bytes, meta: Meta, item: int) -> StreamHeader | None:
    kind = meta.kinds.get(item)
    if kind == _AV1:
        return av1.stream_header(meta.content(data, item, _BEGINNING))
    box = meta.property_of(item, b"hvcC") if kind in HEVC else None
    return hevc.stream_header(data[box.start : box.end]) if box else None


def _coded(data: bytes, meta: Meta, item: int) -> StreamHeader | None:
    """Return the sides of an item as its contents have them; None where they do not say."""
    if meta.kinds.get(item) == b"grid":
        sides = _grid_sides(meta.content(data, item, 12))
        return StreamHeader(sides) if sides else None
    header = _header(data, meta, item)
    if header and any(meta.property_of(item, layers) for layers in _LAYERS):
        return replace(header, may_be_smaller=True)
    return header


def _agree(said: tuple[int, int], coded: StreamHeader) -> bool:
    """Return whether sides are those of a stream or, if it may be, of a smaller scale of it."""
    (width, height), (coded_width, coded_height) = said, coded.sides
    is_smaller = 0 < width <= coded_width and 0 < height <= coded_height
    off = abs(width * coded_height - height * coded_width)
    return said == coded.sides or (coded.may_be_smaller and is_smaller and off <= max(coded.sides))


def _grid_sides(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture that is put together (23008-12, section 6.6.2.3.2)."""
    form = ">4xII" if content[1:2] and content[1] & 1 else ">4xHH"
    return struct.unpack_from(form, content) if len(content) >= struct.calcsize(form) else None
