"""Options and kinds of arguments that commands share."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from granpipe import checks
from granpipe.commands import reports
from granpipe.commands.ending import end_when_deaf
from granpipe.commands.json_report import BEGUN
from granpipe.commands.kinds import PLACE, File, Renamed, kind_of
from granpipe.errors import DatasetError

if TYPE_CHECKING:
    from granpipe.stores.protocol import Store

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# ruff: noqa: PLC0415

BETWEEN_LINES = 60.0
"""Seconds between two lines of a log on how far a run on Spark is."""

Decorator = Callable[[Any], Any]


class Command(click.Command):
    """A command that can be ended while it waits for a server, and fails where a pipe is closed."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta[BEGUN] = time.monotonic()
        words = [str(value) for value in ctx.params.values()]
        if "spark" in words or any("://" in word for word in words):
            end_when_deaf()
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise DatasetError(f"a pipe was closed: {error}; run again") from error


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


def option(
    usage: str, check: Any, what: str, *, former: str = "", name: str = "", **more: Any
) -> Decorator:
    """Return an option with a value.

    Parameters
    ----------
    usage : str
        Its names, and its value as the help shows it; for the words of a choice nothing.
    check : callable or click.ParamType
        What the value may be; a check of `granpipe.checks`.
    what : str
        Its line in the help.
    former : str
        A name that still works, and gives the argument its own.
    name : str
        Of the argument, where it is another.
    **more
        Of `click.option`; a default is shown.
    """
    words = usage.split()
    metavar = None if words[-1].startswith("-") else words.pop()
    words += [former, former.lstrip("-")] if former else [name] if name else []
    settings = {"show_default": "default" in more, "cls": Renamed if former else None} | more
    return click.option(*words, type=kind_of(check), metavar=metavar, help=what, **settings)


def flag(names: str, what: str) -> Decorator:
    """Return an option without a value."""
    return click.option(*names.split(), is_flag=True, help=what)


def together(*options: Decorator) -> Decorator:
    """Return what gives a command several options, in their order."""

    def decorate(command: Any) -> Any:
        for decorator in reversed(options):
            command = decorator(command)
        return command

    return decorate


workers = option(
    "-j --workers N", checks.WORKERS, "Number of processes.  [default: one for each core]"
)
as_json = flag("--json as_json", "Print the report as one JSON object.")
dry_run = flag("--dry-run", "Print what would be done; write nothing.")
verbose = flag("-v --verbose", "List every reject.")
engine = option(
    "--engine",
    checks.ENGINE,
    "Processes of this machine, or Apache Spark (extra: spark).",
    default="local",
)
verify = flag("--verify", "Re-read every file instead of trusting size and time.")
strict = flag("--strict", "Exit with 1 when anything is rejected.")
quiet = flag("-q --quiet", "Print errors only.")
preview = option("--preview FILE", File(".png"), "Draw a contact sheet into this .png file.")
shards = together(
    option("--shards DIR", PLACE, "Also write the arrays to DIR as WebDataset tar files."),
    option(
        "--shard-size N",
        checks.SHARD_SIZE,
        "Approximate number of samples in a shard.",
        default=1000,
    ),
    option(
        "--shard-format FORMAT",
        checks.shard_format,
        "npy, png (lossless), or jpeg:95 with its quality.",
        default="npy",
    ),
)


def progress(
    results: Iterator[Any], total: int, *, quiet: bool, unit: str = "photographs"
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
    """Print a line on what a run does or waits for, above the bar if it has one."""
    text = f"granpipe: {reports.printable(line)}"
    bars = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if bars and bars._instances:
        bars.write(text, file=sys.stderr)
    else:
        reports.echo(text, err=True)


def sheet_place(
    preview: str | None, source: str = "", *, dry_run: bool
) -> "tuple[Store, str] | None":
    """Return where a contact sheet goes, which may be nowhere.

    Raises
    ------
    click.UsageError
        Nothing is drawn of a dry run, and nothing among the photographs of a source.
    DatasetError
        Something else is there, or it cannot be written.
    """
    from granpipe.dataset.contact_sheet import MARK, MARK_PLACE
    from granpipe.stores.files import check_free, check_writable
    from granpipe.stores.urls import open_file, open_store

    if preview is None:
        return None
    if dry_run:
        raise click.UsageError("--preview shows what --dry-run does not write.")
    store, name = open_file(preview)
    if source and store.is_within(open_store(source)):
        raise click.UsageError("--preview may not write among the photographs.")
    check_writable(store, name)
    check_free(store, name, MARK, MARK_PLACE)
    return store, name


def listed(values: Sequence[str]) -> list[str] | None:
    """Return what an option that may be repeated names; nothing for `none`, None without it."""
    return [value for value in values if value != "none"] if values else None
