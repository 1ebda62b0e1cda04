"""Damage photographs, arrays and ledgers at random, and see what granpipe makes of them.

`make fuzz` damages thousands; the tests call the same functions with some hundreds. What must hold:
every file is accounted for, no command ends in a traceback, one worker and three give the same
bytes, and an accepted photograph looks as a plain decode in another process shows it: in full size,
or at one of the reduced scales that JPEG offers, since damage among its coefficients, which no
decoder notices, looks different at each of them.
"""

import argparse
import csv
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, features

from granpipe import make_copy, parameters_of

import draw_containers as dc

ROOT = Path(__file__).parent.parent
SIZE = 64
LEAST_PSNR = 35.0  # of a scaled decode beside a full one
# Draws each file named on stdin from a plain decode, at every scale that its format offers.
PLAIN_DECODER = """
import io
import sys
import numpy as np
from PIL import Image
from granpipe.photo import letterbox
from granpipe.photo.details import note_details, read_details
from granpipe.photo.unread import simpler

try:
    import pillow_heif
    pillow_heif.register_heif_opener()
except ImportError:
    pass
Image.MAX_IMAGE_PIXELS = None
size, target = int(sys.argv[1]), sys.argv[2]

def opened(path):
    data = open(path, "rb").read()
    try:
        image = Image.open(path)
    except Exception:  # damage of what is no part of the picture is not to cost it
        image = Image.open(io.BytesIO(simpler(data)))
    details = read_details(image, data)
    if details.container and details.container.patches or details.chunks and details.chunks.is_odd:
        image = Image.open(io.BytesIO(simpler(data)))
    note_details(image, details)
    return image

def decoded(path, scale):
    image = opened(path)
    sides = image.width // scale, image.height // scale
    if scale > 1 and (image.format != "JPEG" or not all(sides) or not image.draft(None, sides)):
        return None
    sides = image.size
    image.load()
    if image.size != sides:
        raise ValueError("other sides than its header says")
    return image

for number, line in enumerate(sys.stdin):
    path = line.rstrip("\\n")
    try:
        images = filter(None, (decoded(path, scale) for scale in (1, 2, 4, 8)))
        arrays = [letterbox.letterbox(image, size, max_memory=10**12)[0] for image in images]
        np.save(f"{target}/{number}.npy", arrays)
        print("drawn", flush=True)
    except Exception as error:
        print("refused", " ".join(str(error).split()), flush=True)
"""


def seeds() -> dict[str, bytes]:
    """Return a small picture in every format and kind of pixels, by file name."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    colour = Image.fromarray(coarse).resize((150, 110), Image.Resampling.BICUBIC)
    large = colour.resize((420, 300), Image.Resampling.BICUBIC)
    clear = colour.copy()
    clear.putalpha(colour.getchannel(1))
    grey16 = Image.fromarray(np.asarray(colour.convert("L"), np.uint16) * 257)
    exif = Image.Exif()
    exif.update({0x010F: "Drawn", 0x0112: 6})
    exif.get_ifd(0x8825).update({1: "N", 2: (46.0, 54.0, 0.0), 3: "E", 4: (7.0, 25.0, 0.0)})
    kinds = {
        "base.jpg": (colour, {"quality": 90, "exif": exif}),
        "large.jpg": (large, {"quality": 80, "exif": exif}),
        "progressive.jpg": (large, {"progressive": True}),
        "restarts.jpg": (large, {"restart_marker_rows": 2, "subsampling": 0}),
        "grey.jpg": (colour.convert("L"), {}),
        "cmyk.jpg": (colour.convert("CMYK"), {}),
        "rgb.png": (colour, {"exif": exif}),
        "rgba.png": (clear, {}),
        "palette.png": (colour.quantize(60), {"transparency": 3}),
        "grey16.png": (grey16, {}),
        "clear16.png": (grey16, {"transparency": 257 * 90}),
        "bits.png": (colour.convert("1"), {}),
        "lossy.webp": (colour, {"exif": exif}),
        "lossless.webp": (clear, {"lossless": True}),
        "raw.tif": (colour, {"exif": exif}),
        "lzw.tif": (colour, {"compression": "tiff_lzw"}),
        "deflate.tiff": (colour, {"compression": "tiff_adobe_deflate"}),
        "jpeg.tif": (colour, {"compression": "jpeg"}),
        "grey16.tif": (grey16, {}),
        "cmyk.tif": (colour.convert("CMYK"), {}),
        "rgb.bmp": (colour, {}),
        "palette.bmp": (colour.quantize(60), {}),
    }
    if features.check("avif"):
        kinds["rgb.avif"] = (colour, {"exif": exif})
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
        kinds["rgb.heic"] = (colour, {"exif": exif})
    except ImportError:
        pass
    drawn = {name: _saved(name, image, **options) for name, (image, options) in kinds.items()}
    chunks = (dc.chunk(b"gAMA", bytes(4)), dc.chunk(b"cICP", bytes([12, 13, 0, 1])))
    drawn["named.png"] = drawn["rgb.png"][:33] + b"".join(chunks) + drawn["rgb.png"][33:]
    cut = (dc.clap(100, 80, 5, -3), dc.irot(1), dc.imir(0), dc.nclx(12, 13))
    for name in {"rgb.avif", "rgb.heic"} & drawn.keys():
        drawn[name.replace("rgb", "cut")] = dc.with_properties(drawn[name], *cut, drop=[b"nclx"])
        tile = _saved(name, colour.resize((128, 128)))
        coding = b"av01" if name.endswith("avif") else b"hvc1"
        whole = dc.grid(tile, coding, 2, 1, (128, 128), (250, 120))
        drawn[name.replace("rgb", "grid")] = whole
    return drawn


def _saved(name: str, image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    endings = Image.registered_extensions()
    options.setdefault("format", endings[Path(name).suffix])
    image.save(buffer, **options)
    return buffer.getvalue()


def _flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 2, 8, 40])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _zero(data: bytearray, rng: random.Random) -> None:
    start, length = rng.randrange(len(data)), rng.choice([1, 16, 512, 4096])
    data[start : start + length] = bytes(len(data[start : start + length]))


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.choice([1, 7, 300])]


def _insert(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:start] = rng.randbytes(rng.choice([1, 7, 300]))


def _repeat(data: bytearray, rng: random.Random) -> None:
    start, to = rng.randrange(len(data)), rng.randrange(len(data))
    data[to:to] = data[start : start + rng.choice([20, 900])]


def _extreme(data: bytearray, rng: random.Random) -> None:
    """Write an integer that headers should not hold, mostly near the beginning."""
    start = rng.randrange(min(len(data), rng.choice([60, 400, 10**9])))
    number = rng.choice([0, 1, 3, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF])
    width = rng.choice([1, 2, 4])
    order = rng.choice(["big", "little"])
    data[start : start + width] = (number % 256**width).to_bytes(width, order)


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [
    *(_flip_bits, _zero, _cut, _remove, _insert, _repeat, _extreme, _extreme)
]


def mutant(data: bytes, rng: random.Random) -> bytes:
    """Return the data with some damage."""
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if damaged:
            rng.choice(DAMAGES)(damaged, rng)
    return bytes(damaged)


def write_mutants(folder: Path, count: int, rng: random.Random) -> None:
    """Write damaged photographs into three class folders, an hour ago."""
    pictures = list(seeds().items())
    then = time.time_ns() - 3_600_000_000_000
    for number in range(count):
        name, data = pictures[number % len(pictures)]
        path = folder / ("corn", "soybean", "wheat")[number % 3] / f"{number:05}-{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutant(data, rng))
        os.utime(path, ns=(then, then))


class DefectError(AssertionError):
    """Something that must hold does not."""


def granpipe(*words: object, codes: tuple[int, ...] = (0,)) -> str:
    """Run a command, and return what it printed."""
    command = [sys.executable, "-m", "granpipe", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    said = done.stdout + done.stderr
    if done.returncode not in codes or "Traceback" in said:
        raise DefectError(
            f"granpipe {' '.join(map(str, words))} left with {done.returncode}: {said}"
        )
    return said


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a dataset but granpipe's own, by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".granpipe" not in path.parts
    }


def expect(holds: object, what: str) -> None:
    if not holds:
        raise DefectError(what)


def check_seeds(folder: Path) -> None:
    """See that every picture is prepared as long as it is whole."""
    for name, data in seeds().items():
        (folder / "seeds/corn").mkdir(parents=True, exist_ok=True)
        (folder / "seeds/corn" / name).write_bytes(data)
    granpipe("prepare", folder / "seeds", folder / "sound", "--size", SIZE, "--strict", "-q")


def fuzz_prepare(folder: Path, count: int, rng: random.Random) -> Counter[str]:
    """Prepare damaged photographs with one worker and with three; return the reasons' counts."""
    check_seeds(folder)
    img, one, three = folder / "img", folder / "one", folder / "three"
    write_mutants(img, count, rng)
    granpipe("prepare", img, one, "--size", SIZE, "--workers", 1, "-q")
    granpipe("prepare", img, three, "--size", SIZE, "--workers", 3, "-q")
    first, second = contents(one), contents(three)
    differing = {
        name for name in first.keys() | second.keys() if first.get(name) != second.get(name)
    }
    expect(not differing, f"other bytes with other workers: {sorted(differing)[:5]}")
    prepared, rejected = table(one / "labels.csv"), table(one / "rejected.csv")
    named = sorted(row["source"] for row in [*prepared, *rejected])
    files = sorted(path.relative_to(img).as_posix() for path in img.rglob("*") if path.is_file())
    expect(named == files, "not every photograph is in just one of the tables")
    defects = list(_unlike(img, one, [row["source"] for row in prepared], folder / "plain"))
    expect(not defects, "\n".join(["accepted, but unlike a plain decode:", *defects]))
    return Counter({"prepared": len(prepared)}) + Counter(row["reason"] for row in rejected)


def _unlike(img: Path, out: Path, sources: list[str], plain: Path) -> Iterator[str]:
    """Yield the accepted photographs that a plain decode refuses or draws otherwise."""
    plain.mkdir()
    command = [sys.executable, "-c", PLAIN_DECODER, str(SIZE), str(plain)]
    names = "".join(f"{img / source}\n" for source in sources)
    done = subprocess.run(
        command, input=names, capture_output=True, text=True, cwd=ROOT, check=False
    )
    answers = done.stdout.splitlines()
    expect(len(answers) == len(sources), f"the plain decoder died: {done.stderr[-300:]}")
    for number, (source, answer) in enumerate(zip(sources, answers, strict=True)):
        if answer != "drawn":
            yield f"{source}: {answer}"
            continue
        ours = np.load(out / f"{source}.npy").astype(float)
        error = min(np.mean((drawn - ours) ** 2) for drawn in np.load(plain / f"{number}.npy"))
        if error and 10 * np.log10(255**2 / error) < LEAST_PSNR:
            yield f"{source}: {10 * np.log10(255**2 / error):.1f} dB"


def fuzz_map(folder: Path) -> Counter[str]:
    """Map the damaged photographs with one worker and with three; return the verdicts' counts."""
    img = folder / "img"
    for name, workers in (("map", 1), ("again", 3)):
        # The page names the files that are written with it.
        outputs = ("-o", folder / name / "map.html", "-o", folder / name / "map.csv")
        granpipe("map", img, *outputs, "--workers", workers, "-q")
    for suffix in (".html", ".csv"):
        one, three = (folder / name / f"map{suffix}" for name in ("map", "again"))
        expect(one.read_bytes() == three.read_bytes(), f"another {suffix} with other workers")
    rows = table(folder / "map/map.csv")
    placed = {row["source"]: row["latitude"] for row in rows if row["verdict"] == "ok"}
    for row in table(folder / "one/labels.csv"):
        expect(row["latitude"] == placed.get(row["source"], ""), f"{row['source']}: two positions")
    files = sorted(path.relative_to(img).as_posix() for path in img.rglob("*") if path.is_file())
    expect([row["source"] for row in rows] == files, "not every photograph has a verdict")
    return Counter(row["verdict"] for row in rows)


def fuzz_augment(folder: Path, count: int, rng: random.Random) -> Counter[str]:
    """Damage arrays of a dataset, and make copies; return what became of the photographs."""
    img, out = folder / "whole", folder / "arrays"
    for number in range(count):
        path = img / "corn" / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 12, 3), (number % 251, number // 251, 7), np.uint8)).save(path)
    granpipe("prepare", img, out, "--size", 16, "-q")
    arrays = sorted(out.rglob("*.npy"))
    sound = {path.relative_to(out).as_posix(): np.load(path) for path in arrays}
    for array in arrays[::2]:
        data = bytearray(array.read_bytes())
        data[rng.randrange(128)] ^= 1 << rng.randrange(8)
        array.write_bytes(data if rng.random() < 0.8 else mutant(bytes(data), rng))
    granpipe("augment", out, "--copies", 2, "--workers", 1, "-q")
    granpipe("augment", out, "--copies", 2, "--workers", 3, "-q", "-o", folder / "copies")
    same = contents(out / "augmented") == contents(folder / "copies")
    expect(same, "other copies with other workers")
    copies, rejected = table(out / "augmented/labels.csv"), table(out / "augmented/rejected.csv")
    expect(len(copies) + 2 * len(rejected) == 2 * count, "a photograph is unaccounted for")
    for row in copies:
        copy = np.load(out / "augmented" / row["path"], allow_pickle=False)
        made = make_copy(sound[f"{row['source']}.npy"], *parameters_of(row))
        expect(np.array_equal(copy, made), f"{row['path']}: of a damaged array")
    return Counter({"copied": len(copies) // 2, "rejected": len(rejected)})


def fuzz_ledger(folder: Path, rounds: int, rng: random.Random) -> None:
    """Damage a dataset's ledger again and again; the next run must bring the dataset back."""
    img, out = folder / "few", folder / "ledger"
    for number in range(12):
        path = img / ("corn", "wheat")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 12, 3), 20 * number, np.uint8)).save(path)
    granpipe("prepare", img, out, "--size", 16, "-q")
    ledger, before = out / ".granpipe/ledger.sqlite", contents(out)
    for _ in range(rounds):
        whole = ledger.read_bytes()
        ledger.write_bytes(mutant(whole, rng))
        granpipe("prepare", img, out, "--size", 16, "-q")
        expect(contents(out) == before, f"a damaged ledger was believed: {ledger.read_bytes()!r}")
        json.loads((out / "dataset.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("prepare:", dict(fuzz_prepare(folder, options.count, rng)), flush=True)
        print("map:", dict(fuzz_map(folder)), flush=True)
        print("augment:", dict(fuzz_augment(folder, options.count // 4, rng)), flush=True)
        fuzz_ledger(folder, options.count // 60, rng)
    print("no defect found")


if __name__ == "__main__":
    main()
