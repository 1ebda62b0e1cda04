"""The page that a farmer posts from, in Chromium, as a phone shows it."""

import re
from pathlib import Path

import pytest

from conftest import picture, rows, save
from harm import until
from pages import PHONE, TOUCH, Visit, chromium, violations

TOKEN = "sesame-1"
MANY = 10
PLACED, UNPLACED = "prepared, with position", "prepared, without position"
PLACE = {"latitude": 7.29, "longitude": 80.63, "accuracy": 12}


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture
def phone(browser):
    """Make a phone: a browser that knows no page yet, and where it is."""
    opened = []

    def make(**options):
        width, height = PHONE
        options = {"viewport": {"width": width, "height": height}, "geolocation": PLACE} | options
        opened.append(browser.new_context(permissions=["geolocation"], **TOUCH, **options))
        return opened[-1]

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def path(online):
    path = online(GRANPIPE_TOKEN=TOKEN)
    path.web()
    return path


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    """Return photographs that say nothing of their place."""
    names = [tmp_path / f"phone/IMG_{number}.jpg" for number in range(MANY)]
    for number, name in enumerate(names):
        save(name, picture(640, 480, number))
    return names


def visit(context, path, address="/#" + TOKEN) -> Visit:
    visit = Visit(context.new_page())
    visit.page.goto(f"http://127.0.0.1:{path.port}{address}")
    visit.page.wait_for_selector("#desk:visible, #token-form:visible")
    return visit


class Network:
    """The network of a page: a slow one."""

    def __init__(self, page) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("Network.enable")
        self.cut(False)

    def cut(self, is_cut: bool) -> None:
        slow = {"latency": 50, "downloadThroughput": -1, "uploadThroughput": 40_000}
        self.session.send("Network.emulateNetworkConditions", {"offline": is_cut} | slow)


def choose(page, photos, crop="corn") -> None:
    page.select_option("#crop", "/new")
    page.fill("#new-crop", crop)
    page.set_input_files("#choose", photos)


def states(page) -> list[str]:
    """Return what the page says of each photograph, in the order in which they were chosen."""
    texts = reversed(page.locator("#photos li").all_inner_texts())
    return [text.partition("\n")[2].partition("\n")[0] for text in texts]


def status(page) -> str:
    return page.inner_text("#status")


def received(path) -> list[Path]:
    return sorted(path.source.glob("corn/*.jpg"))


def test_nothing_is_lost_or_doubled_where_the_network_is_cut_and_the_page_reloaded(
    phone, path, photos, granpipe
):
    page = visit(phone(), path).page
    network = Network(page)
    choose(page, photos)
    until(lambda: len(received(path)) >= 3)
    network.cut(True)
    until(lambda: status(page).startswith("No network: "))
    assert 0 < len(received(path)) < MANY
    assert f"{MANY - len(received(path))} waiting" in status(page)
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        page.reload()
    network.cut(False)
    page.goto(f"http://127.0.0.1:{path.port}/")
    until(lambda: status(page) == f"All sent: {MANY}.")
    path.worker()
    until(lambda: states(page) == MANY * [f"{UNPLACED}. It is blurred."])
    assert len(received(path)) == MANY == path.arrays()
    assert len({one.read_bytes() for one in received(path)}) == MANY
    granpipe("prepare", path.source, path.output)
    assert len(rows(path.output / "labels.csv")) == MANY
    page.click("#clear")
    until(lambda: page.locator("#photos li").count() == 0)


def test_a_photograph_without_a_position_has_the_browsers(phone, path, photos, granpipe, tmp_path):
    page = visit(phone(), path).page
    path.worker()
    page.check("#agree")
    photos[0].touch()  # taken just now, and photos[1] an hour ago
    choose(page, photos[:2])
    until(lambda: [text.split(".")[0] for text in states(page)] == [PLACED, UNPLACED])
    (feature,) = path.ask("/positions.geojson", Authorization=f"Bearer {TOKEN}").json["features"]
    assert feature["geometry"]["coordinates"] == [80.63, 7.29]
    granpipe("map", path.source, "-o", tmp_path / "map.csv")
    granpipe("prepare", path.source, path.output)
    for table in (tmp_path / "map.csv", path.output / "labels.csv"):
        (row,) = [row for row in rows(table) if row["latitude"]]
        assert (float(row["latitude"]), float(row["longitude"])) == (7.29, 80.63)


def test_the_access_code_is_asked_for_once_and_opens_the_map(phone, path, photos):
    context = phone()
    page = visit(context, path, "/").page
    for code in ("wrong", "\N{LEFT DOUBLE QUOTATION MARK}wrong", TOKEN):
        page.evaluate("showProblem('')")
        page.fill("#token", code)
        page.press("#token", "Enter")
        until(lambda: page.is_hidden("#token-form") or page.is_visible("#problem"))
        assert page.is_visible("#desk") == (code == TOKEN)
    assert page.is_hidden("#problem")
    page.reload()
    page.wait_for_selector("#desk:visible")
    choose(page, photos[:1])
    until(lambda: status(page) == "All sent: 1.")
    page.click("#map")
    until(lambda: page.url.endswith("/map"))
    until(lambda: page.title().endswith("map of photographs"))


def test_what_the_server_does_not_take_is_said_and_the_rest_goes_on(phone, path, photos, tmp_path):
    (tmp_path / "notes.jpg").write_bytes(b"no picture")
    page = visit(phone(), path).page
    page.set_input_files("#choose", photos[:1])
    assert page.inner_text("#problem") == "Choose the crop first."
    choose(page, [tmp_path / "notes.jpg", photos[0]])
    until(lambda: status(page) == "All sent: 1.")
    assert states(page)[0].startswith("not taken, unreadable")
    choose(page, photos[:1], crop="wheat")
    until(lambda: "as corn" in states(page)[-1])
    assert len(received(path)) == 1


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(phone, path, photos, tmp_path):
    from granpipe.service.intake import LARGEST

    files = [tmp_path / "largest.jpg", tmp_path / "too-large.jpg"]
    for number, file in enumerate(files):
        file.write_bytes(b"x" * (LARGEST + number))
    seen = visit(phone(), path)
    choose(seen.page, [*files, photos[0]])
    until(lambda: status(seen.page) == "All sent: 1.")
    said = ["not taken, unreadable: is no picture, whatever its name says."]
    said += ["not taken, it has more than 40 MB.", "received, not yet prepared."]
    assert states(seen.page) == said
    assert [url.rpartition("/")[2] for url in seen.requests].count("post_image") == 2
    seen.page.reload()
    until(lambda: states(seen.page)[:2] == said[:2])


def test_what_the_server_does_not_take_is_said_in_the_phones_language(
    phone, path, photos, tmp_path
):
    (tmp_path / "notes.jpg").write_bytes(b"no picture")
    page = visit(phone(locale="es-PE"), path).page
    choose(page, [tmp_path / "notes.jpg", photos[0]])
    choose(page, photos[:1], crop="trigo")
    until(lambda: len(states(page)) == 3 and "enviar" not in status(page))
    answer = {"status": 422, "json": {"error": "is quite new", "reason": "of_tomorrow"}}
    page.route("**/post_image", lambda route: route.fulfill(**answer))
    choose(page, photos[1:2])
    until(lambda: len(states(page)) == 4 and "enviar" not in status(page))
    said = ["no es una foto o está dañada", "la misma foto ya está, con otro cultivo"]
    assert [text for text in states(page) if "no aceptada" in text] == [
        f"no aceptada, {why}." for why in [*said, "is quite new"]
    ]
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photos[2].read_bytes()[:-100])
    page.unroute("**/post_image")
    choose(page, [cut])
    path.worker()
    until(lambda: states(page)[-1] == "no sirve, está incompleta o dañada.")
    page.select_option("#language", "en")
    assert states(page)[0].startswith("not taken, unreadable: is no picture")
    assert states(page)[-1].startswith("not usable, truncated: ")


def test_a_photograph_that_was_deleted_holds_up_no_other(phone, path, photos):
    page = visit(phone(), path).page
    choose(page, photos[:1])
    until(lambda: status(page) == "All sent: 1.")
    address = f"http://127.0.0.1:{path.port}/photographs/{received(path)[0].stem}"
    assert page.request.delete(address, headers={"Authorization": f"Bearer {TOKEN}"}).ok
    until(lambda: states(page) == ["deleted on the server."])
    choose(page, photos[:2])
    until(lambda: status(page) == "All sent: 2.")
    assert states(page)[1].startswith("not taken, this photograph was deleted")
    assert len(received(path)) == 1


def test_two_tabs_send_what_waits_once_and_say_the_same(phone, path, photos):
    context = phone()
    context.route("**/post_image", lambda route: route.abort())
    pages = [visit(context, path).page]
    choose(pages[0], photos[:3])
    until(lambda: status(pages[0]).startswith("No network: 3 waiting"))
    pages.append(visit(context, path).page)
    until(lambda: len(states(pages[1])) == 3)
    context.unroute("**/post_image")
    for page in pages:
        until(lambda page=page: status(page) == "All sent: 3.", patience=60)
        assert set(states(page)) == {"received, not yet prepared."}
    assert len(received(path)) == 3


def test_photographs_are_kept_before_the_position_is_known(phone, path, photos):
    page = visit(phone(geolocation=None), path).page
    page.check("#agree")
    photos[0].touch()
    choose(page, photos[:1])
    until(lambda: len(states(page)) == 1)
    page.reload()
    page.wait_for_selector("#desk:visible")
    until(lambda: status(page) == "All sent: 1.")
    assert len(received(path)) == 1


def test_a_browser_that_keeps_nothing_is_said_to(phone, path, photos):
    context = phone()
    context.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    page = visit(context, path, "/#%zz").page
    page.fill("#token", TOKEN)
    page.press("#token", "Enter")
    page.wait_for_selector("#desk:visible")
    choose(page, photos[:1])
    until(lambda: page.is_visible("#problem"))
    assert page.inner_text("#problem").startswith("This browser keeps nothing")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_anybody_can_use_it(phone, path, photos, scheme, width):
    context = phone(viewport={"width": width, "height": 800}, color_scheme=scheme)
    seen = visit(context, path)
    page = seen.page
    choose(page, photos[:2])
    until(lambda: status(page) == "All sent: 2.")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(seen, "wcag2aaa") == []  # a contrast of 7:1
    page.focus("#crop")
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    assert reached == ["new-crop", "agree", "camera", "choose", "clear", "map"][:4] + reached[4:]
    assert "map" in reached
    assert {re.sub(r"^(http://127.0.0.1:\d+)?/.*", "here", url[:40]) for url in seen.requests} == {
        "here"
    }
    assert seen.messages == []


def test_it_speaks_the_phones_language(phone, path):
    page = visit(phone(locale="es-PE"), path).page
    assert page.inner_text("h1") == "Fotos del campo"
    page.select_option("#language", "en")
    assert page.inner_text("h1") == "Field photographs"
    page.reload()
    page.wait_for_selector("#desk:visible")
    assert page.inner_text("h1") == "Field photographs"
    keys = page.evaluate("[...languages.values()].map(({texts}) => Object.keys(texts))")
    assert all(one == keys[0] for one in keys)


def test_it_is_one_small_file(path):
    answer = path.ask("/")
    assert answer.status == 200
    assert len(answer.body) <= 40_000
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
