"""Change what Pillow wrote: boxes of HEIC and AVIF (ISO/IEC 14496-12, 23008-12), chunks of PNG."""

import io
import struct
import zlib

from PIL import Image


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def chunk(kind: bytes, content: bytes, *, is_whole: bool = True) -> bytes:
    """Return a chunk of a PNG, whose checksum may be wrong."""
    checksum = zlib.crc32(kind + content) ^ (not is_whole)
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", checksum)


def nclx(primaries: int, transfer: int, matrix: int = 6, full: bool = True) -> bytes:
    """Return the property that names colours by code points of ITU-T H.273."""
    return box(b"colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, matrix, full << 7))


def clap(width: float, height: float, across: float = 0, down: float = 0) -> bytes:
    """Return a clean aperture: its sides, and what its centre is off the picture's."""
    halves = (round(2 * value) for value in (width, height, across, down))
    return box(b"clap", b"".join(struct.pack(">iI", half, 2) for half in halves))


def irot(quarters: int) -> bytes:
    """Return quarter turns anticlockwise."""
    return box(b"irot", bytes([quarters]))


def imir(axis: int) -> bytes:
    """Return a mirror: 0 swaps top and bottom, 1 left and right."""
    return box(b"imir", bytes([axis]))


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and contents of each box."""
    found, place = [], 0
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        found.append((kind, data[place + 8 : place + (size or len(data))]))
        place += size or len(data)
    return found


def container(image: Image.Image, kind: str, *properties: bytes, drop=(), **options) -> bytes:
    """Return a HEIC or AVIF file of a picture.

    Parameters
    ----------
    image : PIL.Image.Image
    kind : str
        As Pillow calls the format.
    *properties : bytes
        Boxes that the picture has beside those that Pillow writes.
    drop : sequence of bytes
        Kinds of Pillow's properties, or of their colours, that are made free space.
    **options
        For Pillow.
    """
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return with_properties(stream.getvalue(), *properties, drop=drop)


def with_properties(data: bytes, *properties: bytes, drop=()) -> bytes:
    """Return a file whose first picture has more properties, and of some kinds no more."""
    grown = sum(map(len, properties)) + len(properties)
    return b"".join(
        box(kind, _meta(content, properties, drop, grown) if kind == b"meta" else content)
        for kind, content in boxes(data)
    )


def _meta(content: bytes, properties, drop, grown: int) -> bytes:
    parts = []
    for kind, inner in boxes(content[4:]):
        if kind == b"iloc":
            parts.append(box(kind, _moved(inner, grown)))
        elif kind == b"iprp":
            parts.append(box(kind, _properties(inner, properties, drop)))
        else:
            parts.append(box(kind, inner))
    return content[:4] + b"".join(parts)


def _properties(content: bytes, properties, drop) -> bytes:
    (_, known), (_, owners) = boxes(content)
    kept = boxes(known)
    freed = [box(b"free" if {kind, inner[:4]} & {*drop} else kind, inner) for kind, inner in kept]
    first = bytearray(owners)
    assert first[:4] == bytes(4)
    count = first[10]  # of the first picture's properties, of one byte each
    numbers = bytes(0x80 | (len(kept) + 1 + number) for number in range(len(properties)))
    first[10] = count + len(properties)
    first[11 + count : 11 + count] = numbers
    return box(b"ipco", b"".join([*freed, *properties])) + box(b"ipma", bytes(first))


def _moved(content: bytes, grown: int) -> bytes:
    """Return the places of items, which are later in the file by so many bytes."""
    moved = bytearray(content)
    version, sizes = content[0], content[4]
    assert version < 2
    assert sizes == 0x44
    bases = content[5] >> 4
    place = 8
    for _ in range(struct.unpack_from(">H", content, 6)[0]):
        method = struct.unpack_from(">H", content, place + 2)[0] if version else 0
        place += (6 if version else 4) + bases
        pieces = struct.unpack_from(">H", content, place)[0]
        place += 2
        for _ in range(pieces):
            (offset,) = struct.unpack_from(">I", content, place)
            if method == 0:
                struct.pack_into(">I", moved, place, offset + grown)
            place += 8
    return bytes(moved)
