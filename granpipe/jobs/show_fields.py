"""The fields that photographs show, for `prepare`: in the index's table `fields`."""

from collections.abc import Iterator

from granpipe.dataset.index import Index
from granpipe.dataset.names import CONFLICTS, class_key
from granpipe.jobs.run import Run
from granpipe.jobs.survey_options import Settled
from granpipe.survey.crops import CONFLICT_COLUMNS, Crops
from granpipe.survey.fields import Field, Fields, views_of

_PLACED = """FROM wanted JOIN records USING (name) JOIN positions USING (name)
    WHERE positions.latitude IS NOT NULL ORDER BY name"""
_SHOWN = "SELECT photo, field, distance, crop, sure FROM fields ORDER BY photo"


def show_fields(run: Run, survey: Settled) -> bool:
    """Fill the index's tables `fields` and `conflicts`; return whether the latter is to be written.

    It is where declared crops can be compared with labels.

    Raises
    ------
    DatasetError
        The file of parcels cannot be used, or another's file has the table's place.
    """
    index = run.index
    fields = Fields(index)
    names = ("latitude", "longitude", "accuracy", "direction", "direction_ref")
    columns = ", ".join([*(f"positions.{name}" for name in names), "taken_at"])
    parcels = survey.parcels()
    fields.find(parcels, views_of(index.rows(f"SELECT {columns} {_PLACED}")))
    photos = [name for (name,) in index.rows(f"SELECT name {_PLACED}")]
    rows = (
        (photos[photo], field.name, field.distance, field.crop, field.sure)
        for photo, field in fields.rows()
    )
    index.load("INSERT INTO fields VALUES (?, ?, ?, ?, ?)", list(rows))
    labels = (label for (label,) in index.rows("SELECT DISTINCT label(name) FROM wanted"))
    crops = Crops(frozenset(map(class_key, labels)), survey.names_of_crops())
    found = [tuple(row.values()) for row in crops.contradictions(_labelled(index))]
    index.load("INSERT INTO conflicts VALUES (?, ?, ?, ?, ?, ?)", found)
    for line in filter(None, (parcels.line(), crops.line())):
        run.say(line)
    is_comparable = bool(crops.compared or survey.crop_names)
    if is_comparable:
        run.check_free(CONFLICTS, CONFLICT_COLUMNS)
    return is_comparable


def _labelled(index: Index) -> Iterator[tuple[str, str, Field]]:
    for name, field, distance, crop, sure in list(index.rows(_SHOWN)):
        yield name, index.label_of(name), Field(field, distance, crop, sure)
