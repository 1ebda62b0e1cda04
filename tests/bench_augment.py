"""Measure copies: those of `granpipe augment` on disk, and those of one core in memory."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from granpipe.copies.transform import Ranges, draw_parameters, generator, make_copy
from granpipe.photo.letterbox import content_box

from bench_photos import SMALL
from bench_rounds import Bench, Contender, granpipe, python

COPIES = 5
AUGMENTOR = """
import sys, Augmentor
pipeline = Augmentor.Pipeline(*sys.argv[1:3])
pipeline.flip_left_right(probability=0.5)
pipeline.rotate(probability=1, max_left_rotation=15, max_right_rotation=15)
pipeline.crop_random(probability=1, percentage_area=0.85)
pipeline.resize(probability=1, width=224, height=224)
pipeline.sample(int(sys.argv[3]))
"""


def bench_augment(bench: Bench) -> None:
    """Print tables of copies on disk and in memory."""
    dataset = bench.new_folder()
    granpipe("prepare", SMALL.draw(bench), dataset)
    arrays = [np.load(path) for path in sorted(dataset.glob("*/*.npy"))]
    plain = ("augment", dataset, "--copies", COPIES)
    lit = (*plain, "--brightness", 0.2, "--warmth", 0.1, "-o")
    few = len(arrays) // 2
    contenders = [
        Contender("granpipe augment", partial(granpipe, *plain, "-o"), COPIES * len(arrays)),
        Contender("  with brightness and warmth", partial(granpipe, *lit), COPIES * len(arrays)),
        Contender("Augmentor: flip, rotate, crop, resize", augmentor(bench, arrays, few), few),
    ]
    bench.compete(f"augment {len(arrays):,} arrays to disk", contenders)
    contenders = [
        Contender("granpipe.copies.transform", partial(in_memory, arrays), len(arrays)),
        Contender("albumentations", albumentations(arrays), len(arrays)),
    ]
    bench.compete("flip, rotate, crop in memory, one core", contenders)


def in_memory(arrays: Sequence[np.ndarray], _: Path) -> None:
    """Make a copy of every array."""
    box = content_box(SMALL.width, SMALL.height, 224)
    for number, array in enumerate(arrays):
        make_copy(array, box, draw_parameters(generator(0, "a", number), box, Ranges()))


def augmentor(
    bench: Bench, arrays: Sequence[np.ndarray], count: int
) -> Callable[[Path], None] | None:
    """Return a function that draws so many copies of JPEGs; None where Augmentor is missing."""
    if not find_spec("Augmentor"):
        return None
    jpegs = bench.new_folder()
    for number, array in enumerate(arrays[:100]):
        Image.fromarray(array).save(jpegs / f"{number}.jpg", quality=95)
    return lambda out: python("-c", AUGMENTOR, jpegs, out, count)


def albumentations(arrays: Sequence[np.ndarray]) -> Callable[[Path], object] | None:
    """Return a function that copies every array; None where albumentations is missing."""
    if not find_spec("albumentations"):
        return None
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as alb
    import cv2

    cv2.setNumThreads(1)
    steps = [alb.HorizontalFlip(), alb.Rotate(15, p=1), alb.RandomResizedCrop((224, 224), (0.7, 1))]
    pipeline = alb.Compose(steps)
    return lambda _: [pipeline(image=array) for array in arrays]
