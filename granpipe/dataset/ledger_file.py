"""The files of a ledger, of which the one in order is a database: damaged perhaps, or another's."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from granpipe.dataset.database import temporary_file
from granpipe.dataset.index import Index
from granpipe.dataset.ledger_lines import line_of
from granpipe.dataset.names import OWN, is_array_path
from granpipe.dataset.record import ArrayRecord
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

LEDGER = f"{OWN}/ledger.sqlite"
PARTS = f"{OWN}/parts"
FORMER = f"{OWN}/ledger.jsonl"
"""What earlier versions kept, which is replaced."""

COMMAND = "granpipe"
"""The note that says which command wrote a ledger, and the columns of its records."""


_DIGEST_BYTES = 32


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


def open_index(file: str, kind: type[ArrayRecord], *, is_sound: bool) -> tuple[str, Index, bool]:
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
    is_whole : bool
        False where records are damaged or missing.
    """
    command, columns = _command_of(file)
    if is_sound and columns == kind.columns():
        index = Index(kind, file)
        _forget_strange(index)
        return command, index, True
    index = Index(kind)
    if columns == kind.columns():
        _salvage(file, index)
    Path(file).unlink()
    return command, index, False


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


def _salvage(file: str, index: Index) -> None:
    """Take the records of a damaged database whose checksums hold."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    with suppress(sqlite3.Error, ValueError):
        connection.execute("PRAGMA trusted_schema = OFF")
        for name, *values, noted in connection.execute("SELECT * FROM records"):
            if isinstance(name, str) and is_array_path(f"{name}.npy"):
                line = line_of(name, values)
                if line.endswith(f'"{noted}"]\n'):
                    index.put(name, index.kind.from_values(values), noted)
    with suppress(sqlite3.Error, ValueError, TypeError):
        for name, value in connection.execute("SELECT name, value FROM notes"):
            json.loads(value)
            index.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))
    connection.close()


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


def run_of(part: str) -> int:
    """Return the number of the run that wrote a part; 0 for a stranger's file."""
    number = part.rpartition("/")[2].partition("-")[0]
    return int(number) if number.isdecimal() else 0
