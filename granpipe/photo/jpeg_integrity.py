"""Decode a JPEG so that damage among its coefficients shows, of which libjpeg tells nobody.

Behind a damaged Huffman code others mostly fit by chance, until the pixels are complete too early,
or not with the bytes that there are. So the decoder is given each stretch of codes up to the next
marker, the last bytes one by one until it does not take one, and then some spare ones: where it
begins to look for a marker, and so takes whatever comes, tells where its pixels ended.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image

from granpipe.errors import PhotoError

MARKER = re.compile(rb"\xff([\x01-\xfe])")
_HUFFMAN = frozenset(b"\xc0\xc1\xc2")
_FRAMES = frozenset(range(0xC0, 0xD0)) - frozenset(b"\xc4\xc8\xcc")
_RESTARTS = range(0xD0, 0xD8)
ALONE = frozenset([0x01, 0xD8, *_RESTARTS])
SCAN, _END = 0xDA, 0xD9
_TAIL = 48
# Where words are long, the decoder asks for up to 8 bytes more than it needs.
_AHEAD = 8
# Of codes that are all zeros some blocks take many, and of ones, which are no code, all of them: so
# pixels that lack codes soon lack more.
_SPARE = (b"\0", b"\xff\0") * _AHEAD
_BYTE = re.compile(rb"\xff\0|.", re.DOTALL)
# Each costs some 20 microseconds; a camera writes a few thousand at most.
_MOST_STRETCHES = 5000
_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Stretch:
    """Codes between two markers: where their header and they begin, their end, the marker there.

    The marker is 0 at the end of the file.
    """

    header: int
    start: int
    end: int
    marker: int


def find_stretches(data: bytes, place: int = 0) -> Iterator[Stretch]:
    """Yield each stretch of Huffman codes of the JPEG that begins at a place (ITU T.81, annex B).

    None is yielded of a JPEG whose codes are others. What follows its end is left alone.
    """
    header = place
    while match := MARKER.search(data, place):
        marker, place = match[1][0], match.end()
        if marker == _END or (marker in _FRAMES and marker not in _HUFFMAN):
            return
        if marker in ALONE:
            continue
        place += int.from_bytes(data[place : place + 2], "big")
        if marker == SCAN:
            for stretch in _scan(data, header, place):
                yield stretch
                header = place = stretch.end


def _scan(data: bytes, header: int, place: int) -> Iterator[Stretch]:
    for mark in chain(_find_markers(data, place), [len(data)]):
        marker, end = (data[mark + 1] if mark < len(data) else 0), mark
        while end > place and data[end - 1] == 0xFF:  # fill bytes before a marker
            end -= 1
        yield Stretch(header, place, end, marker)
        if marker not in _RESTARTS:
            return
        header, place = end, mark + 2


def _find_markers(data: bytes, place: int) -> Iterator[int]:
    """Yield where markers stand among codes, as `MARKER` finds them, and faster."""
    values = np.frombuffer(data, np.uint8)
    for start in range(place, len(data) - 1, _BLOCK):
        some = values[start : start + _BLOCK + 1]
        is_marker = (some[:-1] == 0xFF) & (some[1:] != 0)
        if is_marker.any():  # most are FF 00
            places = np.flatnonzero(is_marker)
            yield from (places[some[places + 1] != 0xFF] + start).tolist()


class _Decoder:
    """Pillow's decoder, to which bytes are given as we like."""

    def __init__(self, image: Image.Image) -> None:
        name, extents, _, arguments = image.tile[0]  # type: ignore[attr-defined]
        image.load_prepare()  # type: ignore[attr-defined]
        config = image.decoderconfig  # type: ignore[attr-defined]
        self._decoder: Any = Image._getdecoder(image.mode, name, arguments, config)
        self._decoder.setimage(image.im, extents)
        self._rest = b""
        self.is_done = False

    def give(self, data: bytes) -> bool:
        """Decode some more bytes; return whether all were taken."""
        for place in range(0, len(data), _BLOCK):
            if self.is_done:
                break
            self._rest += data[place : place + _BLOCK]
            taken, error = self._decoder.decode(self._rest)
            if error < 0:
                raise PhotoError("truncated", "its codes are broken")
            self.is_done = taken < 0
            self._rest = self._rest[taken:] if taken > 0 else self._rest
        return self.is_done or not self._rest

    def close(self) -> None:
        self._decoder.cleanup()


def decode_jpeg(image: Image.Image, data: bytes) -> bool:
    """Decode an opened JPEG, and see that its pixels end where its codes do.

    Parameters
    ----------
    image : PIL.Image.Image
        Opened and perhaps drafted, not decoded.
    data : bytes
        Its file.

    Returns
    -------
    bool
        Whether it was decoded; else its codes or its end are of another kind, which Pillow is to
        decode.

    Raises
    ------
    PhotoError
        `truncated` where the codes are damaged.
    """
    tiles = getattr(image, "tile", [])
    if len(tiles) != 1 or tiles[0][0] != "jpeg":
        return False
    stretches = list(find_stretches(data, tiles[0][2]))
    if not stretches or len(stretches) > _MOST_STRETCHES:
        return False
    decoder = _Decoder(image)
    try:
        _decode(decoder, data, stretches)
    finally:
        decoder.close()
    if stretches[-1].marker != _END:
        return False  # Pillow will say what it thinks of another end, which was not looked at
    image.tile = []  # type: ignore[attr-defined]
    return True


def _decode(decoder: _Decoder, data: bytes, stretches: list[Stretch]) -> None:
    restarts = 0
    for stretch in stretches:
        _check_end(decoder, data, stretch)
        if stretch.marker not in _RESTARTS:
            restarts = 0
        elif stretch.marker != _RESTARTS[restarts % 8]:
            raise PhotoError("truncated", "a part of its codes is missing")
        else:
            restarts += 1
        if decoder.is_done:
            if stretch is not stretches[-1]:
                raise PhotoError("truncated", "its pixels end before its codes")
            return
    is_one_scan = all(one.marker in _RESTARTS for one in stretches[:-1])
    decoder.give(data[stretches[-1].end :])
    if is_one_scan or not decoder.is_done:
        raise PhotoError("truncated", "its codes end before its pixels do")


def _check_end(decoder: _Decoder, data: bytes, stretch: Stretch) -> None:
    """Decode a stretch, and see that its pixels are complete at its end, and not long before."""
    last = max(stretch.start, stretch.end - _TAIL)
    decoder.give(data[stretch.header : last])
    tail = data[last : stretch.end]
    pieces = iter(_BYTE.findall(tail))
    takes_all = all(map(decoder.give, pieces))  # stops at the first that it does not take
    decoder.give(b"".join(pieces))
    taken = [decoder.give(byte) for byte in _SPARE]
    if not all(taken[_AHEAD:]):
        what = "its codes end" if stretch.marker else "the file ends"
        raise PhotoError("truncated", f"{what} before its pixels do")
    is_padding = len(set(tail)) == 1
    if takes_all and all(taken) and len(tail) == _TAIL and not is_padding:
        raise PhotoError("truncated", "its pixels end before its codes")
