"""What is held out for the test split."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from granpipe.dataset.database import Row
from granpipe.dataset.hold_out import HoldOut
from granpipe.dataset.index import Index
from granpipe.jobs.run import Say

_AT_ONCE = 10_000
_PHOTOS = """FROM wanted JOIN records USING (name) JOIN positions USING (name)
    LEFT JOIN given ON photo = name"""


def find_held(index: Index, rules: Sequence[HoldOut], depth: int, say: Say) -> None:
    """Fill the index's table `held` with the photographs that rules hold out.

    Parameters
    ----------
    index : Index
    rules : sequence of HoldOut
    depth : int
        Folders that a photograph's class takes.
    say : callable
        Called with the rules that hold nothing.
    """
    if not rules:
        return
    idle = set(rules)
    query = f"""SELECT name, coalesce(nullif(records.taken_at, ''), given.taken_at, ''), camera,
        positions.latitude, positions.longitude
        {_PHOTOS} ORDER BY name"""
    by_country = any(rule.kind == "country" for rule in rules)

    def held() -> Iterator[Row]:
        rows = index.rows(query)
        while some := list(islice(rows, _AT_ONCE)):
            countries = _countries([row[3:] for row in some]) if by_country else [set()] * len(some)
            for (name, taken_at, camera, *_), country in zip(some, countries, strict=True):
                holding = [
                    one for one in rules if one.holds(name, taken_at, camera, country, depth)
                ]
                idle.difference_update(holding)
                if holding:
                    yield (name,)

    index.load("INSERT INTO held VALUES (?)", held())
    for rule in sorted(idle, key=str):
        say(f"--hold-out {rule} holds no photograph out")


def _countries(positions: Sequence[Sequence[float | None]]) -> list[set[str]]:
    from granpipe.mapping.country import countries_of, country_names  # noqa: PLC0415 - few need it

    names = country_names()
    degrees = [[math.nan if one is None else one for one in place] for place in positions]
    found = countries_of([lat for lat, _ in degrees], [lon for _, lon in degrees])
    return [names[country] if country >= 0 else set() for country in found.tolist()]
