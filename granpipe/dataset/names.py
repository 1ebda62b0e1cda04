"""The names of photographs and of what is in a dataset."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from granpipe.errors import PhotoError

LABELS, REJECTED, SUMMARY, AUGMENTED = "labels.csv", "rejected.csv", "dataset.json", "augmented"
ALIKE, LEAKS, SHORTCUTS = "alike.csv", "leaks.csv", "shortcuts.csv"
CONFLICTS = "conflicts.csv"
SHARDS = "shards.json"
TABLES = (LABELS, REJECTED, ALIKE, LEAKS, SHORTCUTS, CONFLICTS, SUMMARY, SHARDS)
COMMANDS = ("prepare", "augment", "prepare --shards", "augment --shards")
"""Who keeps a ledger."""

STATE, SPLIT, PAST, RADIUS, SETTINGS = "state", "sides", "past", "radius", "settings"
CLASSES, LABELS_FROM, SCREENED, DROPPED = "classes", "labels_from", "screened", "dropped"
SURVEY = "survey"
"""What the ledger calls its notes on what tables were made of, on splits, now and before, and the
places that would do for them, on how arrays are made, on the classes in the order of their
indices, on the table that labels are from, on what alike.csv is made of where there is no split,
on what is left out, and on tracks and the like."""

OWN = ".granpipe"
"""The folder in each dataset that holds granpipe's own files."""

ENGINE_FOLDER = f"{OWN}/engine"
"""Where engines keep what passes between machines, while a run lasts."""

_RESERVED = {AUGMENTED, LABELS, REJECTED, SUMMARY, ALIKE, LEAKS, SHORTCUTS, CONFLICTS}
# A file name may have 255 bytes on common systems; .npy and a copy's number must still fit.
_LONGEST_NAME = 239
_LONGEST_PATH = 4096
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph by name.

    Attributes
    ----------
    source : str
        Path relative to the folder searched, with forward slashes.
    given : str
        Its label, where a dataset has another for it than its first folder's name.
    label : str
        That, or the first folder of `source`; empty for a photograph directly in the folder.
    """

    source: str
    given: str = ""

    @property
    def label(self) -> str:
        return self.given or label_of(self.source)


def label_of(source: str) -> str:
    """Return the first folder of a photograph's path; empty where it is in none.

    >>> label_of("corn/2024/a.jpg"), label_of("a.jpg")
    ('corn', '')
    """
    first, slash, _ = source.partition("/")
    return first if slash else ""


def array_path(source: str) -> str:
    """Return where the array of a photograph is, relative to the dataset.

    >>> array_path("corn/IMG_1.JPG")
    'corn/IMG_1.JPG.npy'
    """
    return source + ".npy"


def source_of(path: str) -> str:
    """Return the photograph of an array: what `array_path` makes undone."""
    return path.removesuffix(".npy")


def check_name(source: str, depth: int = 1) -> None:
    """Raise PhotoError for a photograph that has no label, or a name that makes no array's path.

    Parameters
    ----------
    source : str
    depth : int
        In how many folders it must be to have a label.
    """
    folder, _, name = source.rpartition("/")
    if source.count("/") < depth:
        raise PhotoError("no_label", "is in no class folder" + " of a split" * (depth > 1))
    if not is_utf8(source):
        raise PhotoError("bad_name", "the name is not UTF-8")
    if not is_sound(source):
        raise PhotoError("bad_name", "the path has a backslash, a NUL or an empty part")
    if ":" in source[:2]:
        raise PhotoError("bad_name", "the path begins like a drive of Windows")
    if why := _folder_problem(folder):
        raise PhotoError("bad_name", why)
    if len(name.encode()) > _LONGEST_NAME:
        raise PhotoError("bad_name", f"the name has over {_LONGEST_NAME} bytes")


@lru_cache(1000)
def _folder_problem(path: str) -> str:
    folders = path.split("/")
    if folders[0].lower() in _RESERVED:
        return f"a class may not be called {folders[0]}"
    if len(folders) > _DEEPEST:
        return f"lies more than {_DEEPEST} folders deep"
    is_array = any(folder.lower().endswith(".npy") for folder in folders)
    return "a folder may not be called .npy" if is_array else ""


def is_sound(path: str) -> bool:
    """Return whether a path means the same file in every store.

    >>> is_sound("corn/a.jpg"), is_sound("corn/../a.jpg"), is_sound("corn//a.jpg")
    (True, False, False)
    """
    parts = path.split("/")
    return {"", ".", ".."}.isdisjoint(parts) and "\\" not in path and "\0" not in path


def is_array_path(path: object) -> bool:
    """Return whether this may be an array's path in a dataset, and leads nowhere else."""
    return (
        isinstance(path, str)
        and path.endswith(".npy")
        and is_sound(path)
        and ":" not in path[:2]
        and len(path) <= _LONGEST_PATH
        # A character has four bytes at most.
        and (len(path) < 64 or max(map(_bytes_of, path.split("/"))) <= 255)
    )


def folded(path: str) -> str:
    """Return what two names share that are one file where a disk ignores case.

    >>> folded("corn/A.JPG") == folded("corn/a.jpg")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def class_key(label: str) -> str:
    """Return what two names of a class share that are one to a reader.

    >>> class_key("Corn ") == class_key("corn")
    True
    """
    return folded(label.strip()).strip()


def shown(name: str) -> str:
    r"""Return a name for a table in UTF-8: bytes that are none are written as \xff.

    >>> shown("caf\udce9.jpg")
    'caf\\xe9.jpg'
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def shown_bytes(name: bytes) -> str:
    r"""Return a name's bytes as `shown` shows them.

    >>> shown_bytes(b"caf\xe9.jpg")
    'caf\\xe9.jpg'
    """
    return name.decode("utf-8", "backslashreplace")


def _bytes_of(part: str) -> int:
    return len(part.encode("utf-8", "replace"))


def is_utf8(name: str) -> bool:
    """Return whether a name is UTF-8, and not other bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
