"""alike.csv and leaks.csv as the last run wrote them, into the index's tables of these names.

What is wrong with a table is raised as `each_row` does, or as a ValueError. `made_of` says whether
a table still holds.
"""

from collections.abc import Iterable
from itertools import chain

from granpipe.dataset.arrays import sha256_of
from granpipe.dataset.index import Index
from granpipe.dataset.names import ALIKE, LEAKS
from granpipe.dataset.tables import ALIKE_COLUMNS, each_row
from granpipe.stores.protocol import Store


def made_of(recipe: str, photos: Iterable[tuple[str, str]]) -> str:
    """Return a digest of how arrays are made, and of each photograph: its SHA-256, and more."""
    lines = ("{} {}\n".format(*photo) for photo in photos)
    return sha256_of(map(str.encode, chain([recipe], lines)))


def keep_alike(index: Index, store: Store) -> None:
    """Take in near-duplicates, and how many bits of 256 they differ by."""
    rows = (
        (row["source"], row["other"], int(row["distance"]))
        for row in each_row(store, ALIKE, ALIKE_COLUMNS)
    )
    index.load("INSERT INTO alike VALUES (?, ?, ?)", rows)


def keep_leaks(index: Index, store: Store) -> None:
    """Take in the leaks of a split that is given."""
    rows = (
        (row["source"], row["other"], row["rule"], row["distance"] or None)
        for row in each_row(store, LEAKS, ("source", "other", "rule", "distance"))
    )
    index.load("INSERT INTO leaks VALUES (?, ?, ?, ?)", rows)
