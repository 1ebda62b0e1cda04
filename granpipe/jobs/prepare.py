"""Photographs in class folders -> arrays and tables that a network is trained on."""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import PIL

from granpipe import __version__
from granpipe.dataset.files import (
    AUGMENTED,
    LABELS,
    PREPARED_COLUMNS,
    REJECTED,
    REJECTED_COLUMNS,
    SUMMARY,
    Ledger,
    Rejection,
    array_digest,
    read_summary,
    save_array,
    write_summary,
    write_table,
)
from granpipe.dataset.moments import Moments, sums
from granpipe.engines import processes as parallel
from granpipe.errors import DatasetError, PhotoError
from granpipe.photo.exif import read_capture
from granpipe.photo.letterbox import Box, Colour, Pixels, letterbox
from granpipe.photo.opening import MAX_PIXELS, Found, Photo, find_photos, open_file, open_photo

Progress = Callable[[Iterator[Any], int], Iterator[Any]]

# A file name may have 255 bytes on common systems; .npy and a copy's number must still fit.
_LONGEST_NAME = 239
_RESERVED = {AUGMENTED, LABELS, REJECTED, SUMMARY}
_KEYS = {"recipe", "array_sha256", "sums", "squares", *PREPARED_COLUMNS[4:]}
# Stands for an array's digest in the record of a photograph whose twin has the array.
_TWIN = "twin"


@dataclass(slots=True)
class Report:
    """What `prepare` did, or would do.

    Attributes
    ----------
    prepared : Counter
        Photographs with an array, by label.
    rejected : list of Rejection
        In the order of their sources.
    kept, deleted, ignored : int
        Photographs that were not decoded again, arrays deleted, files that are no photographs.
    stale : bool
        The augmented set beside the arrays was made from others.
    """

    prepared: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejection] = field(default_factory=list)
    kept: int = 0
    deleted: int = 0
    ignored: int = 0
    stale: bool = False

    @property
    def found(self) -> int:
        return self.prepared.total() + len(self.rejected)


def prepare(
    source: Path,
    output: Path,
    *,
    size: int = 224,
    fill: Colour = (0, 0, 0),
    max_pixels: int = MAX_PIXELS,
    workers: int | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: Progress = lambda results, total: results,
) -> Report:
    """Letterbox every photograph of SOURCE/<label>/ into an array below OUTPUT.

    Parameters
    ----------
    source, output : Path
        Folder of class folders; folder to write, which must be new, empty or written by this
        function before.
    size : int
        Side of the arrays, in pixels.
    fill : tuple of int
        Red, green and blue of the padding, 0 to 255.
    max_pixels : int
        Width times height of the largest photograph that is decoded.
    workers : int, optional
        Number of processes; one a core unless given.
    force : bool
        Decode every photograph, also those whose arrays are up to date.
    dry_run : bool
        Decode what would be decoded, but write nothing.
    progress : callable
        Wraps the iterator over the results; takes it and their number.

    Returns
    -------
    Report

    Raises
    ------
    DatasetError
        The run cannot go on; what was done so far is taken up by the next run.
    """
    _check_folders(source, output)
    found = find_photos(source)
    if not found.photos and not found.unlisted:
        raise DatasetError(f"{source}: no photographs; expected {source}/<class>/<photograph>.jpg")
    ledger = Ledger(output, "prepare", _KEYS)
    task = _Task(
        str(source), str(output), size, fill, max_pixels, "" if dry_run else ledger.scratch
    )
    run = _Run(ledger, task, workers or os.cpu_count() or 1, force, progress)
    try:
        run.decode_all(found)
        return run.finish(found.ignored)
    finally:
        ledger.close()


def array_path(source: str) -> str:
    """Return where the array of a photograph stands, relative to the dataset.

    >>> array_path("corn/IMG_1.JPG")
    'corn/IMG_1.JPG.npy'
    """
    return source + ".npy"


def _check_folders(source: Path, output: Path) -> None:
    # Path.resolve raises on a loop of links before Python 3.13; realpath never does.
    inner, outer = Path(os.path.realpath(output)), Path(os.path.realpath(source))
    if inner == outer or outer in inner.parents:
        raise DatasetError(f"{output}: lies in {source}; choose an output outside the photographs")


def _check_name(photo: Photo) -> None:
    """Raise PhotoError for a photograph that has no label or no possible array path."""
    *folders, name = photo.source.split("/")
    if not folders:
        raise PhotoError("no_label", "is in no class folder")
    if not _is_utf8(photo.source):
        raise PhotoError("bad_name", "the name is not UTF-8")
    if folders[0].lower() in _RESERVED:
        raise PhotoError("bad_name", f"a class may not be called {folders[0]}")
    if any(folder.lower().endswith(".npy") for folder in folders):
        raise PhotoError("bad_name", "a folder may not be called .npy")
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise PhotoError("bad_name", f"the name has over {_LONGEST_NAME} bytes")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rejection(source: str, error: PhotoError) -> Rejection:
    # Bytes that are no UTF-8 are written as \xff, so that the table stays UTF-8.
    shown = os.fsencode(source).decode("utf-8", "backslashreplace")
    return Rejection(shown, error.reason, error.detail)


@dataclass(frozen=True, slots=True)
class _Task:
    """Prepare one photograph; runs in a worker. Without a `scratch` folder it writes nothing."""

    source: str
    output: str
    size: int
    fill: Colour
    max_pixels: int
    scratch: str

    @property
    def recipe(self) -> str:
        """All that decides on an array's bytes but the photograph."""
        fill = "".join(f"{channel:02x}" for channel in self.fill)
        return f"granpipe {__version__}, pillow {PIL.__version__}, {self.size}, #{fill}"

    def __call__(self, job: tuple[str, str]) -> tuple[str, str] | PhotoError:
        """Return the photograph's digest and its record, empty where the known one still holds."""
        source, known = job
        try:
            with open_file(Path(self.source, source), self.max_pixels) as file:
                data = file.read()
            sha256 = hashlib.sha256(data).hexdigest()
            if known and self._holds(source, json.loads(known), sha256):
                return sha256, ""
            return sha256, json.dumps(self._build(source, data, sha256))
        except PhotoError as error:
            return error

    def _holds(self, source: str, known: dict[str, Any], sha256: str) -> bool:
        return (
            known["recipe"] == self.recipe
            and known["sha256"] == sha256
            and known["width"] * known["height"] <= self.max_pixels
            and known["array_sha256"]
            in {_TWIN, array_digest(Path(self.output), array_path(source))}
        )

    def _build(self, source: str, data: bytes, sha256: str) -> dict[str, Any]:
        image = open_photo(data, self.max_pixels)
        capture = read_capture(image, data)
        array, box, (width, height) = letterbox(image, self.size, self.fill)
        digest = self._save(array_path(source), array) if self.scratch else ""
        position = capture.position
        return {
            "recipe": self.recipe,
            "array_sha256": digest,
            "sha256": sha256,
            "width": width,
            "height": height,
            **asdict(box),
            "latitude": position and position.lat,
            "longitude": position and position.lon,
            "altitude": position and position.altitude,
            "taken_at": capture.taken_at,
            **sums(array, box),
        }

    def _save(self, path: str, array: Pixels) -> str:
        return save_array(Path(self.output), path, array, self.scratch)


class _Run:
    """One run of `prepare`: which photographs are in, and which are rejected."""

    def __init__(
        self, ledger: Ledger, task: _Task, workers: int, force: bool, progress: Progress
    ) -> None:
        self.ledger = ledger
        self.task = task
        self.dry_run = not task.scratch
        self.workers = workers
        self.force = force
        self.progress = progress
        self.digests: dict[str, str] = {}
        self.twins: list[str] = []
        self.fresh: set[str] = set()
        self.rejected: dict[str, PhotoError] = {}
        self.kept: set[str] = set()

    def decode_all(self, found: Found) -> None:
        for folder, cause in found.unlisted:
            self.rejected[folder] = PhotoError("unreadable", cause)
        sources = [photo.source for photo in found.photos if self._has_name(photo)]
        paths = [array_path(source) for source in sources]
        self.ledger.check(paths) if self.dry_run else self.ledger.plan(paths)
        self._decode([(source, "" if self.force else self._known(source)) for source in sources])
        self._reject_twins()
        # A twin whose other half has gone since the last run needs its array again.
        without = sorted(s for s in self.kept if _TWIN in self._record(s).values())
        if without:
            self._decode([(source, "") for source in without])

    def _has_name(self, photo: Photo) -> bool:
        try:
            _check_name(photo)
        except PhotoError as error:
            self.rejected[photo.source] = error
            return False
        return True

    def _known(self, source: str) -> str:
        return self.ledger.records.get(array_path(source), "")

    def _record(self, source: str) -> dict[str, Any]:
        return json.loads(self._known(source))  # type: ignore[no-any-return]

    def _decode(self, jobs: Sequence[tuple[str, str]]) -> None:
        # Closed at once when an error or Ctrl-C ends the loop, so that no worker writes on.
        with closing(parallel.run(self.task, jobs, self.workers)) as results:
            shown = self.progress(results, len(jobs))
            for (source, _), result in zip(jobs, shown, strict=True):
                self._take(source, result)

    def _take(self, source: str, result: tuple[str, str] | PhotoError | parallel.Lost) -> None:
        self.kept.discard(source)
        self.digests.pop(source, None)
        if isinstance(result, parallel.Lost):
            self.rejected[source] = PhotoError("crashed", f"its decoder {result.cause}")
        elif isinstance(result, PhotoError):
            self.rejected[source] = result
        else:
            self._accept(source, *result)

    def _accept(self, source: str, sha256: str, record: str) -> None:
        self.digests[source] = sha256
        if not record:
            self.kept.add(source)
        elif not self.dry_run:
            if not self._has_array(source):
                self.fresh.add(source)
            self.ledger.add(array_path(source), record)

    def _has_array(self, source: str) -> bool:
        return bool(self._known(source)) and self._record(source)["array_sha256"] != _TWIN

    def _reject_twins(self) -> None:
        """Reject the same bytes under two labels, and all but the first under one."""
        groups = defaultdict(list)
        for source, sha256 in self.digests.items():
            groups[sha256].append(source)
        for twins in groups.values():
            conflict = len({Photo(source).label for source in twins}) > 1
            for source in twins if conflict else twins[1:]:
                self.rejected[source] = _twin_error(source, twins, conflict)
                self._drop(source)

    def _drop(self, source: str) -> None:
        del self.digests[source]
        self.kept.discard(source)
        self.twins.append(source)
        if not self.dry_run:
            record = self._record(source) | {"array_sha256": _TWIN}
            self.ledger.add(array_path(source), json.dumps(record))

    def finish(self, ignored: int) -> Report:
        """Bring tables and arrays on disk in line, and return the report."""
        report = self._report(ignored)
        if self.dry_run:
            return report
        folder, sources = self.ledger.folder, sorted(self.digests)
        labels = {label: index for index, label in enumerate(sorted(report.prepared))}
        write_table(folder, LABELS, PREPARED_COLUMNS, (self._row(s, labels) for s in sources))
        write_table(folder, REJECTED, REJECTED_COLUMNS, map(asdict, report.rejected))
        self.ledger.finish(
            [array_path(source) for source in sources],
            [array_path(source) for source in self.twins],
        )
        write_summary(folder, self._summary(report, sources))
        report.stale = _is_stale(folder)
        return report

    def _report(self, ignored: int) -> Report:
        rejected = [_rejection(source, error) for source, error in sorted(self.rejected.items())]
        prepared = Counter(Photo(source).label for source in self.digests)
        deleted = self.ledger.unwanted(array_path(source) for source in self.digests)
        # A twin's array that only this run wrote was never there for the user.
        deleted -= len(self.fresh.intersection(self.twins))
        return Report(prepared, rejected, len(self.kept), deleted, ignored)

    def _row(self, source: str, labels: dict[str, int]) -> dict[str, Any]:
        label = Photo(source).label
        place = {"path": array_path(source), "label": label, "label_index": labels[label]}
        return place | {"source": source} | self._record(source)

    def _summary(self, report: Report, sources: Sequence[str]) -> dict[str, Any]:
        moments, arrays = Moments(), hashlib.sha256()
        for source in sources:
            record = self._record(source)
            box = Box(*(record[side] for side in ("left", "top", "right", "bottom")))
            moments.add(record, box.width * box.height)
            arrays.update(f"{record['array_sha256']}  {array_path(source)}\n".encode())
        return {
            "granpipe": __version__,
            "pillow": PIL.__version__,
            "settings": {
                "size": self.task.size,
                "fill": list(self.task.fill),
                "max_pixels": self.task.max_pixels,
            },
            "classes": dict(sorted(report.prepared.items())),
            "found": report.found,
            "prepared": report.prepared.total(),
            "rejected": len(report.rejected),
            "ignored": report.ignored,
            "mean": moments.mean(),
            "std": moments.std(),
            "arrays_sha256": arrays.hexdigest(),
        }


def _twin_error(source: str, twins: Sequence[str], conflict: bool) -> PhotoError:
    if not conflict:
        return PhotoError("duplicate", f"same bytes as {twins[0]}")
    label = Photo(source).label
    other = next(twin for twin in twins if Photo(twin).label != label)
    return PhotoError("label_conflict", f"same bytes as {other}")


def _is_stale(folder: Path) -> bool:
    augmented, dataset = read_summary(folder / AUGMENTED), read_summary(folder)
    return bool(augmented and dataset) and (
        augmented.get("made_from") != dataset.get("arrays_sha256")  # type: ignore[union-attr]
    )
