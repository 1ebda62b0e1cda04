"""The HTTP side: what is asked, and what is answered, each on one line of JSON."""

import logging
import re
import time
from typing import Any

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from granpipe.errors import DatasetError
from granpipe.service.events import DownError, Events
from granpipe.service.guard import check_local, check_origin, check_token
from granpipe.service.intake import LARGEST, UNLABELLED, Intake, RefusedError
from granpipe.service.map_view import MapView, geojson, window_of
from granpipe.service.parts import open_events, open_positions
from granpipe.service.positions import Positions
from granpipe.service.request_log import RequestLog
from granpipe.service.settings import Settings
from granpipe.service.uploads import Uploads
from granpipe.stores.urls import open_store

_ALIVE = "Channa works on granular data pipeline."
_THANKS = "Success. Got your image. Thank you. "
_SHA256 = re.compile("[0-9a-f]{64}")
_RETRY_AFTER = "10"  # seconds
_UNREAD = {400, 401, 403}
"""Statuses of what may be refused before it is read."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Desk:
    """Answers requests.

    Parameters
    ----------
    settings : Settings
    events : Events
    positions : Positions
    """

    def __init__(self, settings: Settings, events: Events, positions: Positions) -> None:
        self.token = settings.token
        self.intake = Intake(open_store(settings.source), events)
        self.positions = positions
        self.map_view = MapView(positions)
        self.journal = RequestLog(as_json=settings.logs_json)

    def check(self) -> None:
        """See that whoever asks may be answered."""
        g.began, headers = time.monotonic(), dict(request.headers)
        if not self.token:
            target = request.environ.get("RAW_URI", "/")
            check_local(request.remote_addr or "", request.host, target, headers)
        check_origin(request.host, headers)
        if self.token and request.endpoint != "is_alive":
            told = request.authorization
            scheme = told.type if told else ""
            given = (told.token if scheme == "bearer" else told.password) if told else ""
            check_token(self.token, request.method, scheme, given or "")

    def is_alive(self) -> Response:
        return jsonify(ret_ack=_ALIVE)

    def post_image(self) -> Response:
        # A form of another kind would be parsed whole, into forty times its size.
        is_form = request.mimetype == "multipart/form-data"
        file = request.files.get("file") if is_form else None
        if file is None:
            raise RefusedError(400, "send the photograph as the field file of a form")
        label = request.form.get("label", UNLABELLED)
        return jsonify(ret_ack=_THANKS + self.intake.receive(file.read(), label))

    def photograph(self, sha256: str) -> Response:
        known = self.positions.get(sha256) if _SHA256.fullmatch(sha256) else None
        if known:
            facts = {name: fact for name, fact in known.facts.items() if fact is not None}
            return jsonify(sha256=sha256, source=known.source, label=known.label, **facts)
        source = self.intake.find(sha256) if _SHA256.fullmatch(sha256) else ""
        if not source:
            raise RefusedError(404, "no such photograph was received")
        label = source.rpartition("/")[0]
        return jsonify(sha256=sha256, source=source, label=label, state="received")

    def geojson(self) -> Response:
        window = window_of(request.args.get("bbox", ""))
        text = geojson(self.positions, window, request.args.get("label", ""))
        return Response(text, mimetype="application/geo+json")

    def map(self) -> Response:
        return Response(self.map_view.page(), mimetype="text/html")

    def note(self, response: Response) -> Response:
        """Finish an answer, and write a line about it."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        route = request.url_rule.rule if request.url_rule else "(none)"
        took = round(1000 * (time.monotonic() - g.get("began", time.monotonic())), 1)
        self.journal.note(
            "request",
            method=request.method if request.url_rule else "(any)",
            route=route,
            status=response.status_code,
            received=request.content_length or 0,
            ms=took,
        )
        return response

    def refuse(self, error: Exception) -> Response:
        """Answer what is refused, and what went wrong, without saying more than the cause."""
        if isinstance(error, RefusedError):
            # What was not read is not read later either, to find the next request behind it.
            ends = {"Connection": "close"} if error.status in _UNREAD else {}
            return _answer(error.status, str(error), **ends)
        if isinstance(error, RequestEntityTooLarge):
            return _answer(413, f"send at most {LARGEST:,} bytes", Connection="close")
        if isinstance(error, HTTPException):
            return _answer(error.code or 400, error.name.lower(), Connection="close")
        if isinstance(error, DatasetError | DownError):
            self.journal.note("down", cause=str(error))
            return _answer(
                503, "cannot do it now; send it again later", **{"Retry-After": _RETRY_AFTER}
            )
        self.journal.note("failed", error=type(error).__name__)
        return _answer(500, "something went wrong here")


def _answer(status: int, message: str, **headers: str) -> Response:
    response = jsonify(error=message)
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="granpipe"'
    response.headers.update(headers)
    return response


def make_app(
    settings: Settings, events: Events | None = None, positions: Positions | None = None
) -> Flask:
    """Return the application.

    Parameters
    ----------
    settings : Settings
    events, positions : Events, Positions, optional
        Those of the settings unless given.
    """
    # The development server would log addresses whole, and with them the windows asked for.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = Flask("granpipe.service", static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST + 100_000, MAX_FORM_MEMORY_SIZE=100_000, MAX_FORM_PARTS=20
    )
    desk = Desk(settings, events or open_events(settings), positions or open_positions(settings))
    routes: list[tuple[str, Any, str]] = [
        ("/is_alive", desk.is_alive, "GET"),
        ("/post_image", desk.post_image, "POST"),
        ("/photographs/<sha256>", desk.photograph, "GET"),
        ("/positions.geojson", desk.geojson, "GET"),
        ("/map", desk.map, "GET"),
    ]
    for rule, answer, method in routes:
        app.add_url_rule(rule, answer.__name__, answer, methods=[method])
    app.before_request(desk.check)
    app.after_request(desk.note)
    app.register_error_handler(Exception, desk.refuse)
    app.wsgi_app = Uploads(app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app
