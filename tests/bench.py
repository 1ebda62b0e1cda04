"""Measure granpipe beside what others use: `make bench`, or `python tests/bench.py --quick`.

Each time is the median of three runs that take turns, fewer of what takes long; a ratio is to the
rate of the table's first line. The photographs are enlarged from img/ and made noisy until they
weigh what Flickr's and a phone's do; ten files share their pixels and differ in EXIF. For peers:
pip install albumentations Augmentor opencv-python-headless pyvips; apt-get install libvips-tools
imagemagick.
"""

import itertools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import folium
import numpy as np
import PIL
import pytest
from folium.plugins import FastMarkerCluster
from PIL import Image

from granpipe.copies.transform import Ranges, draw_parameters, generator, make_copy
from granpipe.dataset.arrays import npy_bytes
from granpipe.dataset.facts import Facts, FactsTable
from granpipe.dataset.groups import group, parse_together
from granpipe.dataset.names import Photo, label_of
from granpipe.dataset.packs import close_up, load_array, save_row
from granpipe.dataset.sides import Member, deal, parse_shares
from granpipe.dataset.tables import read_table
from granpipe.engines.worker import keep_memory
from granpipe.mapping.sighting import Options, Sighting
from granpipe.mapping.writers import WRITERS
from granpipe.photo import lanczos
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.photo.letterbox import content_box
from granpipe.photo.likeness import BYTES, WINDOWS
from granpipe.stores.folder import Folder

import buckets
from bench_spark import bench_memory, bench_spark
from load import bench_service

CORES = os.cpu_count() or 1
PATIENCE = 12.0  # seconds of runs after which there is no further one
FIRST_SCRIPT = """
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
# What somebody in a hurry writes: a pool, and for each photograph one line of the fastest decoder.
POOLED = """
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import numpy as np
{imports}
source, output = map(Path, sys.argv[1:])

def letterbox(path):
    picture = {decode}
    scale = 224 / max(picture.shape[:2])
    height, width = (round(side * scale) for side in picture.shape[:2])
    {shrink}
    canvas = np.zeros((224, 224, 3), np.uint8)
    top, left = (224 - height) // 2, (224 - width) // 2
    canvas[top : top + height, left : left + width] = picture
    target = output / path.relative_to(source).with_suffix(".npy")
    target.parent.mkdir(parents=True, exist_ok=True)
    np.save(target, canvas)

if __name__ == "__main__":
    with ProcessPoolExecutor({cores}) as pool:
        list(pool.map(letterbox, sorted(source.rglob("*.jpg")), chunksize=16))
"""
_BY_CV2 = "picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)[..., ::-1]"
PEERS = {
    "Pillow, full decode, pooled": (
        "PIL",
        "from PIL import Image",
        "np.asarray(Image.open(path).convert('RGB'))",
        "picture = np.asarray(Image.fromarray(picture).resize((width, height)))",
    ),
    "pyvips thumbnail, pooled": (
        "pyvips",
        "import pyvips; pyvips.concurrency_set(1)",
        "pyvips.Image.thumbnail(str(path), 224, height=224).numpy()",
        "height, width = picture.shape[:2]",
    ),
    "OpenCV, full decode, INTER_AREA, pooled": (
        "cv2",
        "import cv2; cv2.setNumThreads(1)",
        "cv2.imread(str(path))",
        _BY_CV2,
    ),
    "OpenCV, half decode, INTER_AREA, pooled": (
        "cv2",
        "import cv2; cv2.setNumThreads(1)",
        "cv2.imread(str(path), cv2.IMREAD_REDUCED_COLOR_2)",
        _BY_CV2,
    ),
}
AUGMENTOR = """
import sys, Augmentor
pipeline = Augmentor.Pipeline(*sys.argv[1:3])
pipeline.flip_left_right(probability=0.5)
pipeline.rotate(probability=1, max_left_rotation=15, max_right_rotation=15)
pipeline.crop_random(probability=1, percentage_area=0.85)
pipeline.resize(probability=1, width=224, height=224)
pipeline.sample(int(sys.argv[3]))
"""
MOGRIFY = (
    "mogrify -define jpeg:size=448x448 -auto-orient -thumbnail 224x224 -background black "
    "-gravity center -extent 224x224 -format ppm -path"
)


@dataclass(slots=True)
class Contender:
    """Something that takes time: `run`, which is None where it is not installed."""

    name: str
    run: Callable[[], object] | None
    items: int
    fresh: Path | None = None  # a folder, made anew before each run
    page: object = None
    times: list[tuple[float, float]] = field(default_factory=list)  # seconds, of all cores

    def take_turn(self) -> None:
        if self.run is None or sum(seconds for seconds, _ in self.times) > PATIENCE:
            return
        if self.fresh:
            # Put away, not deleted: a file system may be slow to make files anew just after that.
            if self.fresh.exists():
                self.fresh.rename(self.fresh.with_name(f"{self.fresh.name}-{time.monotonic_ns()}"))
            self.fresh.mkdir(parents=True)
        start, cpu_start = time.perf_counter(), sum(os.times()[:4])
        self.page = self.run()
        self.times.append((time.perf_counter() - start, sum(os.times()[:4]) - cpu_start))

    @property
    def median(self) -> tuple[float, float]:
        """The middle one of its times."""
        return sorted(self.times)[(len(self.times) - 1) // 2]


def compete(title: str, contenders: Sequence[Contender], rounds: int = 3) -> None:
    """Let contenders take turns, and print a table."""
    for contender in rounds * list(contenders):
        contender.take_turn()
    print(f"\n{title:<46}{'seconds':>8}{'CPU s':>7}{'yield':>10}{'ratio':>8}")
    rates = [one.items / one.median[0] if one.times else None for one in contenders]
    for one, rate in zip(contenders, rates, strict=True):
        if rate is None:
            print(f"  {one.name:<44}{'not installed':>33}")
            continue
        seconds, cpu_seconds = one.median
        made = f"{len(one.page) / 1e6:.2f} MB" if isinstance(one.page, str) else f"{rate:,.0f}/s"
        ratio = f"{rate / rates[0]:.2f}" if rates[0] else ""
        print(f"  {one.name:<44}{seconds:>8.3f}{cpu_seconds:>7.2f}{made:>10}{ratio:>8}", flush=True)


def process(*words: object, stdin: bytes = b"") -> Callable[[], object]:
    """Return a function that runs a program to its end, without its output."""
    quiet = partial(subprocess.run, capture_output=True, check=True)
    return partial(quiet, [*map(str, words)], input=stdin)


python = partial(process, sys.executable)
granpipe = partial(python, "-m", "granpipe")


def under_xargs(paths: Sequence[Path], *words: object) -> Callable[[], object] | None:
    """Return a function that runs a program on 16 files at a time, on all cores."""
    names = b"\0".join(map(os.fsencode, paths))
    run = process("xargs", "-0", f"-P{CORES}", "-n16", *words, stdin=names)
    return run if shutil.which("xargs") and shutil.which(str(words[0])) else None


def bench_prepare(folder: Path, count: int, size: tuple[int, int], grain: int) -> None:
    photos, out, other = folder / "img", folder / "out", folder / "other"
    paths = draw_photographs(photos, count, size, grain)
    megabytes = sum(path.stat().st_size for path in paths) / count / 1e6
    script, ours = python("-c", FIRST_SCRIPT, photos, other), granpipe("prepare", photos, out)
    sides = granpipe("prepare", photos, folder / "sides", "--split", "80/10/10")
    vips = under_xargs(paths, "vipsthumbnail", "--size", "224x224", "-o", f"{other}/%s.ppm")
    magick = under_xargs(paths, *MOGRIFY.split(), other)
    contenders = [
        Contender("first script: exif_transpose, pad, np.save", script, count, other),
        Contender("granpipe prepare", ours, count, out),
        Contender("granpipe prepare again, nothing to do", ours, count),
        Contender("granpipe prepare --split 80/10/10, anew", sides, count, folder / "sides"),
        *(
            Contender(name, pooled(*peer, folder=folder, photos=photos), count, other)
            for name, peer in PEERS.items()
        ),
        Contender(f"vipsthumbnail under xargs -P{CORES}", vips, count, other),
        Contender(f"mogrify under xargs -P{CORES}", magick, count, other),
    ]
    compete(f"prepare {count:,} JPEGs of {size[0]} x {size[1]}, {megabytes:.2f} MB", contenders)


def pooled(
    module: str, imports: str, decode: str, shrink: str, *, folder: Path, photos: Path
) -> Callable[[], object] | None:
    """Return a function that runs one of `PEERS`; None where its module is missing."""
    if not find_spec(module):
        return None
    script = folder / f"pooled-{sha256((decode + shrink).encode()).hexdigest()[:8]}.py"
    script.write_text(POOLED.format(imports=imports, decode=decode, shrink=shrink, cores=CORES))
    return python(script, photos, folder / "other")


def bench_packs(photos: Path, folder: Path) -> None:
    """Write arrays into packs and files, and read them whole and at random."""
    count = sum(1 for _ in photos.rglob("*.jpg"))
    names = {0: folder / "files", 1000: folder / "packs"}
    writers, copiers = [], []
    for pack, out in names.items():
        kind = f"packs of {pack}" if pack else "files"
        run = granpipe("prepare", photos, out, "--pack", pack)
        writers.append(Contender(f"prepare into {kind}", run, count, out))
        run = granpipe("augment", out, "-o", f"{out}-copies", "--pack", pack)
        copiers.append(Contender(f"augment into {kind}", run, 5 * count, Path(f"{out}-copies")))
    compete(f"packs: {count:,} photographs", writers)
    compete(f"packs: {5 * count:,} copies", copiers)
    readers = []
    for out in names.values():
        rows = read_table(out / "labels.csv")
        mixed = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
        for way, chosen in (("in sequence", rows), ("at random", mixed)):
            run = partial(read_arrays, out, chosen)
            readers.append(Contender(f"read {out.name} {way}", run, count))
    compete("packs: load_array", readers)
    bench_saving(folder, count)


def read_arrays(out: Path, rows: Sequence[dict[str, str]]) -> None:
    store = Folder(str(out))
    for row in rows:
        load_array(store, row)


def bench_saving(folder: Path, count: int) -> None:
    """Write alone, without photographs: what a worker does with a finished array."""
    data = npy_bytes(np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8))
    store = Folder(str(folder / "saved"), ".granpipe/tmp/bench")

    def alone() -> None:
        (folder / "saved/.granpipe/tmp/bench").mkdir(parents=True)
        for number in range(count):
            store.write(f"corn/{number}.npy", data)

    def packed() -> None:
        (folder / "saved/.granpipe/tmp/bench").mkdir(parents=True)
        for number in range(count):
            save_row(store, f".granpipe/packs/bench/arrays-00000.npy#{number}", data)
        close_up(store, ".granpipe/packs/bench/arrays-00000.npy", range(count), 224)
        store.move(".granpipe/packs/bench/arrays-00000.npy", "arrays-00000.npy")

    ways = [Contender("a file each", alone, count, folder / "saved")]
    compete("write arrays", [*ways, Contender("one pack", packed, count, folder / "saved")])


def bench_buckets(photos: Path, folder: Path) -> None:
    """Prepare the same photographs from and to a local S3 server, and from and to this disk."""
    try:
        server = buckets.start_server(folder / "server")
    except pytest.skip.Exception as cause:
        print(f"\nfrom and to S3: left out, {cause}")
        return
    try:
        os.environ.update(buckets.variables(server.endpoint))
        lake, out, outputs = server.make_bucket(), folder / "out", itertools.count()
        lake.upload(photos, "img")
        count = len(lake.objects("img"))
        source, last = lake.url("img"), lake.url("again")
        granpipe("prepare", source, last)()

        def to_a_new_prefix() -> None:
            granpipe("prepare", source, lake.url(f"out-{next(outputs)}"))()

        contenders = [
            Contender("folder to folder", granpipe("prepare", photos, out), count, out),
            Contender("bucket to bucket", to_a_new_prefix, count),
            Contender("bucket to bucket again", granpipe("prepare", source, last), count),
        ]
        compete(f"prepare {count:,} photographs on SeaweedFS", contenders)
        with closing(buckets.Proxy(server.endpoint)) as proxy:
            os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
            for url in (lake.url("counted"), lake.url("counted")):
                before = proxy.counts()
                granpipe("prepare", source, url)()
                print(f"  requests: {dict(proxy.counts() - before)}")
    finally:
        server.kill()


def draw_photographs(folder: Path, count: int, size: tuple[int, int], grain: int) -> list[Path]:
    """Write JPEGs of this size whose noise has grains of so many pixels."""
    level, shape = 15 if grain == 1 else 7, (size[1] // grain, size[0] // grain, 1)
    samples = sorted((Path(__file__).parent.parent / "img").rglob("*.jp*g"))
    paths = [folder / f"crop {i % 5}/IMG_{i:05}.jpg" for i in range(count)]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 10 == 0:
            sample = Image.open(samples[number // 10 % len(samples)]).convert("RGB")
            noise = np.random.default_rng(number).integers(-level, level + 1, shape, np.int16)
            noisy = sample.resize(size) + noise.repeat(grain, 0).repeat(grain, 1)
            buffer = BytesIO()
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
        path.write_bytes(with_exif(buffer.getvalue(), number))
    return paths


def with_exif(jpeg: bytes, number: int) -> bytes:
    """Put a phone's EXIF block into a JPEG; every fourth lies on its side."""
    exif = Image.Exif()
    exif.update({0x010F: "Drawn", 0x0110: "Phone 1", 0x0112: 1 if number % 4 else 6})
    exif.get_ifd(0x8769).update({0x9003: "2024:06:01 10:30:00", 0x9011: "+02:00"})
    north, east = (Fraction(48), Fraction(number, 100), 0), (Fraction(11), Fraction(30), 0)
    exif.get_ifd(0x8825).update({1: "N", 2: north, 3: "E", 4: east, 5: b"\0", 6: Fraction(500)})
    block = exif.tobytes()
    return jpeg[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + jpeg[2:]


def bench_augment(dataset: Path, folder: Path) -> None:
    arrays = [np.load(path) for path in sorted(dataset.glob("*/*.npy"))]
    jpegs, out, other = folder / "jpeg", folder / "out", folder / "other"
    jpegs.mkdir(parents=True)
    for number, array in enumerate(arrays[:100]):
        Image.fromarray(array).save(jpegs / f"{number}.jpg", quality=95)
    few, many = len(arrays) // 2, 5 * len(arrays)
    augmentor = python("-c", AUGMENTOR, jpegs, other, few) if find_spec("Augmentor") else None
    ours = granpipe("augment", dataset, "--copies", 5, "-o", out)
    rival = Contender("Augmentor: flip, rotate, crop, resize", augmentor, few, other)
    compete("augment to disk", [rival, Contender("granpipe augment", ours, many, out)])
    box = content_box(640, 480, 224)

    def in_memory() -> None:
        for number, array in enumerate(arrays):
            make_copy(array, box, draw_parameters(generator(0, "a", number), box, Ranges()))

    runs = {"albumentations": albumentations(arrays), "granpipe.copies.transform": in_memory}
    contenders = [Contender(name, run, len(arrays)) for name, run in runs.items()]
    compete("flip, rotate, crop in memory, one core", contenders)


def bench_scaling(count: int) -> None:
    """Scale what the decoder leaves of a photograph of 640 x 480, as a worker does."""
    keep_memory()
    levels = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    picture, sides = Image.fromarray(levels), (224, 168)

    def many(draw: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(count):
                draw()

        return run

    runs = {
        "Pillow, Lanczos": many(partial(picture.resize, sides, Image.Resampling.LANCZOS)),
        "Pillow, bicubic": many(partial(picture.resize, sides, Image.Resampling.BICUBIC)),
        "granpipe.photo.lanczos": many(partial(lanczos.scale, picture, sides)),
    }
    contenders = [Contender(name, run, count) for name, run in runs.items()]
    compete("scale 320 x 240 to 224 x 168, one core", contenders)


def albumentations(arrays: Sequence[np.ndarray]) -> Callable[[], object] | None:
    if not find_spec("albumentations"):
        return None
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as alb
    import cv2

    cv2.setNumThreads(1)
    steps = [alb.HorizontalFlip(), alb.Rotate(15, p=1), alb.RandomResizedCrop((224, 224), (0.7, 1))]
    pipeline = alb.Compose(steps)
    return lambda: [pipeline(image=array) for array in arrays]


def bench_map(count: int, *, single: bool) -> None:
    seen = [sighting(number) for number in range(count)]
    places = [(one.capture.position.lat, one.capture.position.lon) for one in seen]

    def markers() -> str:
        chart = folium.Map()
        for one, place in zip(seen, places, strict=True):
            folium.Marker(place, popup=one.photo.source).add_to(chart)
        return chart.get_root().render()

    def cluster() -> str:
        return FastMarkerCluster(places).add_to(folium.Map()).get_root().render()

    def ours() -> str:
        return WRITERS[".html"].write(seen, Options("img", "./img/"))

    runs = {"folium FastMarkerCluster": cluster, "granpipe map": ours}
    runs = {"folium Marker": markers} | runs if single else runs
    contenders = [Contender(name, run, count) for name, run in runs.items()]
    compete(f"page of {count:,} positions, without thumbnails", contenders)


def sighting(number: int) -> Sighting:
    """Return a photograph of one of five fields."""
    plot, lat, lon = number % 5, number * 0.618034 % 1, number * 0.414214 % 1
    position = Position(round(48 + plot + lat, 9), round(11 - lon, 9), 500.0 + plot, number % 360)
    taken_at = f"2024-06-{1 + number % 28:02}T10:{number % 60:02}:00"
    capture = Capture("ok", "", position, taken_at, "+02:00", "Drawn", "Phone 1")
    return Sighting(Photo(f"crop {plot}/IMG_{number:06}.jpg"), capture)


def bench_split(count: int) -> None:
    """Measure the steps of `prepare --split` on photographs without pixels, and their memory."""
    photos, steps = draw_facts(count), {}
    for rule in ("likeness", "place", "burst"):
        steps[f"{rule}: groups"] = partial(group, photos, parse_together(rule))
    groups = group(photos, parse_together("place")).names
    members = [Member(label_of(one.source), groups[one.source]) for one in photos]
    steps["sides dealt"] = partial(deal, members, parse_shares("80/10/10"), 0)
    print(f"\n{f'split {count:,} records':<46}{'seconds':>8}{'peak of arrays':>19}")
    for name, step in steps.items():
        start = time.perf_counter()
        step()
        seconds = time.perf_counter() - start
        print(f"  {name:<44}{seconds:>8.3f}{peak_of(step):>16,.0f} MB", flush=True)


def peak_of(step: Callable[[], object]) -> float:
    """Return how many megabytes a step takes beyond what stands already."""
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def draw_facts(count: int) -> FactsTable:
    """Return what prepare knows of photographs in fields of fifty, one of fifty a copy."""
    rng = np.random.default_rng(0)
    wholes = rng.integers(0, 256, (count, BYTES), np.uint8)
    copies = np.arange(count // 50) * 50 + 1
    wholes[copies] = noisy(wholes[copies - 1], 0.05, rng)
    windows = [noisy(wholes, 0.12 + 0.08 * (n >= 9), rng) for n in range(WINDOWS)]
    looks = np.stack([wholes, *windows], axis=1)
    fields = np.repeat(rng.uniform(-60, 60, (-(-count // 50), 2)), 50, axis=0)[:count]
    places = np.round(fields + rng.normal(0, 5e-4, (count, 2)), 6)
    places[rng.random(count) < 0.2] = np.nan
    photos = (
        Facts(
            f"crop {number // 50 % 7}/{number:07}.jpg",
            sha256(str(number).encode()).hexdigest(),
            *places[number].tolist(),
            f"2024-06-{1 + number // 1440 % 28:02}T{number // 60 % 24:02}:{number % 60:02}:00",
            f"Phone {number // 50 % 40}",
        )
        for number in range(count)
    )
    return FactsTable.of(photos, [look.tobytes() for look in looks])


def noisy(hashes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return hashes with so many of their bits turned around."""
    return hashes ^ np.packbits(rng.random((len(hashes), 8 * BYTES)) < share, axis=1)


def main() -> None:
    scale = 10 if "--quick" in sys.argv[1:] else 1
    with tempfile.TemporaryDirectory() as name:
        small, phone, copies = (Path(name, part) for part in ("small", "phone", "copies"))
        bench_prepare(small, 1000 // scale, (640, 480), 2)
        bench_prepare(phone, 100 // scale, (4000, 3000), 1)
        bench_augment(small / "out", copies)
        bench_packs(small / "img", Path(name, "packs"))
        bench_buckets(small / "img", Path(name, "buckets"))
        draw_photographs(Path(name, "more"), 2000 // scale, (640, 480), 2)
        bench_spark(Path(name, "more"), Path(name, "spark"))
        if find_spec("flask"):
            bench_service(sorted((small / "img").rglob("*.jpg")), Path(name, "service"))
    bench_memory(300_000 // scale)
    bench_map(10_000 // scale, single=True)
    bench_map(100_000 // scale, single=False)
    bench_split(10_000 // scale)
    bench_split(100_000 // scale)
    bench_scaling(1000 // scale)
    ours = Contender("granpipe --help", granpipe("--help"), 1)
    compete("start, median of 10", [Contender("python -c pass", python("-c", "pass"), 1), ours], 10)
    print(f"\n{CORES} cores, Python {platform.python_version()}", end=", ")
    print(f"Pillow {PIL.__version__}, numpy {np.__version__}, {platform.machine()}")


if __name__ == "__main__":
    main()
