"""One line for each request and each batch, on stderr; no bytes, tokens or positions in it."""

import json
import sys
from datetime import UTC, datetime


class RequestLog:
    """Writes lines, as JSON where that is asked for."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def note(self, what: str, **facts: object) -> None:
        """Write a line.

        Parameters
        ----------
        what : str
            A word: request, batch, waiting.
        **facts
            Numbers and short texts of our own.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._as_json:
            line = json.dumps({"time": now, "what": what} | facts)
        else:
            line = " ".join([now, what, *(f"{name}={value}" for name, value in facts.items())])
        sys.stderr.write(f"{' '.join(line.split())}\n")
        sys.stderr.flush()
