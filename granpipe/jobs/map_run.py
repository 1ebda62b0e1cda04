"""The steps of `map`: read photographs, place them, and show which fields they are of."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from granpipe.dataset.names import Photo
from granpipe.dataset.sources import Search
from granpipe.engines.processes import WorkerCrashed
from granpipe.engines.protocol import Engine
from granpipe.jobs.map_index import MapIndex
from granpipe.jobs.run import Progress, Say, working
from granpipe.jobs.see_photo import MapJob, SeePhoto
from granpipe.jobs.survey_options import Settled, tell_unset
from granpipe.mapping.feature import Feature
from granpipe.mapping.shape import Shape
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position
from granpipe.stores.protocol import Store
from granpipe.survey.tracks import Tracks


@dataclass(frozen=True, slots=True, repr=False)
class MapReport:
    """What `map_photos` found.

    Attributes
    ----------
    features : sequence of Feature
        One for every photograph, in the order of the sources; each is made when asked for.
    verdicts : Counter
        How many photographs have which verdict.
    mapped : int
        How many have a position.
    ignored : Counter
        Files that are no photographs, by their ending.
    unseen : list of str
        The folders that could not be listed, with the cause.
    matched, elsewhere : int or None
        How many photographs a dataset with splits has, too, and how many it has and the folder does
        not; None without one.
    conflicts : int
        Photographs whose label is surely not what is declared of their field.
    """

    features: Sequence[Feature] = field(repr=False)
    verdicts: Counter[str]
    mapped: int
    ignored: Counter[str]
    unseen: list[str]
    matched: int | None = None
    elsewhere: int | None = None
    conflicts: int = 0

    def __repr__(self) -> str:
        found = self.verdicts.total()
        return (
            f"<map: {found} photographs found, {self.mapped} on the map, {len(self.unseen)} unseen>"
        )


class MapRun:
    """One run of `map`.

    Parameters
    ----------
    source : Store
    survey : Settled
        What is beside the photographs.
    redact : int or None
        Decimals that positions are rounded to.
    say : callable

    Attributes
    ----------
    index : MapIndex
    features : sequence of Feature
    fields : tuple of Shape
        Those that photographs show.
    contradicted : frozenset of str
        Photographs whose label is surely not what is declared of their field, by source.
    """

    def __init__(self, source: Store, survey: Settled, redact: int | None, say: Say) -> None:
        self.source = source
        self.survey = survey
        self.redact = redact
        self.say = say
        self.tracks = survey.tracks()
        self.index = MapIndex()
        self.search = Search(source, take_beside=self.index.beside.take, has_classes=False)
        self.features: Sequence[Feature] = ()
        self.verdicts: Counter[str] = Counter()
        self.fields: tuple[Shape, ...] = ()
        self.contradicted: frozenset[str] = frozenset()

    def read(self, engine: Engine, progress: Progress, thumbnails: int) -> None:
        """Read every photograph, and make its thumbnail of so many pixels; 0 for none."""
        self.index.load(self.search)
        jobs = self.index.jobs(thumbnails)
        task = SeePhoto(self.source, keeps_all=self.tracks is not None)
        with working(task, jobs, engine, progress) as results:
            self.features = self.index.keep(self._placed(results))
        self.search.ignored -= self.index.beside.used()
        if self.tracks and (line := tell_unset(self.tracks)):
            self.say(line)

    def _placed(
        self, results: Iterator[tuple[MapJob, tuple[Capture, str] | WorkerCrashed]]
    ) -> Iterator[Feature]:
        for job, result in results:
            feature = self._feature(job, result)
            if self.tracks:
                feature = _on_track(feature, self.tracks)
            self.verdicts[feature.capture.verdict] += 1
            yield feature if self.redact is None else redacted(feature, self.redact)

    def _feature(self, job: MapJob, result: tuple[Capture, str] | WorkerCrashed) -> Feature:
        if isinstance(result, WorkerCrashed):
            result = Capture("unreadable", f"its decoder {result.cause}"), ""
        elif job.beside and _asks_others(result[0]):
            self.index.beside.use(job.beside)
        return Feature(Photo(job.photo.path), *result)

    def show_fields(self) -> None:
        """Learn which fields photographs show, and how far each is from those of training."""
        if self.survey.fields:
            from granpipe.jobs.map_fields import show_fields  # noqa: PLC0415 - few need it

            shown = show_fields(self.index, self.features, self.survey, self.say)
            self.fields, self.contradicted = shown
        if self.redact is None and self.index.in_dataset:
            self.index.measure(self.features)

    def report(self) -> MapReport:
        """Return what was found."""
        unseen = [f"{folder}: {why}" for folder, why in self.search.unlisted]
        in_dataset, matched = self.index.in_dataset, self.index.matched
        return MapReport(
            self.features,
            self.verdicts,
            self.verdicts["ok"],
            self.search.ignored,
            unseen,
            matched=None if in_dataset is None else matched,
            elsewhere=None if in_dataset is None else in_dataset - matched,
            conflicts=len(self.contradicted),
        )


def _asks_others(capture: Capture) -> bool:
    """Return whether a photograph's own file does not say where it was taken."""
    return capture.position is None or capture.position.position_from not in {"exif", "xmp"}


def _on_track(feature: Feature, tracks: Tracks) -> Feature:
    """Return a photograph with its place by a track where it has none; without one, unpictured."""
    capture = feature.capture
    if capture.position:
        return feature
    position, why = tracks.locate(capture.taken_at, capture.utc_offset)
    if position:
        capture = replace(capture, verdict="ok", detail="", position=position)
        return replace(feature, capture=capture)
    detail = "; ".join(filter(None, [capture.detail, f"track: {why}"]))
    return replace(feature, capture=replace(capture, detail=detail), thumbnail="")


def redacted(feature: Feature, digits: int) -> Feature:
    """Return a photograph for sharing: its place to so many decimals of a degree, and no details.

    A detail may quote coordinates that were not understood.
    """
    position = feature.capture.position
    rounded = position and Position(
        *(_rounded(position.lat, digits), _rounded(position.lon, digits)),
        position_from=position.position_from,
    )
    capture = replace(feature.capture, position=rounded, detail="")
    return replace(feature, capture=capture, nearest_training=None)


def _rounded(degrees: float, digits: int) -> float:
    return round(degrees, digits) + 0.0  # never -0.0, which would give the hemisphere away
