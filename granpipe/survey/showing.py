"""Which field a photograph shows, and how sure that is."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from granpipe.dataset.components import is_new
from granpipe.survey.view import FARTHEST, REACH, WEIGHTS, Edges, Floats, Numbers, Seen

UNKNOWN_ACCURACY = 15.0
"""Metres that a position may be wrong which does not say so."""
WORST_ACCURACY = 200.0
"""Metres; a position that may be further off shows no field."""
DOUBT = 15.0
"""Degrees that are added to either side where the direction is magnetic, or does not say."""

_DEEP = 60.0  # metres into a field, from where nothing but it is seen
_LEAST_SEEN = 0.001  # of a view that a parcel takes, for it to be seen: 20 metres, 100 away
_RIVAL = 0.6  # a parcel that takes so much of what the first one takes is seen as well
_MOST, _LEAST = 0.99, 0.5  # shares of views: of those that see any parcel; of all


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Photographs.

    Attributes
    ----------
    lat, lon, accuracy, direction, doubt : ndarray of shape (n,)
        Degrees; metres; degrees clockwise from true north, NaN where that is not known, and by
        which it may be wrong.
    """

    lat: Floats
    lon: Floats
    accuracy: Floats
    direction: Floats
    doubt: Floats

    def reach(self) -> Floats:
        """Return from how many metres away a parcel may be seen."""
        return REACH + FARTHEST * self.accuracy


@dataclass(frozen=True, slots=True)
class Shown:
    """The field that a photograph shows.

    Attributes
    ----------
    parcel : int
        Its place among those that were asked for.
    distance : float
        Metres from the photograph, negative inside.
    sure : str
        How sure that is: `yes`, `near` or `ambiguous`.
    """

    parcel: int
    distance: float
    sure: str


def show(views: Views, edges: Edges, photo: Numbers, parcel: Numbers) -> dict[int, Shown]:
    """Return the fields that photographs show, by the photograph's number.

    Photographs and parcels are pairs that may be near each other, sorted, of shape (m,).
    """
    if not len(photo):
        return {}
    seen = Seen.of(views.lat[photo], views.lon[photo], edges, parcel)
    metres = seen.distances()
    near = np.flatnonzero(metres <= views.reach()[photo])
    photo, parcel, metres = photo[near], parcel[near], metres[near]
    found: dict[int, Shown] = {}
    looking: list[int] = []
    for start, stop in _spans(photo):
        number = int(photo[start])
        accuracy = float(views.accuracy[number])
        deep = [at for at in range(start, stop) if -metres[at] >= _DEEP + 2 * accuracy]
        if len(deep) == 1 and not any(metres[at] < 0 for at in range(start, stop) if at != deep[0]):
            found[number] = Shown(int(parcel[deep[0]]), float(metres[deep[0]]), "yes")
        elif np.isnan(views.direction[number]):
            if shown := _by_place(parcel[start:stop], metres[start:stop], accuracy):
                found[number] = shown
        else:
            looking += range(start, stop)
    if looking:
        some = np.array(looking)
        pairs = Seen.of(views.lat[photo[some]], views.lon[photo[some]], edges, parcel[some])
        _look(views, pairs, photo[some], parcel[some], metres[some], found)
    return found


def _spans(photo: Numbers) -> Iterator[tuple[int, int]]:
    """Yield where the pairs of each photograph begin and end."""
    starts = np.flatnonzero(is_new(photo)).tolist()
    return zip(starts, [*starts[1:], len(photo)], strict=True)


def _by_place(parcel: Numbers, metres: Floats, accuracy: float) -> Shown | None:
    """Return the field by its distance alone: the one around a photograph, or the nearest."""
    nearest = int(np.argmin(metres))
    distance = float(metres[nearest])
    if distance > accuracy:
        return None
    others = np.delete(metres, nearest)
    if -distance >= 2 * accuracy and not (others < accuracy).any():
        return Shown(int(parcel[nearest]), distance, "yes")
    sure = "ambiguous" if (others <= accuracy).any() else "near"
    return Shown(int(parcel[nearest]), distance, sure)


def _look(
    views: Views,
    pairs: Seen,
    photo: Numbers,
    parcel: Numbers,
    metres: Floats,
    found: dict[int, Shown],
) -> None:
    """Find the fields of photographs by what is in front of them."""
    about = (some[photo] for some in (views.direction, views.doubt, views.accuracy))
    taken = pairs.views(*about)
    for start, stop in _spans(photo):
        number, these = int(photo[start]), slice(start, stop)
        shown = _by_view(taken[these], parcel[these], metres[these])
        shown = shown or _by_place(parcel[these], metres[these], float(views.accuracy[number]))
        if shown:
            found[number] = shown


def _by_view(taken: Floats, parcel: Numbers, metres: Floats) -> Shown | None:
    """Return the field that most views see most of; None where they see next to nothing."""
    winner, view = np.argmax(taken, axis=0), np.arange(taken.shape[1])
    top = taken[winner, view]
    others = taken.copy()
    others[winner, view] = 0
    rival = others.max(axis=0)
    sees = top >= _LEAST_SEEN
    is_clear = sees & (rival < _RIVAL * top)
    votes = np.bincount(winner[is_clear], WEIGHTS[is_clear], len(taken))
    shares = votes + 1e-9 * np.bincount(winner[sees], WEIGHTS[sees], len(taken))
    seen = float(WEIGHTS[sees].sum())
    if seen < 0.1:
        return None
    best = int(np.argmax(shares))
    is_sure = votes[best] >= _MOST * seen and votes[best] >= _LEAST
    sure = "yes" if is_sure else "ambiguous"
    return Shown(int(parcel[best]), float(metres[best]), sure)
