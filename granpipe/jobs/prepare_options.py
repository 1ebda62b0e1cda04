"""How a run of `prepare` goes about it."""

from dataclasses import dataclass, field

from granpipe.engines.protocol import Engine
from granpipe.jobs.split_plan import Wish
from granpipe.jobs.survey_options import Survey


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """How a run goes about it; see `granpipe.jobs.prepare.prepare`."""

    engine: Engine
    force: bool
    verify: bool
    allow_deletions: bool
    dry_run: bool
    reindex_labels: bool
    sides: Wish
    merge_classes: bool
    labels: str | None = None
    alike: bool | None = None
    drop: tuple[str, ...] | None = None
    survey: Survey = field(default_factory=Survey)
