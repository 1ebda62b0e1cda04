"""Judge the photographs of an index: which facts give their classes away, in rows of a table."""

from collections.abc import Iterator, Sequence

import numpy as np

from granpipe.dataset.circumstances import COLUMNS, WORDS, Circumstances, texts_of
from granpipe.dataset.database import Row
from granpipe.dataset.index import Index
from granpipe.dataset.shortcuts import Finding, find_shortcuts
from granpipe.dataset.tables import inert

# What a table of labels has more.
_GIVEN = {
    "latitude": "positions.latitude",
    "longitude": "positions.longitude",
    "taken_at": "coalesce(nullif(records.taken_at, ''), given.taken_at, '')",
}
_Clue = tuple[int, str]


def find_rows(index: Index) -> list[Row]:
    """Return the rows of shortcuts.csv, by the groups that the index's table `split` has."""
    photos = Circumstances.of(_photos(index), index.value("SELECT count(*) FROM split"))
    findings = find_shortcuts(photos.rows["class"], photos.rows["group"], photos.facts())
    clues = {found.feature: clue for found in findings if (clue := _clue(photos, found))}
    wanted = {(feature, number) for feature, (number, _) in clues.items()}
    texts = texts_of(_photos(index), wanted) if wanted else {}
    return [_row(finding, photos.classes, clues, texts) for finding in findings]


def _photos(index: Index) -> Iterator[Row]:
    columns = ", ".join(_GIVEN.get(column, column) for column in COLUMNS)
    yield from index.rows(
        f"""SELECT split.grp, label(name), name, {columns} FROM split JOIN records USING (name)
        JOIN positions USING (name) LEFT JOIN given ON photo = name
        ORDER BY split.grp, sha256, name"""
    )


def _clue(photos: Circumstances, finding: Finding) -> _Clue | None:
    """Return the text that a class has most beyond the others, by its number, and the shares."""
    if finding.most is None or finding.feature not in WORDS:
        return None
    most = finding.given_away[0] if finding.given_away else finding.most
    numbers, is_most = photos.rows[finding.feature], photos.rows["class"] == most
    mine, others = numbers[is_most & (numbers != 0)], numbers[~is_most & (numbers != 0)]
    found, counts = np.unique(mine, return_counts=True)
    at = np.searchsorted(found, others).clip(max=len(found) - 1)
    shared = np.bincount(at[found[at] == others], minlength=len(found))
    own, other = counts / len(mine), shared / max(len(others), 1)
    best = int(np.argmax(own - other))
    shares = f"{100 * own[best]:.0f}% of {photos.classes[most]}, {100 * other[best]:.0f}%"
    return int(found[best]), f"{shares} of the others"


def _row(
    finding: Finding,
    classes: Sequence[str],
    clues: dict[str, _Clue],
    texts: dict[tuple[str, int], str],
) -> Row:
    feature, clue = finding.feature, ""
    if feature in clues:
        number, how_many = clues[feature]
        clue = f"{texts[feature, number]}: {how_many}"
    some = finding.given_away, finding.apart
    names = ["/".join(classes[label] for label in labels) for labels in some]
    shares = finding.right, finding.chance, finding.p
    figures = ["" if share is None else f"{share:.3f}" for share in shares]
    counts = finding.photographs, finding.groups, finding.classes
    cells = (feature, finding.sort, finding.verdict, *counts, *figures, *names, clue)
    return tuple(map(inert, cells))
