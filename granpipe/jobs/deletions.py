"""A run that would delete most of a dataset stops: SOURCE may be the wrong folder."""

from granpipe.errors import DatasetError
from granpipe.jobs.run import Run

_FEW = 20


def check_planned(run: Run, *, allow: bool) -> None:
    """Stop before anything is decoded where too many arrays would go, unless they may.

    The index has the tables photos and wanted.
    """
    gone = """SELECT count(*) FROM ours JOIN listed ON path = fold(name || '.npy')
        WHERE fold(name) NOT IN (SELECT fold(name) FROM photos)
        AND fold(name) NOT IN (SELECT fold(name) FROM wanted)"""
    new = "SELECT count(*) FROM photos WHERE name NOT IN (SELECT name FROM records)"
    # Even if all new ones only moved.
    _check(run, int(run.index.value(gone)) - int(run.index.value(new)), allow=allow)


def check_deletions(run: Run, *, allow: bool) -> None:
    """Stop where too many arrays would go; those of photographs that moved do not count."""
    gone = run.unwanted()
    moved = """SELECT 1 FROM records WHERE name = ?
        AND sha256 IN (SELECT sha256 FROM wanted JOIN records USING (name))"""
    has_moved = sum(bool(run.index.value(moved, (name,))) for name in gone)
    _check(run, len(gone) - has_moved, allow=allow)


def _check(run: Run, lost: int, *, allow: bool) -> None:
    if 2 * lost <= _FEW or allow:
        return
    standing = run.count_standing()
    if standing > _FEW and 2 * lost > standing:
        raise DatasetError(
            f"{run.store.url}: this would delete {lost} of {standing} arrays, as their "
            "photographs are gone or rejected; check SOURCE, or use --allow-deletions"
        )
