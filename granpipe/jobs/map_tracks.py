"""Photographs on tracks, for `map`."""

from dataclasses import replace

from granpipe.mapping.sighting import Sighting
from granpipe.survey.tracks import Tracks


def on_track(one: Sighting, tracks: Tracks) -> Sighting:
    """Return a photograph with its place by a track where it has none; without one, unpictured."""
    capture = one.capture
    if capture.position:
        return one
    position, why = tracks.locate(capture.taken_at, capture.utc_offset)
    if position:
        return replace(one, capture=replace(capture, verdict="ok", detail="", position=position))
    detail = "; ".join(filter(None, [capture.detail, f"track: {why}"]))
    return replace(one, capture=replace(capture, detail=detail), thumbnail="")
