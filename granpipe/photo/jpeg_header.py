"""The header of a JPEG, walked once (ITU T.81, annex B).

Pillow's own walk makes objects of all that a header holds, and takes four times as long. A header
that is put together in any other way than cameras do it is left to Pillow, which judges it.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from PIL import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

_HEAD = struct.Struct(">HH").unpack_from
_FRAME = struct.Struct(">BHHB").unpack_from
_BASELINE, _EXTENDED, _PROGRESSIVE = 0xFFC0, 0xFFC1, 0xFFC2
_CODES, _SCAN, _QUANTA, _INTERVAL = 0xFFC4, 0xFFDA, 0xFFDB, 0xFFDD
_JFIF, _EXIF, _PROFILE = 0xFFE0, 0xFFE1, 0xFFE2
_PHOTOSHOP, _ADOBE, _COMMENT = 0xFFED, 0xFFEE, 0xFFFE
_MODES = {1: "L", 3: "RGB"}
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
# What Pillow reads more of than is read here, and may refuse.
_LEFT_TO_PILLOW = {
    _JFIF: (b"JFIF", 7),
    _PROFILE: (b"MPF\0", 1 << 16),  # another picture follows
    _PHOTOSHOP: (b"Photoshop 3.0\0", 1 << 16),
    _ADOBE: (b"Adobe", 7),
}


class OddHeaderError(SyntaxError):
    """Pillow's own plugin is to judge this file."""


class PlainJpeg(JpegImageFile):
    """A JPEG as Pillow opens it, if its header is in order; else opening raises OddHeaderError.

    Attributes
    ----------
    scan_start : int
        Where the codes of the only scan begin, as far as the header says; 0 where there are others
        or restart markers among them.
    quantization_sum : int or None
        Of the numbers in quantization table 0; None without one.
    """

    scan_start = 0
    quantization_sum: int | None = None

    def _open(self) -> None:
        assert isinstance(self.fp, BytesIO)
        data = self.fp.getvalue()
        self.layers, self.icclist = 0, []
        is_plain = True
        for marker, start, end in _segments(data):
            if marker == _SCAN:
                if not self.layers or start == end:
                    raise OddHeaderError
                if data[start] != self.layers:  # the other channels have scans of their own
                    self.info["scans"] = True
                self.scan_start = end if is_plain and data[start] == self.layers else 0
            elif marker >= _JFIF:
                self._take_application(marker, data, start, end)
            elif marker == _QUANTA:
                self._take_quanta(data, start, end)
            elif marker != _CODES:
                is_plain &= marker in {_BASELINE, _EXTENDED}
                if marker != _INTERVAL:
                    self._take_frame(marker, data, start, end)
        self.tile = [ImageFile._Tile("jpeg", (0, 0, *self._size), 0, (self._mode, ""))]

    def _take_application(self, marker: int, data: bytes, start: int, end: int) -> None:
        name, least = _LEFT_TO_PILLOW.get(marker, (b"", 0))
        if name and end - start < least and data.startswith(name, start):
            raise OddHeaderError
        if marker == _EXIF and data.startswith(b"Exif\0\0", start):
            if "exif" in self.info:
                raise OddHeaderError
            self.info["exif"] = data[start:end]
        elif marker == _EXIF and data.startswith(_XMP, start):
            self.info["xmp"] = data[start + len(_XMP) : end]
        elif marker == _PROFILE and data.startswith(b"ICC_PROFILE\0", start):
            if self.layers:  # too late for Pillow
                raise OddHeaderError
            self.icclist.append(data[start:end])

    def _take_quanta(self, data: bytes, start: int, end: int) -> None:
        while start < end:
            wide, number = divmod(data[start], 16)
            start, table = start + 1, start + 1
            start += 128 if wide else 64
            if number == 0 and start <= end:
                numbers = struct.unpack_from(">64H" if wide else "64B", data, table)
                self.quantization_sum = sum(numbers)
        if start != end:
            raise OddHeaderError

    def _take_frame(self, marker: int, data: bytes, start: int, end: int) -> None:
        bits, height, width, layers = _FRAME(data, start)
        is_odd = self.layers or bits != 8 or layers not in _MODES or not width * height
        if is_odd or end - start != 6 + 3 * layers:
            raise OddHeaderError
        self._size, self._mode, self.layers = (width, height), _MODES[layers], layers
        if marker == _PROGRESSIVE:
            self.info["progressive"] = self.info["progression"] = 1
        if self.icclist:
            self.info["icc_profile"] = _joined(sorted(self.icclist))


def open_plain(data: bytes) -> PlainJpeg | None:
    """Return an opened JPEG, or None where its header is Pillow's to judge."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        return PlainJpeg(BytesIO(data), "")
    except SyntaxError:
        return None


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, begin and end of the contents of each segment, to the first scan's header."""
    end = 2
    for _ in _SEGMENTS:
        marker, length = _HEAD(data, end)
        start, end = end + 4, end + 2 + length
        if length < 2 or end > len(data) or marker not in _KNOWN:
            raise OddHeaderError
        yield marker, start, end
        if marker == _SCAN:
            return
    raise OddHeaderError


_SEGMENTS = range(4096)
_KNOWN = {_BASELINE, _EXTENDED, _PROGRESSIVE, _CODES, _SCAN, _QUANTA, _INTERVAL, _COMMENT}
_KNOWN |= {*range(_JFIF, _JFIF + 16)}


def _joined(pieces: list[bytes]) -> Any:
    """Return an ICC profile of sorted pieces (ICC.1, annex B.4); None where one is missing."""
    return b"".join(piece[14:] for piece in pieces) if pieces[0][13] == len(pieces) else None
