"""One line for each request and each batch, on stderr; no bytes, tokens, labels or positions."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

from granpipe.errors import one_line

_PLAIN = re.compile(r"[\w.:/@<>()*,+-]+", re.ASCII)


class RequestLog:
    """Writes lines, as JSON where that is asked for."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def note(self, what: str, **facts: object) -> None:
        """Write a line.

        Parameters
        ----------
        what : str
            A word: start, request, batch, waiting.
        **facts
            Numbers and short texts.
        """
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        if self._as_json:
            line = json.dumps({"time": now, "what": what} | facts)
        else:
            line = " ".join([now, what, *(f"{name}={_cell(fact)}" for name, fact in facts.items())])
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _cell(fact: object) -> str:
    """Return a value as a line has it: in quotes, and ASCII, unless it is a plain word."""
    text = str(fact)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class LogHandler(logging.Handler):
    """Writes what a library logs as lines of a RequestLog, without tracebacks."""

    def __init__(self, log: RequestLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        facts = cause_of(record.exc_info[1]) if record.exc_info and record.exc_info[1] else {}
        self._log.note("server", message=one_line(Exception(record.getMessage())), **facts)


def cause_of(error: BaseException) -> dict[str, object]:
    """Return what a line says of an error that nobody expected: its kind, text, number and place.

    >>> cause_of(OSError(28, "No space left on device"))
    {'error': 'OSError', 'cause': '[Errno 28] No space left on device', 'at': ''}
    """
    places = traceback.extract_tb(error.__traceback__)
    at = "".join(f"{Path(place.filename).name}:{place.lineno}" for place in places[-1:])
    cause = " ".join(str(error).split())[:200]
    return {"error": type(error).__name__, "cause": cause, "at": at}
