"""Work on Spark where nothing may be written: items and results travel through Spark itself.

So no try can leave a note on what it was working on when its container was taken down. Spark tells
a task how often it was tried before, and a task that was does nothing but say so: then its items
are tried once more, each as a task of its own.
"""

import pickle
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from granpipe.engines.spark_jobs import LOOK, MOST_OWN, Jobs
from granpipe.engines.spark_task import CRASHED, Died, Failed, Order
from granpipe.errors import DatasetError

# Where Spark tries no task twice, as on local[*], a death ends the job.
_DEATH = re.compile(
    r"Task (\d+) in stage \S+ failed \d+ times?, most recent failure: (?=.*"
    r"(?:ExecutorLostFailure|Python worker exited unexpectedly|WORKER_EXITED_UNEXPECTEDLY))",
    re.DOTALL,
)


def through_spark(
    jobs: Jobs, order: Order, items: Sequence[Any], chunks: Sequence[range], width: int
) -> Iterator[Any]:
    """Yield the results of all items, from jobs of so many chunks, two of them at once."""
    waves: deque[_Wave] = deque()
    for start in range(0, len(chunks), width):
        sent = [items[chunk.start : chunk.stop] for chunk in chunks[start : start + width]]
        waves.append(_Wave(jobs, order, sent))
        if len(waves) > 1:
            yield from waves.popleft().results()
    while waves:
        yield from waves.popleft().results()


class _Wave:
    """Some chunks that one job works on, and another one what is left when that has failed."""

    def __init__(self, jobs: Jobs, order: Order, chunks: Sequence[Sequence[Any]]) -> None:
        self.jobs = jobs
        self.order = replace(order, chunks=chunks, numbers=range(len(chunks)))
        self.told: dict[int, list[Any] | Died] = {}
        self.job = jobs.start(self.order)

    def results(self) -> Iterator[Any]:
        """Yield the results of all items; an item that died by itself, too, is one that kills."""
        for number, told in enumerate(self._all_told()):
            chunk = self.order.chunks[number]
            if not isinstance(told, Died):
                yield from told
                continue
            singles = _Wave(self.jobs, self.order, [[item] for item in chunk])
            for one in singles._all_told():
                yield CRASHED if isinstance(one, Died) else one[0]

    def _all_told(self) -> list[list[Any] | Died]:
        failures = 0
        while True:
            while not self.job.wait(LOOK):
                pass
            known = len(self.told)
            cause = self._take()
            left = [number for number in self.order.numbers if number not in self.told]
            if not left:
                return [self.told[number] for number in self.order.numbers]
            failures = 0 if len(self.told) > known else failures + 1
            if cause and failures >= MOST_OWN:
                raise DatasetError(f"Spark: {cause}")
            self.job.check(failures)
            self.job = self.jobs.start(replace(self.order, numbers=left))

    def _take(self) -> str:
        """Take what the job has told; return why some of it failed, if granpipe itself knows."""
        numbers, cause = self.job.order.numbers, ""
        for row in self.job.rows:
            told = pickle.loads(row.told)  # noqa: S301 - of our own task
            if isinstance(told, Failed):
                cause = told.cause
            else:
                self.told[numbers[row.place]] = told
        if death := _DEATH.search(str(self.job.error or "")):
            self.told[numbers[int(death[1])]] = Died()
        return cause
