"""Names for photographs that no event told of."""

import hashlib
import re
from collections.abc import Iterable

from granpipe.stores.protocol import Entry

_NAMED = re.compile(r"(?:.*/)?([0-9a-f]{64})\.[a-z]+")


def digest_in(source: str) -> str:
    """Return the SHA-256 that the intake named a photograph by, else one of its path.

    >>> digest_in("corn/" + 64 * "a" + ".jpg") == 64 * "a"
    True
    """
    named = _NAMED.fullmatch(source)
    return (
        named[1] if named else hashlib.sha256(f"{source}\n".encode("utf-8", "replace")).hexdigest()
    )


def digests_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the name of each photograph, by path."""
    return {entry.path: digest_in(entry.path) for entry in entries}
