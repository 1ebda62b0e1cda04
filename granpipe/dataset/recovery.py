"""What is left of a dataset whose ledger is lost or damaged, or of an earlier version."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from granpipe.dataset.arrays import array_digest, sha256_of_files
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.ledger_file import FORMER
from granpipe.dataset.ledger_lines import checked
from granpipe.dataset.names import LABELS, PAST, SHARDS, SPLIT, is_array_path
from granpipe.dataset.tables import each_row
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store


def recover(ledger: Ledger, say: Callable[[str], None]) -> None:
    """Note in a damaged ledger which arrays are ours; all of them are made again.

    An earlier version's ledger names them. Else labels.csv does: where the one digest in
    dataset.json describes the arrays that are there, they are provably ours, and those whose
    photographs are gone can be deleted, too.
    """
    if ledger.is_whole:
        return
    store = ledger.store
    former = dict(_former(store))
    is_anothers = former or ledger.is_anothers
    why = "was written by another version" if is_anothers else "its ledger is lost or damaged"
    say(f"{store.url}: {why}; making it again from the photographs")
    # An array in a pack, which earlier versions had, was no file of its own.
    names = [path for path, record in former.items() if not (record or {}).get("place")]
    for note in (SPLIT, PAST):
        if note in former and not ledger.noted(note):
            ledger.note(note, former[note])
    summary = ledger.summary() or {}
    paths: list[str]
    paths, digest = _listed(store), summary.get("arrays_sha256")
    if ledger.index.kind.summary == SHARDS:
        paths, digest = _listed_shards(summary)
    if not ledger.noted(SPLIT) and (split := _split(summary.get("settings"))):
        ledger.note(SPLIT, split)
    files = ((array_digest(store, path), path) for path in paths)
    is_ours = bool(paths) and digest == sha256_of_files(files)
    _load(ledger, "planned", [*names, *(paths if is_ours else ())])
    _load(ledger, "replaceable", paths)
    ledger.index.execute("DELETE FROM planned WHERE name IN (SELECT name FROM records)")


def _load(ledger: Ledger, table: str, paths: Iterable[str]) -> None:
    suffix = ledger.index.kind.suffix
    names = (path.removesuffix(suffix) for path in paths if path.endswith(suffix))
    rows = ((name,) for name in names if is_array_path(f"{name}.npy"))
    ledger.index.load(f"INSERT OR IGNORE INTO {table} VALUES (?)", rows)


def _former(store: Store) -> Iterator[tuple[str, Any]]:
    """Yield what the ledger of an earlier version holds: path or name of a note, and value."""
    with suppress(OSError):
        for line in store.read(FORMER)[0].decode("utf-8", "replace").splitlines():
            body, holds = checked(line)
            if holds:
                with suppress(ValueError, RecursionError):
                    path, value = json.loads(body + "]")
                    yield path, value


def _listed(store: Store) -> list[str]:
    """Return the paths of the arrays that labels.csv lists; none where it cannot be read."""
    try:
        rows = list(each_row(store, LABELS, ("path",)))
    except (DatasetError, FileNotFoundError):
        return []
    return [row["path"] for row in rows if is_array_path(row["path"])]


def _listed_shards(summary: dict[str, Any]) -> tuple[list[str], str]:
    """Return the paths of the shards that shards.json lists, and one SHA-256 for their files."""
    with suppress(TypeError, KeyError):
        files = [(shard["sha256"], str(shard["name"])) for shard in summary.get("shards") or ()]
        return [path for _, path in files], sha256_of_files(files)
    return [], ""


def _split(settings: Any) -> list[str]:
    """Return how the split was asked for, as the ledger notes it but for the photographs."""
    if not isinstance(settings, dict) or "split" not in settings:
        return []
    seed = settings.get("seed")
    together = str(settings.get("together"))
    split = str(settings["split"]) + ", leaks fixed" * bool(settings.get("fix_leaks"))
    rules = settings.get("hold_out")
    held = "\n".join(map(str, rules)) if isinstance(rules, list) else ""
    folds = str(settings.get("folds") or "")
    return [split, together, str(seed if isinstance(seed, int) else 0), "", folds, held]
