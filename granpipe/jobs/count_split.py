"""What a split came to, counted in the index."""

from collections import Counter

from granpipe.dataset.index import Index
from granpipe.dataset.shares import SPLITS
from granpipe.jobs.shortcut_table import Shortcuts
from granpipe.jobs.split_plan import Plan
from granpipe.jobs.split_summary import SplitSummary

_GROUPS_BY_LABEL = "SELECT label(name), count(DISTINCT grp) FROM split GROUP BY 1"
_BY_SPLIT = """SELECT label(name), split, count(*), count(DISTINCT grp) FROM split GROUP BY 1, 2"""
_BY_FOLD = "SELECT fold, count(*) FROM split WHERE fold <> '' GROUP BY fold"
_NOT_HELD = "SELECT count(*) FROM held JOIN split USING (name) WHERE split <> 'test'"
_LARGEST = "SELECT max(size) FROM (SELECT count(*) AS size FROM split GROUP BY grp)"
_UNLIKE = "SELECT count(*) FROM alike WHERE label(source) <> label(other)"
_UNKNOWN = """SELECT count(*) FROM wanted JOIN records USING (name) JOIN positions USING (name)
    LEFT JOIN given ON photo = name WHERE (positions.latitude IS NULL OR is_imprecise)
    AND records.taken_at = '' AND coalesce(given.taken_at, '') = '' AND coalesce(grp, '') = ''
    AND name NOT IN (SELECT source FROM alike UNION SELECT other FROM alike)"""
# Of a split that is given; else there are no leaks.
_LEAKS = "SELECT rule, count(*) FROM leaks GROUP BY rule"
_LEAKING = """SELECT given.split, count(DISTINCT source) FROM leaks JOIN given ON photo = source
    GROUP BY 1"""
_MOVED = """SELECT count(*) FROM split JOIN given ON photo = split.name
    WHERE given.split <> split.split"""


def count_split(
    index: Index,
    plan: Plan,
    depth: int,
    note: list[str],
    past: list[str],
    radius: float,
    shortcuts: Shortcuts,
    *,
    is_first: bool,
) -> SplitSummary:
    """Return the groups and splits of the index's table `split`; see `SplitSummary`."""
    by_split = list(index.rows(_BY_SPLIT))
    by_folder = "folder" in plan.together.rules
    in_none = f"name NOT LIKE '%{depth * '/%'}/%'"
    return SplitSummary(
        *(plan, note, past),
        dict(index.rows(_GROUPS_BY_LABEL)),
        Counter({(label, split): count for label, split, count, _ in by_split}),
        groups=index.value("SELECT count(DISTINCT grp) FROM split"),
        largest=index.value(_LARGEST) or 0,
        groups_by=Counter({(label, split): count for label, split, _, count in by_split}),
        radius=radius,
        is_first=is_first,
        conflicts=index.value(_UNLIKE),
        unknown=index.value(_UNKNOWN + f" AND {in_none}" * by_folder),
        unsorted=index.value(f"SELECT count(*) FROM wanted WHERE {in_none}") * by_folder,
        leaks=Counter(dict(index.rows(_LEAKS))),
        leaking=Counter(dict(index.rows(_LEAKING))),
        moved=0 if plan.shares else index.value(_MOVED),
        folds=Counter(dict(index.rows(_BY_FOLD))),
        not_held=index.value(_NOT_HELD),
        given=[] if plan.shares else _given(index),
        shortcuts=shortcuts,
    )


def _given(index: Index) -> list[str]:
    """Return the splits that some photograph was given, whatever became of it."""
    found = {split for (split,) in index.rows("SELECT DISTINCT split FROM given")}
    return [split for split in SPLITS if split in found]
