"""The online path, the extra `service`: photographs arrive by HTTP and travel as events to arrays.

`flask --app granpipe.service run` and `gunicorn 'granpipe.service:create_app()'` serve HTTP,
`python -m granpipe.service.worker` prepares what arrived. The variables that both read are those of
`granpipe.service.settings`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask


def create_app() -> "Flask":
    """Return the application, set up by the environment."""
    from granpipe.service.http import make_app  # noqa: PLC0415 - the extra service
    from granpipe.service.settings import read_settings  # noqa: PLC0415

    return make_app(read_settings())
