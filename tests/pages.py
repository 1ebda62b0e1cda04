"""A page of `granpipe map` in Chromium, for tests to look at, and photographs to make it of."""

import functools
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from granpipe.dataset.names import Photo
from granpipe.jobs.photomap import map_photos
from granpipe.mapping import leaflet
from granpipe.mapping.feature import Feature, MapOptions
from granpipe.mapping.writers import WRITERS
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position

from harm import ROOT, until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
DESKTOP, PHONE = (1280, 800), (390, 844)
OPEN_ALL = "document.querySelectorAll('#panel details').forEach((part) => { part.open = true })"
TOUCH = {"has_touch": True, "is_mobile": True, "device_scale_factor": 2}
SPOT = (46.95, 7.45)
SEASON = {
    "corn/1.jpg": SPOT,
    "corn/2.jpg": SPOT,
    "corn/portrait.jpg": (46.96, 7.47),
    "rice/3.jpg": SPOT,
    "rice/4.jpg": (46.94, 7.43),
    "wheat/5.jpg": (46.965, 7.44),
    "wheat/6.jpg": (46.945, 7.465),
}
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Visit:
    """A page in the browser, what it asked the network for, and what went wrong."""

    page: Any
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", self._on_dialog)

    def _on_dialog(self, dialog: Any) -> None:
        self.messages.append(f"DIALOG {dialog.message}")
        dialog.dismiss()

    def state(self, name: str):
        """Return a value of window.granpipe, which web/start.js lists."""
        return self.page.evaluate(f"granpipe.{name}")

    def wait_for(self, condition: str) -> None:
        """Wait until something is so, without Playwright's way of it, which the page forbids."""
        until(lambda: self.page.evaluate(condition), condition, 10)

    def at(self, lat: float, lon: float) -> tuple[float, float]:
        """Return where a place is on the screen, in CSS pixels."""
        box = self.page.locator("#chart").bounding_box()
        point = self.page.evaluate(f"granpipe.map.latLngToContainerPoint([{lat}, {lon}])")
        return box["x"] + point["x"], box["y"] + point["y"]

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(selector).all_text_contents()

    def facts(self) -> dict[str, str]:
        """Return what the popup says of its photograph."""
        return dict(zip(self.texts(".card dt"), self.texts(".card dd"), strict=True))

    def unfold(self, section: str) -> None:
        """Open a section of the panel, as fast as a click and without moving the focus."""
        self.page.evaluate(f"document.querySelector('#{section}').open = true")
        self.page.wait_for_selector(f"#{section} li", state="attached")

    def unfold_missing(self) -> None:
        """Click the list of unmapped photographs open, and every reason in it."""
        self.page.click("#missing > summary")
        self.page.wait_for_selector("#missing details")
        for group in self.page.locator("#missing details").all():
            group.locator("summary").click()
            group.locator("li").first.wait_for()

    def thumbnail(self) -> list[int]:
        """Return the sides of the popup's thumbnail in its own pixels, decoded."""
        self.page.wait_for_selector(".card img")
        return self.page.evaluate(
            "(async (i) => { await i.decode(); return [i.naturalWidth, i.naturalHeight] })"
            "(document.querySelector('.card img'))"
        )


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium, or skip the test with the reason that there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM)
        except sync_api.Error as error:
            pytest.skip(f"Chromium does not start: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@contextmanager
def visits(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Open pages from their files with the network cut; at the end nothing may have gone wrong."""
    opened: list[tuple[Visit, bool]] = []

    def open_page(path, size=DESKTOP, tolerant=False, prepare=None, hash="", **options) -> Visit:
        options = {"offline": True} | options
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        visit = Visit(context.new_page())
        opened.append((visit, tolerant))
        if prepare:
            prepare(context)
        visit.page.goto(path.as_uri() + hash)
        return visit

    yield open_page
    for visit, tolerant in opened:
        visit.page.context.close()
        assert tolerant or visit.messages == []


def make_page(folder: Path, name: str = "map.html", **options) -> Path:
    """Write the page of `folder`/img; offline by default."""
    map_photos(folder / "img", [folder / name], **{"offline": True} | options)
    return folder / name


@contextmanager
def no_leaflet() -> Iterator[None]:
    """Do as if the extra `offline` were not installed, so that pages link Leaflet."""

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaflet.metadata, "distribution", missing)
        yield


def feature(source: str, *place: float, taken_at: str = "", **about: Any) -> Feature:
    """Return a photograph that needs no file; a time may have its offset behind it."""
    position = Position(*place) if place else None
    verdict = "ok" if place else "no_gps"
    capture = Capture(verdict, "", position, taken_at[:19], taken_at[19:])
    return Feature(Photo(source), capture, **about)


def write_page(folder: Path, features: list[Feature], **options: Any) -> Path:
    """Write the page of photographs that need no files."""
    settings = {"links": "./img/", "offline": True} | options
    in_order = sorted(features, key=lambda feature: feature.photo.source)
    text = "".join(WRITERS[".html"].write(in_order, MapOptions("img", **settings)))
    (folder / "map.html").write_text(text, "utf-8")
    return folder / "map.html"


def make_plain_page(folder: Path, places: list[tuple[float, ...]], taken_at: str = "") -> Path:
    """Write the page of photographs of corn at these places."""
    return write_page(
        folder,
        [
            feature(f"corn/{number:06}.jpg", *place, taken_at=taken_at)
            for number, place in enumerate(places)
        ],
    )


@functools.cache
def _axe() -> str:
    """Return the script of axe-core, from the node_modules here or npm's global ones."""
    folders = [ROOT / "node_modules"]
    if npm := shutil.which("npm"):
        answer = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False)
        folders.append(Path(answer.stdout.strip()))
    for folder in folders:
        if (folder / "axe-core/axe.min.js").is_file():
            return (folder / "axe-core/axe.min.js").read_text("utf-8")
    pytest.skip("axe-core is not installed (npm install --global axe-core)")


def violations(visit: Visit, *rules: str) -> list[str]:
    """Return what axe-core finds wrong, by more rules if named, a line for each element."""
    visit.page.wait_for_timeout(250)  # lists and tables follow a change
    visit.page.evaluate(_axe())
    found = visit.page.evaluate(
        "(tags) => axe.run({runOnly: tags, rules: {'target-size': {enabled: true}}})",
        [*_RULES, *rules],
    )
    return [
        f"{violation['id']}: {node['html'][:160]}: {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def page_data(path: Path) -> dict:
    """Return the JSON of a page, its points' sources whole again as web/data.js makes them."""
    data = json.loads(data_block(path.read_text("utf-8")))
    source = ""
    for point in data["points"]:
        kept, rest = point[3]
        before = source.encode("utf-16-le", "surrogatepass")[: 2 * kept]
        source = point[3] = before.decode("utf-16-le", "surrogatepass") + rest
    return data


def data_block(html: str) -> str:
    return html.partition(' id="granpipe-data">')[2].partition("</script>")[0]
