"""Where photographs were taken whose own file does not say so."""

from granpipe.dataset.index import Index

_FROM_TABLE = """INSERT OR IGNORE INTO located
    SELECT photo, given.latitude, given.longitude, NULL, 'table' FROM given
    JOIN records ON name = photo WHERE given.latitude IS NOT NULL AND records.latitude IS NULL"""


def locate(index: Index) -> None:
    """Fill the index's table `located`, by what stands in a table of labels."""
    index.execute(_FROM_TABLE)
