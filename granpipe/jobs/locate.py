"""Where photographs were taken whose own file does not say so: by what is beside them, or a table.

It fills the index's table `located`, which is made anew by every run: so a sidecar that has changed
changes the tables, and no photograph is decoded again.
"""

import json
from dataclasses import dataclass

from granpipe.dataset.database import Items, Row
from granpipe.dataset.index import Index
from granpipe.dataset.sidecars import Beside, Told, fetch_sidecars, read_sidecars
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.engines.worker import Steps
from granpipe.jobs.run import Progress, Run
from granpipe.jobs.survey_options import Settled, tell_unset
from granpipe.photo.gps import Position
from granpipe.stores.protocol import Store

_WITHOUT = """SELECT name FROM wanted JOIN records USING (name)
    WHERE latitude IS NULL AND name NOT IN (SELECT photo FROM located)"""
_TIMES = f"""SELECT name, coalesce(nullif(records.taken_at, ''), given.taken_at, ''),
    iif(records.taken_at = '', '', utc_offset) FROM ({_WITHOUT}) JOIN records USING (name)
    LEFT JOIN given ON photo = name ORDER BY name"""
_FROM_TABLE = f"""INSERT INTO located
    SELECT photo, given.latitude, given.longitude, NULL, 'table' FROM given
    WHERE given.latitude IS NOT NULL AND photo IN ({_WITHOUT})"""


_Asked = tuple[str, tuple[str, ...]]  # a photograph, and the paths of its sidecars


@dataclass(slots=True)
class Locator:
    """Finds positions for a run, by sidecars, tracks and the table of labels."""

    run: Run
    source: Store
    beside: Beside  # what may be sidecars
    survey: Settled

    def locate(self, engine: Engine, progress: Progress) -> None:
        """Fill the table `located`."""
        self._by_sidecars(engine, progress)
        self._by_tracks()
        self.run.index.execute(_FROM_TABLE)

    def _by_sidecars(self, engine: Engine, progress: Progress) -> None:
        index = self.run.index
        count = self._ask()
        if not count:
            return
        problems: list[str] = []

        def take(item: _Asked, found: Told | WorkerCrashed) -> None:
            if isinstance(found, WorkerCrashed):
                problems.append(f"{item[1][0]}: its reader {found.cause}")
                return
            problems.extend(filter(None, [found.problem]))
            if found.position:
                keep_position(index, item[0], found.position)

        def make(row: Row) -> _Asked:
            return row[0], tuple(json.loads(row[1]))

        items = Items(index, "SELECT name, paths FROM asked", count, make)
        self.run.work(ReadBeside(self.source), items, engine, progress, take)
        if problems:
            self.run.say(f"{len(problems):,} sidecars cannot be read, as {problems[0]}; fix that")

    def _by_tracks(self) -> None:
        tracks = self.survey.tracks()
        if not tracks:
            return
        for name, taken_at, utc_offset in list(self.run.index.rows(_TIMES)):
            position, _ = tracks.locate(taken_at, utc_offset)
            if position:
                keep_position(self.run.index, name, position)
        if line := tell_unset(tracks):
            self.run.say(line)

    def _ask(self) -> int:
        """Fill the table `asked` with photographs without a position, and their sidecars."""
        index = self.run.index
        index.create("CREATE TABLE asked (number INTEGER PRIMARY KEY, name TEXT, paths TEXT);")
        if not self.beside:
            return 0
        count = 0
        for (name,) in list(index.rows(f"{_WITHOUT} ORDER BY name")):
            if paths := self.beside.of(name):
                index.execute(
                    "INSERT INTO asked VALUES (?, ?, ?)", (count, name, json.dumps(paths))
                )
                self.beside.use(paths)
                count += 1
        return count


def keep_position(index: Index, name: str, position: Position) -> None:
    """Take a position into the table `located`."""
    values = (name, position.lat, position.lon, position.altitude, position.position_from)
    index.execute("INSERT OR IGNORE INTO located VALUES (?, ?, ?, ?, ?)", values)


@dataclass(frozen=True, slots=True)
class ReadBeside(Steps):
    """Read the sidecars of one photograph, in a worker: what is `Told`."""

    source: Store

    @property
    def ahead(self) -> int:
        return self.source.ahead

    def sample(self, item: _Asked) -> tuple[Store, str]:
        return self.source, item[1][0]

    def weight(self, item: _Asked) -> int:
        return 1 << 12

    def fetch(self, item: _Asked) -> list[tuple[str, bytes | str]]:
        return fetch_sidecars(self.source, item[1])

    def work(self, item: _Asked, fetched: list[tuple[str, bytes | str]]) -> Told:
        return read_sidecars(item[0], fetched)
