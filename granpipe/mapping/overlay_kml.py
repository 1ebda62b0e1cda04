"""The shapes of a KML file (OGC 07-147r2)."""

from collections.abc import Iterable

from granpipe.mapping.shape import AREA, LEAST, LINE, PLACE, Line, Shape
from granpipe.photo.strict import parser_of

_KINDS = {"LineString": LINE, "LinearRing": LINE, "Point": PLACE}  # outside a polygon


def read_kml(data: bytes) -> list[Shape]:
    """Return the shapes of a KML file.

    Raises
    ------
    ExpatError, ValueError, LookupError
        It is no KML, is damaged, or has a document type.

    Examples
    --------
    >>> point = b"<Point><coordinates>7.4,46.9</coordinates></Point>"
    >>> read_kml(b"<kml><Placemark>" + point + b"</Placemark></kml>")
    [Shape(name='', kind=2, parts=((((7.4, 46.9),),),), crop=None)]
    """
    reader = _Reader()
    parser_of(reader.start, reader.end, reader.text, separator=" ").Parse(data, True)
    return reader.shapes


class _Reader:
    """Follows the elements of a file, and keeps the shapes of its placemarks."""

    def __init__(self) -> None:
        self.shapes: list[Shape] = []
        self._path: list[str] = []
        self._words: list[str] | None = None  # of the element that is read
        self._name = ""
        self._found: dict[int, list[tuple[Line, ...]]] = {}  # of the placemark, by kind
        self._rings: list[Line] = []  # of the polygon

    def start(self, name: str, _: object) -> None:
        name = name.rpartition(" ")[2]
        if not self._path and name != "kml":
            raise ValueError("the element kml is missing")
        parent = self._path[-1] if self._path else ""
        self._path.append(name)
        if name == "Placemark":
            self._name, self._found = "", {}
        elif name == "Polygon":
            self._rings = []
        elif name == "coordinates" or (name == "name" and parent == "Placemark"):
            self._words = []

    def text(self, text: str) -> None:
        if self._words is not None:
            self._words.append(text)

    def end(self, name: str) -> None:
        name = self._path.pop()
        parent = self._path[-1] if self._path else ""
        words, self._words = ("".join(self._words or ()), None)
        if name == "name" and parent == "Placemark":
            self._name = " ".join(words.split())
        elif name == "coordinates":
            self._take(parent, _line(words.split()))
        elif name == "Polygon" and self._rings:
            self._found.setdefault(AREA, []).append(tuple(self._rings))
        elif name == "Placemark":
            for kind, parts in sorted(self._found.items()):
                self.shapes.append(Shape(self._name, kind, tuple(parts)))
            self._found = {}

    def _take(self, parent: str, line: Line) -> None:
        if parent == "LinearRing" and "Polygon" in self._path:
            is_outer = "innerBoundaryIs" not in self._path
            if len(line) >= LEAST[AREA] and is_outer != bool(self._rings):
                self._rings.append(line)
        elif (kind := _KINDS.get(parent)) is not None and len(line) >= LEAST[kind]:
            self._found.setdefault(kind, []).append((line,))


def _line(words: Iterable[str]) -> Line:
    """Return the positions of `lon,lat[,altitude]`, apart by blanks."""
    line = []
    for word in words:
        lon, lat, *_ = [*word.split(","), ""]
        line.append((float(lon), float(lat)))
    return tuple(line)
