"""Bits of a coded stream, and what the header of one says of its pictures."""

from dataclasses import dataclass

_LONGEST_PREFIX = 32


@dataclass(frozen=True, slots=True)
class StreamHeader:
    """What the header of an AV1 or HEVC stream says.

    Attributes
    ----------
    sides : tuple of int
        Width and height in pixels of the pictures that are decoded from it.
    code_points : tuple of int or None
        Primaries, transfer and matrix as in ITU-T H.273, and 1 for the full range; None where they
        are not named.
    may_be_smaller : bool
        A picture in it has sides of its own, which are no larger.
    """

    sides: tuple[int, int]
    code_points: tuple[int, int, int, int] | None = None
    may_be_smaller: bool = False


class Bits:
    r"""Bits of a stream, the first one first; past its end they are 0.

    Examples
    --------
    >>> bits = Bits(b"\xa4")
    >>> bits.take(), bits.take(2), bits.golomb(), bits.is_spent
    (1, 1, 3, False)
    """

    def __init__(self, data: bytes) -> None:
        self._number, self._left = int.from_bytes(data, "big"), 8 * len(data)

    @property
    def is_spent(self) -> bool:
        """More was taken than there is."""
        return self._left < 0

    def take(self, count: int = 1) -> int:
        """Return the number that the next bits write."""
        self._left -= count
        return 0 if self._left < 0 else self._number >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """Return an unsigned Exp-Golomb number (H.265, section 9.2; AV1's `uvlc`)."""
        zeros = 0
        while zeros < _LONGEST_PREFIX and not self.take():
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
