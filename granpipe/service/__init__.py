"""The online path, the extra `service`: photographs arrive by HTTP and travel as events to arrays.

`python -m granpipe.service` serves HTTP, `python -m granpipe.service.worker` prepares what arrived.
The variables that both read are those of `granpipe.service.settings`.
"""

import sys
import warnings
from typing import TYPE_CHECKING

from granpipe.errors import GranpipeError

if TYPE_CHECKING:
    from flask import Flask


def create_app() -> "Flask":
    """Return the application, set up by the environment; where that is wrong, say so and leave."""
    from PIL import Image  # noqa: PLC0415 - the worker has its own use of it

    from granpipe.service.http import make_app  # noqa: PLC0415 - the extra service
    from granpipe.service.settings import (  # noqa: PLC0415
        check_who_is_answered,
        read_settings,
        unknown_names,
    )

    for line in unknown_names():
        print(f"granpipe.service: {line}", file=sys.stderr)
    # Threads share both; photo/opening.py, which sets them for a moment, then changes nothing.
    Image.MAX_IMAGE_PIXELS = None
    warnings.simplefilter("ignore")
    try:
        settings = read_settings()
        check_who_is_answered(settings)
        return make_app(settings)
    except GranpipeError as error:
        print(f"granpipe.service: {error}", file=sys.stderr)
        sys.exit(2)
