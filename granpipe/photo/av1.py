"""What the header of an AV1 stream says: sides and colours (AV1, sections 5.5 and 5.9).

AVIF files may name colours there alone, and what they say of their sides elsewhere may be untrue.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from granpipe.photo.streams import Bits, StreamHeader

_SEQUENCE_HEADER, _FRAME_HEADER, _FRAME = 1, 3, 6
_SWITCH_FRAME = 3
_MOST_UNITS = 8
_LONGEST = 256
_CHOSEN_BY_FRAMES = 2


@dataclass(frozen=True, slots=True)
class _Sequence:
    """What is to be known of a sequence to read the beginning of its frames."""

    header: StreamHeader
    is_reduced: bool = False
    time_bits: int = 0
    screen_tools: int = 0
    whole_vectors: int = 0
    id_bits: int = 0


def stream_header(data: bytes) -> StreamHeader | None:
    """Return what the header says at the beginning of an AV1 stream; None without a whole one."""
    sequence = None
    for kind, content in _units(data):
        if kind == _SEQUENCE_HEADER:
            sequence = _sequence(Bits(content))
        elif sequence and kind in {_FRAME_HEADER, _FRAME}:
            has_own = _has_own_sides(Bits(content), sequence)
            return replace(sequence.header, may_be_smaller=has_own)
    return sequence.header if sequence else None


def _units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and beginning of each unit (section 5.3)."""
    place = 0
    for _ in range(_MOST_UNITS):
        if place + 2 > len(data):
            return
        head, start = data[place], place + 1 + (data[place] >> 2 & 1)
        size = shift = 0
        while head & 2 and start < len(data):
            size |= (data[start] & 0x7F) << shift
            start, shift = start + 1, shift + 7
            if not data[start - 1] & 0x80 or shift > 28:
                break
        if not head & 2:  # a unit without a size is the last one
            size = len(data)
        yield head >> 3 & 15, data[start : start + min(size, _LONGEST)]
        place = start + size


def _sequence(bits: Bits) -> _Sequence | None:
    """Read a sequence header (section 5.5.1)."""
    profile, _, is_reduced = bits.take(3), bits.take(), bool(bits.take())
    time_bits = 0 if is_reduced else _time_bits(bits)
    if is_reduced:
        bits.take(5)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    sides = bits.take(width_bits) + 1, bits.take(height_bits) + 1
    has_ids = not is_reduced and bits.take()
    id_bits = bits.take(4) + 2 + bits.take(3) + 1 if has_ids else 0
    bits.take(3)
    tools = (0, 0) if is_reduced else _tools(bits)
    bits.take(3)
    header = StreamHeader(sides, _colours(bits, profile))
    return None if bits.is_spent else _Sequence(header, is_reduced, time_bits, *tools, id_bits)


def _time_bits(bits: Bits) -> int:
    """Skip clock and operating points; return how long the time of a frame is, or 0."""
    delay_bits = time_bits = 0
    if bits.take():
        bits.take(64)
        is_even = bits.take()
        if is_even:
            bits.golomb()
        if bits.take():
            delay_bits, _, _ = bits.take(5) + 1, bits.take(32), bits.take(5)
            time_bits = bits.take(5) + 1
            time_bits = 0 if is_even else time_bits
    has_delays, points = bits.take(), bits.take(5) + 1
    for _ in range(points):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take()
        if delay_bits and bits.take():
            bits.take(2 * delay_bits + 1)
        if has_delays and bits.take():
            bits.take(4)
    return time_bits


def _tools(bits: Bits) -> tuple[int, int]:
    """Skip coding tools; return whether frames use those for screens, and whole vectors."""
    bits.take(4)
    has_order = bits.take()
    bits.take(2 * has_order)
    screen_tools = _CHOSEN_BY_FRAMES if bits.take() else bits.take()
    whole_vectors = _CHOSEN_BY_FRAMES
    if screen_tools and not bits.take():
        whole_vectors = bits.take()
    bits.take(3 * has_order)
    return screen_tools, whole_vectors


def _colours(bits: Bits, profile: int) -> tuple[int, int, int, int] | None:
    """Read a colour configuration (section 5.5.2)."""
    is_deep = bits.take()
    if profile == 2 and is_deep:
        bits.take()
    is_grey = profile != 1 and bits.take()
    if not bits.take():
        return None
    primaries, transfer, matrix = bits.take(8), bits.take(8), bits.take(8)
    is_srgb = (primaries, transfer, matrix) == (1, 13, 0) and not is_grey
    return primaries, transfer, matrix, 1 if is_srgb else bits.take()


def _has_own_sides(bits: Bits, sequence: _Sequence) -> bool:
    """Return whether a frame overrides the sides of its sequence (section 5.9.2)."""
    if sequence.is_reduced:
        return False
    if bits.take():  # a frame of before is shown
        return True
    kind, is_shown = bits.take(2), bits.take()
    bits.take(sequence.time_bits if is_shown else 1)
    if kind != _SWITCH_FRAME and not (kind == 0 and is_shown):
        bits.take()
    bits.take()
    tools = sequence.screen_tools
    tools = bits.take() if tools == _CHOSEN_BY_FRAMES else tools
    if tools and sequence.whole_vectors == _CHOSEN_BY_FRAMES:
        bits.take()
    bits.take(sequence.id_bits)
    return kind == _SWITCH_FRAME or bool(bits.take())
