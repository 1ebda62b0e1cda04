"""Splits of a dataset: chosen by options and ledger, made anew or kept, and counted."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from granpipe.dataset.dealing import Member, deal
from granpipe.dataset.grouping_input import Facts, GroupingInput
from granpipe.dataset.groups import Grouping
from granpipe.dataset.index import Index
from granpipe.dataset.names import ALIKE, LABELS, LEAKS, PAST, RADIUS, SHORTCUTS
from granpipe.dataset.names import SIDES as NOTE
from granpipe.dataset.sides import SIDES, Shares
from granpipe.dataset.tables import ALIKE_COLUMNS, LEAK_COLUMNS, each_row
from granpipe.errors import DatasetError
from granpipe.jobs.alike_table import load_alike, looks_of, read_alike
from granpipe.jobs.count_sides import count_sides
from granpipe.jobs.folds import deal_folds, find_held
from granpipe.jobs.given_split import keep_leaks, take_given
from granpipe.jobs.run import Run
from granpipe.jobs.shortcut_table import SHORTCUT_COLUMNS, settle_shortcuts
from granpipe.jobs.split_plan import Plan
from granpipe.jobs.split_summary import Sides
from granpipe.stores.protocol import Store

_SCHEMA = """
CREATE TABLE split (name TEXT PRIMARY KEY, grp TEXT, split TEXT, fold TEXT DEFAULT '')
    WITHOUT ROWID;
CREATE TABLE leaks (source TEXT, other TEXT, rule TEXT, distance INTEGER);
CREATE TABLE former_bytes (sha256 TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID;
CREATE TABLE former_names (name TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID;
CREATE TABLE former_folds (name TEXT PRIMARY KEY, fold TEXT) WITHOUT ROWID;
CREATE TABLE held (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_RADII = (1000, 750, 500, 400, 300, 200, 150, 100, 75, 50, 40, 30, 20, 15, 10, 5, 2, 1)
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


def settle_sides(run: Run, plan: Plan, depth: int, recipe: str, rows: object) -> Sides:
    """Keep the splits that the tables hold where nothing has changed, and make them otherwise.

    Photographs keep their splits where shares and seed are as before.

    Parameters
    ----------
    run : Run
    plan : Plan
    depth : int
        Folders that a photograph's class takes.
    recipe : str
        How arrays are made.
    rows : int or None
        How many rows dataset.json promises of labels.csv.

    Raises
    ------
    DatasetError
        Another's file has the place of a table, or the table with the splits is damaged.
    """
    index, ledger = run.index, run.ledger
    index.create(_SCHEMA)
    photos = index.rows(_DECIDING)
    noted, note = ledger.noted(NOTE) or [], plan.note(recipe, photos)
    past = ledger.noted(PAST) or []
    tables = {ALIKE: ALIKE_COLUMNS} if plan.shares else {ALIKE: ALIKE_COLUMNS, LEAKS: LEAK_COLUMNS}
    for table, columns in (tables | {SHORTCUTS: SHORTCUT_COLUMNS}).items():
        run.check_free(table, columns)
    is_same = noted == note and all(map(run.has_table, [LABELS, *tables]))
    radius = ledger.noted(RADIUS) or 0.0
    find_held(index, plan.hold_out, depth, run.say)
    is_kept = is_same and _keep(index, run.store, has_leaks=LEAKS in tables)
    if not is_kept:
        grouping = Grouping(_facts(index, depth), plan.together)
        if plan.shares:
            if plan.deals_as(noted) or not (noted or ledger.is_whole):
                _load_former(index, run.store, past, rows)
            elif noted:
                run.say(
                    "splits all groups again, since shares, seed or --hold-out have changed; "
                    "what a network was trained on may be in test now"
                )
            radius, past = _deal(index, plan, plan.shares, grouping), _past(index)
        else:
            take_given(index, grouping, fix_leaks=plan.fix_leaks)
            radius, past = 0.0, []
        if plan.folds:
            if plan.folds_as(noted):
                _load_folds(index, run.store)
            deal_folds(index, plan.folds, plan.seed)
    shortcuts = settle_shortcuts(run, [note[1], note[3]])
    return count_sides(index, plan, depth, note, past, radius, shortcuts, is_first=not noted)


def _keep(index: Index, store: Store, *, has_leaks: bool) -> bool:
    """Take groups and splits from the tables; return False where they are damaged all the same."""
    try:
        rows = (
            (row["source"], row["group"], row["split"], row["fold"])
            for row in each_row(store, LABELS)
        )
        index.load("INSERT INTO split VALUES (?, ?, ?, ?)", rows)
        load_alike(index, read_alike(store))
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


def _load_former(index: Index, store: Store, past: Sequence[str], rows: object) -> None:
    """Load the splits that photographs had: by the SHA-256 of their bytes, and by their names.

    A photograph whose bytes were rewritten, as by a tool that corrects its EXIF, keeps its place.
    Those of today are in labels.csv, and those that are gone in what the ledger keeps.

    Raises
    ------
    DatasetError
        The table is damaged or gone: what was tested on might be trained on.
    """
    index.load("INSERT INTO former_bytes VALUES (?, ?)", zip(past[::2], past[1::2], strict=False))
    count = 0

    def former() -> Iterator[tuple[str, str, str]]:
        nonlocal count
        for row in each_row(store, LABELS, ("source", "sha256", "split")):
            count += 1
            if row["split"] in SIDES:
                yield row["sha256"], row["source"], row["split"]

    try:
        for digest, name, side in former():
            index.execute("INSERT OR REPLACE INTO former_bytes VALUES (?, ?)", (digest, side))
            index.execute("INSERT OR REPLACE INTO former_names VALUES (?, ?)", (name, side))
    except FileNotFoundError:
        raise _damaged(store) from None
    except DatasetError:
        raise _damaged(store) from None
    if rows is not None and count != rows:
        raise _damaged(store)


def _load_folds(index: Index, store: Store) -> None:
    """Load the folds that photographs had, as far as a table says them."""
    with suppress(DatasetError, FileNotFoundError):
        rows = ((row["source"], row["fold"]) for row in each_row(store, LABELS, ("source", "fold")))
        index.load("INSERT OR REPLACE INTO former_folds VALUES (?, ?)", rows)


def _damaged(store: Store) -> DatasetError:
    return DatasetError(
        f"{store.url}/{LABELS}: lost or damaged, and only it records the split; restore a copy, "
        "or use --split none, and then --split again, to split anew"
    )


def _deal(index: Index, plan: Plan, shares: Shares, grouping: Grouping) -> float:
    """Deal the groups of the photographs.

    Returns
    -------
    float
        As `Sides.radius` is.
    """
    groups = grouping.groups()
    index.load("INSERT INTO split VALUES (?, ?, '', '')", groups.names.items())
    load_alike(index, groups.alike)
    held = {groups.names[name] for (name,) in index.rows("SELECT name FROM held")}
    sides = deal(_members(index, groups.names), shares, plan.seed, held)
    index.create("CREATE TABLE dealt (grp TEXT PRIMARY KEY, side TEXT) WITHOUT ROWID;")
    index.load("INSERT INTO dealt VALUES (?, ?)", sides.items())
    index.execute("UPDATE split SET split = (SELECT side FROM dealt WHERE dealt.grp = split.grp)")
    counts: dict[str, int] = dict(index.rows("SELECT split, count(*) FROM split GROUP BY 1"))
    is_fair = not (shares.missed(counts) or shares.empty(counts))
    if is_fair or "place" not in plan.together.rules:
        return 0.0
    return _widest(index, plan, shares, grouping)


def _members(index: Index, groups: Mapping[str, str]) -> Iterator[Member]:
    query = """SELECT split.name, coalesce(one.split, other.split, '')
        FROM split JOIN records USING (name)
        LEFT JOIN former_bytes AS one ON one.sha256 = records.sha256
        LEFT JOIN former_names AS other ON other.name = split.name"""
    for name, former in index.rows(query):
        yield Member(index.label_of(name), groups[name], former)


def _widest(index: Index, plan: Plan, shares: Shares, grouping: Grouping) -> float:
    """Return the most metres of `place:` for which every split would have about its share."""

    def is_fair(metres: float) -> bool:
        names = grouping.names_within(metres)
        held = {names[name] for (name,) in index.rows("SELECT name FROM held")}
        anew = (replace(one, former="") for one in _members(index, names))
        sides = deal(anew, shares, plan.seed, held)
        counts = Counter(sides[group] for group in names.values())
        return not shares.missed(counts) and not shares.empty(counts)

    too_wide = plan.together.metres
    for metres in _RADII:
        if metres < too_wide:
            if is_fair(metres):
                return _between(metres, too_wide, is_fair)
            too_wide = metres
    return 0.0


def _between(fair: float, too_wide: float, is_fair: Callable[[float], bool]) -> float:
    """Return the most whole metres that are fair, between some that are and some that are not."""
    while too_wide - fair > 1:
        middle = float(int(fair + too_wide) // 2)
        if is_fair(middle):
            fair = middle
        else:
            too_wide = middle
    return fair


def _facts(index: Index, depth: int) -> GroupingInput:
    """Return what is recorded of photographs and may say which belong together."""

    def facts() -> Iterator[Facts]:
        # An imprecise position joins nothing; a burst may, as where there is none.
        query = f"""SELECT name, sha256, iif(is_imprecise, NULL, positions.latitude),
            iif(is_imprecise, NULL, positions.longitude),
            coalesce(nullif(records.taken_at, ''), given.taken_at, ''), camera, coalesce(grp, ''),
            coalesce(fields.field, '') {_PHOTOS} JOIN positions USING (name)
            LEFT JOIN given ON given.photo = name LEFT JOIN fields ON fields.photo = name
            ORDER BY name"""
        for name, digest, *position, taken_at, camera, group, field in index.rows(query):
            lat, lon = (math.nan if degrees is None else degrees for degrees in position)
            yield Facts(name, digest, lat, lon, taken_at, camera, group, field)

    return GroupingInput.of(facts(), looks_of(index), depth)


def _past(index: Index) -> list[str]:
    """Return digests and splits, in turn, of the photographs that are not there today."""
    query = f"""SELECT sha256, split FROM former_bytes
        WHERE sha256 NOT IN (SELECT sha256 {_PHOTOS}) ORDER BY sha256"""
    return [text for pair in index.rows(query) for text in pair]
