"""Options and kinds of arguments that commands share."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from granpipe import checks
from granpipe.commands import reports
from granpipe.commands.ending import end_when_deaf
from granpipe.errors import DatasetError

if TYPE_CHECKING:
    from granpipe.stores.protocol import Store

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# ruff: noqa: PLC0415

BETWEEN_LINES = 60.0
"""Seconds between two lines of a log on how far a run on Spark is."""

_Param = click.Parameter | None
_Context = click.Context | None


class Command(click.Command):
    """A command that can be ended while it waits for a server, and fails where a pipe is closed."""

    def invoke(self, ctx: click.Context) -> Any:
        words = [str(value) for value in ctx.params.values()]
        if "spark" in words or any("://" in word for word in words):
            end_when_deaf()
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise DatasetError(f"a pipe was closed: {error}; run again") from error


class Checked(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """What a check of `granpipe.checks` takes."""

    def __init__(self, name: str, check: Callable[[Any], Any]) -> None:
        self.name = name
        self.check = check

    def convert(self, value: Any, param: _Param, ctx: _Context) -> Any:
        return _converted(self, value, param, ctx)


class Whole(click.IntRange):
    """A whole number, whose bounds the help shows."""

    def __init__(self, check: checks.Whole) -> None:
        super().__init__(check.least, check.most)
        self.check = check

    def convert(self, value: Any, param: _Param, ctx: _Context) -> Any:
        return _converted(self, value, param, ctx)


class Number(click.FloatRange):
    """A number, whose bounds the help shows."""

    def __init__(self, check: checks.Number) -> None:
        super().__init__(check.least, check.most, min_open=check.is_open)
        self.check = check

    def convert(self, value: Any, param: _Param, ctx: _Context) -> Any:
        return _converted(self, value, param, ctx)


def _converted(kind: Any, value: Any, param: _Param, ctx: _Context) -> Any:
    try:
        return kind.check(value)
    except ValueError as error:
        return kind.fail(f"{error}.", param, ctx)


class File(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A file to write, by its suffix, in a folder or a bucket."""

    name = "file"

    def __init__(self, *suffixes: str) -> None:
        self.suffixes = suffixes
        self.check = checks.place

    def convert(self, value: Any, param: _Param, ctx: _Context) -> str:
        text: str = _converted(self, value, param, ctx)
        if os.path.splitext(os.path.basename(text))[1].lower() not in self.suffixes:  # noqa: PTH119, PTH122
            self.fail(f"{text!r} does not end in {', '.join(self.suffixes)}.", param, ctx)
        return text

    def shell_complete(self, ctx: click.Context, param: Any, incomplete: str) -> list[Any]:
        return [CompletionItem(incomplete, type="file")]


class Place(Checked):
    """A folder, or s3://bucket/prefix."""

    def shell_complete(self, ctx: click.Context, param: Any, incomplete: str) -> list[Any]:
        return [CompletionItem(incomplete, type="dir")]


PLACE = Place("folder", checks.place)
"""A folder, or s3://bucket/prefix."""


class Choice(click.Choice):  # type: ignore[type-arg,unused-ignore]
    """One of some words, which the help shows."""

    def __init__(self, check: checks.Choice) -> None:
        super().__init__(check.words)
        self.check = check

    def convert(self, value: Any, param: _Param, ctx: _Context) -> Any:
        return _converted(self, value, param, ctx)


class Renamed(click.Option):
    """An option whose former names, which follow the first, still work and are not shown."""

    def get_error_hint(self, ctx: _Context) -> str:
        return f"'{self.opts[0]}'"

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        names = self.opts
        self.opts = names[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names


class Sections(Command):
    """A command whose options are under headings in its help.

    Parameters
    ----------
    sections : mapping of str to tuple
        By heading, the names of its options; the first heading takes all others.
    """

    def __init__(self, *args: Any, sections: Mapping[str, tuple[str, ...]], **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        first, *_ = self.sections
        homes = {name: heading for heading, names in self.sections.items() for name in names}
        lines: dict[str, list[tuple[str, str]]] = {heading: [] for heading in self.sections}
        for param in self.get_params(ctx):
            line = isinstance(param, click.Option) and param.get_help_record(ctx)
            if line:
                lines[homes.get(param.name or "", first)].append(line)
        for heading, rows in lines.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


workers = click.option(
    "-j",
    "--workers",
    type=Whole(checks.WORKERS),
    metavar="N",
    help="Number of processes.  [default: one for each core]",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print the report as one JSON object."
)
dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done; write nothing.")
verbose = click.option("-v", "--verbose", is_flag=True, help="List every reject.")
engine = click.option(
    "--engine",
    type=Choice(checks.ENGINE),
    default="local",
    show_default=True,
    help="Processes of this machine, or Apache Spark (extra: spark).",
)
verify = click.option(
    "--verify", is_flag=True, help="Re-read every file instead of trusting size and time."
)
strict = click.option("--strict", is_flag=True, help="Exit with 1 when anything is rejected.")
quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")

preview = click.option(
    "--preview", type=File(".png"), metavar="FILE", help="Draw a contact sheet into this .png file."
)

_SHARDS = (
    click.option(
        "--shards",
        type=PLACE,
        metavar="DIR",
        help="Also write the arrays to DIR as WebDataset tar files.",
    ),
    click.option(
        "--shard-size",
        type=Whole(checks.SHARD_SIZE),
        default=1000,
        show_default=True,
        metavar="N",
        help="Approximate number of samples in a shard.",
    ),
    click.option(
        "--shard-format",
        type=Checked("format", checks.shard_format),
        default="npy",
        show_default=True,
        metavar="FORMAT",
        help="npy, png (lossless), or jpeg:95 with its quality.",
    ),
)


def shards(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of shards."""
    for option in reversed(_SHARDS):
        command = option(command)
    return command


def progress(
    results: Iterator[Any],
    total: int,
    *,
    quiet: bool,
    unit: str = "photographs",
) -> Iterator[Any]:
    """Show a bar on a terminal; elsewhere, as in a log file, a line a minute."""
    if quiet or sys.stderr is None:
        return results
    if not sys.stderr.isatty():
        return _logged(results, total)
    from granpipe.jobs.following import bar

    return bar(results, total, unit)


def _logged(results: Iterator[Any], total: int) -> Iterator[Any]:
    begun, ended, count = time.monotonic(), threading.Event(), 0

    def log() -> None:  # also while nothing comes: a run that is silent seems dead
        while not ended.wait(BETWEEN_LINES):
            rate = count / (time.monotonic() - begun)
            left = f"{(total - count) / rate / 60:,.0f} min left" if rate else "none yet"
            say(f"{count:,} of {total:,}, {rate:,.0f} a second, {left}")

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    try:
        for result in results:
            yield result
            count += 1
    finally:
        ended.set()
        thread.join()


def say(line: str) -> None:
    """Tell whom the run waits for, above the bar where there is one."""
    text = f"granpipe: {reports.printable(line)}"
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if bars and bars._instances:
        bars.write(text, file=sys.stderr)
    else:
        reports.echo(text, err=True)


def sheet_place(url: str) -> "tuple[Store, str]":
    """Return where a contact sheet goes; DatasetError where something else is there."""
    from granpipe.dataset.contact_sheet import MARK, MARK_PLACE
    from granpipe.stores.files import check_free
    from granpipe.stores.urls import open_file

    store, name = open_file(url)
    check_free(store, name, MARK, MARK_PLACE)
    return store, name
