"""What a worker reads off an array whose record lacks it, so that no photograph is decoded."""

from dataclasses import dataclass, replace
from hashlib import sha256

from granpipe.dataset.arrays import parse_array
from granpipe.dataset.names import array_path
from granpipe.dataset.record import Record
from granpipe.errors import PhotoError
from granpipe.photo.letterbox import content
from granpipe.photo.likeness import hashes, levels_of
from granpipe.stores.protocol import Store

_Item = tuple[str, Record]


@dataclass(frozen=True, slots=True)
class ReadOff:
    """Add perceptual hashes to the record of an array; runs in a worker, in `Steps`."""

    output: Store

    @property
    def ahead(self) -> int:
        return self.output.ahead

    def __call__(self, item: _Item) -> Record | None:
        """Return a name's record, completed; None where the array is not as recorded."""
        return self.keep(item, self.work(item, self.fetch(item)))

    def sample(self, item: _Item) -> tuple[Store, str]:
        """Return a file that whoever works on this must be able to read."""
        return self.output, array_path(item[0])

    def weight(self, item: _Item) -> int:
        return 1 << 18

    def fetch(self, item: _Item) -> bytes:
        try:
            return self.output.read(array_path(item[0]))[0]
        except OSError:
            return b""

    def work(self, item: _Item, data: bytes) -> Record | None:
        record = item[1]
        if sha256(data).hexdigest() != record.array_sha256:
            return None
        try:
            grey = content(parse_array(data), record.box).convert("L")
        except PhotoError:
            return None
        return replace(record, phash=hashes(levels_of(grey)).tobytes())

    def keep(self, item: _Item, made: Record | None) -> Record | None:
        return made
