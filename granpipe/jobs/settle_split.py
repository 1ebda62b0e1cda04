"""The split of a dataset: chosen by options and ledger, made anew or kept, and counted."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from granpipe.dataset.index import Index
from granpipe.dataset.names import ALIKE, LABELS, LEAKS, PAST, RADIUS, SHORTCUTS, SPLIT
from granpipe.dataset.shares import SPLITS
from granpipe.dataset.tables import ALIKE_COLUMNS, LEAK_COLUMNS, each_row
from granpipe.errors import DatasetError
from granpipe.jobs.count_split import count_split
from granpipe.jobs.find_held import find_held
from granpipe.jobs.grouping import load_grouping
from granpipe.jobs.kept_tables import keep_alike, keep_leaks, made_of
from granpipe.jobs.make_split import make_split
from granpipe.jobs.run import Run
from granpipe.jobs.shortcut_table import SHORTCUT_COLUMNS, settle_shortcuts
from granpipe.jobs.split_plan import Plan
from granpipe.jobs.split_summary import SplitSummary
from granpipe.stores.protocol import Store

_SCHEMA = """
CREATE TABLE split (name TEXT PRIMARY KEY, grp TEXT, split TEXT, fold TEXT DEFAULT '')
    WITHOUT ROWID;
CREATE TABLE leaks (source TEXT, other TEXT, rule TEXT, distance INTEGER);
CREATE TABLE former_bytes (sha256 TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID;
CREATE TABLE former_names (name TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID;
CREATE TABLE former_folds (key TEXT PRIMARY KEY, fold TEXT) WITHOUT ROWID;
CREATE TABLE held (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_PHOTOS = "FROM wanted JOIN records USING (name)"
_GIVEN = " || char(10) || ".join(
    [
        *("name", "coalesce(given.label, '')", "coalesce(split, '')", "coalesce(grp, '')"),
        *("coalesce(located.latitude, '')", "coalesce(located.longitude, '')"),
        *("coalesce(given.taken_at, '')", "coalesce(fields.field, '')"),
    ]
)
# What decides on groups, beside what is recorded by the digest of a photograph.
_DECIDING = f"""SELECT sha256, {_GIVEN} {_PHOTOS} LEFT JOIN given ON given.photo = name
    LEFT JOIN located ON located.photo = name LEFT JOIN fields ON fields.photo = name
    ORDER BY name"""


def settle_split(run: Run, plan: Plan, depth: int, recipe: str, rows: object) -> SplitSummary:
    """Keep the split that the tables hold where nothing has changed, and make it otherwise.

    Photographs keep their splits where shares and seed are as before. A photograph's class takes
    `depth` folders, arrays are made by `recipe`, and dataset.json promises that labels.csv has
    `rows`, or None.

    Raises
    ------
    DatasetError
        Another's file has the place of a table, or the table with the splits is damaged.
    """
    index, ledger = run.index, run.ledger
    index.create(_SCHEMA)
    noted, note = ledger.noted(SPLIT) or [], plan.note(made_of(recipe, index.rows(_DECIDING)))
    past = ledger.noted(PAST) or []
    tables = {ALIKE: ALIKE_COLUMNS} if plan.shares else {ALIKE: ALIKE_COLUMNS, LEAKS: LEAK_COLUMNS}
    for table, columns in (tables | {SHORTCUTS: SHORTCUT_COLUMNS}).items():
        run.check_free(table, columns)
    is_same = noted == note and all(map(run.has_table, [LABELS, *tables]))
    radius = ledger.noted(RADIUS) or 0.0
    find_held(index, plan.hold_out, depth, run.say)
    if not (is_same and _keep(index, run.store, has_leaks=LEAKS in tables)):
        if plan.shares:
            if plan.deals_as(noted) or not (noted or ledger.is_whole):
                _load_former(index, run.store, past, rows, plan)
            elif noted:
                run.say(
                    "splits all groups again, since shares, seed or --hold-out have changed; "
                    "what a network was trained on may be in test now"
                )
        if plan.folds and plan.folds_as(noted):
            _load_folds(index, run.store, past)
        radius = make_split(index, plan, load_grouping(index, plan.together, depth))
        past = _past(index) if plan.shares else []
    shortcuts = settle_shortcuts(run, [note[1], note[3]])
    return count_split(index, plan, depth, note, past, radius, shortcuts, is_first=not noted)


def _keep(index: Index, store: Store, *, has_leaks: bool) -> bool:
    """Take groups and splits from the tables; return False where they are damaged all the same."""
    try:
        rows = (
            (row["source"], row["group"], row["split"], row["fold"])
            for row in each_row(store, LABELS)
        )
        index.load("INSERT INTO split VALUES (?, ?, ?, ?)", rows)
        keep_alike(index, store)
        if has_leaks:
            keep_leaks(index, store)
        if not index.value(
            "SELECT 1 WHERE EXISTS (SELECT name FROM wanted EXCEPT SELECT name FROM split)"
            " OR EXISTS (SELECT name FROM split EXCEPT SELECT name FROM wanted)"
        ):
            return True
    except (DatasetError, OSError, KeyError, TypeError, ValueError):
        pass
    for table in ("split", "alike", "leaks"):
        index.execute(f"DELETE FROM {table}")
    return False


def _load_former(index: Index, store: Store, past: Sequence[str], rows: object, plan: Plan) -> None:
    """Load the splits that photographs had: by the SHA-256 of their bytes, and by their names.

    A photograph whose bytes were rewritten, as by a tool that corrects its EXIF, keeps its place.
    Those of today are in labels.csv, and those that are gone in what the ledger keeps.

    Raises
    ------
    DatasetError
        The table is damaged or gone: what was tested on might be trained on.
    """
    gone = ((digest, words.split()[0]) for digest, words in _pairs(past))
    index.load("INSERT INTO former_bytes VALUES (?, ?)", gone)
    count = 0
    try:
        for row in each_row(store, LABELS, ("source", "sha256", "split")):
            count += 1
            if (split := row["split"]) in SPLITS:
                for table, key in (("former_bytes", "sha256"), ("former_names", "source")):
                    query = f"INSERT OR REPLACE INTO {table} VALUES (?, ?)"
                    index.execute(query, (row[key], split))
    except (DatasetError, FileNotFoundError):
        raise _damaged(store, plan) from None
    if rows is not None and count != rows:
        raise _damaged(store, plan)


def _load_folds(index: Index, store: Store, past: Sequence[str]) -> None:
    """Load the folds that photographs had, by bytes and by names, as far as a table says them."""
    gone = ((digest, words.split()[1]) for digest, words in _pairs(past) if " " in words)
    index.load("INSERT INTO former_folds VALUES (?, ?)", gone)
    with suppress(DatasetError, FileNotFoundError):
        rows = (
            (row[key], row["fold"])
            for row in each_row(store, LABELS, ("source", "sha256", "fold"))
            for key in ("source", "sha256")
            if row["fold"]
        )
        index.load("INSERT OR REPLACE INTO former_folds VALUES (?, ?)", rows)


def _damaged(store: Store, plan: Plan) -> DatasetError:
    return DatasetError(
        f"{store.url}/{LABELS}: lost or damaged, and only it records the split; restore a copy, "
        f"or use --split none, and then {plan.options()}, to split anew"
    )


def _pairs(past: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each digest of what `_past` returned, with a split and perhaps a fold behind it."""
    return zip(past[::2], past[1::2], strict=False)


def _past(index: Index) -> list[str]:
    """Return digests and splits, in turn, of the photographs that are not there today.

    Behind the split, as in `train 3`, is the fold where there is one.
    """
    query = f"""SELECT sha256, split || coalesce(' ' || fold, '')
        FROM former_bytes LEFT JOIN former_folds ON key = sha256
        WHERE sha256 NOT IN (SELECT sha256 {_PHOTOS}) ORDER BY sha256"""
    return [text for pair in index.rows(query) for text in pair]
