"""How a HEIC or AVIF picture is cut, turned and mirrored, in the order in which its file says it.

Each transformative property is applied to what those before it have made of the picture (ISO/IEC
23008-12, section 6.5.1). MIAF wants `clap`, `irot`, `imir` in this order; a file of another order
is no good MIAF, and still says what it means.
"""

import math
import struct
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

Edges: TypeAlias = tuple[int, int, int, int]
Matrix: TypeAlias = tuple[int, int, int, int]

_SAME: Matrix = (1, 0, 0, 1)
_TURN: Matrix = (0, -1, 1, 0)  # a quarter anticlockwise
_MIRRORS: tuple[Matrix, Matrix] = ((1, 0, 0, -1), (-1, 0, 0, 1))  # axis 0 swaps top and bottom
_ORIENTATIONS = {
    **{(1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4},
    **{(0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8},
}


class Placed(NamedTuple):
    """What of a coded picture is shown, and how.

    Attributes
    ----------
    aperture : tuple of int or None
        Left, top, right and bottom in coded pixels, half-open; None where nothing is cut.
    orientation : int
        What turns that part upright, as in Exif 2.32, section 4.6.4, tag 274.
    impossible : frozenset of int
        Which of the properties is a clean aperture that cannot be, and is left out of account.
    """

    aperture: Edges | None
    orientation: int
    impossible: frozenset[int]


def place(sides: tuple[int, int] | None, said: Iterable[tuple[int, bytes, bytes]]) -> Placed:
    r"""Return what is shown of a picture once its properties were applied, one after the other.

    Parameters
    ----------
    sides : tuple of int or None
        Width and height of the coded picture; without them nothing is cut.
    said : iterable of tuple
        Number, kind and contents of each property of the picture, in order.

    Examples
    --------
    >>> place((4, 3), [(0, b"irot", b"\1"), (1, b"imir", b"\1")])
    Placed(aperture=None, orientation=7, impossible=frozenset())
    """
    edges, matrix, is_cut, impossible = (0, 0, *(sides or (0, 0))), _SAME, False, set[int]()
    for number, kind, content in said:
        if kind == b"irot" and content:
            for _ in range(content[0] & 3):
                matrix = _product(matrix, _TURN)
        elif kind == b"imir" and content:
            matrix = _product(matrix, _MIRRORS[content[0] & 1])
        elif kind == b"clap":
            part = _cut(edges, matrix, content)
            if part:
                edges, is_cut = part, True
            else:
                impossible.add(number)
    return Placed(edges if is_cut else None, _ORIENTATIONS[matrix], frozenset(impossible))


def _product(left: Matrix, right: Matrix) -> Matrix:
    (a, b, c, d), (e, f, g, h) = left, right
    return (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)


def _cut(edges: Edges, matrix: Matrix, clap: bytes) -> Edges | None:
    """Return, in coded pixels, what a clean aperture leaves of a part that is turned already.

    None means one that is damaged, is empty or leaves the picture.
    """
    left, top, right, bottom = edges
    a, b, c, d = matrix
    size = (right - left, bottom - top)
    shown = _aperture((size[0], size[1]) if a else (size[1], size[0]), clap)
    if not shown:
        return None
    # A corner of what is shown, seen from the coded one that is its origin.
    first = (left if a + b > 0 else right, top if c + d > 0 else bottom)
    xs = sorted(first[0] + a * shown[at] + b * shown[at + 1] for at in (0, 2))
    ys = sorted(first[1] + c * shown[at] + d * shown[at + 1] for at in (0, 2))
    return (xs[0], ys[0], xs[1], ys[1])


def _aperture(sides: tuple[int, int], clap: bytes) -> Edges | None:
    """Return a clean aperture as a box in a picture of these sides (14496-12, section 12.1.4).

    It is given by its width, its height and what its centre is off the picture's.
    """
    from fractions import Fraction  # noqa: PLC0415 - for the few that are cut

    try:
        numbers = struct.unpack_from(">IIIIiIiI", clap)
        width, height, across, down = map(Fraction, numbers[::2], numbers[1::2])
    except (struct.error, ZeroDivisionError):
        return None
    edges = []
    for side, part, off in zip(sides, (width, height), (across, down), strict=True):
        first = math.floor(off + (side - part) / 2)
        edges.append((first, first + round(part)))
    (left, right), (top, bottom) = edges
    is_within = 0 <= left < right <= sides[0] and 0 <= top < bottom <= sides[1]
    return (left, top, right, bottom) if is_within else None
