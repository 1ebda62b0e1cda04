"""The features of a GeoJSON file (RFC 7946), one by one: a country's parcels fit no memory."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from granpipe.photo.strict import refuse_constant
from granpipe.survey.rings import OtherSystemError

LARGEST = 16_000_000
"""Characters of a feature."""

_BLANKS = re.compile(r"[ \t\r\n]*")
WGS84 = re.compile(r'(CRS84h?|EPSG:[\d.]*:?4326)"')
"""In a coordinate system of GeoJSON as JSON, where that is WGS 84; with the register's version."""

_MORE = 4_000_000  # characters that are read at once, at least


def read_features(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the features of a collection, or the one that the file is.

    Raises
    ------
    ValueError, RecursionError
        It is no GeoJSON, is damaged, is not in WGS 84, or a feature is too large.

    Examples
    --------
    >>> [*read_features([b'{"type": "FeatureCollection", "features": [{"id": 1}, {"id": 2}]}'])]
    [{'id': 1}, {'id': 2}]
    """
    text = _Text(pieces)
    text.expect("{")
    members: dict[str, Any] = {}
    is_listed = False
    while not text.skip("}"):
        key = text.value()
        text.expect(":")
        if key == "features":
            is_listed = True
            yield from _listed(text)
        else:
            value = text.value()
            if key == "crs" and value is not None and not WGS84.search(json.dumps(value)):
                raise OtherSystemError
            members[str(key)[:20]] = value
        if not text.skip(","):
            text.expect("}")
            break
    if members.get("type") == "Feature":
        yield members
    elif not is_listed:
        raise ValueError("has no features; export parcels as a FeatureCollection")


def _listed(text: "_Text") -> Iterator[dict[str, Any]]:
    text.expect("[")
    while not text.skip("]"):
        feature = text.value()
        if not isinstance(feature, dict):
            raise ValueError("a feature is no object")  # noqa: TRY004 - of a file
        yield feature
        if not text.skip(","):
            text.expect("]")
            break


class _Text:
    """JSON that is read as it is needed."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._parse = json.JSONDecoder(parse_constant=refuse_constant).raw_decode
        self._text, self._at, self._is_all = "", 0, False

    def skip(self, sign: str) -> bool:
        """Pass over blanks, and over a sign if it comes next; return whether it did."""
        self._blanks()
        if self._text[self._at : self._at + 1] != sign:
            return False
        self._at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.skip(sign):
            raise ValueError(f"is no GeoJSON, or is cut off: no {sign} where one should be")

    def value(self) -> Any:
        """Return the value that comes next."""
        self._blanks()
        while True:
            try:
                value, end = self._parse(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > LARGEST or not self._read():
                    raise
            else:
                # A number at the end of what was read may go on.
                if end < len(self._text) or not self._read():
                    self._at = end
                    return value

    def _blanks(self) -> None:
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._read():
                return

    def _read(self) -> bool:
        """Read more; return whether there was any."""
        if self._is_all:
            return False
        parts, wanted = [self._text[self._at :]], max(_MORE, len(self._text) - self._at)
        while wanted > 0 and not self._is_all:
            piece = next(self._pieces, b"")
            self._is_all = not piece
            parts.append(self._decode(piece, self._is_all))
            wanted -= len(parts[-1])
        self._text, self._at = "".join(parts), 0
        return len(self._text) > len(parts[0])
