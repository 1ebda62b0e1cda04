"""Draw and change files: boxes of HEIC and AVIF (ISO/IEC 14496-12, 23008-12), PNG, TIFF."""

import io
import struct
import zlib

from PIL import Image

import exif_blocks as eb


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


def property_of(data: bytes, kind: bytes) -> bytes:
    """Return the contents of the first property of a kind."""
    place = data.index(kind)
    return data[place + 4 : place - 4 + int.from_bytes(data[place - 4 : place], "big")]


def said_sides(data: bytes, width: int, height: int) -> bytes:
    """Return a file whose first `ispe` says other sides."""
    place = data.index(b"ispe") + 8
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


def grid(data: bytes, kind: bytes, columns: int, rows: int, tile, sides, said=None) -> bytes:
    """Return a picture that is put together of equal tiles (23008-12, section 6.6.2.3).

    Parameters
    ----------
    data : bytes
        A HEIC or AVIF file of one picture, the tile.
    kind : bytes
        How it is coded: `hvc1` or `av01`.
    columns, rows : int
        How many tiles are beside and above each other.
    tile, sides, said : tuple of int
        Width and height: those that are said of a tile, those of the whole, and those that are
        said of it if it says others.
    """
    config = {b"hvc1": b"hvcC", b"av01": b"av1C"}[kind]
    stream = dict(boxes(data))[b"mdat"]
    layout = bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", *sides)
    tiles = range(2, 2 + columns * rows)
    items = [(1, b"grid"), *((number, kind) for number in tiles)]
    entries = [
        box(b"infe", struct.pack(">BxxBHH4sx", 2, number > 1, number, 0, what))
        for number, what in items
    ]
    spoken = [box(b"ispe", struct.pack(">4xII", *pair)) for pair in (tile, said or sides)]
    known = [spoken[0], box(config, property_of(data, config)), nclx(1, 13), spoken[1]]
    known.append(box(b"pixi", b"\0\0\0\0\3\x08\x08\x08"))
    owned = {number: bytes([4, 1, 0x82, 3, 5]) for number in tiles} | {1: bytes([3, 4, 3, 5])}
    owners = b"".join(struct.pack(">H", number) + owned[number] for number in sorted(owned))
    links = struct.pack(">HH", 1, len(tiles)) + b"".join(struct.pack(">H", tile) for tile in tiles)

    def meta(start: int) -> bytes:
        places = struct.pack(">4xBBH", 0x44, 0, len(items))
        for number, _ in items:
            tile_start = start + len(layout) + (number - 2) * len(stream)
            where = (start, len(layout)) if number == 1 else (tile_start, len(stream))
            places += struct.pack(">HHHII", number, 0, 1, *where)
        return box(
            b"meta",
            bytes(4)
            + box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + box(b"pitm", struct.pack(">4xH", 1))
            + box(b"iloc", places)
            + box(b"iinf", struct.pack(">4xH", len(items)) + b"".join(entries))
            + box(b"iref", bytes(4) + box(b"dimg", links))
            + box(
                b"iprp",
                box(b"ipco", b"".join(known))
                + box(b"ipma", struct.pack(">4xI", len(owned)) + owners),
            ),
        )

    head = box(b"ftyp", dict(boxes(data))[b"ftyp"])
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", layout + stream * len(tiles))


def tags_of(width: int, height: int, photometric: int, *bits: int) -> dict[int, eb.Value]:
    """Return the tags of a picture of so many channels."""
    tags = {0x100: eb.short(width), 0x101: eb.short(height), 0x102: eb.short(*bits)}
    return tags | {0x106: eb.short(photometric), 0x115: eb.short(len(bits))}


def tiff(tags: dict[int, eb.Value], pixels: bytes, order: str = "<") -> bytes:
    """Return a TIFF of one strip."""
    tags = {0x103: eb.short(1), 0x115: eb.short(1), 0x116: eb.short(1000)} | tags
    tags |= {0x111: eb.long(0), 0x117: eb.long(len(pixels))}
    tags[0x111] = eb.long(len(eb.block(image=tags, order=order)))
    return eb.block(image=tags, order=order) + pixels


def with_page(data: bytes, tags: dict[int, eb.Value], order: str = "<") -> bytes:
    """Return a TIFF with another table behind its first one, without pixels."""
    (count,) = struct.unpack_from(f"{order}H", data, 8)
    place = 10 + 12 * count
    link = struct.pack(f"{order}I", len(data))
    return data[:place] + link + data[place + 4 :] + eb.table(tags, len(data), order)


RAW = "is a raw photograph: "


def raw_tiffs(order: str = "<") -> dict[str, tuple[bytes, str]]:
    """Return TIFFs of which the first picture is not the photograph, each with what it is called.

    It is a preview of 16 x 8 pixels, or levels of a sensor.
    """
    preview = tags_of(16, 8, 1, 8) | {0xFE: eb.long(1)}
    pixels = bytes(range(128))
    below = {0x100: eb.short(64), 0x101: eb.short(32), 0x106: eb.short(1)}
    place = len(tiff(preview | {0x14A: eb.long(0)}, pixels, order))
    parted = tiff(preview | {0x14A: eb.long(place)}, pixels, order)
    return {
        "DNG": (tiff(preview | {0xC612: eb.byte(1, 4, 0, 0)}, pixels, order), RAW + "DNG"),
        "sensor below": (
            parted + eb.table(below | {0x106: eb.short(32803)}, place, order),
            RAW + "levels of a sensor",
        ),
        "preview": (
            parted + eb.table(below, place, order),
            "is a TIFF that begins with a preview of its picture",
        ),
        "preview and a page": (
            with_page(tiff(preview, pixels, order), below, order),
            "is a TIFF that begins with a preview of its picture",
        ),
        "preview of the old kind": (
            with_page(
                tiff(preview | {0xFE: eb.long(0), 0xFF: eb.short(2)}, pixels, order),
                below | {0x101: eb.short(9)},
                order,
            ),
            "is a TIFF that begins with a preview of its picture",
        ),
        "sensor": (
            tiff(preview | {0x106: eb.short(32803)}, pixels, order),
            RAW + "levels of a sensor",
        ),
    }
