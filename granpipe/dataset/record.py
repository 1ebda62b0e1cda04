"""What is recorded of one array: every field once.

The index's columns, the ledger's lines and the tables follow from these classes.
"""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Self

from granpipe.dataset.names import SHARDS, SUMMARY
from granpipe.photo.letterbox import Box

WITHOUT_ARRAY = "duplicate"
"""Replaces an array's digest in the record of a photograph that is left out, and known: its
duplicate has the array, or it is flagged."""

_TYPES = {
    **{str: "TEXT", int: "INTEGER", int | None: "INTEGER"},
    **{float: "REAL", float | None: "REAL", bytes | None: "BLOB"},
}


class ArrayRecord:
    """What any kind of record can do. All have `array_sha256` and `array_version`.

    Attributes
    ----------
    suffix : str
        What an array's name has behind it in its path.
    summary : str
        The file that is written last, and says that all is whole.
    """

    __slots__: tuple[str, ...] = ()
    suffix: ClassVar[str] = ".npy"
    summary: ClassVar[str] = SUMMARY
    array_sha256: str
    array_version: str

    @classmethod
    def columns(cls) -> list[str]:
        """Return the names of the fields, in their order."""
        return list(cls.__slots__)

    @classmethod
    def declarations(cls) -> str:
        """Return the fields as columns of an SQLite table."""
        return ", ".join(f"{field.name} {_TYPES[field.type]}" for field in fields(cls))  # type: ignore[arg-type, index]

    def values(self) -> tuple[Any, ...]:
        """Return the fields' values, in their order, as SQLite takes them."""
        values: tuple[Any, ...] = _getter(type(self))(self)  # type: ignore[arg-type]
        return values

    @classmethod
    def from_values(cls, values: Iterable[Any]) -> Self:
        """Return the record of values in the order of `columns`."""
        return cls(*values)

    def __reduce__(self) -> tuple[Any, ...]:  # a third of the time that a dataclass takes
        return type(self), self.values()


@cache
def _getter(kind: type[ArrayRecord]) -> Callable[[ArrayRecord], Any]:
    return attrgetter(*kind.__slots__)


@dataclass(frozen=True, slots=True)
class Record(ArrayRecord):
    """What is recorded of a photograph and its array.

    Attributes
    ----------
    recipe : str
        The settings, and the versions of what draws.
    sha256, version : str
        Of the photograph's file: SHA-256 of its bytes, in hexadecimal; what a listing says of it,
        empty while the file is too young.
    array_sha256, array_version : str
        The same of the array's file; `WITHOUT_ARRAY` where another photograph has the array.
    max_memory : int
        Bytes that its decoding was allowed to take.
    width, height : int
        Sides of the upright photograph, in pixels.
    left, top, right, bottom : int
        Its content box in the canvas, in pixels, half-open.
    latitude, longitude : float or None
        Decimal degrees, WGS 84.
    altitude : float or None
        Metres above sea level.
    accuracy, dop : float or None
        Metres by which the position may be wrong, sideways; its dilution of precision.
    direction : float or None
        Degrees clockwise from north that the camera looked to.
    direction_ref, position_from : str
        `true` or `magnetic`; `exif` or `xmp`. Empty where nothing is known.
    taken_at, utc_offset, camera : str
        Local time as ISO 8601; what it is ahead of UTC, as +02:00; make and model. May be empty.
    utc_offset_from : str
        `exif` where the offset is written, `gps` where it follows from the position's time.
    flags : str
        Words from `granpipe.photo.quality.FLAGS`, with blanks between.
    red, green, blue, red_squares, green_squares, blue_squares : int
        Sums of the content's levels, 0 to 255, and of their squares.
    phash : bytes or None
        Of `granpipe.photo.likeness.hashes`: hashes of 32 bytes one after another, none where there
        is too little to see; None where nobody has asked for them.
    file_size : int
        Of the photograph, in bytes.
    quantization, blocks, border : int or None, str, bytes or None
        Of `granpipe.photo.traces`, which like the sharpness are for shortcuts.csv.
    sharpness : float or None
        Of `granpipe.photo.quality.sharpness`.
    """

    recipe: str
    sha256: str
    version: str
    array_sha256: str
    array_version: str
    max_memory: int
    width: int
    height: int
    left: int
    top: int
    right: int
    bottom: int
    latitude: float | None
    longitude: float | None
    altitude: float | None
    taken_at: str
    utc_offset: str
    camera: str
    utc_offset_from: str
    flags: str
    red: int
    green: int
    blue: int
    red_squares: int
    green_squares: int
    blue_squares: int
    phash: bytes | None = None
    file_size: int = 0
    quantization: int | None = None
    blocks: str = ""
    sharpness: float | None = None
    border: bytes | None = None
    accuracy: float | None = None
    dop: float | None = None
    position_from: str = ""
    direction: float | None = None
    direction_ref: str = ""

    @property
    def box(self) -> Box:
        """Where the photograph is in its array."""
        return Box(self.left, self.top, self.right, self.bottom)


@dataclass(frozen=True, slots=True)
class CopyRecord(ArrayRecord):
    """What is recorded of an augmented copy and its array.

    Attributes
    ----------
    key : str
        Identifies all that decides on the bytes: version, photograph, seed and ranges.
    seed : int
    flip_horizontal, flip_vertical : int
        0 or 1.
    angle : float
        Degrees.
    crop_left, crop_top, crop_right, crop_bottom : float
        Pixels of the canvas; see `granpipe.copies.transform.Parameters`.
    brightness, contrast, warmth, gamma : float
        The light; see there.
    array_sha256, array_version : str
        SHA-256 of the array's file, in hexadecimal; what a listing says of the file.
    red, green, blue, red_squares, green_squares, blue_squares : int
        As in `Record`, of the first copy of a photograph; 0 of others.
    """

    key: str
    seed: int
    flip_horizontal: int
    flip_vertical: int
    angle: float
    crop_left: float
    crop_top: float
    crop_right: float
    crop_bottom: float
    brightness: float
    contrast: float
    warmth: float
    gamma: float
    array_sha256: str
    array_version: str
    red: int
    green: int
    blue: int
    red_squares: int
    green_squares: int
    blue_squares: int


@dataclass(frozen=True, slots=True)
class ShardRecord(ArrayRecord):
    """What is recorded of a shard.

    Attributes
    ----------
    key : str
        Identifies all that decides on the bytes: samples, their rows and the format.
    samples, size : int
        How many it holds; bytes of its file.
    array_sha256, array_version : str
        SHA-256 of the file, in hexadecimal; what a listing says of it.
    """

    suffix: ClassVar[str] = ".tar"
    summary: ClassVar[str] = SHARDS
    key: str
    samples: int
    size: int
    array_sha256: str
    array_version: str


def to_json(values: Sequence[Any]) -> str:
    """Return values as JSON: bytes as base64 in a list.

    >>> to_json(["a", None, b"xyz"])
    '["a",null,["eHl6"]]'
    """
    return _encode(values)


_encode = json.JSONEncoder(
    separators=(",", ":"), default=lambda data: [base64.b64encode(data).decode()]
).encode


def from_json_values(values: Sequence[Any]) -> list[Any]:
    """Return the values of what `to_json` wrote, parsed.

    >>> from_json_values(["a", None, ["eHl6"]])
    ['a', None, b'xyz']
    """
    return [base64.b64decode(one[0]) if isinstance(one, list) else one for one in values]
