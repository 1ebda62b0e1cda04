"""What commands print of what they did."""

import errno
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from granpipe.errors import DatasetError

if TYPE_CHECKING:
    from granpipe.dataset.tables import Rejection
    from granpipe.jobs.split_summary import SplitSummary

SPLITS = ("train", "validation", "test")
_MOST_ENDINGS = 6
_COLUMNS = 80
_ALLOW = "allow reading it, or check its disk, then run again"
_MISSING_IN_PANDAS = frozenset(
    "#NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> NA NULL NaN None nan null".split(" ")  # noqa: SIM905
)
"""What `pandas.read_csv` takes for a missing value by default."""

MOST_LINES = 20
"""Photographs that are named one by one; the others are counted."""

_MOST_CLASSES = 100


def printable(text: str) -> str:
    r"""Return text that cannot move the terminal's cursor or turn its line around.

    >>> printable("a\nb\x1b[31m\u202egpj.exe")
    'a\\nb\\x1b[31m\\u202egpj.exe'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def counted(count: int, what: str) -> str:
    """Return how many things there are.

    >>> counted(1, "photograph"), counted(2000, "array"), counted(0, "copy")
    ('1 photograph', '2,000 arrays', '0 copies')
    """
    if count != 1:
        what = f"{what[:-1]}ies" if what[-1] == "y" and what[-2] not in "aeiou" else f"{what}s"
    return f"{count:,} {what}"


def echo(text: str, *, err: bool = False) -> None:
    """Print a line; where nobody reads any more, as after `| head`, go on without."""
    try:
        click.echo(text, err=err)
    except BrokenPipeError:
        silence(sys.stderr if err else sys.stdout)
    except OSError as error:
        silence(sys.stderr if err else sys.stdout)
        name = "standard error" if err else "standard output"
        raise DatasetError(
            f"{name}: {error.strerror or error}; fix that, then run again"
        ) from error


def _say(text: str) -> None:
    """Print a sentence in lines of at most 80 columns; no name or option is cut in two."""
    echo(textwrap.fill(text, _COLUMNS, break_long_words=False, break_on_hyphens=False))


def silence(stream: TextIO | None) -> None:
    """Let what is still to be printed go nowhere; else Python complains when it ends."""
    if stream:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())


def print_rejections(
    rejections: "list[Rejection]",
    advice: Mapping[str, str],
    where: str,
    unseen: Collection[str] = (),
    *,
    verbose: bool = False,
) -> None:
    """Print what was rejected and what to do about it, to stderr; at most twenty unless verbose.

    What could not be seen, as its name and the cause, is whole perhaps where it is.
    """
    shown = rejections if verbose else rejections[:MOST_LINES]
    for rejection in shown:
        line = f"{rejection.source}: {rejection.reason}: {rejection.detail}"
        what = advice[rejection.reason]
        is_unseen = f"{rejection.source}: {rejection.detail}" in unseen
        if is_unseen or rejection.detail == os.strerror(errno.EACCES):
            what = _ALLOW
        # Some details have said what to do.
        is_said = any(words in rejection.detail for words in ("pip install", "save it again"))
        echo(printable(line) + ("" if is_said else f"; {what}"), err=True)
    if more := len(rejections) - len(shown):
        echo(f"... and {more:,} more{printable(where)}", err=True)


def print_unlisted(unseen: Iterable[str]) -> None:
    """Print the folders that could not be listed, each with the cause, to stderr."""
    for line in unseen:
        echo(printable(f"{line}; {_ALLOW}"), err=True)


def print_classes(prepared: Counter[str], rejected: Counter[str]) -> None:
    """Print how many photographs of each class were prepared and rejected."""
    cells = {
        label: f"{prepared[label]:>9,}{rejected[label]:>10,}"
        for label in prepared.keys() | rejected.keys()
    }
    print_by_class(f"{'prepared':>9}{'rejected':>10}", cells)


def print_by_class(head: str, cells: Mapping[str, str]) -> None:
    """Print a table of a line a class, sorted; of very many classes the first hundred."""
    echo(f"{'class':<24}{head}")
    for label in sorted(cells)[:_MOST_CLASSES]:
        echo(f"{printable(label):<24}{cells[label]}")
    if (more := len(cells) - _MOST_CLASSES) > 0:
        echo(f"... and {more:,} more classes; --json prints all")


def print_dry_run(unwanted: Sequence[str], *, verbose: bool) -> None:
    """Print which arrays a run would delete, at most twenty unless verbose, and that none was."""
    shown = unwanted if verbose else unwanted[:MOST_LINES]
    for path in shown:
        echo(f"Would delete: {printable(path)}")
    if more := len(unwanted) - len(shown):
        echo(f"... and {more:,} more")
    echo("Nothing was written: this was a dry run.")


def print_ignored(files: Counter[str]) -> None:
    """Print which endings the files have that were ignored, if any were."""
    from granpipe.dataset.sources import named_endings  # noqa: PLC0415 - Pillow takes a while

    if files:
        _say(f"Ignored: {named_endings(files, _MOST_ENDINGS)}.")


def reindexed(changes: list[tuple[str, int, int]]) -> str:
    """Return a line on classes that have another label_index than before.

    >>> reindexed([("corn", 0, 1)])
    'label_index changed: corn 0 -> 1; networks trained before use the old numbers.'
    """
    named = [f"{printable(label)} {old} -> {new}" for label, old, new in changes[:MOST_LINES]]
    more = [f"{len(changes) - MOST_LINES} more"] if len(changes) > MOST_LINES else []
    parts = ", ".join(named + more)
    return f"label_index changed: {parts}; networks trained before use the old numbers."


def print_missing(labels: Collection[str]) -> None:
    """Print which classes pandas reads as a missing value, if any."""
    if missing := [label for label in labels if label in _MISSING_IN_PANDAS]:
        names = ", ".join(sorted(missing))
        line = f"pandas reads {names} as missing; read labels.csv with keep_default_na=False"
        echo(line, err=True)


def print_empty(labels: Sequence[str]) -> None:
    """Print which classes have no photographs any more, and have their place all the same."""
    names = ", ".join(map(printable, labels[:MOST_LINES])) + " ..." * (len(labels) > MOST_LINES)
    line = f"Without photographs now, but with their label_index: {names}"
    _say(f"{line}; --reindex-labels numbers the other classes anew.")


def print_flags(flags: Counter[str]) -> None:
    """Print how many photographs have each flag, if any has one."""
    if flags:
        parts = ", ".join(f"{count:,} {flag}" for flag, count in sorted(flags.items()))
        _say(f"Quality warnings (flags in labels.csv): {parts}.")


def print_split(summary: "SplitSummary", alike: str) -> None:
    """Print how many photographs and groups of each class each split has, and what to look at."""
    plan = summary.plan
    counts, groups = summary.counts, summary.groups_by
    cells = {
        label: [f"{counts[label, split]} ({groups[label, split]})" for split in SPLITS]
        for label in summary.labels
    }
    print_by_class(_in_columns(SPLITS), {label: _in_columns(row) for label, row in cells.items()})
    echo("Photographs, with their number of groups in brackets.")
    seed = f", seed {plan.seed}" if plan.shares else ""
    echo(f"Split {plan.split} of {counted(summary.groups, 'group')} by {plan.together}{seed}.")
    if summary.folds:
        parts = ", ".join(
            f"{fold}: {summary.folds[fold]:,}" for fold in sorted(summary.folds, key=int)
        )
        _say(f"Folds, by photographs outside test: {parts}.")
    for note in _notes(summary, alike):
        _say(note)


def _in_columns(cells: Iterable[str]) -> str:
    return "".join(f"{cell:>17}" for cell in cells)


def _notes(summary: "SplitSummary", alike: str) -> Iterator[str]:
    """Yield what to look at in a split."""
    if summary.not_held:
        yield (
            f"Trained on before, and so not held out: {counted(summary.not_held, 'photograph')}; "
            f"--split none, and then {summary.plan.options()}, holds all out."
        )
    if empty := summary.plan.folds - len(summary.folds):
        yield f"Too few groups outside test: {counted(empty, 'fold')} of no photograph."
    if summary.conflicts:
        yield (
            "Alike under two classes, of which one may be wrong: "
            f"{counted(summary.conflicts, 'pair')}; see {printable(alike)}."
        )
    if summary.unknown:
        each = "; it forms its own group" if summary.unknown == 1 else "; each forms a group"
        what = f"{counted(summary.unknown, 'photograph')} without position, time or near-duplicate"
        yield f"{what}{each}."
    if summary.unsorted:
        what = counted(summary.unsorted, "photograph")
        yield f"In no field's folder, <class>/<field>/, for the rule folder to join: {what}."
    if summary.scarce:
        labels = ", ".join(map(printable, summary.scarce[:MOST_LINES]))
        yield f"Too few groups to be in every split: {labels}. Add other fields."
    photographs = summary.counts.total()
    if summary.plan.shares and 3 * summary.largest > photographs and summary.groups > 1:
        yield (
            f"One group holds {summary.largest} of {photographs} photographs: put fields into "
            "folders, <class>/<field>/, for --keep-together folder,burst,likeness, or use fewer "
            "metres."
        )


def print_leaks(summary: "SplitSummary", leaks: str) -> None:
    """Print how much of a split that was given leaks, and what was done about it."""
    if summary.plan.shares:
        return
    if not summary.leaks:
        echo("No leaks were found between the splits.")
        return
    pairs = ", ".join(f"{rule} {count:,}" for rule, count in summary.leaks.items())
    held_out = " and ".join(
        f"{counted(count, 'photograph')} of {split}" for split, count in summary.leaking.items()
    )
    where = f" See {printable(leaks)}." if leaks else ""
    echo(f"Leaks, in pairs: {pairs}: {held_out}.{where}")
    if summary.plan.fix_leaks:
        _say(f"Moved to the earliest split of their group: {counted(summary.moved, 'photograph')}.")
    else:
        echo("--fix-leaks moves whole groups to the earliest split.")


def print_shortcuts(summary: "SplitSummary", table: str) -> None:
    """Print what gives classes away besides the plant, or that there are too few groups to say."""
    rows = summary.shortcuts.rows
    strong = [row for row in rows if row.verdict == "strong"]
    for row in strong:
        right, chance = (round(100 * float(share)) for share in (row.right, row.chance))
        how = ", by the picture's look, perhaps the plant's" if row.sort == "scene" else ""
        _say(
            f"{row.feature} predicts the class of {right} in 100 photographs "
            f"({chance} by chance){how}: {printable(row.given_away or row.apart)}"
        )
    if strong and table:
        echo(f"See {printable(table)}.")
    if all(row.verdict in {"few", "constant"} for row in rows):
        _print_few(summary.groups, max(row.classes for row in rows))
    if 3 * summary.unknown > summary.counts.total() and "folder" not in summary.plan.together.rules:
        _say(
            "Over a third of the photographs form groups of their own, so there are more groups "
            "than fields. Put fields into folders, <class>/<field>/, and add the option "
            f"--keep-together folder,{summary.plan.together}"
        )


def _print_few(groups: int, classes: int) -> None:
    from granpipe.dataset.shortcuts import LEAST_GROUPS, LEAST_OF_CLASS  # noqa: PLC0415 - NumPy

    if groups < LEAST_GROUPS:
        what = f"Too few groups to look for shortcuts: {groups} of {LEAST_GROUPS}."
    else:
        what = f"Too few classes of {LEAST_OF_CLASS} groups to look for shortcuts: {classes} of 2."
    echo(what)


def finish(rejections: "list[Rejection]", *, strict: bool) -> None:
    """End with an error where --strict allows no rejects."""
    if rejections and strict:
        raise DatasetError(f"{len(rejections)} rejected, which --strict does not allow")
