"""What is beside photographs and says where they were taken: as asked for, or as before."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granpipe import checks
from granpipe.checks import checked
from granpipe.errors import OptionError
from granpipe.survey.clock import Clock, parse_shift, parse_zone
from granpipe.survey.tracks import GAP, Tracks

if TYPE_CHECKING:
    from granpipe.survey.parcels import ParcelFile

_Place = str | os.PathLike[str]
_TRACKS = ("track", "clock", "clock_shift", "gap")
_PARCELS = ("fields", "field_id", "field_crop", "crop_names")
_FILES = {"fields", "crop_names"}
_NOTHING = {None, "none", ""}


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
    fields : str or Path, optional
        Parcels: GeoJSON; with the extra `fields` GeoPackage, Shapefile or GeoParquet. `none` for
        none.
    field_id, field_crop : str, optional
        What their ids and declared crops are called in it.
    crop_names : str or Path, optional
        A table of the columns field_crop and label: which labels a declared crop may have; `none`.
    """

    track: Sequence[_Place] | None = None
    clock: str | None = None
    clock_shift: str | None = None
    gap: int | None = None
    fields: _Place | None = None
    field_id: str | None = None
    field_crop: str | None = None
    crop_names: _Place | None = None

    def settled(self, noted: dict[str, Any] | None = None) -> "Settled":
        """Return what counts, by what was asked for and by the ledger's note.

        Raises
        ------
        OptionError
            Something is not what it may be.
        """
        values = {name: self._value(name, noted or {}) for name in (*_TRACKS, *_PARCELS)}
        settled = Settled(**values)
        settled.camera_clock()  # which raises
        if not settled.fields and {self.field_id, self.field_crop, self.crop_names} - _NOTHING:
            raise OptionError(
                "--field-id, --field-crop and --crop-names are for parcels; name them by --fields"
            )
        if not settled.track and ({self.clock, self.clock_shift} - _NOTHING or self.gap):
            raise OptionError(
                "--clock, --clock-shift and --gap are for tracks; name one by --track"
            )
        return settled

    def _value(self, name: str, noted: dict[str, Any]) -> Any:
        wish = getattr(self, name)
        if wish is None:
            value = noted.get(name, getattr(_DEFAULTS, name))
            return tuple(value) if name == "track" else value
        if name == "track":
            return tuple(map(_found_again, wish))
        if name == "gap":
            return checked("gap", wish, checks.GAP)
        if wish == "none":
            return ""
        return _found_again(wish) if name in _FILES else wish


@dataclass(frozen=True, slots=True)
class Settled:
    """What counts for a run; see `Survey`. Places are as any later run finds them."""

    track: tuple[str, ...] = ()
    clock: str = ""
    clock_shift: str = ""
    gap: int = GAP
    fields: str = ""
    field_id: str = ""
    field_crop: str = ""
    crop_names: str = ""

    def parcels(self) -> "ParcelFile":
        """Return the file of parcels."""
        from granpipe.survey.parcels import ParcelFile  # noqa: PLC0415 - NumPy

        return ParcelFile(self.fields, self.field_id, self.field_crop)

    def names_of_crops(self) -> dict[str, set[str]] | None:
        """Return which labels declared crops may have, as `read_crop_names` does; or None."""
        from granpipe.survey.crops import read_crop_names  # noqa: PLC0415 - NumPy

        return read_crop_names(self.crop_names) if self.crop_names else None

    def camera_clock(self) -> Clock:
        """Return how cameras are set; OptionError where that is not what it may be."""
        zone = parse_zone(self.clock) if self.clock else None
        return Clock(zone, parse_shift(self.clock_shift) if self.clock_shift else 0.0)

    def tracks(self) -> Tracks | None:
        """Return the tracks, read; None without any, DatasetError where one cannot be read."""
        return Tracks.read(self.track, self.camera_clock(), self.gap) if self.track else None

    def note(self) -> dict[str, Any] | None:
        """Return what the ledger keeps; None for nothing."""
        names = (_TRACKS if self.track else ()) + (_PARCELS if self.fields else ())
        values = {name: getattr(self, name) for name in names}
        noted = {name: value for name, value in values.items() if value != getattr(_DEFAULTS, name)}
        return noted | ({"track": list(self.track)} if self.track else {}) or None

    def settings(self) -> dict[str, Any]:
        """Return what dataset.json has: places by their last part, the same on any machine."""
        settings = self.note() or {}
        for name in _FILES & settings.keys():
            settings[name] = _title(settings[name])
        if self.track:
            settings["track"] = [*map(_title, self.track)]
        return settings


_DEFAULTS = Settled()


def _title(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2]


def _found_again(place: _Place) -> str:
    """Return a place as any later run finds it, wherever that is started."""
    text = checked("track", place, checks.place)
    return text if "://" in text else Path(text).absolute().as_posix()


def tell_unset(tracks: Tracks) -> str:
    """Return a line on photographs that tracks cannot place; empty where there are none."""
    if not tracks.unset:
        return ""
    return (
        f"photographs whose time has no offset from UTC, so that no track can place them: "
        f"{tracks.unset:,}; say --clock +02:00 or --clock Europe/Berlin"
    )
