"""`python -m granpipe.service`: serve HTTP until SIGTERM or Ctrl-C."""

import argparse
import sys

from granpipe.errors import one_line
from granpipe.service import create_app
from granpipe.service.server import serve


def main() -> int:
    """Run the web server."""
    parser = argparse.ArgumentParser("python -m granpipe.service", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind; 127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="8000")
    chosen = parser.parse_args()
    app = create_app()
    desk = app.extensions["granpipe"]
    desk.log.note("start", **desk.facts, host=chosen.host, port=chosen.port)
    try:
        serve(app, chosen.host, chosen.port, desk.reads_body, desk.log)
    except (OSError, ValueError) as error:
        where = f"{chosen.host}:{chosen.port}"
        why = getattr(error, "strerror", None) or one_line(error)
        what = "choose another --port or --host, or stop what has it"
        print(f"granpipe.service: cannot bind {where}: {why}; {what}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
