"""Work in chunks on Spark, and what becomes of a chunk whose executor dies.

A task learns from Spark how often it was tried before. One that was does nothing but say so: then
the items of its chunk are tried one by one, each as a task of its own, and what dies so once more
all alone. What dies then, too, takes down whatever works on it.
"""

import pickle
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.spark_jobs import SparkJobs, line_of
from granpipe.engines.spark_task import Died, Failed, Order
from granpipe.errors import DatasetError

_LARGEST_CHUNK = 500
_CHUNKS_A_CORE = 4  # at least, so that all cores end at about the same time
_MOST_IN_A_JOB = 32_000  # items: their results are in the driver's memory together
_JOBS_AT_ONCE = 3  # so that no core waits for the last chunk of a job
_MOST_FAILURES = 12  # of jobs, one after another, without a finished chunk in between
_MOST_OWN = 1  # of those for which granpipe itself had a reason, such as a full disk
# Where Spark tries no task twice, as on local[*], a death ends the job.
_DEATH = re.compile(
    r"Task (\d+) in stage \S+ failed \d+ times?, most recent failure: (?=.*"
    r"(?:ExecutorLostFailure|Python worker exited unexpectedly|WORKER_EXITED_UNEXPECTEDLY))",
    re.DOTALL,
)
CRASHED = WorkerCrashed("took its container down twice")


def in_chunks(
    jobs: SparkJobs, order: Order, items: Sequence[Any], cores: int
) -> Iterator[tuple[Any, Any]]:
    """Yield all items with their results, in order, from jobs of a chunk for each core."""
    size = max(1, -(-len(items) // (_CHUNKS_A_CORE * cores)))
    size = min(size, _LARGEST_CHUNK, max(1, _MOST_IN_A_JOB // cores))
    waves: deque[_Wave] = deque()
    for start in range(0, len(items), size * cores):
        stop = min(start + size * cores, len(items))
        chunks = [items[begin : min(begin + size, stop)] for begin in range(start, stop, size)]
        waves.append(_Wave(jobs, order, chunks))
        if len(waves) == _JOBS_AT_ONCE:
            yield from waves.popleft().results()
    while waves:
        yield from waves.popleft().results()


class _Wave:
    """Some chunks that one job works on, and another one what is left when that has failed."""

    def __init__(self, jobs: SparkJobs, order: Order, chunks: Sequence[Sequence[Any]]) -> None:
        self.jobs = jobs
        self.chunks = chunks
        self.order = replace(order, chunks=[pickle.dumps(list(chunk)) for chunk in chunks])
        self.outcomes: dict[int, list[Any] | Died] = {}
        self.job = jobs.start(self.order, range(len(chunks)))

    def results(self) -> Iterator[tuple[Any, Any]]:
        """Yield all items with their results."""
        for chunk, outcome in zip(self.chunks, self.wait(), strict=True):
            results = self._one_by_one(chunk) if isinstance(outcome, Died) else outcome
            yield from zip(chunk, results, strict=True)

    def _one_by_one(self, items: Sequence[Any]) -> Iterator[Any]:
        outcomes = self._again([[item] for item in items])
        for item, outcome in zip(items, outcomes, strict=True):
            # Who worked beside a killer died with it, and lives where it is all alone.
            final = self._again([[item]])[0] if isinstance(outcome, Died) else outcome
            yield CRASHED if isinstance(final, Died) else final[0]

    def _again(self, chunks: Sequence[Sequence[Any]]) -> list[list[Any] | Died]:
        return _Wave(self.jobs, self.order, chunks).wait()

    def wait(self) -> list[list[Any] | Died]:
        """Return what came of every chunk."""
        failures = 0
        while True:
            self.jobs.wait(self.job)
            before = len(self.outcomes)
            cause = self._take()
            left = [number for number in range(len(self.chunks)) if number not in self.outcomes]
            if not left:
                return [self.outcomes[number] for number in range(len(self.chunks))]
            failures = 0 if len(self.outcomes) > before else failures + 1
            if cause and failures > _MOST_OWN:
                raise DatasetError(f"Spark: {cause}")
            if failures > (_MOST_OWN if self.job.is_own_error else _MOST_FAILURES):
                raise DatasetError(f"Spark: {line_of(self.job.error)}") from self.job.error
            self.job = self.jobs.start(self.order, left)

    def _take(self) -> str:
        """Take what the job has reported; return why some failed, if granpipe itself knows."""
        cause = ""
        for number, data in self.job.rows:
            outcome = pickle.loads(data)  # noqa: S301 - of our own task
            if isinstance(outcome, Failed):
                cause = outcome.cause
            else:
                self.outcomes[number] = outcome
        if death := _DEATH.search(str(self.job.error or "")):
            self.outcomes[self.job.numbers[int(death[1])]] = Died()
        return cause
