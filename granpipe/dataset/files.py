"""What stands on disk: arrays, tables and the ledger of a dataset, written atomically.

Each folder that granpipe writes holds `.granpipe/ledger.jsonl`, a line of JSON for every array it
wrote or was about to write. So an interrupted run is taken up where it stopped, and nothing that
granpipe did not write is ever deleted.
"""

import csv
import filecmp
import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from granpipe.errors import DatasetError, PhotoError
from granpipe.photo.letterbox import Pixels

REASONS = {
    "no_label": "put it into a folder named after its crop",
    "bad_name": "rename it",
    "unreadable": "copy it again from where it came from",
    "truncated": "copy it again from where it came from",
    "too_large": "make it smaller, or raise --max-pixels",
    "unsupported": "save it as JPEG or PNG",
    "crashed": "save it again with another program",
    "duplicate": "nothing to do: its twin is in",
    "label_conflict": "delete it from the class where it does not belong",
}
"""Every reason for which a photograph is rejected, with what to do about it."""

PREPARED_COLUMNS = [
    *("path", "label", "label_index", "source", "sha256", "width", "height"),
    *("left", "top", "right", "bottom", "latitude", "longitude", "altitude", "taken_at"),
]
"""Header of labels.csv."""

REJECTED_COLUMNS = ["source", "reason", "detail"]
"""Header of rejected.csv."""

LABELS, REJECTED, SUMMARY, AUGMENTED = "labels.csv", "rejected.csv", "dataset.json", "augmented"
_OWN = ".granpipe"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row of rejected.csv."""

    source: str
    reason: str
    detail: str


class Ledger:
    """The arrays that granpipe wrote into a folder.

    Parameters
    ----------
    folder : Path
        The dataset, which may not exist yet.
    command : str
        Who writes here, `prepare` or `augment`.
    keys : set of str
        What a record must hold to be one.

    Attributes
    ----------
    records : dict of str to str
        By the array's path relative to the folder, its record as JSON; an empty text for an array
        that a run was about to write.

    Raises
    ------
    DatasetError
        The folder holds files and is not one that this command wrote.
    """

    def __init__(self, folder: Path, command: str, keys: Set[str]) -> None:
        self.folder = folder
        self.keys = keys
        self.records: dict[str, str] = {}
        self._first_line = json.dumps({"granpipe": command}) + "\n"
        self._path = folder / _OWN / "ledger.jsonl"
        # A folder of its own for every run: what a worker of an ended run still wants to write
        # fails before it touches anything.
        self.scratch = "/".join([_OWN, "tmp", f"{os.getpid()}-{time.time_ns()}"])
        self._file: io.TextIOWrapper | None = None
        self._planned = False
        with _disk(folder):
            own = (folder / _OWN, self._path, folder / _OWN / "tmp")
            if any(path.is_symlink() for path in own) or not self._is_ours():
                raise DatasetError(
                    f"{folder}: holds files that granpipe {command} did not write; "
                    "name an empty or a new folder"
                )
            if self._path.exists():
                self._read()

    def _is_ours(self) -> bool:
        if not self.folder.exists():
            return True
        if not self.folder.is_dir():
            return False
        if self._path.is_file():
            with self._path.open(encoding="utf-8", errors="replace") as lines:
                first = lines.readline()
            return self._first_line.startswith(first.removesuffix("\n"))
        # A run ended before its first line leaves our folder, with nothing in it.
        return all(name == _OWN for name in os.listdir(self.folder))  # noqa: PTH208

    def _read(self) -> None:
        with self._path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                # The last line of an ended run may be cut off; what it spoke of is done again.
                with suppress(ValueError, TypeError):
                    path, record = json.loads(line)
                    if is_below(path):
                        known = isinstance(record, dict) and self.keys <= record.keys()
                        self.records[path] = json.dumps(record) if known else ""

    def check(self, paths: Iterable[str]) -> None:
        """Raise DatasetError where a file that granpipe did not write has an array's place."""
        for path in paths:
            if path not in self.records and os.path.lexists(self.folder / path):
                raise DatasetError(
                    f"{self.folder / path}: was not written by granpipe; move it away"
                )

    def plan(self, paths: Sequence[str]) -> None:
        """Note that arrays may be written from now on, before the first one is.

        Raises
        ------
        DatasetError
            As `check` does.
        """
        self.check(paths)
        self._planned = True
        with _disk(self.folder):
            shutil.rmtree(self.folder / _OWN / "tmp", ignore_errors=True)
            (self.folder / self.scratch).mkdir(parents=True)
        for path in paths:
            if path not in self.records:
                self.add(path, "")

    def add(self, path: str, record: str) -> None:
        """Note that an array stands on disk, with its record."""
        self.records[path] = record
        with _disk(self.folder):
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8")
                # The cut-off last line of a run that was ended must not swallow the next one.
                self._file.write("\n" if self._file.tell() else self._first_line)
            self._file.write(f"[{json.dumps(path)}, {record or 'null'}]\n")
            self._file.flush()

    def close(self) -> None:
        """Let go of the file and of what is half written; safe at any time."""
        if self._file:
            with suppress(OSError):
                self._file.close()
        if self._planned:
            shutil.rmtree(self._path.parent / "tmp", ignore_errors=True)

    def finish(self, arrays: Sequence[str], known: Sequence[str] = ()) -> None:
        """Delete every array but these, and write the ledger anew in order.

        Parameters
        ----------
        arrays : sequence of str
            Paths of the arrays that stay.
        known : sequence of str
            Paths of records that stay although their arrays go.
        """
        if self._file:
            self._file.close()
        for path in self.records.keys() - set(arrays):
            self._delete(path)
        kept = sorted({*arrays, *known})
        lines = (f"[{json.dumps(path)}, {self.records[path]}]\n" for path in kept)
        with _disk(self.folder):
            _replace_if_changed(self._path, self.folder, chain([self._first_line], lines))

    def unwanted(self, arrays: Iterable[str]) -> int:
        """Return how many arrays `finish` would delete."""
        others = self.records.keys() - set(arrays)
        return sum((self.folder / path).is_file() for path in others)

    def _delete(self, path: str) -> None:
        with _disk(self.folder):
            if _through_link(self.folder, path) or not (self.folder / path).is_file():
                return
            (self.folder / SUMMARY).unlink(missing_ok=True)
            (self.folder / path).unlink()
            for parent in list((self.folder / path).parents)[: path.count("/")]:
                with suppress(OSError):  # not empty
                    parent.rmdir()


def save_array(folder: Path, path: str, array: Pixels, scratch: str) -> str:
    """Write an array below a dataset's folder, whole or not at all.

    The dataset's summary is removed first: a dataset without it is being changed.

    Parameters
    ----------
    folder : Path
        The dataset.
    path : str
        The array's place in it, with forward slashes.
    array : ndarray, uint8
    scratch : str
        The run's folder for half-written files, as `Ledger.scratch` says.

    Returns
    -------
    str
        SHA-256 of the file's bytes, in hexadecimal.

    Raises
    ------
    DatasetError
        The system does not let it be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, array)
    target, temporary = folder / path, folder / scratch / f"{os.getpid()}.npy"
    with _disk(target):
        if _through_link(folder, path):
            raise DatasetError(f"{target}: leads through a link out of the dataset; remove it")
        temporary.write_bytes(buffer.getbuffer())
        (folder / SUMMARY).unlink(missing_ok=True)
        try:
            temporary.replace(target)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(target)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()


def array_digest(folder: Path, path: str) -> str:
    """Return the SHA-256 of an array's file, or an empty text where there is no such file."""
    try:
        return hashlib.sha256((folder / path).read_bytes()).hexdigest()
    except OSError:
        return ""


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV table: ended by LF, quoted as in RFC 4180."""
    buffer = io.StringIO()
    # Before Python 3.13 a carriage return is quoted only where lines end with one.
    writer = csv.writer(buffer, lineterminator="\r\n")
    header = dict(zip(columns, columns, strict=True))
    for row in chain([header], rows):
        writer.writerow([row.get(column) for column in columns])
        yield buffer.getvalue().removesuffix("\r\n") + "\n"
        buffer.seek(0)
        buffer.truncate()


def write_table(
    folder: Path, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write a CSV table of a dataset."""
    with _disk(folder):
        _replace_if_changed(folder / name, folder, csv_lines(columns, rows))


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write dataset.json, which says that the dataset is whole; it is written last."""
    with _disk(folder):
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        _replace_if_changed(folder / SUMMARY, folder, [text])


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Return what dataset.json says, or None where there is none that can be read."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return summary if isinstance(summary, dict) else None


def check_free(path: Path, signature: bytes) -> None:
    """Raise DatasetError where a folder, or a file that does not begin so, has the name."""
    with _disk(path):
        if path.is_dir():
            raise DatasetError(f"{path}: is a folder; name a file")
        if path.exists() and not path.is_file():
            raise DatasetError(f"{path}: is no regular file; name another")
        if path.exists() and path.stat().st_size and not _begins_with(path, signature):
            raise DatasetError(f"{path}: is a file of another kind; delete it or name another")


def write_file(path: Path, data: bytes) -> None:
    """Write a file that a user named, whole or not at all.

    Raises
    ------
    DatasetError
        The system does not let it be written.
    """
    path = Path(os.path.realpath(path))  # a link stays one
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _begins_with(path: Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


def _replace_if_changed(path: Path, folder: Path, lines: Iterable[str]) -> None:
    temporary = folder / _OWN / "tmp" / path.name
    temporary.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    if path.is_file() and filecmp.cmp(temporary, path, shallow=False):
        temporary.unlink()
    else:
        temporary.replace(path)


def is_below(path: object) -> bool:
    return (
        isinstance(path, str)
        and path.endswith(".npy")
        and ".." not in Path(path).parts
        and not Path(path).anchor
    )


def _through_link(folder: Path, path: str) -> bool:
    parents = list((folder / path).parents)[: path.count("/")]
    return any(parent.is_symlink() for parent in parents)


@contextmanager
def _disk(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DatasetError(f"{place}: {error.strerror or error}; mend that, run again") from error


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV table.

    Raises
    ------
    DatasetError
        There is no such table, or it is not UTF-8.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: not there; run granpipe prepare first") from error
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path}: damaged ({error}); run granpipe prepare again") from error


def load_array(path: Path) -> Pixels:
    """Return an array that granpipe wrote.

    Raises
    ------
    PhotoError
        `unreadable` where it is missing, damaged or not of shape (size, size, 3) and uint8.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PhotoError("unreadable", f"its array cannot be read: {error}") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape != (len(array), len(array), 3):
        raise PhotoError("unreadable", f"its array is {array.dtype} of shape {array.shape}")
    return array  # type: ignore[no-any-return]
