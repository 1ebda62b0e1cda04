"""Who is answered: who has the token, or without one, programs on this machine alone."""

import hmac
import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from granpipe.service.intake import RefusedError

_LOCAL_NAMES = {"localhost", "127.0.0.1", "0.0.0.0"}  # noqa: S104 - names, not an address to bind
_FORWARDED = re.compile(
    "via|forwarded|x-(forwarded|original).*|(x-real|.+-client|.+-connecting)-ip"
)
_READING = {"GET", "HEAD"}


def check_local(peer: str, host: str, target: str, headers: Mapping[str, str]) -> None:
    """Raise RefusedError unless a request was made on this machine, and to it by name.

    A page that somebody reads here may send requests, too, from a name that it rebinds to this
    machine, or on behalf of another origin; and a proxy on this machine speaks for anybody.

    Parameters
    ----------
    peer : str
        Address of the connection's other end.
    host : str
        What the request calls this server.
    target : str
        What stands in its first line: a path, or a whole address that outweighs the host.
    headers : mapping
        All headers.
    """
    if not _is_loopback(peer):
        raise RefusedError(403, "answers this machine only, as GRANPIPE_TOKEN is not set")
    if any(_FORWARDED.fullmatch(name.lower()) for name in headers):
        raise RefusedError(403, "answers no proxy, as GRANPIPE_TOKEN is not set")
    called = [host] if target.startswith(("/", "*")) else [host, _netloc_in(target)]
    if not {_name_in(name) for name in called} <= _LOCAL_NAMES:
        raise RefusedError(403, "write localhost, 127.0.0.1 or 0.0.0.0 for this server")


def check_origin(host: str, headers: Mapping[str, str]) -> None:
    """Raise RefusedError for what a page of another origin makes a browser send."""
    origin = headers.get("Origin")
    if origin is not None and _netloc_in(origin).lower() != host.lower():
        raise RefusedError(403, "answers no page of another origin")
    if headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise RefusedError(403, "answers no page of another origin")


def check_token(token: str, method: str, scheme: str, given: str) -> None:
    """Raise RefusedError unless a request carries the token.

    Parameters
    ----------
    token : str
        The one that is right.
    method : str
        Of the request. Browsers send Basic along by themselves, so it opens nothing but reading.
    scheme, given : str
        `bearer`, or `basic` with the token for a password; and the token.
    """
    is_right = hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
    is_known = scheme == "bearer" or (scheme == "basic" and method in _READING)
    if not (is_right and is_known):
        raise RefusedError(401, "send Authorization: Bearer and the token")


def _is_loopback(peer: str) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _netloc_in(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
