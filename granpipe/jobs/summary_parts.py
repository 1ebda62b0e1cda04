"""What dataset.json says of photographs and of copies alike; the same wherever it was made."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import PIL

from granpipe import __version__
from granpipe.checks import MEGABYTE
from granpipe.dataset.arrays import sha256_of_files
from granpipe.dataset.index import Index
from granpipe.dataset.moments import SUMS, mean_and_std
from granpipe.dataset.names import array_path
from granpipe.dataset.shares import SPLITS

_OPTIONS = {"together": "--keep-together", "crop": "--min-crop", "side": "--split-only"}


def made_by(command: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what it begins with: versions, command line and settings."""
    about = {"granpipe": __version__, "pillow": PIL.__version__}
    return about | {"command": command_line(command, settings), "settings": settings}


def split_counts(index: Index, query: str, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return how many arrays of each class each split has, by a query for split, label, number."""
    counts = {(split, label): count for split, label, count in index.rows(query)}
    return {split: {label: counts.get((split, label), 0) for label in classes} for split in SPLITS}


def statistics_of(
    index: Index, split: str, source: str, values: Sequence[object] = ()
) -> dict[str, Any]:
    """Return mean and std of the records of a split, or of all where it is empty.

    `source` is where a query finds those records, from its word FROM on.
    """
    sums = ", ".join(f"sum({name})" for name in SUMS)
    query = f"SELECT count(*), sum((right - left) * (bottom - top)), {sums} {source}"
    count, pixels, *totals = (value or 0 for value in next(index.rows(query, values)))
    mean, std = mean_and_std(pixels, totals[:3], totals[3:])
    counted = {"split": split or "all", "arrays": count, "pixels": pixels}
    return {"mean": mean, "std": std, "mean_of": counted}


def arrays_digest(index: Index, source: str) -> str:
    """Return one SHA-256 for the bytes and places of all arrays; `source` as in `statistics_of`."""
    rows = index.rows(f"SELECT array_sha256, name {source}")
    return sha256_of_files((sha256, array_path(name)) for sha256, name in rows)


def command_line(command: str, settings: Mapping[str, Any]) -> str:
    """Return a command with the options that decide on its output.

    Parameters
    ----------
    command : str
        With its operands in capitals: where they are decides on nothing.
    settings : mapping
        Those of dataset.json.

    Examples
    --------
    >>> command_line("prepare SOURCE OUTPUT", {"size": 64, "fill": [0, 0, 255], "drop": ["blank"]})
    "granpipe prepare SOURCE OUTPUT --size 64 --fill '#0000ff' --drop blank"
    """
    return " ".join(filter(None, ["granpipe", command, options_of(settings)]))


def options_of(settings: Mapping[str, Any]) -> str:
    """Return settings of dataset.json as the options that ask for them."""
    return shlex.join(word for name, value in settings.items() for word in _words(name, value))


def _words(name: str, value: Any) -> Iterator[str]:
    option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
    if name == "fill":
        yield from (option, "#" + bytes(value).hex())
    elif name == "max_memory":
        yield from (option, str(value // MEGABYTE))
    elif name in {"hold_out", "track"}:
        for rule in value:
            yield from (option, rule)
    elif value is True:
        yield option
    else:
        yield from (option, ",".join(value) if isinstance(value, list) else str(value))
