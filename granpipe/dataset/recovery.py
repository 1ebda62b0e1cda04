"""What can be known of a dataset whose ledger was lost or damaged."""

import hashlib
from collections.abc import Callable, Mapping

from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import LABELS, PACK, SIDES, is_array_path
from granpipe.dataset.packs import Place, at_home, digest_at, read_place
from granpipe.dataset.tables import read_summary, rows_of
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store

_LARGEST_SIZE = 4096


def recover(ledger: Ledger, say: Callable[[str], None]) -> None:
    """Tell a damaged ledger which arrays are ours, going by labels.csv and dataset.json.

    All of them are made again. Where the one digest in dataset.json stands for the arrays that are
    there, they are provably ours, and those whose photographs are gone can be deleted, too.
    """
    if ledger.is_whole:
        return
    store = ledger.store
    say(f"{store.url}: its ledger is lost or damaged; making it again from the photographs")
    places = _listed(store)
    paths = sorted({place.path for place in places.values()})
    summary = read_summary(store) or {}
    settings = summary.get("settings")
    if SIDES not in ledger.tables and (note := _sides(settings)):
        ledger.tables[SIDES] = note
    settings = settings if isinstance(settings, dict) else {}
    if PACK not in ledger.tables and type(count := settings.get("pack")) is int and count > 0:
        ledger.tables[PACK] = [str(count)]
    size = settings.get("size")
    if paths and summary.get("arrays_sha256") == _digest(store, places, size):
        for path in paths:
            ledger.records.setdefault(path, "")
    else:
        ledger.replaceable.update(paths)


def _listed(store: Store) -> dict[str, Place]:
    """Return where arrays stand, by what they would be called if they stood alone."""
    try:
        rows = rows_of(store, LABELS)
    except DatasetError:
        return {}
    homes = [at_home(row) for row in rows if is_array_path(row.get("path") or "")]
    return {row["path"]: read_place(row["place"] or row["path"]) for row in homes if "place" in row}


def _digest(store: Store, places: Mapping[str, Place], size: object) -> str:
    """Return what `Ledger.arrays_digest` did when dataset.json was written."""
    digest = hashlib.sha256()
    side = size if isinstance(size, int) and 0 < size <= _LARGEST_SIZE else 1
    for path, place in places.items():
        digest.update(f"{digest_at(store, place, side)}  {path}\n".encode())
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
