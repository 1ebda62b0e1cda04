"""Labels and splits that a data set has already: by its folders, or by a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self
from unicodedata import normalize

from granpipe.dataset.database import Row
from granpipe.dataset.index import Index
from granpipe.dataset.label_table import LabelRow, LabelTable
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import LABELS_FROM, folded, shown
from granpipe.dataset.shares import split_word
from granpipe.errors import LayoutError, PhotoError
from granpipe.jobs.class_folders import shared_folders
from granpipe.jobs.photo_index import PhotoIndex
from granpipe.stores.urls import join

# How a row's path may mean a photograph, the best way first. What several photographs are called
# is none of them.
_WAYS = ("name", "path", "bare", "file", "stem")
_SCHEMA = f"""
CREATE TABLE rows (number INTEGER PRIMARY KEY, path TEXT, label TEXT, grp TEXT, split TEXT,
    latitude REAL, longitude REAL, taken_at TEXT, nfc TEXT, folded TEXT,
    found INTEGER DEFAULT 0, photo TEXT, other TEXT);
CREATE TABLE keys (photo TEXT PRIMARY KEY, {", ".join(f"{way} TEXT" for way in _WAYS)})
    WITHOUT ROWID;
CREATE TABLE matches (number INTEGER PRIMARY KEY, found INTEGER, photo TEXT, other TEXT);
"""
# A folder that could not be listed may still have what is recorded of it.
_NAMES = "SELECT name FROM photos UNION SELECT name FROM ours"
_TWO_ROWS = """
SELECT photo, min(number), max(number) FROM rows WHERE found = 1 GROUP BY photo
    HAVING count(DISTINCT label || char(0) || grp || char(0) || split) > 1
"""
_FOUND = "SELECT photo FROM rows WHERE found = 1"
_WITHOUT_FIRST_FOLDER = """UPDATE rows SET folded = substr(folded, instr(folded, '/') + 1)
    WHERE found = 0 AND instr(folded, '/')"""
_MOST_FOLDERS = 50
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Given:
    """Where labels and splits are from, where a photograph's first folder is not its label."""

    table: LabelTable | None = None  # labels are its
    by_split: bool = False  # splits are those of the table, or else of the first folders

    @classmethod
    def of(cls, ledger: Ledger, labels: str | None, *, by_split: bool) -> Self:
        """Return where labels are from, by what is asked for; None for as before."""
        text = ledger.noted(LABELS_FROM) if labels is None else labels
        return cls(None if text in {None, "none"} else LabelTable(text), by_split)

    def __bool__(self) -> bool:
        return bool(self.table or self.by_split)

    @property
    def depth(self) -> int:
        """In how many folders a photograph must be to have a label."""
        return 0 if self.table else 1 + self.by_split

    @property
    def title(self) -> str:
        """What the table is called; empty without one."""
        return self.table.title if self.table else ""

    def load(self, photos: PhotoIndex, url: str) -> None:
        """Fill the index's table `given`, and reject photographs without a label.

        Raises
        ------
        LayoutError
            The table cannot be used, or photographs of SOURCE, at `url`, have no split.
        """
        index = photos.index
        if self.table:
            index.create(_SCHEMA)
            _load_rows(index, self.table)
            _match(index)
            _reject(photos)
            _take(index)
        else:
            index.load("INSERT INTO given VALUES (?, ?, '', '', NULL, NULL, '')", _labels(index))
        index.is_given = True
        if self.by_split:
            if not index.value("SELECT 1 FROM given WHERE split <> '' LIMIT 1"):
                splits = (
                    (_split_of(name), name)
                    for (name,) in list(index.rows("SELECT photo FROM given"))
                )
                index.load("UPDATE given SET split = ? WHERE photo = ?", splits)
            _check_splits(index, url, self.table)


def _labels(index: Index) -> Iterator[Row]:
    """Yield photographs of SOURCE/<split>/<label>/, each with its label."""
    for (name,) in list(index.rows(_NAMES)):
        if name.count("/") >= 2:
            yield name, name.split("/")[1]


def _split_of(name: str) -> str:
    first, slash, _ = name.partition("/")
    return (split_word(first) or "") if slash else ""


def _check_splits(index: Index, url: str, table: LabelTable | None) -> None:
    """Raise LayoutError where a photograph has no split."""
    query = """SELECT name FROM photos JOIN given ON photo = name WHERE split = ''
        ORDER BY name"""
    names = [name for (name,) in index.rows(query)]
    if not names:
        return
    if table:
        raise LayoutError(
            f"{table.url}: gives no split to {len(names)} photographs, as {names[0]}; write train, "
            "validation or test into its column split"
        )
    raise LayoutError(
        f"{url}: --split given needs folders called train, validation and test, and classes in "
        f"them; {_other_folders(names, url)}"
    )


def _other_folders(names: Sequence[str], url: str) -> str:
    """Return which folders are no splits, or where else splits are."""
    shared = shared_folders(names[0], names[-1])
    if shared and all(_split_of(name.removeprefix(f"{shared}/")) for name in names):
        return f"name {join(url, shared)}, which has them"
    if all(split_word(name.split("/")[1]) for name in names):
        label, split, _ = names[0].split("/", 2)
        return (
            f"here they are inside the classes: move {label}/{split} to {split}/{label}, and so on"
        )
    folders = sorted({name.partition("/")[0] for name in names})
    listed = ", ".join(folders[:_MOST_NAMED]) + " ..." * (len(folders) > _MOST_NAMED)
    return f"{listed} {'is' if len(folders) == 1 else 'are'} none"


# A table of labels


def _load_rows(index: Index, table: LabelTable) -> None:
    marks = ", ".join("?" * (len(LabelRow._fields) + 2))

    def rows() -> Iterator[Row]:
        for row in table.rows():
            # Group comes before split in both.
            yield *row, normalize("NFC", row.path), folded(row.path)

    names = "number, path, label, grp, split, latitude, longitude, taken_at, nfc, folded"
    index.load(f"INSERT INTO rows ({names}) VALUES ({marks})", rows())


def _match(index: Index) -> None:
    """Find the photograph of each row."""
    marks = ", ".join("?" * (len(_WAYS) + 1))
    names = list(index.rows(_NAMES))
    index.load(f"INSERT INTO keys VALUES ({marks})", (_keys_of(name) for (name,) in names))
    for way in _WAYS:
        index.create(f"CREATE INDEX by_{way} ON keys ({way});")
        _match_by(index, way)
    # A table made on another machine says where photographs were there: /home/me/img/corn/a.jpg.
    for _ in range(_MOST_FOLDERS):
        if not index.execute(_WITHOUT_FIRST_FOLDER):
            break
        _match_by(index, "path", f"AND keys.photo NOT IN ({_FOUND})")


def _match_by(index: Index, way: str, where: str = "") -> None:
    key = "nfc" if way == "name" else "folded"
    index.execute("DELETE FROM matches")
    index.execute(
        f"""INSERT INTO matches SELECT number, count(*), min(keys.photo), max(keys.photo)
        FROM rows JOIN keys ON keys.{way} = rows.{key} WHERE found = 0 {where} GROUP BY number"""
    )
    index.execute(
        """UPDATE rows SET found = matches.found, photo = matches.photo, other = matches.other
        FROM matches WHERE rows.number = matches.number"""
    )


def _keys_of(name: str) -> Row:
    path = folded(name)
    file = path.rpartition("/")[2]
    return name, normalize("NFC", name), path, _bare(path), file, _bare(file)


def _bare(path: str) -> str:
    """Return a path without its file's ending."""
    folder, slash, file = path.rpartition("/")
    return folder + slash + (file.rpartition(".")[0] or file)


def _reject(photos: PhotoIndex) -> None:
    """Reject what the table has no label for, and rows without a photograph."""
    index = photos.index
    for photo, first, last in list(index.rows(_TWO_ROWS)):
        query = "SELECT label, grp, split FROM rows WHERE number = ?"
        says = [next(index.rows(query, (number,))) for number in (first, last)]
        texts = [" ".join(filter(None, values)) or "nothing" for values in says]
        why = f"rows {first} and {last} of the table say {texts[0]} and {texts[1]}"
        _drop(photos, photo, PhotoError("label_conflict", why))
    index.execute(f"DELETE FROM rows WHERE photo IN (SELECT photo FROM ({_TWO_ROWS}))")
    unlabelled = """SELECT name, min(number) FROM photos JOIN rows ON photo = name AND found = 1
        WHERE label = '' GROUP BY name"""
    for name, number in list(index.rows(unlabelled)):
        _drop(photos, name, PhotoError("no_label", f"row {number} of the table has no label"))
    ambiguous = f"""SELECT name, number, photo, other
        FROM photos JOIN rows ON name IN (photo, other)
        WHERE found > 1 AND name NOT IN ({_FOUND})"""
    for name, number, photo, other in list(index.rows(ambiguous)):
        why = f"row {number} of the table names it and {other if name == photo else photo}"
        _drop(photos, name, PhotoError("no_label", why))
    for (name,) in list(index.rows(f"SELECT name FROM photos WHERE name NOT IN ({_FOUND})")):
        _drop(photos, name, PhotoError("no_label", "the table has no row of it"))
    for number, path in list(index.rows("SELECT number, path FROM rows WHERE found = 0")):
        what = "SOURCE has no such photograph" if path else "the row names no photograph"
        photos.reject(shown(path) or f"row {number}", PhotoError("no_photograph", what))


def _drop(photos: PhotoIndex, name: str, error: PhotoError) -> None:
    if photos.index.execute("DELETE FROM photos WHERE name = ?", (name,)):
        photos.reject(name, error)


def _take(index: Index) -> None:
    """Take the first row of each photograph."""
    index.execute(
        """INSERT OR IGNORE INTO given
        SELECT photo, label, split, grp, latitude, longitude, taken_at FROM rows
        WHERE found = 1 AND label <> '' ORDER BY number"""
    )
