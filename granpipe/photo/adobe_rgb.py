"""Adobe RGB as cameras say it: by EXIF's interoperability index alone, without a profile."""

import struct

from granpipe.photo.tags import OddBlockError, first_number, order_of, read_table

_EXIF, _COLOUR_SPACE, _INTEROPERABILITY, _INDEX = 0x8769, 0xA001, 0xA005, 1
_SRGB = 1


def is_adobe_rgb(block: bytes) -> bool:
    """Return whether a TIFF block says that its picture is in Adobe RGB.

    It says so by the interoperability index R03 (DCF 2.0, section 3.4); `ColorSpace`, which has a
    number for sRGB alone, is 65535 then.
    """
    if b"R03" not in block:  # as nearly always
        return False
    order, block = order_of(block), block + bytes(4)  # some tables lack the pointer at their end
    try:
        image, _ = read_table(block, order, block[4:8], {_EXIF})
        pointer = block[image[_EXIF] + 8 : image[_EXIF] + 12]
        exif, _ = read_table(block, order, pointer, {_COLOUR_SPACE, _INTEROPERABILITY})
        space = exif.get(_COLOUR_SPACE)
        if space and first_number(block, order, space) == _SRGB:
            return False
        place = exif[_INTEROPERABILITY]
        inner, _ = read_table(block, order, block[place + 8 : place + 12], {_INDEX})
        return bytes(block[inner[_INDEX] + 8 : inner[_INDEX] + 11]) == b"R03"
    except (OddBlockError, struct.error, KeyError):
        return False
