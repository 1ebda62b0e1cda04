"""Properties in a HEIC or AVIF file at which decoders stop, though they make no pixels.

A damaged one becomes free space (`free`), and nobody must know it any more; in a sound one, bits
that are to be 0 are made so. What says how the pixels are coded is left alone. In an AVIF, those
that readers must know are marked so, as its decoder wants it.
"""

import struct
from collections.abc import Collection, Iterator

from granpipe.photo.meta_box import IsoBox, Meta

# Bytes that a property has at least (23008-12, section 6.5; 14496-12, section 12.1).
_LEAST = {b"irot": 1, b"imir": 1, b"pasp": 8, b"pixi": 5, b"auxC": 5, b"clli": 4, b"mdcv": 24}
_LEAST |= {b"uuid": 16, b"clap": 32, b"colr": 5}
_LEAST_COLOURS = {b"nclx": 11, b"prof": 5, b"rICC": 5}
# Code points of H.273 that mean something: primaries, transfer, matrix.
_NAMED = ({*range(1, 13), 22} - {3}, {*range(1, 19)} - {3}, {*range(18)} - {3})
_LAST_MATRIX = 14  # that decoders know
_USED_BITS = {b"irot": 3, b"imir": 1}
_ESSENTIAL = 0x80
_MARKED = frozenset((b"irot", b"imir", b"clap", b"a1op", b"lsel"))
_UNMARKED = b"a1lx"
_KNOWN = frozenset(
    (b"ispe", b"pixi", b"colr", b"av1C", b"hvcC", b"irot", b"imir", b"clap", b"pasp")
)
_KNOWN |= {b"auxC", b"a1op", b"a1lx", b"lsel", b"clli", b"mdcv", b"free", b"skip"}


def patch_properties(
    data: bytes, meta: Meta, impossible: Collection[int] = ()
) -> Iterator[tuple[int, bytes]]:
    """Yield places in a file, and what is to be written there.

    Those clean apertures of the picture whose numbers are given as impossible are odd, too.
    """
    odd = {number for number, box in enumerate(meta.properties) if _is_odd(data, box)}
    own = meta.owned.get(meta.primary, [])
    colours = [number for number in own if meta.properties[number].kind == b"colr"]
    colours = [number for number in colours if number not in odd]
    last = {_sort(data, meta.properties[number]): number for number in colours}
    odd |= set(colours) - set(last.values())
    if "points" in last and _has_impossible_matrix(data, meta, meta.properties[last["points"]]):
        odd.add(last["points"])
    odd |= set(impossible)
    for number, box in enumerate(meta.properties):
        if number in odd:
            yield box.place, b"free"
        else:
            yield from _cleared(data, box)
    yield from _marked(data, meta, odd)


def _marked(data: bytes, meta: Meta, odd: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """Yield what marks the properties that a reader must know (MIAF, section 7.3.9), and no odd."""
    is_av1 = b"av01" in meta.kinds.values()
    for number, place in meta.marks:
        kind = meta.properties[number].kind if 0 <= number < len(meta.properties) else b""
        if data[place] & _ESSENTIAL:
            if number in odd or (is_av1 and kind == _UNMARKED):
                yield place, bytes([data[place] & ~_ESSENTIAL])
        elif is_av1 and number not in odd and kind in _MARKED:
            yield place, bytes([data[place] | _ESSENTIAL])


def unknown_property(data: bytes, meta: Meta) -> str:
    """Return the kind of a property of the picture that is not read and has to be, or nothing."""
    needed = {which for which, place in meta.marks if data[place] & _ESSENTIAL}
    own = (number for number in meta.owned.get(meta.primary, ()) if number in needed)
    unread = (box for box in map(meta.properties.__getitem__, own) if box.kind not in _KNOWN)
    return next((box.kind.decode("latin-1") for box in unread if not _is_odd(data, box)), "")


def read_code_points(colours: bytes) -> tuple[int, int, int, int] | None:
    """Return primaries, transfer, matrix and range in the contents of `colr`, if they are there.

    None means ones that are cut off or that H.273 reserves, too.
    """
    if colours[:4] != b"nclx" or len(colours) < _LEAST_COLOURS[b"nclx"]:
        return None
    *points, rest = struct.unpack_from(">HHHB", colours, 4)
    is_named = all(point in named for point, named in zip(points, _NAMED, strict=True))
    return (*points, rest >> 7) if is_named else None


def _sort(data: bytes, box: IsoBox) -> str:
    """Return what a property says the colours by: a profile or code points."""
    return "points" if data[box.start : box.start + 4] == b"nclx" else "profile"


def _is_odd(data: bytes, box: IsoBox) -> bool:
    """Return whether a property is damaged, or names colours that decoders do not know."""
    size = box.end - box.start
    if box.kind == b"colr":
        points = read_code_points(data[box.start : box.start + 11])
        is_known = points is not None and points[2] <= _LAST_MATRIX
        is_damaged = size < _LEAST_COLOURS.get(data[box.start : box.start + 4], size + 1)
        return is_damaged or (_sort(data, box) == "points" and not is_known)
    if box.kind == b"pixi" and size > 4 and size < 5 + data[box.start + 4]:
        return True
    return size < _LEAST.get(box.kind, 0)


def _has_impossible_matrix(data: bytes, meta: Meta, colours: IsoBox) -> bool:
    """Return whether red, green and blue are to be in channels that share their pixels.

    H.273 has that matrix, 0, for channels of the same sides alone (section 8.3).
    """
    if int.from_bytes(data[colours.start + 8 : colours.start + 10], "big"):
        return False
    items = (meta.primary, *meta.inputs(meta.primary)[:1])
    for item in items:
        if av1 := meta.property_of(item, b"av1C"):
            return av1.end - av1.start > 2 and data[av1.start + 2] & 0x0C != 0
        if hevc := meta.property_of(item, b"hvcC"):
            return hevc.end - hevc.start > 16 and data[hevc.start + 16] & 3 in {1, 2}
    return False


def _cleared(data: bytes, box: IsoBox) -> Iterator[tuple[int, bytes]]:
    """Yield what clears bits that a decoder may want to be 0."""
    place, bits = box.start, _USED_BITS.get(box.kind, 0xFF)
    if box.kind == b"colr" and data[place : place + 4] == b"nclx":
        place, bits = place + 10, 0x80
    if bits != 0xFF and data[place] & ~bits:
        yield place, bytes([data[place] & bits])
