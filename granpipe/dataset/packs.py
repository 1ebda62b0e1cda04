"""Packs: files of many arrays, and where in them an array stands.

A pack is a .npy file of shape (rows, size, size, 3). The ledger has a record of each pack, with its
version and number of rows, and in the record of a photograph `place` tells which row is its own.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from granpipe.dataset.arrays import npy_header, parse_array, shape_of
from granpipe.dataset.names import OWN, array_path, is_array_path
from granpipe.errors import PhotoError
from granpipe.photo.letterbox import Pixels
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store

_Dataset = str | os.PathLike[str] | Store

HALVES = f"{OWN}/packs"
"""Where packs stand until they are whole: in a folder for each run."""

HEADER_BYTES = 128

_PACK = re.compile(r"arrays-([0-9]{5,7})\.npy", re.ASCII)
_ROW = re.compile(r"[0-9]{1,7}", re.ASCII)


def pack_path(number: int) -> str:
    """Return the name of a pack.

    >>> pack_path(3)
    'arrays-00003.npy'
    """
    return f"arrays-{number:05}.npy"


def is_pack(path: str) -> bool:
    """Tell whether this is a pack's name: no photograph's array stands directly in a dataset."""
    return bool(_PACK.fullmatch(path))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array stands: in a row of a file, or alone in one where `row` is None."""

    path: str
    row: int | None = None

    def __str__(self) -> str:
        return self.path if self.row is None else f"{self.path}#{self.row}"


def read_place(text: str) -> Place:
    """Return what `str` of a place tells.

    >>> read_place("arrays-00003.npy#17")
    Place(path='arrays-00003.npy', row=17)
    """
    path, mark, row = text.rpartition("#")
    return Place(path, int(row)) if mark and _ROW.fullmatch(row) else Place(text)


def place_of(path: str, record: Mapping[str, Any]) -> Place:
    """Return where the array of a photograph stands, going by its record.

    Parameters
    ----------
    path : str
        Where it stands, or would stand, as a file of its own.
    record : mapping
    """
    return read_place(record["place"]) if record.get("place") else Place(path)


def at_home(row: dict[str, str]) -> dict[str, str]:
    """Return a row of labels.csv with the path of a file of its own, and `place` beside it."""
    if not row.get("row"):
        return row | {"place": ""}
    if not _PACK.fullmatch(row["path"]) or not _ROW.fullmatch(row["row"]):
        return row
    return row | {"path": array_path(row["source"]), "place": f"{row['path']}#{row['row']}"}


def read_alone(store: Store, place: Place, size: int) -> bytes:
    """Return an array as the bytes of a .npy file of its own; fewer where the pack is damaged.

    Raises
    ------
    OSError
        The file is not there, or cannot be read.
    """
    if place.row is None:
        return store.read(place.path)[0]
    count = 3 * size * size
    pixels = store.part(place.path, HEADER_BYTES + place.row * count, count)
    return npy_header((size, size, 3)) + pixels


def digest_at(store: Store, place: Place, size: int) -> str:
    """Return the SHA-256 of an array as a file of its own; empty where it cannot be read."""
    try:
        return sha256(read_alone(store, place, size)).hexdigest()
    except OSError:
        return ""


def find(store: Store, path: str, record: Mapping[str, Any], size: int) -> Place | None:
    """Return where the array of a record stands, by its SHA-256; None where it does not."""
    place = place_of(path, record)
    # A run that was killed may have moved a pack to its name, and not have noted it.
    moved = Place(place.path.rpartition("/")[2], place.row)
    for one in dict.fromkeys([place, moved] if place.row is not None else [place]):
        if digest_at(store, one, size) == record["array_sha256"]:
            return one
    return None


def load_array(dataset: _Dataset, row: Mapping[str, Any]) -> Pixels:
    """Return the array of a row of labels.csv.

    Parameters
    ----------
    dataset : str, Path or Store
        What `granpipe prepare` or `granpipe augment` wrote.
    row : mapping
        A row of its labels.csv, as `read_table` returns it.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Rows from the top, channels R G B.

    Raises
    ------
    PhotoError
        `unreadable` where the array is missing, damaged or of another shape or type.
    """
    store = open_store(dataset) if isinstance(dataset, str | os.PathLike) else dataset
    if not is_array_path(row.get("path")):
        raise PhotoError("unreadable", "its row of labels.csv is damaged")
    try:
        if row.get("row"):
            return _read_row(store, row)
        return parse_array(store.read(row["path"])[0])
    except OSError as error:
        why = error.strerror or str(error)
        raise PhotoError("unreadable", f"its array cannot be read: {why}") from error


def _read_row(store: Store, row: Mapping[str, Any]) -> Pixels:
    """Return the array of a row of labels.csv that stands in a pack.

    Raises
    ------
    PhotoError
        `unreadable`: the pack is damaged, or not that long.
    OSError
        It is not there.
    """
    path, number = str(row["path"]), str(row["row"])
    if not _ROW.fullmatch(number):
        raise PhotoError("unreadable", "its row of labels.csv is damaged")
    shape = shape_of(store.head(path, HEADER_BYTES))
    if len(shape) != 4 or shape[1] != shape[2] or int(number) >= shape[0]:
        raise PhotoError("unreadable", f"{path} is no pack with a row {number}")
    count = 3 * shape[1] * shape[1]
    pixels = store.part(path, HEADER_BYTES + int(number) * count, count)
    if len(pixels) < count:
        raise PhotoError("unreadable", f"{path} ends before its row {number} does")
    return np.frombuffer(pixels, np.uint8).reshape(shape[1:]).copy()


def is_sound(store: Store, path: str, rows: int, size: int) -> bool:
    """Tell whether a file has the header and the length of a pack of so many rows."""
    end = HEADER_BYTES + rows * 3 * size * size
    try:
        header = store.part(path, 0, HEADER_BYTES)
        return (
            header == npy_header((rows, size, size, 3)) and len(store.part(path, end - 1, 2)) == 1
        )
    except OSError:
        return False


def save_row(store: Store, slot: str, data: bytes | bytearray) -> str:
    """Keep an array where its pack is being made, and return its place.

    Parameters
    ----------
    store : Store
        The dataset, held by this run.
    slot : str
        A place in a pack that is not whole yet.
    data : bytes
        What `npy_bytes` returns.
    """
    place = read_place(slot)
    count = len(data) - HEADER_BYTES
    start = HEADER_BYTES + (place.row or 0) * count
    if store.fill(place.path, start, memoryview(data)[HEADER_BYTES:]):
        return slot
    alone = f"{place.path.removesuffix('.npy')}/{place.row}.npy"
    store.write(alone, data)
    return alone


def close_up(store: Store, path: str, slots: Sequence[int], size: int) -> None:
    """Make a pack of the rows that stand in these slots of a file, in their order."""
    count = 3 * size * size
    for row, slot in enumerate(slots):
        if row != slot:
            pixels = store.part(path, HEADER_BYTES + slot * count, count)
            store.fill(path, HEADER_BYTES + row * count, pixels)
    # A twin that was told late may have the last slot.
    store.fill(path, HEADER_BYTES + len(slots) * count, b"", is_end=True)
    store.fill(path, 0, npy_header((len(slots), size, size, 3)))
