"""Decode a JPEG so that damage among its coefficients shows, which libjpeg does not report.

Behind a damaged Huffman code others mostly fit by chance, until the pixels are complete too early,
or not with the bytes that there are. So the decoder is given each stretch of codes up to the next
marker, the last bytes one by one until it does not take one, and then some spare ones: where it
begins to look for a marker, and so takes whatever comes, shows where its pixels ended.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.jpeg_holes import ZeroCodes, find_hole

_MARKER = re.compile(rb"\xff([\x01-\xfe])")
# Of the first kind are lossless ones, whose codes are Huffman's of steps from pixel to pixel.
_HUFFMAN, _ARITHMETIC = frozenset(b"\xc0\xc1\xc2\xc3"), frozenset(b"\xc9\xca")
_FRAMES = frozenset(range(0xC0, 0xD0)) - frozenset(b"\xc4\xc8\xcc")
_RESTARTS = range(0xD0, 0xD8)
_ALONE = frozenset([0x01, 0xD8, *_RESTARTS])
_SCAN, _END = 0xDA, 0xD9
_END_MARKER = b"\xff\xd9"
# Encoders that write 16 bytes at a time leave up to 15 behind their codes.
_TAIL = 16
# Where words are long, the decoder asks for up to 8 bytes more than it needs.
_AHEAD = 8
# Of codes that are all zeros some blocks take many, and of ones, which are no code, all of them: so
# pixels that lack codes soon lack more.
_SPARE = (b"\0", b"\xff\0") * _AHEAD
_SPARE_AHEAD = b"".join(_SPARE[:_AHEAD])
# Each costs some 20 microseconds; a camera writes a few thousand at most.
_MOST_STRETCHES = 5000
_MOST_SEGMENTS = 1 << 16
_BLOCK = 1 << 17
_ZEROS = 32
_PIXELS_A_BYTE = 128  # at the least, of a bit for each block of 64 and each of three channels


@dataclass(frozen=True, slots=True)
class Stretch:
    """Codes between two markers: where their header and they begin, their end, the marker there.

    The marker is 0 at the end of the file.
    """

    header: int
    start: int
    end: int
    marker: int


def find_stretches(
    data: bytes, place: int = 0, frames: frozenset[int] = _HUFFMAN
) -> Iterator[Stretch]:
    """Yield each stretch of codes of the JPEG that begins at a place (ITU T.81, annex B).

    None is yielded of a JPEG whose frame is of another kind, its codes not being Huffman's unless
    `frames` says otherwise. What follows its end is left alone.

    Raises
    ------
    PhotoError
        `unsupported` where there are so many segments that looking through them takes seconds.
    """
    header, segments = place, 0
    while match := _MARKER.search(data, place):
        segments += 1
        if segments > _MOST_SEGMENTS:
            raise PhotoError("unsupported", f"is a JPEG of more than {_MOST_SEGMENTS:,} segments")
        marker, place = match[1][0], match.end()
        if marker == _END or (marker in _FRAMES and marker not in frames):
            return
        if marker in _ALONE:
            continue
        place += int.from_bytes(data[place : place + 2], "big")
        if marker == _SCAN:
            for stretch in _scan(data, header, place):
                yield stretch
                header = place = stretch.end


def _scan(data: bytes, header: int, place: int) -> Iterator[Stretch]:
    for mark in chain(_find_markers(data, place), [len(data)]):
        marker = data[mark + 1] if mark < len(data) else 0
        end = _before_fill(data, place, mark)
        yield Stretch(header, place, end, marker)
        if marker not in _RESTARTS:
            return
        header, place = end, mark + 2


def _before_fill(data: bytes, start: int, end: int) -> int:
    """Return where the fill bytes begin that end at a place, which may be millions."""
    while end > start and data[end - 1] == 0xFF:
        block = data[max(start, end - _BLOCK) : end]
        end -= len(block) - len(block.rstrip(b"\xff"))
    return end


def _find_markers(data: bytes, place: int) -> Iterator[int]:
    """Yield where markers are among codes, as `_MARKER` finds them, and faster."""
    values = np.frombuffer(data, np.uint8)
    for start in range(place, len(data) - 1, _BLOCK):
        some = values[start : start + _BLOCK + 1]
        is_marker = some[:-1] == 0xFF
        is_marker &= some[1:] != 0
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
        scale: int = config[0] if config else 1
        self.pixels = image.width * image.height * scale * scale

    def give(self, data: bytes | memoryview) -> bool:
        """Decode some more bytes; return whether all were taken."""
        if self.is_done:
            return True
        data = self._rest + data if self._rest else data
        taken, error = self._decoder.decode(data)
        if error < 0:
            raise PhotoError("truncated", "its codes are broken")
        self.is_done = taken < 0
        self._rest = b"" if self.is_done else bytes(data[taken:])
        return not self._rest

    def close(self) -> None:
        self._decoder.cleanup()


def decode_jpeg(image: Image.Image, data: bytes) -> bool:
    """Decode an opened JPEG, perhaps drafted, and see that its pixels end where its codes do.

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
    if _decode_plain(image, data, getattr(image, "scan_start", 0)):
        return True
    stretches, decode = list(find_stretches(data, tiles[0][2])), _decode
    if not stretches:
        stretches = list(find_stretches(data, tiles[0][2], _ARITHMETIC))
        decode = _decode_arithmetic
    if not stretches:
        return False
    if len(stretches) > _MOST_STRETCHES:
        if not stretches[-1].marker:
            raise PhotoError("truncated", "lacks its end marker")
        return False
    decoder = _Decoder(image)
    try:
        decode(decoder, data, stretches)
    finally:
        decoder.close()
    if not stretches[-1].marker:
        raise PhotoError("truncated", "lacks only its end marker, it seems; save it again")
    if stretches[-1].marker != _END:
        return False  # Pillow will say what it thinks of another end, which was not looked at
    image.tile = []  # type: ignore[attr-defined]
    return True


def _decode_plain(image: Image.Image, data: bytes, start: int) -> bool:
    """Decode a JPEG of one scan, which begins at a place and is to end the file, or 0.

    Its codes are not searched for markers: at one the decoder takes no more, and so is done before
    it is given the last codes.

    Returns
    -------
    bool
        Whether its pixels end where its codes do, as nearly always; else all is to be looked at.
    """
    end = _before_fill(data, start, len(data) - 2)
    last = end - _TAIL
    if (
        not start
        or last <= start
        or data[-2:] != b"\xff\xd9"
        or _MARKER.search(data, last - 1, end)
        or find_hole(data, start, end) >= 0
    ):
        return False
    decoder = _Decoder(image)
    try:
        decoder.give(memoryview(data)[: last + 1])  # the first of the tail, as in _check_end
        is_early = decoder.is_done
        decoder.give(data[last + 1 : end] + _SPARE_AHEAD)
    except PhotoError:
        return False
    finally:
        decoder.close()
    if is_early or not decoder.is_done:
        return False
    image.tile = []  # type: ignore[attr-defined]
    return True


def _decode(decoder: _Decoder, data: bytes, stretches: list[Stretch]) -> None:
    restarts, zeros = 0, ZeroCodes()
    for number, stretch in enumerate(stretches, start=1):
        if not restarts:
            zeros.read(data[stretch.header : stretch.start])
        _check_end(decoder, data, stretch if zeros.are_flat else _before_zeros(data, stretch))
        if stretch.marker not in _RESTARTS:
            restarts = 0
        elif stretch.marker != _RESTARTS[restarts % 8]:
            raise PhotoError("truncated", "a part of its codes is missing")
        else:
            restarts += 1
        if decoder.is_done:
            if any(rest.start < rest.end for rest in stretches[number:]):  # Casio's have a restart
                raise PhotoError("truncated", "its pixels end before its codes")
            return
    is_one_scan = all(stretch.marker in _RESTARTS for stretch in stretches[:-1])
    decoder.give(data[stretches[-1].end :] if stretches[-1].marker else _END_MARKER)
    if is_one_scan or not decoder.is_done:
        raise PhotoError("truncated", "its codes end before its pixels do")


def _before_zeros(data: bytes, stretch: Stretch) -> Stretch:
    """Return a stretch of codes without zeros at its end; PhotoError where others are in it."""
    hole = find_hole(data, stretch.start, stretch.end)
    if hole < 0:
        return stretch
    if data[hole : stretch.end].strip(b"\0"):
        raise PhotoError("truncated", "a part of its codes was never written, or is erased")
    return replace(stretch, end=hole)


def _decode_arithmetic(decoder: _Decoder, data: bytes, stretches: list[Stretch]) -> None:
    """Decode a JPEG of arithmetic codes (annex D), which needs all codes of a scan at once.

    Zeros at their end are not written (section D.1.8). At a marker the decoder takes as many as it
    likes, and here as many as a flat picture needs: at most 17 were measured, and a bit for each
    block where a scan says another bit of all averages, which is not coded.
    """
    ends = [place for place, scan in enumerate(stretches) if scan.marker not in _RESTARTS]
    for start, end in zip([0, *(place + 1 for place in ends)], ends, strict=False):
        scan, stretch = stretches[start], stretches[end]
        first, before = data[scan.start - 3], data[scan.start - 1] >> 4
        spare = _ZEROS + (decoder.pixels // _PIXELS_A_BYTE if before and not first else 0)
        try:
            decoder.give(data[scan.header : stretch.end] + bytes(spare))
        except PhotoError as error:
            what = "its codes end" if stretch.marker else "the file ends"
            raise PhotoError("truncated", f"{what} before its pixels do") from error
    decoder.give(_END_MARKER)
    if not decoder.is_done:
        raise PhotoError("truncated", "its codes end before its pixels do")


def _check_end(decoder: _Decoder, data: bytes, stretch: Stretch) -> None:
    """Decode a stretch, and see that its pixels are complete at its end, and not long before."""
    last = max(stretch.start, stretch.end - _TAIL)
    decoder.give(memoryview(data)[stretch.header : last])
    tail = data[last : stretch.end]
    place, takes_all = 0, True
    while takes_all and place < len(tail):
        step = 2 if tail.startswith(b"\xff\0", place) else 1
        takes_all = decoder.give(tail[place : place + step])
        place += step
    decoder.give(tail[place:])
    taken = [decoder.give(byte) for byte in _SPARE]
    if not all(taken[_AHEAD:]):
        what = "its codes end" if stretch.marker else "the file ends"
        raise PhotoError("truncated", f"{what} before its pixels do")
    is_padding = len(set(tail)) == 1
    if takes_all and all(taken) and len(tail) == _TAIL and not is_padding:
        raise PhotoError("truncated", "its pixels end before its codes")
