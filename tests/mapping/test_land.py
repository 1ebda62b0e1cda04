"""Land and countries: what the page is given of them, and what it makes of it."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest

from granpipe.mapping.land import BUDGET, outlines

from conftest import ROOT
from pages import feature, make_plain_page, write_page

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WORLD = 32_000  # bytes
MANY = np.random.default_rng(1).uniform((-60, -180), (70, 180), (3000, 2)).T.tolist()


def size(land: dict) -> int:
    return len(json.dumps(land, separators=(",", ":")))


def numbers(text: str) -> list[int]:
    """Read what `granpipe.mapping.land` writes, as web/countries.js does."""
    found, number, shift = [], 0, 0
    for sign in text:
        value = DIGITS.index(sign)
        number |= (value & 31) << shift
        shift += 5
        if value < 32:
            found.append(~(number >> 1) if number & 1 else number >> 1)
            number, shift = 0, 0
    return found


def arcs(land: dict) -> list[np.ndarray]:
    steps = (np.reshape(numbers(text), (-1, 2)) for text in land["arcs"].split())
    return [np.cumsum(step, axis=0) / land["units"] for step in steps]


def rings(land: dict) -> list[tuple[str, np.ndarray]]:
    """Return each ring's country and line, whose arcs meet."""
    lines = arcs(land)
    found = []
    for text in land["rings"].split():
        country, *around = numbers(text)
        parts = [lines[k] if k >= 0 else lines[~k][::-1] for k in around]
        assert all(np.allclose(one[-1], other[0]) for one, other in pairwise(parts))
        found.append((land["names"][country], np.concatenate(parts)))
    return found


def test_the_world_takes_thirty_kilobytes_and_detail_a_hundred_more():
    assert size(outlines([], [])) <= WORLD
    assert size(outlines([46.9], [7.4])) > size(outlines([], [])) + 5_000
    assert size(outlines(*MANY)) <= WORLD + BUDGET


def test_the_same_places_give_the_same_outlines_whatever_their_order():
    lats, lons = MANY
    assert outlines(lats, lons) == outlines(lats[::-1], lons[::-1])


def test_the_page_says_where_the_outlines_come_from(visit, season):
    visit = visit(season)
    assert "Natural Earth" in visit.texts("#credit")[0]
    assert "Natural Earth" in visit.texts(".leaflet-control-attribution")[0]


@pytest.mark.parametrize("places", [([], []), ([66], [179]), ([-17], [180])], ids=str)
def test_no_ring_jumps_across_the_map(places):
    """A crude try drew bars from one edge to the other, where countries cross the date line."""
    land = outlines(*places)
    for line in arcs(land):
        assert np.abs(np.diff(line[:, 0])).max(initial=0) < 60
    for country, line in rings(land):
        turn = line[-1, 0] - line[0, 0]
        assert turn == pytest.approx(360 if country == "Antarctica" and turn else 0, abs=1e-6)
        assert line[-1, 1] == pytest.approx(line[0, 1])


def test_near_a_photograph_the_outlines_are_finer_and_elsewhere_they_are_not():
    near, world = outlines([46.9], [7.4]), outlines([], [])

    def vertices(land, west, east, south, north):
        lon, lat = np.concatenate(arcs(land)).T
        return ((lon > west) & (lon < east) & (lat > south) & (lat < north)).sum()

    assert vertices(near, 0, 15, 40, 54) > 2 * vertices(world, 0, 15, 40, 54)
    assert vertices(near, 110, 155, -45, -10) == vertices(world, 110, 155, -45, -10)


def test_a_small_island_is_there_where_it_was_photographed():
    assert "Malta" in {country for country, _ in rings(outlines([35.9], [14.4]))}


@pytest.mark.parametrize(
    ("country", "place"),
    [
        ("Switzerland", (46.95, 7.45)),
        ("Lesotho", (-29.5, 28.3)),  # a hole in South Africa
        ("South Africa", (-29.0, 24.0)),
        ("Russia", (66.0, -175.0)),  # beyond the date line
        ("Fiji", (-16.6, 179.4)),
        ("United States of America", (51.5, 179.1)),  # the Aleutians, near 180 degrees
        ("Antarctica", (-84.9, 100.0)),  # south of the southernmost vertex
        ("Netherlands", (52.97, 4.73)),  # on shore, but for the outline
        ("at sea", (0.0, -30.0)),
    ],
)
def test_the_table_knows_the_country_about(visit, tmp_path, country, place):
    visit = visit(make_plain_page(tmp_path, [place]))
    visit.page.click("#table > summary")
    assert visit.texts("#tables thead th")[1:] == [country]


def spy(context) -> None:
    """Write down the texts that are drawn, and the lines: [from x, from y, to x, to y]."""
    context.add_init_script(
        """window.texts = []; window.spots = []; window.lines = [];
        const canvas = CanvasRenderingContext2D.prototype;
        const { beginPath, fillText, moveTo, lineTo, stroke } = canvas;
        let path = [], last = null;
        canvas.fillText = function (text, ...at) {
          texts.push(text);
          spots.push([String(text), ...at]);
          fillText.call(this, text, ...at);
        };
        canvas.beginPath = function () {
          path = [];
          beginPath.call(this);
        };
        canvas.moveTo = function (...at) {
          last = at;
          moveTo.call(this, ...at);
        };
        canvas.lineTo = function (...at) {
          path.push([...last, ...at]);
          last = at;
          lineTo.call(this, ...at);
        };
        canvas.stroke = function (...given) {
          if (given.length === 0) for (const line of path) lines.push(line);
          stroke.call(this, ...given);
        };"""
    )


def lines_at(visit, lat: float, lon: float, zoom: int) -> np.ndarray:
    """Return the lines of coasts and borders that a view draws, but not those of the grid."""
    visit.page.evaluate("lines.length = 0")
    visit.state(f"map.setView([{lat}, {lon}], {zoom}, {{animate: false}})")
    lines = np.array(visit.page.evaluate("lines"))
    return lines[np.abs(lines[:, 1] - lines[:, 3]) < 600]


def test_countries_have_names_where_there_is_room_and_a_field_has_the_grid(visit, tmp_path):
    visit = visit(make_plain_page(tmp_path, [(46.9, 7.4), (48, 9)]), prepare=spy)
    assert "Switzerland" in visit.page.evaluate("texts")
    visit.page.evaluate("texts.length = 0")
    visit.state("map.setView([46.9, 7.4], 17, {animate: false})")
    texts = visit.page.evaluate("texts")
    assert "Switzerland" not in texts
    assert [text for text in texts if re.fullmatch(r"46\.\d+°\u00a0N", text)]


@pytest.mark.parametrize("size", [(1280, 800), (768, 1024), (360, 740)], ids=str)
def test_the_numbers_of_the_grid_keep_clear_of_what_lies_over_the_map(visit, tmp_path, size):
    visit = visit(make_plain_page(tmp_path, [(-50, -120), (60, 140)]), size=size, prepare=spy)
    visit.page.evaluate("spots.length = 0")
    visit.state("map.setView([20, 10], 2, {animate: false})")
    boxes = visit.page.evaluate(
        "[...document.querySelectorAll('.leaflet-top .leaflet-control')].map((box) => {"
        "const { left, top, right, bottom } = box.getBoundingClientRect();"
        "const main = document.querySelector('.leaflet-container').getBoundingClientRect();"
        "return [left - main.left, top - main.top, right - main.left, bottom - main.top]; })"
    )
    left, top = visit.state("map.containerPointToLayerPoint([0, 0])").values()
    spots = [(text, x - left, y - top) for text, x, y in visit.page.evaluate("spots")]
    numbers = [spot for spot in spots if "°" in spot[0]]
    assert len({text[-1] for text, *_ in numbers} & {"E", "W", "N", "S"}) >= 3
    for text, right, bottom in numbers:
        for box in boxes:
            is_beside = right - 6 * len(text) > box[2] or right < box[0]
            assert is_beside or bottom - 9 > box[3] or bottom < box[1], (text, box)


def test_the_names_of_countries_keep_clear_of_rings(visit, tmp_path):
    near = [(46.9, 8.2), (46.8, 8.2), (47.5, 2.5)]  # where Switzerland and France are named
    places = [place for place in near for _ in range(20)]
    page = make_plain_page(tmp_path, [*places, (52, -3), (41, 16)])
    visit = visit(page, prepare=spy)
    spots = visit.page.evaluate("spots")
    rings = [(x, y) for text, x, y in spots if text.isdigit()]
    names = {text: (x, y) for text, x, y in spots if text in {"Switzerland", "France", "Germany"}}
    assert names.keys() == {"Switzerland", "France", "Germany"}
    assert len(rings) >= 2
    for name, (x, y) in names.items():
        half = 3 * len(name)
        assert not [at for at in rings if abs(at[1] - y) < 14 and abs(at[0] - x) < half + 8], name


@pytest.mark.parametrize("middle", [-180, 0, 180, 540])
def test_no_bar_is_drawn_across_the_map(visit, tmp_path, middle):
    page = write_page(tmp_path, [feature("a.jpg", -16.8, 179.9), feature("b.jpg", 66, -175)])
    lines = lines_at(visit(page, (2560, 1440), prepare=spy), 20, middle, 3)
    slanting = lines[lines[:, 1] != lines[:, 3]]
    assert len(slanting) > 5000
    assert np.abs(slanting[:, 0] - slanting[:, 2]).max() < 2560 / 8


@pytest.mark.parametrize("place", [(-16.9, 180), (68.5, -180)], ids=["Taveuni", "Chukotka"])
def test_no_coast_runs_along_the_date_line(visit, tmp_path, place):
    visit = visit(make_plain_page(tmp_path, [place]), prepare=spy)
    lines = lines_at(visit, *place, 9)
    line = visit.page.evaluate(f"granpipe.map.latLngToLayerPoint([0, {place[1]}]).x")
    upright = lines[(np.abs(lines[:, [0, 2]] - line) < 1).all(axis=1)]
    assert len(lines) > 10
    assert np.abs(upright[:, 1] - upright[:, 3]).max(initial=0) < 3


@pytest.mark.extras
def test_the_converter_makes_the_file_that_is_packaged(tmp_path):
    packages = ROOT / "node_modules"
    if not (packages / "world-atlas").is_dir() or not (packages / "i18n-iso-countries").is_dir():
        pytest.skip("no world-atlas, i18n-iso-countries: npm install as tests/make_land.py says")
    import make_land

    make_land.main(packages, tmp_path / "land.npz")
    land = ROOT / "granpipe/mapping/land.npz"
    with np.load(tmp_path / "land.npz") as made, np.load(land) as packaged:
        assert made.files == packaged.files
        for name in made.files:
            assert np.array_equal(made[name], packaged[name]), name
