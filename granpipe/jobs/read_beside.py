"""What a worker reads beside a photograph that does not say itself where it was taken."""

from dataclasses import dataclass

from granpipe.dataset.sidecars import Told, fetch_sidecars, read_sidecars
from granpipe.stores.protocol import Store

Asked = tuple[str, tuple[str, ...]]
"""A photograph, and the paths of its sidecars."""

_Fetched = list[tuple[str, bytes | str]]


@dataclass(frozen=True, slots=True)
class ReadBeside:
    """Read the sidecars of one photograph; runs in a worker, in `Steps`."""

    source: Store

    @property
    def ahead(self) -> int:
        return self.source.ahead

    def __call__(self, item: Asked) -> Told:
        """Return what they say."""
        return self.keep(item, self.work(item, self.fetch(item)))

    def sample(self, item: Asked) -> tuple[Store, str]:
        """Return a file that whoever works on this must be able to read."""
        return self.source, item[1][0]

    def weight(self, item: Asked) -> int:
        return 1 << 12

    def fetch(self, item: Asked) -> _Fetched:
        return fetch_sidecars(self.source, item[1])

    def work(self, item: Asked, fetched: _Fetched) -> Told:
        return read_sidecars(item[0], fetched)

    def keep(self, item: Asked, made: Told) -> Told:
        return made
