"""The map as KML 2.2 (OGC 07-147r2), for Google Earth: a folder a class, a placemark a photograph.

A class without any position has an empty folder. Elements are in the order of OGC's schema.
"""

import html
import re
from collections.abc import Iterable, Iterator

from granpipe.dataset.names import shown
from granpipe.mapping.colours import COLOURS
from granpipe.mapping.feature import Feature, Features, MapOptions, fields_of
from granpipe.photo.gps import Position

SIGNATURE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<kml xmlns="http://www.opengis.net/kml/2.2"><!-- granpipe -->\n'
)
"""What every such file begins with."""

_AT_ONCE = 500  # photographs
_NUMBERS = ("latitude", "longitude", "altitude", "direction", "accuracy", "dop", "field_distance")
_DESCRIBED = (
    *("label", "split", "taken_at", "utc_offset", "utc_offset_from", "make", "model", "altitude"),
    *("direction", "direction_ref", "accuracy", "position_from", "field", "field_crop"),
)
# XML 1.0, section 2.2: these can be written in no way.
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_kml(features: Features, options: MapOptions) -> Iterator[str]:
    """Yield the file's text."""
    yield SIGNATURE
    for line in _lines(features, options):
        yield f"{line}\n"


def _lines(features: Features, options: MapOptions) -> Iterator[str]:
    folders = sorted(_by_label(features).items())
    yield "<Document>"
    yield f"<name>{_text(options.title)}</name>"
    yield from (_style(number) for number in range(min(len(folders), len(COLOURS))))
    yield _schema(options)
    for number, (label, runs) in enumerate(folders):
        members = (feature for run in runs for feature in features[run.start : run.stop])
        yield from _folder(number, label, members, options)
    yield "</Document>\n</kml>"


def _by_label(features: Features) -> dict[str, list[range]]:
    """Return where the photographs of each label are, in runs of at most so many."""
    runs: dict[str, list[range]] = {}
    for number, feature in enumerate(features):
        own = runs.setdefault(feature.photo.label, [])
        if own and own[-1].stop == number and len(own[-1]) < _AT_ONCE:
            own[-1] = range(own[-1].start, number + 1)
        else:
            own.append(range(number, number + 1))
    return runs


def _style(number: int) -> str:
    red, green, blue = re.findall("..", COLOURS[number][1:])
    return (
        f'<Style id="class-{number}"><IconStyle><color>ff{blue}{green}{red}</color></IconStyle>'
        # Google Earth would show the data as HTML; the description is escaped for it.
        "<BalloonStyle><text>$[description]</text></BalloonStyle></Style>"
    )


def _schema(options: MapOptions) -> str:
    """Return the columns with their types, which hold also where all values are unknown."""
    kinds = [(name, "double" if name in _NUMBERS else "string") for name in options.columns]
    fields = "".join(f'<SimpleField type="{kind}" name="{name}"/>' for name, kind in kinds)
    return f'<Schema name="photographs" id="photographs">{fields}</Schema>'


def _folder(
    number: int, label: str, members: Iterable[Feature], options: MapOptions
) -> Iterator[str]:
    yield f"<Folder><name>{_text(label or '(no class)')}</name>"
    for feature in members:
        if feature.capture.position:
            yield _placemark(feature, feature.capture.position, number % len(COLOURS), options)
    yield "</Folder>"


def _placemark(feature: Feature, place: Position, style: int, options: MapOptions) -> str:
    when = feature.capture.taken_at + feature.capture.utc_offset
    moment = f"<TimeStamp><when>{when}</when></TimeStamp>" if when else ""
    cells = fields_of(feature, options)
    data = "".join(
        f'<SimpleData name="{name}">{_text(str(value))}</SimpleData>'
        for name, value in cells.items()
        if value is not None
    )
    height = "" if place.altitude is None else f",{place.altitude}"
    return (
        f"<Placemark><name>{_text(feature.photo.source)}</name>"
        f"<description>{_text(_description(feature, cells, options))}</description>"
        f"{moment}<styleUrl>#class-{style}</styleUrl>"
        f'<ExtendedData><SchemaData schemaUrl="#photographs">{data}</SchemaData></ExtendedData>'
        f"<Point><coordinates>{place.lon},{place.lat}{height}</coordinates></Point></Placemark>"
    )


def _description(feature: Feature, cells: dict[str, object], options: MapOptions) -> str:
    """Return what a reader sees, as HTML: names are text in it."""
    texts = [
        feature.photo.source,
        *(f"{name}: {cells[name]}" for name in _DESCRIBED if cells.get(name) is not None),
    ]
    # $[name] would be replaced by another element's text.
    lines = [html.escape(shown(text)).replace("$", "&#36;") for text in texts]
    if address := options.link_to(feature.photo.source):
        lines.insert(0, f'<img src="{html.escape(address)}" width="320" alt="">')
    return "<br>\n".join(lines)


def _text(text: str) -> str:
    """Return text as XML; signs that XML cannot hold are written as escapes."""
    held = _NO_XML.sub(lambda sign: f"\\u{ord(sign[0]):04x}", shown(text))
    # A parser would take a lone carriage return for a line's end.
    return html.escape(held, quote=False).replace("\r", "&#13;")
