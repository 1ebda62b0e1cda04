"""The command line: a group and its commands, each of which calls one function."""

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from granpipe import __version__
from granpipe.errors import DatasetError, GranpipeError

if TYPE_CHECKING:
    from granpipe.dataset.files import Rejection
    from granpipe.jobs.photomap import Report as MapReport
    from granpipe.jobs.prepare import Report

# The commands import what they need when they run: `granpipe --help` is to answer at once.
# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: PLC0415, D301

_MOST_LINES = 20


class _Group(click.Group):
    """A group whose errors are one line, with exit code 1, 2 (usage) or 130 (interrupted)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        extra["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **extra) or 0)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "granpipe"
            _fail(f"{error.format_message()} See {command} --help.", 2)
        except (GranpipeError, OSError, MemoryError) as error:
            _fail(str(error) or "not enough memory", 1)
        except (click.Abort, KeyboardInterrupt):
            _fail("interrupted; the same command takes it up again", 130)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"granpipe: {printable(message)}", err=True)
    sys.exit(code)


def printable(text: str) -> str:
    r"""Return text that cannot move the terminal's cursor or turn its line around.

    >>> printable("a\nb\x1b[31m\u202egpj.exe")
    'a\\nb\\x1b[31m\\u202egpj.exe'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


class _Fill(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    name = "colour"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        if isinstance(value, tuple):
            return value
        if re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            red, green, blue = bytes.fromhex(value[1:])
            return red, green, blue
        if re.fullmatch(r"[0-9]{1,3}", value) and int(value) <= 255:
            return int(value), int(value), int(value)
        return self.fail(f"{value!r} is no grey level 0 to 255 and no #rrggbb.", param, ctx)


class _PngPath(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() != ".png":
            self.fail(f"{path} does not end in .png.", param, ctx)
        from granpipe.dataset.files import check_free

        check_free(path, b"\x89PNG")
        return path


def _progress(results: Iterator[Any], total: int, *, quiet: bool, unit: str) -> Iterator[Any]:
    # A bar on a terminal only, so that log files stay readable.
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        return results
    from tqdm import tqdm

    return iter(tqdm(results, total=total, unit=unit, dynamic_ncols=True))


_workers = click.option(
    "--workers", type=click.IntRange(1, 256), metavar="N", help="Processes.  [default: one a core]"
)
_strict = click.option("--strict", is_flag=True, help="Exit with 1 when anything is rejected.")
_quiet = click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
_preview = click.option(
    "--preview",
    type=_PngPath(path_type=Path),
    metavar="FILE",
    help="Draw a contact sheet into this .png file.",
)


@click.group("granpipe", cls=_Group, invoke_without_command=True)
@click.version_option(__version__, package_name="granpipe", message="granpipe %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Turn a folder of field photographs into what a crop classifier trains on.

    \b
    Example, with photographs in img/<crop>/:
      granpipe prepare img/ out/          photographs -> 224x224 arrays, labels.csv
      granpipe augment --copies 5         flipped, turned and cropped copies
      granpipe map img/ -o map.html       where they were taken
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command("prepare")
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--size",
    type=click.IntRange(1, 4096),
    default=224,
    metavar="PIXELS",
    help="Side of the arrays.  [default: 224]",
)
@click.option(
    "--fill",
    type=_Fill(),
    default="0",
    show_default=True,
    help="Of the padding: grey level 0 to 255, or #rrggbb.",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(1),
    default=200_000_000,
    metavar="N",
    help="Reject larger photographs undecoded.  [default: 200 million]",
)
@_workers
@click.option("--force", is_flag=True, help="Decode again also what is up to date.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@_preview
@_strict
@_quiet
def prepare_command(
    source: Path, output: Path, preview: Path | None, strict: bool, quiet: bool, **options: Any
) -> None:
    """Turn photographs into 224x224 arrays and a labels CSV.

    Every photograph SOURCE/<class>/<name> becomes OUTPUT/<class>/<name>.npy, uint8 of shape
    (224, 224, 3), letterboxed: wholly visible, centred, its proportions kept. It also gets a row of
    OUTPUT/labels.csv, or else a row of OUTPUT/rejected.csv with the reason. A second run decodes
    only what has changed.

    \b
    Example:
      granpipe prepare img/ out/ --preview sheet.png
    """
    from granpipe.jobs.prepare import prepare

    if preview and options["dry_run"]:
        raise click.UsageError("--preview needs arrays, which --dry-run does not write.")
    if preview and Path(os.path.realpath(preview)).is_relative_to(os.path.realpath(source)):
        raise click.UsageError("--preview may not write among the photographs.")
    progress = partial(_progress, quiet=quiet, unit=" photographs")
    report = prepare(source, output, progress=progress, **options)
    if not quiet:
        _print_report(report, output, options["dry_run"])
    if preview:
        from granpipe.dataset.files import write_file
        from granpipe.dataset.sheet import draw_dataset

        write_file(preview, draw_dataset(output))
    _finish(report.rejected, strict)


def _print_report(report: "Report", output: Path, dry_run: bool) -> None:
    from granpipe.dataset.files import REASONS
    from granpipe.photo.opening import Photo

    where = "" if dry_run else f", all in {output / 'rejected.csv'}"
    _print_rejections(report.rejected, REASONS, where)
    by_label = Counter(Photo(one.source).label or "(no class)" for one in report.rejected)
    click.echo(f"{'class':<24}{'prepared':>9}{'rejected':>10}")
    for label in sorted(report.prepared.keys() | by_label.keys()):
        click.echo(f"{printable(label):<24}{report.prepared[label]:>9}{by_label[label]:>10}")
    prepared = report.prepared.total()
    click.echo(
        f"{report.found} photographs found: {prepared} prepared ({report.kept} of them up to date "
        f"already), {len(report.rejected)} rejected.\n"
        f"{report.ignored} other files ignored, {report.deleted} arrays deleted."
    )
    if dry_run:
        click.echo("Nothing was written: this was a dry run.")
    if report.stale:
        click.echo(f"The augmented set is stale now: run granpipe augment {printable(str(output))}")


def _print_rejections(rejections: "list[Rejection]", advice: Mapping[str, str], where: str) -> None:
    for rejection in rejections[:_MOST_LINES]:
        line = f"{rejection.source}: {rejection.reason}: {rejection.detail}"
        click.echo(f"{printable(line)}; {advice[rejection.reason]}", err=True)
    if len(rejections) > _MOST_LINES:
        click.echo(f"... and {len(rejections) - _MOST_LINES} more{printable(where)}", err=True)


def _finish(rejections: "list[Rejection]", strict: bool) -> None:
    if rejections and strict:
        raise DatasetError(f"{len(rejections)} rejected, which --strict does not allow")


@cli.command("augment")
@click.argument("dataset", type=click.Path(path_type=Path), default="out")
@click.option(
    "--copies",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    metavar="N",
    help="Copies of each photograph.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write.  [default: DATASET/augmented]",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Another, other copies."
)
@click.option(
    "--flip-horizontal",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    metavar="P",
    help="Probability of a mirrored copy.",
)
@click.option(
    "--flip-vertical",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="P",
    help="Probability of an upside-down copy.",
)
@click.option(
    "--rotate",
    type=click.FloatRange(0, 180),
    default=15.0,
    show_default=True,
    metavar="DEGREES",
    help="Largest angle, either way.",
)
@click.option(
    "--crop",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.7,
    show_default=True,
    metavar="SHARE",
    help="Smallest share of the area that a crop shows.",
)
@_workers
@_preview
@_strict
@_quiet
def augment_command(
    dataset: Path,
    preview: Path | None,
    strict: bool,
    quiet: bool,
    flip_horizontal: float,
    flip_vertical: float,
    rotate: float,
    crop: float,
    **options: Any,
) -> None:
    """Make flipped, turned and cropped copies of the arrays.

    DATASET is what prepare wrote, `out` unless given. Every photograph gets its copies, the same on
    every machine: a copy depends on the seed, the photograph's path and its own number, and on
    nothing else. No copy has padding dragged into the picture.

    \b
    Example:
      granpipe augment out/ --copies 5 --seed 7 --preview copies.png
    """
    from granpipe.copies.transform import Ranges
    from granpipe.jobs.augment import ADVICE, augment

    try:
        ranges = Ranges(flip_horizontal, flip_vertical, rotate, crop)
    except ValueError as error:  # a number that is none passes the options' own checks
        raise click.UsageError(f"{error}.") from error
    progress = partial(_progress, quiet=quiet, unit=" photographs")
    report = augment(dataset, ranges=ranges, progress=progress, **options)
    where = f", all in {report.folder / 'rejected.csv'}"
    if not quiet:
        _print_rejections(report.rejected, ADVICE, where)
        click.echo(f"{'class':<24}{'copies':>9}")
        for label, count in sorted(report.written.items()):
            click.echo(f"{printable(label):<24}{count:>9}")
        click.echo(
            f"{report.written.total()} copies in {report.folder} ({report.kept} of them up to "
            f"date already), {len(report.rejected)} photographs rejected, "
            f"{report.deleted} arrays deleted."
        )
    if preview:
        from granpipe.dataset.files import write_file
        from granpipe.dataset.sheet import draw_copies

        write_file(preview, draw_copies(dataset, report.folder))
    _finish(report.rejected, strict)


@cli.command("map")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "outputs",
    type=click.Path(path_type=Path),
    multiple=True,
    default=["map.html"],
    metavar="FILE",
    help=".html, .geojson or .csv; may be repeated.  [default: map.html]",
)
@click.option("--offline", is_flag=True, help="Page without the network (extra: offline).")
@click.option(
    "--thumbnails",
    type=click.IntRange(0, 512),
    default=96,
    show_default=True,
    metavar="PIXELS",
    help="Longer side; 0 for none.",
)
@click.option(
    "--redact",
    type=click.IntRange(0, 6),
    metavar="DIGITS",
    help="For sharing: round positions to so many decimals (2 is about 1 km); no "
    "altitudes, directions, links or details.",
)
@_workers
@_quiet
def map_command(source: Path, outputs: tuple[Path, ...], quiet: bool, **options: Any) -> None:
    """Show on a map where the photographs were taken.

    Reads the GPS position from the EXIF block of every photograph below SOURCE. Those without one
    are listed with the reason.

    \b
    Example:
      granpipe map img/ -o map.html -o map.csv
    """
    from granpipe.jobs.photomap import map_photos

    progress = partial(_progress, quiet=quiet, unit=" photographs")
    report = map_photos(source, outputs, progress=progress, **options)
    if not quiet:
        _print_sightings(report)
        click.echo(f"Written: {', '.join(printable(str(output)) for output in outputs)}")


def _print_sightings(report: "MapReport") -> None:
    unmapped = [one for one in report.sightings if one.capture.position is None]
    for one in unmapped[:_MOST_LINES]:
        detail = f" ({one.capture.detail})" if one.capture.detail else ""
        click.echo(printable(f"{one.photo.source}: {one.capture.verdict}{detail}"), err=True)
    if len(unmapped) > _MOST_LINES:
        click.echo(f"... and {len(unmapped) - _MOST_LINES} more not on the map", err=True)
    click.echo(f"{'verdict':<24}{'photographs':>12}")
    for verdict, count in sorted(report.verdicts.items()):
        click.echo(f"{verdict:<24}{count:>12}")
    total = len(report.sightings)
    click.echo(
        f"{total} photographs found: {total - len(unmapped)} on the map, {len(unmapped)} not; "
        f"{report.ignored} other files ignored."
    )


def main() -> None:
    """Run the command line."""
    # Nothing here multiplies matrices; starting BLAS threads for it takes 30 ms.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if isinstance(sys.stdout, TextIOWrapper):
        # Where output goes to a file on Windows, a class named 日 would end the run.
        sys.stdout.reconfigure(errors="backslashreplace")
    # By default these end the process at once, and leave its workers behind.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda number, _: _fail("ended by a signal", 128 + number))
    cli(prog_name="granpipe")
