"""Build EXIF blocks byte by byte, right and wrong ones, and put them into small pictures.

A block is TIFF (Exif 2.32, section 4.6.2): a header, then tables of tags. A tag is twelve bytes:
number, type, count, and the value itself or, above four bytes, where it stands.
"""

import io
import struct
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction

from PIL import Image

MAKE, MODEL, EXIF_POINTER, GPS_POINTER = 0x010F, 0x0110, 0x8769, 0x8825
TAKEN, DIGITIZED, TAKEN_OFFSET, DIGITIZED_OFFSET = 0x9003, 0x9004, 0x9011, 0x9012
GPS = {
    "lat_ref": 1,
    "lat": 2,
    "lon_ref": 3,
    "lon": 4,
    "altitude_ref": 5,
    "altitude": 6,
    "status": 9,
    "dop": 11,
    "direction": 17,
    "datum": 18,
    "method": 27,
    "accuracy": 31,
}
"""Numbers of the GPS tags, by the names that `gps` takes."""

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12


@dataclass(frozen=True, slots=True)
class Value:
    """A tag's value: its type, its numbers, and where it claims to stand if not where it does."""

    kind: int
    code: str
    numbers: tuple
    offset: int | None = None

    @property
    def count(self) -> int:
        return len(self.numbers) // len(self.code)

    def encode(self, order: str) -> bytes:
        return struct.pack(order + self.code * self.count, *self.numbers)

    def at(self, offset: int) -> "Value":
        """Return the value with a pointer of its own, to past the end, say."""
        return replace(self, offset=offset)


def byte(*numbers: int) -> Value:
    return Value(BYTE, "B", numbers)


def text(characters: str | bytes) -> Value:
    """Return ASCII with the NUL that ends it."""
    encoded = characters.encode() if isinstance(characters, str) else characters
    return Value(ASCII, "B", tuple(encoded + b"\0"))


def undefined(content: bytes) -> Value:
    return Value(UNDEFINED, "B", tuple(content))


def short(*numbers: int) -> Value:
    return Value(SHORT, "H", numbers)


def long(*numbers: int) -> Value:
    return Value(LONG, "L", numbers)


def double(*numbers: float) -> Value:
    return Value(DOUBLE, "d", numbers)


def rational(*numbers: float | Fraction | tuple[int, int]) -> Value:
    """Return unsigned fractions; (5, 0) stands for 5/0, 12.5 is written as 25/2."""
    return Value(RATIONAL, "LL", _fractions(numbers))


def srational(*numbers: float | Fraction | tuple[int, int]) -> Value:
    return Value(SRATIONAL, "ll", _fractions(numbers))


def _fractions(numbers) -> tuple[int, ...]:
    pairs = [n if isinstance(n, tuple) else Fraction(str(n)).as_integer_ratio() for n in numbers]
    return tuple(part for pair in pairs for part in pair)


def gps(**changes: Value | None) -> dict[int, Value]:
    """Return GPS tags of 12°30'36" north, 45°15'18" east, with changes; None leaves a tag out."""
    tags = {
        "lat_ref": text("N"),
        "lat": rational(12, 30, 36),
        "lon_ref": text("E"),
        "lon": rational(45, 15, 18),
    } | changes
    return {GPS[name]: value for name, value in tags.items() if value is not None}


def block(
    gps: dict[int, Value] | None = None,
    exif: dict[int, Value] | None = None,
    image: dict[int, Value] | None = None,
    order: str = "<",
    gps_at: int | None = None,
) -> bytes:
    """Return an EXIF block of three tables; the GPS table and its values stand last.

    Parameters
    ----------
    gps, exif, image : dict, optional
        Tags by number. Tables of `gps` and `exif` are left out where they are None.
    order : {"<", ">"}
        Little or big endian.
    gps_at : int, optional
        Where the GPS table is said to stand, if not where it does.
    """
    tables = {EXIF_POINTER: exif, GPS_POINTER: gps}
    tables = {pointer: tags for pointer, tags in tables.items() if tags is not None}
    first = dict(image or {}) | {pointer: long(0) for pointer in tables}
    end = 8 + len(table(first, 8, order))
    bodies = []
    for pointer, tags in tables.items():
        said = gps_at if pointer == GPS_POINTER and gps_at is not None else end
        first[pointer] = long(said)
        bodies.append(table(tags, end, order))
        end += len(bodies[-1])
    header = (b"II" if order == "<" else b"MM") + struct.pack(order + "HL", 42, 8)
    return header + table(first, 8, order) + b"".join(bodies)


def table(tags: dict[int, Value], start: int, order: str = "<") -> bytes:
    """Return a table of tags with the values behind it, to stand at `start` in a block."""
    entries, values = struct.pack(order + "H", len(tags)), b""
    values_start = start + 2 + 12 * len(tags) + 4
    for number, value in sorted(tags.items()):
        content = value.encode(order)
        entries += struct.pack(order + "HHL", number, value.kind, value.count)
        if value.offset is not None:
            entries += struct.pack(order + "L", value.offset)
        elif len(content) <= 4:
            entries += content.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "L", values_start + len(values))
            values += content + b"\0" * (len(content) % 2)
    return entries + bytes(4) + values


def jpeg(exif: bytes | None, *segments: bytes, picture: Image.Image | None = None) -> bytes:
    """Return a JPEG file with an EXIF block behind other segments; Pillow's JFIF comes after."""
    if exif is not None:
        segments += (segment(0xE1, b"Exif\0\0" + exif),)
    plain = _saved(picture, "JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def segment(marker: int, content: bytes) -> bytes:
    """Return a segment of a JPEG file, such as APP1 with the marker 0xE1."""
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def xmp(content: bytes) -> bytes:
    """Return the segment of a JPEG file that holds an XMP packet."""
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + content)


def png(exif: bytes, behind_pixels: bool = False, kind: bytes = b"eXIf") -> bytes:
    """Return a PNG file with an EXIF block before or behind its pixels."""
    plain = _saved(None, "PNG")
    chunk = struct.pack(">L", len(exif)) + kind + exif
    chunk += struct.pack(">L", zlib.crc32(kind + exif))
    where = len(plain) - 12 if behind_pixels else 33  # before IEND, or behind IHDR
    return plain[:where] + chunk + plain[where:]


def tiff(
    gps: dict[int, Value], exif: dict[int, Value], image: dict[int, Value], order: str = "<"
) -> bytes:
    """Return a TIFF file of one grey pixel, which is the letter that the file begins with."""
    pixel = {0x100: short(1), 0x101: short(1), 0x102: short(8), 0x103: short(1), 0x106: short(1)}
    return block(gps, exif, image | pixel | {0x111: long(0), 0x117: long(1)}, order)


def saved(exif: bytes, kind: str) -> bytes:
    """Return a file of a kind whose EXIF block Pillow writes, such as WEBP and AVIF."""
    return _saved(None, kind, exif=exif)


def _saved(picture: Image.Image | None, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    (picture or Image.new("RGB", (16, 16), "green")).save(stream, kind, **options)
    return stream.getvalue()


def jpeg_at(
    lat: float,
    lon: float,
    altitude: float | None = None,
    taken_at: str | None = None,
    model: str | bytes | None = None,
    orientation: int | None = None,
    picture: Image.Image | None = None,
) -> bytes:
    """Return a JPEG file that was photographed there.

    Parameters
    ----------
    lat, lon : float
        Decimal degrees, written as degrees, minutes and seconds.
    altitude : float, optional
        Metres above sea level.
    taken_at : str, optional
        As EXIF writes it, "2024:06:27 15:10:02".
    model : str or bytes, optional
        The camera.
    orientation : int, optional
        1 to 8.
    picture : PIL.Image.Image, optional
        What is on the photograph; else it is plain green.
    """
    tags = gps(
        lat_ref=text("S" if lat < 0 else "N"),
        lat=dms(lat),
        lon_ref=text("W" if lon < 0 else "E"),
        lon=dms(lon),
    )
    if altitude is not None:
        tags[GPS["altitude_ref"]] = byte(1 if altitude < 0 else 0)
        tags[GPS["altitude"]] = rational(Fraction(abs(altitude)).limit_denominator(1000))
    exif = {} if taken_at is None else {TAKEN: text(taken_at)}
    image = {} if model is None else {MODEL: text(model)}
    image |= {} if orientation is None else {0x0112: short(orientation)}
    return jpeg(block(tags, exif, image), picture=picture)


def dms(degrees: float) -> Value:
    """Return degrees, minutes and seconds to a ten-thousandth of a second, without a sign."""
    ticks = round(abs(degrees) * 36_000_000)
    minutes, ticks = divmod(ticks, 600_000)
    return rational(minutes // 60, minutes % 60, (ticks, 10_000))
