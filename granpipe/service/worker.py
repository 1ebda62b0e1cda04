"""The worker: events -> arrays, ledger and index. `python -m granpipe.service.worker`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from granpipe.engines.choice import choose
from granpipe.errors import BusyError, DatasetError, GranpipeError
from granpipe.jobs.prepare_online import OnlinePreparer
from granpipe.jobs.survey import Prepared, Snapshot
from granpipe.service.claims import Claims
from granpipe.service.erasure import forget
from granpipe.service.events import DownError, Event, Events, Refusal
from granpipe.service.leftovers import Leftovers
from granpipe.service.pace import LARGEST_BATCH, Pace
from granpipe.service.parts import open_events, open_log, open_positions, places
from granpipe.service.positions import Known, Positions, in_parts
from granpipe.service.request_log import RequestLog
from granpipe.service.settings import Settings, read_settings, unknown_names
from granpipe.service.stopping import StopAsked, stop_when_asked
from granpipe.service.sweep import (
    digests_of,
    erase_marked,
    lacking,
    outdated,
    rejected,
    with_place,
)
from granpipe.stores.protocol import Entry

_WAIT = 1.0  # seconds for the first event of a batch
_LOOK = 0.1  # between two looks whether another worker has given the lock back
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_BETWEEN_LINES = 60.0
_BETWEEN_LOOKS = 10.0


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
        self._claims = Claims(preparer.source)
        self._leftovers = Leftovers(self._claims, events)
        self._cause = ""
        self._said_at = 0.0
        self._pace = Pace()
        self._is_idle = False
        self._rejected: set[str] = set()  # what was reported since the last commit
        self._state, self._looked_at = "", 0.0

    def run(self) -> None:
        """Work until somebody asks to stop.

        Where no event waits, look for what came without one: at the start, when a part was down
        and may have forgotten something, and when `prepare` has written its tables.
        """
        is_due = True
        while True:
            is_due |= self.insist(self.work)
            if self._is_idle and (is_due or self._has_news()) and self.events.is_drained():
                is_due = self.insist(self.sweep)

    def _has_news(self) -> bool:
        """Return whether `prepare` has written its tables since the last sweep; asks seldom."""
        if time.monotonic() - self._looked_at < _BETWEEN_LOOKS:
            return False
        self._looked_at = time.monotonic()
        self.insist(self._leftovers.clear)
        state = list[str]()
        self.insist(lambda: state.append(self.preparer.survey.state()))
        return state != [self._state]

    def insist(self, step: Callable[[], None]) -> bool:
        """Do a step, again after ever longer pauses while something is down or taken.

        Return whether a queue or an index was down: it may have forgotten things.
        """
        pause, was_down, began = _FIRST_PAUSE, False, time.monotonic()
        while True:
            try:
                step()
            except (DownError, DatasetError) as error:
                was_down |= isinstance(error, DownError)
                if isinstance(error, BusyError) and error.is_brief:  # another worker's turn
                    if time.monotonic() - began > _BETWEEN_LINES:
                        self._tell(error)
                    self.events.wait(_LOOK)
                    self._pace.begin_turn()
                    continue
                self._tell(error)
                self.events.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return was_down

    def _tell(self, error: GranpipeError) -> None:
        """Say what is waited for, once a minute while it stays the same."""
        now, cause = time.monotonic(), str(error)
        if cause != self._cause or now - self._said_at >= _BETWEEN_LINES:
            self.journal.note("waiting", cause=cause)
            self._cause, self._said_at = cause, now

    def work(self) -> None:
        """Do one batch of events; where that fails, all of them come again."""
        began = time.monotonic()
        try:
            taken = self.events.take(self._pace.most, _WAIT)
            if taken:
                began = time.monotonic()
                self._leftovers.clear()
                self._do(taken)
                self.events.commit()
        except BaseException:
            self.events.give_back()
            raise
        self._is_idle = not taken
        self._rejected.clear()
        if taken:
            self._pace.end_batch(len(taken), time.monotonic() - began)
        else:
            self._pace.begin_turn()
            self.preparer.rest()

    def _do(self, taken: Sequence[Event | Refusal]) -> None:
        events = [item for item in taken if isinstance(item, Event)]
        # Also where an upload follows, which may have ended before the photograph was deleted.
        deleted = {event.source: event.sha256 for event in events if event.is_deleted}
        if deleted:
            self.preparer.erase(deleted)
            for source, sha256 in deleted.items():
                forget(self.positions, sha256, source)
            self.journal.note("erased", photographs=len(deleted))
        last = {event.source: event for event in events}  # of a photograph counts
        if new := [event for event in last.values() if not event.is_deleted]:
            entries = [Entry(event.source, event.size, "") for event in new]
            oldest = min((event.at for event in new if event.at), default=None)
            self._prepare(entries, {event.source: event.sha256 for event in new}, oldest)
        if bad := [item for item in taken if isinstance(item, Refusal)]:
            self._reject(bad)
            self.journal.note("rejected", messages=len(bad), why=bad[0].detail)

    def _prepare(
        self, entries: Sequence[Entry], digests: dict[str, str], oldest: float | None = None
    ) -> None:
        """Prepare photographs, then report the rejected ones, then put all into the index.

        `oldest` is when the first of their events was published.
        """
        began = time.monotonic()
        photos = self.preparer.source
        done = [
            photo
            for photo in self.preparer.run(entries)
            if not (photo.is_rejected and self._is_deleted(photo, digests[photo.source]))
        ]
        known = [with_place(photos, photo, digests[photo.source]) for photo in done]
        # Of what `prepare` has rejected, it has said more, or the index has another path.
        stale = {digests[photo.source] for photo in done if photo.is_rejected and photo.is_kept}
        found = self.positions.find([*stale])
        self._put([item for item in known if item.sha256 not in found])
        self.journal.note(
            "batch",
            photographs=len(done),
            prepared=sum(not photo.is_rejected and not photo.is_kept for photo in done),
            kept=sum(photo.is_kept and not photo.is_rejected for photo in done),
            rejected=sum(photo.is_rejected for photo in done),
            seconds=round(time.monotonic() - began, 2),
            lag=self.events.lag(),
            **({} if oldest is None else {"waited": round(max(0.0, time.time() - oldest), 2)}),
        )

    def _is_deleted(self, photo: Prepared, sha256: str) -> bool:
        """Return whether a photograph is rejected since it was deleted in the meantime."""
        is_gone = photo.reason == "unreadable" and not self.preparer.survey.is_there(photo.source)
        return is_gone and self._claims.is_marked(sha256, photo.source)

    def _put(self, photos: Sequence[Known]) -> None:
        """Put photographs into the index, and on record what cannot be used."""
        rejected = [photo for photo in photos if not photo.is_prepared]
        # What the index knows was reported: an event may come again, or after a sweep.
        found = self.positions.find([photo.sha256 for photo in rejected])
        self._reject([_refusal(photo) for photo in rejected if found.get(photo.sha256) != photo])
        self._reject(self.positions.put(photos))

    def _reject(self, refusals: Sequence[Refusal]) -> None:
        """Put on record what cannot be used, once also where the batch comes again."""
        new = [refusal for refusal in refusals if refusal.key not in self._rejected]
        if new:
            self.events.reject(new)
            self._rejected.update(refusal.key for refusal in new)

    def sweep(self, *, reindex: bool = False, replay: bool = False) -> None:
        """Look for what came without an event, what the index does not know, and what is gone.

        Parameters
        ----------
        reindex : bool
            Put everything into the index, whether it knows it or not.
        replay : bool
            Try again what was rejected.
        """
        state = self.preparer.survey.state()
        self._leftovers.clear()
        self.insist(partial(erase_marked, self.preparer))
        with self.preparer.survey.look() as seen:
            self._bring_in_line(seen, everything=reindex)
        for entries in in_parts(self.preparer.survey.missing(), LARGEST_BATCH):
            digests = digests_of(entries)
            found = self.positions.find([*digests.values()])
            unannounced = [entry for entry in entries if replay or digests[entry.path] not in found]
            if unannounced:
                self.insist(partial(self._prepare, unannounced, digests))
                self._pace.breathe()
        self._state = state

    def _bring_in_line(self, seen: Snapshot, *, everything: bool) -> None:
        """Let the index say what the dataset has, and what `prepare` rejects."""
        survey, positions = self.preparer.survey, self.positions
        for part in in_parts(outdated(survey, seen, positions)):
            if gone := [known.sha256 for known, now in part if not now]:
                positions.delete(gone)
                self.journal.note("forgotten", photographs=len(gone))
            self._index([now for _, now in part if now])
        for part in lacking(survey, seen, positions, everything=everything):
            self._index(part)
        for part in rejected(survey, seen, positions):
            self._index(part)

    def _index(self, photos: Sequence[Known]) -> None:
        if photos:
            self._put(photos)
            self._rejected.clear()  # what is found here comes once
            self.journal.note("indexed", photographs=len(photos))


def _refusal(photo: Known) -> Refusal:
    return Refusal(photo.sha256, photo.source, photo.facts["reason"], photo.facts["detail"])


def make_worker(settings: Settings) -> Worker:
    """Return a worker on the parts of the settings."""
    journal = open_log(settings)
    engine = choose(settings.engine, None, lambda line: journal.note("engine", told=line))
    preparer = OnlinePreparer(engine.open(settings.source), engine.open(settings.output), engine)
    return Worker(preparer, open_events(settings), open_positions(settings), journal)


def main() -> int:
    """Run the worker until SIGTERM or Ctrl-C, or do one thing beside it and end."""
    parser = argparse.ArgumentParser("python -m granpipe.service.worker", description=__doc__)
    about = "bring the whole index in line with the dataset, and end"
    parser.add_argument("--reindex", action="store_true", help=about)
    about = "try the photographs again that were rejected or came without an event, and end"
    parser.add_argument("--replay", action="store_true", help=about)
    chosen = parser.parse_args()
    for line in unknown_names():
        print(f"granpipe.service.worker: {line}", file=sys.stderr)
    try:
        stop_when_asked()
        settings = read_settings()
        if chosen.reindex or chosen.replay:  # the worker beside it has the address
            settings = replace(settings, metrics="")
        worker = make_worker(settings)
    except GranpipeError as error:
        print(f"granpipe.service.worker: {error}", file=sys.stderr)
        return 2
    worker.journal.note("start", **places(settings))
    try:
        if chosen.reindex or chosen.replay:
            worker.insist(partial(worker.sweep, reindex=chosen.reindex, replay=chosen.replay))
        else:
            worker.run()
    except StopAsked:
        worker.journal.note("stopped")
    finally:
        worker.preparer.rest()
        worker.events.close()
        worker.positions.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
