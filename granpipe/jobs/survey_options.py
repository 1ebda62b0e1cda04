"""What stands beside photographs and says where they were taken: as asked for, or as before."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from granpipe import checks
from granpipe.checks import checked
from granpipe.errors import OptionError
from granpipe.mapping.sighting import Sighting
from granpipe.survey.clock import Clock, parse_shift, parse_zone
from granpipe.survey.tracks import GAP, Tracks

_Place = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Survey:
    """What was asked for; None where nothing was: then a dataset keeps what it has.

    Attributes
    ----------
    track : sequence of str or Path, optional
        GPX files and folders of them, on a disk or s3://; an empty one for none.
    clock : str, optional
        What cameras are set to whose photographs do not say so: +02:00, or a zone as Europe/Berlin;
        `none` for nothing.
    clock_shift : str, optional
        What is to be added to the time of every photograph, as -37s or 1h2m3s.
    gap : int, optional
        Seconds between two points of a track, at most, between which it is known; 300 by default.
    """

    track: Sequence[_Place] | None = None
    clock: str | None = None
    clock_shift: str | None = None
    gap: int | None = None

    def settled(self, noted: dict[str, Any] | None = None) -> "Settled":
        """Return what counts, by what was asked for and by the ledger's note.

        Raises
        ------
        OptionError
            Something is not what it may be.
        """
        noted = noted or {}
        track = noted.get("track", []) if self.track is None else [*map(_found_again, self.track)]
        clock = noted.get("clock", "") if self.clock is None else self.clock
        shift = noted.get("clock_shift", "") if self.clock_shift is None else self.clock_shift
        gap = noted.get("gap", GAP) if self.gap is None else checked("gap", self.gap, checks.GAP)
        clock, shift = "" if clock == "none" else clock, "" if shift == "none" else shift
        settled = Settled(tuple(track), clock, shift, gap)
        settled.check()
        if not track and (self.clock or self.clock_shift or self.gap) and not self._lets_go():
            raise OptionError(
                "--clock, --clock-shift and --gap are for tracks; name one by --track"
            )
        return settled

    def _lets_go(self) -> bool:
        return {self.clock, self.clock_shift} <= {None, "none"} and self.gap is None


@dataclass(frozen=True, slots=True)
class Settled:
    """What counts for a run; see `Survey`. Places are as any later run finds them."""

    track: tuple[str, ...] = ()
    clock: str = ""
    clock_shift: str = ""
    gap: int = GAP

    def check(self) -> None:
        """Raise OptionError where something is not what it may be."""
        if self.clock:
            parse_zone(self.clock)
        if self.clock_shift:
            parse_shift(self.clock_shift)

    def tracks(self) -> Tracks | None:
        """Return the tracks, read; None without any.

        Raises
        ------
        DatasetError
            One cannot be read.
        """
        if not self.track:
            return None
        zone = parse_zone(self.clock) if self.clock else None
        shift = parse_shift(self.clock_shift) if self.clock_shift else 0.0
        return Tracks.read(self.track, Clock(zone, shift), self.gap)

    def note(self) -> dict[str, Any] | None:
        """Return what the ledger keeps; None for nothing."""
        return {"track": list(self.track), **self._beside()} if self.track else None

    def settings(self) -> dict[str, Any]:
        """Return what dataset.json tells: places by their last part, the same on any machine."""
        if not self.track:
            return {}
        return {
            "track": [one.rstrip("/").rpartition("/")[2] for one in self.track],
            **self._beside(),
        }

    def _beside(self) -> dict[str, Any]:
        told = {"clock": self.clock, "clock_shift": self.clock_shift}
        gap = {"gap": self.gap} if self.gap != GAP else {}
        return {name: text for name, text in told.items() if text} | gap


def _found_again(place: _Place) -> str:
    """Return a place as any later run finds it, wherever that is started."""
    text = checked("track", place, checks.place)
    return text if "://" in text else Path(text).absolute().as_posix()


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


def tell_unset(tracks: Tracks) -> str:
    """Return a line on photographs that tracks cannot place; empty where there are none."""
    if not tracks.unset:
        return ""
    return (
        f"photographs whose time has no offset from UTC, so that no track can place them: "
        f"{tracks.unset:,}; say --clock +02:00 or --clock Europe/Berlin"
    )
