"""The command line that makes a dataset, as dataset.json says it: the same wherever it was run."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from granpipe.checks import MEGABYTE

_OPTIONS = {"together": "--keep-together", "crop": "--min-crop", "side": "--split-only"}


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
    words = [word for name, value in settings.items() for word in _words(name, value)]
    return " ".join(["granpipe", command, *map(shlex.quote, words)])


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
