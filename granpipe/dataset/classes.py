"""The classes of a dataset and their indices, which are kept: a trained network counts by them.

The ledger notes the classes in the order of their indices, before any table shows it; the keys of
`classes` in dataset.json have the same order. A class without photographs keeps its place.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import CLASSES, LABELS
from granpipe.dataset.tables import each_row
from granpipe.errors import DatasetError


def former_indices(ledger: Ledger, summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the index that each class has had, as far as anything says it.

    Parameters
    ----------
    ledger : Ledger
    summary : mapping
        What dataset.json says, which is believed where the ledger is lost or damaged; without both,
        labels.csv is, which may lack a class that has no photographs.
    """
    sources = [ledger.noted(CLASSES), summary.get("classes")]
    for classes in sources if ledger.is_whole else reversed(sources):
        if isinstance(classes, list | dict) and all(isinstance(one, str) for one in classes):
            return {label: index for index, label in enumerate(dict.fromkeys(classes))}
    if ledger.is_whole and not ledger.index.value("SELECT 1 FROM records LIMIT 1"):
        return {}
    try:
        rows = each_row(ledger.store, LABELS, ("label", "label_index"))
        return {row["label"]: int(row["label_index"]) for row in rows}
    except (DatasetError, FileNotFoundError, ValueError):
        return {}


def kept_classes(former: Mapping[str, int], labels: Iterable[str]) -> list[str]:
    """Return all classes in the order of their indices: new ones behind those that have one.

    >>> kept_classes({"corn": 0, "wheat": 1}, ["alfalfa", "wheat", "beet"])
    ['corn', 'wheat', 'alfalfa', 'beet']

    Where an index is nobody's, since the class that had it is not known any more, no index can be
    kept, and all are counted anew.

    >>> kept_classes({"corn": 0, "wheat": 2}, ["wheat", "corn", "beet"])
    ['beet', 'corn', 'wheat']
    """
    if sorted(former.values()) != list(range(len(former))):
        former = {}
    return [*sorted(former, key=former.__getitem__), *sorted(set(labels) - former.keys())]


def changed_indices(
    former: Mapping[str, int], classes: Iterable[str]
) -> list[tuple[str, int, int]]:
    """Return each class that has another index than before, with both.

    >>> changed_indices({"corn": 0, "wheat": 1}, ["alfalfa", "corn", "wheat"])
    [('corn', 0, 1), ('wheat', 1, 2)]
    """
    return [
        (label, former[label], index)
        for index, label in enumerate(classes)
        if former.get(label, index) != index
    ]
