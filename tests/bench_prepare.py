"""Measure `granpipe prepare` beside others who letterbox photographs."""

from functools import partial

from bench_fidelity import References
from bench_peers import peers
from bench_photos import PHONE, SMALL, SMALL_444, Kind, photographs_of
from bench_rounds import Bench, Column, Contender, granpipe


def bench_prepare(bench: Bench) -> None:
    """Print a table for small photographs of both chromas, and one for a phone's."""
    compare(bench, SMALL, 5)
    compare(bench, SMALL_444, 5)
    compare(bench, PHONE, 3)


def compare(bench: Bench, kind: Kind, rounds: int) -> None:
    """Print a table of times and of fidelity."""
    photos = kind.draw(bench)
    paths = photographs_of(photos)
    count = len(paths)
    prepare = partial(granpipe, "prepare", photos)
    prepared = bench.new_folder()
    prepare(prepared)
    contenders = [
        Contender("granpipe prepare", prepare, count),
        Contender(
            "granpipe prepare --split 80/10/10", partial(prepare, "--split", "80/10/10"), count
        ),
        Contender("granpipe prepare, nothing to do", lambda _: prepare(prepared), count),
        *peers(photos, paths, are_large=kind == PHONE),
    ]
    references = References.of(paths)
    column = Column("PSNR dB", references.fidelity)
    bench.compete(f"prepare {kind.title(paths)}", contenders, rounds, column)
    print(f"  PSNR: median/lowest of {len(references.contents)} photographs, without the padding,")
    print("  to Pillow's full decode, turned upright and scaled by Lanczos; all turn upright")
