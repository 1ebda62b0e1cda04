"""Folds for cross-validation, and what is held out for the test split."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from granpipe.dataset.dealing import Member, deal
from granpipe.dataset.hold_out import HoldOut
from granpipe.dataset.index import Index
from granpipe.dataset.sides import Folds
from granpipe.jobs.run import Say

_AT_ONCE = 10_000
_PHOTOS = """FROM wanted JOIN records USING (name) JOIN positions USING (name)
    LEFT JOIN given ON photo = name"""


def find_held(index: Index, rules: Sequence[HoldOut], depth: int, say: Say) -> None:
    """Fill the index's table `held` with the photographs that rules hold out.

    `depth` is how many folders a photograph's class takes; `say` hears of rules that hold nothing.
    """
    if not rules:
        return
    idle = set(rules)
    query = f"""SELECT name, coalesce(nullif(records.taken_at, ''), given.taken_at, ''), camera,
        positions.latitude, positions.longitude
        {_PHOTOS} ORDER BY name"""
    rows = index.rows(query)
    by_country = any(rule.kind == "country" for rule in rules)
    held: list[tuple[str]] = []
    while some := list(islice(rows, _AT_ONCE)):
        countries = _countries([row[3:] for row in some]) if by_country else [set()] * len(some)
        for (name, taken_at, camera, *_), country in zip(some, countries, strict=True):
            about = name, taken_at, camera, country, depth
            holding = [rule for rule in rules if rule.holds(*about)]
            idle -= set(holding)
            held += [(name,)] * bool(holding)
    index.load("INSERT INTO held VALUES (?)", held)
    for rule in sorted(idle, key=str):
        say(f"--hold-out {rule} holds no photograph out")


def _countries(positions: Sequence[Sequence[float | None]]) -> list[set[str]]:
    from granpipe.mapping.country import countries_of, country_names  # noqa: PLC0415 - few need it

    names = country_names()
    degrees = [[math.nan if number is None else number for number in place] for place in positions]
    found = countries_of([lat for lat, _ in degrees], [lon for _, lon in degrees])
    return [names[country] if country >= 0 else set() for country in found.tolist()]


def deal_folds(index: Index, count: int, seed: int) -> None:
    """Deal the groups outside the test split to so many folds, in the index's table `split`.

    A photograph keeps the fold that the table `former_folds` says.
    """
    query = """SELECT name, label(name), grp, coalesce(former_folds.fold, '') FROM split
        LEFT JOIN former_folds USING (name) WHERE split <> 'test'"""

    def members() -> Iterator[Member]:
        for _, label, group, former in index.rows(query):
            yield Member(label, group, former)

    folds = deal(members(), Folds(count), seed)
    index.create("CREATE TABLE dealt_folds (grp TEXT PRIMARY KEY, fold TEXT) WITHOUT ROWID;")
    index.load("INSERT INTO dealt_folds VALUES (?, ?)", folds.items())
    index.execute(
        """UPDATE split SET fold = (SELECT fold FROM dealt_folds
        WHERE dealt_folds.grp = split.grp) WHERE split <> 'test'"""
    )
