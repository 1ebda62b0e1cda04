"""Make granpipe/mapping/land.npz, the outlines of all countries, from Natural Earth's.

    npm install world-atlas@2.0.2 i18n-iso-countries@7.14.0
    python tests/make_land.py node_modules granpipe/mapping/land.npz

Natural Earth is in the public domain (naturalearthdata.com); world-atlas carries its 1:50m
countries, version 4.1, as TopoJSON: borders are arcs that neighbours share. Here every arc
keeps all its vertices, and those that a map of the whole world needs are marked. `granpipe map`
writes the marked ones, and all of them near the photographs: so no seam shows where detail ends.
"""

import heapq
import json
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np

UNITS = 100  # to a degree
COARSE = 0.12  # square degrees of the triangle that a vertex of the whole world makes
SOUTH = -8506  # units; where maps in Mercator's projection end
STEPS = 48  # by which a country's name is placed
FLAT = 2.5  # a name is so much wider than it is high


def main(packages: str, target: str) -> None:
    """Convert world-atlas' file into granpipe's, with the codes of i18n-iso-countries."""
    world = json.loads(Path(packages, "world-atlas/countries-50m.json").read_text("utf-8"))
    codes = json.loads(Path(packages, "i18n-iso-countries/codes.json").read_text("utf-8"))
    arcs = list(decoded(world))
    countries = sorted(world["objects"]["countries"]["geometries"], key=name_of)
    countries = [country for country in countries if country.get("arcs")]
    # Antarctica goes on to the pole, where no map does: its coast is left open.
    rings = [
        (k, ring)
        for k, country in enumerate(countries)
        for ring in rings_of(country)
        if not all(np.all(arcs[max(arc, ~arc)][:, 1] == SOUTH) for arc in ring)
    ]
    labels = [label(country, arcs) for country in countries]
    arcs, rings = renumbered(arcs, rings)
    coarse = [marks(arc) for arc in arcs]
    np.savez_compressed(
        target,
        steps=np.diff(np.concatenate(arcs), axis=0, prepend=0).astype(np.int32),
        coarse=np.concatenate(coarse),
        arcs=np.array([0, *accumulate(map(len, arcs))], np.int32),
        rings=np.concatenate([ring for _, ring in rings]).astype(np.int16),
        ring_starts=np.array([0, *accumulate(len(ring) for _, ring in rings)], np.int32),
        ring_countries=np.array([k for k, _ in rings], np.int16),
        names=np.array([name_of(country) for country in countries]),
        labels=np.array(labels, np.int32),
        codes=np.array([codes_of(country, codes) for country in countries]),
    )


def name_of(country: dict) -> str:
    return country["properties"]["name"]


def codes_of(country: dict, codes: list[list[str]]) -> tuple[str, str]:
    """Return a country's codes of two and of three letters (ISO 3166-1); empty without any."""
    if name_of(country) == "Kosovo":  # a code that everybody uses, though no standard has it
        return "XK", "XKX"
    found = (code for code in codes if code[2] == country.get("id"))
    two, three = next(found, ["", ""])[:2]
    return two, three


def decoded(world: dict) -> Iterator[np.ndarray]:
    """Yield each arc as whole units of longitude and latitude, continuous over the date line."""
    scale, translate = (np.array(world["transform"][key]) for key in ("scale", "translate"))
    for arc in world["arcs"]:
        degrees = np.cumsum(arc, axis=0) * scale + translate
        degrees[:, 0] = np.unwrap(degrees[:, 0], period=360)
        units = np.rint(degrees * UNITS).astype(int)
        units[:, 1] = units[:, 1].clip(SOUTH)
        stays = np.any(units[1:] != units[:-1], axis=1)
        stays[-1:] |= not stays.any()  # an islet smaller than a unit
        yield units[np.r_[True, stays]]


def renumbered(arcs: list, rings: list) -> tuple[list, list]:
    """Leave out the arcs that are in no ring."""
    used = sorted({max(arc, ~arc) for _, ring in rings for arc in ring})
    number = {arc: n for n, arc in enumerate(used)}
    changed = [
        (k, [number[arc] if arc >= 0 else ~number[~arc] for arc in ring]) for k, ring in rings
    ]
    return [arcs[arc] for arc in used], changed


def rings_of(country: dict) -> list[list[int]]:
    nested = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
    return [ring for polygon in nested for ring in polygon]


def marks(arc: np.ndarray) -> np.ndarray:
    """Mark the vertices that a coarse map needs, after Visvalingam and Whyatt (1993).

    The vertex that makes the smallest triangle with its neighbours goes first. Both ends stay,
    since other arcs meet there; a small island, which is one arc, goes as a whole.
    """
    narrow = np.cos(np.radians(arc[:, 1] / UNITS))
    points = arc / UNITS * np.c_[narrow, np.ones(len(arc))]
    before, after = list(range(-1, len(arc) - 1)), list(range(1, len(arc) + 1))
    stays = np.ones(len(arc), bool)

    def area(k: int) -> float:
        (ax, ay), (bx, by) = points[before[k]] - points[k], points[after[k]] - points[k]
        return abs(ax * by - ay * bx) / 2

    queue = [(area(k), k) for k in range(1, len(arc) - 1)]
    sizes = dict(map(reversed, queue))
    heapq.heapify(queue)
    while queue and queue[0][0] < COARSE:
        size, k = heapq.heappop(queue)
        if not stays[k] or size != sizes[k]:
            continue
        stays[k] = False
        before[after[k]], after[before[k]] = before[k], after[k]
        for neighbour in (before[k], after[k]):
            if 0 < neighbour < len(arc) - 1:
                sizes[neighbour] = max(size, area(neighbour))
                heapq.heappush(queue, (sizes[neighbour], neighbour))
    is_loop = np.array_equal(arc[0], arc[-1])
    return stays & (not is_loop or stays.sum() > 3)


def label(country: dict, arcs: list[np.ndarray]) -> tuple[int, int, int]:
    """Return where a country's name has most room, and how wide that room is, in units."""
    ring = max((outline(ring, arcs) for ring in rings_of(country)), key=size_of)
    (west, south), (east, north) = ring.min(axis=0), ring.max(axis=0)
    xs, ys = (np.linspace(a, b, STEPS + 2)[1:-1] for a, b in ((west, east), (south, north)))
    best = (0.0, xs[0], ys[0])
    stretched = ring / (FLAT, 1)
    for x in xs:
        for y in ys:
            if contains(ring, x, y):
                best = max(best, (distance(stretched, x / FLAT, y), x, y))
    room, x, y = best
    lat = np.degrees(2 * np.arctan(np.exp(np.radians(y / UNITS))) - np.pi / 2)
    return (
        round((x + 180 * UNITS) % (360 * UNITS)) - 180 * UNITS,
        round(lat * UNITS),
        round(2 * FLAT * room),
    )


def outline(ring: list[int], arcs: list[np.ndarray]) -> np.ndarray:
    """Return a ring's vertices in units of Mercator's projection."""
    line = np.concatenate([arcs[k] if k >= 0 else arcs[~k][::-1] for k in ring]).astype(float)
    line[:, 0] = np.unwrap(line[:, 0], period=360 * UNITS)
    y = np.log(np.tan(np.pi / 4 + np.radians(line[:, 1].clip(-8000, 8400) / UNITS) / 2))
    return np.c_[line[:, 0], np.degrees(y) * UNITS]


def size_of(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))


def contains(ring: np.ndarray, x: float, y: float) -> bool:
    x1, y1 = ring.T
    x2, y2 = np.roll(ring, -1, axis=0).T
    crosses = (y1 > y) != (y2 > y)
    at = x1[crosses] + (y - y1[crosses]) / (y2 - y1)[crosses] * (x2 - x1)[crosses]
    return bool((at > x).sum() % 2)


def distance(ring: np.ndarray, x: float, y: float) -> float:
    start, along = ring, np.roll(ring, -1, axis=0) - ring
    length = np.maximum((along**2).sum(axis=1), 1e-9)
    share = (((np.array([x, y]) - start) * along).sum(axis=1) / length).clip(0, 1)
    return float(np.hypot(*(start + share[:, None] * along - (x, y)).T).min())


if __name__ == "__main__":
    main(*sys.argv[1:])
