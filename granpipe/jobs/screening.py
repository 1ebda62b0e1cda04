"""What a user may ask for without a split: near-duplicates, and to leave out what is flagged."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Self

from granpipe.dataset.index import Index
from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import ALIKE, DROPPED, SCREENED
from granpipe.dataset.tables import ALIKE_COLUMNS
from granpipe.errors import DatasetError, PhotoError
from granpipe.jobs.kept_tables import keep_alike, made_of
from granpipe.jobs.photo_index import PhotoIndex
from granpipe.jobs.run import Run

_PHOTOS = "FROM wanted JOIN records USING (name)"
# The sharpest first, then the largest, then the first by name.
_RIVALS = """SELECT alike, label(name), name FROM numbered JOIN records USING (name)
    WHERE alike IS NOT NULL
    ORDER BY 1, 2, ifnull(sharpness, -1) DESC, width * height DESC, name"""


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
        photos = run.index.rows(f"SELECT sha256, name {_PHOTOS} ORDER BY name")
        self.made_of = made_of(recipe, photos)
        run.check_free(ALIKE, ALIKE_COLUMNS)
        is_same = run.ledger.noted(SCREENED) == self.made_of and run.has_table(ALIKE)
        if not (is_same and _keep(run)):
            from granpipe.jobs.grouping import add_alike, load_likeness  # noqa: PLC0415 - 15 ms

            add_alike(run.index, load_likeness(run.index))


def _less_sharp(index: Index) -> Iterator[tuple[str, str]]:
    """Yield each photograph that looks like a sharper one of its class, and that."""
    from granpipe.jobs.grouping import mark_alike  # noqa: PLC0415 - 15 ms

    mark_alike(index)
    for _, rivals in groupby(index.rows(_RIVALS), itemgetter(0, 1)):
        (_, _, kept), *others = rivals
        for _, _, name in others:
            yield name, kept


def _keep(run: Run) -> bool:
    """Take the pairs of the table that is there; return False where it is damaged."""
    with suppress(DatasetError, OSError, KeyError, TypeError, ValueError):
        keep_alike(run.index, run.store)
        return True
    run.index.execute("DELETE FROM alike")
    return False
