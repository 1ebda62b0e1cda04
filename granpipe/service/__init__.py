"""The online path, the extra `service`: photographs arrive by HTTP and travel as events to arrays.

`flask --app granpipe.service run` and `gunicorn 'granpipe.service:create_app()'` serve HTTP,
`python -m granpipe.service.worker` prepares what arrived. The variables that both read are those of
`granpipe.service.settings`.
"""

import sys
from typing import TYPE_CHECKING

from granpipe.errors import GranpipeError

if TYPE_CHECKING:
    from flask import Flask

_NO_USE = 3
"""What gunicorn takes for the code of a process that it need not start again."""


def create_app() -> "Flask":
    """Return the application, set up by the environment; where that is wrong, say so and leave."""
    from granpipe.service.http import make_app  # noqa: PLC0415 - the extra service
    from granpipe.service.settings import read_settings  # noqa: PLC0415

    try:
        return make_app(read_settings())
    except GranpipeError as error:
        print(f"granpipe.service: {error}", file=sys.stderr)
        sys.exit(_NO_USE)
