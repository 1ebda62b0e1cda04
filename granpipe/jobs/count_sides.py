"""What a split came to, counted in the index."""

from collections import Counter

from granpipe.dataset.index import Index
from granpipe.jobs.given_split import count_leaks, given_splits
from granpipe.jobs.shortcut_table import Shortcuts
from granpipe.jobs.split_plan import Plan
from granpipe.jobs.split_summary import Sides

_PHOTOS = "FROM wanted JOIN records USING (name)"


def count_sides(
    index: Index,
    plan: Plan,
    depth: int,
    note: list[str],
    past: list[str],
    radius: float,
    shortcuts: Shortcuts,
    *,
    is_first: bool,
) -> Sides:
    """Return the groups and splits of the index's table `split`; see `Sides`."""
    by_label = "SELECT label(name), count(DISTINCT grp) FROM split GROUP BY 1"
    by_side = """SELECT label(name), split, count(*), count(DISTINCT grp) FROM split
        GROUP BY 1, 2"""
    counted = list(index.rows(by_side))
    by_fold = "SELECT fold, count(*) FROM split WHERE fold <> '' GROUP BY fold"
    not_held = "SELECT count(*) FROM held JOIN split USING (name) WHERE split <> 'test'"
    largest = "SELECT max(size) FROM (SELECT count(*) AS size FROM split GROUP BY grp)"
    unlike = "SELECT count(*) FROM alike WHERE label(source) <> label(other)"
    unknown = f"""SELECT count(*) {_PHOTOS} JOIN positions USING (name)
        LEFT JOIN given ON photo = name WHERE (positions.latitude IS NULL OR is_imprecise)
        AND records.taken_at = '' AND coalesce(given.taken_at, '') = '' AND coalesce(grp, '') = ''
        AND name NOT IN (SELECT source FROM alike UNION SELECT other FROM alike)"""
    if "folder" in plan.together.rules:
        unknown += f" AND name NOT LIKE '%{depth * '/%'}/%'"
    leaks, leaking, moved = (
        (Counter[str](), Counter[str](), 0) if plan.shares else count_leaks(index)
    )
    return Sides(
        plan,
        note,
        past,
        dict(index.rows(by_label)),
        Counter({(name, side): count for name, side, count, _ in counted}),
        groups=index.value("SELECT count(DISTINCT grp) FROM split"),
        largest=index.value(largest) or 0,
        groups_by=Counter({(name, side): count for name, side, _, count in counted}),
        radius=radius,
        is_first=is_first,
        conflicts=index.value(unlike),
        unknown=index.value(unknown),
        leaks=leaks,
        leaking=leaking,
        moved=moved,
        folds=Counter(dict(index.rows(by_fold))),
        not_held=index.value(not_held),
        given=[] if plan.shares else given_splits(index),
        shortcuts=shortcuts,
    )
