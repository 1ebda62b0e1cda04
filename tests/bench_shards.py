"""Measure shards: how long they take to write, how large they are, and how fast they are read."""

import io
import tarfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from bench_photos import SMALL
from bench_rounds import Bench, Contender, granpipe

FORMATS = ("npy", "png", "jpeg:95")


def bench_shards(bench: Bench) -> None:
    """Print tables of shards of a dataset that is up to date."""
    photographs, dataset = SMALL.draw(bench), bench.new_folder()
    granpipe("prepare", photographs, dataset)
    count = bench.count(SMALL.count)
    write = partial(granpipe, "prepare", photographs, dataset, "--shard-format")
    contenders = [
        Contender(f"--shards, {form}", partial(shards, write, form), count) for form in FORMATS
    ]
    bench.compete(f"write {count:,} samples into shards", contenders)
    folders = {form: bench.new_folder() for form in FORMATS}
    for form, folder in folders.items():
        shards(write, form, folder)
        size = sum(path.stat().st_size for path in folder.glob("*.tar"))
        print(f"  {form}: {size / count * 2000 / 1e6:,.0f} MB for 2,000 samples")
    contenders = [
        Contender(f"{form}, by tarfile", partial(read, folder), count)
        for form, folder in folders.items()
    ]
    bench.compete(f"read {count:,} samples of shards, one process", contenders)


def shards(write: partial, form: str, folder: Path) -> None:
    write(form, "--shards", folder)


def read(folder: Path, _: Path) -> None:
    """Read all shards in order, as trainers do."""
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard, "r|") as tar:
            for member in tar:
                data = io.BytesIO(tar.extractfile(member).read())
                if member.name.endswith(".npy"):
                    np.load(data)
                elif member.name.endswith((".png", ".jpg")):
                    np.asarray(Image.open(data))
