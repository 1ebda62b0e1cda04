"""What a user may ask for without a split: near-duplicates, and to leave out what is flagged."""

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

from granpipe.dataset.database import Row
from granpipe.dataset.index import Index
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import ALIKE, DROPPED, SCREENED
from granpipe.dataset.tables import ALIKE_COLUMNS
from granpipe.dataset.together import Together
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.alike_table import load_alike, looks_of, read_alike
from granpipe.jobs.photo_index import PhotoIndex
from granpipe.jobs.run import Run

if TYPE_CHECKING:
    from granpipe.dataset.groups import Groups

_PHOTOS = "FROM wanted JOIN records USING (name)"
_SHARPEST = f"""SELECT name, label(name), ifnull(sharpness, -1), width * height {_PHOTOS}"""


@dataclass(slots=True)
class Screening:
    """What is screened, by what is asked for or as before."""

    drop: tuple[str, ...]  # of `granpipe.checks.DROPPABLE`: what has such a flag is rejected
    alike: bool  # alike.csv is wished, whether or not there is a split
    is_split: bool  # a split by likeness writes it anyway
    made_of: str = ""  # identifies what alike.csv is made of, once it is found

    @classmethod
    def of(
        cls, ledger: Ledger, alike: bool | None, drop: tuple[str, ...] | None, *, is_split: bool
    ) -> Self:
        """Return what is asked for, None being as before."""
        is_wished = ledger.noted(SCREENED) is not None if alike is None else alike
        dropped = tuple(ledger.noted(DROPPED) or ()) if drop is None else drop
        return cls(dropped, is_wished, is_split)

    @property
    def finds_alike(self) -> bool:
        """Whether alike.csv is written though no split needs it."""
        return self.alike and not self.is_split

    @property
    def needs_hashes(self) -> bool:
        """Whether photographs are compared."""
        return self.alike or self.is_split or "alike" in self.drop

    def notes(self) -> dict[str, Any]:
        """Return what the ledger is to keep."""
        noted = {SCREENED: self.made_of} if self.alike else {}
        return noted | ({DROPPED: list(self.drop)} if self.drop else {})

    def leave_out(self, photos: PhotoIndex) -> None:
        """Reject photographs with a flag, and all but the sharpest of those that look alike."""
        if not self.drop:
            return
        flagged = "SELECT name, flags FROM wanted JOIN positions USING (name) WHERE flags <> ''"
        for name, flags in list(photos.index.rows(flagged)):
            if found := [flag for flag in flags.split() if flag in self.drop]:
                photos.leave_out(name, PhotoError("flagged", " ".join(found)))
        if "alike" in self.drop:
            for name, kept in list(_less_sharp(photos.index)):
                why = f"looks like {kept}, which is sharper"
                photos.leave_out(name, PhotoError("flagged", why))

    def find_alike(self, run: Run, recipe: str) -> None:
        """Fill the index's table `alike`; by the table that is there where nothing has changed."""
        digest = sha256(recipe.encode())
        for row in run.index.rows(f"SELECT sha256, name {_PHOTOS} ORDER BY name"):
            digest.update("{} {}\n".format(*row).encode())
        self.made_of = digest.hexdigest()
        run.check_free(ALIKE, ALIKE_COLUMNS)
        is_same = run.ledger.noted(SCREENED) == self.made_of and run.has_table(ALIKE)
        if not (is_same and _keep(run)):
            load_alike(run.index, _groups(run.index).alike)


def _less_sharp(index: Index) -> Iterator[tuple[str, str]]:
    """Yield each photograph that looks like a sharper one of its class, and that."""
    groups = _groups(index).names
    rivals: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for name, label, *qualities in index.rows(_SHARPEST):
        # The sharpest first, then the largest, then the first by name.
        rivals[groups[name], label].append((*(-quality for quality in qualities), name))
    for several in rivals.values():
        *_, kept = min(several)
        for *_, name in several:
            if name != kept:
                yield name, kept


def _keep(run: Run) -> bool:
    """Take the pairs of the table that is there; return False where it is damaged."""
    with suppress(DatasetError, OSError, KeyError, TypeError, ValueError):
        load_alike(run.index, list(read_alike(run.store)))
        return True
    return False


def _groups(index: Index) -> "Groups":
    from granpipe.dataset.grouping_input import Facts, GroupingInput  # noqa: PLC0415 - 15 ms
    from granpipe.dataset.groups import Grouping  # noqa: PLC0415

    rows = index.rows(f"SELECT name, sha256 {_PHOTOS} ORDER BY name")
    facts = (Facts(name, digest, math.nan, math.nan, "", "") for name, digest in rows)
    together = Together(("likeness",))
    return Grouping(GroupingInput.of(facts, looks_of(index)), together).groups()
