"""A split that is given: nothing is moved, and what leaks between splits is listed."""

from collections import Counter

from granpipe.dataset.index import Index
from granpipe.dataset.names import LEAKS
from granpipe.dataset.shares import SPLITS
from granpipe.dataset.tables import each_row
from granpipe.stores.protocol import Store


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
    return [split for split in SPLITS if split in found]


def count_leaks(index: Index) -> tuple[Counter[str], Counter[str], int]:
    """Return the pairs that leak by rule, photographs by the split held out, and moved ones."""
    pairs = "SELECT rule, count(*) FROM leaks GROUP BY rule"
    photographs = """SELECT given.split, count(DISTINCT source) FROM leaks
        JOIN given ON photo = source GROUP BY 1"""
    moved = """SELECT count(*) FROM split JOIN given ON photo = split.name
        WHERE given.split <> split.split"""
    by_rule, by_split = (Counter[str](dict(index.rows(query))) for query in (pairs, photographs))
    return by_rule, by_split, int(index.value(moved))
