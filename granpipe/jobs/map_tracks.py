"""Photographs on tracks, for `map`."""

from dataclasses import replace

from granpipe.mapping.feature import Feature
from granpipe.survey.tracks import Tracks


def on_track(feature: Feature, tracks: Tracks) -> Feature:
    """Return a photograph with its place by a track where it has none; without one, unpictured."""
    capture = feature.capture
    if capture.position:
        return feature
    position, why = tracks.locate(capture.taken_at, capture.utc_offset)
    if position:
        return replace(
            feature, capture=replace(capture, verdict="ok", detail="", position=position)
        )
    detail = "; ".join(filter(None, [capture.detail, f"track: {why}"]))
    return replace(feature, capture=replace(capture, detail=detail), thumbnail="")
