"""What is laid over the map: GeoJSON and KML from anywhere."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from granpipe.errors import DatasetError
from granpipe.jobs.photomap import map_photos
from granpipe.mapping import overlay
from granpipe.mapping.overlay import read_overlays
from granpipe.mapping.shape import AREA, LINE, PLACE, Shape

import exif_blocks as eb
from pages import (
    DESKTOP,
    OPEN_ALL,
    PHONE,
    TOUCH,
    feature,
    make_page,
    violations,
    write_page,
)

SQUARE = [[7.44, 46.94], [7.46, 46.94], [7.46, 46.96], [7.44, 46.96], [7.44, 46.94]]
HOLE = [[7.45, 46.95], [7.455, 46.95], [7.455, 46.955], [7.45, 46.95]]
NAME = "<img src=x onerror=alert(1)>{{7*7}}\u202e"
KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>not this</name>
<Placemark><name> North &lt;1&gt;
 field </name><description>x</description><MultiGeometry><Polygon>
<outerBoundaryIs><LinearRing><coordinates>
7.44,46.94,5 7.46,46.94,5 7.46,46.96,5 7.44,46.94,5</coordinates></LinearRing></outerBoundaryIs>
<innerBoundaryIs><LinearRing><coordinates>7.45,46.945 7.455,46.945 7.455,46.95</coordinates>
</LinearRing></innerBoundaryIs></Polygon>
<LineString><coordinates>7,46 7.5,46.5</coordinates></LineString></MultiGeometry></Placemark>
<Placemark><Point><coordinates>7.4,46.9</coordinates></Point></Placemark></Document></kml>"""


def shape(kind: str, coordinates, **properties) -> dict:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: dict) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def save(folder: Path, text: str | bytes, name: str = "fields.geojson") -> Path:
    data = text.encode("utf-8") if isinstance(text, str) else text
    (folder / name).write_bytes(data)
    return folder / name


def ring(places: list[list[float]]) -> tuple:
    return tuple((lon, lat) for lon, lat in places)


# Reading


def test_every_geometry_of_geojson_is_read(tmp_path):
    nested = {
        "type": "GeometryCollection",
        "geometries": [{"type": "Point", "coordinates": [1, 2]}],
    }
    file = save(
        tmp_path,
        collection(
            shape("Polygon", [SQUARE, HOLE], Name="North"),
            shape("MultiPolygon", [[SQUARE], [HOLE]], name="", title=7),
            shape("LineString", [[7, 46, 500], [8, 47, 510]]),
            shape("MultiLineString", [[[7, 46], [8, 47]], [[1, 2], [3, 4]]]),
            shape("MultiPoint", [[7, 46], [8, 47]]),
            {"type": "Feature", "geometry": nested, "properties": None, "id": "well"},
            {"type": "Feature", "geometry": None, "properties": {}},
            shape("Polygon", [[[7, 46], [8, 47]]]),  # shows nothing
        ),
    )
    assert read_overlays([file]) == (
        Shape("North", AREA, ((ring(SQUARE), ring(HOLE)),)),
        Shape("7", AREA, ((ring(SQUARE),), (ring(HOLE),))),
        Shape("", LINE, ((((7, 46), (8, 47)),),)),
        Shape("", LINE, ((((7, 46), (8, 47)),), (((1, 2), (3, 4)),))),
        Shape("", PLACE, ((((7, 46), (8, 47)),),)),
        Shape("well", PLACE, ((((1, 2),),),)),
    )


@pytest.mark.parametrize(
    "system",
    ["OGC:1.3:CRS84", "EPSG::4326", "EPSG:6.9:4326"],
)
def test_wgs_84_is_known_by_its_names(tmp_path, system):
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{system}"}}
    file = save(tmp_path, json.dumps({**shape("Point", [7, 46]), "crs": crs}))
    assert read_overlays([file]) == (Shape("", PLACE, ((((7, 46),),),)),)


def test_a_ring_of_kml_that_is_no_polygon_s_is_a_line(tmp_path):
    ring = "<LinearRing><coordinates>7,46 8,46 8,47 7,46</coordinates></LinearRing>"
    file = save(tmp_path, f"<kml><Placemark>{ring}</Placemark></kml>")
    assert read_overlays([file]) == (Shape("", LINE, ((((7, 46), (8, 46), (8, 47), (7, 46)),),)),)


def test_kml_is_read_whatever_the_file_is_called(tmp_path):
    outer = ((7.44, 46.94), (7.46, 46.94), (7.46, 46.96), (7.44, 46.94))
    inner = ((7.45, 46.945), (7.455, 46.945), (7.455, 46.95))
    expected = (
        Shape("North <1> field", AREA, ((outer, inner),)),
        Shape("North <1> field", LINE, ((((7, 46), (7.5, 46.5)),),)),
        Shape("", PLACE, ((((7.4, 46.9),),),)),
    )
    for text in (
        KML,
        b"\xef\xbb\xbf" + KML.encode(),
        KML.replace("UTF-8", "UTF-16").encode("utf-16"),
    ):
        assert read_overlays([save(tmp_path, text)]) == expected


BOMB = """<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">
<!ENTITY file SYSTEM "file:///etc/passwd">]><kml><Placemark><name>&b;&file;</name></Placemark></kml>"""
LAMBERT = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2056"}}
HOSTILE = {
    "empty": ("", "neither GeoJSON nor KML"),
    "text": ("lat,lon\n1,2", "neither GeoJSON nor KML"),
    "archive": (b"PK\3\4" + bytes(99), "archive"),
    "json": ("{", "damaged"),
    "other json": ('{"type": "Topology"}', "unknown"),
    "a list": ("[1, 2]", "damaged"),
    "nothing": (collection(), "has no areas"),
    "deep": ("[" * 100_000, "too deep"),
    "deep geometry": ('{"type":"GeometryCollection","geometries":[' * 50_000, "too deep"),
    "words": (collection(shape("Point", ["7", "46"])), "no pair of numbers"),
    "alone": (collection(shape("Point", [7])), "damaged"),
    "no list": (collection(shape("Polygon", {"a": 1})), "list of GeoJSON is missing"),
    "shallow": (collection(shape("Polygon", SQUARE)), "damaged"),
    "nan": ('{"type": "Point", "coordinates": [NaN, 1]}', "NaN is no number"),
    "huge": ('{"type": "Point", "coordinates": [1e999, 1]}', "not in WGS 84"),
    "long number": (f'{{"type": "Point", "coordinates": [{"9" * 400}, 1]}}', "damaged"),
    "longer number": (f'{{"type": "Point", "coordinates": [{"9" * 9999}, 1]}}', "damaged"),
    "metres": (collection(shape("Point", [2600000, 1200000])), "EPSG:4326"),
    "system": (json.dumps({**shape("Point", [7, 46]), "crs": LAMBERT}), "EPSG:4326"),
    "like it": (json.dumps({**shape("Point", [7, 46]), "crs": "EPSG:43260"}), "EPSG:4326"),
    "entities": (BOMB, "document type"),
    "html": ("<html><body></body></html>", "kml is missing"),
    "cut": (KML[:300], "damaged"),
    "coding": ('<?xml version="1.0" encoding="who-knows"?><kml></kml>', "damaged"),
    "kml words": (KML.replace("7.4,46.9<", "a,b<"), "damaged"),
    "kml half": (KML.replace("7.4,46.9<", "7.4<"), "damaged"),
    "kml nan": (KML.replace("7.4,46.9<", "nan,inf<"), "not in WGS 84"),
    "bytes": (bytes(range(256)), "neither"),
    "surrogate": (b'{"type": "\xff"}', "damaged"),
}


@pytest.mark.parametrize(("text", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_one_line(granpipe, tmp_path, text, words):
    (tmp_path / "a.jpg").write_bytes(eb.jpeg_at(46.95, 7.45))
    file = save(tmp_path, text)
    result = granpipe("map", tmp_path, "-o", tmp_path / "m.html", "--overlay", file, code=1)
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr
    assert f"{file}: " in result.stderr and words in result.stderr
    assert len(result.stderr) < 400
    assert not (tmp_path / "m.html").exists()


def test_a_file_has_a_size_that_it_may_have(tmp_path, monkeypatch):
    file = save(tmp_path, collection(shape("Polygon", [SQUARE])))
    monkeypatch.setattr(overlay, "MOST_POSITIONS", 9)
    assert read_overlays([file])
    with pytest.raises(DatasetError, match="too many positions"):
        read_overlays([file, file])
    monkeypatch.setattr(overlay, "LARGEST", 100)
    with pytest.raises(DatasetError, match="is larger than"):
        read_overlays([file])
    for name in ("missing.kml", "."):
        with pytest.raises(DatasetError, match="name a file to overlay"):
            read_overlays([tmp_path / name])


@pytest.mark.parametrize("where", ["map.html", "map.csv"])
def test_parcels_leave_no_page_that_is_redacted(granpipe, tmp_path, where):
    (tmp_path / "a.jpg").write_bytes(eb.jpeg_at(46.95, 7.45))
    file = save(tmp_path, collection(shape("Polygon", [SQUARE])))
    options = ("-o", tmp_path / where, "--overlay", file, "--redact", 2)
    assert "give it or --overlay" in granpipe("map", tmp_path, *options, code=2).stderr
    with pytest.raises(ValueError, match="give it or overlay"):
        map_photos(tmp_path, tmp_path / where, overlay=file, redact=2)
    assert not (tmp_path / where).exists()


def test_the_page_holds_no_path_of_the_overlay_and_has_the_same_bytes_again(granpipe, tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "a.jpg").write_bytes(eb.jpeg_at(46.95, 7.45))
    file = save(tmp_path / "secret", collection(shape("Polygon", [SQUARE], name="North")))
    pages = []
    for name in ("m.html", "n.html"):
        granpipe("map", tmp_path, "-o", tmp_path / name, "--overlay", file, "--overlay", file)
        pages.append((tmp_path / name).read_text("utf-8"))
    assert pages[0] == pages[1]
    assert "secret" not in pages[0]
    assert pages[0].count('"North"') == 2


# The page


@pytest.fixture
def laid(tmp_path) -> Path:
    file = save(
        tmp_path,
        collection(
            shape("Polygon", [SQUARE, HOLE], name=NAME),
            shape("LineString", [[7.43, 46.93], [7.47, 46.93]], name="way"),
            shape("Point", [7.47, 46.95]),
        ),
    )
    places = [feature(f"corn/{k}.jpg", 46.935 + k / 100, 7.435 + k / 100) for k in range(4)]
    return write_page(tmp_path, places, overlay=read_overlays([file]))


def yellow(visit) -> int:
    """Return how many pixels of the map have the colour of outlines."""
    shot = visit.page.locator("#chart").screenshot()
    pixels = Image.open(io.BytesIO(shot)).convert("RGB").get_flattened_data()
    return sum(abs(r - 255) + abs(g - 216) + abs(b - 77) < 12 for r, g, b in pixels)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_parcels_are_drawn_named_and_switched(visit, laid, scheme):
    visit = visit(laid, color_scheme=scheme)
    assert yellow(visit) > 500
    visit.page.mouse.click(*visit.at(46.955, 7.442))
    visit.page.wait_for_selector(".leaflet-popup")
    shown = NAME.replace("\u202e", "\\u202e")
    # 1523 by 2223 m, without half of 381 by 556 m.
    assert visit.texts(".leaflet-popup-content") == [f"{shown} 328 ha"]
    visit.page.keyboard.press("Escape")
    visit.page.mouse.click(*visit.at(46.951, 7.454))  # the hole
    visit.page.wait_for_timeout(300)
    assert visit.page.locator(".leaflet-popup").count() == 0
    visit.page.mouse.click(*visit.at(46.935, 7.435))  # photographs lie above
    assert visit.state("opened") == 0
    visit.page.keyboard.press("Escape")
    visit.unfold("overlay")
    assert visit.texts("#overlay li") == [f"{shown}328 ha", "way3 km", "(no name)"]
    visit.page.locator("#overlay li button").nth(1).click()
    assert visit.texts(".leaflet-popup-content")[-1] == "way 3 km"
    visit.page.click("#show-overlay")
    assert yellow(visit) == 0
    assert visit.requests == [laid.as_uri()]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["mouse", "touch"])
def test_axe_finds_nothing_where_parcels_lie(visit, laid, size):
    visit = visit(laid, size, **(TOUCH if size == PHONE else {}))
    visit.page.evaluate(OPEN_ALL)
    visit.page.locator("#overlay li button").first.click()
    assert violations(visit) == []


def test_parcels_on_both_sides_of_the_date_line_are_drawn(visit, tmp_path):
    east = [[-179.99, -17], [-179.9, -17], [-179.9, -16.9], [-179.99, -17]]
    file = save(tmp_path, collection(shape("Polygon", [east])))
    (tmp_path / "img").mkdir()
    for name, lon in (("a", 179.9), ("b", -179.8)):
        (tmp_path / f"img/{name}.jpg").write_bytes(eb.jpeg_at(-16.95, lon))
    visit = visit(make_page(tmp_path, overlay=str(file)))
    assert yellow(visit) > 50


def test_without_parcels_nothing_speaks_of_them(visit, season):
    assert visit(season).page.locator("#overlay").is_hidden()
