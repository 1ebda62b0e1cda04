"""Sides for a dataset: settled by options and memory, dealt anew or kept, and told of."""

import base64
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from granpipe.dataset import names
from granpipe.dataset.build import Build
from granpipe.dataset.facts import Facts, FactsTable
from granpipe.dataset.groups import Together, group, parse_together
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.made import Made
from granpipe.dataset.names import ALIKE, LABELS, array_path, label_of
from granpipe.dataset.records import text_in
from granpipe.dataset.sides import SIDES, Member, Shares, deal, parse_shares
from granpipe.dataset.tables import ALIKE_COLUMNS, each_row
from granpipe.errors import DatasetError
from granpipe.photo.likeness import BYTES
from granpipe.stores.files import check_free
from granpipe.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; None where nothing was: then a dataset keeps what it has."""

    split: str | None = None
    together: str | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How sides are dealt."""

    shares: Shares
    together: Together
    seed: int

    @property
    def settings(self) -> dict[str, Any]:
        """What dataset.json tells of it."""
        return {"split": str(self.shares), "together": str(self.together), "seed": self.seed}

    def note(self, recipe: str, photos: Iterable[Facts]) -> list[str]:
        """Return the ledger's line: the settings, and a digest of all that decides on groups."""
        digest = sha256(recipe.encode())
        for photo in photos:
            digest.update(f"{photo.sha256} {photo.source}\n".encode())
        return [str(self.shares), str(self.together), str(self.seed), digest.hexdigest()]


def plan_sides(wish: Wish, noted: Sequence[str]) -> Plan | None:
    """Return how sides are dealt, by what is wished and by the ledger's line; None for no sides.

    Raises
    ------
    DatasetError
        The wish makes no sense.
    """
    others = [name for name in ("together", "seed") if getattr(wish, name) is not None]
    shares = wish.split if wish.split is not None else (noted[0] if noted else "none")
    if shares == "none":
        if others:
            raise DatasetError(f"--{others[0]} is for a dataset with sides; add --split 80/10/10")
        return None
    former = noted[1:3] or [str(Together()), "0"]
    together = former[0] if wish.together is None else wish.together
    seed = int(former[1]) if wish.seed is None else wish.seed
    return Plan(parse_shares(shares), parse_together(together), seed)


@dataclass(frozen=True, slots=True)
class Alike:
    """A row of alike.csv."""

    source: str
    other: str
    distance: int
    label: str
    other_label: str


@dataclass(frozen=True, slots=True)
class Sides:
    """Groups and sides of a dataset.

    Attributes
    ----------
    plan : Plan
    note : list of str
        What the ledger is to keep of it.
    groups, splits : dict of str to str
        Of each photograph, by source.
    alike : list of Alike
    past : list of str
        Digests and former sides, in turn, of photographs that are not there today.
    unknown : int
        Photographs without a position, a time, a twin, and where it counts a field's folder.
    """

    plan: Plan
    note: list[str]
    groups: dict[str, str]
    splits: dict[str, str]
    alike: list[Alike]
    past: Sequence[str] = ()
    unknown: int = 0

    def columns(self, source: str) -> dict[str, str]:
        """Return what labels.csv tells of a photograph."""
        return {"group": self.groups[source], "split": self.splits[source]}

    def groups_of(self) -> dict[str, set[str]]:
        """Return the groups that each label has a photograph in."""
        groups = defaultdict(set)
        for source, name in self.groups.items():
            groups[label_of(source)].add(name)
        return groups

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many photographs each label has on each side."""
        return Counter((label_of(source), side) for source, side in self.splits.items())

    @property
    def largest(self) -> int:
        """Photographs of the largest group."""
        return max(Counter(self.groups.values()).values(), default=0)

    @property
    def scarce(self) -> list[str]:
        """The labels with fewer groups than there are sides."""
        wanted = len(self.plan.shares.sides)
        return sorted(label for label, own in self.groups_of().items() if len(own) < wanted)

    @property
    def conflicts(self) -> int:
        """Links of likeness between two labels."""
        return sum(one.label != one.other_label for one in self.alike)


def _facts_of(ledger: Ledger, sources: Sequence[str]) -> FactsTable:
    """Return what the records of the ledger tell of photographs and their groups."""

    def facts(source: str) -> Facts:
        record = ledger.get(array_path(source))
        lat, lon = (math.nan if record[name] is None else record[name] for name in _POSITION)
        camera = record.get("camera", "")
        return Facts(source, record["sha256"], lat, lon, record["taken_at"], camera)

    def look(source: str) -> bytes:
        hashes = base64.b64decode(text_in(ledger.records[array_path(source)], "look"))
        return hashes[: len(hashes) // BYTES * BYTES]

    return FactsTable.of(map(facts, sources), Made(sources, look))


_POSITION = ("latitude", "longitude")


def settle_sides(
    build: Build, plan: Plan, recipe: str, sources: Sequence[str], rows: object
) -> Sides:
    """Keep the sides that the tables hold where nothing has changed, and deal them otherwise.

    Photographs keep their sides where shares and seed are as before.

    Raises
    ------
    DatasetError
        Another's file has the place of alike.csv, or the table with the sides is damaged.
    """
    photos = _facts_of(build.ledger, sources)
    noted, note = build.ledger.tables.get(names.SIDES, []), plan.note(recipe, photos)
    past = build.ledger.tables.get(names.PAST, [])
    if ALIKE not in build.ledger.tables:
        check_free(build.store, ALIKE, ",".join(ALIKE_COLUMNS).encode())
    if noted == note and build.has_table(LABELS) and build.has_table(ALIKE):
        kept = _kept(build.store, plan, note)
        if kept and kept.groups.keys() == set(sources):
            return _with_unknown(replace(kept, past=past), photos)
    is_known = noted or build.ledger.is_whole
    is_same = not is_known or noted[:1] + noted[2:3] == note[:1] + note[2:3]
    former = Former.of(build.store, past, rows) if is_same else Former({}, {})
    sides = replace(_dealt(photos, plan, former, note), past=former.without(photos))
    return _with_unknown(sides, photos)


@dataclass(frozen=True, slots=True)
class Former:
    """The sides that photographs had: by the SHA-256 of their bytes, and by their sources.

    A photograph whose bytes were rewritten, as by a tool that mends its EXIF, keeps its place.
    """

    by_digest: Mapping[str, str]
    by_source: Mapping[str, str]

    @classmethod
    def of(cls, store: Store, past: Sequence[str], rows: object) -> "Former":
        """Return what labels.csv tells, and what the ledger keeps of photographs not in it.

        Parameters
        ----------
        store : Store
        past : sequence of str
            Digests and sides, in turn.
        rows : int or None
            How many dataset.json promises.

        Raises
        ------
        DatasetError
            The table is damaged or gone: what was tested on might be trained on.
        """
        by_digest = dict(zip(past[::2], past[1::2], strict=False))
        by_source: dict[str, str] = {}
        count = 0
        try:
            for row in each_row(store, LABELS, ("source", "sha256", "split")):
                count += 1
                if row["split"] in SIDES:
                    by_digest[row["sha256"]] = by_source[row["source"]] = row["split"]
        except (DatasetError, FileNotFoundError):
            raise _damaged(store) from None
        if rows is not None and count != rows:
            raise _damaged(store)
        return cls(by_digest, by_source)

    def side_of(self, photo: Facts) -> str:
        """Return a photograph's side, or an empty text."""
        return self.by_digest.get(photo.sha256) or self.by_source.get(photo.source, "")

    def without(self, photos: Iterable[Facts]) -> list[str]:
        """Return digests and sides, in turn, of the photographs that are not there today."""
        here = {photo.sha256 for photo in photos if photo.sha256 in self.by_digest}
        gone = sorted(pair for pair in self.by_digest.items() if pair[0] not in here)
        return [text for pair in gone for text in pair]


def _damaged(store: Store) -> DatasetError:
    return DatasetError(
        f"{store.url}/{LABELS}: lost or damaged, and only it knows the sides; bring back a copy, "
        "or say --split none, and then --split again, to deal them anew"
    )


def _dealt(photos: FactsTable, plan: Plan, former: Former, note: list[str]) -> Sides:
    groups = group(photos, plan.together)
    members = (
        Member(label_of(one.source), groups.names[one.source], former.side_of(one))
        for one in photos
    )
    sides = deal(members, plan.shares, plan.seed)
    splits = {source: sides[name] for source, name in groups.names.items()}
    alike = [
        Alike(source, other, distance, label_of(source), label_of(other))
        for source, other, distance in groups.alike
    ]
    return Sides(plan, note, groups.names, splits, alike)


def _with_unknown(sides: Sides, photos: Iterable[Facts]) -> Sides:
    twins = {source for one in sides.alike for source in (one.source, one.other)}
    by_folder = "folder" in sides.plan.together.rules
    unknown = sum(
        math.isnan(photo.lat)
        and not photo.taken_at
        and photo.source not in twins
        and not (by_folder and photo.source.count("/") > 1)
        for photo in photos
    )
    return replace(sides, unknown=unknown)


def _kept(store: Store, plan: Plan, note: list[str]) -> Sides | None:
    """Return what the tables hold, or None where they are damaged all the same."""
    groups, splits = {}, {}
    try:
        for row in each_row(store, LABELS):
            groups[row["source"]], splits[row["source"]] = row["group"], row["split"]
        alike = [
            Alike(
                one["source"], one["other"], int(one["distance"]), one["label"], one["other_label"]
            )
            for one in each_row(store, ALIKE)
        ]
    except (DatasetError, OSError, KeyError, TypeError, ValueError):
        return None
    return Sides(plan, note, groups, splits, alike)


def check_no_sides(store: Store) -> None:
    """Raise DatasetError where a table holds sides and nothing tells how they were dealt."""
    try:
        has_sides = any(row["split"] in SIDES for row in each_row(store, LABELS, ("split",)))
    except (DatasetError, FileNotFoundError):
        return
    if has_sides:
        raise DatasetError(
            f"{store.url}: has sides, but the ledger that tells their --split is lost; say --split "
            "as before, or --split none"
        )
