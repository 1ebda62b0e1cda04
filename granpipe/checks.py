"""What options and arguments may be: one set of checks, in words, for commands and functions.

A check takes what somebody wrote, text or a value of Python, and returns what it means, or raises
ValueError with what it should have been.
"""

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from operator import index
from typing import Any, TypeVar
from urllib.parse import urlsplit

from granpipe.errors import OptionError

Value = TypeVar("Value")


def checked(name: str, value: Any, check: Callable[[Any], Value]) -> Value:
    """Return what an argument means.

    Raises
    ------
    OptionError
        The check does not pass; the text begins with the argument's name.

    Examples
    --------
    >>> checked("size", 0, SIZE)
    Traceback (most recent call last):
        ...
    granpipe.errors.OptionError: size: 0 is not a whole number between 1 and 4,096
    """
    try:
        return check(value)
    except ValueError as error:
        raise OptionError(f"{name}: {error}") from error


def checked_if_given(name: str, value: Any, check: Callable[[Any], Value]) -> Value | None:
    """Return what an argument means, as `checked` does; None where it is not given."""
    return None if value is None else checked(name, value, check)


def no_such_variable(name: str, known: Collection[str]) -> str:
    """Return a line on a variable that nothing reads, with the nearest of those that are read."""
    from difflib import get_close_matches  # noqa: PLC0415 - hardly ever needed

    near = get_close_matches(name, known, 1, 0.8)
    return f"{name}: no such variable" + (f"; did you mean {near[0]}?" if near else "")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number between two others, which it may be; None for no bound."""

    least: int | None = None
    most: int | None = None

    def __call__(self, value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str) else index(value)
        except (TypeError, ValueError):
            number = None
        is_above = number is not None and (self.least is None or number >= self.least)
        if number is None or isinstance(value, bool) or not is_above or not self._is_below(number):
            raise ValueError(f"{_shown(value)} is not a whole number{self._bounds()}")
        return number

    def _is_below(self, number: int) -> bool:
        return self.most is None or number <= self.most

    def _bounds(self) -> str:
        if self.most is not None:
            return f" between {self.least:,} and {self.most:,}"
        return "" if self.least is None else f" of at least {self.least:,}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number between two others, which it may be; where `is_open`, it is not the first."""

    least: float
    most: float
    is_open: bool = False

    def __call__(self, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        is_above = number > self.least if self.is_open else number >= self.least
        if isinstance(value, bool) or not (is_above and number <= self.most):
            bounds = "above {} and at most {}" if self.is_open else "between {} and {}"
            bounds = bounds.format(self.least, self.most)
            raise ValueError(f"{_shown(value)} is not a number {bounds}")
        return number


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def __call__(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ValueError(f"{_shown(value)} is not one of {', '.join(self.words)}")
        return value


def colour(value: Any) -> tuple[int, int, int]:
    """Return red, green and blue of a grey level, of #rgb or #rrggbb, or of three levels.

    >>> colour("128"), colour("#fff"), colour((1, 2, 3))
    ((128, 128, 128), (255, 255, 255), (1, 2, 3))
    """
    if isinstance(value, str) and _HEX.fullmatch(value):
        digits = value[1:] if len(value) == 7 else "".join(2 * digit for digit in value[1:])
        value = bytes.fromhex(digits)
    try:
        if isinstance(value, str) and not _GREY.fullmatch(value):
            raise ValueError(value)  # noqa: TRY301 - said in words below
        levels = [LEVEL(level) for level in ([value] * 3 if _is_single(value) else value)]
        red, green, blue = levels
    except (TypeError, ValueError):
        raise ValueError(f"{_shown(value)} is not a grey level 0 to 255 or #rrggbb") from None
    return red, green, blue


def copies(value: Any) -> int | str:
    """Return how many copies: a number for each photograph, `balance`, or `balance:N`.

    >>> copies("5"), copies("balance"), copies("balance:02000")
    (5, 'balance', 'balance:2000')
    """
    word, colon, total = value.partition(":") if isinstance(value, str) else ("", "", "")
    try:
        if word == "balance":
            return f"{word}:{COPIES(total)}" if colon else word
        return COPIES(value)
    except ValueError:
        bounds = f"between {COPIES.least:,} and {COPIES.most:,}"
        raise ValueError(
            f"{_shown(value)} is not a whole number {bounds}, balance or balance:2000"
        ) from None


def flags(value: Any) -> tuple[str, ...]:
    """Return which flags a text names, with commas between; none for `none` and an empty one.

    >>> flags("blurred, tiny"), flags("none")
    (('blurred', 'tiny'), ())
    """
    words = [word.strip() for word in str(value).split(",")]
    named = {word for word in words if word not in {"", "none"}}
    if unknown := named - set(DROPPABLE):
        raise ValueError(f"{_shown(min(unknown))} is not one of {', '.join(DROPPABLE)}")
    return tuple(word for word in DROPPABLE if word in named)


def shard_format(value: Any) -> str:
    """Return how arrays are written in shards: `npy`, `png`, or `jpeg:` and its quality, 1 to 100.

    >>> shard_format("png"), shard_format("jpeg"), shard_format("jpeg:080")
    ('png', 'jpeg:95', 'jpeg:80')
    """
    word, colon, quality = value.partition(":") if isinstance(value, str) else ("", "", "")
    try:
        if word == "jpeg":
            return f"jpeg:{_QUALITY(quality if colon else '95')}"
    except ValueError:
        word = ""
    if word not in {"npy", "png"} or colon:
        raise ValueError(f"{_shown(value)} is not npy, png, or jpeg:95 with a quality of 1 to 100")
    return word


def place(value: Any) -> str:
    """Return the name of a folder or file, or a URL."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise ValueError(f"{_shown(value)} is not the name of a folder or file")  # noqa: TRY004
    # A shell variable that is not set leaves an empty text, which is no folder of anybody's.
    if not text.strip():
        raise ValueError("the name is empty; name a folder or file")
    return text


def text(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is not text")  # noqa: TRY004
    return value


def address(value: Any) -> str:
    """Return an address below which a browser finds files."""
    parts = urlsplit(value) if isinstance(value, str) else None
    is_plain = parts and value.isascii() and value.isprintable() and not set(value) & _ODD
    if not parts or parts.scheme not in {"http", "https"} or not parts.hostname or not is_plain:
        raise ValueError(f"{_shown(value)} is not an address like https://host/prefix/")
    return str(value)


def title(value: Any) -> str:
    """Return the title of a map, which is text of at most 200 signs."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_TITLE:
        raise ValueError(f"{_shown(value)} is not a title of 1 to {LONGEST_TITLE} characters")
    return value.strip()


def memory(value: Any) -> int:
    """Return how many bytes so many megabytes are."""
    return MEGABYTE * MEGABYTES(value)


def _is_single(value: Any) -> bool:
    return isinstance(value, str) or hasattr(value, "__index__")


def _shown(value: Any) -> str:
    """Return a value in a few words."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:50]}..."


_HEX, _GREY = re.compile("#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"), re.compile("[0-9]{1,3}")
LONGEST_TITLE = 200
_ODD = set(" \"'<>\\?#")
LEVEL, _QUALITY = Whole(0, 255), Whole(1, 100)

SIZE = Whole(1, 4096)
PIXELS = MEGABYTES = Whole(1)
MEGABYTE = 1_000_000
"""Bytes."""
WORKERS = Whole(1, 256)
SEED = Whole()
DROPPABLE = ("blurred", "dark", "overexposed", "blank", "tiny", "orientation", "imprecise", "alike")
FOLDS = Whole(0, 1_000)
GAP = Whole(1, 86_400)
COPIES = SHARD_SIZE = Whole(1, 1_000_000)
PROBABILITY, DEGREES, SHARE = Number(0, 1), Number(0, 180), Number(0, 1, is_open=True)
STRENGTH = Number(0, 1)
THUMBNAILS, DIGITS = Whole(0, 512), Whole(0, 6)
ENGINE, SIDE = Choice(("local", "spark")), Choice(("train", "all"))
