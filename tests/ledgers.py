"""Look into a dataset's ledger, and harm it."""

import hashlib
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from granpipe.dataset.record import Record

LEDGER = ".granpipe/ledger.sqlite"
_DIGEST_BYTES = 32

RECORD = Record(
    recipe="r",
    sha256="aa",
    version="1-2",
    array_sha256="bb",
    array_version="3-4",
    max_memory=5,
    width=64,
    height=48,
    left=0,
    top=28,
    right=224,
    bottom=196,
    latitude=48.1,
    longitude=-11.0,
    altitude=None,
    taken_at="2024-06-27T15:10:02",
    utc_offset="",
    utc_offset_from="",
    camera='a "camera", with [commas]',
    flags="dark tiny",
    red=1,
    green=2,
    blue=1 << 40,
    red_squares=4,
    green_squares=5,
    blue_squares=6,
    phash=b"\0\xff",
)
"""What a ledger may know of an array."""


def edit(ledger: Path, *statements: str, is_sealed: bool = False) -> None:
    """Change a ledger's database; unless it is sealed again, its digest does not hold any more."""
    digest = ledger.read_bytes()[-_DIGEST_BYTES:]
    with _database(ledger) as (file, connection):
        with connection:
            for statement in statements:
                connection.execute(statement)
        body = file.read_bytes()
    ledger.write_bytes(body + (hashlib.sha256(body).digest() if is_sealed else digest))


def names(ledger: Path) -> list[str]:
    """Return the names of the arrays that a ledger records."""
    return [name for (name,) in _rows(ledger, "SELECT name FROM records")]


def value(ledger: Path, query: str) -> Any:
    """Return the first value of what a query finds in a ledger's database."""
    return _rows(ledger, query)[0][0]


def _rows(ledger: Path, query: str) -> list[tuple[Any, ...]]:
    with _database(ledger) as (_, connection):
        return connection.execute(query).fetchall()


@contextmanager
def _database(ledger: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """Return a ledger's database without its digest: a file for a while, and it opened."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ledger.sqlite")
        file.write_bytes(ledger.read_bytes()[:-_DIGEST_BYTES])
        with closing(sqlite3.connect(file)) as connection:
            yield file, connection


def part(out: Path, *lines: str) -> None:
    """Put a part beside a dataset's ledger, as a run writes it that is killed."""
    folder = out / ".granpipe/parts"
    folder.mkdir(exist_ok=True)
    text = "".join(f"{line}\n" for line in ['{"granpipe": "prepare", "records": 2}', *lines])
    (folder / "000001-00000000-000000.jsonl").write_text(text)
