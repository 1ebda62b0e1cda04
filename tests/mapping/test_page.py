"""The page that `granpipe map` writes, in Chromium as a reader uses it: opened from a file."""

import io
import os
import random
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from PIL import Image

from granpipe.jobs.photomap import map_photos
from granpipe.mapping.leaflet import leaflet_folder
from granpipe.photo.gps import VERDICTS

import exif_blocks as eb
from conftest import encoded, put, save
from pages import (
    DESKTOP,
    PHONE,
    SEASON,
    SPOT,
    TOUCH,
    Visit,
    feature,
    make_page,
    make_plain_page,
    write_page,
)

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(2)>",
    "`${alert(3)}`",
    "{{cycler.__init__.__globals__.os.mkdir(dict(x=1)|first)}}",
    "{% raw %}",
    "</script><script>alert(4)</script>",  # its slashes make folders
    "back\\slash\\u0041&lt;&amp;",
    "evil\u202egpj.exe",
    os.fsdecode(b"not \xff UTF-8"),
    "<!--<script>",
    "a b%20c#d?e",
    "javascript:alert(5)",
    "new\nline\a",
    "\U0001f33d \u65e5\u672c\u8a9e\ufeff\u200b",
]


# The map


def test_the_page_makes_one_request_and_no_complaint(visit, season):
    visit = visit(season)
    visit.page.wait_for_timeout(300)
    assert visit.requests == [season.as_uri()]
    assert visit.messages == []
    assert visit.page.title() == "img · map of photographs"
    assert visit.texts("#summary") == ["7 on the map, 2 not"]
    assert visit.page.locator("#no-leaflet").count() == 0
    assert visit.page.locator(".leaflet-control-scale-line").first.is_visible()


def test_every_position_is_drawn_in_the_colour_of_its_class(visit, season):
    visit = visit(season)
    assert visit.state("shown") == visit.state("drawn") == 7
    shot = Image.open(io.BytesIO(visit.page.screenshot())).convert("RGB")
    colours = visit.page.evaluate(
        "Array.from(document.querySelectorAll('#legend canvas'), (canvas) => Array.from("
        "canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data)"
        ".slice(0, 3))"
    )
    assert len({tuple(colour) for colour in colours}) == 3
    for source, (lat, lon) in SEASON.items():
        if (lat, lon) != SPOT:
            label = ["corn", "rice", "wheat"].index(source.split("/")[0])
            assert list(shot.getpixel(tuple(map(round, visit.at(lat, lon))))) == colours[label]


def test_a_click_on_a_dot_opens_its_photograph(visit, season):
    visit = visit(season)
    visit.page.mouse.click(*visit.at(*SEASON["corn/portrait.jpg"]))
    assert visit.thumbnail() == [72, 96]  # the file is 640 x 480, turned by its EXIF
    assert visit.texts(".card a") == ["corn/portrait.jpg"]
    assert visit.facts() == {
        "Class": "corn",
        "Taken": "2024-06-03 15:10:02",
        "Camera": "Pixel 7",
        "Altitude": "540.5 m",
        "Position": "46.96000°\u00a0N, 7.47000°\u00a0E",
    }


def test_the_popup_says_where_the_camera_looked_and_in_which_time_zone(visit, tmp_path):
    page = make_plain_page(tmp_path, [(-33.9, -18.4, -2.5, 271.7)], "0824-06-27T05:00:02+02:00")
    visit = visit(page)
    visit.state("open(0)")
    assert visit.facts() == {
        "Class": "corn",
        "Taken": "0824-06-27 05:00:02+02:00",
        "Altitude": "-2.5 m",
        "Looking": "272° W",
        "Position": "33.90000°\u00a0S, 18.40000°\u00a0W",
    }


@pytest.mark.parametrize(
    ("north", "shown"), [("true", " (true north)"), ("magnetic", " (magnetic north)"), ("", "")]
)
def test_the_popup_says_from_which_north_the_direction_is(visit, tmp_path, north, shown):
    place = [(-33.9, -18.4, -2.5, 271.7, north)]
    visit = visit(make_plain_page(tmp_path, place, "2024-06-27T05:00:02"))
    visit.state("open(0)")
    assert f"272° W{shown}" in visit.texts(".card dd")


def test_the_popup_links_to_the_photograph(visit, season):
    visit = visit(season)
    visit.state("open(3)")
    with visit.page.expect_popup() as opened:
        visit.page.click(".card a")
    assert opened.value.url == (season.parent / "img/rice/3.jpg").as_uri()
    assert opened.value.evaluate("opener === null")


def test_a_tap_opens_the_photograph_on_a_phone(visit, season):
    visit = visit(season, PHONE, **TOUCH)
    visit.page.touchscreen.tap(*visit.at(*SEASON["rice/4.jpg"]))
    assert visit.thumbnail() == [96, 72]
    for _ in range(50):  # the map moves until the popup is in view
        card = visit.page.locator(".leaflet-popup").bounding_box()
        if card["x"] >= 0 and card["x"] + card["width"] <= PHONE[0]:
            return
        visit.page.wait_for_timeout(100)
    pytest.fail(f"the popup stays at {card}")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_large_thumbnails_are_shown_large(visit, season, tmp_path, size):
    shutil.copytree(season.parent / "img", tmp_path / "img")
    visit = visit(make_page(tmp_path, thumbnails=512), size)
    visit.state("open(2)")
    assert visit.thumbnail() == [384, 512]
    visit.page.wait_for_timeout(300)
    picture = visit.page.locator(".card img").bounding_box()
    assert picture["height"] >= min(300, 0.4 * size[1])
    popup = visit.page.locator(".leaflet-popup").bounding_box()
    assert popup["x"] >= 0 and popup["x"] + popup["width"] <= size[0]


def test_photographs_at_one_spot_are_paged(visit, season):
    visit = visit(season)
    visit.page.mouse.move(*visit.at(*SPOT))
    visit.page.wait_for_selector(".leaflet-tooltip")
    assert visit.texts(".leaflet-tooltip div div") == ["2 corn", "1 rice"]
    visit.page.mouse.click(*visit.at(*SPOT))
    assert len(visit.state("pile")) == 3
    seen = []
    for number in (1, 2, 3):
        assert visit.texts(".pager span") == [f"{number} of 3 here"]
        seen += visit.texts(".card a")
        visit.page.keyboard.press("ArrowRight")
    assert sorted(seen) == ["corn/1.jpg", "corn/2.jpg", "rice/3.jpg"]
    visit.page.click("[aria-label='Previous photograph here']")
    assert visit.texts(".pager span") == ["3 of 3 here"]
    visit.page.click("[aria-label='Next photograph here']")
    visit.page.keyboard.press("ArrowLeft")
    assert visit.texts(".pager span") == ["3 of 3 here"]


def test_the_keys_n_and_p_step_through_the_photographs(visit, season):
    visit = visit(season)
    visit.page.locator("#chart").focus()
    opened = []
    for key in ("n", "n", "N", "p", "P", "p"):
        visit.page.keyboard.press(key)
        opened.append(visit.state("opened"))
    assert opened == [0, 1, 2, 1, 0, 0]
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector(".leaflet-popup", state="detached")
    assert visit.state("opened") == -1
    assert visit.page.evaluate("document.activeElement.id") == "chart"
    visit.page.keyboard.press("n")
    assert visit.state("opened") == 1


def test_p_begins_at_the_last_photograph(visit, season):
    visit = visit(season)
    visit.page.locator("#chart").focus()
    visit.page.keyboard.press("p")
    assert visit.state("opened") == 6


def test_one_photograph_is_shown_near_and_zooms_in_further(visit, tmp_path):
    visit = visit(make_plain_page(tmp_path, [SPOT]))
    assert visit.state("map.getZoom()") == 17
    visit.state("map.setZoom(22, {animate: false})")
    assert visit.state("drawn") == 1


def test_both_sides_of_the_antimeridian_lie_side_by_side(visit, tmp_path):
    places = [(-16.8, 179.9), (-16.9, 179.95), (-16.82, -179.9)]
    visit = visit(make_plain_page(tmp_path, places))
    assert visit.state("map.getZoom()") >= 10
    assert visit.state("drawn") == 3
    for middle in (180, -180, 540):
        for number, (lat, lon) in enumerate(places):
            visit.state(f"map.setView([-16.85, {middle}], 11, {{animate: false}})")
            visit.page.mouse.click(*visit.at(lat, middle + (lon % 360 - 180)))
            assert visit.state("opened") == number
            visit.page.keyboard.press("Escape")


def test_the_grid_says_where_the_equator_and_greenwich_are(visit, tmp_path):
    page = make_plain_page(tmp_path, [(-2, -2), (2, 2)])
    spy = "const draw = CanvasRenderingContext2D.prototype.fillText; window.drawn = [];"
    spy += "CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {"
    spy += "window.drawn.push(text); draw.call(this, text, ...where) };"
    visit = visit(page, prepare=lambda context: context.add_init_script(spy))
    labels = set(visit.page.evaluate("drawn"))
    assert {"0°", "1°\u00a0N", "1°\u00a0S", "1°\u00a0E", "1°\u00a0W"} <= labels
    assert not {label for label in labels if label.startswith("0°\u00a0")}


# The panel


def test_the_legend_switches_a_class_by_mouse_and_by_keyboard(visit, season):
    visit = visit(season)
    corn, rice, _ = visit.page.locator("#legend button").all()
    assert visit.texts("#legend .number") == ["3 / 4", "2 / 2", "2 / 3"]
    corn.click()
    assert (visit.state("shown"), visit.state("drawn")) == (4, 4)
    assert corn.get_attribute("aria-pressed") == "false"
    ticks = [
        row.locator(".box").evaluate("(box) => getComputedStyle(box, '::after').content")
        for row in (corn, rice)
    ]
    assert ticks == ["none", '""']  # a box says that the row is a switch
    assert visit.texts("#legend .number") == ["0 / 4", "2 / 2", "2 / 3"]
    rice.focus()
    visit.page.keyboard.press("Space")
    assert (visit.state("shown"), visit.state("drawn")) == (2, 2)
    visit.page.keyboard.press("Enter")
    assert (visit.state("shown"), visit.state("drawn")) == (4, 4)
    visit.page.mouse.click(*visit.at(*SEASON["corn/portrait.jpg"]))
    assert visit.state("opened") == -1
    visit.page.click("#none")
    assert visit.state("drawn") == 0
    visit.page.click("#all")
    assert visit.state("drawn") == 7


def test_a_class_that_is_switched_off_takes_its_popup_along(visit, season):
    visit = visit(season)
    visit.state("open(0)")
    visit.page.locator("#legend button").first.click()
    assert visit.state("opened") == -1
    visit.state("open(0)")
    assert visit.state("shown") == 7


def test_the_tab_key_reaches_what_a_mouse_reaches(visit, season):
    visit = visit(season)
    reached = set()
    for _ in range(30):
        visit.page.keyboard.press("Tab")
        reached.add(visit.page.evaluate("document.activeElement.innerText ?? ''").split("\n")[0])
        reached.add(visit.page.evaluate("document.activeElement.id"))
    assert {"All", "None", "Fit the map", "corn", "rice", "wheat", "chart"} <= reached
    assert any(text.startswith("Not on the map") for text in reached)


def test_the_search_finds_photographs_and_opens_them(visit, season):
    visit = visit(season)
    visit.unfold("find")
    assert len(visit.texts("#find li")) == 7
    for words, found in {
        "rice": ["rice/3.jpg", "rice/4.jpg"],
        "2024-06-03": ["corn/portrait.jpg"],
        "  WHEAT 06-07 ": ["wheat/6.jpg"],
        "barley": [],
    }.items():
        visit.page.fill("#query", words)
        assert visit.texts("#find li") == found


@pytest.mark.parametrize("words", ["portrait", ""])
def test_the_focus_returns_to_the_row_that_opened_a_photograph(visit, season, words):
    visit = visit(season)
    visit.unfold("find")
    visit.page.fill("#query", words)
    visit.page.locator("#find li button", has_text="portrait").focus()
    visit.page.keyboard.press("Enter")
    assert visit.state("opened") == 2
    visit.wait_for("document.activeElement.className == 'popup'")
    visit.page.wait_for_timeout(500)  # until the list was made again for the nearer view
    assert 0 < len(visit.texts("#find li")) < 7
    visit.page.keyboard.press("Escape")
    visit.wait_for("document.activeElement.className == 'row'")
    assert "portrait" in visit.page.evaluate("document.activeElement.textContent")


def test_the_photographs_not_on_the_map_are_listed_with_reasons(visit, season):
    visit = visit(season)
    visit.unfold_missing()
    assert visit.texts("#missing details summary") == ["no_exif 1", "unreadable 1"]
    assert visit.texts("#missing li a") == ["corn/screen.png", "wheat/damaged.jpg"]
    hints = visit.texts("#missing .hint")
    assert hints[:2] == [VERDICTS["no_exif"], VERDICTS["unreadable"]]
    assert hints[2] == "EXIF does not begin like TIFF"


def test_a_folder_without_any_position_shows_the_reasons_at_once(visit, tmp_path):
    save(tmp_path / "img/a.png")
    visit = visit(make_page(tmp_path))
    visit.page.wait_for_selector("#missing details:visible")
    assert visit.texts("#summary") == ["0 on the map, 1 not"]
    assert visit.texts("#legend bdi") == ["(no class)"]


def test_a_place_far_off_is_listed_and_does_not_hide_the_rest(visit, tmp_path):
    near = [(46.9 + number / 1000, 7.4) for number in range(9)]
    visit = visit(make_plain_page(tmp_path, [*near, (-33.9, 18.4)]))
    assert visit.state("drawn") == 9
    assert visit.state("map.getZoom()") >= 14
    visit.unfold("outliers")
    assert visit.texts("#outliers li") == ["corn/000009.jpg"]
    visit.page.click("#outliers li button")
    assert visit.state("opened") == 9
    assert visit.state("map.getCenter().lat") == pytest.approx(-33.9, abs=0.1)
    visit.page.click("#fit")
    assert visit.state("map.getCenter().lat") == pytest.approx(46.9, abs=0.1)


def test_a_redacted_page_has_no_links_and_says_that_it_is_rounded(visit, season, tmp_path):
    shutil.copytree(season.parent / "img", tmp_path / "img")
    visit = visit(make_page(tmp_path, redact=1))
    visit.state("open(2)")
    assert visit.page.locator(".card a").count() == 0
    assert visit.texts(".card dt") == ["Class", "Taken", "Camera", "Position"]
    assert visit.texts(".card dd")[-1] == "47.0°\u00a0N, 7.5°\u00a0E (rounded)"
    assert visit.thumbnail() == [72, 96]


# Any size of screen, any number of photographs


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_map_fills_the_screen_without_sideways_scrolling(visit, season, size):
    visit = visit(season, size, **(TOUCH if size == PHONE else {}))
    visit.unfold("find")
    inner = visit.page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
    assert inner == [size[0], size[0]]
    chart = visit.page.locator("#chart").bounding_box()
    assert chart["y"] >= 0
    assert chart["y"] + chart["height"] <= size[1]
    assert chart["height"] >= size[1] / 2
    assert chart["width"] >= size[0] / 2
    visit.page.click("#panel > summary")
    assert visit.page.locator("#chart").bounding_box()["height"] >= 0.9 * size[1]
    assert visit.state("drawn") == 7


def test_a_hundred_thousand_photographs_open(visit, tmp_path):
    rng = random.Random(1)
    places = [(rng.uniform(46, 48), rng.uniform(7, 9)) for _ in range(100_000)]
    visit = visit(make_plain_page(tmp_path, places))
    assert visit.state("shown") == visit.state("drawn") == 100_000
    visit.unfold("find")
    assert len(visit.texts("#find li")) == 200
    visit.page.locator("#find .more").click()
    assert len(visit.texts("#find li")) == 400


BEST_OF_NINE = """async (act) => {
  const step = new Function('k', act);
  const times = [];
  for (let k = 0; k < 9; k++) {
    const start = performance.now();
    step(k);
    times.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 200));
  }
  return Math.min(...times);
}"""


def test_a_hundred_thousand_photographs_are_filtered_at_once(visit, tmp_path):
    rng = random.Random(1)
    features = [
        feature(
            f"{('corn', 'rice', 'wheat')[number % 3]}/{number:06}.jpg",
            *(rng.uniform(36, 60), rng.uniform(-9, 40)),
            taken_at=f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}T10:00:00",
        )
        for number in range(100_000)
    ]
    page = visit(write_page(tmp_path, features)).page
    assert page.evaluate(BEST_OF_NINE, "document.querySelector('#legend button').click()") < 200
    brush = "const to = document.querySelector('#to'); to.value = 30 + k;"
    brush += "to.dispatchEvent(new Event('input'));"
    assert page.evaluate(BEST_OF_NINE, brush) < 100


# Nothing hostile runs


def visible(text: str) -> str:
    """Return text as the page shows it: control and direction characters as escapes."""
    return re.sub(
        "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]",
        lambda sign: f"\\u{ord(sign[0]):04x}",
        text,
    )


def shoot_hostile(folder: Path) -> None:
    """Save photographs whose class, file and camera are hostile, where the system lets us."""
    for number, name in enumerate(HOSTILE):
        tags = {eb.MAKE: eb.text(os.fsencode(name)), eb.MODEL: eb.text(os.fsencode(name))}
        place = eb.gps(lat=eb.rational(12, number, 0), direction=eb.rational(number))
        image = eb.jpeg(eb.block(place, image=tags))
        bad_ref = eb.jpeg(eb.block(eb.gps(lat_ref=eb.text(os.fsencode(name)))))
        try:
            put(folder / f"{name}/{name}.jpg", image)
            put(folder / f"{name}/{name}, unmapped.jpg", bad_ref)
        except (OSError, ValueError):
            assert sys.platform != "linux"


def test_hostile_names_are_shown_and_do_nothing(visit, season, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ("img" if sys.platform == "win32" else HOSTILE[0])
    shoot_hostile(folder)
    report = map_photos(folder, [tmp_path / "map.html"], offline=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([folder.name, "map.html"])
    one_visit = visit(tmp_path / "map.html")
    tags = "document.querySelectorAll('script, style, link, svg, iframe').length"
    assert one_visit.page.title() == f"{folder.name} · map of photographs"
    mapped = [one for one in report.features if one.capture.position]
    missing = [one for one in report.features if not one.capture.position]
    assert len(mapped) == len(missing) == len(HOSTILE) or sys.platform != "linux"
    one_visit.unfold("find")
    assert one_visit.texts("#find li") == [visible(one.photo.source) for one in mapped]
    labels = sorted({one.photo.label for one in report.features})
    assert one_visit.texts("#legend bdi") == [visible(label) for label in labels]
    for number, one in enumerate(mapped):
        one_visit.state(f"open({number})")
        assert one_visit.texts(".card a") == [visible(one.photo.source)]
        facts = one_visit.facts()
        assert facts["Class"] == visible(one.photo.label)
        assert facts["Camera"] == visible(one.capture.model)
        assert one_visit.page.locator(".card img").count() == 1
        address = one_visit.page.evaluate("document.querySelector('.card a').href")
        linked = os.fsdecode(unquote_to_bytes(urlsplit(address).path))
        assert Path(linked).samefile(folder / one.photo.source)
    one_visit.page.click("#table > summary")
    one_visit.page.wait_for_selector("#tables tbody")
    assert one_visit.texts("#tables tbody th bdi") == [visible(label) for label in labels]
    one_visit.state("map.setView([12, 45], 0, {animate: false})")
    one_visit.page.mouse.click(*one_visit.at(12, 45))
    tiles = one_visit.page.locator(".tile")
    named = [tile.get_attribute("aria-label") for tile in tiles.all()]
    assert named == [visible(one.photo.source) for one in mapped]
    tiles.first.click()
    one_visit.unfold_missing()
    assert sorted(one_visit.texts("#missing li a")) == sorted(
        visible(one.photo.source) for one in missing
    )
    assert sorted(one_visit.texts("#missing li .hint")) == sorted(
        visible(one.capture.detail) for one in missing
    )
    one_visit.page.wait_for_timeout(300)
    assert one_visit.requests == [(tmp_path / "map.html").as_uri()]
    assert one_visit.page.evaluate(tags) == visit(season).page.evaluate(tags)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([folder.name, "map.html"])


def test_the_policy_stops_scripts_that_are_not_ours(visit, season, tmp_path):
    """What would run if a name ever got through as markup: nothing, and the browser says so."""
    (tmp_path / "map.html").write_text(
        season.read_text("utf-8").replace(
            "</body>",
            "<script>alert(1)</script><img src=x: onerror=alert(2)><a id=j href='javascript:"
            "alert(3)'>j</a><script src=https://example.com/x.js></script></body>",
        ),
        "utf-8",
    )
    visit = visit(tmp_path / "map.html", tolerant=True)
    visit.page.evaluate("document.getElementById('j').click()")
    visit.page.wait_for_timeout(300)
    refused = [message for message in visit.messages if "Content Security Policy" in message]
    assert len(refused) >= 4
    assert not [message for message in visit.messages if message.startswith("DIALOG")]
    assert visit.state("drawn") == 7


# With the network

TILE = encoded(Image.new("RGB", (256, 256), "#6b7a45"), "PNG")


def serve(context, leaflet=None) -> None:
    """Stand in for the servers; what Leaflet's gets is the package of the extra."""

    def answer(route) -> None:
        host, _, path = route.request.url.removeprefix("https://").partition("/")
        headers = {"Access-Control-Allow-Origin": "*"}
        if host == "cdn.jsdelivr.net":
            kind = "text/css" if path.endswith(".css") else "text/javascript"
            body = leaflet or (leaflet_folder() / path.rpartition("/")[2]).read_bytes()
            route.fulfill(body=body, content_type=kind, headers=headers)
        elif host in ("server.arcgisonline.com", "tile.openstreetmap.org"):
            route.fulfill(body=TILE, content_type="image/png", headers=headers)
        else:
            route.abort()

    context.route(re.compile("^https?:"), answer)


def hosts(visit: Visit) -> set[str]:
    return {urlsplit(url).hostname for url in visit.requests if url.startswith("http")}


@pytest.fixture(scope="module")
def online(season) -> Path:
    """The page of `season` that holds Leaflet and opens on satellite."""
    return make_page(season.parent, "online.html", offline=False)


def test_the_linked_page_fetches_leaflet_and_satellite_tiles_only(visit, linked):
    visit = visit(linked, offline=False, prepare=serve)
    visit.page.wait_for_selector(".leaflet-tile-loaded")
    assert hosts(visit) == {"cdn.jsdelivr.net", "server.arcgisonline.com"}
    assert len([url for url in visit.requests if "jsdelivr" in url]) == 2
    assert visit.state("drawn") == 7
    assert visit.page.locator(".notice").is_hidden()
    assert "Esri" in visit.texts(".leaflet-control-attribution")[0]
    visit.page.get_by_label("Streets").check()
    visit.page.wait_for_selector(".leaflet-tile-loaded[src*=openstreetmap]")
    assert "OpenStreetMap contributors" in visit.texts(".leaflet-control-attribution")[0]


def test_the_page_opens_on_satellite_and_asks_for_its_tiles_alone(visit, online):
    visit = visit(online, offline=False, prepare=serve)
    visit.page.wait_for_selector(".leaflet-tile-loaded")
    assert hosts(visit) == {"server.arcgisonline.com"}
    assert visit.page.get_by_label("Satellite").is_checked()
    assert visit.page.locator(".notice").is_hidden()


def test_without_the_network_the_page_falls_back_to_outlines_and_says_so(visit, online):
    visit = visit(online, tolerant=True)
    visit.page.wait_for_selector(".notice:visible")
    assert visit.page.get_by_label("Outlines").is_checked()
    assert "positions are still correct" in visit.page.locator(".notice").inner_text()
    assert visit.state("drawn") == 7
    visit.page.get_by_label("Satellite").check()  # who asks for it again, gets what there is
    visit.page.wait_for_selector(".notice:visible")
    assert visit.page.get_by_label("Satellite").is_checked()


def test_an_altered_leaflet_is_refused(visit, linked):
    altered = (leaflet_folder() / "leaflet.js").read_bytes() + b"\nalert(1);"
    visit = visit(
        *(linked, DESKTOP, True), offline=False, prepare=lambda context: serve(context, altered)
    )
    visit.page.wait_for_timeout(300)
    assert any("integrity" in message for message in visit.messages)
    assert not [message for message in visit.messages if message.startswith("DIALOG")]
    assert "granpipe[offline]" in visit.texts("#no-leaflet")[0]
    assert visit.page.locator("#no-leaflet").is_visible()


def test_without_tiles_the_page_says_so_and_goes_on(visit, season):
    visit = visit(season, tolerant=True)
    notice = visit.page.locator(".notice")
    assert notice.is_hidden()
    visit.page.get_by_label("Satellite").check()
    visit.page.wait_for_selector(".notice:visible")
    assert "No satellite or street images" in notice.inner_text()
    visit.page.get_by_label("Streets").check()
    visit.page.wait_for_selector(".notice:visible >> text=OpenStreetMap may refuse")
    visit.page.get_by_label("Outlines").check()
    assert notice.is_hidden()
    assert visit.state("drawn") == 7
