"""Photographs with the same bytes: all but the first are rejected, and all under two labels."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby

from granpipe.errors import PhotoError
from granpipe.jobs.photo_index import PhotoIndex

_SAME_BYTES = """
SELECT sha256, name FROM
    (SELECT sha256 FROM wanted JOIN records USING (name) GROUP BY sha256 HAVING count(*) > 1)
    CROSS JOIN wanted JOIN records USING (name, sha256) ORDER BY sha256, name
"""


def reject_duplicates(photos: PhotoIndex, *, by_split: bool) -> None:
    """Reject photographs whose bytes another one has.

    `by_split`, the same bytes in two splits are two photographs, and a leak.
    """
    same = list(photos.index.rows(_SAME_BYTES))
    for _, group in groupby(same, lambda row: str(row[0])):
        _reject(photos, [name for _, name in group], by_split=by_split)


def _reject(photos: PhotoIndex, names: Sequence[str], *, by_split: bool) -> None:
    labels = {name: photos.index.label_of(name) for name in names}
    if len(set(labels.values())) > 1:
        for name in names:
            other = next(rival for rival in names if labels[rival] != labels[name])
            photos.leave_out(name, PhotoError("label_conflict", f"same bytes as {other}"))
        return
    splits: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        query = "SELECT split FROM given WHERE photo = ?"
        splits[photos.index.value(query, (name,)) if by_split else ""].append(name)
    for first, *others in splits.values():
        for name in others:
            photos.leave_out(name, PhotoError("duplicate", f"same bytes as {first}"))
