"""Leaflet, which draws the page's map: inside the page, or linked."""

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from granpipe.errors import DatasetError

LEAFLET = "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/leaflet"
LEAFLET_CSS_SHA384 = "o/2yZuJZWGJ4s/adjxVW71R+EO/LyCwdQfP5UWSgX/w87iiTXuvDZaejd3TsN7mf"
LEAFLET_JS_SHA384 = "okbbMvvx/qfQkmiQKfd5VifbKZ/W8p1qIsWvE1ROPUfHWsDcC8/BnHohF7vPg2T6"


@dataclass(frozen=True, slots=True)
class Part:
    """A style or script of the page, with the name that the page's policy knows it by."""

    kind: str
    source: str
    tag: str


def leaflet_folder() -> Path:
    """Return where XStatic-Leaflet keeps Leaflet's files; raise DatasetError without it."""
    try:
        carrier = metadata.distribution("XStatic-Leaflet")
    except metadata.PackageNotFoundError:
        raise DatasetError(
            "--offline needs Leaflet's files: pip install 'granpipe[offline]'"
        ) from None
    return Path(str(carrier.locate_file("xstatic/pkg/leaflet/data")))


def has_leaflet() -> bool:
    """Return whether the extra `offline` is installed, so that pages hold Leaflet itself."""
    try:
        leaflet_folder()
    except DatasetError:
        return False
    return True


def carried_leaflet() -> list[Part]:
    """Return Leaflet's style and script as parts of the page, about 160 KB."""
    folder = leaflet_folder()
    # Reading turns CRLF into LF, as browsers do before they hash. The pictures are those of
    # controls that the page does not have.
    style = re.sub(r"url\(images/[^)]*\)", "none", (folder / "leaflet.css").read_text("utf-8"))
    return [inline("style", style), inline("script", (folder / "leaflet.js").read_text("utf-8"))]


def linked_leaflet() -> list[Part]:
    """Return links to Leaflet's style and script, with the hashes that they must have."""
    style, script = f"{LEAFLET}.css", f"{LEAFLET}.js"
    pinned = 'integrity="sha384-{}" crossorigin="anonymous"'.format
    return [
        Part(
            "style", style, f'<link rel="stylesheet" href="{style}" {pinned(LEAFLET_CSS_SHA384)}>'
        ),
        Part("script", script, f'<script src="{script}" {pinned(LEAFLET_JS_SHA384)}></script>'),
    ]


def inline(kind: str, text: str, attributes: str = "") -> Part:
    """Return a style or script inside the page itself."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Part(kind, f"'sha256-{digest}'", f"<{kind}{attributes}>{text}</{kind}>")
