"""Zeros among the codes of a JPEG that are none of its picture, as of a sector never written.

Of each table of Huffman's codes the first one is all zeros (ITU T.81, annex C). Where that means
the end of a block, many of them are a flat picture, or a slope. Else they are blocks of 63 equal
coefficients, and there is not one such block in any picture.
"""

from collections.abc import Iterator

from granpipe.photo.unread import segments

_START = b"\xff\xd8"
_CODES, _SCAN = 0xC4, 0xDA
_RUN_OF_ZEROS = 0xF0  # of 16 coefficients, after which others follow
_HOLE = bytes(64)


def find_hole(data: bytes, start: int, end: int) -> int:
    """Return where 64 zeros begin between two places, or -1."""
    return data.find(_HOLE, start, end)


class ZeroCodes:
    """What zeros are in the scans of a JPEG, of which the headers are read one after the other.

    Attributes
    ----------
    are_flat : bool
        In the last scan of which a header was read, zeros may be a flat picture.
    """

    def __init__(self) -> None:
        self._first: dict[int, int] = {}
        self.are_flat = True

    def read(self, header: bytes) -> None:
        """Take the tables before a scan, and the header of that scan, which names some of them."""
        whole = _START + header
        for marker, start, end in segments(whole):
            if marker == _CODES:
                self._first |= _first_symbols(whole[start:end])
            elif marker == _SCAN:
                tables = _tables_of(whole[start:end])
                self.are_flat = all(_is_flat(self._first.get(table, 0)) for table in tables)


def _first_symbols(content: bytes) -> dict[int, int]:
    """Return what the first code means, by table; those of coefficients count from 16 (B.2.4.2)."""
    found, place = {}, 0
    while place + 17 < len(content):
        found[content[place]] = content[place + 17]
        place += 17 + sum(content[place + 1 : place + 17])
    return found


def _tables_of(content: bytes) -> Iterator[int]:
    """Yield the tables of coefficients of a scan, unless it refines what others began (B.2.3)."""
    if not content or len(content) < 4 + 2 * content[0]:
        return
    _, last, bits = content[1 + 2 * content[0] :][:3]
    if last and not bits >> 4:
        yield from (16 + (tables & 15) for tables in content[2 : 1 + 2 * content[0] : 2])


def _is_flat(symbol: int) -> bool:
    return symbol & 15 == 0 and symbol != _RUN_OF_ZEROS
