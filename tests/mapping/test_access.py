"""Everyone can use the page: by axe-core's rules, by touch, on paper, and without Leaflet."""

import itertools
import re
from pathlib import Path

import pytest

from pages import (
    DESKTOP,
    OPEN_ALL,
    PHONE,
    SPOT,
    TOUCH,
    feature,
    violations,
    write_page,
)


def crowd(**about) -> list:
    """Return photographs of which thirty lie at one spot, with splits and days."""
    splits = ("train", "train", "train", "validation", "test")
    return [
        feature(
            f"{('corn', 'rice', 'wheat')[number % 3]}/{number}.jpg",
            *((*SPOT, 500, 20) if number < 30 else (SPOT[0] + number / 100, 7.5)),
            taken_at=f"2024-06-{number % 28 + 1:02}T10:00:00",
            split=splits[number % 5],
            **about,
        )
        for number in range(60)
    ] + [feature("corn/lost.jpg"), feature("rice/lost.jpg")]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> Path:
    return write_page(tmp_path_factory.mktemp("crowd"), crowd())


STATES = {
    "as it opens": "",
    "a photograph": "granpipe.open(40)",
    "one of a stack": "granpipe.open(1)",
    "a contact sheet": "granpipe.open(1); document.querySelectorAll('.pager button')[1].click()",
    "a class off": "document.querySelector('#legend button').click()",
    "all classes off": "document.querySelector('#none').click()",
    "everything unfolded": OPEN_ALL,
    "the ruler": "document.querySelector('.leaflet-bar button').click();"
    "document.querySelector('.ruler button').click()",
    "colours by split": "document.querySelector('#by-split').click()",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("action", STATES.values(), ids=STATES)
def test_axe_finds_nothing(visit, crowded, action, scheme):
    visit = visit(crowded, color_scheme=scheme)
    visit.page.evaluate(action)
    assert violations(visit) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_search(visit, crowded, scheme):
    visit = visit(crowded, color_scheme=scheme)
    visit.unfold("find")
    for words in ("rice", "no such thing"):
        visit.page.fill("#query", words)
        assert violations(visit) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_nothing_is_mapped(visit, tmp_path, scheme):
    page = write_page(tmp_path, [feature("corn/a.jpg"), feature("b.jpg")])
    assert violations(visit(page, color_scheme=scheme)) == []


@pytest.mark.parametrize("action", ["granpipe.open(1)", OPEN_ALL, STATES["the ruler"]])
def test_axe_finds_nothing_on_a_phone(visit, crowded, action):
    visit = visit(crowded, PHONE, **TOUCH)
    visit.page.evaluate(action)
    assert violations(visit) == []


TARGETS = """(least) => Array.from(
  document.querySelectorAll('button, summary, input, .leaflet-bar a, .leaflet-popup-close-button'),
  (node) => [node.closest('label') ?? node, node],
).filter(([node]) => node.checkVisibility()).map(([node, inner]) => {
  const { width, height } = node.getBoundingClientRect();
  const size = `${width}x${height}`;
  // A browser places a button at 43.99999 where its sum of lengths rounds so.
  return Math.min(width, height) < least - 0.01 ? `${inner.outerHTML.slice(0, 90)} ${size}` : '';
}).filter(Boolean)"""


@pytest.mark.parametrize(("size", "least"), [(DESKTOP, 24), (PHONE, 44)], ids=["mouse", "touch"])
def test_targets_are_large_enough(visit, crowded, size, least):
    visit = visit(crowded, size, **(TOUCH if size == PHONE else {}))
    visit.page.evaluate(OPEN_ALL)
    visit.page.wait_for_timeout(250)
    visit.state("open(1)")
    assert visit.page.evaluate(TARGETS, least) == []
    visit.page.locator(".pager button", has_text="All").click()
    assert visit.page.evaluate(TARGETS, least) == []


def test_the_popup_is_a_dialog_with_the_name_of_its_photograph(visit, crowded):
    visit = visit(crowded)
    visit.state("open(40)")
    dialog = visit.page.get_by_role("dialog")
    assert dialog.get_attribute("aria-label") == visit.texts(".card a")[0]
    assert visit.page.get_by_role("main").count() == 1


def test_neighbouring_classes_differ_in_shape_and_forty_in_something(visit, tmp_path):
    page = write_page(tmp_path, [feature(f"{number:02}/a.jpg", *SPOT) for number in range(40)])
    visit = visit(page)
    pictures = visit.page.evaluate(
        "Array.from(document.querySelectorAll('#legend canvas'), (canvas) => canvas.toDataURL())"
    )
    assert len(set(pictures)) == 40
    shapes = visit.page.evaluate(
        "Array.from(document.querySelectorAll('#legend canvas'), (canvas) => {"
        "const { data } = canvas.getContext('2d').getImageData(0, 0, 20, 20);"
        "return Array.from({ length: 400 }, (_, k) => +(data[4 * k + 3] > 128)).join('') })"
    )
    assert len(set(shapes)) == 5
    assert all(one != other for one, other in itertools.pairwise(shapes))


def test_on_paper_all_photographs_are_in_the_picture(visit, tmp_path):
    corners = [(60, -10), (60, 30), (35, -10), (35, 30)]
    page = write_page(tmp_path, [feature(f"{k}.jpg", *place) for k, place in enumerate(corners)])
    visit = visit(page, (2560, 1440))
    before = visit.state("map.getZoom()")
    visit.page.evaluate(
        "addEventListener('beforeprint', () => setTimeout(() => { window.printed = ["
        "  granpipe.drawn, document.querySelector('#chart').clientWidth] }))"
    )
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visit.page.wait_for_function("window.printed")
    drawn, width = visit.page.evaluate("printed")
    assert 180 <= width / 96 * 25.4 <= 279 - 20 - 60  # beside the legend on a Letter sheet, in mm
    corners_seen = visit.page.evaluate(
        "(corners) => corners.map((place) => granpipe.map.getBounds().contains(place))", corners
    )
    assert (drawn, corners_seen) == (4, [True] * 4)
    visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert visit.state("map.getZoom()") == before
    assert visit.page.locator("#chart").bounding_box()["width"] > 2000
    for size in ("A4", "Letter"):
        sheet = visit.page.pdf(format=size, prefer_css_page_size=True)
        wide, high = map(float, re.search(rb"/MediaBox \[0 0 (\S+) (\S+)\]", sheet).groups())
        assert wide > high
        assert sheet.count(b"/Type /Page\n") == 1


def test_no_control_is_printed(visit, crowded):
    visit = visit(crowded)
    visit.page.evaluate(OPEN_ALL)
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    controls = (
        "button:not(.row):not(#legend button):not(#split-legend button), input, .leaflet-bar a"
    )
    assert not [one for one in visit.page.locator(controls).all() if one.is_visible()]
    assert visit.page.locator("#legend button").first.is_visible()
    assert visit.page.locator(".leaflet-control-scale-line").first.is_visible()


def test_another_size_of_the_window_fits_the_map_again(visit, season):
    visit = visit(season)
    for size in (PHONE, (2560, 1440)):
        visit.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        visit.page.wait_for_timeout(300)
        assert visit.texts("#legend .number") == ["3 / 4", "2 / 2", "2 / 3"]
    visit.state("map.setView([46.95, 7.45], 15, {animate: false})")
    visit.page.set_viewport_size({"width": 1000, "height": 700})
    visit.page.wait_for_timeout(300)
    assert visit.state("map.getZoom()") == 15  # who has moved the map stays there


def test_without_leaflet_panel_lists_and_reasons_are_there(visit, linked):
    visit = visit(linked, tolerant=True)
    assert visit.page.locator("#no-leaflet").is_visible()
    assert visit.texts("#summary") == ["7 on the map, 2 not"]
    assert visit.texts("#legend .number") == ["3 / 4", "2 / 2", "2 / 3"]
    visit.unfold_missing()
    assert visit.texts("#missing li a") == ["corn/screen.png", "wheat/damaged.jpg"]
    visit.unfold("find")
    visit.page.fill("#query", "portrait")
    visit.page.click("#find li button")
    assert visit.thumbnail() == [72, 96]
    visit.page.click("#find li button")
    assert visit.page.locator(".card").count() == 0
    visit.page.fill("#query", "")
    visit.page.locator("#legend button").first.click()
    visit.page.wait_for_timeout(250)
    assert len(visit.texts("#find li")) == 4
    assert not [message for message in visit.messages if "Error" in message]


def test_a_page_without_positions_opens_with_the_reasons(visit, tmp_path):
    visit = visit(write_page(tmp_path, [feature("corn/a.jpg"), feature("b.jpg")]))
    assert visit.page.locator("#missing li").first.is_visible()
    assert visit.texts("#missing li a") == ["b.jpg", "corn/a.jpg"]
    assert visit.page.locator("#chart").count() == 0
