"""The KML file: what it says, and that its elements stand in the order of OGC's schema."""

from xml.etree import ElementTree as ET

import pytest

from granpipe.dataset.names import Photo
from granpipe.mapping.feature import Feature, MapOptions
from granpipe.mapping.kml import write_kml
from granpipe.photo.exif import Capture
from granpipe.photo.gps import Position

KML = "{http://www.opengis.net/kml/2.2}"
# OGC 07-147r2: each of these is a sequence in the schema; what granpipe never writes is left out.
ORDER = {
    "Document": ["name", "Style", "Schema", "Folder"],  # features stand behind the schema
    "Folder": ["name", "Placemark"],
    "Placemark": ["name", "description", "TimeStamp", "styleUrl", "ExtendedData", "Point"],
    "Style": ["IconStyle", "BalloonStyle"],
}
HOSTILE = "</name><script>alert(1)</script>&amp;$[description]]]>\x00\x1b\r\n\ufffe\udc80{{7*7}}"

FEATURES = [
    Feature(Photo("a.jpg"), Capture("ok", "", Position(46.9, 7.4))),
    Feature(
        Photo("corn/b.jpg"),
        Capture(
            *("ok", "", Position(-33.9, 18.4, -2.5, 271.7), "2024-06-27T15:10:02", "+02:00"),
            *("Google", "Pixel 7"),
        ),
    ),
    Feature(Photo("corn/c.jpg"), Capture("no_gps")),
    Feature(Photo("wheat/d.jpg"), Capture("no_exif")),
]


def read(features=FEATURES, **options) -> ET.Element:
    return ET.fromstring("".join(write_kml(features, MapOptions("img", **options))).encode())


def texts(root: ET.Element, path: str) -> list[str]:
    return [node.text for node in root.iterfind(path, {"": KML[1:-1]})]


def test_each_class_is_a_folder_of_placemarks_at_longitude_latitude_and_height():
    root = read()
    assert texts(root, ".//Folder/name") == ["(no class)", "corn", "wheat"]
    assert texts(root, ".//Placemark/name") == ["a.jpg", "corn/b.jpg"]
    assert texts(root, ".//Point/coordinates") == ["7.4,46.9", "18.4,-33.9,-2.5"]
    assert texts(root, ".//TimeStamp/when") == ["2024-06-27T15:10:02+02:00"]
    styles = {node.get("id") for node in root.iter(f"{KML}Style")}
    assert texts(root, ".//Placemark/styleUrl") == ["#class-0", "#class-1"]
    assert {"class-0", "class-1"} <= styles
    data = {node.get("name"): node.text for node in root.iter(f"{KML}SimpleData")}
    assert (data["model"], data["direction"], data["altitude"]) == ("Pixel 7", "271.7", "-2.5")


def test_elements_stand_in_the_order_of_the_schema():
    root = read(links="./img/", folder="./img/")
    for parent, order in ORDER.items():
        nodes = list(root.iter(KML + parent))
        assert nodes
        for node in nodes:
            places = [order.index(child.tag.removeprefix(KML)) for child in node]
            assert places == sorted(places), parent


def test_a_number_is_typed_as_a_number_even_where_none_is_known():
    kinds = {node.get("name"): node.get("type") for node in read([]).iter(f"{KML}SimpleField")}
    assert kinds["altitude"] == kinds["latitude"] == "double"
    assert kinds["source"] == kinds["taken_at"] == "string"


@pytest.mark.parametrize("has_splits", [True, False])
def test_every_cell_is_of_a_column_that_the_schema_names(has_splits):
    one = Feature(Photo("a/b.jpg"), FEATURES[1].capture, split="train", group="g1")
    root = read([one], has_splits=has_splits)
    named = [node.get("name") for node in root.iter(f"{KML}SimpleField")]
    cells = {node.get("name"): node.text for node in root.iter(f"{KML}SimpleData")}
    assert cells.keys() <= set(named)
    assert (cells.get("split") == "train") == has_splits


def test_the_balloon_tells_an_altitude_of_nothing():
    root = read([Feature(Photo("a.jpg"), Capture("ok", "", Position(1, 1, 0.0)))])
    assert "altitude: 0.0" in texts(root, ".//Placemark/description")[0]


def test_more_classes_than_colours_share_styles():
    place = Capture("ok", "", Position(1, 1))
    root = read([Feature(Photo(f"{label:02}/a.jpg"), place) for label in range(20)])
    styles = {node.get("id") for node in root.iter(f"{KML}Style")}
    named = [url.removeprefix("#") for url in texts(root, ".//Placemark/styleUrl")]
    assert len(styles) == 8
    assert set(named) == styles


def test_hostile_text_stays_text():
    capture = Capture("ok", "", Position(1, 1), "", "", HOSTILE, HOSTILE)
    root = read([Feature(Photo(f"{HOSTILE}/{HOSTILE}.jpg"), capture)], links="./img/")
    assert not list(root.iter(f"{KML}script"))
    [name] = texts(root, ".//Placemark/name")
    assert name.startswith("</name><script>alert(1)</script>&amp;$[description]]]>\\u0000\\u001b")
    [description] = texts(root, ".//Placemark/description")
    assert description.count("<") == description.count("<br>") + 1  # and the picture
    assert "$[" not in description
    assert '"' not in description.partition('src="')[2].partition('"')[0]


@pytest.mark.parametrize(("links", "pictures"), [("./img/", 1), (None, 0)])
def test_the_balloon_has_the_picture_where_there_are_links(links, pictures):
    root = read([Feature(Photo("a b?.jpg"), Capture("ok", "", Position(1, 1)))], links=links)
    [description] = texts(root, ".//Placemark/description")
    assert description.count('<img src="./img/a%20b%3F.jpg"') == pictures


@pytest.mark.extras
def test_gdal_reads_folders_as_layers_with_typed_columns(tmp_path):
    pyogrio = pytest.importorskip("pyogrio", reason="pyogrio (GDAL) is not installed")
    (tmp_path / "fields.kml").write_text("".join(write_kml(FEATURES, MapOptions("img"))), "utf-8")
    layers = [name for name, _ in pyogrio.list_layers(tmp_path / "fields.kml")]
    assert layers[:2] == ["(no class)", "corn"]
    corn = pyogrio.read_info(tmp_path / "fields.kml", layer="corn")
    assert corn["features"] == 1
