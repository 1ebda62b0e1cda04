"""Bring the index in line with dataset and photographs, whatever events there were."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from granpipe.dataset.names import label_of
from granpipe.dataset.sidecars import fetch_sidecars, read_sidecars
from granpipe.jobs.prepare_online import OnlinePreparer
from granpipe.jobs.survey import Prepared, Survey
from granpipe.service.marks import marked
from granpipe.service.positions import Known, Positions, in_parts, known_of
from granpipe.stores.protocol import Entry, Store

_NAMED = re.compile(r"(?:.*/)?([0-9a-f]{64})\.[a-z]+")


def digest_in(source: str) -> str:
    """Return the SHA-256 that the intake named a photograph by, else one of its path.

    >>> digest_in("corn/" + 64 * "a" + ".jpg") == 64 * "a"
    True
    """
    named = _NAMED.fullmatch(source)
    return (
        named[1] if named else hashlib.sha256(f"{source}\n".encode("utf-8", "replace")).hexdigest()
    )


def digests_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the name of each photograph, by path."""
    return {entry.path: digest_in(entry.path) for entry in entries}


def erase_marked(preparer: OnlinePreparer) -> None:
    """Delete the arrays of photographs that were deleted, where their events were lost."""
    marks = set(marked(preparer.source))
    if marks:
        preparer.erase(
            {
                one.source: one.record.sha256
                for one in preparer.survey.recorded()
                if one.record and (one.record.sha256, label_of(one.source)) in marks
            }
        )


def forget_gone(survey: Survey, positions: Positions) -> int:
    """Delete from the index what is neither in the dataset nor among the photographs.

    A photograph that has another path by now is one of them, and is among what is `lacking` then.
    """
    known = ((one.source, one.sha256) for one in positions.all())
    gone = [sha256 for source, sha256 in survey.unrecorded(known) if not survey.is_there(source)]
    for part in in_parts(gone):
        positions.delete(part)
    return len(gone)


def lacking(survey: Survey, positions: Positions, *, everything: bool) -> Iterator[list[Known]]:
    """Yield, in parts, what is to be put into the index: what it does not know, or all."""
    for part in in_parts(survey.recorded()):
        digests = [one.record.sha256 for one in part if one.record]
        new = set(digests) if everything else positions.lacking(digests)
        if there := [one for one in part if one.record and one.record.sha256 in new]:
            yield [with_place(survey.source, one, "") for one in there]


def with_place(photos: Store, one: Prepared, sha256: str) -> Known:
    """Return what is to be remembered of a photograph, with the position kept beside it."""
    known = known_of(one, sha256)
    if one.is_rejected or known.place:
        return known
    beside = f"{one.source}.xmp"
    sidecars = read_sidecars(one.source, fetch_sidecars(photos, [beside]))
    if not sidecars.position:
        return known
    place = {"latitude": sidecars.position.lat, "longitude": sidecars.position.lon}
    return replace(known, facts=known.facts | place | {"altitude": sidecars.position.altitude})
