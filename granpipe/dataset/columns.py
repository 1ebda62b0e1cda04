"""The columns of labels.csv that training needs, in arrays: small, and quick to hand to a process.

A list of dicts takes a kilobyte a row, and a process that is forked makes a copy of what it reads.
"""

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.names import LABELS, is_array_path
from granpipe.dataset.tables import each_cells
from granpipe.errors import DatasetError
from granpipe.photo.letterbox import Box
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join

_COLUMNS = ("path", "label_index", "split", "left", "top", "right", "bottom")


@dataclass(frozen=True, slots=True)
class Columns:
    """What labels.csv says of the arrays of one split, row by row.

    Attributes
    ----------
    paths : ndarray of uint8
        Their paths, one behind the other, in UTF-8.
    ends : ndarray of shape (rows + 1,), int64
        Where each path ends; the first is 0.
    labels : ndarray of shape (rows,), int64
        Their label_index.
    boxes : ndarray of shape (rows, 4), int16
        Left, top, right and bottom of the content boxes.
    """

    paths: NDArray[np.uint8]
    ends: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.labels)

    def path(self, row: int) -> str:
        """Return where an array is, relative to the dataset."""
        return self.paths[self.ends[row] : self.ends[row + 1]].tobytes().decode()

    def box(self, row: int) -> Box:
        """Return where the photograph is in its array."""
        return Box(*self.boxes[row].tolist())


def read_columns(store: Store, split: str, rows: object) -> Columns:
    """Read labels.csv.

    Parameters
    ----------
    store : Store
    split : str
        Whose rows; empty for all. Where no row has a split, `train` is all.
    rows : int or None
        How many rows dataset.json promises of the whole table.

    Raises
    ------
    FileNotFoundError
        There is no such table.
    DatasetError
        It is damaged, or has no row of this split.
    """
    paths, ends = bytearray(), array("q", [0])
    labels, boxes, splits, count = array("q"), array("h"), set(), 0
    try:
        for path, label, side, *box in each_cells(store, LABELS, _COLUMNS):
            count += 1
            splits.add(side)
            if split and side != split and not (split == "train" and side == ""):
                continue
            if not is_array_path(path):
                raise ValueError(f"path is {path!r}")  # noqa: TRY301 - reported as damage below
            paths += path.encode()
            ends.append(len(paths))
            labels.append(int(label))
            boxes.extend(map(int, box))
    except (ValueError, OverflowError) as error:
        raise _damaged(store, str(error)) from error
    if rows is not None and rows != count:
        raise _damaged(store, f"{count} rows, not the {rows} that dataset.json promises")
    if not labels:
        named = ", ".join(sorted(splits - {""})) or "none"
        if not count:
            raise DatasetError(f"{store.url}: has no arrays")
        raise DatasetError(f"{store.url}: has no photographs of the split {split}; it has {named}")
    return Columns(
        np.frombuffer(paths, np.uint8),
        np.frombuffer(ends, np.int64),
        np.frombuffer(labels, np.int64),
        np.frombuffer(boxes, np.int16).reshape(-1, 4),
    )


def _damaged(store: Store, why: str) -> DatasetError:
    place = join(store.url, LABELS)
    return DatasetError(f"{place}: damaged ({why}); run granpipe prepare again")
