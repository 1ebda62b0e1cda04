"""Whether the augmented set beside a dataset is made from what the dataset holds now."""

from collections.abc import Callable, Iterable
from contextlib import closing

from granpipe.dataset.names import AUGMENTED, LABELS, SUMMARY
from granpipe.dataset.tables import Draft, parse_summary, read_summary
from granpipe.jobs.prepare_tables import arrays_digest
from granpipe.jobs.run import Run
from granpipe.stores.protocol import Store

_PLACE = f"{AUGMENTED}/{SUMMARY}"


def former_copies(store: Store) -> bytes:
    """Return the dataset.json of the augmented set before a run; empty without one.

    The first array that a run writes takes it away, since it is of other copies then.
    """
    try:
        return store.read(_PLACE)[0]
    except OSError:
        return b""


def has_stale_copies(run: Run, copies: bytes, labels: Callable[[], Iterable[str]]) -> bool:
    """Return whether a run of prepare would leave an augmented set stale; of a dry run.

    Parameters
    ----------
    run : Run
    copies : bytes
        Of `former_copies`.
    labels : callable
        Returns the lines of labels.csv.
    """

    def digest() -> str:
        with closing(Draft(labels())) as draft:
            return draft.digest

    return _is_stale(run, copies, digest)


def end_stale_copies(run: Run, copies: bytes, labels: str) -> bool:
    """Remove the dataset.json of stale copies, so that nobody reads them; return whether they are.

    Called before a table changes, so that a kill leaves none that seem up to date. That of copies
    which are up to date after all comes back.

    Parameters
    ----------
    run : Run
        When it knows what the dataset will hold.
    copies : bytes
        Of `former_copies`.
    labels : str
        SHA-256 of labels.csv.
    """
    is_stale = _is_stale(run, copies, lambda: labels)
    is_there = bool(former_copies(run.store))
    if is_stale and is_there and read_summary(run.store, AUGMENTED) and run.open():
        run.store.delete(_PLACE)
    if copies and not (is_stale or is_there) and run.open():
        run.store.write(_PLACE, copies)
    return is_stale


def _is_stale(run: Run, copies: bytes, labels: Callable[[], str]) -> bool:
    """Return whether the augmented set is made from other arrays or labels, or unfinished."""
    summary = parse_summary(copies)
    if summary is None:
        tables = {entry.path for entry in run.store.list(AUGMENTED, deep=False)}
        return f"{AUGMENTED}/{LABELS}" in tables
    if "made_from" not in summary:  # somebody else's file
        return False
    is_same = summary.get("arrays_made_from") == arrays_digest(run.index)
    return not is_same or summary["made_from"] != labels()
