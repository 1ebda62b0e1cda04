"""List the files below a folder of a disk, wherever links lead."""

import os
import stat
from collections.abc import Callable, Iterator

from granpipe.stores.protocol import IS_FILE, Entry


def walk(locate: Callable[[str], bytes], folder: str, *, deep: bool) -> Iterator[Entry]:
    """Yield the files below a folder, as `Store.list` does, for which paths are located.

    Links to folders are followed last, each folder once.
    """
    folders, links = [folder], list[str]()
    entered: set[tuple[int, int]] = set()
    while folders or links:
        name = folders.pop() if folders else links.pop(0)
        if not _enter(locate(name), entered):
            continue
        try:
            with os.scandir(locate(name)) as entries:
                for entry in entries:
                    path = _join(name, entry.name.decode("utf-8", "surrogateescape"))
                    if not _is_folder(entry):
                        yield _entry(path, entry)
                    elif deep:
                        (links if entry.is_symlink() else folders).append(path)
        except OSError as error:
            if name != folder or not isinstance(error, FileNotFoundError):
                why = f"cannot list the folder: {error.strerror}"
                if isinstance(error, NotADirectoryError):
                    why = IS_FILE
                yield Entry(name, 0, "", why, is_folder=True)
        links.sort()


def _enter(place: bytes, entered: set[tuple[int, int]]) -> bool:
    try:
        status = os.stat(place)
    except OSError:
        return True  # listing it will say what is wrong
    identity = (status.st_dev, status.st_ino)
    if not status.st_ino:
        return True  # a file system without such numbers
    is_new = identity not in entered
    entered.add(identity)
    return is_new


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, for one
        return False


def _entry(path: str, entry: os.DirEntry[bytes]) -> Entry:
    try:
        status = entry.stat()
    except FileNotFoundError:
        why = "link to a file that is not there" if entry.is_symlink() else "is gone"
        return Entry(path, 0, "", why)
    except OSError as error:
        return Entry(path, 0, "", error.strerror or str(error))
    if not stat.S_ISREG(status.st_mode):
        return Entry(path, 0, "", "is no regular file")
    return Entry(path, status.st_size, version_of(status))


def version_of(status: os.stat_result) -> str:
    """Return a file's version, going by its size, time and number."""
    # Windows tells the file number of an open file only.
    number = 0 if os.name == "nt" else status.st_ino
    return f"{status.st_size:x}-{status.st_mtime_ns:x}-{number:x}"
