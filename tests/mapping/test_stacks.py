"""Dots that hide others: how many they are, of which classes, and the way to each of them."""

import io
import math
import random

import numpy as np
import pytest
from PIL import Image

from pages import PHONE, SPOT, TOUCH, feature, write_page


@pytest.fixture(scope="module")
def pile(tmp_path_factory):
    """The page of 300 photographs at one spot, a third of them rice, and one far off."""
    features = [
        feature(f"{('rice', 'corn', 'corn')[number % 3]}/{number:03}.jpg", *SPOT)
        for number in range(300)
    ]
    folder = tmp_path_factory.mktemp("pile")
    return write_page(folder, [*features, feature("corn/far.jpg", SPOT[0], SPOT[1] + 0.1)])


def texts_drawn(context) -> None:
    context.add_init_script(
        """window.texts = [];
        const { fillText } = CanvasRenderingContext2D.prototype;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
          texts.push(String(text));
          fillText.call(this, text, ...at);
        };"""
    )


def test_a_stack_carries_its_count_and_a_ring_of_its_classes(visit, pile):
    visit = visit(pile, prepare=texts_drawn)
    assert "300" in visit.page.evaluate("texts")
    x, y = visit.at(*SPOT)
    shot = Image.open(io.BytesIO(visit.page.screenshot())).convert("RGB")
    ring = [
        shot.getpixel((round(x + 11.5 * math.sin(turn)), round(y - 11.5 * math.cos(turn))))
        for turn in np.linspace(0, 2 * math.pi, 90, endpoint=False)
    ]
    colours = visit.page.evaluate(
        "Array.from(document.querySelectorAll('#legend canvas'), (canvas) => Array.from("
        "canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data)"
        ".slice(0, 3))"
    )
    shares = [ring.count(tuple(colour)) / len(ring) for colour in colours]
    assert shares == pytest.approx([2 / 3, 1 / 3], abs=0.08)


def test_a_ring_takes_in_the_dot_that_it_would_hide(visit, tmp_path):
    nine_pixels = 9 * 360 / (256 * 2**20)  # at zoom 20
    features = [feature(f"{k}.jpg", *SPOT) for k in range(5)]
    features += [feature("beside.jpg", SPOT[0], SPOT[1] + nine_pixels)]
    visit = visit(write_page(tmp_path, features), prepare=texts_drawn)
    visit.page.evaluate("texts.length = 0")
    visit.state(f"map.setView({list(SPOT)}, 20, {{animate: false}})")
    assert "6" in visit.page.evaluate("texts")
    visit.page.evaluate("texts.length = 0")
    visit.state(f"map.setView({list(SPOT)}, 22, {{animate: false}})")
    assert "5" in visit.page.evaluate("texts")


def test_a_large_stack_opens_as_a_contact_sheet_to_pick_from(visit, pile):
    visit = visit(pile)
    visit.page.mouse.click(*visit.at(*SPOT))
    assert visit.texts(".many") == ["300 photographs here "]
    assert visit.texts(".mix div") == ["200 corn", "100 rice"]
    assert visit.page.locator(".tile").count() == 60
    visit.page.locator(".sheet .more").click()
    assert visit.page.locator(".tile").count() == 120
    visit.page.get_by_role("button", name="corn/010.jpg").click()
    visit.page.wait_for_timeout(400)  # a popup that closes fades that long
    assert visit.texts(".card a") == ["corn/010.jpg"]
    visit.page.keyboard.press("ArrowRight")
    assert visit.texts(".card a") == ["corn/011.jpg"]
    visit.page.locator(".pager button", has_text="All 300").click()
    assert visit.texts(".many") == ["300 photographs here "]
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector(".leaflet-popup", state="detached")


def test_touch_needs_no_hover(visit, pile):
    visit = visit(pile, PHONE, **TOUCH)
    visit.page.touchscreen.tap(*visit.at(*SPOT))
    assert visit.texts(".many") == ["300 photographs here "]
    visit.page.locator(".tile").first.tap()
    assert visit.texts(".card a") == ["corn/001.jpg"]
    card = visit.page.locator(".leaflet-popup").bounding_box()
    assert card["width"] <= PHONE[0]


def test_every_photograph_is_in_a_stack_once_at_every_zoom(visit, tmp_path):
    rng = random.Random(2)
    places = [(46 + rng.gauss(0, 0.05), 7 + rng.gauss(0, 0.05)) for _ in range(500)]
    features = [feature(f"{k % 4}/{k}.jpg", *place) for k, place in enumerate(places)]
    visit = visit(write_page(tmp_path, features), prepare=texts_drawn)
    for zoom in (3, 6, 9, 12):
        visit.page.evaluate("texts.length = 0")
        visit.state(f"map.setView([46, 7], {zoom}, {{animate: false}})")
        drawn = visit.state("drawn")
        numbers = [int(text) for text in visit.page.evaluate("texts") if text.isdigit()]
        assert sum(numbers) <= drawn
        if zoom <= 9:
            assert drawn == 500
    visit.state("map.setView([46, 7], 3, {animate: false})")
    visit.page.mouse.click(*visit.at(46, 7))
    assert len(visit.state("pile")) == len(set(visit.state("pile"))) == 500


def test_a_stack_that_comes_apart_offers_to_zoom_in(visit, tmp_path):
    features = [feature(f"{k}.jpg", 46 + k / 1000, 7) for k in range(20)]
    visit = visit(write_page(tmp_path, features))
    visit.state("map.setView([46, 7], 5, {animate: false})")
    visit.page.mouse.click(*visit.at(46, 7))
    # By the keyboard: the popup may still be moving into view.
    visit.page.locator(".popup button", has_text="Zoom in").press("Enter")
    visit.wait_for("granpipe.map.getZoom() >= 13 && granpipe.drawn == 20")


def test_a_spot_that_does_not_come_apart_offers_no_zoom(visit, pile):
    visit = visit(pile)
    visit.page.mouse.click(*visit.at(*SPOT))
    assert visit.page.locator(".popup button", has_text="Zoom in").count() == 0
    assert visit.page.locator(".popup button").count() > 0


@pytest.mark.parametrize("direction", range(0, 360, 30))
def test_the_popup_leaves_the_way_the_camera_looked_in_sight(visit, tmp_path, direction):
    visit = visit(write_page(tmp_path, [feature("a.jpg", *SPOT, None, direction)]))
    x, y = visit.at(*SPOT)
    visit.page.mouse.click(x, y)
    visit.page.wait_for_timeout(400)  # the map moves until the popup is in view
    x, y = visit.at(*SPOT)
    for off in (-20, 0, 20):
        turn = math.radians(direction + off)
        seen = visit.page.evaluate(
            "([x, y]) => document.elementFromPoint(x, y).closest('.leaflet-popup') === null",
            [x + 33 * math.sin(turn), y - 33 * math.cos(turn)],
        )
        assert seen, off
