"""A search server: Elasticsearch or OpenSearch, by REST."""

import json
import logging
import ssl
from collections.abc import Iterable
from typing import Any

from elastic_transport import ConnectionTimeout, SerializationError, Transport, TransportError
from elastic_transport.client_utils import basic_auth_to_header, url_to_node_config

from granpipe.errors import DatasetError
from granpipe.service.events import DownError
from granpipe.service.settings import Settings

_PATIENCE = 10.0  # seconds, for what a request to the web server waits for
_LONGER = 60.0  # for what writes
_DENIED = {401, 403}


class SearchServer:
    """One or more nodes of a server; takes the next node where one does not answer.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    DatasetError
        The file of certificates cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        # It would write a traceback for each node that does not answer.
        logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
        configs = [url_to_node_config(url, True) for url in settings.search.split(",")]
        options: dict[str, Any] = {"headers": _headers(settings)}
        secured = options | {"ssl_context": _tls(settings.search_ca)}
        self._transport = Transport(
            [node.replace(**(secured if node.scheme == "https" else options)) for node in configs],
            max_retries=len(configs),
            retry_on_timeout=len(configs) > 1,
            meta_header=False,
        )

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any] | None:
        """Send a request; return the answer, or None where the server knows no such thing.

        Raises
        ------
        DownError
            No node answers, or not with success.
        """
        text = None if body is None else json.dumps(body)
        return self._ask(method, path, text, "application/json")

    def bulk(self, path: str, lines: Iterable[object]) -> list[dict[str, Any]]:
        """Send actions and documents; return what became of each action.

        Raises
        ------
        DownError
            No node answers, or not with success.
        """
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        answer = self._ask("POST", path, text, "application/x-ndjson") or {"items": []}
        return [result for item in answer["items"] for result in item.values()]

    def _ask(self, method: str, path: str, text: str | None, kind: str) -> dict[str, Any] | None:
        headers = {"accept": "application/json"} | ({"content-type": kind} if text else {})
        patience = _PATIENCE if path.endswith("/_search") else _LONGER
        try:
            answer = self._transport.perform_request(
                method,
                path,
                body=text and text.encode(),
                headers=headers,
                request_timeout=patience,
            )
        except TransportError as error:
            raise DownError(f"search server: {_cause(error)}") from error
        status, content = answer.meta.status, answer.body
        if status == 404:
            return None
        if status in _DENIED:
            raise DownError(
                f"search server: access denied ({_reason(status, content)}); check "
                "GRANPIPE_SEARCH_USER and GRANPIPE_SEARCH_PASSWORD, or GRANPIPE_SEARCH_API_KEY"
            )
        if status >= 300:
            raise DownError(f"search server: answers {_reason(status, content)}")
        if method != "HEAD" and not isinstance(content, dict):
            raise DownError("search server: answers something else than JSON; is it one?")
        return content or {}

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def _headers(settings: Settings) -> dict[str, str]:
    if settings.search_api_key:
        return {"authorization": f"ApiKey {settings.search_api_key}"}
    if settings.search_user:
        who = settings.search_user, settings.search_password
        return {"authorization": basic_auth_to_header(who)}
    return {}


def _tls(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except (OSError, ValueError) as error:
        raise DatasetError(f"GRANPIPE_SEARCH_CA: {ca} holds no certificates in PEM") from error


def _cause(error: Exception) -> str:
    """Return why a server did not answer, without addresses, headers or bodies."""
    if isinstance(error, ConnectionTimeout):
        return "no answer in time"
    if isinstance(error, SerializationError):
        return "answers something else than JSON; is it one?"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate not trusted ({cause.verify_message}); see GRANPIPE_SEARCH_CA"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _reason(status: int, content: Any) -> str:
    """Return the status, and the server's word for the error; not its reason, which quotes data."""
    return " ".join(filter(None, [str(status), error_type(content)]))


def error_type(answer: Any) -> str:
    """Return a server's word for an error.

    >>> error_type({"error": {"type": "a", "root_cause": [{"type": "b"}]}})
    'b'
    """
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return ""
    causes = error.get("root_cause") or [error]
    return str(causes[0].get("type") or "")[:80]
