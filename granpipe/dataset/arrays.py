"""The arrays of a dataset, one .npy file a photograph."""

import hashlib
import io
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from granpipe.dataset.names import SUMMARY, is_array_path
from granpipe.errors import PhotoError
from granpipe.photo.letterbox import Pixels
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store

_Dataset = str | os.PathLike[str] | Store


def save_array(store: Store, path: str, array: Pixels) -> tuple[str, str]:
    """Write an array, whole or not at all.

    The dataset's summary is removed first: a dataset without it is being changed.

    Parameters
    ----------
    store : Store
        The dataset, held by this run.
    path : str
        The array's place in it, with forward slashes.
    array : ndarray of shape (size, size, 3), uint8

    Returns
    -------
    tuple of str
        SHA-256 of the file's bytes, in hexadecimal; the file's version.

    Raises
    ------
    DatasetError
        The store does not let it be written.
    """
    begin_change(store)  # type: ignore[arg-type]
    buffer = io.BytesIO()
    np.save(buffer, array)
    data = buffer.getvalue()
    return hashlib.sha256(data).hexdigest(), store.write(path, data)


@cache
def begin_change(store: Store) -> None:
    """Remove dataset.json; once in each process of a run, since nothing brings it back before."""
    store.delete(SUMMARY)


def array_digest(store: Store, path: str) -> str:
    """Return the SHA-256 of an array's file, or an empty text where there is no such file."""
    try:
        return hashlib.sha256(store.read(path)[0]).hexdigest()
    except OSError:
        return ""


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
        return parse_array(store.read(row["path"])[0])
    except OSError as error:
        why = error.strerror or str(error)
        raise PhotoError("unreadable", f"its array cannot be read: {why}") from error


def parse_array(data: bytes) -> Pixels:
    """Return the array that the bytes of a .npy file hold.

    Raises
    ------
    PhotoError
        `unreadable` unless they are an array of shape (size, size, 3) and uint8, and no more.
    """
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # NumPy raises nearly anything on hostile bytes
        raise PhotoError("unreadable", f"its array cannot be read: {error}") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape != (len(array), len(array), 3):
        raise PhotoError("unreadable", f"its array is {array.dtype} of shape {array.shape}")
    return array  # type: ignore[no-any-return]
