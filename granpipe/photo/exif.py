"""What a photograph's EXIF block says: position, capture time, camera; XMP, where it was else.

Tag numbers and meanings are those of Exif 2.32 (CIPA DC-008), sections 4.6.4 to 4.6.6.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from granpipe.errors import PhotoError
from granpipe.photo.details import details_of
from granpipe.photo.gps import Position, locate, text_of
from granpipe.photo.tags import read_tags
from granpipe.photo.tiff import BIG_PREFIXES
from granpipe.photo.times import read_time
from granpipe.photo.xmp import has_position, locate_xmp

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_TEXT = 100


@dataclass(frozen=True, slots=True)
class Capture:
    """Where, when and with what a photograph was taken.

    Attributes
    ----------
    verdict : str
        `ok`, or the word from `granpipe.photo.gps.VERDICTS` that says why there is no position.
    detail : str
        What the verdict leaves out, in words; often empty.
    position : Position or None
        Set if and only if the verdict is `ok`.
    taken_at : str
        The camera's local time as ISO 8601 without an offset; empty where EXIF has no time.
    utc_offset : str
        What that time is ahead of UTC, as +02:00; empty where EXIF does not say.
    make, model : str
        The camera, as it calls itself.
    utc_offset_from : str
        `exif` where the offset is written, `gps` where it follows from the position's time.
    """

    verdict: str
    detail: str = ""
    position: Position | None = None
    taken_at: str = ""
    utc_offset: str = ""
    make: str = ""
    model: str = ""
    utc_offset_from: str = ""

    def __reduce__(self) -> tuple[Any, ...]:  # a third of the time that a dataclass takes
        values = self.verdict, self.detail, self.position, self.taken_at, self.utc_offset
        return Capture, (*values, self.make, self.model, self.utc_offset_from)


def read_capture(image: Image.Image, file_bytes: bytes | None = None) -> Capture:
    """Read the EXIF block of an opened photograph, and its XMP for a position; never raises.

    The whole file is needed where something else than `open_photo` opened the photograph.
    """
    details = details_of(image, file_bytes or b"")
    capture = _read_exif(details.exif)
    # A fix that is void in EXIF is no better where an editor has copied it into XMP.
    if capture.verdict in {"ok", "void_fix"} or not has_position(details.xmp):
        return capture
    verdict, position = locate_xmp(details.xmp)
    if position is None:
        return replace(capture, detail="; ".join(filter(None, [capture.detail, f"XMP: {verdict}"])))
    return replace(capture, verdict="ok", detail="", position=position)


def _read_exif(block: bytes) -> Capture:
    try:
        if not block:
            return Capture("no_exif")
        if block.startswith(BIG_PREFIXES):
            return Capture("no_gps", "the tags of BigTIFF are not read")
        return _capture(read_tags(block), block)
    except PhotoError as error:
        return Capture("unreadable", error.detail)


def _capture(tags: dict[str, Any], block: bytes) -> Capture:
    verdict, detail, position = locate(tags, block)
    taken_at, offset, offset_from = read_time(tags, position.lon if position else None)
    make, model = _name(tags.get("Image Make")), _name(tags.get("Image Model"))
    return Capture(verdict, detail, position, taken_at, offset, make, model, offset_from)


def _name(tag: Any) -> str:
    return _CONTROL_CHARACTERS.sub(" ", text_of(tag))[:_LONGEST_TEXT].strip()
