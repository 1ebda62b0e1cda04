"""What a worker does for `prepare`: one photograph -> its array, and the record of it."""

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import PIL

from granpipe import __version__
from granpipe.dataset.arrays import array_digest, begin_change, blank_npy
from granpipe.dataset.moments import sums
from granpipe.dataset.names import AUGMENTED, SUMMARY, array_path
from granpipe.dataset.record import WITHOUT_ARRAY, Record
from granpipe.dataset.sources import read_photo
from granpipe.engines.processes import TIME_LIMIT
from granpipe.engines.worker import Steps, extend_deadline
from granpipe.errors import DatasetError, PhotoError
from granpipe.photo.details import details_of
from granpipe.photo.exif import Capture, read_capture
from granpipe.photo.letterbox import Colour, letterbox
from granpipe.photo.likeness import hashes, levels_of
from granpipe.photo.memory import MAX_MEMORY
from granpipe.photo.opening import open_photo
from granpipe.photo.quality import flags, sharpness
from granpipe.photo.traces import blocks_of, border_of, quantization_of
from granpipe.stores.protocol import Entry, Store

_RENDERING = 5  # raised where the same photograph gives other pixels or columns than before
_MANY_PIXELS = 50_000_000  # whose decoding takes two seconds here; more have more time


@dataclass(frozen=True, slots=True)
class ArraySettings:
    """What decides on an array's bytes beside the photograph, and on whether there is one."""

    size: int  # side of the arrays, in pixels
    fill: Colour  # red, green and blue of the padding, 0 to 255
    max_pixels: int  # of the largest photograph that is decoded
    max_memory: int = MAX_MEMORY  # bytes that decoding one may take

    @property
    def recipe(self) -> str:
        """The settings, and the versions of what draws, in a line."""
        return _recipe(self.size, self.fill)

    def note(self, *, hashes: bool) -> dict[str, Any]:
        """Return what the ledger keeps of the settings, for the online worker."""
        return self.shown() | {"hashes": hashes}

    def shown(self) -> dict[str, Any]:
        """Return what dataset.json says of them."""
        limits = {"max_pixels": self.max_pixels, "max_memory": self.max_memory}
        return {"size": self.size, "fill": list(self.fill), **limits}

    def allows(self, record: Record) -> bool:
        """Return whether a recorded photograph is not too large for these settings."""
        pixels = record.width * record.height
        return pixels <= self.max_pixels and record.max_memory <= self.max_memory


@cache
def _recipe(size: int, fill: Colour) -> str:
    channels = "".join(f"{channel:02x}" for channel in fill)
    return f"granpipe {__version__}.{_RENDERING}, pillow {PIL.__version__}, {size}, #{channels}"


@dataclass(frozen=True, slots=True)
class PhotoJob:
    """A photograph to prepare."""

    photo: Entry
    record: Record | None = None  # what is recorded of it under the same settings
    array_version: str = ""  # in which its array is there; empty where it is not
    is_trusted: bool = False  # that is the version recorded, and the array need not be read

    def __reduce__(self) -> tuple[Any, ...]:  # a third of the time that a dataclass takes
        return PhotoJob, (self.photo, self.record, self.array_version, self.is_trusted)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A photograph that is prepared: its record, and whether nothing was decoded."""

    record: Record
    is_kept: bool

    def __reduce__(self) -> tuple[Any, ...]:
        return Outcome, (self.record, self.is_kept)


_Fetched = tuple[bytes, str] | PhotoError
_Made = tuple[dict[str, Any], bytearray] | Outcome | PhotoError


@dataclass(frozen=True, slots=True)
class PreparePhoto(Steps):
    """Prepare one photograph, in a worker: an `Outcome`, or a `PhotoError`."""

    source: Store
    output: Store  # held by this run
    settings: ArraySettings
    writes: bool = True  # not in a dry run, which decodes and writes nothing
    # why nothing can be written: the first array that must be ends the run with it
    refusal: str = ""
    hashes: bool = False  # records have perceptual hashes
    # arrays are written that tables list, so dataset.json goes before the first of them
    is_change: bool = True

    @property
    def ahead(self) -> int:
        return max(self.source.ahead, self.output.ahead)

    def sample(self, job: PhotoJob) -> tuple[Store, str]:
        return self.source, job.photo.path

    def weight(self, job: PhotoJob) -> int:
        return job.photo.size

    def fetch(self, job: PhotoJob) -> _Fetched:
        try:
            settings = self.settings
            return read_photo(self.source, job.photo, settings.max_pixels, settings.max_memory)
        except PhotoError as error:
            return error

    def work(self, job: PhotoJob, fetched: _Fetched) -> _Made:
        if isinstance(fetched, PhotoError):
            return fetched
        data, version = fetched
        sha256 = hashlib.sha256(data).hexdigest()
        if job.record and job.record.sha256 == sha256 and self._still_holds(job, job.record):
            is_own = job.record.array_sha256 != WITHOUT_ARRAY and not job.is_trusted
            array_version = job.array_version if is_own else job.record.array_version
            record = replace(job.record, version=version, array_version=array_version)
            return Outcome(record, is_kept=True)
        try:
            fields, file = self._draw(data)
        except PhotoError as error:
            return error
        return fields | {"sha256": sha256, "version": version}, file

    def _still_holds(self, job: PhotoJob, record: Record) -> bool:
        """Return whether a record of the same bytes is true of the array, too."""
        if not self.settings.allows(record):
            return False
        is_trusted = job.is_trusted or record.array_sha256 == WITHOUT_ARRAY
        path = array_path(job.photo.path)
        return is_trusted or array_digest(self.output, path) == record.array_sha256

    def _draw(self, data: bytes) -> tuple[dict[str, Any], bytearray]:
        """Return what is to be recorded of a photograph, and the file of its array."""
        settings = self.settings
        image = open_photo(data, settings.max_pixels, settings.max_memory)
        pixels = image.width * image.height
        if pixels > _MANY_PIXELS:
            extend_deadline(TIME_LIMIT * pixels / _MANY_PIXELS)
        capture = read_capture(image, data)
        file, canvas = blank_npy(settings.size, settings.fill)
        _, box, (width, height), picture = letterbox(
            image, settings.size, settings.fill, settings.max_memory, canvas
        )
        grey, details = picture.convert("L"), details_of(image)
        levels = levels_of(grey)
        steepness, contradicted = sharpness(levels), details.is_contradicted
        looks = grey, steepness, width, height, settings.size
        fields = {
            "recipe": settings.recipe,
            "max_memory": settings.max_memory,
            "width": width,
            "height": height,
            "left": box.left,
            "top": box.top,
            "right": box.right,
            "bottom": box.bottom,
            "flags": flags(*looks, is_contradicted=contradicted),
            "phash": hashes(levels).tobytes() if self.hashes else None,
            "file_size": len(data),
            "quantization": quantization_of(image),
            "blocks": blocks_of(details),
            "sharpness": steepness,
            "border": border_of(canvas[box.top : box.bottom, box.left : box.right]),
        }
        return fields | _captured(capture) | sums(picture), file

    def keep(self, job: PhotoJob, made: _Made) -> Outcome | PhotoError:
        if isinstance(made, Outcome | PhotoError):
            return made
        fields, file = made
        if self.refusal:
            raise DatasetError(self.refusal)
        digest, version = hashlib.sha256(file).hexdigest(), ""
        if self.writes:
            if self.is_change:
                begin_change(self.output)  # type: ignore[arg-type]
                begin_change(self.output, f"{AUGMENTED}/{SUMMARY}")  # type: ignore[arg-type]
            version = self.output.write(array_path(job.photo.path), file)
        return Outcome(Record(**fields, array_sha256=digest, array_version=version), is_kept=False)


def _captured(capture: Capture) -> dict[str, Any]:
    """Return what is to be recorded of what a photograph's EXIF says."""
    position = capture.position
    return {
        "latitude": position and position.lat,
        "longitude": position and position.lon,
        "altitude": position and position.altitude,
        "accuracy": position and position.accuracy,
        "dop": position and position.dop,
        "position_from": position.position_from if position else "",
        "direction": position and position.direction,
        "direction_ref": position.direction_ref if position else "",
        "taken_at": capture.taken_at,
        "utc_offset": capture.utc_offset,
        "camera": f"{capture.make} {capture.model}".strip(),
        "utc_offset_from": capture.utc_offset_from,
    }
