"""What `prepare` did, or would do."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from granpipe.dataset.tables import Rejection
from granpipe.jobs.shards_run import ShardsReport

if TYPE_CHECKING:
    from granpipe.jobs.split_summary import SplitSummary


@dataclass(slots=True, repr=False)
class PrepareReport:
    """What `prepare` did, or would do.

    Attributes
    ----------
    prepared : Counter
        Photographs with an array, by label.
    rejected : list of Rejection
        In the order of their sources.
    rejected_by : Counter
        How many they are, by label; empty for those without one.
    labels_from : str
        The table that labels are from; empty where they are from folders.
    kept, deleted : int
        Photographs that were not decoded again, arrays deleted.
    ignored : Counter
        Files that are no photographs, by their ending.
    unseen : list of str
        Folders that could not be listed and photographs that could not be read, with the cause;
        what was prepared from them before was left as it was.
    stale : bool
        The augmented set beside the arrays was made from others, and its dataset.json is gone.
    stale_settings : dict
        The settings by which that set was made; empty where nobody knows.
    flags : Counter
        Photographs with each flag; of a dry run, those that are up to date.
    split : SplitSummary or None
        Groups and splits, where the dataset has them.
    reindexed : list of tuple
        Each class that has another label_index than before, with the former and the new one.
    empty : list of str
        Classes that have a label_index, and no photographs any more.
    shards : ShardsReport or None
        Which shards were written, where they were asked for.
    unwanted : list of str
        Of a dry run: the arrays that a run would delete.
    conflicts : int
        Photographs whose label is surely not what is declared of their field.
    """

    prepared: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejection] = field(default_factory=list)
    rejected_by: Counter[str] = field(default_factory=Counter)
    labels_from: str = ""
    kept: int = 0
    deleted: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    unseen: list[str] = field(default_factory=list)
    stale: bool = False
    stale_settings: dict[str, Any] = field(default_factory=dict)
    flags: Counter[str] = field(default_factory=Counter)
    split: "SplitSummary | None" = None
    reindexed: list[tuple[str, int, int]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    shards: ShardsReport | None = None
    unwanted: list[str] = field(default_factory=list)
    conflicts: int = 0

    @property
    def found(self) -> int:
        return self.prepared.total() + len(self.rejected)

    def __repr__(self) -> str:
        counted = f"{self.found} photographs found, {self.prepared.total()} prepared ({self.kept} "
        counted += f"up to date already), {len(self.rejected)} rejected"
        return f"<prepare: {counted}, {self.deleted} arrays deleted{', stale copies' * self.stale}>"
