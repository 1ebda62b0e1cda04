"""What a PNG's chunks say beside its pixels (PNG, third edition, sections 5 and 11.3).

Pillow reads some of them, in part only behind the pixels, and refuses a picture for the sake of a
text. So they are read here, within limits, and texts that Pillow would refuse are kept from it.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from granpipe.errors import PhotoError
from granpipe.photo.profiles import LARGEST_PROFILE, SRGB_PRIMARIES, Colours, coded_colours

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_NEEDED = (b"IHDR", b"IDAT", b"IEND")
_ODD = (b"tRNS", b"fcTL", b"fdAT")  # other frames are none of the picture
_NAMED = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"iCCP", b"eXIf")
_BEFORE_PIXELS = frozenset((b"cICP", b"sRGB", b"gAMA", b"cHRM", b"iCCP", b"pHYs", b"acTL"))
_LARGEST_TEXT = 1 << 20  # Pillow's own limit, inflated
_MOST_TEXT = 16 << 20
_XMP = b"XML:com.adobe.xmp"
_EXIF_TEXTS = (b"Raw profile type exif", b"Raw profile type APP1")
_KEPT = (_XMP, *_EXIF_TEXTS)
_HEXADECIMAL = re.compile(rb"\s*[^\n]*\n\s*\d+\s+([0-9a-fA-F\s]*)")
_GREY, _RGB, _PALETTE = 0, 2, 3
_KEY_SIZES = {_GREY: range(2, 3), _RGB: range(6, 7)}  # in bytes
_TWO, _FOUR = 2, 4
# Decoders agree that a gamma this near to 1 / 2.2 means the curve of sRGB.
_LIKE_SRGB = (0.43, 0.48)


@dataclass(slots=True)
class PngChunks:
    """The chunks that are of use, by kind, and what text there is.

    Attributes
    ----------
    named : dict
        Contents of the first chunk of each kind that says something of colours or holds EXIF, and
        of the tRNS that counts.
    texts : dict
        Contents of XMP and of EXIF that is written as text, by keyword.
    depth, colour_type : int
        Bits of a sample; 0 for grey, 2 for RGB, 3 for a palette, 4 and 6 for those with alpha.
    is_odd : bool
        A chunk that is no part of the picture is damaged, or more than Pillow takes.
    """

    named: dict[bytes, bytes] = field(default_factory=dict)
    texts: dict[bytes, bytes] = field(default_factory=dict)
    depth: int = 8
    colour_type: int = 2
    is_odd: bool = False

    @property
    def exif(self) -> bytes:
        """The TIFF block of eXIf, or else of a text that holds EXIF in hexadecimal."""
        if block := self.named.get(b"eXIf"):
            return block.removeprefix(b"Exif\0\0")
        return next(filter(None, map(self.exif_in, _EXIF_TEXTS)), b"")

    def exif_in(self, keyword: bytes) -> bytes:
        """Return the TIFF block that the text of a keyword holds; empty where it holds another."""
        block = _from_hexadecimal(self.texts.get(keyword, b"")).removeprefix(b"Exif\0\0")
        return block if block.startswith((b"II*\0", b"MM\0*")) else b""

    @property
    def xmp(self) -> bytes:
        """Its XMP packet."""
        return self.texts.get(_XMP, b"")

    @property
    def profile(self) -> bytes | None:
        """Its ICC profile."""
        _, _, packed = self.named.get(b"iCCP", b"").partition(b"\0")
        return _inflated(packed[1:], LARGEST_PROFILE) or None

    @property
    def has_code_points(self) -> bool:
        """Code points (cICP) are there, which count before all else (section 4.3)."""
        return len(self.named.get(b"cICP", b"")) == 4

    def colours(self) -> Colours | None:
        """Return the colours that cICP, or else gAMA and cHRM name; None for those of sRGB.

        Raises
        ------
        PhotoError
            `unsupported` where they cannot be converted.
        """
        if self.has_code_points:
            primaries, transfer, matrix, is_full = self.named[b"cICP"]
            if not is_full:
                raise PhotoError("unsupported", "its levels are those of video, 16 to 235")
            return coded_colours(primaries, transfer, matrix)
        if b"sRGB" in self.named:
            return None
        gamma, points = self.named.get(b"gAMA", b""), self.named.get(b"cHRM", b"")
        inverse = int.from_bytes(gamma, "big") / 100_000 if len(gamma) == 4 else 0
        is_like_srgb = not 0.05 < inverse < 20 or _LIKE_SRGB[0] <= inverse <= _LIKE_SRGB[1]
        named = Colours(gamma=0.0 if is_like_srgb else 1 / inverse)
        if len(points) == 32:
            values = tuple(value / 100_000 for value in struct.unpack(">8I", points))
            far = max(abs(a - b) for a, b in zip(values, SRGB_PRIMARIES, strict=True))
            named = Colours(values if far > 0.002 else SRGB_PRIMARIES, named.gamma)
        return None if named == Colours() else named

    @property
    def has_wide_key(self) -> bool:
        """Pixels are grey or RGB of 16 bits, of which tRNS may name one."""
        return self.depth == 16 and self.colour_type in {_GREY, _RGB}

    def key_levels(self) -> tuple[int, ...]:
        """Return the levels of the grey or RGB that tRNS names, of which its depth's bits count."""
        key = self.named.get(b"tRNS", b"")
        if self.colour_type not in _KEY_SIZES or len(key) not in _KEY_SIZES[self.colour_type]:
            return ()
        return tuple(level & (1 << self.depth) - 1 for (level,) in struct.iter_unpack(">H", key))

    def key_scale(self) -> int:
        """Return what makes an 8-bit level of a grey level that tRNS names."""
        is_grey = self.colour_type == _GREY
        return {_TWO: 85, _FOUR: 17}.get(self.depth, 1) if is_grey else 1


def read_chunks(png: bytes) -> PngChunks:
    """Return what the chunks of a PNG say; never raises."""
    found, size, has_pixels = PngChunks(), 0, False
    if len(png) > 25:
        found.depth, found.colour_type = png[24], png[25]
    for kind, start, end, is_needed in _judged(png):
        has_pixels |= kind == b"IDAT"
        found.is_odd |= kind in _ODD and not is_needed
        if kind == b"tRNS" and is_needed:
            found.named[kind] = png[start:end]
        if is_needed or end + 4 > len(png):
            continue
        if has_pixels and kind in _BEFORE_PIXELS:
            found.is_odd = True
            continue
        is_whole = zlib.crc32(png[start - 4 : end]) == int.from_bytes(png[end : end + 4], "big")
        found.is_odd |= not is_whole
        if kind == b"eXIf" or (is_whole and kind in _NAMED):  # EXIF says itself what it is
            found.named.setdefault(kind, png[start:end])
        elif is_whole and kind in _TEXTS:
            if size > _MOST_TEXT:  # to inflate the others takes seconds
                found.is_odd = True
                continue
            keyword, text = _text(kind, png[start:end])
            size += _LARGEST_TEXT if text is None else len(text)
            found.is_odd |= text is None or size > _MOST_TEXT
            if text and keyword in _KEPT and size <= _MOST_TEXT and not found.exif_in(keyword):
                found.texts[keyword] = text
    return found


def chunks(png: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of the contents of each chunk, to the end of the file."""
    place = 8
    while place + 12 <= len(png):
        end = place + 8 + int.from_bytes(png[place : place + 4], "big")
        yield png[place + 4 : place + 8], place + 8, end
        place = end + 4


def without_remarks(png: bytes) -> bytes:
    """Return a PNG of those chunks alone that make its pixels."""
    parts, rest = [png[:8]], 8
    for _, start, end, is_needed in _judged(png):
        rest = min(end + 4, len(png))
        if is_needed:
            parts.append(png[start - 8 : rest])
    return b"".join([*parts, png[rest:]])


def _judged(png: bytes) -> Iterator[tuple[bytes, int, int, bool]]:
    """Yield kind, begin and end of each chunk, and whether it makes pixels.

    A tRNS does only if its length is one of those in section 11.3.1.1, before the pixels, and once;
    and a PLTE only of pixels that have a palette, as it is a suggestion beside others.
    """
    colour_type = png[25] if len(png) > 25 else _RGB
    sizes = _KEY_SIZES.get(colour_type, range(0))
    for kind, start, end in chunks(png):
        if kind == b"PLTE" and colour_type == _PALETTE:
            sizes = range(1, (end - start) // 3 + 1)
        if kind == b"tRNS":
            yield kind, start, end, end - start in sizes
        elif kind == b"PLTE":
            yield kind, start, end, colour_type == _PALETTE
        else:
            yield kind, start, end, kind in _NEEDED
        if kind in {b"IDAT", b"tRNS"}:
            sizes = range(0)


def _text(kind: bytes, content: bytes) -> tuple[bytes, bytes | None]:
    """Return keyword and text of a chunk; None where it cannot be read, or is too long."""
    keyword, _, text = content.partition(b"\0")
    if kind == b"tEXt":
        return keyword, text
    is_packed = kind == b"zTXt" or text[:1] == b"\1"
    if kind == b"zTXt":
        text = text[1:]
    else:
        _, _, text = text[2:].partition(b"\0")  # behind the language
        _, _, text = text.partition(b"\0")  # behind the translated keyword
    return keyword, _inflated(text, _LARGEST_TEXT) if is_packed else text


def _inflated(packed: bytes, limit: int) -> bytes | None:
    """Return what was deflated; None where it is damaged, or longer than a limit."""
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(packed, limit)
    except zlib.error:
        return None
    return data if inflate.eof else None


def _from_hexadecimal(text: bytes) -> bytes:
    """Return what programs write as text: a line with a name, one with a length, and digits."""
    written = _HEXADECIMAL.fullmatch(text)
    try:
        return bytes.fromhex(written[1].decode("ascii")) if written else b""
    except ValueError:
        return b""
