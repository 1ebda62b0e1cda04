"""The report of --json."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any

import click

from granpipe.commands.reports import echo

BEGUN = "granpipe.begun"
"""Where a command's context keeps when it began."""

# What a report keeps for the ledger, or of each photograph.
_TOO_LONG = {"note", "past", "plan", "key", "features"}


def print_json(report: Any, **more: Any) -> None:
    """Print a report as one JSON object: of what is long, as rejects, how many there are.

    Parameters
    ----------
    report : dataclass
    **more
        What the object has beside its fields, and what is known of the command.
    """
    context = click.get_current_context()
    about = {
        "command": context.info_name,
        "dry_run": context.params["dry_run"],
        "seconds": round(time.monotonic() - context.meta[BEGUN], 1),
    }
    echo(json.dumps({**about, **_plain(report), **more}, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        pairs = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {
            name: Counter(map(attrgetter("reason"), inner)) if name == "rejected" else _plain(inner)
            for name, inner in pairs
            if name not in _TOO_LONG
        }
    if isinstance(value, Mapping):
        plain: dict[Any, Any] = {}
        for key, content in value.items():
            *outer, last = key if isinstance(key, tuple) else (key,)
            inner = plain
            for name in outer:
                inner = inner.setdefault(name, {})
            inner[last] = _plain(content)
        return plain
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
