"""The group `granpipe`, its entry point, and how errors are shown."""

import atexit
import gc
import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from granpipe.checks import no_such_variable
from granpipe.commands import reports
from granpipe.commands.augment import augment_command
from granpipe.commands.ending import MESSAGES
from granpipe.commands.map import map_command
from granpipe.commands.prepare import prepare_command
from granpipe.errors import DatasetError, GranpipeError, LayoutError, OptionError

# Click takes a line of \b for an order not to wrap the next paragraph.
# ruff: noqa: D301


_SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "GRANPIPE"}


class _Group(click.Group):
    """A group whose errors are one line, with exit code 1, 2 (usage) or 130 (interrupted)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        extra["standalone_mode"] = False
        stdout = sys.stdout
        try:
            sys.exit(super().main(*args, **extra) or 0)
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "granpipe"
            message = error.format_message()
            stop = "" if message.endswith((".", "?")) else "."
            _fail(f"{message}{stop} See {command} --help.", 2)
        except SystemExit as end:
            # Click puts another stdout in its place where nobody reads the help to its end.
            sys.exit(end.code if sys.stdout is stdout else 0)
        except ImportError as error:  # as NumPy raises it where its libraries find no memory
            cause = str(error).strip().splitlines()[-1]
            _fail(f"cannot load a package: {cause}; install it again, or allow more memory", 1)
        except FileNotFoundError as error:
            _fail(str(error) if error.filename else "the current folder is gone; name another", 1)
        except (GranpipeError, OSError, MemoryError) as error:
            code = 2 if isinstance(error, LayoutError | OptionError) else 1
            _fail(str(error) or "not enough memory", code)
        except (click.Abort, KeyboardInterrupt):
            _fail(MESSAGES[signal.SIGINT], 130)
        except RuntimeError as error:  # click.Abort is one, too
            if "start new thread" not in str(error):
                raise
            _fail("cannot start a thread; allow more memory, or more processes", 1)


def _fail(message: str, code: int) -> NoReturn:
    with suppress(DatasetError):  # the exit code says it where nothing can be printed
        reports.echo(f"granpipe: {reports.printable(message)}", err=True)
    sys.exit(code)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from granpipe.commands.version import details  # noqa: PLC0415 - Pillow takes a while

        reports.echo(details())
        ctx.exit()


@click.group("granpipe", cls=_Group, invoke_without_command=True, context_settings=_SETTINGS)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print versions and formats for a bug report.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Turn field photographs into a training set for a crop classifier.

    \b
    Example, with photographs in img/<crop>/:
      granpipe prepare img/ out/       photographs -> 224x224 arrays, labels.csv
      granpipe augment --copies 5      flipped, rotated and cropped copies
      granpipe map img/ -o map.html    where they were taken
    """
    if ctx.invoked_subcommand is None:
        reports.echo(ctx.get_help())
    else:
        _report_unknown(ctx.invoked_subcommand)


def _report_unknown(command: str) -> None:
    """Print each variable of a command that none of its options reads, with the nearest name."""
    prefix = f"GRANPIPE_{command.upper()}_"
    read = [str(param.envvar) for param in cli.commands[command].params if param.envvar]
    for name in sorted(name for name in os.environ if name.startswith(prefix) and name not in read):
        reports.echo(f"granpipe: {no_such_variable(reports.printable(name), read)}", err=True)


for command in (prepare_command, augment_command, map_command):
    cli.add_command(command)
    for parameter in command.params:
        # Click would name variables by the arguments of functions, as GRANPIPE_MAP_OUTPUTS.
        long = next((name for name in parameter.opts if name.startswith("--")), "")
        name = f"GRANPIPE_{command.name}{long.replace('-', '_').removeprefix('_')}".upper()
        parameter.envvar = parameter.envvar or (name if long else None)


def main() -> None:
    """Run the command line."""
    # Matrices here are small, and every core has a worker; starting BLAS threads takes 30 ms.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A run makes many objects and hardly a cycle: to look for some took 7 % of a map of 100,000.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)  # nor at the end, which takes 15 ms
    if isinstance(sys.stdout, TextIOWrapper):
        # Where output goes to a file on Windows, a class named 日 would end the run.
        sys.stdout.reconfigure(errors="backslashreplace")
    # By default these end the process at once, and leave its workers behind.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(number, lambda number, _: _fail(MESSAGES[signal.SIGTERM], 128 + number))
    cli(prog_name="granpipe")
