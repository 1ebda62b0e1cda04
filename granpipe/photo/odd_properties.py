"""Properties in a HEIC or AVIF file at which decoders stop, though they make no pixels.

A damaged one becomes free space (`free`), and nobody must know it any more; in a sound one, bits
that are to be 0 are made so. What says how the pixels are coded is left alone.
"""

from collections.abc import Iterator

from granpipe.photo.meta_box import Box, Meta

# Bytes that a property has at least (23008-12, section 6.5; 14496-12, section 12.1).
_LEAST = {b"irot": 1, b"imir": 1, b"pasp": 8, b"pixi": 5, b"auxC": 5, b"clli": 4, b"mdcv": 24}
_LEAST |= {b"uuid": 16, b"clap": 32, b"colr": 5}
_LEAST_COLOURS = {b"nclx": 11, b"prof": 5, b"rICC": 5}
_USED_BITS = {b"irot": 3, b"imir": 1}
_ESSENTIAL = 0x80
_KNOWN = frozenset(
    (b"ispe", b"pixi", b"colr", b"av1C", b"hvcC", b"irot", b"imir", b"clap", b"pasp")
)
_KNOWN |= {b"auxC", b"a1op", b"a1lx", b"lsel", b"clli", b"mdcv", b"free", b"skip"}


def mend_properties(data: bytes, meta: Meta, *, is_cut: bool) -> Iterator[tuple[int, bytes]]:
    """Yield places in a file, and what is to be written there.

    Parameters
    ----------
    data : bytes
        The file.
    meta : Meta
        Its tables.
    is_cut : bool
        The clean aperture of the picture is one that can be.
    """
    own = meta.owned.get(meta.primary, [])
    colours = [number for number in own if meta.properties[number].kind == b"colr"]
    sound = [number for number in colours if not _is_damaged(data, meta.properties[number])]
    last = {_sort(data, meta.properties[number]): number for number in sound}
    unused = set(sound) - set(last.values())
    if not is_cut:
        unused |= {number for number in own if meta.properties[number].kind == b"clap"}
    for number, box in enumerate(meta.properties):
        if number in unused or _is_damaged(data, box):
            yield box.place, b"free"
            for which, place in meta.marks:
                if which == number and data[place] & _ESSENTIAL:
                    yield place, bytes([data[place] & ~_ESSENTIAL])
        else:
            yield from _cleared(data, box)


def unknown_property(data: bytes, meta: Meta) -> str:
    """Return the kind of a property of the picture that is not read and has to be, or nothing."""
    needed = {which for which, place in meta.marks if data[place] & _ESSENTIAL}
    own = (number for number in meta.owned.get(meta.primary, ()) if number in needed)
    unread = (one for one in map(meta.properties.__getitem__, own) if one.kind not in _KNOWN)
    return next((one.kind.decode("latin-1") for one in unread if not _is_damaged(data, one)), "")


def _sort(data: bytes, box: Box) -> str:
    """Return what a property says the colours by: a profile or code points."""
    return "points" if data[box.start : box.start + 4] == b"nclx" else "profile"


def _is_damaged(data: bytes, box: Box) -> bool:
    size = box.end - box.start
    if box.kind == b"colr":
        return size < _LEAST_COLOURS.get(data[box.start : box.start + 4], size + 1)
    if box.kind == b"pixi" and size > 4 and size < 5 + data[box.start + 4]:
        return True
    return size < _LEAST.get(box.kind, 0)


def _cleared(data: bytes, box: Box) -> Iterator[tuple[int, bytes]]:
    """Yield what clears bits that a decoder may want to be 0."""
    place, bits = box.start, _USED_BITS.get(box.kind, 0xFF)
    if box.kind == b"colr" and data[place : place + 4] == b"nclx":
        place, bits = place + 10, 0x80
    if bits != 0xFF and data[place] & ~bits:
        yield place, bytes([data[place] & bits])
