"""Marks of photographs that were deleted: SHA-256 and label, in the store of the photographs.

By them a phone that sends such a photograph once more, under the label that it had, is refused.
"""

from collections.abc import Iterator

from granpipe.dataset.names import OWN
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

_MARKS = f"{OWN}/deleted"


def mark(photos: Store, sha256: str, label: str) -> None:
    """Note that a photograph is deleted."""
    photos.create(_path(sha256, label), b"")


def is_marked(photos: Store, sha256: str, label: str) -> bool:
    """Return whether a photograph was deleted that had this label."""
    try:
        photos.version(_path(sha256, label))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DatasetError(f"{photos.url}: {error.strerror or error}") from error
    return True


def marked(photos: Store) -> Iterator[tuple[str, str]]:
    """Yield the SHA-256 and the label of every photograph that was deleted."""
    for entry in photos.list(_MARKS):
        if not entry.is_folder:
            _, sha256, label = entry.path.rsplit("/", 2)
            yield sha256, label


def _path(sha256: str, label: str) -> str:
    return f"{_MARKS}/{sha256[:2]}/{sha256}/{label}"
