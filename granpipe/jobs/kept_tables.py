"""alike.csv and the index's table `alike`: near-duplicates."""

from collections.abc import Iterable, Iterator

from granpipe.dataset.index import Index
from granpipe.dataset.names import ALIKE
from granpipe.dataset.tables import ALIKE_COLUMNS, each_row
from granpipe.stores.protocol import Store

Pair = tuple[str, str, int]
"""Two sources and how many bits of 256 they differ by."""


def read_alike(store: Store) -> Iterator[Pair]:
    """Yield the pairs of alike.csv, whose errors are those of `each_row`, and ValueError."""
    for row in each_row(store, ALIKE, ALIKE_COLUMNS):
        yield row["source"], row["other"], int(row["distance"])


def load_alike(index: Index, pairs: Iterable[Pair]) -> None:
    """Add pairs to the index."""
    index.load("INSERT INTO alike VALUES (?, ?, ?)", pairs)
