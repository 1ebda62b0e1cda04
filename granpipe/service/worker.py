"""The worker: events -> arrays, ledger and index. `python -m granpipe.service.worker`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from granpipe.dataset.sidecars import fetch_sidecars, read_sidecars
from granpipe.engines.choice import choose
from granpipe.errors import DatasetError, GranpipeError
from granpipe.jobs.prepare_online import OnlinePreparer, Prepared
from granpipe.service.events import DownError, Event, Events, Refusal
from granpipe.service.parts import open_events, open_log, open_positions
from granpipe.service.positions import Known, Positions, in_parts, known_of
from granpipe.service.request_log import RequestLog
from granpipe.service.settings import Settings, read_settings
from granpipe.service.stopping import StopAsked, stop_when_asked
from granpipe.service.sweep import digests_of
from granpipe.stores.protocol import Entry

_LARGEST_BATCH = 1_000
_WAIT = 1.0  # seconds for the first event of a batch
_BREATH = 0.25  # between two batches, in which a prepare can take the lock
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_BETWEEN_LINES = 60.0


class Worker:
    """Works off events, batch by batch.

    Parameters
    ----------
    preparer : OnlinePreparer
    events : Events
    positions : Positions
    journal : RequestLog
    """

    def __init__(
        self, preparer: OnlinePreparer, events: Events, positions: Positions, journal: RequestLog
    ) -> None:
        self.preparer = preparer
        self.events = events
        self.positions = positions
        self.journal = journal
        self._told = ""
        self._told_at = 0.0

    def run(self, *, reindex: bool = False) -> None:
        """Work until somebody asks to stop."""
        self.insist(lambda: self.sweep(reindex=reindex))
        while True:
            if self.insist(self.work):
                self.insist(lambda: self.sweep(reindex=False))

    def insist(self, step: Callable[[], None]) -> bool:
        """Do a step, again after ever longer pauses while something is down or taken.

        Return whether a queue or an index was down: it may have forgotten things.
        """
        pause, was_down = _FIRST_PAUSE, False
        while True:
            try:
                step()
            except (DownError, DatasetError) as error:
                was_down |= isinstance(error, DownError)
                self._tell(error)
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return was_down

    def _tell(self, error: GranpipeError) -> None:
        """Say what is waited for, once a minute while it stays the same."""
        now, told = time.monotonic(), str(error)
        if told != self._told or now - self._told_at >= _BETWEEN_LINES:
            self.journal.note("waiting", cause=told)
            self._told, self._told_at = told, now

    def work(self) -> None:
        """Do one batch of events; where that fails, all of them come again."""
        try:
            events = self.events.take(_LARGEST_BATCH, _WAIT)
            if events:
                self._do(list({event.source: event for event in events}.values()))
            # Also where nothing but messages that are no events came, lest they come for ever.
            self.events.commit()
        except BaseException:
            self.events.give_back()
            raise
        if events:
            time.sleep(_BREATH)

    def _do(self, events: Sequence[Event]) -> None:
        entries = [Entry(event.source, event.size, "") for event in events]
        digests = {event.source: event.sha256 for event in events}
        self._prepare(entries, digests)

    def _prepare(self, entries: Sequence[Entry], digests: dict[str, str]) -> None:
        """Prepare photographs, then tell whoever reads of the rejected ones, then the index."""
        began = time.monotonic()
        done = self.preparer.run(entries)
        known = [self._known_of(one, digests[one.source]) for one in done]
        rejected = [one for one in known if one.facts["state"] == "rejected"]
        # What the index knows was told: an event may come again, or after a sweep.
        news = [one for one in rejected if self.positions.get(one.sha256) != one]
        if news:
            self.events.reject([_refusal(one) for one in news])
        self._put(known)
        self.journal.note(
            "batch",
            photographs=len(done),
            prepared=sum(not one.is_rejected and not one.is_kept for one in done),
            kept=sum(one.is_kept for one in done),
            rejected=len(rejected),
            seconds=round(time.monotonic() - began, 2),
            lag=self.events.lag(),
        )

    def _put(self, known: Sequence[Known]) -> None:
        if refused := self.positions.put(known):
            self.events.reject(refused)

    def sweep(self, *, reindex: bool) -> None:
        """Look for what no event told, and for what the index does not know.

        A broker may have lost its memory, and so may an index.
        """
        self.positions.stamp()  # raises where nobody is let in, also when there is nothing to do
        for part in in_parts(self.preparer.recorded()):
            self._index(part, everything=reindex)
        for entries in in_parts(self.preparer.missing(), _LARGEST_BATCH):
            digests = digests_of(entries)
            new = self.positions.lacking(list(digests.values()))
            untold = [entry for entry in entries if reindex or digests[entry.path] in new]
            if untold:
                self._prepare(untold, digests)
                time.sleep(_BREATH)

    def _index(self, part: Sequence[Prepared], *, everything: bool) -> None:
        digests = [one.record.sha256 for one in part if one.record]
        new = set(digests) if everything else self.positions.lacking(digests)
        lacking = [
            self._known_of(one, "") for one in part if one.record and one.record.sha256 in new
        ]
        if lacking:
            self._put(lacking)
            self.journal.note("indexed", photographs=len(lacking))

    def _known_of(self, one: Prepared, sha256: str) -> Known:
        """Return what is to be remembered of a photograph, with the position kept beside it."""
        known = known_of(one, sha256)
        if one.is_rejected or known.place:
            return known
        beside = f"{one.source}.xmp"
        told = read_sidecars(one.source, fetch_sidecars(self.preparer.source, [beside]))
        if not told.position:
            return known
        place = {"latitude": told.position.lat, "longitude": told.position.lon}
        return replace(known, facts=known.facts | place | {"altitude": told.position.altitude})


def _refusal(one: Known) -> Refusal:
    return Refusal(one.sha256, one.source, one.facts["reason"], one.facts["detail"])


def make_worker(settings: Settings) -> Worker:
    """Return a worker on the parts of the settings."""
    journal = open_log(settings)
    engine = choose(settings.engine, None, lambda line: journal.note("engine", told=line))
    preparer = OnlinePreparer(engine.open(settings.source), engine.open(settings.output), engine)
    return Worker(preparer, open_events(settings), open_positions(settings), journal)


def main() -> int:
    """Run the worker until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser("python -m granpipe.service.worker", description=__doc__)
    parser.add_argument("--reindex", action="store_true", help="fill the index from the dataset")
    chosen = parser.parse_args()
    try:
        stop_when_asked()
        worker = make_worker(read_settings())
    except GranpipeError as error:
        print(f"granpipe.service.worker: {error}", file=sys.stderr)
        return 1
    try:
        worker.run(reindex=chosen.reindex)
    except StopAsked:
        worker.journal.note("stopped")
    finally:
        worker.events.close()
        worker.positions.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
