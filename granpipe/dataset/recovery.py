"""What can be known of a dataset whose ledger was lost or damaged."""

import hashlib
from collections.abc import Callable

from granpipe.dataset.arrays import array_digest
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import LABELS, SIDES, is_array_path
from granpipe.dataset.tables import read_summary, rows_of
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store


def recover(ledger: Ledger, say: Callable[[str], None]) -> None:
    """Tell a damaged ledger which arrays are ours, going by labels.csv and dataset.json.

    All of them are made again. Where the one digest in dataset.json stands for the arrays that are
    there, they are provably ours, and those whose photographs are gone can be deleted, too.
    """
    if ledger.is_whole:
        return
    store = ledger.store
    say(f"{store.url}: its ledger is lost or damaged; making it again from the photographs")
    paths = _listed(store)
    summary = read_summary(store) or {}
    if SIDES not in ledger.tables and (note := _sides(summary.get("settings"))):
        ledger.tables[SIDES] = note
    if paths and summary.get("arrays_sha256") == _digest(store, paths):
        for path in paths:
            ledger.records.setdefault(path, "")
    else:
        ledger.replaceable.update(paths)


def _listed(store: Store) -> list[str]:
    try:
        rows = rows_of(store, LABELS)
    except DatasetError:
        return []
    return [path for row in rows if is_array_path(path := row.get("path") or "")]


def _digest(store: Store, paths: list[str]) -> str:
    """Return what `Ledger.arrays_digest` did when dataset.json was written."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{array_digest(store, path)}  {path}\n".encode())
    return digest.hexdigest()


def _sides(settings: object) -> list[str]:
    """Return how the sides were dealt, as the ledger noted it but for the photographs."""
    if not isinstance(settings, dict) or "split" not in settings:
        return []
    seed = settings.get("seed")
    return [
        str(settings["split"]),
        str(settings.get("together")),
        str(seed if isinstance(seed, int) else 0),
        "",
    ]
