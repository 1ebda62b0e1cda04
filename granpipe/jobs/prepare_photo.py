"""What a worker does for `prepare`: one photograph -> its array, and the record of it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import PIL

from granpipe import __version__
from granpipe.dataset.arrays import blank_npy, save_array
from granpipe.dataset.moments import sums
from granpipe.dataset.names import array_path
from granpipe.dataset.packs import find, place_of, save_row
from granpipe.dataset.sources import read_photo
from granpipe.engines.processes import TIME_LIMIT
from granpipe.engines.worker import extend_deadline
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.read_off import read_off
from granpipe.photo.exif import read_capture
from granpipe.photo.letterbox import Colour, letterbox
from granpipe.photo.memory import MAX_MEMORY
from granpipe.photo.opening import open_photo
from granpipe.stores.protocol import Entry, Store

TWIN = "twin"
"""Stands for an array's digest in the record of a photograph whose twin has the array."""

LIMITED = ("width", "height", "max_memory")
"""Numbers of a record that `Settings.allows` looks at."""

_MANY_PIXELS = 50_000_000  # whose decoding takes two seconds here; more have more time


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides on an array's bytes beside the photograph, and on whether there is one."""

    size: int
    fill: Colour
    max_pixels: int
    max_memory: int = MAX_MEMORY

    @property
    def recipe(self) -> str:
        """The settings, and the versions of what draws, in a line."""
        return _recipe(self.size, self.fill)

    def allows(self, record: Mapping[str, Any]) -> bool:
        """Tell whether a recorded photograph is not too large for these settings."""
        pixels = int(record["width"] * record["height"])
        return pixels <= self.max_pixels and int(record["max_memory"]) <= self.max_memory


@cache
def _recipe(size: int, fill: Colour) -> str:
    channels = "".join(f"{channel:02x}" for channel in fill)
    return f"granpipe {__version__}, pillow {PIL.__version__}, {size}, #{channels}"


@dataclass(frozen=True, slots=True)
class Job:
    """A photograph to prepare.

    Attributes
    ----------
    photo : Entry
        Where it stands.
    known : str
        Its record as JSON, or empty.
    array_version : str
        The version in which its array stands there; empty where it does not.
    is_trusted : bool
        That is the version recorded, and the array need not be read.
    slot : str
        Where its array is to be kept until its pack is whole; empty where it stands alone.
    """

    photo: Entry
    known: str = ""
    array_version: str = ""
    is_trusted: bool = False
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A photograph that is prepared: its SHA-256, its record, and whether nothing was decoded."""

    sha256: str
    record: str
    is_kept: bool


_Fetched = tuple[bytes, str] | PhotoError
_Made = tuple[dict[str, Any], bytearray] | Outcome | PhotoError


@dataclass(frozen=True, slots=True)
class PreparePhoto:
    """Prepare one photograph; runs in a worker, in `granpipe.engines.worker.Steps`.

    Attributes
    ----------
    source, output : Store
        The photographs; the dataset, held by this run.
    settings : Settings
    writes : bool
        False for a dry run, which decodes and writes nothing.
    refusal : str
        Why nothing can be written; the first array that must be ends the run with it.
    looks : bool
        Records tell what the photographs look like.
    save : callable
        Writes an array; takes the store, its path and its bytes, and returns the version.
    """

    source: Store
    output: Store
    settings: Settings
    writes: bool = True
    refusal: str = ""
    looks: bool = False
    save: Callable[[Store, str, bytearray], str] = save_array

    @property
    def ahead(self) -> int:
        return max(self.source.ahead, self.output.ahead)

    def __call__(self, job: Job) -> Outcome | PhotoError:
        """Return what was made of the photograph, or why it is rejected."""
        return self.keep(job, self.work(job, self.fetch(job)))

    def sample(self, job: Job) -> tuple[Store, str]:
        """Return a file that whoever works on this must be able to read."""
        return self.source, job.photo.path

    def weight(self, job: Job) -> int:
        return job.photo.size

    def fetch(self, job: Job) -> _Fetched:
        try:
            return read_photo(self.source, job.photo, self.settings.max_pixels)
        except PhotoError as error:
            return error

    def work(self, job: Job, fetched: _Fetched) -> _Made:
        if isinstance(fetched, PhotoError):
            return fetched
        data, version = fetched
        sha256 = hashlib.sha256(data).hexdigest()
        known = json.loads(job.known) if job.known else {}
        if known.get("sha256") == sha256 and known.get("recipe") == self.settings.recipe:
            kept = self._kept(job, known, version)
            if kept:
                return kept
        try:
            record, file = self._build(data)
        except PhotoError as error:
            return error
        return record | {"sha256": sha256, "version": version}, file

    def _kept(self, job: Job, known: dict[str, Any], version: str) -> Outcome | None:
        """Return the known record, with the versions of today, where it still holds."""
        if not self.settings.allows(known):
            return None
        record = known | {"version": version}
        if known["array_sha256"] != TWIN and not job.is_trusted:
            path = array_path(job.photo.path)
            place = find(self.output, path, known, self.settings.size)
            if not place:
                return None
            record["array_version"] = job.array_version
            if place != place_of(path, known):
                record["place"] = str(place)
        return Outcome(known["sha256"], _json(record), is_kept=True)

    def _build(self, data: bytes) -> tuple[dict[str, Any], bytearray]:
        settings = self.settings
        image = open_photo(data, settings.max_pixels)
        pixels = image.width * image.height
        if pixels > _MANY_PIXELS:
            extend_deadline(TIME_LIMIT * pixels / _MANY_PIXELS)
        capture = read_capture(image, data)
        file, canvas = blank_npy(settings.size, settings.fill)
        _, box, (width, height), picture = letterbox(
            image, settings.size, settings.fill, settings.max_memory, canvas
        )
        position = capture.position
        record = {
            "recipe": settings.recipe,
            "max_memory": settings.max_memory,
            "width": width,
            "height": height,
            "left": box.left,
            "top": box.top,
            "right": box.right,
            "bottom": box.bottom,
            "latitude": position and position.lat,
            "longitude": position and position.lon,
            "altitude": position and position.altitude,
            "taken_at": capture.taken_at,
            "utc_offset": capture.utc_offset,
            "camera": f"{capture.make} {capture.model}".strip(),
            **sums(picture),
            **read_off(picture, (width, height), settings.size, looks=self.looks),
        }
        return record, file

    def keep(self, job: Job, made: _Made) -> Outcome | PhotoError:
        if isinstance(made, Outcome | PhotoError):
            return made
        record, data = made
        if self.refusal:
            raise DatasetError(self.refusal)
        version = ""
        record["array_sha256"] = hashlib.sha256(data).hexdigest()
        if self.writes and job.slot:
            version = job.array_version
            record["place"] = save_row(self.output, job.slot, data)
        elif self.writes:
            version = self.save(self.output, array_path(job.photo.path), data)
        record["array_version"] = version
        return Outcome(record["sha256"], _json(record), is_kept=False)


_json: Callable[[dict[str, Any]], str] = json.JSONEncoder(separators=(",", ":")).encode
