"""The arrays of a dataset as the bytes of .npy files."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from granpipe.dataset.cells import has_cell, text_in
from granpipe.dataset.names import SUMMARY, is_array_path
from granpipe.errors import DatasetError, PhotoError
from granpipe.photo.letterbox import Colour, Pixels
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store

_MAGIC = b"\x93NUMPY\x01\0v\0"  # version 1.0, and 118 bytes of header after these ten
# NumPy's own reader raises nearly anything on damaged headers, and believes the lengths in them.
_HEADER = re.compile(
    re.escape(_MAGIC)
    + rb"\{'descr': '\|u1', 'fortran_order': False, 'shape': \(([0-9]{1,5}), ([0-9]{1,5}), 3\), \}"
    rb" +\n"
)
_HEADER_BYTES = 128


def blank_npy(size: int, fill: Colour) -> tuple[bytearray, Pixels]:
    """Return the bytes of a .npy file that is all of one colour, and its pixels, to be drawn on."""
    data = bytearray(npy_header((size, size, 3)))
    data += bytes(fill) * (size * size)
    return data, pixels_in(data, size)


def pixels_in(data: bytearray, size: int) -> Pixels:
    """Return the pixels in the bytes of a .npy file of this side; both are one memory."""
    return np.frombuffer(data, np.uint8, offset=_HEADER_BYTES).reshape(size, size, 3)


@cache
def npy_header(shape: tuple[int, ...]) -> bytes:
    """Return the 128 bytes before an array of bytes of this shape."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    padded = text.ljust(_HEADER_BYTES - len(_MAGIC) - 1) + "\n"
    return _MAGIC + padded.encode()


@cache
def begin_change(store: Store, summary: str = SUMMARY) -> None:
    """Remove dataset.json; once in each process of a run, since nothing brings it back before."""
    store.delete(summary)


def array_digest(store: Store, path: str) -> str:
    """Return the SHA-256 of an array's file, or an empty text where there is no such file."""
    try:
        return sha256_of(store.pieces(path))
    except OSError:
        return ""


def sha256_of(pieces: Iterable[bytes]) -> str:
    """Return the SHA-256 of what comes in pieces, in hexadecimal."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def sha256_of_files(files: Iterable[tuple[str, str]]) -> str:
    """Return one SHA-256 for files: of lines with the SHA-256 and the path of each, in order."""
    return sha256_of(f"{sha256}  {path}\n".encode() for sha256, path in files)


def load_array(dataset: str | os.PathLike[str] | Store, row: Any) -> Pixels:
    """Return the array of a row of labels.csv.

    Parameters
    ----------
    dataset : str, Path or Store
        What `granpipe prepare` or `granpipe augment` wrote.
    row : mapping, Series or named tuple
        A row of its labels.csv, as `read_table`, csv, pandas, pyarrow or polars returns it.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Rows from the top, channels R G B.

    Raises
    ------
    PhotoError
        `unreadable` where the array is missing, damaged or of another shape or type.
    DatasetError
        The row is a copy's, and the copies are out of date or not finished.
    """
    store = open_store(dataset) if isinstance(dataset, str | os.PathLike) else dataset
    try:
        path = text_in(row, "path")
    except ValueError as error:
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: {error}") from error
    if not is_array_path(path):
        raise PhotoError("unreadable", f"its row of labels.csv is damaged: path is {path!r}")
    if has_cell(row, "copy"):
        check_copies(store)
    with naming(path):
        return parse_array(store.read(path)[0])


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Name the array that cannot be read in the PhotoError that says so."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise PhotoError("unreadable", f"{path}: its array cannot be read: {why}") from error
    except PhotoError as error:
        raise PhotoError(error.reason, f"{path}: {error.detail}") from error


def check_copies(store: Store) -> None:
    """Raise DatasetError unless an augmented set is whole and up to date: has its dataset.json."""
    try:
        store.head(SUMMARY, 1)
    except OSError as error:
        raise DatasetError(
            f"{store.url}: the copies are out of date, or not finished; run granpipe augment"
        ) from error


def parse_array(data: bytes, size: int | None = None) -> Pixels:
    """Return the array that the bytes of a .npy file hold.

    Parameters
    ----------
    data : bytes
        The file, in the format that `numpy.lib.format` describes.
    size : int, optional
        Side that the array must have; by default, any.

    Raises
    ------
    PhotoError
        `unreadable` unless they are an array of shape (size, size, 3) and uint8 in C order, and
        neither more nor less.
    """
    header = _HEADER.match(data)
    height, width = (int(header[1]), int(header[2])) if header else (0, 0)
    if not header or header.end() != _HEADER_BYTES or height != width or size not in {None, width}:
        side = size or "N"
        raise PhotoError("unreadable", f"its array is not uint8 of shape ({side}, {side}, 3)")
    if len(data) != _HEADER_BYTES + height * width * 3:
        raise PhotoError("unreadable", f"its array has {len(data):,} bytes, not as many as it says")
    return np.frombuffer(data, np.uint8, offset=_HEADER_BYTES).reshape(height, width, 3).copy()
