"""Photographs to measure with: enlarged from img/, and noisy until they weigh what others do.

Files of 640 pixels weigh what Flickr's do, those of 12 megapixels what a phone's do. Ten files
share their pixels and differ in their EXIF blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from bench_rounds import Bench
from conftest import ROOT

SAME_PIXELS = 10  # files with the same picture


@dataclass(frozen=True, slots=True)
class Kind:
    """JPEGs of one kind: noise of so many levels either way has grains of so many pixels."""

    count: int
    width: int
    height: int
    chroma: str = "4:2:0"
    noise: int = 7
    grain: int = 2

    def draw(self, bench: Bench) -> Path:
        """Return a folder with these photographs, which are drawn at the first call."""
        chroma = self.chroma.replace(":", "")
        folder = bench.folder / f"img-{self.count}-{self.width}-{chroma}"
        if not folder.exists():
            for number in range(bench.count(self.count)):
                if number % SAME_PIXELS == 0:
                    jpeg = self._jpeg(number)
                path = folder / f"crop {number % 5}/IMG_{number:05}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(with_exif(jpeg, number))
        return folder

    def _jpeg(self, number: int) -> bytes:
        samples = sorted((ROOT / "img").rglob("*.jp*g"))
        sample = Image.open(samples[number // SAME_PIXELS % len(samples)]).convert("RGB")
        shape = self.height // self.grain, self.width // self.grain, 1
        rng = np.random.default_rng(number)
        levels = rng.integers(-self.noise, self.noise + 1, shape, np.int16)
        grains = levels.repeat(self.grain, 0).repeat(self.grain, 1)
        noisy = sample.resize((self.width, self.height)) + grains
        buffer = BytesIO()
        picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        picture.save(buffer, "JPEG", quality=85, subsampling=self.chroma)
        return buffer.getvalue()

    @property
    def size(self) -> str:
        return f"{self.width} x {self.height}"

    def title(self, paths: Sequence[Path]) -> str:
        """Return what these photographs are, and the average weight of a file."""
        megabytes = sum(path.stat().st_size for path in paths) / len(paths) / 1e6
        return f"{len(paths):,} JPEGs, {self.size} {self.chroma}, {megabytes:.2f} MB"


SMALL = Kind(1_000, 640, 480)
SMALL_444 = Kind(1_000, 640, 480, "4:4:4")
PHONE = Kind(200, 4_000, 3_000, noise=15, grain=1)
TINY = Kind(10_000, 160, 120)
FOR_SPARK = Kind(2_000, 640, 480)


def photographs_of(folder: Path) -> list[Path]:
    """Return the photographs of a folder."""
    return sorted(folder.rglob("*.jpg"))


def with_exif(jpeg: bytes, number: int) -> bytes:
    """Put a phone's EXIF block into a JPEG; every fourth lies on its side."""
    exif = Image.Exif()
    exif.update({0x010F: "Drawn", 0x0110: "Phone 1", 0x0112: 1 if number % 4 else 6})
    exif.get_ifd(0x8769).update({0x9003: "2024:06:01 10:30:00", 0x9011: "+02:00"})
    north, east = (48, _minutes(number), 0), (11, _minutes(7 * number), 0)
    exif.get_ifd(0x8825).update({1: "N", 2: north, 3: "E", 4: east, 5: b"\0", 6: Fraction(500)})
    block = exif.tobytes()
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def _minutes(number: int) -> Fraction:
    """Return hundredths of minutes below a degree."""
    return Fraction(number % 6_000, 100)
