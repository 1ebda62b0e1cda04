"""Refuse a JPEG, PNG or WebP that holds so much beside its pixels that to look at it takes seconds.

Each part costs Pillow, and what looks for damage, some microseconds, and each byte between the
parts of a JPEG one. A camera writes tens of parts.
"""

import re

from granpipe.errors import PhotoError
from granpipe.photo.png_chunks import SIGNATURE, chunks

_MOST_SEGMENTS = 4096
_MOST_EXIF = 256  # whose contents Pillow joins, and copies all of them each time
_MOST_RESOURCES = 64  # blocks of Photoshop's, of which each may hold thousands
_MOST_STRAY = 1 << 18
_MOST_CHUNKS = 1 << 18
_MOST_REMARKS = 1 << 16  # chunks that hold no pixels

_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_ALONE = frozenset((0x01, *range(0xD0, 0xDA)))
_SCAN, _APP1, _APP13 = 0xDA, 0xE1, 0xED


def check_clutter(data: bytes) -> None:
    """Raise PhotoError `unsupported` for a file of more parts beside its pixels than are read."""
    if data.startswith(b"\xff\xd8\xff"):
        _check_jpeg(data)
    elif data.startswith(SIGNATURE):
        _check_png(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        _check_webp(data)


def _check_jpeg(data: bytes) -> None:
    """Count what is before the first scan (ITU T.81, annex B): segments, EXIF and other bytes."""
    place, stray, segments, blocks, resources = 2, 0, 0, 0, 0
    while segments <= _MOST_SEGMENTS:
        match = _MARKER.search(data, place)
        if not match or match[1][0] == _SCAN:
            stray += (match.start() if match else len(data)) - place
            break
        stray += match.start() - place
        place, marker, segments = match.end(), match[1][0], segments + 1
        if marker not in _ALONE:
            blocks += marker == _APP1 and data.startswith(b"Exif\0\0", place + 2)
            resources += marker == _APP13
            place += int.from_bytes(data[place : place + 2], "big")
    for count, most, parts in (
        (segments, _MOST_SEGMENTS, "segments"),
        (blocks, _MOST_EXIF, "blocks of EXIF"),
        (resources, _MOST_RESOURCES, "blocks of Photoshop's"),
        (stray, _MOST_STRAY, "bytes between segments"),
    ):
        if count > most:
            what = f"is a JPEG of more than {most:,} {parts} before its pixels"
            raise PhotoError("unsupported", what)


def _check_png(data: bytes) -> None:
    remarks = 0
    for count, (kind, _, _) in enumerate(chunks(data)):
        remarks += kind != b"IDAT"
        if count >= _MOST_CHUNKS or remarks > _MOST_REMARKS:
            raise PhotoError("unsupported", f"is a PNG of more than {count:,} chunks")


def _check_webp(data: bytes) -> None:
    place = 12
    for _ in range(_MOST_REMARKS):
        if place + 8 > len(data):
            return
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2
    raise PhotoError("unsupported", f"is a WebP of more than {_MOST_REMARKS:,} chunks")
