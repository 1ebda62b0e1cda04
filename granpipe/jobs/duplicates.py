"""Photographs with the same bytes: all but the first are rejected, and all under two labels."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.errors import PhotoError
from granpipe.jobs.photo_index import PhotoIndex
from granpipe.jobs.run import Run

_SAME_BYTES = """
SELECT sha256, name FROM
    (SELECT sha256 FROM wanted JOIN records USING (name) GROUP BY sha256 HAVING count(*) > 1)
    CROSS JOIN wanted JOIN records USING (name, sha256) ORDER BY sha256, name
"""


def reject_duplicates(run: Run, photos: PhotoIndex, *, by_split: bool) -> None:
    """Reject photographs whose bytes another one has.

    Parameters
    ----------
    run : Run
    photos : PhotoIndex
    by_split : bool
        The same bytes in two splits are two photographs, and a leak.
    """
    same = list(run.index.rows(_SAME_BYTES))
    for _, group in groupby(same, lambda row: str(row[0])):
        _reject(run, photos, [name for _, name in group], by_split=by_split)


def _reject(run: Run, photos: PhotoIndex, names: Sequence[str], *, by_split: bool) -> None:
    labels = {name: run.index.label_of(name) for name in names}
    if len(set(labels.values())) > 1:
        for name in names:
            other = next(one for one in names if labels[one] != labels[name])
            leave_out(run, photos, name, PhotoError("label_conflict", f"same bytes as {other}"))
        return
    splits: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        query = "SELECT split FROM given WHERE photo = ?"
        splits[run.index.value(query, (name,)) if by_split else ""].append(name)
    for first, *others in splits.values():
        for name in others:
            leave_out(run, photos, name, PhotoError("duplicate", f"same bytes as {first}"))


def leave_out(run: Run, photos: PhotoIndex, name: str, error: PhotoError) -> None:
    """Reject a photograph that is recorded; its record stays, so that it is not decoded again."""
    photos.reject(name, error)
    run.index.execute("INSERT OR IGNORE INTO duplicates VALUES (?)", (name,))
    record: Record = run.index.record(name)
    if record.array_sha256 != WITHOUT_ARRAY:
        run.add(name, replace(record, array_sha256=WITHOUT_ARRAY), is_written=False)
