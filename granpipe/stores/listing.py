"""List keys that obstore cannot represent, by signed requests of our own.

obstore gives up a whole page of a listing for one key with an empty part, a dot or a control
character. S3 itself takes any; see "ListObjectsV2" and "Signature Version 4" in Amazon's reference.
"""

import hashlib
import hmac
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from urllib.parse import quote, unquote_plus, urlsplit
from xml.etree import ElementTree

_EMPTY = hashlib.sha256(b"").hexdigest()
_PATIENCE = 60.0  # seconds for an answer
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a listing: its key, whatever that is, its size in bytes, etag and time."""

    key: str
    size: int
    e_tag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """The listings of a bucket.

    Parameters
    ----------
    bucket : str
    connection : mapping
        What `granpipe.stores.credentials.connection` returns; with static keys.
    retries : int
        How often a request is tried again.
    """

    bucket: str
    connection: Mapping[str, str]
    retries: int

    def keys(self, prefix: str, *, deep: bool) -> Iterator[Listed]:
        """Yield the objects whose keys begin with a prefix.

        Parameters
        ----------
        prefix : str
            With a slash at its end, or empty.
        deep : bool
            Also those behind a further slash.

        Raises
        ------
        OSError
            There is no good answer.
        """
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        query |= {} if deep else {"delimiter": "/"}
        token = ""
        while True:
            page = self._page(query | ({"continuation-token": token} if token else {}))
            yield from page.objects
            token = page.token
            if not token:
                return

    def _page(self, query: Mapping[str, str]) -> "_Page":
        for attempt in range(self.retries + 1):
            try:
                return _page(self._ask(query))
            except urllib.error.HTTPError as error:
                error.close()
                last: Exception = error
                if error.code < 500:  # what a server refuses, it refuses again
                    break
            except (OSError, HTTPException, ElementTree.ParseError, ValueError) as error:
                last = error
            time.sleep(min(0.1 * 2**attempt, _LONGEST_PAUSE) if attempt < self.retries else 0)
        raise OSError(f"no good answer to a listing ({type(last).__name__})") from last

    def _ask(self, query: Mapping[str, str]) -> bytes:
        text = "&".join(f"{name}={quote(query[name], safe='-_.~')}" for name in sorted(query))
        region = self.connection["region"]
        endpoint = self.connection.get("endpoint") or f"https://s3.{region}.amazonaws.com"
        url = f"{endpoint.rstrip('/')}/{quote(self.bucket)}"
        headers = signed(url, text, self.connection, datetime.now(UTC))
        # The endpoint was found to be http or https when it was read.
        request = urllib.request.Request(f"{url}?{text}", headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            return bytes(answer.read())


def signed(url: str, query: str, connection: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Return the headers that sign a GET request without a body, by Signature Version 4.

    Parameters
    ----------
    url, query : str
        The address without its query; the query as it is sent, sorted by names.
    connection : mapping
        Region, keys and, where there is one, the session's token.
    now : datetime
        In UTC.
    """
    parts, day, region = urlsplit(url), f"{now:%Y%m%d}", connection["region"]
    headers = {
        "host": parts.netloc,
        "x-amz-content-sha256": _EMPTY,
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }
    if token := connection.get("session_token"):
        headers["x-amz-security-token"] = token
    names = ";".join(headers)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join(["GET", parts.path or "/", query, *lines, "", names, _EMPTY])
    scope = f"{day}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, digest])
    key = f"AWS4{connection['secret_access_key']}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    owner = f"{connection['access_key_id']}/{scope}"
    signature = f"AWS4-HMAC-SHA256 Credential={owner}, SignedHeaders={names}, Signature={key.hex()}"
    return headers | {"Authorization": signature}


@dataclass(frozen=True, slots=True)
class _Page:
    objects: list[Listed]
    token: str


def _page(answer: bytes) -> _Page:
    # It comes from the server that keeps the photographs; expat bounds what entities grow to.
    root = ElementTree.fromstring(answer)  # noqa: S314
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""

    def text(node: ElementTree.Element, name: str) -> str:
        return node.findtext(f"{space}{name}") or ""

    decode = unquote_plus if text(root, "EncodingType") == "url" else str
    objects = [
        Listed(
            decode(text(node, "Key")),
            int(text(node, "Size") or 0),
            text(node, "ETag"),
            datetime.fromisoformat(text(node, "LastModified")),
        )
        for node in root.iter(f"{space}Contents")
    ]
    is_more = text(root, "IsTruncated") == "true"
    return _Page(objects, text(root, "NextContinuationToken") if is_more else "")
