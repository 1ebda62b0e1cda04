"""What is asked for with `--shards`, what shards are made of, and what came of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from granpipe import checks
from granpipe.checks import checked
from granpipe.dataset.shards import Form
from granpipe.dataset.tables import read_summary
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join

SHARD_SIZE = 1000
"""Samples of a shard, about, by default."""


@dataclass(frozen=True, slots=True)
class ShardsWish:
    """Which shards are asked for.

    Attributes
    ----------
    store : Store
        Where they are written.
    size : int
        Approximate number of samples in a shard.
    form : Form
    """

    store: Store
    size: int
    form: Form


@dataclass(frozen=True, slots=True)
class Samples:
    """What shards are made of.

    Attributes
    ----------
    dataset : Store
        Where the arrays are.
    rows : callable
        Returns the rows of its labels.csv, each with `array_sha256` beside the columns.
    columns : sequence of str
        Those of labels.csv.
    summary : mapping
        Its dataset.json.
    size : int
        Side of the arrays, in pixels.
    """

    dataset: Store
    rows: Callable[[], Iterator[Mapping[str, Any]]]
    columns: Sequence[str]
    summary: Mapping[str, Any]
    size: int


def samples_of(
    dataset: Store,
    rows: Callable[[], Iterator[Mapping[str, Any]]],
    columns: Sequence[str],
    size: int,
) -> Samples:
    """Return what the shards of a dataset are made of that has been finished just now."""
    return Samples(dataset, rows, columns, read_summary(dataset) or {}, size)


@dataclass(frozen=True, slots=True)
class ShardsReport:
    """What was written.

    Attributes
    ----------
    folder : str
    shards, samples : int
    kept, deleted : int
        Shards that were up to date already, and that are gone.
    """

    folder: str
    shards: int
    samples: int
    kept: int
    deleted: int

    def __str__(self) -> str:
        counted = f"{self.shards:,} shards of {self.samples:,} samples in {self.folder}"
        return f"{counted} ({self.kept:,} unchanged), {self.deleted:,} deleted."


def shards_wish(
    engine: Engine, shards: Any, shard_size: Any, shard_format: Any, *others: Store
) -> ShardsWish | None:
    """Return which shards are asked for; None where none are.

    Parameters
    ----------
    engine : Engine
    shards : str or Path or None
        Folder or URL to write.
    shard_size, shard_format
        As a user writes them.
    *others : Store
        Photographs and arrays, among which no shards may be.

    Raises
    ------
    OptionError, DatasetError
        An argument is not what it may be.
    """
    size = checked("shard_size", shard_size, checks.SHARD_SIZE)
    form = Form.of(checked("shard_format", shard_format, checks.shard_format))
    if shards is None:
        return None
    store = engine.open(checked("shards", shards, checks.place))
    for other in others:
        if store.is_within(other):
            raise DatasetError(
                f"{store.url}: lies in {other.url}; choose a folder of their own for shards, as "
                f"{join(other.url.rstrip('/') + '-shards', '')}"
            )
    return ShardsWish(store, size, form)
