"""What became of every photograph, and where it was taken: an index, filled again from the ledger.

It is searched by SHA-256, and by place and class. Latitudes and longitudes are WGS84 degrees.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from granpipe.dataset.names import array_path, label_of, shown
from granpipe.jobs.survey import Prepared
from granpipe.service.events import Refusal

_NUMBERS = ("left", "top", "right", "bottom")
_PLACE = ("latitude", "longitude", "altitude")
_TEXTS = ("taken_at", "utc_offset", "utc_offset_from", "camera", "flags")


@dataclass(frozen=True, slots=True)
class Known:
    """A photograph of which the worker knows what became.

    Attributes
    ----------
    sha256, source : str
        Of its bytes; its path among the photographs.
    facts : dict
        Of a prepared one path, content box, position, time and camera; of a rejected one reason and
        detail.
    """

    sha256: str
    source: str
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        return label_of(self.source)

    @property
    def is_prepared(self) -> bool:
        return bool(self.facts["state"] == "prepared")

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees; None where there is no position."""
        lat, lon = self.facts.get("latitude"), self.facts.get("longitude")
        return None if lat is None or lon is None else (float(lat), float(lon))


def known_of(prepared: Prepared, sha256: str) -> Known:
    """Return what is to be remembered of a photograph; `sha256` counts where it is rejected."""
    record = prepared.record
    if prepared.is_rejected or not record:
        why = {"reason": prepared.reason, "detail": prepared.detail}
        return Known(sha256, shown(prepared.source), {"state": "rejected"} | why)
    facts: dict[str, Any] = {"state": "prepared", "path": array_path(prepared.source)}
    facts |= {name: getattr(record, name) for name in (*_NUMBERS, *_PLACE, *_TEXTS)}
    return Known(record.sha256, prepared.source, facts)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the earth, in degrees; west is greater than east across the antimeridian."""

    west: float = -180.0
    south: float = -90.0
    east: float = 180.0
    north: float = 90.0

    def spans(self) -> list[tuple[float, float]]:
        """Return its longitudes, from and to, in one or two parts.

        >>> Window(170, -10, -170, 10).spans()
        [(170, 180.0), (-180.0, -170)]
        """
        if self.west <= self.east:
            return [(self.west, self.east)]
        return [(self.west, 180.0), (-180.0, self.east)]


Page = tuple[list[Known], Any]
"""Photographs, and what to give as `after` to get those that follow; None where none follow."""

PAGE = 1_000
"""Photographs that are read at a time unless somebody asks for another number."""


class Positions(Protocol):
    """The index. All raise DownError."""

    def put(self, photos: Sequence[Known]) -> list[Refusal]:
        """Remember photographs, each in place of what was known of the same bytes.

        Return those that the index cannot hold, now or later.
        """

    def delete(self, digests: Sequence[str]) -> None:
        """Forget photographs; those of which nothing is known are no error."""

    def find(self, digests: Sequence[str]) -> dict[str, Known]:
        """Return what is known of photographs, by SHA-256."""

    def get(self, sha256: str) -> Known | None:
        """Return what is known of a photograph."""
        return self.find([sha256]).get(sha256)

    def page(
        self, window: Window | None = None, label: str = "", after: Any = None, limit: int = PAGE
    ) -> Page:
        """Return the next photographs, in an order that stays.

        Parameters
        ----------
        window : Window, optional
            Where they were taken. Without one all count, also those without a position.
        label : str
            Their class; any where it is empty.
        after : optional
            Where the page before ended: the second value that it returned.
        limit : int
            How many at most.
        """

    def all(self) -> Iterator[Known]:
        """Yield every photograph, those without a position, too."""
        return self.within(None)

    def within(self, window: Window | None, label: str = "") -> Iterator[Known]:
        """Yield the photographs of a part of the earth, of one class unless `label` is empty."""
        photos, after = self.page(window, label)
        yield from photos
        while after is not None:
            photos, after = self.page(window, label, after)
            yield from photos

    def labels(self) -> list[str]:
        """Return the classes of all photographs, in order."""

    def stamp(self) -> object:
        """Return something else whenever something else may be known."""

    def close(self) -> None:
        """Let go of the index."""


def in_parts(items: Iterable[Any], size: int = 500) -> Iterator[list[Any]]:
    """Yield items by so many at a time.

    >>> [*in_parts("abc", 2)]
    [['a', 'b'], ['c']]
    """
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
