"""Others who letterbox a folder of photographs.

All turn photographs upright by their EXIF blocks, as granpipe does, and use one thread for each
process. None writes hashes, positions, flags or statistics, or checks for damage.
"""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import bench_pooled
from bench_rounds import CORES, Contender, has_program, python, under_xargs

ONE_PROCESS = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image, ImageOps
source, output = map(Path, sys.argv[1:])
for path in sorted(source.rglob("*.jpg")):
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    target = output / path.relative_to(source).with_suffix(".npy")
    target.parent.mkdir(parents=True, exist_ok=True)
    np.save(target, np.asarray(ImageOps.pad(upright, (224, 224))))
"""
POOLED = {
    "Pillow, full decode, bicubic, pooled": ("PIL", "pillow"),
    "Pillow, thumbnail, pooled": ("PIL", "pillow-thumbnail"),
    "pyvips, thumbnail, pooled": ("pyvips", "pyvips"),
    "OpenCV, full decode, INTER_AREA, pooled": ("cv2", "opencv-full"),
    "OpenCV, half decode, INTER_AREA, pooled": ("cv2", "opencv-half"),
}
# Of 640 pixels an eighth would be 80.
POOLED_LARGE = {"OpenCV, eighth decode, INTER_AREA, pooled": ("cv2", "opencv-eighth")}
MOGRIFY = (
    "mogrify -define jpeg:size=448x448 -auto-orient -thumbnail 224x224 -background black "
    "-gravity center -extent 224x224 -format ppm -path"
)


def peers(photos: Path, paths: Sequence[Path], *, are_large: bool) -> list[Contender]:
    """Return all others who letterbox these photographs."""
    count = len(paths)
    scripts = POOLED | (POOLED_LARGE if are_large else {})
    return [
        Contender("one process: exif_transpose, pad", partial(one_process, photos), count),
        *(Contender(name, pooled(photos, *script), count) for name, script in scripts.items()),
        Contender(f"vipsthumbnail under xargs -P{CORES}", vipsthumbnail(paths), count),
        Contender(f"mogrify under xargs -P{CORES}", mogrify(paths), count),
    ]


def one_process(photos: Path, out: Path) -> None:
    """Run the script that most people begin with."""
    python("-c", ONE_PROCESS, photos, out)


def pooled(photos: Path, module: str, decoder: str) -> Callable[[Path], None] | None:
    """Return a function that runs `bench_pooled`; None where the module is missing."""
    if not find_spec(module):
        return None
    return lambda out: python(bench_pooled.__file__, decoder, photos, out, CORES)


def vipsthumbnail(paths: Sequence[Path]) -> Callable[[Path], None] | None:
    """Return a function that runs libvips' program; None where it is missing."""
    words = ["vipsthumbnail", "--size", "224x224", "-o"]
    if not has_program(words[0]):
        return None
    return lambda out: under_xargs(paths, *words, f"{out}/%s.ppm")


def mogrify(paths: Sequence[Path]) -> Callable[[Path], None] | None:
    """Return a function that runs ImageMagick's program; None where it is missing."""
    return partial(under_xargs, paths, *MOGRIFY.split()) if has_program("mogrify") else None
