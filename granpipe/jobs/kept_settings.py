"""Settings that shape arrays: those that are given, and else those that the dataset has."""

from collections import Counter

from granpipe import checks
from granpipe.dataset.names import SETTINGS
from granpipe.jobs.prepare_photo import ArraySettings
from granpipe.jobs.run import Run
from granpipe.photo.letterbox import Colour
from granpipe.photo.memory import MAX_MEMORY
from granpipe.photo.opening import MAX_PIXELS

_DEFAULTS = 224, (0, 0, 0)
_PARTS = ("the version of granpipe", "the version of Pillow", "the size", "the fill")


def settings_of(
    run: Run, size: int | None, fill: Colour | None, max_pixels: int | None, max_memory: int | None
) -> ArraySettings:
    """Return the settings of a run.

    Parameters
    ----------
    run : Run
        Its ledger notes those of before.
    size, fill : int, tuple of int
        As `ArraySettings` has them; None for those of before, or else the defaults.
    max_pixels, max_memory : int
        None for the defaults: what they reject is reported each time.
    """
    noted, (side, padding) = run.ledger.noted(SETTINGS), _DEFAULTS
    try:
        red, green, blue = map(checks.LEVEL, noted["fill"])
        side, padding = checks.SIZE(noted["size"]), (red, green, blue)
    except (KeyError, TypeError, ValueError):  # there is none, or it is damaged
        pass
    return ArraySettings(
        side if size is None else size,
        padding if fill is None else fill,
        MAX_PIXELS if max_pixels is None else max_pixels,
        MAX_MEMORY if max_memory is None else max_memory,
    )


def tell_why(run: Run, settings: ArraySettings) -> None:
    """Say why arrays that are there are made again, where settings or versions have changed."""
    query = """SELECT recipe, count(*) FROM records JOIN photos USING (name)
        WHERE recipe <> ? GROUP BY recipe"""
    former: Counter[str] = Counter(dict(run.index.rows(query, (settings.recipe,))))
    if not former:
        return
    ((recipe, _),) = former.most_common(1)
    pairs = zip(_PARTS, recipe.split(", "), settings.recipe.split(", "), strict=False)
    changes = [
        f"{what} is now {_shown(now)} (was {_shown(was)})" for what, was, now in pairs if was != now
    ]
    run.say(
        f"{run.store.url}: makes {former.total():,} arrays again, since {' and '.join(changes)}"
    )


def _shown(part: str) -> str:
    return part.removeprefix("granpipe ").removeprefix("pillow ")
