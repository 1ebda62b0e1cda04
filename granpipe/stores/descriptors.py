"""Files by their descriptors: a file object takes as long as reading or writing an array."""

import os
import stat

_PIECE = 1 << 20


def check_regular(status: os.stat_result) -> None:
    """Raise OSError for what is no regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "is no regular file")


def read_all(number: int, size: int) -> bytes:
    """Return a file's bytes, in one call where it has the size that it should have."""
    data = os.read(number, size + 1)
    if len(data) == size:
        return data
    pieces = [data]
    while pieces[-1]:
        pieces.append(os.read(number, _PIECE))
    return b"".join(pieces)


def write_all(number: int, data: bytes | bytearray) -> None:
    """Write bytes, in as many calls as it takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]
