"""What the records say of photographs besides the plant, in columns: the facts of shortcuts.csv.

Texts that strangers wrote, as a camera's name, go by a number, so that 300,000 of them take the
memory of as many numbers.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.groups import has_second
from granpipe.dataset.shortcut_facts import (
    Columns,
    Fact,
    Hour,
    Numbers,
    Place,
    Season,
    Words,
)
from granpipe.photo.traces import BORDER

CIRCUMSTANCE, FRAME, SCENE = "circumstance", "frame", "scene"
"""Sorts of facts: how it was taken; what the file's frame is; what is seen, perhaps the plant."""

COLUMNS = (
    *("latitude", "longitude", "taken_at", "camera", "blocks", "width", "height", "file_size"),
    *("quantization", "sharpness", "border", "left", "top", "right", "bottom"),
    *("red", "green", "blue"),
)
"""Fields of `granpipe.dataset.record.Record` that are asked for."""

_ROW = np.dtype(
    [
        *(("class", "i4"), ("group", "i4"), ("camera", "u8"), ("exif", "u8"), ("name", "u8")),
        *(("lat", "f8"), ("lon", "f8"), ("taken_at", "S19"), ("width", "i4"), ("height", "i4")),
        *(("file_size", "f8"), ("quantization", "f4"), ("sharpness", "f8"), ("border", "V24")),
        *(("pixels", "i4"), ("sums", "i8", (3,)), ("has_border", "?")),
    ]
)
_DIGITS = re.compile("[0-9]+")
# Red, green and blue turned into light, red against blue, and green against both.
_TURN = np.array([[1, 1, -1], [1, 0, 2], [1, -1, -1]])


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What is recorded of many photographs, in the order of groups and then digests.

    Attributes
    ----------
    classes : list of str
        In the order of the first photograph of each: their names decide on nothing.
    rows : structured ndarray
    """

    classes: list[str]
    rows: NDArray[Any]

    @classmethod
    def of(cls, photos: Iterable[tuple[Any, ...]]) -> Self:
        """Return the columns of photographs.

        Parameters
        ----------
        photos : iterable of tuple
            Group, class and name of each, and the fields of `COLUMNS`; sorted by group and SHA-256.
        """
        classes: dict[str, int] = {}

        def rows() -> Iterator[tuple[Any, ...]]:
            number, last = -1, None
            for group, label, name, *values in photos:
                number, last = number + (group != last), group
                yield (classes.setdefault(label, len(classes)), number, *_row(name, values))

        columns = np.fromiter(rows(), _ROW)  # which fills the classes
        return cls(list(classes), columns)

    @property
    def label(self) -> Numbers:
        return self.rows["class"].astype(np.int64)

    @property
    def group(self) -> Numbers:
        return self.rows["group"].astype(np.int64)

    def facts(self) -> list[Fact]:
        """Return what may give a class away."""
        return [*self._circumstance(), *self._frame(), *self._scene()]

    def _circumstance(self) -> list[Fact]:
        rows, sort = self.rows, CIRCUMSTANCE
        day, season, hour = _times(rows["taken_at"])
        return [
            Place("place", sort, np.stack([rows["lat"], rows["lon"]], axis=1)),
            Season("season", sort, season),
            Fact("date", sort, day),
            Hour("hour", sort, hour),
            *(Words(word, sort, rows[word]) for word in WORDS),
        ]

    def _frame(self) -> list[Fact]:
        width, height = self._sides()
        return [
            Fact("shape", FRAME, np.round(width / height, 2)),
            Fact("pixels", FRAME, width * height),
            Fact("quality", FRAME, self.rows["quantization"]),
        ]

    def _scene(self) -> list[Fact]:
        rows = self.rows
        width, height = self._sides()
        mean = (rows["sums"] @ _TURN) / rows["pixels"][:, None]
        return [
            Fact("density", SCENE, rows["file_size"] / (width * height)),
            Fact("light", SCENE, np.rint(mean[:, 0])),
            Columns("colour", SCENE, np.rint(10 * mean[:, 1:])),
            Fact("sharpness", SCENE, rows["sharpness"]),
            Columns("border", SCENE, self._border()),
        ]

    def _sides(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.rows["width"].astype(np.float64), self.rows["height"].astype(np.float64)

    def _border(self) -> NDArray[np.float32]:
        """Return the turned colours of each photograph's border, of shape (n, 24)."""
        data = np.ascontiguousarray(self.rows["border"]).view(np.uint8)
        turned = data.reshape(-1, BORDER, 3).astype(np.int16) @ _TURN.astype(np.int16)
        border = turned.reshape(-1, 3 * BORDER).astype(np.float32)
        border[~self.rows["has_border"]] = np.nan
        return border


def _row(name: str, values: list[Any]) -> tuple[Any, ...]:
    """Return the numbers of a photograph, in the order of the columns but the first two."""
    record = dict(zip(COLUMNS, values, strict=True))
    lat, lon, sharpness, quantization = (
        np.nan if record[one] is None else record[one]
        for one in ("latitude", "longitude", "sharpness", "quantization")
    )
    pixels = (record["right"] - record["left"]) * (record["bottom"] - record["top"])
    sums = record["red"], record["green"], record["blue"]
    border = record["border"]
    return (
        *(number_of(text(name, record)) for text in WORDS.values()),
        *(lat, lon, record["taken_at"].encode(), record["width"], record["height"]),
        *(record["file_size"] or np.nan, quantization, sharpness, border or b""),
        *(pixels, sums, border is not None),
    )


def _camera(_: str, record: dict[str, Any]) -> str:
    return str(record["camera"])


def _exif(_: str, record: dict[str, Any]) -> str:
    """Return which blocks a file has, and what EXIF says: `exif camera time`; or `none`."""
    has = {
        "camera": record["camera"],
        "time": record["taken_at"],
        "place": record["latitude"] is not None,
    }
    return " ".join([*record["blocks"].split(), *(word for word in has if has[word])]) or "none"


def _name(name: str, _: dict[str, Any]) -> str:
    """Return a photograph's name with 0 for all its numbers: `IMG_0_0.jpg`."""
    return _DIGITS.sub("0", name.rpartition("/")[2])


WORDS = {"camera": _camera, "exif": _exif, "name": _name}
"""Facts that are texts: what makes each of a photograph's name and record."""


@lru_cache(10_000)
def number_of(text: str) -> int:
    """Return the number of a text; 0 for none."""
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") if text else 0


def texts_of(
    photos: Iterable[tuple[Any, ...]], wanted: Collection[tuple[str, int]]
) -> dict[tuple[str, int], str]:
    """Return the texts for which these numbers of facts mean.

    Parameters
    ----------
    photos : iterable of tuple
        As `Circumstances.of` takes them.
    wanted : collection of tuple
        Facts' names and numbers.
    """
    texts: dict[tuple[str, int], str] = {}
    for _, _, name, *values in photos:
        if len(texts) == len(wanted):
            break
        record = dict(zip(COLUMNS, values, strict=True))
        for fact, _number in wanted:
            text = WORDS[fact](name, record)
            if (key := (fact, number_of(text))) in wanted:
                texts[key] = text
    return texts


def _times(taken_at: NDArray[np.bytes_]) -> list[NDArray[np.float64]]:
    """Return days since 1970, days of the year from 1, and hours; NaN where there is no time."""
    has = taken_at != b""
    moments = taken_at[has].astype("datetime64[s]")
    days = moments.astype("datetime64[D]")
    years = days.astype("datetime64[Y]").astype("datetime64[D]")
    minutes = (moments - days).astype(np.int64) // 60
    values = days.astype(np.int64), (days - years).astype(np.int64) + 1, minutes / 60
    found = []
    for value in values:
        column = np.full(len(taken_at), np.nan)
        column[has] = value
        found.append(column)
    found[2][~has_second(taken_at)] = np.nan  # a day of a table has no hour
    return found
