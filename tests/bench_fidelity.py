"""How near letterboxed pictures come to ones that are decoded in full and scaled with care."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from bench_rounds import Contender
from conftest import psnr

SIDE = 224
SAMPLE = 40  # photographs


@dataclass(frozen=True, slots=True)
class References:
    """Contents of photographs, by the name before its ending; every file has one of its own."""

    contents: dict[str, np.ndarray]

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "References":
        """Take a sample of photographs, both upright and lying on their sides."""
        # Every fourth lies on its side: with an odd step, a quarter of the sample does.
        step = max(1, len(paths) // SAMPLE) // 2 * 2 + 1
        return cls({path.stem: reference(path) for path in paths[::step]})

    def fidelity(self, contender: Contender) -> str:
        """Return the median and the lowest PSNR of what a contender wrote, in decibel."""
        written = pictures_in(contender.turns[0].folder)
        if not written:
            return ""
        assert len(written) == contender.items, f"{contender.name} wrote {len(written)} pictures"
        ratios = [
            psnr(content_of(written[name], content), content)
            for name, content in self.contents.items()
        ]
        return f"{statistics.median(ratios):.1f}/{min(ratios):.1f}"


def reference(path: Path) -> np.ndarray:
    """Return a photograph's content, made of all of its pixels: ndarray of shape (h, w, 3)."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(ImageOps.contain(upright, (SIDE, SIDE), Image.Resampling.LANCZOS))


def pictures_in(folder: Path) -> dict[str, Path]:
    """Return what was written below a folder, by the photograph's name before its ending."""
    paths = [path for ending in ("npy", "ppm") for path in folder.rglob(f"*.{ending}")]
    return {path.name.partition(".")[0]: path for path in paths}


def content_of(path: Path, like: np.ndarray) -> np.ndarray:
    """Return the middle of an array or picture, as large as another's content."""
    array = np.load(path) if path.suffix == ".npy" else np.asarray(Image.open(path))
    height, width, _ = like.shape
    top, left = (array.shape[0] - height) // 2, (array.shape[1] - width) // 2
    return array[top : top + height, left : left + width]
