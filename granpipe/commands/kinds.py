"""Kinds of values that options take, and an option of two names."""

import os
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from granpipe import checks

_Param = click.Parameter | None
_Context = click.Context | None


class _Checks:
    """A kind of value that a check of `granpipe.checks` takes or refuses in words."""

    check: Callable[[Any], Any]

    def convert(self, value: Any, param: _Param, ctx: _Context) -> Any:
        try:
            return self.check(value)
        except ValueError as error:
            return self.fail(f"{error}.", param, ctx)  # type: ignore[attr-defined]


class Checked(_Checks, click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """What a check takes."""

    name = "value"

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self.check = check


class Whole(_Checks, click.IntRange):
    """A whole number, whose bounds the help shows."""

    def __init__(self, check: checks.Whole) -> None:
        super().__init__(check.least, check.most)
        self.check = check


class Number(_Checks, click.FloatRange):
    """A number, whose bounds the help shows."""

    def __init__(self, check: checks.Number) -> None:
        super().__init__(check.least, check.most, min_open=check.is_open)
        self.check = check


class Choice(_Checks, click.Choice):  # type: ignore[type-arg,unused-ignore]
    """One of some words, which the help shows."""

    def __init__(self, check: checks.Choice) -> None:
        super().__init__(check.words)
        self.check = check


class File(Checked):
    """A file to write, by its suffix, in a folder or a bucket."""

    def __init__(self, *suffixes: str) -> None:
        super().__init__(checks.place)
        self.suffixes = suffixes

    def convert(self, value: Any, param: _Param, ctx: _Context) -> str:
        text: str = super().convert(value, param, ctx)
        if os.path.splitext(os.path.basename(text))[1].lower() not in self.suffixes:  # noqa: PTH119, PTH122
            self.fail(f"{text!r} does not end in {', '.join(self.suffixes)}.", param, ctx)
        return text

    def shell_complete(self, ctx: click.Context, param: Any, incomplete: str) -> list[Any]:
        return [CompletionItem(incomplete, type="file")]


class FolderOrUrl(Checked):
    """A folder, or s3://bucket/prefix."""

    def shell_complete(self, ctx: click.Context, param: Any, incomplete: str) -> list[Any]:
        return [CompletionItem(incomplete, type="dir")]


PLACE = FolderOrUrl(checks.place)
"""A folder, or s3://bucket/prefix."""


def kind_of(check: Any) -> Any:
    """Return the kind of what a check takes; a kind is itself."""
    if isinstance(check, click.ParamType):
        return check
    return {checks.Whole: Whole, checks.Number: Number, checks.Choice: Choice}.get(
        type(check), Checked
    )(check)


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
