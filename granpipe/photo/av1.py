"""The colours that an AV1 stream names, for AVIF files that name none (AV1, section 5.5)."""

_SEQUENCE_HEADER = 1
_MOST_UNITS = 8
_LONGEST = 256


class _Bits:
    """Bits of a stream, the first one first; past its end they are 0."""

    def __init__(self, data: bytes) -> None:
        self.number, self.left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int = 1) -> int:
        self.left -= count
        return 0 if self.left < 0 else self.number >> self.left & (1 << count) - 1


def stream_colours(data: bytes) -> tuple[int, int, int, int] | None:
    """Return the code points in the sequence header of an AV1 stream.

    Parameters
    ----------
    data : bytes
        The stream, or its beginning.

    Returns
    -------
    tuple of int or None
        Primaries, transfer and matrix as in ITU-T H.273, and 1 for the full range; None where they
        are not named.
    """
    place = 0
    for _ in range(_MOST_UNITS):
        if place + 2 > len(data) or not data[place] & 2:  # a unit without a size is the last one
            return None
        kind, start = data[place] >> 3 & 15, place + 1 + (data[place] >> 2 & 1)
        size = shift = 0
        while start < len(data):
            size |= (data[start] & 0x7F) << shift
            start, shift = start + 1, shift + 7
            if not data[start - 1] & 0x80 or shift > 28:
                break
        if kind == _SEQUENCE_HEADER:
            return _colours(_Bits(data[start : start + min(size, _LONGEST)]))
        place = start + size
    return None


def _colours(bits: _Bits) -> tuple[int, int, int, int] | None:
    profile, _, is_reduced = bits.take(3), bits.take(), bits.take()
    if is_reduced:
        bits.take(5)
    elif not _skip_timing(bits):
        return None
    width, height = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width + height)
    if not is_reduced and bits.take():
        bits.take(7)
    bits.take(3)
    if not is_reduced:
        _skip_tools(bits)
    bits.take(3)
    is_deep = bits.take()
    if profile == 2 and is_deep:
        bits.take()
    is_grey = profile != 1 and bits.take()
    if not bits.take():
        return None
    points = bits.take(8), bits.take(8), bits.take(8)
    is_srgb = points == (1, 13, 0) and not is_grey
    full = 1 if is_srgb else bits.take()
    return None if bits.left < 0 else (*points, full)


def _skip_timing(bits: _Bits) -> bool:
    """Skip times and operating points; return whether they are of the kind that a picture has."""
    if bits.take():
        return False  # a film's clock
    has_delays, points = bits.take(), bits.take(5) + 1
    for _ in range(points):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take()
        if has_delays and bits.take():
            bits.take(4)
    return True


def _skip_tools(bits: _Bits) -> None:
    bits.take(4)
    has_order = bits.take()
    bits.take(2 * has_order)
    forces_screen = 2 if bits.take() else bits.take()
    if forces_screen and not bits.take():
        bits.take()
    bits.take(3 * has_order)
