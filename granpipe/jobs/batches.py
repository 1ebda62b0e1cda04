"""Brief runs, one after another, as the online worker does them: batches."""

import time
from collections.abc import Generator
from contextlib import closing, contextmanager

from granpipe.dataset.ledger import Ledger
from granpipe.dataset.names import OWN
from granpipe.errors import DatasetError
from granpipe.jobs.run import Run
from granpipe.stores.protocol import Store

_MOST_PARTS = 100
_SHARE = 0.05  # of the time may be spent on one file of many parts; other workers read it whole


class Batches:
    """Runs that share a ledger, open until a run of another kind has put it in order.

    Parameters
    ----------
    store : Store
        The dataset that `granpipe prepare` writes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ledger: Ledger | None = None
        self._compact_from = 0.0

    @contextmanager
    def run(self) -> Generator[Run, None, None]:
        """Hold the dataset for a run, which adds to the ledger, and leaves the tables alone.

        Raises
        ------
        BusyError
            Another run has the lock.
        DatasetError
            The ledger is damaged.
        """
        with self._store.hold(OWN, _say_nothing, is_brief=True) as lock:
            ledger = self._follow(lock.store)
            try:
                with closing(Run(ledger, _say_nothing, lock)) as run:
                    yield run
                lock.check()
                if len(ledger.parts) > _MOST_PARTS and time.monotonic() > self._compact_from:
                    self._compact(ledger)
                ledger.look_again()
            except BaseException:  # the index may be ahead of what is on the disk
                self._ledger = None
                ledger.close()
                raise

    def _compact(self, ledger: Ledger) -> None:
        began = time.monotonic()
        ledger.compact()
        now = time.monotonic()
        self._compact_from = now + (now - began) / _SHARE

    def _follow(self, held: Store) -> Ledger:
        """Return the ledger, read again where another run has put it in order."""
        if self._ledger:
            self._ledger.store = held
            if not self._ledger.follow():
                self._ledger.close()
                self._ledger = None
        if not self._ledger:
            self._ledger = Ledger(held, "prepare")
        if not self._ledger.is_whole:
            # Nobody knows then which arrays a table lists; prepare finds out, and starts afresh.
            raise DatasetError(f"{self._store.url}: its ledger is damaged; run granpipe prepare")
        return self._ledger


def _say_nothing(line: str) -> None:
    """Leave a line to the caller, who hears of a lock that another run has by the error."""
