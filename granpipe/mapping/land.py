"""Outlines of land and countries for the page: coarse everywhere, and finer near photographs.

land.npz holds Natural Earth's 1:50m countries (public domain) as arcs that neighbours share, in
hundredths of a degree; tests/make_land.py made it. In it the vertices are marked that a map of
the whole world needs. The page gets these, and all vertices of the cells that lie near
photographs, so that it never has two versions of a coast, and no seam between them.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

CREDIT = "Natural Earth 1:50m"
BUDGET = 100_000
"""Bytes that the outlines near photographs may add to the page, about."""

UNITS = 100  # to a degree
_CELL = 2  # degrees
# Cells around a photograph whose outlines are fine, if the budget holds.
_REACHES = (8, 6, 4, 3, 2, 1, 0)
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

Flags = NDArray[np.bool_]


@cache
def atlas() -> dict[str, NDArray[Any]]:
    """Return the arrays of land.npz, and the vertices of all arcs in hundredths of a degree."""
    with resources.files(__package__).joinpath("land.npz").open("rb") as file:
        land = dict(np.load(file))
    return land | {"vertices": np.cumsum(land["steps"], axis=0)}


def outlines(lats: Sequence[float], lons: Sequence[float]) -> dict[str, Any]:
    """Return the outlines of the world, with more detail near some positions.

    Returns
    -------
    dict
        What web/countries.js reads, as texts of numbers: `arcs`, apart by blanks: longitude and
        latitude of a first vertex, then steps, in `units` to a degree; `rings`, apart by blanks:
        a country's index and the arcs around it, `~i` for one that is followed backwards; `names`
        and `labels`: longitude and latitude of a country's name and how wide it may be.
    """
    land = atlas()
    world = land["coarse"]
    size = _size(world)
    for reach in _REACHES:
        kept = world | _whole_islands(world, _near(lats, lons, reach))
        if _size(kept) - size <= BUDGET:
            break
    return _written(kept)


def _size(kept: Flags) -> int:
    """Return about how many bytes vertices take: steps in fine parts are shorter."""
    return int(kept.sum()) * 4


def _near(lats: Sequence[float], lons: Sequence[float], reach: int) -> Flags:
    """Return which vertices lie in a cell within reach of a position's, around the date line."""
    cells = np.zeros((180 // _CELL, 360 // _CELL), np.bool_)
    cells[_cell(np.array(lats), np.array(lons))] = True
    shifts = range(-reach, reach + 1)
    padded = np.pad(cells, ((reach, reach), (0, 0)))
    near = np.any([np.roll(padded, (dy, dx), (0, 1)) for dy in shifts for dx in shifts], axis=0)
    lon, lat = atlas()["vertices"].T / UNITS
    return np.asarray(near[reach : reach + len(cells)][_cell(lat, lon)], np.bool_)


def _cell(lat: NDArray[Any], lon: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    rows = ((lat + 90) // _CELL).astype(int).clip(0, 180 // _CELL - 1)
    return rows, ((lon + 180) // _CELL).astype(int) % (360 // _CELL)


def _whole_islands(world: Flags, near: Flags) -> Flags:
    """Keep an island whole or not at all where the world's map has none of it."""
    arcs = atlas()["arcs"]
    lengths = np.diff(arcs)
    is_new = ~np.logical_or.reduceat(world, arcs[:-1]) & np.logical_or.reduceat(near, arcs[:-1])
    return np.asarray(near | np.repeat(is_new, lengths), np.bool_)


def _written(kept: Flags) -> dict[str, Any]:
    land = atlas()
    number: dict[int, int] = {}
    arcs: list[str] = []
    for k, (start, end) in enumerate(zip(land["arcs"][:-1], land["arcs"][1:], strict=True)):
        line = land["vertices"][start:end][kept[start:end]]
        if len(line):
            number[k] = len(arcs)
            arcs.append(as_text(np.diff(line, axis=0, prepend=0).ravel().tolist()))
    rings: list[str] = []
    starts = land["ring_starts"]
    for country, start, end in zip(land["ring_countries"], starts[:-1], starts[1:], strict=True):
        ring = land["rings"][start:end].tolist()
        if all(max(k, ~k) in number for k in ring):
            around = [number[k] if k >= 0 else ~number[~k] for k in ring]
            rings.append(as_text([int(country), *around]))
    return {
        "units": UNITS,
        "arcs": " ".join(arcs),
        "rings": " ".join(rings),
        "names": land["names"].tolist(),
        "labels": as_text(land["labels"].ravel().tolist()),
        "credit": CREDIT,
    }


def as_text(numbers: Iterable[int]) -> str:
    """Write numbers with six bits a sign: the sign of the number last, 32 for "more follows".

    >>> as_text([0, -1, 15, 16, -1000])
    'ABegBv-B'
    """
    signs = []
    for number in numbers:
        rest = number << 1 if number >= 0 else ~(number << 1)
        while rest > 31:
            signs.append(_DIGITS[32 | rest & 31])
            rest >>= 5
        signs.append(_DIGITS[rest])
    return "".join(signs)
