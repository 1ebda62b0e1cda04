"""What `map` found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from granpipe.mapping.feature import Feature


@dataclass(frozen=True, slots=True, repr=False)
class MapReport:
    """What `map_photos` found.

    Attributes
    ----------
    features : sequence of Feature
        One for every photograph, in the order of the sources; each is made when asked for.
    verdicts : Counter
        How many photographs have which verdict.
    mapped : int
        How many have a position.
    ignored : Counter
        Files that are no photographs, by their ending.
    unseen : list of str
        The folders that could not be listed, with the cause.
    matched, elsewhere : int or None
        How many photographs a dataset with sides has, too, and how many it has and the folder does
        not; None without one.
    conflicts : int
        Photographs whose label is surely not what is declared of their field.
    """

    features: Sequence[Feature] = field(repr=False)
    verdicts: Counter[str]
    mapped: int
    ignored: Counter[str]
    unseen: list[str]
    matched: int | None = None
    elsewhere: int | None = None
    conflicts: int = 0

    def __repr__(self) -> str:
        found = self.verdicts.total()
        return (
            f"<map: {found} photographs found, {self.mapped} on the map, {len(self.unseen)} unseen>"
        )
