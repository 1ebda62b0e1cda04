"""Measure what the process that gives out the work takes in memory, for records without pixels.

`python tests/bench_memory.py COMMAND COUNT FOLDER [OPTION VALUE ...]` is one run of a command over
so many photographs that are nowhere, and prints its CPU seconds and its megabytes beyond those that
the interpreter had with all of granpipe imported.
"""

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from granpipe.copies.transform import Ranges, draw_parameters, generator
from granpipe.dataset.moments import SUMS
from granpipe.dataset.record import CopyRecord, Record, ShardRecord
from granpipe.jobs import augment, photomap, prepare
from granpipe.jobs.copy_photo import PARAMETER_COLUMNS, Copied
from granpipe.jobs.make_shard import MakeShard, unpack
from granpipe.jobs.prepare_photo import Outcome
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.photo.letterbox import content_box
from granpipe.photo.likeness import BYTES, WINDOWS
from granpipe.stores.folder import Folder
from granpipe.stores.protocol import Entry, Held

ROOT = Path(__file__).parent.parent
COPIES = 5
RUNS: list[tuple[str, str, list[str]]] = [
    ("prepare, first run", "prepare", []),
    ("prepare, nothing changed", "prepare", []),
    ("augment x 5, first run", "augment", []),
    ("augment x 5, nothing changed", "augment", []),
    ("map", "map", []),
    ("prepare --split, by place", "prepare", ["split", "80/10/10", "together", "place:200,burst"]),
    ("prepare --split, by likeness, too", "prepare", ["split", "80/10/10"]),
    (
        "prepare --split given, by place",
        "prepare",
        ["split", "given", "together", "place:200,burst"],
    ),
]


def bench_memory(count: int) -> None:
    """Print what a run takes for so many photographs, of each kind."""
    print(f"\n{f'{count:,} records, no pixels':<46}{'CPU s':>8}{'memory':>19}")
    with tempfile.TemporaryDirectory() as name:
        for number, (what, command, words) in enumerate(RUNS):
            out = f"{name}/{number if words else 'out'}"
            seconds, taken = measured(command, count, out, *words)
            print(f"  {what:<44}{seconds:>8.1f}{taken:>16,.0f} MB", flush=True)


def measured(command: str, count: int, out: str, *words: str) -> tuple[float, float]:
    """Return the CPU seconds and megabytes of a run in a process of its own."""
    arguments = [sys.executable, __file__, command, str(count), out, *words]
    done = subprocess.run(arguments, capture_output=True, check=True, cwd=ROOT)
    seconds, taken = map(float, done.stdout.split())
    return seconds, taken


class Source(Folder):
    """Photographs that are nowhere."""

    count = 0
    is_given = False  # of fields of five, every other has one photograph in test

    def list(self, folder: str = "", *, deep: bool = True) -> Iterator[Entry]:
        for number in range(self.count):
            yield Entry(source(number), 100_000 + number, version(number))


class Target(Folder):
    """A dataset or an augmented set whose arrays are nowhere."""

    made = copied = 0

    def list(self, folder: str = "", *, deep: bool = True) -> Iterator[Entry]:
        if not folder.startswith(("crop", "train", "test")):
            yield from super().list(folder, deep=deep)
            return
        is_augmented = self.root.endswith("augmented")
        for number in range(Target.copied if is_augmented else Target.made):
            if source(number).startswith(f"{folder}/"):
                for copy in range(1, COPIES + 1) if is_augmented else [0]:
                    name = f"{source(number)}.{copy}" if copy else source(number)
                    yield Entry(f"{name}.npy", 150_656, version(number))

    @contextmanager
    def hold(self, folder: str, say: Any) -> Iterator[Held]:
        yield Held(self, lambda: None, lambda: None)

    def free(self) -> None:
        """Have room for all copies."""


class Engine:
    """Answers without a pixel."""

    def __init__(self, answer: Callable[[Any, Any], object]) -> None:
        self.answer = answer

    def open(self, url: Any) -> Folder:
        return Source("nowhere") if str(url) == "nowhere" else Target(str(url))

    def run(self, function: Any, items: Any, place: object) -> Iterator[tuple[object, object]]:
        for item in items:
            yield item, self.answer(function, item)


def source(number: int) -> str:
    split = ("test/" if number % 10 == 9 else "train/") * Source.is_given
    return f"{split}crop {number // 50 % 7}/IMG_{number:07}.jpg"


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def version(number: int) -> str:
    return digest(number)[32:]


def position(number: int) -> tuple[float, float]:
    row, column = divmod(number // 5, 1_000)  # five photographs a field, a kilometre apart
    return 40.000001 + row / 100, 8.000001 + column / 64


def prepared(function: Any, job: Any) -> Outcome | ShardRecord:
    if isinstance(function, MakeShard):
        version_there = function.output.write(f"{job.name}.tar", b"")
        return ShardRecord(job.key, len(unpack(job.packed)), 0, digest(0), version_there)
    number = int(job.photo.path[-11:-4])
    lat, lon = position(number)
    sums = {"red": 4_412_312, "green": 4_412_312, "blue": 4_412_312}
    sums |= {f"{colour}_squares": 612_341_234 for colour in list(sums)}
    record = Record(
        recipe=function.settings.recipe,
        sha256=digest(number),
        version=job.photo.version,
        array_sha256=digest(number),
        array_version=version(number),
        max_memory=function.settings.max_memory,
        width=4000,
        height=3000,
        left=0,
        top=28,
        right=224,
        bottom=196,
        latitude=lat,
        longitude=lon,
        altitude=500.0,
        taken_at="2024-06-01T10:30:00",
        utc_offset="+02:00",
        utc_offset_from="exif",
        camera="Drawn Phone 1",
        flags="",
        phash=phash(number) if function.hashes else None,
        **traces(number),
        **sums,
    )
    Target.made += 1
    return Outcome(record, is_kept=False)


def traces(number: int) -> dict[str, Any]:
    """Return what shortcuts.csv judges, of a photograph that is like no other."""
    noise = hashlib.shake_256(f"traces {number}".encode()).digest(24)
    sides = {"file_size": 2_000_000 + noise[0] * 4_096, "quantization": 100 + noise[1]}
    return sides | {"blocks": "exif icc", "sharpness": 0.5 + noise[2] / 512, "border": noise}


def phash(number: int) -> bytes:
    """Return hashes of a photograph that is like no other."""
    return hashlib.shake_256(str(number).encode()).digest((1 + WINDOWS) * BYTES)


def copied(function: Any, job: Any) -> list[Copied]:
    number = int(job.source[-11:-4])
    parameters = draw_parameters(generator(0, job.source, 1), content_box(4, 3, 224), Ranges())
    columns = {name: getattr(parameters, name) for name in PARAMETER_COLUMNS}
    columns |= {"seed": 0, "array_sha256": digest(number), "array_version": version(number)}
    columns |= dict(zip(SUMS, [*3 * [4_412_312], *3 * [612_341_234]], strict=True))
    key = function.key(job.source, job.made_from, job.box)
    Target.copied = max(Target.copied, number + 1)
    return [Copied(CopyRecord(key=key, **columns), is_kept=False) for _ in job.copies]


def seen(function: Any, job: Any) -> tuple[Capture, str]:
    lat, lon = position(int(job.photo.path[-11:-4]))
    place = Position(lat, lon, 500.0)
    return Capture("ok", "", place, "2024-06-01T10:30:00", "+02:00", "Drawn", "Phone 1"), ""


def measure(command: str, count: int, out: str, *words: str) -> None:
    """Run a command, and print seconds and megabytes beyond those of the interpreter."""
    options: dict[str, Any] = dict(zip(words[::2], words[1::2], strict=True))
    Source.count, Source.is_given = count, options.get("split") == "given"
    Target.made = count if Path(out).exists() else 0
    Target.copied = count if Path(out, "augmented").exists() else 0
    before, start = peak(), time.process_time()
    if command == "prepare":
        with mock.patch.object(prepare, "choose", lambda *_: Engine(prepared)):
            prepare.prepare("nowhere", out, **options)
    elif command == "augment":
        with mock.patch.object(augment, "choose", lambda *_: Engine(copied)):
            augment.augment(out, COPIES)
    else:
        with mock.patch.object(photomap, "choose", lambda *_: Engine(seen)):
            photomap.map_photos("nowhere", [f"{out}.html", f"{out}.csv"], thumbnails=0)
    print(time.process_time() - start, peak() - before)


def peak() -> float:
    """Return the most memory that this process has had, in megabytes."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        # Of a process that was started by a larger one, this may be what that one had.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    measure(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
