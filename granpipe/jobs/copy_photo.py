"""What a worker does for `augment`: one array -> some copies, and the records of them."""

import hashlib
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

from granpipe import __version__
from granpipe.copies.transform import (
    AS_IT_WAS,
    Copier,
    Parameters,
    Ranges,
    draw_parameters,
    generator,
)
from granpipe.dataset.arrays import begin_change, parse_array, pixels_in
from granpipe.dataset.cells import has_column, number_in, truth_in, whole_in
from granpipe.dataset.moments import SUMS, sums
from granpipe.dataset.names import array_path
from granpipe.dataset.record import CopyRecord
from granpipe.engines.worker import Steps
from granpipe.errors import DatasetError, PhotoError
from granpipe.photo.letterbox import Box, content
from granpipe.stores.protocol import Store

PARAMETER_COLUMNS = [parameter.name for parameter in fields(Parameters)]
"""Columns of an augmented labels.csv from which a copy can be made again."""

# The first of them are flips, the last are of the light.
_FLIPS, _LIGHT = 2, -4


def copy_name(source: str, copy: int) -> str:
    """Return the name of a copy of a photograph.

    >>> copy_name("corn/IMG_1.JPG", 3)
    'corn/IMG_1.JPG.3'
    """
    return f"{source}.{copy}"


def parameters_of(row: Any) -> tuple[Box, Parameters]:
    """Return what `make_copy` takes, from a row of an augmented labels.csv.

    Parameters
    ----------
    row : mapping, Series or named tuple
        As `read_table`, csv, pandas, pyarrow or polars returns it. Where it says nothing of the
        light, that is the photograph's own.

    Raises
    ------
    PhotoError
        `unreadable`: the row is damaged, or of another table.
    """
    try:
        flips = [truth_in(row, name) for name in PARAMETER_COLUMNS[:_FLIPS]]
        numbers = [number_in(row, name) for name in PARAMETER_COLUMNS[_FLIPS:_LIGHT]]
        return _box(row), Parameters(*flips, *numbers, *_light_in(row))
    except ValueError as error:
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: {error}") from error


def _light_in(row: Any) -> list[float]:
    """Return the light of a row; the photograph's own where the table has no such columns."""
    columns = zip(PARAMETER_COLUMNS[_LIGHT:], AS_IT_WAS, strict=True)
    light = [number_in(row, name) if has_column(row, name) else own for name, own in columns]
    if light[-1] <= 0:
        raise ValueError(f"gamma is {light[-1]}, not above 0")
    return light


FIRST = 1
"""The copy of each photograph that the set's mean and deviation are of: counting takes a while."""

_NOT_COUNTED = dict.fromkeys(SUMS, 0)


@dataclass(frozen=True, slots=True)
class CopyJob:
    """Some copies of one photograph to make."""

    number: int  # which row of labels.csv is the photograph's
    source: str
    box: Box  # where the photograph is in its array
    # of each its number, its record or None, and the version in which its array is there
    copies: list[tuple[int, CopyRecord | None, str]]
    made_from: str = ""  # SHA-256 that prepare recorded of the array; empty where nobody knows


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that is there: its record, and whether it was there before."""

    record: CopyRecord
    is_kept: bool

    def __reduce__(self) -> tuple[Any, ...]:  # a third of the time that a dataclass takes
        return Copied, (self.record, self.is_kept)


_Fetched = bytes | PhotoError
_Made = list[Copied | tuple[dict[str, Any], bytearray]] | PhotoError


@dataclass(frozen=True, slots=True)
class CopyPhoto(Steps):
    """Make some copies of one photograph, in a worker: a list of `Copied`, or a `PhotoError`."""

    dataset: Store
    output: Store
    size: int
    seed: int
    ranges: Ranges
    refusal: str = ""

    @property
    def ahead(self) -> int:
        return max(self.dataset.ahead, self.output.ahead)

    def sample(self, job: CopyJob) -> tuple[Store, str]:
        return self.dataset, array_path(job.source)

    def weight(self, job: CopyJob) -> int:
        return 3 * self.size**2

    def fetch(self, job: CopyJob) -> _Fetched:
        try:
            return self.dataset.read(array_path(job.source))[0]
        except OSError as error:
            why = error.strerror or str(error)
            return PhotoError("unreadable", f"its array cannot be read: {why}")

    def work(self, job: CopyJob, fetched: _Fetched) -> _Made:
        if isinstance(fetched, PhotoError):
            return fetched
        try:
            return self._make(job, fetched)
        except PhotoError as error:
            return error

    def _make(self, job: CopyJob, data: bytes) -> _Made:
        array = parse_array(data, self.size)
        digest = hashlib.sha256(data).hexdigest()
        if job.made_from not in {"", digest}:
            raise PhotoError("unreadable", "its array is not as granpipe prepare wrote it")
        key = self.key(job.source, digest, job.box)
        copier = Copier(array, job.box)
        made: list[Copied | tuple[dict[str, Any], bytearray]] = []
        for copy, record, version in job.copies:
            if record and record.key == key and self._stands(job.source, copy, record):
                columns = {name: getattr(record, name) for name in CopyRecord.columns()}
                kept = CopyRecord(**columns | {"array_version": version})
                made.append(Copied(kept, is_kept=True))
                continue
            parameters = draw_parameters(
                generator(self.seed, job.source, copy), job.box, self.ranges
            )
            # In a quarter of the time that asdict takes.
            columns = {name: getattr(parameters, name) for name in PARAMETER_COLUMNS}
            file = bytearray(data)
            pixels = pixels_in(file, self.size)
            copier.draw(parameters, pixels)
            columns |= sums(content(pixels, job.box)) if copy == FIRST else _NOT_COUNTED
            made.append(({"key": key, "seed": self.seed, **columns}, file))
        return made

    def key(self, source: str, made_from: str, box: Box) -> str:
        """Return what identifies all that decides on the bytes of a photograph's copies."""
        recipe = (__version__, made_from, self.seed, source)
        text = f"({recipe!r}, {asdict(box)!r}, {_text_of(self.ranges)})"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _stands(self, source: str, copy: int, record: CopyRecord) -> bool:
        path = array_path(copy_name(source, copy))
        try:
            data = self.output.read(path)[0]
        except OSError:
            return False
        return hashlib.sha256(data).hexdigest() == record.array_sha256

    def keep(self, job: CopyJob, made: _Made) -> list[Copied] | PhotoError:
        if isinstance(made, PhotoError):
            return made
        copied = []
        for (copy, *_), result in zip(job.copies, made, strict=True):
            if isinstance(result, Copied):
                copied.append(result)
                continue
            if self.refusal:
                raise DatasetError(self.refusal)
            columns, file = result
            digest = hashlib.sha256(file).hexdigest()
            begin_change(self.output)  # type: ignore[arg-type]
            version = self.output.write(array_path(copy_name(job.source, copy)), file)
            record = CopyRecord(**columns, array_sha256=digest, array_version=version)
            copied.append(Copied(record, is_kept=False))
        return copied


@cache
def _text_of(ranges: Ranges) -> str:
    return repr(asdict(ranges))


def box_in(row: Any, size: int) -> Box:
    """Return a row's content box; PhotoError unless it lies inside a canvas of this size."""
    try:
        box = _box(row)
    except ValueError as error:
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: {error}") from error
    if not (0 <= box.left < box.right <= size and 0 <= box.top < box.bottom <= size):
        raise PhotoError("unreadable", f"its content box is not inside its array of side {size}")
    return box


def _box(row: Any) -> Box:
    return Box(*(whole_in(row, side) for side in ("left", "top", "right", "bottom")))
