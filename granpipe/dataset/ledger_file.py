"""The files of a ledger, of which the one in order is a database: damaged perhaps, or another's."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from granpipe.dataset.database import temporary_file
from granpipe.dataset.index import Index
from granpipe.dataset.ledger_lines import line_of
from granpipe.dataset.names import LABELS, OWN, is_array_path
from granpipe.dataset.record import ArrayRecord
from granpipe.dataset.tables import PREPARED_COLUMNS
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

LEDGER = f"{OWN}/ledger.sqlite"
PARTS = f"{OWN}/parts"
FORMER = f"{OWN}/ledger.jsonl"
"""What earlier versions kept, which is replaced."""

COMMAND = "granpipe"
"""The note that says which command wrote a ledger, and the columns of its records."""


WHOLE, DAMAGED, ANOTHERS = "whole", "damaged", "another's"

_DIGEST_BYTES = 32
_LASTING = 15


def fetch(pieces: Iterator[bytes]) -> tuple[str, bool]:
    """Return the name of a copy of a ledger's database, and whether the digest behind it holds."""
    name, digest, rest = temporary_file(), sha256(), b""
    with Path(name).open("wb") as file:
        for piece in pieces:
            rest += piece
            body, rest = rest[:-_DIGEST_BYTES], rest[-_DIGEST_BYTES:]
            digest.update(body)
            file.write(body)
    return name, digest.digest() == rest


def write(index: Index, store: Store) -> None:
    """Write what is lasting of an index, and its digest behind it."""
    name, digest = index.save(), sha256()
    with Path(name).open("rb") as saved, store.writer(LEDGER) as file:
        while piece := saved.read(1 << 20):
            digest.update(piece)
            file.write(piece)
        file.write(digest.digest())
    Path(name).unlink()


def open_index(file: str, kind: type[ArrayRecord], *, is_sound: bool) -> tuple[str, Index, str]:
    """Return an index of what holds in a ledger's database.

    Parameters
    ----------
    file : str
        The database, which is the index's from now on, or gone.
    kind : type
        What a record is to be.
    is_sound : bool
        Its digest holds.

    Returns
    -------
    command : str
        Which one wrote it; empty where it does not say so.
    index : Index
    state : str
        WHOLE, DAMAGED, or ANOTHERS: of a version that recorded something else, so that its arrays
        are ours and no more is known of them.
    """
    command, columns = _command_of(file)
    if is_sound and columns == kind.columns():
        index = Index(kind, file)
        _forget_strange(index)
        return command, index, WHOLE
    index, is_anothers = Index(kind), bool(is_sound and columns and columns != kind.columns())
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as former:
        with suppress(sqlite3.Error):
            former.execute("PRAGMA trusted_schema = OFF")
        if is_anothers:
            _take_names(former, index)
        elif columns == kind.columns():
            _take_records(former, index)
        _take_notes(former, index)
    Path(file).unlink()
    return command, index, ANOTHERS if is_anothers else DAMAGED


def _command_of(file: str) -> tuple[str, list[str]]:
    """Return which command wrote a ledger's database, and the columns of its records."""
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            query = "SELECT value FROM notes WHERE name = ?"
            (text,) = connection.execute(query, (COMMAND,)).fetchone() or ("[]",)
        connection.close()
        command, columns = json.loads(text)
    except (sqlite3.Error, ValueError, TypeError):
        return "", []
    return str(command), columns


def _forget_strange(index: Index) -> None:
    """Let go of names that lead out of the dataset, whoever wrote them."""
    for table in ("records", "planned"):
        strange = f"""SELECT name FROM {table} WHERE name GLOB '*[:\\]*' OR name GLOB '/*'
            OR name GLOB '*/' OR name GLOB '*//*' OR name GLOB '*..*' OR name GLOB '*./*'
            OR name GLOB './*' OR length(name) > 60 OR instr(name, char(0))"""
        for (name,) in list(index.rows(strange)):
            if not is_array_path(f"{name}.npy"):
                index.execute(f"DELETE FROM {table} WHERE name = ?", (name,))


def _take_records(former: sqlite3.Connection, index: Index) -> None:
    """Take the records of a damaged database whose checksums hold."""
    with suppress(sqlite3.Error, ValueError):
        for name, *values, noted in former.execute("SELECT * FROM records"):
            if isinstance(name, str) and is_array_path(f"{name}.npy"):
                line = line_of(name, values)
                if line.endswith(f'"{noted}"]\n'):
                    index.put(name, index.kind.from_values(values), noted)


def _take_names(former: sqlite3.Connection, index: Index) -> None:
    """Take the arrays of another version for such as were about to be written."""
    with suppress(sqlite3.Error, ValueError):
        query = "SELECT name FROM records UNION SELECT name FROM planned"
        index.load("INSERT OR IGNORE INTO planned VALUES (?)", former.execute(query))
    _forget_strange(index)


def _take_notes(former: sqlite3.Connection, index: Index) -> None:
    with suppress(sqlite3.Error, ValueError, TypeError):
        for name, value in former.execute("SELECT name, value FROM notes"):
            json.loads(value)
            index.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))


def state_of(store: Store) -> dict[str, str]:
    """Return the versions of the files of a store's ledger, by path."""
    state = {}
    for entry in store.list(OWN):
        if entry.is_folder:
            raise DatasetError(f"{store.url}: {entry.problem}; name another folder")
        is_part = entry.path.startswith(f"{PARTS}/") and entry.path.endswith(".jsonl")
        if is_part or entry.path == LEDGER:
            state[entry.path] = entry.version
    return state


def is_ours(store: Store, command: str, summary: Mapping[str, Any] | None) -> bool:
    """Return whether a store without a ledger holds what a command wrote, going by its tables."""
    if command.endswith("--shards"):
        return summary is not None and summary.get("made_by") == f"granpipe {command}"
    is_augmented = command == "augment"
    if summary:
        return "arrays_sha256" in summary and ("made_from" in summary) == is_augmented
    # Other versions have other columns behind these.
    header = ",".join(PREPARED_COLUMNS[:_LASTING]).encode()
    try:
        first = store.head(LABELS, 1_000).partition(b"\n")[0]
    except OSError:
        return False
    return first.startswith(header) and (b",copy," in first) == is_augmented


def run_of(part: str) -> int:
    """Return the number of the run that wrote a part; 0 for a stranger's file."""
    number = part.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else 0
