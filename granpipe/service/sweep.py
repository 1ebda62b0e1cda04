"""Bring the index in line with dataset and photographs, whatever events there were."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from granpipe.dataset.names import label_of
from granpipe.dataset.sidecars import fetch_sidecars, read_sidecars
from granpipe.jobs.prepare_online import OnlinePreparer
from granpipe.jobs.survey import Prepared, Snapshot, Survey
from granpipe.service.claims import Claims
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
    marks = set(Claims(preparer.source).marked())
    if marks:
        with preparer.survey.look() as seen:
            gone = {
                photo.source: photo.record.sha256
                for photo in seen.recorded()
                if photo.record and (photo.record.sha256, label_of(photo.source)) in marks
            }
        preparer.erase(gone)


def outdated(
    survey: Survey, seen: Snapshot, positions: Positions
) -> Iterator[tuple[Known, Known | None]]:
    """Yield what the index says of photographs without an array, and what it is to say.

    That is what `prepare` says of those that it rejects, and nothing where there is neither an
    array nor a photograph. One that has another path by now is among what is `lacking` then.
    """
    for known in positions.all():
        if seen.has_array(known.source, known.sha256):
            continue
        if not survey.is_there(known.source):
            yield known, None
        elif why := seen.rejection(known.source):
            now = known_of(why, known.sha256)
            if now != known:
                yield known, now


def lacking(
    survey: Survey, seen: Snapshot, positions: Positions, *, everything: bool
) -> Iterator[list[Known]]:
    """Yield, in parts, what has an array and is not in the index, or rejected there; or all."""
    for part in in_parts(seen.recorded()):
        found = positions.find([photo.record.sha256 for photo in part if photo.record])
        known = () if everything else found.values()
        right = {photo.sha256 for photo in known if photo.is_prepared}
        if wanted := [photo for photo in part if photo.record and photo.record.sha256 not in right]:
            yield [with_place(survey.source, photo, "") for photo in wanted]


def rejected(survey: Survey, seen: Snapshot, positions: Positions) -> Iterator[list[Known]]:
    """Yield, in parts, what `prepare` has rejected and is not in the index."""
    for part in in_parts(seen.rejected()):
        # Of two with the same bytes the first counts.
        named = {sha256 or digest_in(photo.source): photo for photo, sha256 in reversed(part)}
        found = positions.find([*named])
        yield [
            known_of(photo, sha256)
            for sha256, photo in named.items()
            if sha256 not in found and survey.is_there(photo.source)
        ]


def with_place(photos: Store, photo: Prepared, sha256: str) -> Known:
    """Return what is to be remembered of a photograph, with the position kept beside it."""
    known = known_of(photo, sha256)
    if photo.is_rejected or known.place:
        return known
    beside = f"{photo.source}.xmp"
    sidecars = read_sidecars(photo.source, fetch_sidecars(photos, [beside]))
    if not sidecars.position:
        return known
    place = {"latitude": sidecars.position.lat, "longitude": sidecars.position.lon}
    return replace(known, facts=known.facts | place | {"altitude": sidecars.position.altitude})
