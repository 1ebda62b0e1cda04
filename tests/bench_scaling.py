"""Measure the scaling of pixels alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from granpipe.engines.worker import keep_memory
from granpipe.photo import lanczos

from bench_rounds import Bench, Contender


def bench_scaling(bench: Bench) -> None:
    """Scale what the decoder leaves of a photograph of 640 x 480, as a worker does."""
    keep_memory()
    levels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    picture, sides, count = Image.fromarray(levels), (224, 168), bench.count(1_000)
    resize = partial(picture.resize, sides)
    functions = {
        "granpipe.photo.lanczos": partial(lanczos.scale, picture, sides),
        "Pillow, Lanczos": partial(resize, Image.Resampling.LANCZOS),
        "Pillow, bicubic": partial(resize, Image.Resampling.BICUBIC),
    }
    contenders = [
        Contender(name, repeated(function, count), count) for name, function in functions.items()
    ]
    bench.compete("scale 320 x 240 to 224 x 168, one core", contenders)


def repeated(function: Callable[[], object], count: int) -> Callable[[Path], None]:
    """Return a function that calls another so many times."""

    def run(_: Path) -> None:
        for _ in range(count):
            function()

    return run
