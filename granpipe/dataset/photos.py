"""The photographs that a listing told of, in a third of the memory that its entries take."""

from collections.abc import Iterator, MutableMapping

from granpipe.stores.protocol import Entry


class Photos(MutableMapping[str, Entry]):
    """Entries by path, each made anew when it is asked for.

    >>> photos = Photos()
    >>> photos["corn/a.jpg"] = Entry("corn/a.jpg", 123, "4f-2")
    >>> photos["corn/a.jpg"].size, photos.version("corn/a.jpg")
    (123, '4f-2')
    """

    def __init__(self) -> None:
        self._told: dict[str, str | Entry] = {}

    def __getitem__(self, path: str) -> Entry:
        told = self._told[path]
        if isinstance(told, Entry):
            return told
        size, _, version = told.partition(" ")
        return Entry(path, int(size), version)

    def version(self, path: str) -> str:
        """Return the version of an entry, without making it."""
        told = self._told[path]
        return told.version if isinstance(told, Entry) else told.partition(" ")[2]

    def __setitem__(self, path: str, entry: Entry) -> None:
        has_more = entry.problem or entry.is_folder
        self._told[path] = entry if has_more else f"{entry.size} {entry.version}"

    def __delitem__(self, path: str) -> None:
        del self._told[path]

    def __contains__(self, path: object) -> bool:
        return path in self._told

    def __iter__(self) -> Iterator[str]:
        return iter(self._told)

    def __len__(self) -> int:
        return len(self._told)
