"""The fields that photographs show, for `map`."""

from collections.abc import Iterator, Sequence

from granpipe.dataset.names import class_key
from granpipe.jobs.map_index import MapIndex
from granpipe.jobs.run import Say
from granpipe.jobs.survey_options import Settled
from granpipe.mapping.feature import Feature
from granpipe.mapping.overlay import MOST_POSITIONS
from granpipe.mapping.shape import AREA, Line, Shape
from granpipe.survey.crops import Crops
from granpipe.survey.fields import Field, Fields, View, views_of
from granpipe.survey.parcels import Parcel


def show_fields(
    index: MapIndex, features: Sequence[Feature], survey: Settled, say: Say
) -> tuple[tuple[Shape, ...], frozenset[str]]:
    """Add to what was kept which fields photographs show.

    Return those fields, and the sources of labels that the crop declared of one surely contradicts.
    """
    fields = Fields(index.database)
    parcels = survey.parcels()
    fields.find(parcels, views_of(_views(features)))
    numbers = [number for number, feature in enumerate(features) if feature.capture.position]
    index.add_fields((numbers[photo], feature) for photo, feature in list(fields.rows()))
    labels = frozenset(class_key(feature.photo.label) for feature in features)
    crops = Crops(labels, survey.names_of_crops())
    contradicted = frozenset(row["source"] for row in crops.contradictions(_labelled(features)))
    for line in filter(None, (parcels.line(), crops.line())):
        say(line)
    return tuple(_shapes(fields, say)), contradicted


def _views(features: Sequence[Feature]) -> Iterator[View]:
    for feature in features:
        if place := feature.capture.position:
            looking = place.direction, place.direction_ref
            yield place.lat, place.lon, place.accuracy, *looking, feature.capture.taken_at


def _labelled(features: Sequence[Feature]) -> Iterator[tuple[str, str, Field]]:
    for feature in features:
        if feature.field:
            yield feature.photo.source, feature.photo.label, feature.field


def _shapes(fields: Fields, say: Say) -> Iterator[Shape]:
    count = 0
    for parcel in fields.parcels_shown():
        count += sum(map(len, parcel.rings))
        if count > MOST_POSITIONS:
            say(f"the page draws parcels of {MOST_POSITIONS:,} positions, and no more")
            return
        yield _shape(parcel)


def _shape(parcel: Parcel) -> Shape:
    parts: list[list[Line]] = []
    for ring, is_hole in zip(parcel.rings, parcel.holes, strict=True):
        line = tuple((lon, lat) for lon, lat in ring[:-1].tolist())
        if is_hole and parts:
            parts[-1].append(line)
        else:
            parts.append([line])
    return Shape(parcel.name, AREA, tuple(map(tuple, parts)), parcel.crop)
