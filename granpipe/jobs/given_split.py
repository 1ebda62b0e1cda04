"""A split that is given: nothing is moved, and what leaks between splits is listed."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from granpipe.dataset.database import Row
from granpipe.dataset.groups import Grouping
from granpipe.dataset.index import Index
from granpipe.dataset.leaks import LEAK_RULES, WITHOUT_DISTANCE, find_leaks
from granpipe.dataset.names import LEAKS
from granpipe.dataset.sides import SIDES
from granpipe.dataset.tables import each_row
from granpipe.stores.protocol import Store

_AT_ONCE = 10_000


def take_given(index: Index, grouping: Grouping, *, fix_leaks: bool) -> None:
    """Fill the index's tables `split`, `alike` and `leaks` by what `given` says.

    `fix_leaks` moves each group that is in several splits to the earliest of them.
    """
    groups = grouping.groups()
    index.load(
        "INSERT INTO split SELECT ?, ?, split, '' FROM given WHERE photo = ?",
        ((name, group, name) for name, group in groups.names.items()),
    )
    index.load("INSERT INTO alike VALUES (?, ?, ?)", groups.alike)
    index.load("INSERT INTO leaks VALUES (?, ?, ?, ?)", _leaks(index, grouping))
    if fix_leaks:
        order = " ".join(f"WHEN '{side}' THEN {place}" for place, side in enumerate(SIDES))
        names = " ".join(f"WHEN {place} THEN '{side}'" for place, side in enumerate(SIDES))
        index.create("CREATE INDEX split_by_group ON split (grp);")
        index.execute(
            f"""UPDATE split SET split = (SELECT CASE min(CASE other.split {order} END) {names} END
            FROM split AS other WHERE other.grp = split.grp)"""
        )


def _leaks(index: Index, grouping: Grouping) -> Iterator[Row]:
    photos, sides = grouping.photos, {side: place for place, side in enumerate(SIDES)}
    split_of: dict[str, str] = dict(index.rows("SELECT name, split FROM split"))
    split = np.array([sides[split_of[source]] for source in photos.sources], np.int64)
    pairs, rules = find_leaks(photos, grouping.together, split)
    for start in range(0, len(pairs), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        columns = (pairs.first[some], pairs.second[some], rules[some], pairs.weight[some])
        for first, second, number, weight in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            rule = LEAK_RULES[number]
            distance = None if rule in WITHOUT_DISTANCE else weight
            yield photos.sources[first], photos.sources[second], rule, distance


def keep_leaks(index: Index, store: Store) -> None:
    """Take the leaks from the table that is there."""
    rows = (
        (row["source"], row["other"], row["rule"], row["distance"] or None)
        for row in each_row(store, LEAKS, ("source", "other", "rule", "distance"))
    )
    index.load("INSERT INTO leaks VALUES (?, ?, ?, ?)", rows)


def given_splits(index: Index) -> list[str]:
    """Return the splits that some photograph was given, whatever became of it."""
    found = {split for (split,) in index.rows("SELECT DISTINCT split FROM given")}
    return [split for split in SIDES if split in found]


def count_leaks(index: Index) -> tuple[Counter[str], Counter[str], int]:
    """Return the pairs that leak by rule, photographs by the split held out, and moved ones."""
    pairs = "SELECT rule, count(*) FROM leaks GROUP BY rule"
    photographs = """SELECT given.split, count(DISTINCT source) FROM leaks
        JOIN given ON photo = source GROUP BY 1"""
    moved = """SELECT count(*) FROM split JOIN given ON photo = split.name
        WHERE given.split <> split.split"""
    by_rule, by_split = (Counter[str](dict(index.rows(query))) for query in (pairs, photographs))
    return by_rule, by_split, int(index.value(moved))
