"""The photographs of a run by number, and what groups them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from granpipe.dataset.components import by_row
from granpipe.dataset.grouping_input import Facts, GroupingInput
from granpipe.dataset.groups import Grouping
from granpipe.dataset.index import Index
from granpipe.dataset.together import Together
from granpipe.photo.likeness import BYTES

_PHOTOS = "FROM wanted JOIN records USING (name)"
_NUMBERED = "FROM numbered JOIN records USING (name)"
# An imprecise position joins nothing; a burst may, as where there is none.
_FACTS = f"""SELECT number, name, sha256, iif(is_imprecise, NULL, positions.latitude),
    iif(is_imprecise, NULL, positions.longitude),
    coalesce(nullif(records.taken_at, ''), given.taken_at, ''), camera, coalesce(grp, ''),
    coalesce(fields.field, '') {_NUMBERED} JOIN positions USING (name)
    LEFT JOIN given ON given.photo = name LEFT JOIN fields ON fields.photo = name
    ORDER BY sha256, name"""

# Of likeness alone.
_BYTES = f"SELECT number, name, sha256, NULL, NULL, '', '' {_NUMBERED} ORDER BY sha256, name"


def load_grouping(index: Index, together: Together, depth: int) -> Grouping:
    """Return what links the photographs that are wanted; the table `numbered` gets their names.

    `depth` is how many folders a photograph's class takes.
    """
    return _grouping(index, _FACTS, together, depth)


def load_likeness(index: Index) -> Grouping:
    """Return the same of likeness alone, whatever else is known of photographs."""
    return _grouping(index, _BYTES, Together(("likeness",)), 1)


def _grouping(index: Index, query: str, together: Together, depth: int) -> Grouping:
    index.execute("DELETE FROM numbered")
    names = f"SELECT row_number() OVER (ORDER BY name) - 1, name, NULL {_PHOTOS}"
    count = index.execute(f"INSERT INTO numbered {names}")
    facts = (Facts(*row) for row in index.rows(query))
    return Grouping(GroupingInput.of(facts, _Looks(index), depth, count), together)


@dataclass(frozen=True, slots=True)
class _Looks:
    """The hashes of each photograph, in the order of digests and then of names."""

    index: Index

    def __iter__(self) -> Iterator[bytes]:
        for (phash,) in self.index.rows(f"SELECT phash {_NUMBERED} ORDER BY sha256, name"):
            yield (phash or b"")[: len(phash or b"") // BYTES * BYTES]


def add_alike(index: Index, grouping: Grouping) -> None:
    """Add the links of likeness to the table `alike`, the first by name in front."""
    place, found = grouping.photos.rows["place"], grouping.alike
    one, other = place[found.first], place[found.second]
    query = """INSERT INTO alike SELECT one.name, other.name, ? FROM numbered AS one
        JOIN numbered AS other WHERE one.number = ? AND other.number = ?"""
    index.load(query, by_row(found.weight, np.minimum(one, other), np.maximum(one, other)))


def mark_alike(index: Index) -> None:
    """Note in the table `numbered` what looks alike, directly or by way of others."""
    grouping = load_likeness(index)
    firsts = grouping.firsts()
    is_alike = (np.bincount(firsts) > 1)[firsts]
    columns = firsts[is_alike], grouping.photos.rows["place"][is_alike]
    index.load("UPDATE numbered SET alike = ? WHERE number = ?", by_row(*columns))
