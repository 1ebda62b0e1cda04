"""What stands in a dataset, as listings tell it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import chain, groupby

from granpipe.dataset.names import folded
from granpipe.dataset.packs import is_pack
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store


class Standing:
    """The files that stood in a store when it was looked at, with their versions.

    Parameters
    ----------
    store : Store

    Attributes
    ----------
    ignores_case : bool
        Names that differ in letter case alone are one file here.
    """

    def __init__(self, store: Store) -> None:
        self.ignores_case = store.ignores_case()
        self.fold: Callable[[str], str] = folded if self.ignores_case else str
        self._store = store
        self._versions: dict[str, str] = {}

    def look(self, paths: Iterable[str], known: Collection[str]) -> None:
        """List the class folders of these arrays, and the packs where one of them is a pack.

        Of a path that is known, the text that is given stays, and takes no memory once more.
        """
        there: dict[str, str | None] = dict.fromkeys(map(self.fold, known))
        for path, version in self._listed(set(map(_first, chain(paths, known)))):
            there[path] = version
        self._versions = {path: one for path, one in there.items() if one is not None}

    def _listed(self, folders: set[str]) -> Iterator[tuple[str, str]]:
        packs = self._store.list(deep=False) if any(map(is_pack, folders)) else ()
        for entry in packs:
            if is_pack(entry.path):
                yield entry.path, entry.version
        for folder in sorted(folder for folder in folders if not is_pack(folder)):
            for entry in self._store.list(folder):
                if entry.is_folder:
                    raise DatasetError(f"{self._store.url}/{entry.path}: {entry.problem}")
                yield self.fold(entry.path), entry.version

    def __contains__(self, path: str) -> bool:
        return self.fold(path) in self._versions

    def version(self, path: str) -> str:
        """Return the version in which a file stood there; empty where there was none."""
        return self._versions.get(self.fold(path), "")

    def astray(self, versions: Iterable[tuple[str, object]]) -> dict[str, str]:
        """Look again, and return what stands there in another version, with that version.

        Parameters
        ----------
        versions : iterable of tuple
            Path and wanted version of each array, folder by folder.
        """
        astray = {}
        for folder, pairs in groupby(versions, lambda pair: _first(pair[0])):
            there = dict(self._listed({folder}))
            for path, version in pairs:
                found = there.get(self.fold(path), "")
                if found != version:
                    astray[path] = found
        return astray


def _first(path: str) -> str:
    return path.partition("/")[0]
