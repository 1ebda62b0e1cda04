"""The page that `granpipe map` writes: one HTML file, drawn by Leaflet through folium.

folium renders the map without photographs and never sees a name, a label or an EXIF text, because
branca compiles what it renders a second time as a Jinja template. The photographs are beside it
as one block of JSON, which the scripts in web/ read and write out as text.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import islice
from typing import Any

from granpipe.mapping.leaflet import Part, carried_leaflet, has_leaflet, inline, linked_leaflet

PANEL = (
    *("data.js", "text.js", "symbols.js", "search.js", "filter.js", "card.js", "legend.js"),
    *("days.js", "countries.js", "table.js", "lists.js", "save.js", "panel.js"),
)
"""What is beside the map and needs no Leaflet; a module comes after those that it imports."""
MAP = (
    *("place.js", "painting.js", "land.js", "grid.js", "stacks.js", "dots.js", "names.js"),
    *("sheet.js", "measures.js", "ruler.js", "overlay.js", "popup.js", "fit.js", "address.js"),
    "start.js",
)
"""The map itself."""
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


def render_page(data: Mapping[str, Any], *, offline: bool) -> Iterator[str]:
    """Write the map of the photographs as one HTML page, part by part.

    Parameters
    ----------
    data : mapping
        What the page shows; web/data.js lists the keys. Lists may be iterators.
    offline : bool
        Open on the outlines, so that the page makes no request until a tile layer is chosen.
        Otherwise open on satellite tiles.

    Yields
    ------
    str
        The page's text, to be written as UTF-8. It holds Leaflet where XStatic-Leaflet is
        installed, and else links to it. The same data and Leaflet give the same page.

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
        *(carried_leaflet() if offline or has_leaflet() else linked_leaflet()),
        inline("style", _packaged("page.css")),
        inline("script", _script(wiring), ' type="module"'),
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
    imagery, streets = SATELLITE + "{z}/{y}/{x}", STREETS + "{z}/{x}/{y}.png"
    layers = {
        "satellite": _tiles("Satellite", imagery, SATELLITE_CREDIT, 18, show=satellite),
        "streets": _tiles("Streets", streets, STREETS_CREDIT, 19, show=False),
        "plain": folium.FeatureGroup("Outlines", overlay=False, show=not satellite),
        "control": folium.LayerControl(collapsed=False),
    }
    chart.add_to(figure)
    for layer in layers.values():
        layer.add_to(chart)
    figure.render()
    ground, wiring = figure.html.render(), figure.script.render()
    # The names that folium gives its elements are random.
    for name, element in {"chart": chart, **layers}.items():
        ground = ground.replace(element.get_name(), name)
        wiring = wiring.replace(element.get_name(), name)
    return ground.strip(), wiring


def _tiles(name: str, address: str, attr: str, max_native_zoom: int, *, show: bool) -> Any:
    from folium import TileLayer  # noqa: PLC0415 - as above

    zooms: Any = {"max_zoom": MAX_ZOOM, "max_native_zoom": max_native_zoom}
    return TileLayer(address, name=name, attr=attr, show=show, **zooms)


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
        shared = len(os.path.commonprefix([before, source]))  # noqa: RUF071 - of any texts
        # JavaScript counts UTF-16 units, Python code points.
        point[3] = [len(source[:shared].encode("utf-16-le", "surrogatepass")) // 2, source[shared:]]
        yield point
        before = source
