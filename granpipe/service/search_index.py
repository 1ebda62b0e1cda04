"""The index on an Elasticsearch server, by way of its official client."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from granpipe.service.events import DownError
from granpipe.service.positions import PAGE, Known, Page, Positions, Window, in_parts

INDEX = "photographs"
_MAPPINGS = {
    "properties": {
        "sha256": {"type": "keyword"},
        "source": {"type": "keyword"},
        "label": {"type": "keyword"},
        "place": {"type": "geo_point"},
        "facts": {"type": "object", "enabled": False},
    }
}
_PATIENCE = 10.0  # seconds
_BETWEEN_STAMPS = 5.0


class SearchIndex(Positions):
    """The index `photographs` of a server.

    Parameters
    ----------
    url : str
        https://host:port, with user and password where they are needed.
    """

    def __init__(self, url: str) -> None:
        from elasticsearch import Elasticsearch  # noqa: PLC0415 - the extra service

        # The client logs addresses, in which a password may stand.
        logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
        self._client = Elasticsearch(url, request_timeout=_PATIENCE, max_retries=1)
        self._was_there = False

    @contextmanager
    def _answering(self) -> Iterator[Any]:
        """Give the client."""
        from elasticsearch import ApiError, TransportError  # noqa: PLC0415 - the extra service

        try:
            yield self._client
        except (ApiError, TransportError) as error:
            raise DownError(f"search server: {type(error).__name__}") from error

    def _make(self, client: Any) -> None:
        """See that the index is there: a bulk request would make it without its mapping."""
        is_there, was_there = bool(client.indices.exists(index=INDEX)), self._was_there
        self._was_there = is_there
        if was_there and not is_there:
            # Whoever hears of it fills the next one with all that was in this one.
            raise DownError("search server: has lost its index")
        if not is_there:
            client.indices.create(index=INDEX, mappings=_MAPPINGS)
            self._was_there = True

    def put(self, photos: Sequence[Known]) -> None:
        """Index documents, each in place of that of the same SHA-256."""
        for part in in_parts(photos):
            lines: list[dict[str, Any]] = []
            for photo in part:
                lines += [{"index": {"_index": INDEX, "_id": photo.sha256}}, _document(photo)]
            with self._answering() as client:
                self._make(client)
                answer = client.bulk(operations=lines, refresh=True)
            if answer["errors"]:
                raise DownError("search server: did not take all documents")

    def delete(self, digests: Sequence[str]) -> None:
        """Delete documents; one that is not there is no error of a bulk request."""
        for part in in_parts(digests):
            lines = [{"delete": {"_index": INDEX, "_id": sha256}} for sha256 in part]
            with self._answering() as client:
                answer = client.bulk(operations=lines, refresh=True)
            if any(item["delete"]["status"] not in {200, 404} for item in answer["items"]):
                raise DownError("search server: did not delete all documents")

    def get(self, sha256: str) -> Known | None:
        """Return a document."""
        return next(self._search({"ids": {"values": [sha256]}}, 1), None)

    def lacking(self, digests: Sequence[str]) -> set[str]:
        """Return the digests that no document has."""
        there = set()
        for part in in_parts(digests):
            there |= {one.sha256 for one in self._search({"ids": {"values": part}}, len(part))}
        return set(digests) - there

    def page(
        self, window: Window | None = None, label: str = "", after: Any = "", limit: int = PAGE
    ) -> Page:
        """Return documents by the order of the SHA-256."""
        filters: list[dict[str, Any]] = [{"range": {"sha256": {"gt": after or ""}}}]
        if label:
            filters.append({"term": {"label": label}})
        if window:
            filters.append({"bool": {"should": [_box(window, *span) for span in window.spans()]}})
        found = list(self._search({"bool": {"filter": filters}}, limit))
        return found, found[-1].sha256 if len(found) == limit else None

    def _search(self, query: dict[str, Any], size: int) -> Iterator[Known]:
        from elasticsearch import NotFoundError  # noqa: PLC0415 - the extra service

        try:
            with self._answering() as client:
                order = [{"sha256": "asc"}]
                answer = client.search(index=INDEX, query=query, size=size, sort=order)
        except DownError as error:
            if isinstance(error.__cause__, NotFoundError):
                return  # nothing was put there yet, and who reads makes nothing
            raise
        for hit in answer["hits"]["hits"]:
            told = hit["_source"]
            yield Known(told["sha256"], told["source"], told["facts"])

    def stamp(self) -> object:
        """Return another number every few seconds: the server tells of no changes."""
        return int(time.monotonic() / _BETWEEN_STAMPS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _document(photo: Known) -> dict[str, Any]:
    place = photo.place
    told = {"sha256": photo.sha256, "source": photo.source, "label": photo.label}
    where = {"place": {"lat": place[0], "lon": place[1]}} if place else {}
    return told | where | {"facts": photo.facts}


def _box(window: Window, west: float, east: float) -> dict[str, Any]:
    corners = {"top": window.north, "left": west, "bottom": window.south, "right": east}
    return {"geo_bounding_box": {"place": corners}}
