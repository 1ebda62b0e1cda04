"""Shards of a whole dataset, which trainers open: what is asked for, and writing it."""

from dataclasses import dataclass
from typing import Any, Self

from granpipe import checks
from granpipe.checks import checked
from granpipe.dataset.shards import Form
from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError
from granpipe.jobs.following import in_units
from granpipe.jobs.run import Progress, Run, Say, run_again
from granpipe.jobs.shards_run import Samples, ShardsReport, ShardsRun
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join

SHARD_SIZE = 1000
"""Samples of a shard, about, by default."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """Shards that are asked for."""

    store: Store  # where they are written
    size: int  # samples in each, about
    form: Form
    command: str  # whose arrays they hold, `prepare` or `augment`
    engine: Engine

    @classmethod
    def of(
        cls,
        engine: Engine,
        command: str,
        *others: Store,
        shards: Any,
        shard_size: Any,
        shard_format: Any,
    ) -> Self | None:
        """Return which shards are asked for, in a user's words; None where none are.

        None may be among `others`, photographs and arrays. OptionError and DatasetError mean that
        an argument is not what it may be.
        """
        size = checked("shard_size", shard_size, checks.SHARD_SIZE)
        form = Form.of(checked("shard_format", shard_format, checks.shard_format))
        if shards is None:
            return None
        store = engine.open(checked("shards", shards, checks.place))
        for other in others:
            if store.is_within(other):
                raise DatasetError(
                    f"{store.url}: lies in {other.url}; choose a folder of their own for shards, "
                    f"as {join(other.url.rstrip('/') + '-shards', '')}"
                )
        return cls(store, size, form, command, engine)

    def check(self, say: Say) -> None:
        """Raise DatasetError unless shards may be written; asked before the work on arrays."""

        def check(run: Run) -> None:
            # Shards that are up to date need no lock.
            is_new = not run.index.value("SELECT 1 FROM records LIMIT 1")
            if is_new and not run.open():
                raise DatasetError(run.refusal)

        run_again(self.store, f"{self.command} --shards", say, check)

    def write(
        self, samples: Samples, progress: Progress, say: Say, *, verify: bool
    ) -> ShardsReport:
        """Bring shards in line with a whole dataset; with `verify`, hash all of them.

        Raises
        ------
        DatasetError
            The run cannot go on; what was written is taken up by the next one.
        """

        def work(run: Run) -> ShardsReport:
            steps = ShardsRun(run, samples, self.size, self.form)
            steps.plan(verify=verify)
            steps.make(self.engine, in_units(progress, "shards"))
            report = steps.report()
            steps.finish(f"granpipe {self.command} --shards")
            return report

        return run_again(self.store, f"{self.command} --shards", say, work)
