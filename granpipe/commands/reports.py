"""What commands print of what they did."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from granpipe.errors import DatasetError

if TYPE_CHECKING:
    from granpipe.dataset.tables import Rejection

MOST_LINES = 20
"""Photographs that are named one by one; the others are counted."""


def printable(text: str) -> str:
    r"""Return text that cannot move the terminal's cursor or turn its line around.

    >>> printable("a\nb\x1b[31m\u202egpj.exe")
    'a\\nb\\x1b[31m\\u202egpj.exe'
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def print_rejections(rejections: "list[Rejection]", advice: Mapping[str, str], where: str) -> None:
    """Print what was rejected and what to do about it; at most twenty lines, to stderr."""
    for rejection in rejections[:MOST_LINES]:
        line = f"{rejection.source}: {rejection.reason}: {rejection.detail}"
        click.echo(f"{printable(line)}; {advice[rejection.reason]}", err=True)
    if len(rejections) > MOST_LINES:
        click.echo(f"... and {len(rejections) - MOST_LINES} more{printable(where)}", err=True)


def print_classes(prepared: Counter[str], rejected: Counter[str]) -> None:
    """Print how many photographs of each class were prepared and rejected."""
    click.echo(f"{'class':<24}{'prepared':>9}{'rejected':>10}")
    for label in sorted(prepared.keys() | rejected.keys()):
        click.echo(f"{printable(label):<24}{prepared[label]:>9}{rejected[label]:>10}")


def finish(rejections: "list[Rejection]", *, strict: bool) -> None:
    """End with an error where --strict allows no rejects."""
    if rejections and strict:
        raise DatasetError(f"{len(rejections)} rejected, which --strict does not allow")
