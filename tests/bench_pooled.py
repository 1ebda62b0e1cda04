"""What somebody in a hurry writes: a pool, and for each photograph a few lines of a fast decoder.

It is run as a program: `python bench_pooled.py DECODER SOURCE OUTPUT WORKERS`.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np

SIDE = 224
Decoder = Callable[[Path], np.ndarray]


def pillow() -> Decoder:
    from PIL import Image, ImageOps

    def decode(path: Path) -> np.ndarray:
        upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        return np.asarray(ImageOps.contain(upright, (SIDE, SIDE)))

    return decode


def pillow_thumbnail() -> Decoder:
    from PIL import Image, ImageOps

    def decode(path: Path) -> np.ndarray:
        image = Image.open(path)
        image.thumbnail((SIDE, SIDE))  # decodes a JPEG at a half, a quarter or an eighth
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))

    return decode


def pyvips() -> Decoder:
    import pyvips

    pyvips.concurrency_set(1)
    return lambda path: pyvips.Image.thumbnail(str(path), SIDE, height=SIDE).numpy()


def opencv(flag: str) -> Decoder:
    import cv2

    cv2.setNumThreads(1)

    def decode(path: Path) -> np.ndarray:
        picture = cv2.imread(str(path), getattr(cv2, flag))  # upright by its EXIF block
        scale = SIDE / max(picture.shape[:2])
        height, width = (round(side * scale) for side in picture.shape[:2])
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)[..., ::-1]

    return decode


DECODERS: dict[str, Callable[[], Decoder]] = {
    "pillow": pillow,
    "pillow-thumbnail": pillow_thumbnail,
    "pyvips": pyvips,
    "opencv-full": partial(opencv, "IMREAD_COLOR"),
    "opencv-half": partial(opencv, "IMREAD_REDUCED_COLOR_2"),
    "opencv-eighth": partial(opencv, "IMREAD_REDUCED_COLOR_8"),
}


@cache
def decoder_of(name: str) -> Decoder:
    return DECODERS[name]()


def letterbox(decoder: str, source: Path, output: Path, path: Path) -> None:
    picture = decoder_of(decoder)(path)
    height, width, _ = picture.shape
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    canvas[top : top + height, left : left + width] = picture
    target = output / path.relative_to(source).with_suffix(".npy")
    target.parent.mkdir(parents=True, exist_ok=True)
    np.save(target, canvas)


def main(decoder: str, source: str, output: str, workers: str) -> None:
    decoder_of(decoder)  # imports its library before the pool forks
    draw = partial(letterbox, decoder, Path(source), Path(output))
    with ProcessPoolExecutor(int(workers)) as pool:
        list(pool.map(draw, sorted(Path(source).rglob("*.jpg")), chunksize=16))


if __name__ == "__main__":
    main(*sys.argv[1:])
