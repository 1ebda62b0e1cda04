"""See parts of a HEIC or AVIF that are missing, which decoders leave black or grey without a word.

So does libheif with the tiles of a grid that it cannot decode, as of a photograph that was cut off.
"""

from granpipe.errors import PhotoError
from granpipe.photo.item_streams import CODED, coded_parts
from granpipe.photo.meta_box import HEVC, Meta, read_meta

# A sector of a disk. Of flat pictures, too, at most 16 equal bytes were seen in a row.
_HOLES = (bytes(512), b"\xff" * 512)
_MOST_UNITS = 4096


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
        if any(hole in coded for hole in _HOLES):
            raise PhotoError("truncated", "a part of its codes was never written, or is erased")
        if kind in HEVC and left and not _is_whole(coded, _length_size(data, meta, item)):
            raise PhotoError("truncated", "its codes are not as long as they say")


def _lacks_tiles(data: bytes, meta: Meta, item: int) -> bool:
    """Return whether a grid names fewer tiles than it has rows times columns (23008-12)."""
    layout = meta.content(data, item, 4)
    tiles = sum((kind, start) == (b"dimg", item) for kind, start, _ in meta.references)
    return len(layout) == 4 and tiles < (layout[2] + 1) * (layout[3] + 1)


def _length_size(data: bytes, meta: Meta, item: int) -> int:
    """Return how many bytes say how long a unit is (14496-15, section 8.3.3.1.2)."""
    box = meta.property_of(item, b"hvcC")
    return 1 + (data[box.start + 21] & 3) if box and box.end - box.start > 21 else 4


def _is_whole(coded: bytes, size: int) -> bool:
    """Return whether a stream is units, each behind its length, and at most zeros behind them."""
    place = 0
    for _ in range(_MOST_UNITS):
        if place == len(coded):
            return place > 0
        length = int.from_bytes(coded[place : place + size], "big")
        if not length:
            return not any(coded[place:])
        place += size + length
        if place > len(coded):
            return False
    return True
