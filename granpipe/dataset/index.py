"""The index of a run: one SQLite database in a temporary file.

It knows what the ledger records, what is in OUTPUT and in SOURCE, and what came of each item.
What is to do, is gone, or is a duplicate are queries, so that memory does not grow with the number
of photographs. An array goes by its name: its path without .npy, which is its photograph's; a shard
by its path without .tar. suffix() in queries is what a path has more.
"""

import re
from functools import lru_cache
from typing import Any

from granpipe.dataset.database import Database, index_errors, temporary_file
from granpipe.dataset.names import folded, label_of
from granpipe.dataset.record import ArrayRecord

# The first three are in the ledger, too. `planned` are arrays that a run was about to write;
# `ours` are these and the recorded ones. `replaceable` are ours by all appearance: they may be
# written again, and not deleted.
_LABEL = r"substr(\1, 1, max(0, instr(\1, '/') - 1))"
_GIVEN = r"(SELECT given.label FROM given WHERE photo = \1)"
_RENAMED = f"ifnull((SELECT label FROM renamed WHERE folder = {_LABEL}), {_LABEL})"
LASTING = ("records", "planned", "notes")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS {place}records (name TEXT PRIMARY KEY, {columns}, checksum TEXT)
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {place}planned (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS {place}notes (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_RUN_SCHEMA = """
CREATE VIEW ours AS SELECT name FROM records
    UNION ALL SELECT name FROM planned WHERE name NOT IN (SELECT name FROM records);
CREATE TABLE replaceable (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE listed (path TEXT PRIMARY KEY, version TEXT) WITHOUT ROWID;
CREATE TABLE looked_into (folder TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE listed_again (path TEXT PRIMARY KEY, version TEXT) WITHOUT ROWID;
CREATE TABLE written (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE mismatched (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE renamed (folder TEXT PRIMARY KEY, label TEXT) WITHOUT ROWID;
"""


class Index(Database):
    """A run's database.

    Parameters
    ----------
    kind : type
        What a record is: `Record` or `CopyRecord`.
    file : str, optional
        A database that holds the lasting tables already; it is the index's from now on. An empty
        one by default.

    Attributes
    ----------
    labels : dict
        Those of class folders that have another name.
    is_given : bool
        Labels are those of the table `given`, by photograph, and no folder's.
    """

    def __init__(self, kind: type[ArrayRecord], file: str = "") -> None:
        self.kind = kind
        self.columns = ", ".join(kind.columns())
        marks = ", ".join("?" * (len(kind.columns()) + 2))
        self._put = f"INSERT OR REPLACE INTO records VALUES ({marks})"
        self._folds = False
        self.labels: dict[str, str] = {}
        self.is_given = False
        super().__init__(_SCHEMA.format(place="", columns=kind.declarations()) + _RUN_SCHEMA, file)

    def ignore_case(self) -> None:
        """Take names that differ in letter case alone for one file, from now on."""
        self._connection.create_function("fold", 1, folded, deterministic=True)
        self._folds = True

    def rename_labels(self, labels: dict[str, str]) -> None:
        """Let class folders have these labels from now on, and not their own names."""
        self.labels = labels
        self.load("INSERT OR REPLACE INTO renamed VALUES (?, ?)", labels.items())

    def label_of(self, name: str) -> str:
        """Return the label of an array or a photograph; label(name) in queries."""
        if self.is_given:
            return str(self.value("SELECT label FROM given WHERE photo = ?", (name,)) or "")
        folder = label_of(name)
        return self.labels.get(folder, folder)

    def _sql(self, query: str) -> str:
        label = _GIVEN if self.is_given else _RENAMED if self.labels else _LABEL
        return _plain(query, self.kind.suffix, label, folds=self._folds)

    def path_of(self, name: str) -> str:
        """Return where an array is, relative to OUTPUT."""
        return name + self.kind.suffix

    def record(self, name: str) -> Any:
        """Return an array's record; None where there is none."""
        query = f"SELECT {self.columns} FROM records WHERE name = ?"
        row = self.row(query, (name,))
        return self.kind.from_values(row) if row else None

    def put(self, name: str, record: ArrayRecord, checksum: str) -> None:
        """Take in an array's record."""
        self.execute(self._put, (name, *record.values(), checksum))

    def save(self) -> str:
        """Return the name of a new file that holds the lasting tables, in the order of names."""
        file = temporary_file()
        self.execute("DELETE FROM planned WHERE name IN (SELECT name FROM records)")
        with index_errors():
            self._connection.execute("COMMIT")
            self._connection.execute("ATTACH ? AS saved", (file,))
            schema = _SCHEMA.format(place="saved.", columns=self.kind.declarations())
            self._connection.executescript(f"PRAGMA saved.journal_mode = OFF; {schema}")
            for table in LASTING:
                self._connection.execute(
                    f"INSERT INTO saved.{table} SELECT * FROM main.{table} ORDER BY name"
                )
            self._connection.execute("DETACH saved")
            self._connection.execute("BEGIN")
        return file


@lru_cache(1_000)
def _plain(query: str, suffix: str, label: str, *, folds: bool) -> str:
    """Return a query without suffix() and label(), and without fold() where SQLite has no need."""
    query = query.replace("suffix()", f"'{suffix}'")
    if not folds:
        query = query.replace("fold(", "(")
    return re.sub(r"\blabel\((\w+)\)", label, query)
