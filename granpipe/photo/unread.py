"""What a file is whose picture Pillow does not read, in words; and its picture without remarks.

`describe` parts what is merely unknown from what is damaged, of a file that did not open; `simpler`
leaves out of a file what is no part of its picture, for another try. The others tell what decoders
pass over in silence.
"""

import struct
from collections.abc import Iterable, Iterator

from granpipe.photo.brands import before_film, lone_brand, names_heic
from granpipe.photo.isobmff import Container, read_container
from granpipe.photo.meta_box import HEVC
from granpipe.photo.png_chunks import SIGNATURE, without_remarks
from granpipe.photo.profiles import LARGEST_PROFILE
from granpipe.photo.raw import describe_raw
from granpipe.photo.tiff import PREFIXES, describe_tiff, without_stray_tags

_JPEG = b"\xff\xd8\xff"
_SCAN, _HIERARCHY, _JPEG_LS = 0xDA, 0xDE, 0xF7
FRAMES = frozenset(range(0xC0, 0xD0)) - frozenset((0xC4, 0xC8, 0xCC)) | {_HIERARCHY, _JPEG_LS}
_TABLES = FRAMES | {0xC4, 0xCC, _SCAN, 0xDB, 0xDC, 0xDD, 0xDF}
_REMARKS = frozenset((*range(0xE0, 0xF0), 0xFE))
_ALONE = frozenset((0x01, *range(0xD0, 0xDA)))
_LOSSLESS, _PROGRESSIVE = 0xC3, (0xC2, 0xCA)
_UNREAD_FRAMES = {
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, _HIERARCHY), "is a hierarchical JPEG"),
    **{0xCB: "is a lossless JPEG of arithmetic codes", _JPEG_LS: "is JPEG-LS"},
}
_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
# Segments that say something of the picture, and how many bytes of one Pillow takes for granted.
_KEPT: dict[int, tuple[tuple[bytes, int], ...]] = {
    0xE1: ((b"Exif\0\0", 6), (b"http://ns.adobe.com/xap/1.0/\0", 29)),
    0xE2: ((b"ICC_PROFILE\0", 14),),
    0xEE: ((b"Adobe", 12),),
}

_OTHERS = {
    **{b"GIF8": "is a GIF", b"8BPS": "is a Photoshop document", b"v/1\1": "is OpenEXR"},
    **{b"\0\0\0\x0cjP  \r\n\x87\n": "is JPEG 2000", b"\xff\x4f\xff\x51": "is JPEG 2000"},
    **{b"\0\0\0\x0cJXL \r\n\x87\n": "is JPEG XL", b"\xff\x0a": "is JPEG XL"},
}
_WEBP_PIXELS = (b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L", b"ANIM", b"ANMF")
_WEBP_REMARKS = 0x08 | 0x04  # the flags of EXIF and XMP
_BMP_SIZES = frozenset((12, 40, 52, 56, 64, 108, 124))
_LARGEST_BMP_HEADER = 124
_BMP_RUNS, _BMP_FIELDS = (1, 2), (3, 6)
_BMP_INSIDE = {4: "JPEG", 5: "PNG"}
_OS2 = 64
# Pictures made of others; libheif makes some of them (23008-12, section 6.6.2).
_DERIVED, _DERIVED_OF_HEIC = {b"iden", b"iovl", b"tmap", b"sato"}, {b"iden", b"iovl"}
_CODINGS = {
    **{b"jpeg": "JPEG", b"j2k1": "JPEG 2000", b"vvc1": "VVC", b"evc1": "EVC", b"avc1": "H.264"},
    **{b"unci": "uncompressed pixels", b"lhv1": "layered HEVC", b"hvt1": "HEVC tiles"},
}


def describe(data: bytes, *, reads_heic: bool = True) -> str:
    """Return what a file is, where that alone is the reason that Pillow does not read it.

    Parameters
    ----------
    data : bytes
        A file that did not open.
    reads_heic : bool
        HEIC would be read.

    Returns
    -------
    str
        Such as `is a 12-bit JPEG`; empty where a file of its kind is read, so that it is damaged,
        or where its kind is not known.

    Examples
    --------
    >>> describe(b"GIF89a")
    'is a GIF'
    """
    names = (name for start, name in _OTHERS.items() if data.startswith(start))
    if what := next(names, "") or describe_raw(data):
        return what
    if data.startswith(_JPEG):
        return _describe_jpeg(data)
    if data.startswith(PREFIXES):
        what = describe_tiff(data)
        return what and f"is a TIFF whose pixels are not read: {what}"
    if data.startswith(b"BM"):
        return _describe_bmp(data)
    if data[4:8] == b"ftyp":
        return _describe_container(data, reads_heic)
    return ""


def webp_sides(data: bytes) -> tuple[int, int] | None:
    """Return width and height that a WebP claims, in pixels (RFC 9649); None for other files."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    if data[12:16] == b"VP8X":
        return tuple(int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))  # type: ignore[return-value]
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def bmp_profile(data: bytes) -> bytes | None:
    """Return the ICC profile in a Windows bitmap (BITMAPV5HEADER), or None."""
    if data[:2] != b"BM" or data[14:18] != b"\x7c\0\0\0" or data[70:74] != b"DEBM":
        return None
    start, size = struct.unpack_from("<II", data.ljust(138, b"\0"), 126)
    return data[14 + start : 14 + start + min(size, LARGEST_PROFILE)] or None


def is_lossless(data: bytes) -> bool:
    """Return whether a JPEG is a lossless one (ITU T.81, annex H), which has no reduced scale."""
    return any(marker == _LOSSLESS for marker, *_ in segments(data))


def keeps_coefficients(data: bytes) -> bool:
    """Return whether all coefficients of a JPEG are kept until its last scan is there.

    So it is where the scans tell of them bit by bit, or of channels that follow each other.
    """
    channels = 0
    for marker, start, end in segments(data):
        if marker in _PROGRESSIVE:
            return True
        if marker in FRAMES and end - start >= 6:
            channels = data[start + 5]
        elif marker == _SCAN:
            return end > start and data[start] < channels
    return False


def has_stray_segment(data: bytes) -> bool:
    """Return whether a JPEG has a segment of a reserved marker (table B.1): decoders stop at it."""
    return any(not (marker in _TABLES or marker in _REMARKS) for marker, *_ in segments(data))


def simpler(data: bytes) -> bytes:
    """Return a file without what is no part of its picture; the same where there is no such way."""
    if data.startswith(_JPEG):
        return _plain_jpeg(data)
    if data.startswith(SIGNATURE):
        return without_remarks(data)
    if data[4:8] == b"ftyp":
        return _plain_heif(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _plain_webp(data)
    return without_stray_tags(data) if data.startswith((b"II*\0", b"MM\0*")) else data


def _plain_webp(data: bytes) -> bytes:
    """Return a WebP with the chunks of its pixels and colours alone (RFC 9649, section 2.7)."""
    kept, place = [], 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + size + size % 2
        if data[place : place + 4] in _WEBP_PIXELS and place + 8 + size <= len(data):
            kept.append(data[place:end].ljust(end - place, b"\0"))
        place = end
    body = bytearray(b"".join(kept))
    if body[:4] == b"VP8X" and len(body) > 8:
        body[8] &= ~_WEBP_REMARKS
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def _plain_heif(data: bytes) -> bytes:
    """Return a HEIC or AVIF without a film, whose EXIF and XMP are of a type that nobody reads."""
    still = before_film(data)
    container = read_container(still)
    hidden = tuple((place, b"skip") for place in container.remark_types)
    return patched(still, container.patches + hidden)


def patched(data: bytes, patches: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a file in which something else is written at some places."""
    changed = bytearray(data)
    for place, written in patches:
        changed[place : place + len(written)] = written
    return bytes(changed)


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, begin and end of the contents of each segment, to the first scan's header."""
    place, marker = 2, 0
    while marker != _SCAN:
        place = data.find(b"\xff", place)
        if not 0 <= place < len(data) - 3:
            return
        marker = data[place + 1]
        if marker in _ALONE or marker in {0, 0xFF}:
            place += 1 + (marker != 0xFF)
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if end < place + 4 or end > len(data):
            return
        yield marker, place + 4, end
        place = end


def _describe_jpeg(data: bytes) -> str:
    names_colours = is_frame_of_film = False
    for marker, start, end in segments(data):
        if what := _UNREAD_FRAMES.get(marker):
            return what
        names_colours |= data.startswith((b"JFIF\0", b"Adobe"), start)
        is_frame_of_film |= data.startswith(b"Lavc", start)
        if marker in FRAMES and end - start >= 6:
            bits, height, _, channels = struct.unpack_from(">BHHB", data, start)
            lossless = "lossless " if marker == _LOSSLESS else ""
            if bits != 8:
                return f"is a {bits}-bit {lossless}JPEG"
            if not height:
                return "is a JPEG whose height follows its pixels"
            shares = channels == 3 and len(set(data[start + 7 : end : 3])) > 1
            if lossless and not names_colours and (shares or is_frame_of_film):
                return "is a lossless JPEG whose colours, YCbCr it seems, are not named"
            return "" if channels in {1, 3, 4} else f"is a JPEG of {channels} channels"
    return ""


def _plain_jpeg(data: bytes) -> bytes:
    parts, rest = [data[:2]], 2
    for marker, start, end in segments(data):
        content, rest = data[start:end], end
        if marker == 0xE0 and content.startswith(b"JFIF"):
            parts.append(_JFIF)
        names = _KEPT.get(marker, ())
        if marker in _TABLES or any(content.startswith(n) and len(content) >= s for n, s in names):
            parts.append(data[start - 4 : end])
    return b"".join([*parts, data[rest:]]) if rest > 2 else data


def _describe_bmp(data: bytes) -> str:
    """Return what is unusual about a Windows or OS/2 bitmap whose header is in order."""
    size = int.from_bytes(data[14:18], "little")
    if size not in _BMP_SIZES and 12 < size <= _LARGEST_BMP_HEADER and len(data) > 14 + size:
        return f"is a BMP with a header of {size} bytes"
    if size not in _BMP_SIZES or len(data) < 14 + size:
        return ""
    form = "<HHHH" if size == 12 else "<IIHHI"
    width, height, planes, bits, *packing = struct.unpack_from(form, data, 18)
    if not width * height or planes != 1:
        return ""
    kind = packing[0] if packing else 0
    if kind in _BMP_FIELDS and size != _OS2:
        return f"is a BMP of {bits} bits in fields that are not read"
    if kind and kind not in _BMP_RUNS:
        inside = "packing of OS/2" if size == _OS2 else _BMP_INSIDE.get(kind, f"packing {kind}")
        return f"is a BMP with {inside} inside"
    return "" if bits in {1, 4, 8, 16, 24, 32} else f"is a {bits}-bit BMP"


def _describe_container(data: bytes, reads_heic: bool) -> str:
    container = read_container(data)
    for coding in sorted(container.codings & _CODINGS.keys()):
        return f"is a HEIF file of {_CODINGS[coding]}"
    is_avif = b"av01" in container.codings
    is_heic = not container.codings.isdisjoint(HEVC)
    if not is_avif and not reads_heic and (is_heic or names_heic(data)):
        return "HEIC needs the extra: pip install 'granpipe[heic]'"
    name = "an AVIF" if is_avif else "a HEIC"
    if container.kind in _DERIVED - (set() if is_avif else _DERIVED_OF_HEIC):
        return f"is {name} whose picture is made of others, as {container.kind.decode()}"
    if container.is_whole and container.lacks:
        what = "its sides" if container.lacks == "ispe" else "how it is coded"
        return f"is {name} that does not say {what} ({container.lacks})"
    if container.is_whole and is_heic and not is_avif and (brand := lone_brand(data)):
        return f"is a HEIC of the brand {brand!r} alone, with which decoders do not read it"
    return unknown_need(container)


def unknown_need(container: Container) -> str:
    """Return what a HEIC or AVIF file has that nobody here can read, though it must be; or nothing.

    It is said where the picture did not open or decode, since some decoders know more than others.
    """
    kind = container.unknown
    return kind and f"has the property {kind!r}, which has to be read and is not known"
