"""A shape that is laid over the map."""

from dataclasses import dataclass

AREA, LINE, PLACE = 0, 1, 2
"""Kinds of shapes, as numbers of the page."""
LEAST = {AREA: 3, LINE: 2, PLACE: 1}
"""Positions that a line of each kind has at least."""

Line = tuple[tuple[float, float], ...]
"""Positions, each longitude and latitude in degrees of WGS 84."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An area, a line or a place.

    Attributes
    ----------
    name : str
        May be empty.
    kind : int
        AREA, LINE or PLACE.
    parts : tuple
        The parts of it, each of lines: of an area the ring around it and those of its holes.
    crop : str or None
        What is declared to grow on a field, which may be empty; None of what is no field.
    """

    name: str
    kind: int
    parts: tuple[tuple[Line, ...], ...]
    crop: str | None = None
