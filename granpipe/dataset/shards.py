"""Shards: tar files of samples, in the layout of WebDataset, which trainers open.

A sample is three files one after another: `<key>.npy` (or `.png`, `.jpg`), `<key>.cls`, which holds
the label_index, and `<key>.json`, the row of labels.csv.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import IO, Any, NamedTuple, cast

import PIL
from PIL import Image

from granpipe.dataset.arrays import parse_array

_KEY_DIGITS = 32
_PLACE_DIGITS = 8
PLACE_BITS = 4 * _PLACE_DIGITS
"""What `place_of` returns is less than two to this power."""

# What follows from other photographs than the sample's own, or may be judged anew.
_LEFT_OUT = frozenset({"group", "fold", "flags"})
_SUFFIXES = {"npy": "npy", "png": "png", "jpeg": "jpg"}


class Sample(NamedTuple):
    """One sample of a shard.

    Attributes
    ----------
    key : str
        Its name, without a dot.
    path : str
        Its array, relative to the dataset.
    label_index : int
    row : str
        Its row, as JSON.
    array_sha256 : str
        Of the array's file, in hexadecimal.
    """

    key: str
    path: str
    label_index: int
    row: str
    array_sha256: str


@dataclass(frozen=True, slots=True)
class Form:
    """How arrays are written in shards.

    Attributes
    ----------
    name : str
        `npy`, as they are; `png`, without loss; or `jpeg`.
    quality : int
        Of a JPEG, 1 to 100; 0 otherwise.
    """

    name: str
    quality: int = 0

    @classmethod
    def of(cls, text: str) -> "Form":
        """Return the form of `npy`, `png` or `jpeg:95`.

        >>> Form.of("jpeg:95")
        Form(name='jpeg', quality=95)
        """
        name, _, quality = text.partition(":")
        return cls(name, int(quality or 0))

    @property
    def suffix(self) -> str:
        """The ending of an array's file."""
        return _SUFFIXES[self.name]

    @property
    def recipe(self) -> str:
        """What decides on the bytes beside the arrays."""
        encoder = "" if self.name == "npy" else f" Pillow {PIL.__version__}"
        return f"shard 1 {self}{encoder}"

    def __str__(self) -> str:
        return f"{self.name}:{self.quality}" if self.quality else self.name

    def encode(self, data: bytes) -> bytes:
        """Return the file of an array, from the bytes of its .npy file."""
        if self.name == "npy":
            return data
        options: dict[str, Any] = {"quality": self.quality, "subsampling": 0}
        file = io.BytesIO()
        image = Image.fromarray(parse_array(data))
        image.save(file, self.name, **(options if self.name == "jpeg" else {}))
        return file.getvalue()


def key_of(source: str, sha256: str, copy: int) -> str:
    """Return the key of a photograph, or of a copy of it, which counts from 1.

    >>> key_of("corn/a.jpg", "0" * 64, 0), key_of("corn/a.jpg", "0" * 64, 3)[32:]
    ('68605450ca44372803f835c634fdfe87', '-3')
    """
    digest = hashlib.sha256(f"{source}\0{sha256}".encode()).hexdigest()
    return digest[:_KEY_DIGITS] + (f"-{copy}" if copy else "")


def place_of(key: str) -> int:
    """Return a whole number that spreads keys evenly; the same for all copies of a photograph."""
    return int(key[:_PLACE_DIGITS], 16)


def shard_bits(samples: int, size: int) -> int:
    """Return the power of two that is nearest to a number of shards of about this size.

    >>> [shard_bits(samples, 1000) for samples in (1, 1400, 1500, 10_000)]
    [0, 0, 1, 3]
    """
    return max(0, round(log2(samples / size)))


def shard_name(split: str, number: int, count: int) -> str:
    """Return a shard's name.

    >>> shard_name("train", 3, 16)
    'train-00003-of-00016'
    """
    return f"{split or 'all'}-{number:05}-of-{count:05}"


def row_json(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    """Return a row of labels.csv as JSON, cells as text, as `read_table` returns them.

    So a column has one type in all samples, also where the first ones have no position.
    """
    names = (name for name in columns if name not in _LEFT_OUT)
    cells = {name: "" if row.get(name) is None else str(row[name]) for name in names}
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":"))


class ShardWriter:
    """Writes one shard; nothing of the time, the machine or the user gets into it.

    Parameters
    ----------
    file : object
        Has `write`.
    form : Form

    Attributes
    ----------
    size : int
        Bytes that were written.
    """

    def __init__(self, file: Any, form: Form) -> None:
        self.form = form
        self.size = 0
        self._file = file
        self._digest = hashlib.sha256()
        target = cast(IO[bytes], self)
        # Closed by `close`.
        self._tar = tarfile.open(fileobj=target, mode="w|", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def write(self, data: bytes) -> int:
        """Take bytes of the tar file."""
        self._digest.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    def add(self, sample: Sample, data: bytes) -> None:
        """Add a sample, of which these are the bytes of the .npy file."""
        files = {
            self.form.suffix: self.form.encode(data),
            "cls": str(sample.label_index).encode(),
            "json": sample.row.encode("utf-8", "backslashreplace"),
        }
        for suffix, content in files.items():
            member = tarfile.TarInfo(f"{sample.key}.{suffix}")
            member.size = len(content)
            self._tar.addfile(member, io.BytesIO(content))

    def close(self) -> str:
        """Write the end; return the SHA-256 of all, in hexadecimal."""
        self._tar.close()
        return self._digest.hexdigest()
