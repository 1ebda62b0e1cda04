"""What is asked of a run of `prepare`, and what that makes of the settings of before."""

from collections import Counter
from dataclasses import dataclass

from granpipe import checks
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import SETTINGS
from granpipe.engines.protocol import Engine
from granpipe.jobs.prepare_photo import ArraySettings
from granpipe.jobs.run import Run
from granpipe.jobs.survey_options import Survey
from granpipe.photo.letterbox import Colour
from granpipe.photo.memory import MAX_MEMORY
from granpipe.photo.opening import MAX_PIXELS

_PARTS = ("the version of granpipe", "the version of Pillow", "the size", "the fill")


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """What is asked for, None for as before or the default; see `granpipe.jobs.prepare.prepare`."""

    engine: Engine
    size: int | None
    fill: Colour | None
    max_pixels: int | None
    max_memory: int | None  # bytes
    split: str | None
    together: str | None
    seed: int | None
    folds: int | None
    hold_out: tuple[str, ...] | None
    labels: str | None
    alike: bool | None
    drop: tuple[str, ...] | None
    survey: Survey
    fix_leaks: bool
    force: bool
    verify: bool
    allow_deletions: bool
    allow_empty: bool
    merge_classes: bool
    reindex_labels: bool
    dry_run: bool


def settings_of(ledger: Ledger, options: PrepareOptions) -> ArraySettings:
    """Return the settings of a run: size and fill are by default as before.

    The limits are not: what they reject is reported each time.
    """
    noted, _ = noted_settings(ledger)
    return ArraySettings(
        noted.size if options.size is None else options.size,
        noted.fill if options.fill is None else options.fill,
        MAX_PIXELS if options.max_pixels is None else options.max_pixels,
        MAX_MEMORY if options.max_memory is None else options.max_memory,
    )


def noted_settings(ledger: Ledger) -> tuple[ArraySettings, bool]:
    """Return the settings of the last run, else the defaults; and whether records have hashes."""
    noted = ledger.noted(SETTINGS)
    try:
        red, green, blue = map(checks.LEVEL, noted["fill"])
        limits = noted.get("max_pixels", MAX_PIXELS), noted.get("max_memory", MAX_MEMORY)
        settings = ArraySettings(checks.SIZE(noted["size"]), (red, green, blue), *limits)
        return settings, noted.get("hashes", False)
    except (KeyError, TypeError, ValueError):  # it notes none, or it is damaged
        return ArraySettings(224, (0, 0, 0), MAX_PIXELS, MAX_MEMORY), False


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
