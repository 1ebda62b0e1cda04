"""Single files: those that a user named, such as a map, and those that are read into an array."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from granpipe.errors import DatasetError
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join


def check_free(store: Store, name: str, signature: bytes, start: int = 0) -> None:
    """Raise DatasetError unless a file of this name may be written; no work is done in vain then.

    Parameters
    ----------
    store, name : Store, str
        Where it is written.
    signature : bytes
        What a file that may be replaced holds.
    start : int
        Where it holds that; by default at its beginning.
    """
    place = join(store.url, name)
    try:
        head = store.head(name, start + len(signature))
    except FileNotFoundError:
        return
    except IsADirectoryError as error:
        raise DatasetError(f"{place}: is a folder; name a file") from error
    except OSError as error:
        raise DatasetError(f"{place}: {error.strerror or error}; name another") from error
    if head and head[start:] != signature:
        raise DatasetError(f"{place}: is not a file that granpipe wrote; delete it or name another")


def check_writable(store: Store, name: str) -> None:
    """Raise DatasetError where this user may not write. A bucket answers to a write alone."""
    if not isinstance(store, Folder):
        return
    folder = Path(os.fsdecode(store.locate(name))).resolve().parent
    while not folder.exists():  # a missing folder is made
        folder = folder.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DatasetError(cannot_write(join(store.url, name), os.strerror(errno.EACCES)))


def cannot_write(place: str, why: str) -> str:
    """Return what to do where this user may not write."""
    return (
        f"cannot write to {place}: {why.lower()}; choose another output or change its permissions"
    )


def read_into(store: Store, path: str, parts: Sequence[bytearray | memoryview]) -> int:
    """Fill memory with a file's first bytes, part by part, and return how many were read.

    They are fewer than the parts hold where the file, or one call of the system, has no more.
    """
    if isinstance(store, Folder) and hasattr(os, "readv"):  # which Windows has not
        number = os.open(store.locate(path), os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.readv(number, parts)
        finally:
            os.close(number)
    data, start = store.read(path)[0], 0
    for part in parts:
        piece = data[start : start + len(part)]
        part[: len(piece)] = piece
        start += len(piece)
    return start
