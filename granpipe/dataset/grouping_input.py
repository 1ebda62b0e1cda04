"""What is known of photographs that may say which of them belong together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Facts(NamedTuple):
    """What is known of a photograph that may say to which others it belongs.

    Attributes
    ----------
    place : int
        Its number in the order of sources, from 0.
    source, sha256 : str
        Its path below the folder of photographs; the SHA-256 of its bytes, in hexadecimal.
    lat, lon : float or None
        In decimal degrees; None where it has no position.
    taken_at, camera : str
        Local time as ISO 8601, and make and model; each may be empty.
    group : str
        What a table of labels says of it; mostly empty.
    field : str
        The id of the field that it shows; empty where that is not known.
    """

    place: int
    source: str
    sha256: str
    lat: float | None
    lon: float | None
    taken_at: str
    camera: str
    group: str = ""
    field: str = ""


NEVER = int(np.iinfo(np.int64).min)
"""The second of a photograph whose time is not known to the second."""

_WORDS = ("camera", "group", "field", "folder")
_ROW = np.dtype(
    [
        *(("place", "i4"), ("digest", "u8"), ("bytes", "i4"), ("lat", "f8"), ("lon", "f8")),
        *(("second", "i8"), *((word, "i4") for word in _WORDS)),
    ]
)
_SECONDS = len("2024-06-30T10:15:00")
_START = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class GroupingInput:
    """Facts of many photographs in columns, in the order of digests and then of sources.

    Attributes
    ----------
    rows : structured ndarray
        `digest` is the beginning of the SHA-256, of which `bytes` counts the different ones.
        `second` is since 1970, or `NEVER`. A camera goes by its number, and so do a group, a field,
        and the folder of a field; 0 is none.
    looks : iterable of bytes
        Of `granpipe.photo.likeness.hashes`, in the same order; empty where there is too little to
        see. Asked for one after another: together they may be larger than all else.
    """

    rows: NDArray[Any]
    looks: Iterable[bytes]

    @classmethod
    def of(
        cls, photos: Iterable[Facts], looks: Iterable[bytes], depth: int = 1, count: int = -1
    ) -> Self:
        """Return the table of photographs.

        Parameters
        ----------
        photos : iterable of Facts
            In the order of digests and then of sources.
        looks : iterable of bytes
        depth : int
            Folders that a photograph's class takes: 1 for SOURCE/<label>/, 0 where a table has
            labels.
        count : int
            How many photographs there are, which spares memory.
        """
        numbers: dict[str, dict[object, int]] = {word: {} for word in _WORDS}

        def number(word: str, value: object) -> int:
            return numbers[word].setdefault(value, len(numbers[word]) + 1) if value else 0

        def rows() -> Iterator[tuple[object, ...]]:
            different, last = 0, ""
            for one in photos:
                different, last = different + (one.sha256 != last), one.sha256
                yield (
                    *(one.place, int(one.sha256[:16], 16), different, one.lat, one.lon),
                    *(_second(one.taken_at), number("camera", one.camera)),
                    *(number("group", one.group), number("field", one.field)),
                    number("folder", _field_of(one.source, depth)),
                )

        return cls(np.fromiter(rows(), _ROW, count), looks)

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, number: int) -> str:
        """Return the name of the group whose first photograph this is."""
        return f"g{self.rows['digest'][number]:016x}"


def _field_of(source: str, depth: int) -> tuple[str, ...]:
    """Return a photograph's class and its field's folder; nothing where it is in none.

    Where a table says which class it is of, all of its folders are its field's.
    """
    folders = source.split("/")[:-1]
    # Not the folder of its split: a field may be in two.
    return tuple(folders[depth - 1 : depth + 1] if depth else folders) * (len(folders) > depth)


def _second(taken_at: str) -> int:
    if len(taken_at) != _SECONDS:
        return NEVER
    return (datetime.fromisoformat(taken_at) - _START) // timedelta(seconds=1)


def has_second(taken_at: NDArray[np.bytes_]) -> NDArray[np.bool_]:
    """Return which times are known to the second; others are empty, or a day of a table."""
    seconds: NDArray[np.bool_] = np.char.str_len(taken_at) == _SECONDS
    return seconds
