"""Files beside a photograph that may say where it was taken: of Takeout and of raw programs.

Google Takeout calls it `<name>.json` or `<name>.supplemental-metadata.json`, cuts what is before
`.json` at 46 or 51 characters, and moves the number of `a(1).jpg` behind it: `a.jpg(1).json`.
Lightroom writes `<name without its ending>.xmp`, darktable `<name>.xmp`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from granpipe.dataset.database import Database
from granpipe.dataset.names import folded, is_utf8
from granpipe.photo.gps import Position
from granpipe.photo.kinds import ending_of
from granpipe.photo.takeout import LARGEST, locate_takeout
from granpipe.photo.xmp import locate_xmp
from granpipe.stores.protocol import Store

ENDINGS = (".json", ".xmp")
"""Of files that may be such."""

_CUTS = (46, 51)  # characters
_EXTRA = ".supplemental-metadata"
_NUMBERED = re.compile(r"(.*)(\([0-9]{1,4}\))(\.[^.]*)", re.DOTALL)
_SCHEMA = """CREATE TABLE beside (key TEXT PRIMARY KEY, path TEXT, is_used INTEGER DEFAULT 0)
    WITHOUT ROWID;"""


def names_beside(name: str) -> Iterator[str]:
    """Yield what a photograph's sidecar may be called; the surest first.

    >>> [*names_beside("a(1).jpg")][:2]
    ['a(1).jpg.json', 'a.jpg(1).json']
    """
    numbered = _NUMBERED.fullmatch(name)
    yield f"{name}.json"
    if numbered:
        stem, number, ending = numbered.groups()
        yield f"{stem}{ending}{number}.json"
        yield from (f"{cut}{number}.json" for cut in _cut(stem + ending))
    yield from (f"{cut}.json" for cut in _cut(name))
    yield f"{name}.xmp"
    yield f"{name.rpartition('.')[0] or name}.xmp"


def _cut(name: str) -> Iterator[str]:
    yield name + _EXTRA
    for most in _CUTS:
        yield (name + _EXTRA)[:most]
        yield name[:most]


class Beside:
    """The files of a listing that may be sidecars.

    Parameters
    ----------
    database : Database
        Where they are kept, so that memory does not grow with them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(_SCHEMA)

    def take(self, path: str) -> None:
        """Take in a file."""
        if is_utf8(path):
            # Of two that differ in case alone the first by name counts, however they are listed.
            query = """INSERT INTO beside (key, path) VALUES (?, ?)
                ON CONFLICT (key) DO UPDATE SET path = min(path, excluded.path)"""
            self._database.execute(query, (folded(path), path))

    def of(self, photo: str) -> tuple[str, ...]:
        """Return the paths of a photograph's sidecars; the surest first."""
        folder, slash, name = photo.rpartition("/")
        if not is_utf8(photo):
            return ()
        keys = [folded(folder + slash + one) for one in names_beside(name)]
        query = "SELECT path FROM beside WHERE key = ?"
        found = (self._database.value(query, (key,)) for key in dict.fromkeys(keys))
        return tuple(path for path in found if path)

    def use(self, paths: Iterable[str]) -> None:
        """Note that these were read."""
        query = "UPDATE beside SET is_used = 1 WHERE key = ?"
        self._database.load(query, ((folded(path),) for path in paths))

    def used(self) -> Counter[str]:
        """Return how many were read, by their ending."""
        rows = self._database.rows("SELECT path FROM beside WHERE is_used")
        return Counter(ending_of(path) for (path,) in rows)

    def __bool__(self) -> bool:
        return bool(self._database.value("SELECT 1 FROM beside LIMIT 1"))


@dataclass(frozen=True, slots=True)
class Told:
    """What sidecars say: a position, or of each what it lacks; `problem` if one cannot be read."""

    position: Position | None = None
    detail: str = ""
    problem: str = ""


def fetch_sidecars(store: Store, paths: Iterable[str]) -> list[tuple[str, bytes | str]]:
    """Return the first million bytes of sidecars, and one more; or why they cannot be read."""
    return [(path, _bytes(store, path)) for path in paths]


def _bytes(store: Store, path: str) -> bytes | str:
    try:
        return store.head(path, LARGEST + 1)
    except OSError as error:
        return error.strerror or str(error)


def read_sidecars(photo: str, files: Iterable[tuple[str, bytes | str]]) -> Told:
    """Return what the sidecars of a photograph say of its place; the first that does counts."""
    details, problems = [], []
    for path, data in files:
        if isinstance(data, str):
            verdict, position = "unreadable", None
            problems.append(f"{path}: {data}")
        else:
            verdict, position = _locate(photo, path, data)
            if verdict == "unreadable":
                problems.append(f"{path}: damaged, or over {LARGEST // 1_000_000} MB")
        if position:
            return Told(replace(position, position_from="sidecar"))
        details.append(f"sidecar {path.rpartition('/')[2]}: {verdict}")
    return Told(None, "; ".join(details), "; ".join(problems))


def _locate(photo: str, path: str, data: bytes) -> tuple[str, Position | None]:
    if not path.lower().endswith(".json"):
        return locate_xmp(data)
    verdict, position, title = locate_takeout(data)
    # A name that is cut may be that of several photographs.
    is_cut = not folded(path).startswith(folded(photo))
    if position and is_cut and title and not _is_called(photo, title):
        return "no_gps", None
    return verdict, position


def _is_called(photo: str, title: str) -> bool:
    """Return whether Takeout calls a photograph of this title so: it cuts long names, too."""
    name = photo.rpartition("/")[2]
    if numbered := _NUMBERED.fullmatch(name):
        name = numbered[1] + numbered[3]
    stem = folded(name.rpartition(".")[0] or name)
    return folded(re.sub(r"[^\w.-]", "_", title)).startswith(re.sub(r"[^\w.-]", "_", stem))
