"""Whether the augmented set beside a dataset is made from what the dataset holds now."""

from collections.abc import Callable, Iterable
from contextlib import closing

from granpipe.dataset.names import AUGMENTED, LABELS, SUMMARY
from granpipe.dataset.tables import Draft, read_summary
from granpipe.jobs.prepare_tables import arrays_digest
from granpipe.jobs.run import Run


def has_stale_copies(run: Run, labels: Callable[[], Iterable[str]]) -> bool:
    """Return whether a run of prepare would leave an augmented set stale; of a dry run.

    Parameters
    ----------
    run : Run
    labels : callable
        Returns the lines of labels.csv.
    """

    def digest() -> str:
        with closing(Draft(labels())) as draft:
            return draft.digest

    return _is_stale(run, digest)


def end_stale_copies(run: Run, labels: str) -> bool:
    """Remove the dataset.json of stale copies, so that nobody reads them; return whether they are.

    Called before a table changes, so that a kill leaves none that seem up to date.

    Parameters
    ----------
    run : Run
        When it knows what the dataset will hold.
    labels : str
        SHA-256 of labels.csv.
    """
    is_stale = _is_stale(run, lambda: labels)
    if is_stale and read_summary(run.store, AUGMENTED) and run.open():
        run.store.delete(f"{AUGMENTED}/{SUMMARY}")
    return is_stale


def _is_stale(run: Run, labels: Callable[[], str]) -> bool:
    """Return whether the augmented set is made from other arrays or labels, or unfinished."""
    summary = read_summary(run.store, AUGMENTED)
    if summary is None:
        tables = {entry.path for entry in run.store.list(AUGMENTED, deep=False)}
        return f"{AUGMENTED}/{LABELS}" in tables
    if "made_from" not in summary:  # somebody else's file
        return False
    is_same = summary.get("arrays_made_from") == arrays_digest(run.index)
    return not is_same or summary["made_from"] != labels()
