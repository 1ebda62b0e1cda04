"""The HTTP side: what is asked, and what is answered, each on one line of JSON."""

import logging
import os
import re
import time
from io import BytesIO
from typing import IO, Any
from uuid import uuid4

from flask import Flask, Request, Response, g, jsonify, request
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from granpipe.errors import DatasetError
from granpipe.service.erasure import Erasure
from granpipe.service.events import DownError
from granpipe.service.gate import Gate
from granpipe.service.guard import check_local, check_origin, credentials_in, is_token
from granpipe.service.intake import LARGEST, UNLABELLED, Intake, RefusedError
from granpipe.service.map_view import MapView, window_of
from granpipe.service.metrics import Metrics
from granpipe.service.parts import open_events, open_positions, places
from granpipe.service.place import place_in
from granpipe.service.post_page import post_page
from granpipe.service.request_log import RequestLog, cause_of
from granpipe.service.settings import Settings
from granpipe.stores.urls import open_store

_ALIVE = "Channa works on granular data pipeline."
_THANKS = "Success. Got your image. Thank you. "
_SHA256 = re.compile("[0-9a-f]{64}")
_REQUEST_ID = re.compile("[A-Za-z0-9-]{1,64}")
_RETRY_AFTER = "10"  # seconds
_LARGEST_BODY = LARGEST + 100_000
_OPEN = {"home", "is_alive", "healthz", "readyz"}
_REASONS = {
    **{400: "no_form", 401: "no_token", 403: "stranger", 404: "not_found", 408: "cut"},
    **{413: "too_many_bytes", 422: "label", 500: "failed", 503: "down"},
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _Form(Request):
    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        # The body is in TMPDIR already, and would take its size twice there. A BytesIO that grows
        # leaves holes in a thread's memory.
        if hasattr(os, "memfd_create"):
            return os.fdopen(os.memfd_create("photograph"), "w+b")
        return BytesIO()


class Desk:
    """Answers requests, as settings say."""

    def __init__(self, settings: Settings) -> None:
        self.token = settings.token
        self.facts = places(settings)
        self.intake = Intake(open_store(settings.source), open_events(settings))
        self.positions = positions = open_positions(settings)
        self.index = Gate("index", lambda: positions.get("0" * 64))
        self.erasure = Erasure(self.intake, positions, self.index)
        self.map_view = MapView(positions)
        self.log = RequestLog(as_json=settings.log == "json")
        self.metrics = Metrics()

    def check(self) -> None:
        """Check that a request may be answered."""
        wanted, headers = request.headers.get("X-Request-Id", ""), dict(request.headers)
        g.began = time.monotonic()
        g.id = wanted if _REQUEST_ID.fullmatch(wanted) else uuid4().hex[:12]
        if not self.token:
            target = request.environ.get("REQUEST_URI", "/")
            check_local(request.remote_addr or "", request.host, target, headers)
        check_origin(request.method, request.host, headers)
        if self.token and request.endpoint not in _OPEN:
            cookie = request.cookies.get("granpipe", "")
            if not is_token(self.token, credentials_in(request.method, headers, cookie)):
                raise RefusedError(401, "send Authorization: Bearer and the token")

    def reads_body(self, method: str, path: str, headers: Any) -> bool:
        """Return whether a request's body will be read; headers as in WSGI, without HTTP_."""
        length, kind = headers.get("CONTENT_LENGTH", "0"), headers.get("CONTENT_TYPE", "")
        given = credentials_in(method, {"Authorization": headers.get("AUTHORIZATION", "")})
        return (
            (method, path) == ("POST", "/post_image")
            and kind.lower().startswith("multipart/form-data")
            and int(length) <= _LARGEST_BODY
            and (not self.token or is_token(self.token, given))
        )

    def home(self) -> Response:
        page, policy = post_page()
        response = Response(page, mimetype="text/html")
        response.headers["Content-Security-Policy"] = policy
        return response

    def labels(self) -> Response:
        with self.index.passed():
            return jsonify(labels=self.positions.labels())

    def is_alive(self) -> Response:
        return jsonify(ret_ack=_ALIVE)

    def healthz(self) -> Response:
        return jsonify(status="ok")

    def readyz(self) -> Response:
        """Answer whether the parts that the web process needs do."""
        troubles = {gate.name: gate.look() for gate in (*self.intake.gates, self.index)}
        for name, trouble in troubles.items():
            if trouble:
                self.log.note("down", id=g.id, part=name, cause=trouble)
        answer = jsonify({name: "down" if why else "ok" for name, why in troubles.items()})
        answer.status_code = 503 if any(troubles.values()) else 200
        return answer

    def measured(self) -> Response:
        return Response(self.metrics.text(), mimetype="text/plain")

    def post_image(self) -> Response:
        # A form of another kind would be parsed whole, into forty times its size.
        is_form = request.mimetype == "multipart/form-data"
        files = request.files.getlist("file") if is_form else []
        if not files:
            raise RefusedError(400, "send the photograph as the field file of a form")
        labels = request.form.getlist("label") or [UNLABELLED]
        if len(files) > 1 or len(labels) > 1:
            raise RefusedError(400, "send one file and one label in a form")
        with files[0].stream as file:
            data = file.read()
        place, again = place_in(request.form), request.form.get("again") == "1"
        taken = self.intake.receive(data, labels[0], place, again=again)
        g.photo = taken.sha256
        return jsonify(
            ret_ack=_THANKS + taken.kind,
            sha256=taken.sha256,
            source=taken.source,
            state="received",
        )

    def photograph(self, sha256: str) -> Response:
        if not _SHA256.fullmatch(sha256):
            raise RefusedError(404, "no such photograph was received")
        g.photo = sha256
        with self.index.passed():
            known = self.positions.get(sha256)
        if known:
            facts = {name: fact for name, fact in known.facts.items() if fact is not None}
            return jsonify(sha256=sha256, source=known.source, label=known.label, **facts)
        source = self.intake.find(sha256)
        if not source:
            raise RefusedError(404, "no such photograph was received")
        label = source.rpartition("/")[0]
        return jsonify(sha256=sha256, source=source, label=label, state="received")

    def delete(self, sha256: str) -> Response:
        g.photo = sha256 = sha256 if _SHA256.fullmatch(sha256) else ""
        source = self.erasure.erase(sha256) if sha256 else ""
        if not source:
            raise RefusedError(404, "no such photograph was received")
        return jsonify(sha256=sha256, source=source, state="deleted")

    def geojson(self) -> Response:
        window, label = window_of(request.args.get("bbox", "")), request.args.get("label", "")
        with self.index.passed():
            return self.map_view.geojson(request, window, label)

    def map(self) -> Response:
        with self.index.passed():
            return self.map_view.page(request)

    def note(self, response: Response) -> Response:
        """Finish an answer, count it, and write a line about it."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = g.get("id", "")
        route = request.url_rule.rule if request.url_rule else "(none)"
        seconds = time.monotonic() - g.get("began", time.monotonic())
        received = request.content_length or 0
        self.metrics.count(route, response.status_code, seconds, received)
        facts = {"photo": g.get("photo", "")[:12], "why": g.get("why", "")}
        if response.status_code == 404 and not request.url_rule:
            path = request.path[:100]
            facts["path"] = path.replace(self.token, "***") if self.token else path
        self.log.note(
            "request",
            id=g.get("id", ""),
            method=request.method if request.url_rule else "(any)",
            route=route,
            status=response.status_code,
            received=received,
            ms=round(1000 * seconds, 1),
            **{name: fact for name, fact in facts.items() if fact},
        )
        return response

    def refuse(self, error: Exception) -> Response:
        """Answer what is refused, and what went wrong, without saying more than the cause."""
        if isinstance(error, RefusedError):
            return _answer(error.status, str(error), error.reason)
        if isinstance(error, RequestEntityTooLarge):
            return _answer(413, f"send at most {LARGEST:,} bytes")
        if isinstance(error, ClientDisconnected):
            return _answer(408, "the upload was cut; send it again")
        if isinstance(error, HTTPException):
            return _answer(error.code or 400, error.name.lower())
        if isinstance(error, DatasetError | DownError | OSError):
            self.log.note("down", id=g.get("id", ""), **cause_of(error))
            return _answer(503, "cannot do it now; send it again later")
        self.log.note("failed", id=g.get("id", ""), **cause_of(error))
        return _answer(500, "something went wrong here")


def _answer(status: int, message: str, reason: str = "") -> Response:
    """Return a refusal: a line for people, and a word for programs and the log."""
    g.why = reason or _REASONS.get(status, "other")
    response = jsonify(error=message, reason=g.why)
    response.status_code = status
    if status == 503:
        response.headers["Retry-After"] = _RETRY_AFTER
    if status == 401:
        # A browser asks for a password where a page is opened, and not where a script asks.
        scheme = "Basic" if "text/html" in request.headers.get("Accept", "") else "Bearer"
        response.headers["WWW-Authenticate"] = f'{scheme} realm="granpipe"'
    return response


def make_app(settings: Settings) -> Flask:
    """Return the application; its extension `granpipe` is the Desk."""
    # The development server would log addresses whole, and with them the windows asked for.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = Flask("granpipe.service", static_folder=None)
    app.request_class = _Form
    app.config.update(
        MAX_CONTENT_LENGTH=_LARGEST_BODY, MAX_FORM_MEMORY_SIZE=100_000, MAX_FORM_PARTS=20
    )
    app.extensions["granpipe"] = desk = Desk(settings)
    routes: list[tuple[str, Any, str]] = [
        ("/", desk.home, "GET"),
        ("/labels", desk.labels, "GET"),
        ("/is_alive", desk.is_alive, "GET"),
        ("/healthz", desk.healthz, "GET"),
        ("/readyz", desk.readyz, "GET"),
        ("/metrics", desk.measured, "GET"),
        ("/post_image", desk.post_image, "POST"),
        ("/photographs/<sha256>", desk.photograph, "GET"),
        ("/photographs/<sha256>", desk.delete, "DELETE"),
        ("/positions.geojson", desk.geojson, "GET"),
        ("/map", desk.map, "GET"),
    ]
    for rule, answer, method in routes:
        app.add_url_rule(rule, answer.__name__, answer, methods=[method])
    app.before_request(desk.check)
    app.after_request(desk.note)
    app.register_error_handler(Exception, desk.refuse)
    return app
