"""From field photographs to arrays for a crop classifier, and a map of where they were taken.

The commands are three functions: `prepare`, `augment` and `map_photos`. What they wrote is read by
`Photographs`, `read_table` and `load_array`; `parameters_of` and `make_copy` make an augmented copy
again, and `draw_parameters` draws those of another from `Ranges`. `letterbox_photo` makes the array
of one photograph. All of them are imported from here, each when it is first asked for.

>>> from granpipe import prepare, read_table
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from granpipe.errors import DatasetError, GranpipeError, OptionError, PhotoError

if TYPE_CHECKING:
    from granpipe.copies.transform import Parameters, Ranges, draw_parameters, make_copy
    from granpipe.dataset.arrays import load_array
    from granpipe.dataset.tables import read_table
    from granpipe.jobs.augment import augment
    from granpipe.jobs.copy_photo import parameters_of
    from granpipe.jobs.photographs import Photographs
    from granpipe.jobs.photomap import map_photos
    from granpipe.jobs.prepare import prepare
    from granpipe.jobs.single_photo import letterbox_photo
    from granpipe.jobs.survey_options import Survey
    from granpipe.photo.letterbox import Box

__all__ = [
    "Box",
    "DatasetError",
    "GranpipeError",
    "OptionError",
    "Parameters",
    "PhotoError",
    "Photographs",
    "Ranges",
    "Survey",
    "__version__",
    "augment",
    "draw_parameters",
    "letterbox_photo",
    "load_array",
    "make_copy",
    "map_photos",
    "parameters_of",
    "prepare",
    "read_table",
]
__version__ = "0.2.0"

_HOMES = {
    "Box": "granpipe.photo.letterbox",
    "Parameters": "granpipe.copies.transform",
    "Photographs": "granpipe.jobs.photographs",
    "Ranges": "granpipe.copies.transform",
    "Survey": "granpipe.jobs.survey_options",
    "augment": "granpipe.jobs.augment",
    "draw_parameters": "granpipe.copies.transform",
    "letterbox_photo": "granpipe.jobs.single_photo",
    "load_array": "granpipe.dataset.arrays",
    "make_copy": "granpipe.copies.transform",
    "map_photos": "granpipe.jobs.photomap",
    "parameters_of": "granpipe.jobs.copy_photo",
    "prepare": "granpipe.jobs.prepare",
    "read_table": "granpipe.dataset.tables",
}


def __getattr__(name: str) -> Any:
    # Importing NumPy and Pillow takes longer than `granpipe --help` may.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
