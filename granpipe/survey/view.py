"""What a photograph sees of parcels: in metres, on the plane that touches the Earth there.

Edges become points in three dimensions first, so that poles and the antimeridian are places like
any other. Of a parcel only what lies within some hundred metres counts, where the plane is true.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.places import points, ranges
from granpipe.survey.parcels import Parcel

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]

REACH = 200.0
"""Metres that a photograph sees, at most."""
CONE = 60.0
"""Degrees that it sees from left to right."""

# Where rays go within the cone, as shares of its half, and what each weighs: most of a picture is
# in its middle.
_RAYS = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
_RAY_WEIGHTS = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
# Of Gauss and Hermite: where a position may be in truth, in standard deviations, with weights.
_NODES = np.array([-2.85697, -1.355626, 0.0, 1.355626, 2.85697])
_NODE_WEIGHTS = np.array([0.0112574, 0.2220759, 0.5333333, 0.2220759, 0.0112574])
# The radius within which 68 of 100 positions are, in standard deviations of one axis.
_RADIUS = 1.5096
_NEAR = 10.0  # metres: ground at this distance takes a quarter of what ground at one's feet does

WEIGHTS = (
    _RAY_WEIGHTS[:, None, None] * _NODE_WEIGHTS[None, :, None] * _NODE_WEIGHTS[None, None, :]
).ravel()
"""What each of the views weighs that `views` returns; together 1."""

FARTHEST = float(_NODES[-1]) / _RADIUS
"""How far off a position is thought to be, at most, in its accuracies."""


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The edges of parcels.

    Attributes
    ----------
    starts, ends : ndarray of shape (n, 3)
        In metres from the centre of the Earth.
    turns : ndarray of shape (n,)
        1 where the parcel lies to the left, -1 to the right.
    is_cut : ndarray of shape (n,)
        Which are no edges of the field, but of the map: along the antimeridian or at a pole.
    first : ndarray of shape (m + 1,)
        Where those of each parcel begin.
    """

    starts: Floats
    ends: Floats
    turns: Floats
    is_cut: NDArray[np.bool_]
    first: Numbers

    @classmethod
    def of(cls, parcels: list[Parcel]) -> "Edges":
        """Return the edges of parcels, which may be none."""
        rings = [ring for parcel in parcels for ring in parcel.rings]
        turns = [turn for parcel in parcels for turn in parcel.turns]
        sizes = [len(ring) - 1 for ring in rings]
        counts = [sum(len(ring) - 1 for ring in parcel.rings) for parcel in parcels]
        starts = np.concatenate([ring[:-1] for ring in rings] or [np.zeros((0, 2))])
        ends = np.concatenate([ring[1:] for ring in rings] or [np.zeros((0, 2))])
        along = (np.abs(starts[:, 0]) == 180) & (np.abs(ends[:, 0]) == 180)
        polar = (np.abs(starts[:, 1]) == 90) & (np.abs(ends[:, 1]) == 90)
        return cls(
            points(starts[:, 1], starts[:, 0]),
            points(ends[:, 1], ends[:, 0]),
            np.repeat(np.array(turns, np.float64), sizes),
            along | polar,
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Pairs of a photograph and a parcel near it, on the photograph's plane.

    Attributes
    ----------
    ax, ay, bx, by : ndarray of shape (n,)
        Edges: metres to the east and north of the photograph.
    turns, is_cut : ndarray of shape (n,)
        As `Edges` has them.
    first : ndarray of shape (m,)
        Where the edges of each pair begin.
    sizes : ndarray of shape (m,)
        How many they are.
    """

    ax: Floats
    ay: Floats
    bx: Floats
    by: Floats
    turns: Floats
    is_cut: NDArray[np.bool_]
    first: Numbers
    sizes: Numbers

    @classmethod
    def of(cls, lat: Floats, lon: Floats, edges: Edges, parcel: Numbers) -> "Seen":
        """Return pairs: of each the photograph's place in degrees, and its parcel's number."""
        sizes = edges.first[parcel + 1] - edges.first[parcel]
        first = np.cumsum(sizes) - sizes
        edge = ranges(edges.first[parcel], sizes)
        east, north = _axes(lat, lon)
        east, north = np.repeat(east, sizes, axis=0), np.repeat(north, sizes, axis=0)
        starts, ends = edges.starts[edge], edges.ends[edge]
        ax, ay, bx, by = (
            np.einsum("ij,ij->i", axis, end) for end in (starts, ends) for axis in (east, north)
        )
        return cls(ax, ay, bx, by, edges.turns[edge], edges.is_cut[edge], first, sizes)

    def distances(self) -> Floats:
        """Return metres from each photograph to its parcel, negative inside, of shape (m,)."""
        dx, dy = self.bx - self.ax, self.by - self.ay
        square = np.maximum(dx * dx + dy * dy, 1e-12)
        share = np.clip(-(self.ax * dx + self.ay * dy) / square, 0, 1)
        away = np.hypot(self.ax + share * dx, self.ay + share * dy)
        nearest = np.minimum.reduceat(np.where(self.is_cut, np.inf, away), self.first)
        crossing, x, sign = self._crossings(self.ax, self.ay, self.bx, self.by, 0.0)
        turns = np.zeros(len(self.ax))
        turns[crossing] = np.where(x > 0, sign, 0)
        inside = np.add.reduceat(turns, self.first) > 0.5
        metres: Floats = np.where(inside, -nearest, nearest)
        return metres

    def _crossings(
        self, ax: Floats, ay: Floats, bx: Floats, by: Floats, height: float | Floats
    ) -> tuple[Numbers, Floats, Floats]:
        """Return which edges cross a line to the east, where, and on which side parcels are."""
        up = (ay <= height) != (by <= height)
        edge = np.flatnonzero(up)
        line = height[edge] if isinstance(height, np.ndarray) else height
        rise = by[edge] - ay[edge]
        x = ax[edge] + (line - ay[edge]) / rise * (bx[edge] - ax[edge])
        return edge, x, np.where(rise > 0, self.turns[edge], -self.turns[edge])

    def views(self, direction: Floats, doubt: Floats, accuracy: Floats) -> Floats:
        """Return how much of each view a parcel takes, of shape (m, 125).

        A view is one of five rays from one of 25 places where the photograph may be in truth.

        Parameters
        ----------
        direction, doubt, accuracy : ndarray of shape (m,)
            Degrees clockwise from north; by which that may be wrong; metres.
        """
        pairs, rays, nodes = len(self.sizes), len(_RAYS), len(_NODES)
        pair_of = np.repeat(np.arange(pairs), self.sizes)
        taken = np.zeros((rays, nodes, nodes, pairs))
        for ray, part in enumerate(_RAYS):
            # Turned so that the ray goes to the east.
            angle = np.radians(90 - direction - part * (CONE / 2 + doubt))
            cosine, sine = np.cos(angle)[pair_of], np.sin(angle)[pair_of]
            ax, bx = self.ax * cosine + self.ay * sine, self.bx * cosine + self.by * sine
            ay, by = self.ay * cosine - self.ax * sine, self.by * cosine - self.bx * sine
            for aside, node in enumerate(_NODES):
                height = (node / _RADIUS * accuracy)[pair_of]
                edge, x, sign = self._crossings(ax, ay, bx, by, height)
                pair = pair_of[edge]
                for along, other in enumerate(_NODES):
                    ahead = np.clip(x - other / _RADIUS * accuracy[pair], 0, REACH)
                    ground = sign * (1 / _NEAR - 1 / (_NEAR + ahead))
                    taken[ray, aside, along] = np.bincount(pair, ground, pairs)
        return taken.reshape(-1, pairs).T


def _axes(lat: Floats, lon: Floats) -> tuple[Floats, Floats]:
    """Return the directions to the east and the north at places, each of shape (n, 3)."""
    up = points(lat, lon)
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    quarter = points(np.zeros_like(lon), lon + 90)
    east = quarter / np.linalg.norm(quarter, axis=1, keepdims=True)
    return east, np.cross(up, east)
