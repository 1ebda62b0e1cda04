"""How many copies each photograph has: a number, or what makes the classes equally large."""

from granpipe.dataset.index import Index

# Equally many of each group of a class, and equally many of each photograph of a group; what is
# over goes to the first ones.
_SPREAD = """
WITH sizes AS (
    SELECT label, max(0, ? - count(*)) AS missing, count(DISTINCT family) AS families
    FROM photos WHERE reason = '' GROUP BY label),
groups AS (
    SELECT label, family, count(*) AS size,
        row_number() OVER (PARTITION BY label ORDER BY family) AS place
    FROM photos WHERE reason = '' GROUP BY label, family),
shares AS (
    SELECT label, family, size,
        missing / families + (place <= missing % families) AS share
    FROM groups JOIN sizes USING (label)),
places AS (
    SELECT number, label, family,
        row_number() OVER (PARTITION BY label, family ORDER BY source) AS place
    FROM photos WHERE reason = '')
UPDATE photos SET copies = share / size + (place <= share % size)
    FROM places JOIN shares USING (label, family) WHERE photos.number = places.number
"""


def most_copies(copies: int | str, photographs: int) -> int:
    """Return how many copies one of so many photographs may have."""
    if isinstance(copies, int):
        return copies
    return _total(copies) or photographs


def deal_copies(index: Index, copies: int | str) -> None:
    """Say in the index's table `photos` how many copies each photograph has.

    `balance` brings every class to as many as the largest has photographs, originals and copies
    together, and `balance:N` to N. They are spread evenly over the photographs of a `family`.
    """
    if isinstance(copies, int):
        index.execute("UPDATE photos SET copies = ? WHERE reason = ''", (copies,))
        return
    query = "SELECT count(*) FROM photos WHERE reason = '' GROUP BY label ORDER BY 1 DESC LIMIT 1"
    index.execute(_SPREAD, (_total(copies) or index.value(query) or 0,))


def _total(copies: str) -> int | None:
    _, _, total = copies.partition(":")
    return int(total) if total else None
