"""What the disk of a folder is like, and what is on it; the folder may not exist yet."""

import os
import shutil
import stat
from contextlib import suppress
from functools import cache

_LONGEST_PATH = 3_999
_SYNCED = set[bytes]()


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


def refusal(root: str, path: str) -> str:
    """Return why a folder cannot have a file of this path, or an empty text."""
    size = len(path.encode("utf-8", "replace"))
    if size > 255 and max(len(part.encode("utf-8", "replace")) for part in path.split("/")) > 255:
        return "the name is too long"
    is_too_long = os.name == "posix" and length(root) + size > _LONGEST_PATH
    return "the path is too long for the output" if is_too_long else ""


def sync_folder(folder: bytes) -> None:
    """See the names in a folder onto the disk, and once its own name; where a system can."""
    _sync(folder)
    if folder not in _SYNCED:
        _sync(os.path.dirname(folder) or b".")
        _SYNCED.add(folder)


def remove_folder(folder: bytes) -> None:
    """Remove an empty folder; OSError where it is not."""
    _SYNCED.discard(folder)
    os.rmdir(folder)


def _sync(folder: bytes) -> None:
    with suppress(PermissionError):  # of Windows, or of a folder above that is not ours
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
