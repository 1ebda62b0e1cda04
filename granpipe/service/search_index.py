"""The index on a search server, for many machines and many readers."""

from collections.abc import Sequence
from typing import Any

from granpipe.service.events import DownError, Refusal
from granpipe.service.positions import PAGE, Known, Page, Positions, Window, in_parts
from granpipe.service.search_server import SearchServer, error_type
from granpipe.service.settings import Settings

_MAPPINGS = {
    "properties": {
        "sha256": {"type": "keyword"},
        "source": {"type": "keyword"},
        "label": {"type": "keyword"},
        "place": {"type": "geo_point"},
        "facts": {"type": "object", "enabled": False},
    }
}
_EXISTS = "resource_already_exists_exception"


class SearchIndex(Positions):
    """An index of a search server.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._server = SearchServer(settings)
        self._path = f"/{settings.search_index}"
        self._was_there = False

    def _make(self) -> None:
        """See that the index is there: a bulk request would make it without its mapping."""
        is_there, was_there = self._server.ask("HEAD", self._path) is not None, self._was_there
        self._was_there = is_there
        if was_there and not is_there:
            # Whoever hears of it fills the next one with all that was in this one.
            raise DownError("search server: has lost its index")
        if not is_there:
            try:
                self._server.ask("PUT", self._path, {"mappings": _MAPPINGS})
            except DownError as error:
                if _EXISTS not in str(error):  # another process was faster
                    raise
            self._was_there = True

    def put(self, photos: Sequence[Known]) -> list[Refusal]:
        """Index documents, each in place of that of the same SHA-256."""
        refused = []
        for part in in_parts(photos):
            self._make()
            lines: list[dict[str, Any]] = []
            for photo in part:
                lines += [{"index": {"_id": photo.sha256}}, _document(photo)]
            for photo, result in zip(part, self._bulk(lines), strict=True):
                if result["status"] == 400:
                    # It will be refused for ever; others, and later ones, are none the worse.
                    why = error_type(result)
                    refused.append(Refusal(photo.sha256, photo.source, "not_indexed", why))
        return refused

    def _bulk(self, lines: Sequence[object]) -> list[dict[str, Any]]:
        """Return what became of each action; raise DownError where one is to be tried again."""
        results = self._server.bulk(f"{self._path}/_bulk?refresh=true", lines)
        for result in results:
            if result["status"] >= 300 and result["status"] not in {400, 404}:
                why = f"{result['status']} {error_type(result)}"
                raise DownError(f"search server: did not take all documents ({why})")
        return results

    def delete(self, digests: Sequence[str]) -> None:
        """Delete documents; one that is not there is no error."""
        for part in in_parts(digests):
            self._bulk([{"delete": {"_id": sha256}} for sha256 in part])

    def find(self, digests: Sequence[str]) -> dict[str, Known]:
        """Return the documents of digests."""
        found = list[Known]()
        for part in in_parts(digests):
            found += self._search({"ids": {"values": part}}, len(part))
        return {known.sha256: known for known in found}

    def page(
        self, window: Window | None = None, label: str = "", after: Any = None, limit: int = PAGE
    ) -> Page:
        """Return documents by the order of the SHA-256."""
        filters: list[dict[str, Any]] = [{"term": {"label": label}}] if label else []
        if window:
            filters.append({"bool": {"should": [_box(window, *span) for span in window.spans()]}})
        found = self._search({"bool": {"filter": filters}}, limit, after)
        return found, found[-1].sha256 if len(found) == limit else None

    def _search(self, query: dict[str, Any], size: int, after: str | None = None) -> list[Known]:
        order = [{"sha256": "asc"}]
        body = {"query": query, "size": size, "sort": order, "track_total_hits": False}
        if after:
            body["search_after"] = [after]
        # Nothing was put there yet where there is no index, and who reads makes none.
        answer = self._server.ask("POST", f"{self._path}/_search", body)
        hits = answer["hits"]["hits"] if answer else []
        found = [hit["_source"] for hit in hits]
        return [Known(item["sha256"], item["source"], item["facts"]) for item in found]

    def labels(self) -> list[str]:
        """Return the classes of all documents, of so many as a server counts at once."""
        aggregation = {"terms": {"field": "label", "size": 10_000, "order": {"_key": "asc"}}}
        body = {"size": 0, "aggs": {"labels": aggregation}}
        answer = self._server.ask("POST", f"{self._path}/_search", body)
        buckets = answer["aggregations"]["labels"]["buckets"] if answer else []
        return [bucket["key"] for bucket in buckets]

    def stamp(self) -> object:
        """Return how many documents there are, and the sum of their numbers of writing."""
        sums = {"written": {"sum": {"field": "_seq_no"}}}
        body = {"size": 0, "track_total_hits": True, "aggs": sums}
        answer = self._server.ask("POST", f"{self._path}/_search", body)
        if answer is None:
            return 0
        return answer["hits"]["total"]["value"], answer["aggregations"]["written"]["value"]

    def close(self) -> None:
        """Close the connections."""
        self._server.close()


def _document(photo: Known) -> dict[str, Any]:
    place = photo.place
    document = {"sha256": photo.sha256, "source": photo.source, "label": photo.label}
    where = {"place": {"lat": place[0], "lon": place[1]}} if place else {}
    return document | where | {"facts": photo.facts}


def _box(window: Window, west: float, east: float) -> dict[str, Any]:
    corners = {"top": window.north, "left": west, "bottom": window.south, "right": east}
    return {"geo_bounding_box": {"place": corners}}
