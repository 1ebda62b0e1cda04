"""What the boxes of a HEIC or AVIF file say of its picture.

Properties are those of ISO/IEC 23008-12 (`ispe`, `irot`, `imir`, `clap`) and 14496-12 (`colr`).
Only what the primary picture needs is read: Pillow applies no clean aperture and no code points,
and stops at EXIF that it cannot read.
"""

import struct
from dataclasses import dataclass
from typing import Any

from granpipe.photo.brands import patch_brands
from granpipe.photo.item_streams import decoded_sides, lacking, named_colours, wrong_sides
from granpipe.photo.meta_box import Meta, read_meta
from granpipe.photo.odd_properties import patch_properties, read_code_points, unknown_property
from granpipe.photo.transforms import place

_LARGEST_EXIF = 1 << 20
_EXIF = b"Exif"
_REMARKS = (_EXIF, b"mime")  # the latter is XMP


@dataclass(frozen=True, slots=True)
class Container:
    """What is said of the primary picture; each part is empty where nothing is.

    Attributes
    ----------
    codings : frozenset of bytes
        How all items are coded.
    kind : bytes
        How the picture is coded, or made of others.
    sides : tuple of int or None
        Width and height as they are coded, in pixels, neither cut nor turned.
    decoded : tuple of int or None
        Width and height of what is decoded: of a picture of several layers, the largest.
    aperture : tuple of int or None
        Left, top, right and bottom of the part to be shown, half-open, in coded pixels.
    orientation : int
        What turns the picture upright once it is cut, as in Exif 2.32, section 4.6.4, tag 274.
    code_points : tuple of int or None
        Primaries, transfer and matrix as in ITU-T H.273, and 1 for the full range.
    exif : bytes
        The TIFF block of its EXIF.
    remark_types : tuple of int
        Where the types of EXIF and XMP items are in the file.
    patches : tuple of tuple
        Places in the file, and what is to be written there so that no decoder stops at a brand, or
        at a property that is damaged and makes no pixels.
    unknown : str
        A property that a reader of the picture must know, and that no decoder here does.
    lacks : str
        A property that the picture or a part of it lacks, without which no decoder reads it.
    contradiction : str
        How the sides that are said differ from those that are coded, in words.
    is_whole : bool
        All boxes could be read.
    """

    codings: frozenset[bytes] = frozenset()
    kind: bytes = b""
    sides: tuple[int, int] | None = None
    decoded: tuple[int, int] | None = None
    aperture: tuple[int, int, int, int] | None = None
    orientation: int = 1
    code_points: tuple[int, int, int, int] | None = None
    exif: bytes = b""
    remark_types: tuple[int, ...] = ()
    patches: tuple[tuple[int, bytes], ...] = ()
    unknown: str = ""
    lacks: str = ""
    contradiction: str = ""
    is_whole: bool = False


def read_container(data: bytes) -> Container:
    """Return what the boxes of a HEIC or AVIF file say, but damaged ones; never raises."""
    meta = read_meta(data)
    found: dict[str, Any] = {}
    own = [(number, meta.properties[number]) for number in meta.owned.get(meta.primary, ())]
    said = [(number, box.kind, data[box.start : box.end]) for number, box in own]
    for _, kind, content in said:
        _take_property(kind, content, found)
    placed = place(found.get("sides"), said)
    return Container(
        frozenset(meta.kinds.values()),
        meta.kinds.get(meta.primary, b""),
        found.get("sides"),
        decoded_sides(data, meta) or found.get("sides"),
        placed.aperture,
        placed.orientation,
        found.get("code_points") or named_colours(data, meta),
        _exif(data, meta),
        tuple(meta.places[item] for item, kind in meta.kinds.items() if kind in _REMARKS),
        (*patch_properties(data, meta, placed.impossible), *patch_brands(data, meta)),
        unknown_property(data, meta),
        lacking(meta),
        wrong_sides(data, meta),
        meta.is_whole,
    )


def _take_property(kind: bytes, content: bytes, found: dict[str, Any]) -> None:
    if kind == b"ispe" and len(content) >= 12:
        found["sides"] = struct.unpack_from(">II", content, 4)
    elif kind == b"colr" and content[:4] == b"nclx":
        found["code_points"] = read_code_points(content) or found.get("code_points")


def _exif(data: bytes, meta: Meta) -> bytes:
    """Return the TIFF block of the EXIF item that describes the primary picture, or the first."""
    items = [item for item, kind in meta.kinds.items() if kind == _EXIF]
    own = {
        item for kind, item, other in meta.references if (kind, other) == (b"cdsc", meta.primary)
    }
    for item in sorted(items, key=lambda item: item not in own):
        content = meta.content(data, item, _LARGEST_EXIF)
        if len(content) < 5:
            continue
        block = content[4 + int.from_bytes(content[:4], "big") :]
        if block.startswith((b"II*\0", b"MM\0*")):
            return block
        places = (content.find(mark, 0, 64) for mark in (b"II*\0", b"MM\0*"))
        return content[max(4, *places) :]  # what is no block differs from what is not there
    return b""
