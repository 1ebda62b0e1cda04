"""What the records say of photographs besides the plant, in columns: the facts of shortcuts.csv.

Texts that strangers wrote, as a camera's name, go by a number, so that 300,000 of them take the
memory of as many numbers.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Numbers
from granpipe.dataset.grouping_input import has_second
from granpipe.dataset.shortcut_facts import (
    Cells,
    Columns,
    Fact,
    Hour,
    Place,
    Season,
    Weights,
    Words,
    by_rank,
)
from granpipe.photo.traces import BORDER

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
        *(("file_size", "f8"), ("quantization", "f4"), ("sharpness", "f8"), ("light", "i2")),
        *(("colour", "i2", (2,)), ("border", "V24"), ("has_border", "?")),
    ]
)
_DIGITS = re.compile("[0-9]+")
# Red, green and blue turned into light, red against blue, and green against both.
_TURN = np.array([[1, 1, -1], [1, 0, 2], [1, -1, -1]], np.int16)


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
    def of(cls, photos: Iterable[tuple[Any, ...]], count: int = -1) -> Self:
        """Return the columns of photographs; to know their count spares memory.

        Of each there are group, class and name, and the fields of `COLUMNS`; they are sorted by
        group and SHA-256.
        """
        classes: dict[str, int] = {}

        def rows() -> Iterator[tuple[Any, ...]]:
            number, last = -1, None
            for group, label, name, *values in photos:
                number, last = number + (group != last), group
                yield (classes.setdefault(label, len(classes)), number, *_row(name, values))

        columns = np.fromiter(rows(), _ROW, count)  # which fills the classes
        return cls(list(classes), columns)

    def facts(self) -> list[Fact]:
        """Return what may give a class away.

        Circumstances are how a photograph was taken, the frame is its file's, and the scene is what
        is seen, perhaps the plant.
        """
        rows, taken_at = self.rows, self.rows["taken_at"]
        how, frame, scene = "circumstance", "frame", "scene"
        return [
            Place("place", how, lambda: np.stack([rows["lat"], rows["lon"]], axis=1)),
            Season("season", how, lambda: _timed(taken_at, taken_at != b"", _days_of_year)),
            Fact("date", how, lambda: _timed(taken_at, taken_at != b"", _days)),
            # A day of a table has no hour.
            Hour("hour", how, lambda: _timed(taken_at, has_second(taken_at), _hours)),
            *(Words(word, how, partial(rows.__getitem__, word)) for word in WORDS),
            Fact("shape", frame, lambda: np.round(rows["width"] / rows["height"], 2)),
            Fact("pixels", frame, self._pixels),
            Fact("quality", frame, lambda: rows["quantization"]),
            Fact("density", scene, lambda: rows["file_size"] / self._pixels()),
            Fact("light", scene, lambda: rows["light"]),
            Columns("colour", scene, lambda: rows["colour"]),
            Fact("sharpness", scene, lambda: rows["sharpness"]),
            Border("border", scene, self._border),
        ]

    def _pixels(self) -> NDArray[np.float64]:
        return self.rows["width"] * self.rows["height"].astype(np.float64)

    def _border(self) -> NDArray[np.uint8]:
        """Return the bytes of each photograph's border, and whether it has any."""
        return self.rows.view(np.uint8).reshape(-1, _ROW.itemsize)[:, -3 * BORDER - 1 :]


class Border(Fact):
    """Colours of each photograph's border, of which each is turned and cut by itself."""

    def has(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        has: NDArray[np.bool_] = values[:, -1] > 0
        return has

    def cells(self, values: NDArray[Any], weight: Weights, depth: int) -> Cells:
        points = (values[:, start : start + 3] for start in range(0, 3 * BORDER, 3))
        columns = (column for point in points for column in (point.astype(np.int16) @ _TURN).T)
        return np.stack([by_rank(column, weight, 1 << depth) for column in columns])


def _row(name: str, values: list[Any]) -> tuple[Any, ...]:
    """Return the numbers of a photograph, in the order of the columns but the first two."""
    record = dict(zip(COLUMNS, values, strict=True))
    lat, lon, sharpness, quantization = (
        np.nan if record[one] is None else record[one]
        for one in ("latitude", "longitude", "sharpness", "quantization")
    )
    pixels = (record["right"] - record["left"]) * (record["bottom"] - record["top"])
    red, green, blue = (record[colour] for colour in ("red", "green", "blue"))
    turned = red + green + blue, red - blue, 2 * green - red - blue  # as `_TURN` does
    light, *colour = (one / pixels for one in turned)
    dyed, border = tuple(round(10 * one) for one in colour), record["border"]
    return (
        *(number_of(text(name, record)) for text in WORDS.values()),
        *(lat, lon, record["taken_at"].encode(), record["width"], record["height"]),
        *(record["file_size"] or np.nan, quantization, sharpness),
        *(round(light), dyed, border or b"", border is not None),
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
    """Return the texts of numbers that are wanted, each by its fact's name and itself.

    The photographs are those of `Circumstances.of`.
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


def _timed(
    taken_at: NDArray[np.bytes_], has: NDArray[np.bool_], of: Callable[[NDArray[Any]], Any]
) -> NDArray[np.float64]:
    """Return what is made of times; NaN where there is none."""
    column = np.full(len(taken_at), np.nan)
    column[has] = of(taken_at[has].astype("datetime64[s]"))
    return column


def _days(moments: NDArray[np.datetime64]) -> Numbers:
    """Return days since 1970."""
    return moments.astype("datetime64[D]").astype(np.int64)


def _days_of_year(moments: NDArray[np.datetime64]) -> Numbers:
    return _days(moments) - _days(moments.astype("datetime64[Y]")) + 1


def _hours(moments: NDArray[np.datetime64]) -> NDArray[np.float64]:
    return (moments.astype(np.int64) // 60 % (24 * 60)) / 60
