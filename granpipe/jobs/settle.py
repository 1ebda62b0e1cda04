"""The end of a run: what is not wanted is deleted, and tables and ledger are brought in line."""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, closing
from typing import Any

from granpipe.dataset.arrays import array_digest, begin_change
from granpipe.dataset.tables import Draft
from granpipe.errors import DatasetError
from granpipe.jobs.run import UNWANTED, Run

# Arrays of ours, of before this run or written by it, that are not wanted.
_GONE = f"{UNWANTED} UNION SELECT name FROM written WHERE name NOT IN (SELECT name FROM wanted)"


def settle(
    run: Run,
    tables: Mapping[str, Iterable[str]],
    notes: Mapping[str, Any],
    keep: str = "SELECT name FROM wanted",
    prelude: Callable[[Mapping[str, str]], None] = lambda digests: None,
) -> None:
    """Delete every other array, write the tables that changed, and put the ledger in order.

    Parameters
    ----------
    run : Run
    tables : mapping
        By name, the lines of each table; dataset.json, or shards.json, last. A table of ours that
        is not among them is deleted.
    notes : mapping
        What the ledger keeps beside the versions of the tables. Of these `state` identifies all
        that the tables say beside the records: where it is as before, and nothing else has
        changed, they are not made again.
    keep : str
        A query for the names of the records that stay.
    prelude : callable
        Called before anything changes, with the SHA-256 of each table by its name.
    """
    is_all = not run.index.value(f"SELECT 1 FROM ours WHERE name NOT IN ({keep}) LIMIT 1")
    if _is_settled(run, tables, notes) and is_all:
        noted = run.ledger.noted("tables") or {}
        prelude({name: digest for name, (_, digest) in noted.items()})
        return
    with ExitStack() as stack:
        drafts = {
            name: stack.enter_context(closing(Draft(lines))) for name, lines in tables.items()
        }
        prelude({name: draft.digest for name, draft in drafts.items()})
        _settle(run, drafts, notes, keep, is_all=is_all)


def _is_settled(run: Run, tables: Collection[str], notes: Mapping[str, Any]) -> bool:
    """Return whether all is there as the last run left it, and is to be as it was then."""
    versions, noted = run.table_versions(), run.ledger.noted("tables") or {}
    return (
        not run.verifies
        and run.ledger.is_compact
        and not run.has_written
        and all(run.ledger.noted(name) == value for name, value in notes.items())
        and all(noted.get(name, [""])[0] == versions.get(name) for name in tables)
        and noted.keys() == set(tables)
        and not run.count_unwanted()
    )


def _settle(
    run: Run, drafts: Mapping[str, Draft], notes: Mapping[str, Any], keep: str, *, is_all: bool
) -> None:
    gone = [run.index.path_of(name) for (name,) in run.index.rows(f"{_GONE} ORDER BY name")]
    versions, noted = run.table_versions(), run.ledger.noted("tables") or {}
    changed = _changed(run, drafts, versions)
    gone += [name for name in noted if name in versions and name not in drafts]
    is_changed = bool(gone or changed or run.has_written)
    is_noted = all(run.ledger.noted(name) == value for name, value in notes.items())
    if not is_changed and ((run.ledger.is_compact and is_all and is_noted) or not run.open()):
        return
    if not run.open() or run.lock is None:
        same = (array_digest(run.store, name) == drafts[name].digest for name in changed)
        if not (gone or run.has_written) and all(same):
            return  # only the versions are others, which nobody can note here
        raise DatasetError(run.refusal)
    run.ledger.flush()
    run.lock.check()
    if is_changed:
        _write(run, drafts, gone, changed)
    _note(run, drafts, notes)
    for table in ("records", "planned"):
        run.index.execute(f"DELETE FROM {table} WHERE name NOT IN ({keep})")
    run.ledger.compact()


def _changed(run: Run, drafts: Mapping[str, Draft], versions: Mapping[str, str]) -> list[str]:
    """Return the names of the tables that are not there as they are to be."""
    noted = run.ledger.noted("tables") or {}
    return [
        name
        for name, draft in drafts.items()
        if noted.get(name) != [versions.get(name), draft.digest]
        or (run.verifies and array_digest(run.store, name) != draft.digest)
    ]


def _write(run: Run, drafts: Mapping[str, Draft], gone: list[str], changed: list[str]) -> None:
    """Delete files, and write tables; what says that all is whole goes first, and comes last."""
    summary = run.index.kind.summary
    begin_change(run.store, summary)  # type: ignore[arg-type]
    for path in gone:
        run.store.delete(path)
    for name, draft in drafts.items():
        if name in changed or name == summary:
            draft.save(run.store, name)


def _note(run: Run, drafts: Mapping[str, Draft], notes: Mapping[str, Any]) -> None:
    versions = run.table_versions()
    tables = {name: [versions.get(name, ""), draft.digest] for name, draft in drafts.items()}
    wanted = {"tables": tables, **notes}
    for name in run.ledger.notes() - wanted.keys():
        run.ledger.forget_note(name)
    for name, value in wanted.items():
        run.ledger.note(name, value)
