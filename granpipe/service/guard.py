"""Who is answered: who has the token, or where that is wished, programs on this machine alone."""

import hmac
import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from granpipe.service.intake import RefusedError

_LOCAL_NAMES = {"localhost", "127.0.0.1", "0.0.0.0"}  # noqa: S104 - names, not an address to bind
_FORWARDED = re.compile(
    "via|forwarded|x-(forwarded|original).*|(x-real|.+-client|.+-connecting)-ip"
)
_READING = {"GET", "HEAD"}
_VISIT = ("navigate", "document")


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
        The target in its first line: a path, or a whole address that outweighs the host.
    headers : mapping
        All headers.
    """
    if not _is_loopback(peer):
        raise RefusedError(403, "answers this machine only, as GRANPIPE_OPEN=local says")
    if any(_FORWARDED.fullmatch(name.lower()) for name in headers):
        raise RefusedError(403, "answers no proxy, as GRANPIPE_OPEN=local says")
    called = [host] if target.startswith(("/", "*")) else [host, _netloc_in(target)]
    if not {_name_in(name) for name in called} <= _LOCAL_NAMES:
        raise RefusedError(403, "write localhost, 127.0.0.1 or 0.0.0.0 for this server")


def check_origin(method: str, host: str, headers: Mapping[str, str]) -> None:
    """Raise RefusedError for what a page of another origin makes a browser send.

    A link to the map may be anywhere: who follows it sees the map, and that page does not.
    """
    origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "none")
    is_visit = (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")) == _VISIT
    if origin is not None and _netloc_in(origin).lower() != host.lower():
        raise RefusedError(403, "answers no page of another origin")
    if site not in {"none", "same-origin"} and not (is_visit and method in _READING):
        raise RefusedError(403, "answers no page of another origin")


def credentials_in(method: str, headers: Mapping[str, str], cookie: str = "") -> str:
    """Return the token that a request carries, in whichever way counts for its method.

    Parameters
    ----------
    method : str
        Browsers send Basic and cookies along by themselves, so these open nothing but reading.
    headers : mapping
        With `Authorization`: Bearer, or Basic with the token for a password.
    cookie : str
        The token in a cookie.
    """
    scheme, _, given = headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if method not in _READING:
        return ""
    if scheme.lower() == "basic":
        with suppress(ValueError):
            return b64decode(given, validate=True).decode().partition(":")[2]
    return cookie


def is_token(token: str, given: str) -> bool:
    """Return whether a token is the right one."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


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
