"""What filters the page's map, legend, lists and tables together, and what remembers it."""

import csv
import io

import pytest

from pages import DESKTOP, PHONE, SPOT, TOUCH, Visit, feature, write_page

BERN, LYON = (46.95, 7.45), (45.75, 4.85)


def field_days() -> list:
    """Return ten photographs of June 2024: corn in two countries, rice in one place."""
    features = [
        feature(
            f"corn/{day}.jpg",
            *(BERN if day < 4 else LYON),
            taken_at=f"2024-06-{day:02}T10:00:00",
            split=("train", "validation", "test")[day % 3],
            group="g00000000000000aa" if day < 3 else f"g{day:016}",
            nearest_training=1234.5 * day,
        )
        for day in range(1, 8)
    ]
    rice = [
        feature(f"rice/{day}.jpg", BERN[0] + 0.1, BERN[1], taken_at=f"2024-06-{day:02}T10:00:00")
        for day in (3, 8)
    ]
    return [*features, *rice, feature("rice/undated.jpg", *BERN)]


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("days"), field_days())


def settle(visit: Visit) -> None:
    """Wait until lists and tables have followed a change."""
    visit.page.wait_for_timeout(250)


def table(visit: Visit, number: int = 0) -> dict[str, dict[str, str]]:
    """Return a table's cells by row and column."""
    if visit.page.locator("#table").get_attribute("open") is None:
        visit.page.click("#table > summary")
        visit.page.wait_for_selector("#tables table")
    settle(visit)
    one = visit.page.locator("#tables table").nth(number)
    columns = one.locator("thead th").all_text_contents()[1:]
    return {
        row.locator("th bdi").text_content(): dict(
            zip(columns, row.locator("td").all_text_contents(), strict=True)
        )
        for row in one.locator("tbody tr").all()
    }


# Days


def brush(visit: Visit, start: float, end: float) -> None:
    """Drag over a part of the histogram, in shares of its width."""
    box = visit.page.locator("#histogram").bounding_box()
    y = box["y"] + box["height"] / 2
    visit.page.mouse.move(box["x"] + start * box["width"], y)
    visit.page.mouse.down()
    visit.page.mouse.move(box["x"] + end * box["width"], y, steps=4)
    visit.page.mouse.up()
    settle(visit)


def test_the_brush_filters_map_legend_list_and_table_together(visit, days):
    visit = visit(days)
    visit.unfold("find")
    assert visit.texts("#span") == ["2024-06-01 to 2024-06-08; 1 without a date"]
    brush(visit, 0.01, 0.37)  # the first three of eight days
    assert visit.texts("#span") == ["2024-06-01 to 2024-06-03; 1 without a date are left out"]
    assert (visit.state("shown"), visit.state("drawn")) == (4, 4)
    assert visit.texts("#legend .number") == ["3 / 7", "1 / 3"]
    assert visit.texts("#find li") == ["corn/1.jpg", "corn/2.jpg", "corn/3.jpg", "rice/3.jpg"]
    assert table(visit)["corn"] == {"Switzerland": "3"}
    visit.page.click("#all-days")
    assert visit.state("shown") == 10


def test_the_days_are_chosen_by_keyboard_too(visit, days):
    visit = visit(days)
    visit.page.locator("#from").focus()
    for _ in range(6):
        visit.page.keyboard.press("ArrowRight")
    assert visit.state("shown") == 2
    assert visit.page.locator("#from").get_attribute("aria-valuetext") == "2024-06-07"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["mouse", "touch"])
def test_the_sliders_stand_under_their_bars_from_the_first_to_the_last(visit, days, size):
    visit = visit(days, size, **(TOUCH if size == PHONE else {}))
    visit.page.evaluate("document.querySelector('#days').open = true")
    visit.page.locator("#to").scroll_into_view_if_needed()
    bars = visit.page.locator("#histogram").bounding_box()
    for bar in (0, 3, 7):  # of eight
        x = bars["x"] + (bar + 0.5) / 8 * bars["width"]
        for slider in ("from", "to"):
            box = visit.page.locator(f"#{slider}").bounding_box()
            visit.page.mouse.click(x, box["y"] + box["height"] / 2)
            assert visit.page.locator(f"#{slider}").input_value() == str(bar)
            visit.page.click("#all-days") if slider == "to" and bar < 7 else None


@pytest.mark.parametrize(
    ("dates", "bars"),
    [
        (["2024-06-01", "2024-07-15"], 45),
        (["2024-01-01", "2024-12-31"], 53),  # weeks
        (["2020-01-15", "2024-12-31"], 60),  # months
        (["0824-06-01", "2024-06-01"], 58),  # of 21 years each
    ],
)
def test_the_histogram_has_days_weeks_months_or_years(visit, tmp_path, dates, bars):
    features = [
        feature(f"{k}.jpg", *SPOT, taken_at=f"{date}T10:00:00") for k, date in enumerate(dates)
    ]
    visit = visit(write_page(tmp_path, features))
    assert abs(int(visit.page.locator("#from").get_attribute("max")) + 1 - bars) <= 1
    assert visit.texts("#span") == [" to ".join(dates)]
    brush(visit, 0.9, 0.999)
    assert visit.state("shown") == 1


def test_without_two_days_there_is_no_histogram(visit, season, tmp_path):
    page = write_page(tmp_path, [feature("a.jpg", *SPOT), feature("b.jpg", *SPOT)])
    assert visit(page).page.locator("#days").is_hidden()
    assert visit(season).page.locator("#days").is_visible()


# The view


def test_legend_list_and_table_follow_the_view(visit, days):
    visit = visit(days)
    visit.unfold("find")
    assert table(visit) == {
        "corn": {"Switzerland": "3", "France": "4"},
        "rice": {"Switzerland": "3", "France": "0"},
    }
    visit.state(f"map.setView({list(LYON)}, 10, {{animate: false}})")
    settle(visit)
    assert visit.texts("#legend .number") == ["4 / 7", "0 / 3"]
    assert visit.texts("#find li") == [f"corn/{day}.jpg" for day in (4, 5, 6, 7)]
    assert table(visit) == {"corn": {"France": "4"}, "rice": {"France": "0"}}
    visit.page.fill("#query", "rice")
    assert len(visit.texts("#find li")) == 3  # a search looks everywhere


def test_a_class_from_one_place_only_is_told_so_and_empty_cells_show(visit, days):
    visit = visit(days)
    table(visit)
    notes = visit.page.locator("#tables tr:has(.note) bdi").all_text_contents()
    assert set(notes) == {"rice"}
    empty, full = visit.page.locator("#tables .empty"), visit.page.locator("#tables td:not(.empty)")
    assert empty.first.text_content() == "0"
    colours = [
        node.first.evaluate("(node) => getComputedStyle(node).backgroundColor")
        for node in (empty, full)
    ]
    assert colours[0] != colours[1]


def test_across_the_date_line_one_place_is_one_place(visit, tmp_path):
    visit = visit(
        write_page(tmp_path, [feature("a/1.jpg", -17, 179.9), feature("a/2.jpg", -17, -179.9)])
    )
    table(visit)
    assert visit.texts("#tables .note") == ["one place only"]


def test_fit_minds_what_is_switched_off(visit, days, tmp_path):
    visit = visit(days)
    before = visit.state("map.getZoom()")
    visit.page.locator("#legend button").first.click()
    visit.page.click("#fit")
    assert visit.state("map.getZoom()") > before
    south, north = (visit.state(f"map.getBounds().get{side}()") for side in ("South", "North"))
    assert 46.9 < south < north < 47.1


def test_fit_of_a_class_across_the_date_line_is_near(visit, tmp_path):
    features = [feature("fiji/1.jpg", -17, 179.9), feature("fiji/2.jpg", -17, -179.9)]
    visit = visit(write_page(tmp_path, [*features, feature("other/1.jpg", *BERN)]))
    visit.page.locator("#legend button").nth(1).click()
    visit.page.click("#fit")
    assert visit.state("map.getZoom()") >= 9
    assert visit.state("drawn") == 2


# Splits


def test_splits_have_a_legend_a_table_and_a_line_in_the_popup(visit, days):
    visit = visit(days)
    assert visit.texts("#split-legend bdi") == ["train", "validation", "test", "no split"]
    assert visit.texts("#split-legend .number") == ["2 / 2", "3 / 3", "2 / 2", "3 / 3"]
    table(visit)
    assert table(visit, 1) == {
        "corn": {"train": "2", "validation": "3", "test": "2", "no split": "0"},
        "rice": {"train": "0", "validation": "0", "test": "0", "no split": "3"},
    }
    visit.page.locator("#split-legend button").nth(3).click()
    assert visit.state("shown") == 7
    visit.state("open(1)")
    facts = visit.facts()
    assert (facts["Split"], facts["Training"]) == ("test", "nearest 2.5 km away")
    assert facts["Group"] == "g00000000000000aa"


def test_the_map_is_coloured_by_split_where_one_asks(visit, days):
    visit = visit(days)
    before = visit.page.locator("#chart").screenshot()
    visit.page.click("#by-split")
    assert visit.page.locator("#chart").screenshot() != before
    assert visit.page.locator("#legend canvas").first.is_hidden()
    assert visit.page.locator("#split-legend canvas").first.is_visible()


def test_without_splits_nothing_speaks_of_them(visit, season):
    visit = visit(season)
    assert visit.page.locator("#splits").is_hidden()
    visit.state("open(1)")
    assert not {"Split", "Group", "Training"} & set(visit.texts(".card dt"))


# The list


def test_a_row_of_the_list_zooms_to_its_photograph(visit, days):
    visit = visit(days)
    visit.unfold("find")
    visit.page.click("#find li button >> text=corn/5.jpg")
    assert visit.state("opened") == 4
    assert visit.state("map.getZoom()") >= 15
    assert visit.texts(".card a") == ["corn/5.jpg"]


def test_the_search_knows_cameras_and_coordinates_and_enter_opens_the_first(visit, season):
    visit = visit(season)
    visit.unfold("find")
    for words, count in {"pixel 7": 7, "46.94,7.43": 1, "46.96": 2, "submarine": 0}.items():
        visit.page.fill("#query", words)
        assert len(visit.texts("#find li")) == count, words
        found = f"{count} found" if count else "Nothing found."
        assert visit.texts("#found")[0].startswith(found)
    visit.page.keyboard.press("Enter")
    assert visit.state("opened") == -1
    visit.page.fill("#query", "wheat")
    visit.page.keyboard.press("Enter")
    assert visit.state("opened") == 5


def test_a_search_filters_map_legend_list_and_saved_csv(visit, days):
    visit = visit(days)
    visit.unfold("find")
    visit.state(f"map.setView({list(BERN)}, 10, {{animate: false}})")
    visit.page.fill("#query", "corn")
    settle(visit)
    assert (visit.state("shown"), visit.state("drawn")) == (7, 3)
    assert visit.texts("#legend .number") == ["3 / 7", "0 / 3"]
    assert visit.texts("#found") == ["7 found; 4 of them not in view."]
    assert visit.texts("#find > summary") == ["Photographs found 7"]
    sources = [f"corn/{day}.jpg" for day in range(1, 8)]
    assert visit.texts("#find li") == [row["source"] for row in saved(visit)] == sources
    visit.page.click("#fit")
    assert visit.state("drawn") == 7
    assert visit.page.evaluate("document.activeElement.id") == "fit"
    visit.state("open(7)")  # what the search hides: the search gives way
    settle(visit)
    assert (visit.state("shown"), visit.page.input_value("#query")) == (10, "")


def test_who_searches_keeps_the_focus_where_a_popup_goes(visit, days):
    visit = visit(days)
    visit.unfold("find")
    visit.state("open(0)")
    visit.page.focus("#query")
    visit.page.keyboard.type("rice", delay=20)
    assert visit.state("opened") == -1
    assert visit.page.input_value("#query") == "rice"
    assert visit.page.evaluate("document.activeElement.id") == "query"


def test_a_link_keeps_the_search(visit, days):
    one = visit(days)
    one.unfold("find")
    one.page.fill("#query", "corn/5 2024")
    one.page.wait_for_timeout(500)
    other = visit(days, hash=one.page.evaluate("location.hash"))
    assert other.page.input_value("#query") == "corn/5 2024"
    assert other.state("shown") == 1


@pytest.mark.parametrize(
    ("words", "count"),
    [
        *(("46.95, 7.45", 4), ("46.9, 7.4", 4), ("45.75 4.85", 4), ("45.75;4.85", 4)),
        *(("46.95° N, 7.45° E", 4), ("7.45E 46.95N", 4), ("n46.95 e7.45", 4)),
        *(("46.95000°\u00a0N, 7.45000°\u00a0E", 4), ("46°57'N 7°27'E", 4)),
        *(
            ("46° 57' 0\" N, 7° 27' 0\" E", 4),
            ("46\u00b057\u203200\u2033N 7\u00b027\u203200\u2033E", 4),
        ),
        *(("46.95, -7.45", 0), ("46.95 S, 7.45 E", 0), ("-46.95, 7.45", 0)),
        *(("46, 7", 4), ("48, 8", 2), ("96.95, 7.45", 0), ("46.95", 4), ("7.45 E", 6)),
    ],
)
def test_coordinates_are_understood_in_the_search(visit, days, words, count):
    visit = visit(days)
    visit.unfold("find")
    visit.page.fill("#query", words)
    assert visit.state("shown") == count


def test_enter_shows_a_place_where_no_photograph_is(visit, days):
    visit = visit(days)
    visit.unfold("find")
    visit.page.fill("#query", "48.2, 11.6")
    settle(visit)
    assert visit.texts("#found") == ["No photograph there; press Enter to show the place."]
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_timeout(500)
    assert visit.state("map.getCenter().lat") == pytest.approx(48.2, abs=0.01)
    assert visit.state("map.getCenter().lng") == pytest.approx(11.6, abs=0.01)


# What leaves the page


def saved(visit: Visit) -> list[dict[str, str]]:
    with visit.page.expect_download() as download:
        visit.page.click("#save")
    text = download.value.path().read_text("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_rows_in_view_are_saved_as_csv(visit, days):
    visit = visit(days)
    visit.unfold("find")
    visit.page.locator("#legend button").first.click()
    settle(visit)
    rows = saved(visit)
    assert [row["source"] for row in rows] == ["rice/3.jpg", "rice/8.jpg", "rice/undated.jpg"]
    assert rows[0] == {
        **{"source": "rice/3.jpg", "label": "rice", "latitude": "47.05", "longitude": "7.45"},
        **{"altitude": "", "direction": "", "taken_at": "2024-06-03T10:00:00", "utc_offset": ""},
        **{"camera": "", "split": "", "direction_ref": ""},
    }


def test_no_cell_of_the_saved_csv_is_a_formula(visit, tmp_path):
    names = ["=1+1", "+1", "-1", "@x", '"quoted", with comma', "b\udcffad", "new\nline"]
    features = [feature(f"{name}/{name}.jpg", *SPOT) for name in names]
    visit = visit(write_page(tmp_path, features))
    visit.unfold("find")
    cells = [row[column] for row in saved(visit) for column in ("source", "label")]
    assert not [cell for cell in cells if cell[0] in "=+-@"]
    assert {"'=1+1", "'@x", '"quoted", with comma', "b\\xffad", "new\nline"} <= set(cells)


def test_a_redacted_page_gives_away_no_more_than_it_shows(visit, tmp_path):
    from granpipe.jobs.map_run import redacted

    features = [redacted(feature, 1) for feature in field_days()]
    visit = visit(write_page(tmp_path, features, redact=1, links=None))
    visit.unfold("find")
    rows = saved(visit)
    assert {row["latitude"] for row in rows} <= {"46.9", "47", "45.8", "47.1"}
    visit.state("open(1)")
    assert "Training" not in visit.texts(".card dt")
    text = visit.page.locator("#granpipe-data").text_content()
    assert not [secret for secret in ("1234", "46.95", "7.45", "45.75") if secret in text]


# The address


def test_a_link_shows_the_same(visit, days):
    one = visit(days)
    one.page.locator("#legend button").nth(1).click()
    one.page.locator("#split-legend button").first.click()
    brush(one, 0.3, 0.99)
    one.state(f"map.setView({list(LYON)}, 12, {{animate: false}})")
    one.state("open(4)")
    one.page.wait_for_timeout(500)
    hash = one.page.evaluate("location.hash")
    other = visit(days, hash=hash)
    for name in ("shown", "drawn", "opened", "map.getZoom()"):
        assert other.state(name) == one.state(name), name
    assert other.state("map.getCenter().lat") == pytest.approx(LYON[0], abs=1e-4)
    assert other.texts("#legend .number") == one.texts("#legend .number")
    assert other.texts("#span") == one.texts("#span")


def test_the_link_is_copied_as_it_is_now(visit, days):
    visit = visit(days)
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.page.locator("#legend button").nth(1).click()
    visit.page.click("#copy")
    visit.page.wait_for_selector("#copied >> text=Copied")
    assert visit.page.evaluate("navigator.clipboard.readText()") == f"{days.as_uri()}#off=rice"


def test_the_page_says_when_its_links_may_break(visit, days, tmp_path):
    assert visit(days).page.locator("#mailed").is_visible()
    page = write_page(tmp_path, field_days(), links="https://host/", exports=("./a%20b.csv",))
    visit = visit(page)
    assert visit.page.locator("#mailed").is_hidden()
    assert visit.texts("#exports") == ["Written with this page: a b.csv"]
    assert visit.page.locator("#exports a").get_attribute("href") == "./a%20b.csv"


def test_an_untouched_page_has_a_plain_address(visit, days):
    visit = visit(days)
    visit.page.wait_for_timeout(500)
    assert visit.page.url == days.as_uri()


@pytest.mark.parametrize(
    "hash",
    [
        "#<script>alert(1)</script>",
        "#map=NaN/x/y&days=a/b&off=nobody&photo=nothing",
        "#map=1e9/91/1e9&days=1e99/-1e99",
        "#map=Infinity/0/0&photo=__proto__&off=constructor&off-split=%00",
        "#%E0%A4%A&map=%",
    ],
)
def test_a_hostile_address_does_nothing(visit, days, hash):
    visit = visit(days, hash=hash)
    assert (visit.state("shown"), visit.state("opened")) == (10, -1)
    assert 0 <= visit.state("map.getZoom()") <= 22
    assert visit.state("drawn") == 10
