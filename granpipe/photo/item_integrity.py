"""See parts of a HEIC or AVIF that are missing, which decoders leave black or grey without a word.

So does libheif with the tiles of a grid that it cannot decode, as of a photograph that was cut off.
"""

from granpipe.errors import PhotoError
from granpipe.photo.item_streams import CODED, coded_parts
from granpipe.photo.meta_box import HEVC, Meta, read_meta

# A sector of a disk. Of flat pictures, too, at most 16 equal bytes were seen in a row.
_HOLES = (bytes(512), b"\xff" * 512)
_MOST_UNITS = 1 << 16
_FIRST_WITHOUT_PIXELS = 32  # of the types of units (H.265, table 7-1)
_ERASED = "a part of its codes was never written, or is erased"
_OTHER_LENGTH = "its codes are not as long as they say"


def check_items(data: bytes) -> None:
    """Raise PhotoError `truncated` where a part of the picture is not in the file as it is to be.

    It may be behind the file's end, of another length than its units have, never written, or
    erased. Streams are packed so well that they hold no long runs of one byte.
    """
    meta, left = read_meta(data), 2 * len(data)  # items may overlap
    for item in dict.fromkeys(coded_parts(data, meta)):
        kind = meta.kinds.get(item)
        is_lost = kind is None and item != meta.primary
        if is_lost or (kind == b"grid" and _lacks_tiles(data, meta, item)):
            raise PhotoError("truncated", "lacks a tile of its picture")
        if kind not in CODED:
            continue
        if meta.is_cut_off(item, len(data)):
            raise PhotoError("truncated", "the file ends before its pixels do")
        coded = meta.content(data, item, left)
        left -= len(coded)
        if kind in HEVC and left:
            _check_units(coded, _length_size(data, meta, item))
        elif any(hole in coded for hole in _HOLES):
            raise PhotoError("truncated", _ERASED)


def _lacks_tiles(data: bytes, meta: Meta, item: int) -> bool:
    """Return whether a grid names fewer tiles than it has rows times columns (23008-12)."""
    layout = meta.content(data, item, 4)
    tiles = sum((kind, start) == (b"dimg", item) for kind, start, _ in meta.references)
    return len(layout) == 4 and tiles < (layout[2] + 1) * (layout[3] + 1)


def _length_size(data: bytes, meta: Meta, item: int) -> int:
    """Return how many bytes say how long a unit is (14496-15, section 8.3.3.1.2)."""
    box = meta.property_of(item, b"hvcC")
    return 1 + (data[box.start + 21] & 3) if box and box.end - box.start > 21 else 4


def _check_units(coded: bytes, size: int) -> None:
    """Raise PhotoError where a stream is not whole units, each behind its length, of pixels.

    Zeros may follow them. Units of another kind may hold them, too: cameras write filler data, up
    to a size that they have fixed (H.265, section 7.3.2.8).
    """
    place, has_pixels = 0, False
    for _ in range(_MOST_UNITS):
        length = int.from_bytes(coded[place : place + size], "big")
        if not length:
            break
        unit = coded[place + size : place + size + length]
        place += size + length
        if place > len(coded):
            raise PhotoError("truncated", _OTHER_LENGTH)
        if unit[0] >> 1 & 0x3F < _FIRST_WITHOUT_PIXELS:
            has_pixels = True
            if any(hole in unit for hole in _HOLES):
                raise PhotoError("truncated", _ERASED)
    else:
        return
    if not has_pixels:
        raise PhotoError("truncated", _ERASED)
    if any(coded[place:]):
        raise PhotoError("truncated", _OTHER_LENGTH)
