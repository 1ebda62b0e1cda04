"""How the files of a map are called, and how they find the photographs and each other."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from granpipe.errors import DatasetError
from granpipe.mapping.writers import WRITERS
from granpipe.stores.files import check_free, check_writable
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Store
from granpipe.stores.urls import open_file


def title_of(photos: Store) -> str:
    """Return the name of the photographs' folder."""
    if isinstance(photos, Folder):
        return Path(photos.root).resolve().name
    return photos.url.rpartition("/")[2]


def link_prefix(photos: Store, output: Store, links: str | None) -> str | None:
    """Return what comes before a source in a link from the page, percent-encoded."""
    if links is not None:
        return links if links.endswith("/") else f"{links}/"
    folder = folder_of(photos, output)
    if folder is None and isinstance(photos, Folder) and isinstance(output, Folder):
        return Path(photos.root).resolve().as_uri() + "/"  # another drive
    return folder and quote(os.fsencode(folder))


def folder_of(photos: Store, output: Store) -> str | None:
    """Return the way from a file's folder to the photographs, if both are on one disk.

    It begins with "./", which keeps a name with a colon from being read as a scheme.
    """
    if not (isinstance(photos, Folder) and isinstance(output, Folder)):
        return None
    try:
        # Links on the way stay: browsers, too, resolve the page's address by its letters alone.
        return f"./{Path(os.path.relpath(photos.root, output.root)).as_posix()}/"
    except ValueError:  # another drive
        return None


def exports_of(output: Store, others: Iterable[tuple[Store, str]]) -> tuple[str, ...]:
    """Return the links from a page to the files beside it, percent-encoded; others have none."""
    here = os.path.normpath(output.url)
    names = dict.fromkeys(name for store, name in others if os.path.normpath(store.url) == here)
    return tuple(f"./{quote(os.fsencode(name))}" for name in names)


def check_output(output: str | os.PathLike[str]) -> tuple[Store, str]:
    """Return the store and name of a map's file; DatasetError where none can be written there."""
    if suffix_of(os.fspath(output)) not in WRITERS:
        raise DatasetError(f"{output}: end the name in {', '.join(WRITERS)}")
    store, name = open_file(output)
    check_writable(store, name)
    check_free(store, name, WRITERS[suffix_of(os.fspath(output))].signature.encode())
    return store, name


def suffix_of(name: str) -> str:
    """Return what chooses the kind of a map's file."""
    return Path(name).suffix.lower()
