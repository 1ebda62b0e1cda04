"""From field photographs to arrays for a crop classifier, and a map of where they were taken.

The three commands are three functions: `granpipe.prepare.prepare`, `granpipe.augment.augment` and
`granpipe.photomap.map_photos`. `granpipe.letterbox.letterbox` is the step that training and serving
share; `granpipe.transform.make_copy` makes one augmented copy.
"""

from granpipe.errors import DatasetError, GranpipeError, PhotoError

__all__ = ["DatasetError", "GranpipeError", "PhotoError", "__version__"]
__version__ = "0.1.0"
