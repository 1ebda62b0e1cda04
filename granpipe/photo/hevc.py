"""What the header of an HEVC stream says: sides and colours (ITU-T H.265, section 7.3.2.2).

HEIC files may name colours there alone, and what they say of their sides elsewhere may be untrue.
"""

import re
from collections.abc import Iterator
from itertools import islice

from granpipe.photo.streams import Bits, StreamHeader

_SPS = 33
_FIRST_LAYER = [bytes([_SPS << 1, time]) for time in range(8)]
_MOST_UNITS, _LONGEST = 64, 4096
_MOST_SETS, _MOST_PICTURES, _MOST_LONG = 64, 16, 32
_EMULATION = re.compile(rb"\0\0\x03")
_BY_CHROMA = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}  # luma samples of one step of a window
_WRITTEN_OUT = 255


class _OddError(Exception):
    """A number is larger than it may be."""


def stream_header(configuration: bytes) -> StreamHeader | None:
    """Return what the sequence parameter set says in the contents of an `hvcC`, if it is whole.

    That is a decoder configuration of ISO/IEC 14496-15, section 8.3.3.1.2.
    """
    unit = _sequence_unit(configuration)
    bits = Bits(_EMULATION.sub(b"\0\0", unit[2:_LONGEST]))
    try:
        header = _sequence(bits)
    except _OddError:
        return None
    return None if bits.is_spent else header


def _sequence_unit(data: bytes) -> bytes:
    """Return the sequence parameter set of the first layer; empty where there is none."""
    for kind, unit in islice(_units(data), _MOST_UNITS):
        if kind == _SPS and unit[:2] in _FIRST_LAYER:
            return unit
    return b""


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 23
    while place + 3 <= len(data):
        kind, count = data[place] & 0x3F, int.from_bytes(data[place + 1 : place + 3], "big")
        place += 3
        for _ in range(count):
            size = int.from_bytes(data[place : place + 2], "big")
            yield kind, data[place + 2 : place + 2 + size]
            place += 2 + size


def _number(bits: Bits, most: int) -> int:
    number = bits.golomb()
    if number > most or bits.is_spent:
        raise _OddError
    return number


def _sequence(bits: Bits) -> StreamHeader:
    bits.take(4)
    layers = bits.take(3)
    bits.take(1)
    _skip_profile(bits, layers)
    bits.golomb()
    sides, _ = _sides(bits), (bits.golomb(), bits.golomb())
    order_bits = _number(bits, 12) + 4
    for _ in range(layers + 1 if bits.take() else 1):
        _skip_numbers(bits, 3)
    _skip_numbers(bits, 6)
    if bits.take() and bits.take():
        _skip_scaling_lists(bits)
    bits.take(2)
    if bits.take():
        bits.take(8)
        _skip_numbers(bits, 2)
        bits.take()
    _skip_picture_sets(bits)
    if bits.take():
        bits.take(_number(bits, _MOST_LONG) * (order_bits + 1))
    bits.take(2)
    return StreamHeader(sides, _colours(bits) if bits.take() else None)


def _skip_numbers(bits: Bits, count: int) -> None:
    for _ in range(count):
        bits.golomb()


def _skip_profile(bits: Bits, layers: int) -> None:
    """Skip profile, tier and level (section 7.3.3)."""
    bits.take(96)
    parts = [(bits.take(), bits.take()) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for has_profile, has_level in parts:
        bits.take(88 * has_profile + 8 * has_level)


def _sides(bits: Bits) -> tuple[int, int]:
    """Return width and height of the conformance window."""
    chroma = _number(bits, 3)
    if chroma == 3:
        bits.take()
    width, height = bits.golomb(), bits.golomb()
    if bits.take():
        across, down = _BY_CHROMA[chroma]
        width -= across * (bits.golomb() + bits.golomb())
        height -= down * (bits.golomb() + bits.golomb())
    if width < 1 or height < 1:
        raise _OddError
    return width, height


def _skip_scaling_lists(bits: Bits) -> None:
    """Skip scaling lists (section 7.3.4)."""
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.take():
                bits.golomb()
            else:
                _skip_numbers(bits, min(64, 16 << 2 * size) + (size > 1))
            if bits.is_spent:
                raise _OddError


def _skip_picture_sets(bits: Bits) -> None:
    """Skip short-term reference picture sets (section 7.3.7), each maybe a change of the last."""
    distances: list[int] = []
    for number in range(_number(bits, _MOST_SETS)):
        distances = _changed(bits, distances) if number and bits.take() else _listed(bits)


def _listed(bits: Bits) -> list[int]:
    """Return how far the pictures of a set are, those before in front, the nearest first."""
    before, after = _number(bits, _MOST_PICTURES), _number(bits, _MOST_PICTURES)
    distances = []
    for sign, count in ((-1, before), (1, after)):
        distance = 0
        for _ in range(count):
            distance += sign * (_number(bits, 1 << 15) + 1)
            bits.take()
            distances.append(distance)
    return distances


def _changed(bits: Bits, distances: list[int]) -> list[int]:
    """Return a set that is said by how it differs from another (equations 7-61 and 7-62)."""
    sign = -1 if bits.take() else 1
    step = sign * (_number(bits, 1 << 15) + 1)
    kept = []
    for distance in [*distances, 0]:
        if bits.take() or bits.take():  # it is used by this picture, or else by later ones
            kept.append(distance + step)
    before = sorted((distance for distance in kept if distance < 0), reverse=True)
    changed = [*before, *sorted(distance for distance in kept if distance > 0)]
    if len(changed) > _MOST_PICTURES:
        raise _OddError
    return changed


def _colours(bits: Bits) -> tuple[int, int, int, int] | None:
    """Read the beginning of the usability information (section E.2.1)."""
    if bits.take() and bits.take(8) == _WRITTEN_OUT:
        bits.take(32)
    if bits.take():
        bits.take()
    if not bits.take():
        return None
    bits.take(3)
    is_full, is_named = bits.take(), bits.take()
    return (bits.take(8), bits.take(8), bits.take(8), is_full) if is_named else None
