"""Measure this tree beside another revision of granpipe, command by command."""

import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from filecmp import cmp
from functools import partial
from pathlib import Path

from bench_photos import PHONE, SMALL, TINY, photographs_of
from bench_rounds import Bench, Contender, run
from conftest import ROOT

ROUNDS = 7
COPIES = 5
MOST_NAMED = 5  # files that differ


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder with the package granpipe in it, and the tree's name in the tables."""

    name: str
    folder: Path

    def granpipe(self, *words: object, cwd: Path) -> None:
        """Run the tree's own granpipe in a folder, in which it writes under the same names."""
        self.python("-m", "granpipe", *words, cwd=cwd)

    def python(self, *words: object, cwd: Path) -> bytes:
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        return run(sys.executable, "-P", *words, cwd=cwd, env=environment)

    def warm_up(self, folder: Path) -> Path:
        """Check that this tree is what runs, let Python compile it, and return a dataset."""
        file = self.python("-c", "import granpipe; print(granpipe.__file__, end='')", cwd=folder)
        assert Path(os.fsdecode(file)).is_relative_to(self.folder), file
        self.granpipe("prepare", ROOT / "img", "samples", cwd=folder)
        self.granpipe("augment", "samples", cwd=folder)
        self.granpipe("map", ROOT / "img", cwd=folder)
        return folder


def bench_against(bench: Bench, revision: str) -> None:
    """Print a table for each command; ratios are to the other revision, or tree at this path."""
    trees = [tree_of(bench, revision), Tree("this tree", ROOT)]
    folders = {tree: tree.warm_up(bench.new_folder()) for tree in trees}
    for kind in (SMALL, PHONE):
        photos = kind.draw(bench)
        paths = photographs_of(photos)
        runs = {tree: partial(tree.granpipe, "prepare", photos, "out") for tree in trees}
        compare(bench, f"prepare {kind.title(paths)}", runs, len(paths))
    photos, count = TINY.draw(bench), bench.count(TINY.count)
    for name in ("map.html", "map.csv"):
        runs = {tree: partial(tree.granpipe, "map", photos, "-o", name) for tree in trees}
        compare(bench, f"map -o {name} of {count:,} JPEGs, {TINY.size}", runs, count)
    count, words = COPIES * bench.count(SMALL.count), ["--copies", COPIES, "-o", "copies"]
    for tree, folder in folders.items():
        tree.granpipe("prepare", SMALL.draw(bench), "small", cwd=folder)
        runs[tree] = partial(tree.granpipe, "augment", folder / "small", *words)
    compare(bench, f"augment: {count:,} copies", runs, count)


def tree_of(bench: Bench, revision: str) -> Tree:
    """Return the tree at a path, or a copy of a revision of this repository."""
    if Path(revision).is_dir():
        return Tree(revision, Path(revision).resolve())
    folder = bench.new_folder()
    archive = run("git", "-C", ROOT, "archive", "--format=tar", revision, "granpipe")
    run("tar", "-x", "-C", folder, stdin=archive)
    return Tree(revision, folder.resolve())


def compare(bench: Bench, title: str, runs: dict[Tree, Callable[..., None]], count: int) -> None:
    """Print a table, the ratio of each round, and what the trees wrote in other bytes."""
    other, this = contenders = [
        Contender(tree.name, lambda out, run=run: run(cwd=out), count) for tree, run in runs.items()
    ]
    bench.compete(title, contenders, ROUNDS)
    for name, measure in (("CPU", "cpu"), ("CPU without the system's", "user")):
        ratios = sorted(this.ratios(other, measure))
        rounds = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"  {name}, x {statistics.median(ratios):.3f}; of the rounds {rounds}")
    count, names = differences(this.turns[0].folder, other.turns[0].folder)
    listed = ", ".join(names[:MOST_NAMED]) + ", ..." * (len(names) > MOST_NAMED)
    print(f"  files that differ: {len(names):,} of {count:,} {listed}".rstrip(), flush=True)


def differences(this: Path, other: Path) -> tuple[int, list[str]]:
    """Return how many files were written in two folders, and which are not the same in both."""
    both = [files_in(this), files_in(other)]
    same = {name for name in both[0] & both[1] if cmp(this / name, other / name, shallow=False)}
    return len(both[0] | both[1]), sorted((both[0] | both[1]) - same)


def files_in(folder: Path) -> set[str]:
    """Return the relative paths of files below a folder; not of granpipe's own."""
    paths = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {str(path) for path in paths if ".granpipe" not in path.parts}
