"""What the disk is like on which a folder stands, or is to stand, and what stands there."""

import os
import shutil
import stat
from functools import cache

_PIECE = 1 << 20


def check_regular(status: os.stat_result) -> None:
    """Raise OSError for what is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "is no regular file")


@cache
def length(folder: str) -> int:
    """Return how many bytes the whole path of a folder has."""
    return len(os.path.abspath(os.fsencode(folder)))


def ignores_case(folder: str) -> bool:
    """Look whether the deepest folder that is there goes by its name in the other case, too."""
    place = os.path.realpath(os.fsencode(folder))
    while place != os.path.dirname(place):
        parent, name = os.path.split(place)
        other = name.swapcase()
        if name != other and os.path.isdir(place):
            try:
                return os.path.samefile(place, os.path.join(parent, other))
            except OSError:
                return False
        place = parent
    return False


def free(folder: str) -> int:
    """Return the bytes that are free there."""
    place = os.path.abspath(os.fsencode(folder))
    while not os.path.exists(place):
        place = os.path.dirname(place)
    return shutil.disk_usage(place).free


def read_all(number: int, size: int) -> bytes:
    """Return a file's bytes, in one call where it has the size that it should have."""
    data = os.read(number, size + 1)
    if len(data) == size:
        return data
    pieces = [data]
    while pieces[-1]:
        pieces.append(os.read(number, _PIECE))
    return b"".join(pieces)


def write_all(number: int, data: bytes | bytearray | memoryview) -> None:
    """Write all bytes to an open file."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]
