"""A dataset as trainers take it: arrays by index, or copies of them, made when asked for."""

import os
from collections.abc import Sequence
from operator import index
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from granpipe import checks
from granpipe.checks import checked
from granpipe.copies.transform import Copier, Ranges, draw_parameters, generator
from granpipe.dataset.arrays import naming, npy_header, parse_array
from granpipe.dataset.columns import Columns, read_columns
from granpipe.dataset.names import source_of
from granpipe.dataset.tables import read_summary
from granpipe.errors import DatasetError, OptionError, PhotoError
from granpipe.photo.letterbox import Pixels
from granpipe.stores.files import read_into
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_store

_ITEMS = checks.Whole(0, 1_000_000)
_EPOCH = checks.Whole(0)
_SPLIT = checks.Choice(("train", "validation", "test", "all"))


class Photographs:
    """The arrays of a dataset and their classes, as a map-style data set.

    PyTorch's DataLoader takes it as it is; nothing of torch is imported. `batch` serves the others.
    It holds columns, no rows and no open files: it is small to pickle, and safe to fork.

    Parameters
    ----------
    dataset : str or Path
        What `granpipe prepare` wrote, a folder or an s3:// URL; or what `granpipe augment` wrote,
        whose copies are read as they are.
    split : str
        `train`, which is all where the dataset has no split, `validation`, `test`, or `all`.
    copies : int
        0 for the original arrays; else so many copies of each in an epoch, made when asked for.
    epoch : int
        Copy k, from 1, of an epoch e, from 0, is number e * copies + k of `granpipe augment`: for
        the same seed and ranges, the same bytes. May be set again, before workers are started.
    seed : int
        Another seed makes other copies.
    ranges : Ranges
        What flips, angles and crops are drawn from.

    Attributes
    ----------
    classes : list of str
        In the order of the index.
    size : int
        Side of the arrays, in pixels.
    mean, std : ndarray of shape (3,), float32
        Of the channels, 0 to 1, without padding, of the training split where there is one.

    Raises
    ------
    OptionError
        An argument is not what it may be.
    DatasetError
        The dataset is not finished, or damaged, or has no such split; or its copies are out of
        date.

    Examples
    --------
    >>> train = Photographs("out", split="train", copies=5)  # doctest: +SKIP
    >>> array, label_index = train[0]  # doctest: +SKIP
    >>> arrays, labels = train.batch([0, 1, 2])  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset: str | os.PathLike[str] = "out",
        split: str = "train",
        copies: int = 0,
        epoch: int = 0,
        seed: int = 0,
        ranges: Ranges = Ranges(),  # noqa: B008 - frozen
    ) -> None:
        self._split = checked("split", split, _SPLIT)
        self._copies = checked("copies", copies, _ITEMS)
        self._each = max(1, self._copies)  # items of a photograph
        self._seed = checked("seed", seed, checks.SEED)
        self.epoch = epoch
        if not isinstance(ranges, Ranges):
            raise OptionError(f"ranges: {ranges!r} is not Ranges(...)")
        self._ranges = ranges
        self._store = open_store(checked("dataset", dataset, checks.place))
        self._process = os.getpid()
        summary = _summary_of(self._store)
        if self.copies and "made_from" in summary:
            raise DatasetError(f"{self._store.url}: is an augmented set itself; leave copies at 0")
        side = "" if self.split == "all" else self.split
        self._columns = _columns_of(self._store, side, summary)
        self.classes = list(summary["classes"])
        self.size = _size_of(self._store, self._columns, summary)
        self.mean, self.std = (np.array(summary[name], np.float32) for name in ("mean", "std"))

    @property
    def split(self) -> str:
        """Whose arrays these are; another split is another `Photographs`."""
        return self._split

    @property
    def copies(self) -> int:
        """Copies of each photograph."""
        return self._copies

    @property
    def seed(self) -> int:
        """The seed of the copies."""
        return self._seed

    @property
    def ranges(self) -> Ranges:
        """What copies are drawn from."""
        return self._ranges

    @property
    def epoch(self) -> int:
        """Which copies are made; see the class."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = checked("epoch", epoch, _EPOCH)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The label_index of each item."""
        return np.repeat(self._columns.labels, self._each)

    def __len__(self) -> int:
        return len(self._columns) * self._each

    def __repr__(self) -> str:
        copies = f", copies={self.copies}, epoch={self.epoch}" if self.copies else ""
        counted = f"{len(self._columns)} photographs of {len(self.classes)} classes"
        return f"<Photographs {self._store.url!r}, {self.split}{copies}: {counted}>"

    def __getitem__(self, item: SupportsIndex) -> tuple[Pixels, int]:
        """Return an array of shape (size, size, 3), uint8, and its label_index.

        Raises
        ------
        IndexError
            There is no such item.
        PhotoError
            The array is missing or damaged.
        """
        place = self._checked(index(item))
        array = np.empty((self.size, self.size, 3), np.uint8)
        self._draw(place, array)
        return array, int(self._columns.labels[place // self._each])

    def __getitems__(self, items: Sequence[SupportsIndex]) -> list[tuple[Pixels, int]]:
        """Return several items, as `__getitem__` does, in one call."""
        arrays, labels = self.batch([index(item) for item in items])
        return list(zip(arrays, labels.tolist(), strict=True))

    def batch(self, items: ArrayLike) -> tuple[Pixels, NDArray[np.int64]]:
        """Return several items as two arrays.

        Parameters
        ----------
        items : sequence of int, or ndarray of shape (n,)

        Returns
        -------
        arrays : ndarray of shape (n, size, size, 3), uint8
        labels : ndarray of shape (n,), int64
            Their label_index.

        Raises
        ------
        IndexError, PhotoError
            As `__getitem__` does.
        """
        places = [self._checked(index(item)) for item in np.asarray(items).ravel()]
        arrays = np.empty((len(places), self.size, self.size, 3), np.uint8)
        for place, array in zip(places, arrays, strict=True):
            self._draw(place, array)
        rows = np.array(places, np.int64) // self._each
        return arrays, self._columns.labels[rows]

    def source(self, item: SupportsIndex) -> str:
        """Return an item's photograph, below SOURCE; in an augmented set with the copy's number."""
        place = self._checked(index(item))
        return source_of(self._columns.path(place // self._each))

    def weights(self) -> NDArray[np.float64]:
        """Return a weight for each item, the same in all for each class, for a weighted sampler.

        Their mean is 1.
        """
        counts = np.bincount(self._columns.labels)
        weights = len(self._columns) / (np.count_nonzero(counts) * counts[self._columns.labels])
        return np.repeat(weights, self._each)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_process": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"_process": os.getpid()})

    def _checked(self, place: int) -> int:
        count = len(self)
        if not -count <= place < count:
            raise IndexError(f"{place} is none of {count} items")
        return place % count

    def _draw(self, place: int, array: Pixels) -> None:
        """Draw an item over an array."""
        row, number = divmod(place, self._each)
        path = self._columns.path(row)
        self._read(path, array)
        if self.copies:
            rng = generator(self.seed, source_of(path), self.epoch * self.copies + number + 1)
            box = self._columns.box(row)
            copier = Copier(array.copy(), box)
            copier.draw(draw_parameters(rng, box, self.ranges), array)

    def _read(self, path: str, array: Pixels) -> None:
        """Read an array's file to where the array is to be, without a copy in between."""
        if self._store.ahead and os.getpid() != self._process:
            raise DatasetError(
                f"{self._store.url}: cannot be read by a process that was forked; start workers "
                "with multiprocessing_context='spawn'"
            )
        wanted = npy_header((self.size, self.size, 3))
        header, rest = bytearray(len(wanted)), bytearray(1)
        with naming(path):
            count = read_into(self._store, path, [header, array.data.cast("B"), rest])
            if count != len(header) + array.nbytes or header != wanted:
                array[:] = parse_array(self._store.read(path)[0], self.size)


def _summary_of(store: Store) -> dict[str, Any]:
    """Return dataset.json; DatasetError where it is missing or not as granpipe wrote it."""
    summary = read_summary(store)
    if summary is None:
        raise DatasetError(
            f"{store.url}: holds no finished dataset, or copies that are out of date; run granpipe "
            "prepare, or augment, first"
        )
    numbers = [summary.get("mean"), summary.get("std")]
    are_three = all(isinstance(three, list) and len(three) == 3 for three in numbers)
    if not are_three or not isinstance(summary.get("classes"), dict):
        raise DatasetError(f"{store.url}/dataset.json: damaged; run granpipe prepare again")
    return summary


def _columns_of(store: Store, split: str, summary: dict[str, Any]) -> Columns:
    """Return the columns of labels.csv, if it is the one that dataset.json describes."""
    try:
        columns = read_columns(store, split, summary.get("prepared", summary.get("copies")))
    except FileNotFoundError as error:
        raise DatasetError(f"{store.url}: has no labels.csv; run granpipe prepare again") from error
    if read_summary(store) != summary:
        raise DatasetError(f"{store.url}: changed while it was read; try again")
    if int(columns.labels.max()) >= len(summary["classes"]) or int(columns.labels.min()) < 0:
        raise DatasetError(f"{store.url}: labels.csv has classes that dataset.json has not")
    return columns


def _size_of(store: Store, columns: Columns, summary: dict[str, Any]) -> int:
    """Return the side of the arrays: by the settings, or of copies by the first of them."""
    settings = summary.get("settings")
    size = settings.get("size") if isinstance(settings, dict) else None
    if type(size) is int and checks.SIZE.least <= size <= checks.SIZE.most:  # type: ignore[operator]
        return size
    try:
        return int(parse_array(store.read(columns.path(0))[0]).shape[0])
    except OSError as error:
        why = error.strerror or str(error)
        raise PhotoError("unreadable", f"{columns.path(0)}: cannot be read: {why}") from error
