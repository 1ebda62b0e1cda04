"""The page that `granpipe map` writes: one HTML file, drawn by Leaflet through folium.

folium renders the map without photographs and never sees a name, a label or an EXIF text, because
branca compiles what it renders a second time as a Jinja template. The photographs stand beside it
as one block of JSON, which the scripts in web/ read and write out as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from itertools import islice
from pathlib import Path
from typing import Any

from granpipe.errors import DatasetError

PANEL = (
    *("data.js", "text.js", "symbols.js", "filter.js", "card.js", "legend.js", "days.js"),
    *("countries.js", "table.js", "lists.js", "save.js", "panel.js"),
)
"""What stands beside the map and needs no Leaflet; a module stands behind those that it imports."""
MAP = (
    *("place.js", "painting.js", "land.js", "grid.js", "stacks.js", "dots.js", "sheet.js"),
    *("popup.js", "fit.js", "address.js", "start.js"),
)
"""The map itself."""
LEAFLET = "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet"
LEAFLET_CSS_SHA384 = "o/2yZuJZWGJ4s/adjxVW71R+EO/LyCwdQfP5UWSgX/w87iiTXuvDZaejd3TsN7mf"
LEAFLET_JS_SHA384 = "okbbMvvx/qfQkmiQKfd5VifbKZ/W8p1qIsWvE1ROPUfHWsDcC8/BnHohF7vPg2T6"
SATELLITE = "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/"
SATELLITE_CREDIT = "Powered by Esri; Esri, Maxar, Earthstar Geographics, and the GIS User Community"
STREETS = "https://tile.openstreetmap.org/"
STREETS_CREDIT = (
    '&copy; <a href="https://www.openstreetmap.org/copyright">OpenStreetMap</a> contributors'
)
SIGNATURE = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta name="generator" content="granpipe">\n'
)
"""What every page begins with."""

_AT_ONCE = 500  # points
MAX_ZOOM = 22  # beyond the tiles' own, so that the photographs of one plot come apart


@dataclass(frozen=True, slots=True)
class Part:
    """A style or script of the page, with the name that the page's policy knows it by."""

    kind: str
    source: str
    tag: str


def render_page(data: Mapping[str, Any], *, offline: bool) -> Iterator[str]:
    """Write the map of the photographs as one HTML page, part by part.

    Parameters
    ----------
    data : mapping
        What the page shows; web/data.js lists the keys. Lists may be iterators.
    offline : bool
        Carry Leaflet inside the page and start without tiles, so that the page makes no request
        until a tile layer is chosen. Otherwise link Leaflet and start with satellite tiles.

    Yields
    ------
    str
        The page's text, to be written as UTF-8. The same data give the same page.

    Raises
    ------
    DatasetError
        If `offline` is asked for and XStatic-Leaflet is not installed.

    Examples
    --------
    >>> page = "".join(render_page({"title": "</script>"}, offline=False))
    >>> page.count("<script") == page.count("</script>")
    True
    """
    ground, wiring = _ground(satellite=not offline)
    parts = [
        *(_carried_leaflet() if offline else _linked_leaflet()),
        _inline("style", _packaged("page.css")),
        _inline("script", _script(wiring), ' type="module"'),
    ]
    yield "\n".join(
        [
            f'{SIGNATURE}<meta charset="utf-8">',
            _policy(parts),
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            "<title>Map of photographs</title>",
            *(part.tag for part in parts),
            "</head>",
            "<body>",
            _packaged("page.html"),
            f"<main>\n{_packaged('no_leaflet.html')}{ground}\n</main>",
            '<script type="application/json" id="granpipe-data">',
        ]
    )
    yield from _inert_json(data)
    yield "</script>\n</body>\n</html>\n"


def _ground(*, satellite: bool) -> tuple[str, str]:
    """Let folium render the map without photographs: its element, and the script that fills it."""
    import folium  # noqa: PLC0415 - takes a third of a second, which only a page is worth

    figure = folium.Figure()
    chart = folium.Map(tiles=None, control_scale=True, prefer_canvas=True, maxZoom=MAX_ZOOM)
    imagery = folium.TileLayer(
        SATELLITE + "{z}/{y}/{x}",
        name="Satellite",
        attr=SATELLITE_CREDIT,
        max_zoom=MAX_ZOOM,
        max_native_zoom=18,
        show=satellite,
    )
    streets = folium.TileLayer(
        STREETS + "{z}/{x}/{y}.png",
        name="Streets",
        attr=STREETS_CREDIT,
        max_zoom=MAX_ZOOM,
        max_native_zoom=19,
        show=False,
    )
    plain = folium.FeatureGroup("No tiles", overlay=False, show=not satellite)
    control = folium.LayerControl(collapsed=False)
    chart.add_to(figure)
    for layer in (imagery, streets, plain, control):
        layer.add_to(chart)
    figure.render()
    ground, wiring = figure.html.render(), figure.script.render()
    # The names that folium gives its elements are random.
    names = ["chart", "satellite", "streets", "plain", "control"]
    for name, element in zip(names, [chart, imagery, streets, plain, control], strict=True):
        ground = ground.replace(element.get_name(), name)
        wiring = wiring.replace(element.get_name(), name)
    return ground.strip(), wiring


def _script(wiring: str) -> str:
    """Join the page's modules and folium's script, as browsers import no module from a file.

    Where Leaflet did not arrive, or there is nothing to show on it, the map is left out.
    """
    panel, chart = ("\n".join(map(_module, names)) for names in (PANEL, MAP))
    has_map = "window.L && modules.data.points.length"
    return f"const modules = {{}};\n{panel}\nif ({has_map}) {{\n{wiring}\n{chart}\n}}\n"


def _module(name: str) -> str:
    """Return a module as a function's body: what it exports is put where others import it."""
    text = _packaged(name)
    exported = re.findall(r"^export (?:const|function\*?|class) (\w+)", text, re.MULTILINE)
    body = re.sub(
        r"^import (\{.*\}) from '\./(\w+)\.js';$",
        r"const \1 = modules.\2;",
        re.sub(r"^export ", "", text, flags=re.MULTILINE),
        flags=re.MULTILINE,
    )
    stem = name.removesuffix(".js")
    return f"modules.{stem} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();"


def _packaged(name: str) -> str:
    return resources.files(__package__).joinpath("web", name).read_text("utf-8")


def leaflet_folder() -> Path:
    """Return where XStatic-Leaflet keeps Leaflet's files.

    Raises
    ------
    DatasetError
        It is not installed.
    """
    try:
        carrier = metadata.distribution("XStatic-Leaflet")
    except metadata.PackageNotFoundError:
        raise DatasetError(
            "--offline needs Leaflet's files: pip install 'granpipe[offline]'"
        ) from None
    return Path(str(carrier.locate_file("xstatic/pkg/leaflet/data")))


def _carried_leaflet() -> list[Part]:
    folder = leaflet_folder()
    # Reading turns CRLF into LF, as browsers do before they hash. The pictures are those of
    # controls that the page does not have.
    style = re.sub(r"url\(images/[^)]*\)", "none", (folder / "leaflet.css").read_text("utf-8"))
    return [_inline("style", style), _inline("script", (folder / "leaflet.js").read_text("utf-8"))]


def _linked_leaflet() -> list[Part]:
    style, script = f"{LEAFLET}.css", f"{LEAFLET}.js"
    pinned = 'integrity="sha384-{}" crossorigin="anonymous"'.format
    return [
        Part(
            "style", style, f'<link rel="stylesheet" href="{style}" {pinned(LEAFLET_CSS_SHA384)}>'
        ),
        Part("script", script, f'<script src="{script}" {pinned(LEAFLET_JS_SHA384)}></script>'),
    ]


def _inline(kind: str, text: str, attributes: str = "") -> Part:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Part(kind, f"'sha256-{digest}'", f"<{kind}{attributes}>{text}</{kind}>")


def _policy(parts: Sequence[Part]) -> str:
    """Let the browser run and load exactly these parts, map tiles and thumbnails."""
    scripts = " ".join(part.source for part in parts if part.kind == "script")
    styles = " ".join(part.source for part in parts if part.kind == "style")
    rules = [
        "default-src 'none'",
        f"script-src {scripts}",
        f"style-src {styles}",
        f"img-src data: {SATELLITE} {STREETS}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'


def _inert_json(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield JSON in ASCII that no HTML parser can take for markup."""
    for number, (key, value) in enumerate(data.items()):
        yield f"{',' if number else '{'}{_inert(key)}:"
        if isinstance(value, Iterator):
            yield "["
            comma = ""
            while some := list(islice(value, _AT_ONCE)):
                yield comma + _inert(some)[1:-1]
                comma = ","
            yield "]"
        else:
            yield _inert(value)
    yield "}"


def _inert(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"})


def front_coded(points: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """Write of each source how much it shares with the one before, and the rest: a fifth less."""
    before = ""
    for point in points:
        source = point[3]
        shared = _shared(before, source)
        # JavaScript counts UTF-16 units, Python code points.
        point[3] = [len(source[:shared].encode("utf-16-le", "surrogatepass")) // 2, source[shared:]]
        yield point
        before = source


def _shared(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
