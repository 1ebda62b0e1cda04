"""The page's ruler, in Chromium."""

import re

import pytest

from pages import DESKTOP, PHONE, TOUCH, make_plain_page

CORNERS = [(46.95, 7.45), (46.95, 7.46), (46.96, 7.46), (46.96, 7.45)]
# By the radii of curvature of WGS 84: the sides from the south to the west, and what they surround.
SIDES = (761.2, 1111.7, 761.1)
AREA = 846_200.0  # square metres


@pytest.fixture
def plain(tmp_path):
    return make_plain_page(tmp_path, [(46.955, 7.455), *CORNERS])


def measured(visit) -> tuple[float, float]:
    """Return metres and hectares as the ruler shows them."""
    [text] = visit.texts(".ruler [role=status]")
    found = re.fullmatch(r"Length ([\d,.]+) (km|m)(?:; area ([\d,.]+) ha)?", text)
    assert found, text
    length = float(found[1].replace(",", "")) * (1000 if found[2] == "km" else 1)
    return length, float(found[3] or 0)


def test_clicks_measure_distance_and_area(visit, plain):
    visit = visit(plain)
    visit.page.get_by_label("Measure distance and area").click()
    assert visit.texts(".ruler [role=status]") == ["Click the first place."]
    for count, corner in enumerate(CORNERS, start=1):
        visit.page.mouse.click(*visit.at(*corner))
        if count > 1:
            # A pixel is 4 m here.
            assert measured(visit)[0] == pytest.approx(sum(SIDES[: count - 1]), rel=0.01, abs=60)
    assert measured(visit)[1] == pytest.approx(AREA / 10_000, rel=0.02)
    assert visit.state("opened") == -1  # the dots below are left alone
    visit.page.get_by_text("Undo").click()
    assert measured(visit)[1] == pytest.approx(AREA / 20_000, rel=0.02)
    visit.page.get_by_text("Close").click()
    assert visit.page.locator(".ruler").count() == 0
    visit.page.mouse.click(*visit.at(*CORNERS[0]))
    assert visit.state("opened") >= 0


def test_the_ruler_needs_no_mouse(visit, plain):
    visit = visit(plain)
    visit.page.get_by_label("Measure distance and area").focus()
    visit.page.keyboard.press("Enter")
    for lat, lon in CORNERS:
        visit.state(f"map.setView([{lat}, {lon}], 16, {{animate: false}})")
        visit.page.get_by_text("Add centre").press("Enter")
    length, area = measured(visit)
    assert length == pytest.approx(sum(SIDES), abs=53)  # it is shown in steps of 100 m
    assert area == pytest.approx(AREA / 10_000, rel=0.002)  # and this of 0.1 ha
    visit.page.keyboard.press("Escape")
    assert visit.page.locator(".ruler").count() == 0
    label = visit.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label == "Measure distance and area"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_ruler_fits_the_screen(visit, plain, size):
    visit = visit(plain, size, **(TOUCH if size == PHONE else {}))
    visit.page.get_by_label("Measure distance and area").click()
    box = visit.page.locator(".ruler").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
    assert visit.page.evaluate("document.documentElement.scrollWidth") == size[0]
