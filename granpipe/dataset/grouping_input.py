"""What is known of photographs that may say which of them belong together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Numbers
from granpipe.dataset.made import Made


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a photograph that may say to which others it belongs.

    Attributes
    ----------
    source, sha256 : str
        Its path below the folder of photographs; the SHA-256 of its bytes.
    lat, lon : float
        In decimal degrees; NaN where it has no position.
    taken_at, camera : str
        Local time as ISO 8601, and make and model; each may be empty.
    group : str
        What a table of labels says of it; mostly empty.
    field : str
        The id of the field that it shows; empty where that is not known.
    """

    source: str
    sha256: str
    lat: float
    lon: float
    taken_at: str
    camera: str
    group: str = ""
    field: str = ""


_ROW = np.dtype(
    [
        *(("sha256", "V32"), ("lat", "f8"), ("lon", "f8"), ("taken_at", "S19")),
        *(("camera", "i4"), ("group", "i4"), ("field", "i4")),
    ]
)
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class GroupingInput:
    """Facts of many photographs in columns, a fifth of what they take one by one.

    Attributes
    ----------
    sources : sequence of str
    rows : structured ndarray
        Columns as `Facts` has them; a camera goes by its number, and so do a group and a field.
    cameras, groups, fields : list of str
        The first is empty.
    looks : sequence of bytes
        Of `granpipe.photo.likeness.hashes`; empty where there is too little to see. Asked for one
        after another: together they may be larger than all else.
    depth : int
        Folders that a photograph's class takes: 1 for SOURCE/<label>/, 0 where a table has labels.
    """

    sources: Sequence[str]
    rows: NDArray[Any]
    cameras: Sequence[str]
    groups: Sequence[str]
    looks: Sequence[bytes]
    depth: int = 1
    fields: Sequence[str] = ("",)

    @classmethod
    def of(cls, photos: Iterable[Facts], looks: Sequence[bytes], depth: int = 1) -> "GroupingInput":
        """Return the table of photographs, and of their looks in the same order."""
        sources: list[str] = []
        cameras, groups, fields = {"": 0}, {"": 0}, {"": 0}

        def rows() -> Iterator[tuple[object, ...]]:
            for one in photos:
                sources.append(one.source)
                camera = cameras.setdefault(one.camera, len(cameras))
                group = groups.setdefault(one.group, len(groups))
                field = fields.setdefault(one.field, len(fields))
                digest = bytes.fromhex(one.sha256[:64])
                yield digest, one.lat, one.lon, one.taken_at, camera, group, field

        table = np.fromiter(rows(), _ROW)
        return cls(sources, table, list(cameras), list(groups), looks, depth, list(fields))

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[Facts]:
        """Yield the facts of each photograph."""
        for start in range(0, len(self), _AT_ONCE):
            for number, row in enumerate(self.rows[start : start + _AT_ONCE].tolist(), start):
                digest, lat, lon, taken_at, camera, group, field = row
                yield Facts(
                    self.sources[number],
                    digest.hex(),
                    lat,
                    lon,
                    taken_at.decode(),
                    self.cameras[camera],
                    self.groups[group],
                    self.fields[field],
                )

    def at(self, places: Numbers) -> "GroupingInput":
        """Return the table of the photographs at these places."""
        numbers = places.tolist()
        sources = [self.sources[number] for number in numbers]
        looks = Made(numbers, self.looks.__getitem__)
        return replace(self, sources=sources, rows=self.rows[places], looks=looks)

    def by_digest(self) -> "GroupingInput":
        """Return the table in the order of digests, and then of sources."""
        by_source = np.array(sorted(range(len(self)), key=self.sources.__getitem__), np.int64)
        words = self.rows["sha256"][by_source].view(">u8").reshape(-1, 4)
        return self.at(by_source[np.lexsort(words.T[::-1])])

    def digest(self, number: int) -> str:
        """Return the SHA-256 of a photograph, in hexadecimal."""
        return str(self.rows["sha256"][number].tobytes().hex())
