"""The lines of a ledger's parts: JSON, each with a checksum of itself."""

import json
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from granpipe.dataset.index import Index
from granpipe.dataset.names import COMMANDS, is_array_path
from granpipe.dataset.record import from_json_values, to_json

BEGUN = ":begun"
"""The name in the first line of the first part in a new store."""


def first_line(command: str) -> str:
    return json.dumps({"granpipe": command, "records": 2})


FIRST_LINES = {first_line(command) for command in COMMANDS}
FORMER_LINES = {json.dumps({"granpipe": command}) for command in COMMANDS}


def line_of(name: str, values: Any) -> str:
    body = f"[{json.dumps(name)}, {to_json(values)}"
    return f'{body}, "{checksum(body)}"]\n'


def checked(line: str) -> tuple[str, bool]:
    """Return a line without its checksum, and whether that holds."""
    body, _, rest = line.rpartition(", ")
    return (body, True) if rest == f'"{checksum(body)}"]' else (line, False)


def checksum(body: str) -> str:
    return blake2b(body.encode("utf-8", "replace"), digest_size=6).hexdigest()


def parsed(text: str) -> tuple[str, Any]:
    """Return the name and the values of a line; an empty name where it is none."""
    with suppress(ValueError, RecursionError):
        match json.loads(text):
            case [str(name), *rest]:
                return name, rest[0] if rest else None
    return "", None


class PartLines:
    """Takes lines of parts into an index.

    Attributes
    ----------
    are_whole : bool
        False where lines are damaged.
    have_begun : bool
        The parts are those of a first run.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.are_whole = True
        self.have_begun = False

    def take(self, line: str) -> None:
        """Take in a line as far as its checksum holds."""
        body, holds = checked(line)
        name, values = parsed(body + "]")
        if not holds:
            self.are_whole &= not line
            self._may_replace(parsed(line)[0])
        elif name == BEGUN:
            self.have_begun = True
        elif name.startswith(":"):
            note = (name[1:], json.dumps(values))
            self.index.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", note)
        elif is_array_path(f"{name}.npy"):
            self._take_record(name, values, checksum(body))

    def _take_record(self, name: str, values: Any, check: str) -> None:
        kind = self.index.kind
        if values is None:
            self.index.execute(
                """INSERT OR IGNORE INTO planned SELECT ?1
                WHERE NOT EXISTS (SELECT 1 FROM records WHERE name = ?1)""",
                (name,),
            )
        elif isinstance(values, list) and len(values) == len(kind.columns()):
            self.index.put(name, kind.from_values(from_json_values(values)), check)
        else:  # of another version
            self.are_whole = False
            self._may_replace(name)

    def _may_replace(self, name: str) -> None:
        if name and is_array_path(f"{name}.npy"):
            self.index.execute("INSERT OR IGNORE INTO replaceable VALUES (?)", (name,))
