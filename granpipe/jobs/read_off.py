"""What is read off an array: flags, and what the photograph looks like.

Where a record lacks them, a worker reads them off the array, so that no photograph is decoded.
"""

import base64
import json
from dataclasses import dataclass
from hashlib import sha256

from PIL import Image

from granpipe.dataset.arrays import parse_array
from granpipe.dataset.packs import Place, read_alone, read_place
from granpipe.dataset.records import text_in
from granpipe.errors import PhotoError
from granpipe.photo.letterbox import Box, content
from granpipe.photo.likeness import hashes, levels_of
from granpipe.photo.quality import flags
from granpipe.stores.protocol import Store


def read_off(
    photo: Image.Image, sides: tuple[int, int], size: int, *, looks: bool
) -> dict[str, str]:
    """Return what a record tells of how a photograph looks in its array.

    Parameters
    ----------
    photo : PIL.Image.Image
        The content, RGB.
    sides : tuple of int
        Width and height of the photograph itself, in pixels.
    size : int
        Side of the array.
    looks : bool
        Tell also what it looks like.

    Returns
    -------
    dict
        `flags`, and with `looks` the hashes in base64.
    """
    grey = photo.convert("L")
    told = {"flags": flags(grey, *sides, size)}
    if looks:
        told["look"] = base64.b64encode(hashes(levels_of(grey)).tobytes()).decode()
    return told


def lacks(record: str, *, looks: bool) -> bool:
    """Tell whether a record, as JSON without blanks, lacks what `read_off` returns."""
    return '"flags":"' not in record or (looks and '"look":"' not in record)


@dataclass(frozen=True, slots=True)
class ReadOff:
    """Complete the record of one array; runs in a worker, in `granpipe.engines.worker.Steps`."""

    output: Store
    looks: bool
    size: int

    @property
    def ahead(self) -> int:
        return self.output.ahead

    def __call__(self, item: tuple[str, str]) -> str:
        """Return the record of a path, completed; empty where the array is not as recorded."""
        return self.keep(item, self.work(item, self.fetch(item)))

    def sample(self, item: tuple[str, str]) -> tuple[Store, str]:
        """Return a file that whoever works on this must be able to read."""
        return self.output, item[0]

    def weight(self, item: tuple[str, str]) -> int:
        return 1 << 18

    def fetch(self, item: tuple[str, str]) -> bytes:
        try:
            place = text_in(item[1], "place")
            return read_alone(
                self.output, read_place(place) if place else Place(item[0]), self.size
            )
        except OSError:
            return b""

    def work(self, item: tuple[str, str], data: bytes) -> str:
        record = json.loads(item[1])
        if sha256(data).hexdigest() != record["array_sha256"]:
            return ""
        try:
            array = parse_array(data)
        except PhotoError:
            return ""
        box = Box(*(record[side] for side in ("left", "top", "right", "bottom")))
        sides = record["width"], record["height"]
        told = read_off(content(array, box), sides, len(array), looks=self.looks)
        return json.dumps(record | told, separators=(",", ":"))

    def keep(self, item: tuple[str, str], made: str) -> str:
        return made
