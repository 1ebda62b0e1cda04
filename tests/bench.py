"""Measure granpipe beside what others do: `make bench`, or `python tests/bench.py --quick`.

Contenders take turns. Each time is the median of their rounds, by the clock and as the CPU seconds
of all their processes; a ratio to the table's first line is taken for each item and round, and its
median is printed, since a machine's speed drifts. Every run writes into a new folder; all are
removed at the end, until when a whole run takes 25 GB where TMPDIR says, --quick 2 GB.
`--against REVISION` measures this tree beside another one instead, which may also be a path.

For peers: pip install albumentations Augmentor opencv-python-headless pyvips; apt-get install
libvips-tools imagemagick.
"""

import argparse
import os
import platform
import signal
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from bench_against import bench_against
from bench_augment import bench_augment
from bench_buckets import bench_buckets
from bench_events import bench_events
from bench_folds import bench_folds
from bench_map import bench_map
from bench_memory import bench_memory
from bench_photographs import bench_photographs
from bench_photos import FOR_SPARK, SMALL, photographs_of
from bench_prepare import bench_prepare
from bench_rounds import CORES, Bench, Contender, granpipe, python
from bench_scaling import bench_scaling
from bench_service import bench_service
from bench_shards import bench_shards
from bench_shortcuts import bench_shortcuts
from bench_spark import bench_spark
from bench_split import bench_split

PACKAGES = ("Pillow", "numpy", "opencv-python-headless", "pyvips", "albumentations")


def spark(bench: Bench) -> None:
    bench_spark(FOR_SPARK.draw(bench), bench.new_folder())


def service(bench: Bench) -> None:
    if find_spec("flask"):
        bench_service(photographs_of(SMALL.draw(bench)), bench.new_folder())


def events(bench: Bench) -> None:
    if find_spec("confluent_kafka"):
        bench_events(photographs_of(SMALL.draw(bench)), bench.new_folder())


def memory(bench: Bench) -> None:
    bench_memory(bench.count(300_000))


def start(bench: Bench) -> None:
    contenders = [
        Contender("granpipe --help", lambda _: granpipe("--help"), 1),
        Contender("python -c pass", lambda _: python("-c", "pass"), 1),
    ]
    bench.compete("start", contenders, 10)


TABLES: dict[str, Callable[[Bench], None]] = {
    "prepare": bench_prepare,
    "augment": bench_augment,
    "photographs": bench_photographs,
    "shards": bench_shards,
    "map": bench_map,
    "buckets": bench_buckets,
    "spark": spark,
    "service": service,
    "events": events,
    "memory": memory,
    "split": bench_split,
    "folds": bench_folds,
    "shortcuts": bench_shortcuts,
    "scaling": bench_scaling,
    "start": start,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}; all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the photographs")
    parser.add_argument("--against", metavar="REVISION", help="another revision or tree instead")
    arguments = parser.parse_args()
    unknown = set(arguments.tables) - TABLES.keys()
    if unknown:
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its folder is removed
    print(conditions())
    print("x clock, x CPU: what an item takes, as a multiple of the first line's; medians")
    with tempfile.TemporaryDirectory(prefix="granpipe-bench-") as name:
        bench = Bench(Path(name), arguments.quick)
        if arguments.against:
            bench_against(bench, arguments.against)
            return
        for table in arguments.tables or TABLES:
            TABLES[table](bench)
    print(f"\n{conditions()}")


def conditions() -> str:
    """Return what was measured with, and how many processes wanted the cores just now."""
    packages = ", ".join(f"{name} {version_of(name)}" for name in PACKAGES)
    machine = f"{CORES} cores, {platform.machine()}, Python {platform.python_version()}"
    return f"{machine}, {packages}; load {os.getloadavg()[0]:.1f}"


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    main()
