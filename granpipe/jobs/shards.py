"""Shards of a whole dataset, which trainers open."""

from granpipe.engines.protocol import Engine
from granpipe.errors import DatasetError
from granpipe.jobs.following import in_units
from granpipe.jobs.run import Progress, Run, Say, run_again
from granpipe.jobs.shards_options import Samples, ShardsReport, ShardsWish
from granpipe.jobs.shards_run import ShardsRun


def check_target(wish: ShardsWish, command: str, say: Say) -> None:
    """Raise DatasetError unless shards may be written; asked before the work on arrays.

    Parameters
    ----------
    wish, command, say
        As for `write_shards`.
    """

    def check(run: Run) -> None:
        # Shards that are up to date need no lock.
        is_new = not run.index.value("SELECT 1 FROM records LIMIT 1")
        if is_new and not run.open():
            raise DatasetError(run.refusal)

    run_again(wish.store, f"{command} --shards", say, check)


def write_shards(
    wish: ShardsWish,
    samples: Samples,
    command: str,
    engine: Engine,
    progress: Progress,
    say: Say,
    *,
    verify: bool,
) -> ShardsReport:
    """Bring shards in line with a whole dataset.

    Parameters
    ----------
    wish : ShardsWish
    samples : Samples
    command : str
        Whose they are, `prepare` or `augment`.
    engine, progress, say
        As for the arrays.
    verify : bool
        Hash also shards whose size and time are as before.

    Raises
    ------
    DatasetError
        The run cannot go on; what was written is taken up by the next one.
    """

    def work(run: Run) -> ShardsReport:
        steps = ShardsRun(run, wish, samples, command)
        steps.plan(verify=verify)
        steps.make(engine, in_units(progress, "shards"))
        report = steps.report()
        steps.finish()
        return report

    return run_again(wish.store, f"{command} --shards", say, work)
