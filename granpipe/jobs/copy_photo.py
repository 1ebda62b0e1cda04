"""What a worker does for `augment`: one array -> some copies, and the records of them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from granpipe import __version__
from granpipe.copies.transform import Copier, Parameters, Ranges, draw_parameters, generator
from granpipe.dataset.arrays import parse_array, pixels_in, save_array
from granpipe.dataset.packs import Place, find, read_alone, read_place, save_row
from granpipe.errors import DatasetError, PhotoError
from granpipe.photo.letterbox import Box
from granpipe.stores.protocol import Store

PARAMETER_COLUMNS = [parameter.name for parameter in fields(Parameters)]
"""Columns of an augmented labels.csv from which a copy can be made again."""


def copy_path(path: str, copy: int) -> str:
    """Return where a copy stands, relative to the augmented set.

    >>> copy_path("corn/IMG_1.JPG.npy", 3)
    'corn/IMG_1.JPG.3.npy'
    """
    return f"{path.removesuffix('.npy')}.{copy}.npy"


def parameters_of(row: Mapping[str, str]) -> tuple[Box, Parameters]:
    """Return what `make_copy` takes, from a row of an augmented labels.csv.

    Raises
    ------
    PhotoError
        `unreadable`: the row is damaged.
    """
    try:
        flips = [row[name] == "1" for name in PARAMETER_COLUMNS[:2]]
        return _box(row), Parameters(*flips, *(float(row[name]) for name in PARAMETER_COLUMNS[2:]))
    except (KeyError, TypeError, ValueError) as error:
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: {error}") from error


@dataclass(frozen=True, slots=True)
class Job:
    """Copies of one photograph to make.

    Attributes
    ----------
    number : int
        Which row of labels.csv is the photograph's.
    row : dict
        The photograph's row of labels.csv.
    copies : range
        Numbers of the copies.
    known, versions : list of str
        The record of each copy as JSON, or empty; the version in which its array stands there.
    made_from : str
        SHA-256 that prepare recorded of the photograph's array; empty where nobody knows.
    slots : list of str
        Where each copy is to be kept until its pack is whole; empty where they stand alone.
    """

    number: int
    row: dict[str, str]
    copies: range
    known: list[str]
    versions: list[str]
    made_from: str = ""
    slots: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that stands there: its record as JSON, and whether it stood there before."""

    record: str
    is_kept: bool


_Fetched = tuple[bytes, str] | PhotoError
_Made = list[tuple[dict[str, Any], Any] | str] | PhotoError


@dataclass(frozen=True, slots=True)
class CopyPhoto:
    """Make some copies of one photograph; runs in a worker, in `granpipe.engines.worker.Steps`."""

    dataset: Store
    output: Store
    size: int
    seed: int
    ranges: Ranges
    refusal: str = ""

    @property
    def ahead(self) -> int:
        return max(self.dataset.ahead, self.output.ahead)

    def __call__(self, job: Job) -> list[Copied] | PhotoError:
        """Return what was made of each copy, or why there is none."""
        return self.keep(job, self.work(job, self.fetch(job)))

    def sample(self, job: Job) -> tuple[Store, str]:
        """Return a file that whoever works on this must be able to read."""
        return self.dataset, job.row["path"]

    def weight(self, job: Job) -> int:
        return 3 * self.size**2

    def fetch(self, job: Job) -> _Fetched:
        try:
            place = job.row.get("place")
            home = read_place(place) if place else Place(job.row["path"])
            return read_alone(self.dataset, home, self.size), ""
        except OSError as error:
            why = error.strerror or str(error)
            return PhotoError("unreadable", f"its array cannot be read: {why}")

    def work(self, job: Job, fetched: _Fetched) -> _Made:
        try:
            return self._make(job, fetched)
        except PhotoError as error:
            return error

    def _make(self, job: Job, fetched: _Fetched) -> _Made:
        if isinstance(fetched, PhotoError):
            return fetched
        array = parse_array(fetched[0], self.size)
        digest = hashlib.sha256(fetched[0]).hexdigest()
        if job.made_from not in {"", digest}:
            raise PhotoError("unreadable", "its array is not as granpipe prepare wrote it")
        box = box_in(job.row, len(array))
        key = self.key(job.row, digest, box)
        copier = Copier(array, box)
        made: list[tuple[dict[str, Any], Any] | str] = []
        for copy, known, version in zip(job.copies, job.known, job.versions, strict=True):
            path = copy_path(job.row["path"], copy)
            kept = known and self._kept(path, json.loads(known), key, version)
            if kept:
                made.append(kept)
                continue
            rng = generator(self.seed, job.row["source"], copy)
            parameters = draw_parameters(rng, box, self.ranges)
            # In a quarter of the time that asdict takes.
            columns = {name: getattr(parameters, name) for name in PARAMETER_COLUMNS}
            data = bytearray(fetched[0])
            copier.draw(parameters, pixels_in(data, self.size))
            made.append(({"key": key, "seed": self.seed, **columns}, data))
        return made

    def key(self, row: Mapping[str, str], made_from: str, box: Box) -> str:
        """Return what stands for all that decides on the bytes of a photograph's copies."""
        recipe = (__version__, made_from, self.seed, row["source"])
        text = repr((recipe, asdict(box), asdict(self.ranges)))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _kept(self, path: str, known: dict[str, Any], key: str, version: str) -> str:
        """Return the known record with the version of today, or an empty text."""
        if known.get("key") != key:
            return ""
        place = find(self.output, path, known, self.size)
        if not place:
            return ""
        there = {"place": str(place)} if known.get("place") else {}
        return json.dumps(known | {"array_version": version} | there, separators=(",", ":"))

    def keep(self, job: Job, made: _Made) -> list[Copied] | PhotoError:
        if isinstance(made, PhotoError):
            return made
        copied = []
        slots = job.slots or [""] * len(job.copies)
        for copy, one, slot, there in zip(job.copies, made, slots, job.versions, strict=True):
            if isinstance(one, str):
                copied.append(Copied(one, is_kept=True))
                continue
            if self.refusal:
                raise DatasetError(self.refusal)
            record, data = one
            record |= {"array_sha256": hashlib.sha256(data).hexdigest(), "array_version": there}
            if slot:
                record["place"] = save_row(self.output, slot, data)
            else:
                path = copy_path(job.row["path"], copy)
                record["array_version"] = save_array(self.output, path, data)
            copied.append(Copied(json.dumps(record, separators=(",", ":")), is_kept=False))
        return copied


def box_in(row: Mapping[str, str], size: int) -> Box:
    """Return a row's content box; PhotoError unless it lies inside a canvas of this size."""
    try:
        box = _box(row)
    except (TypeError, ValueError) as error:
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: {error}") from error
    if not (0 <= box.left < box.right <= size and 0 <= box.top < box.bottom <= size):
        raise PhotoError("unreadable", f"its content box is not inside its array of side {size}")
    return box


def _box(row: Mapping[str, str]) -> Box:
    return Box(*(int(row[side]) for side in ("left", "top", "right", "bottom")))
