"""The fields that photographs show: drawn land, contradictions, formats, and hostile files."""

import itertools
import json
import random
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from granpipe.dataset.database import Database
from granpipe.survey.fields import Fields, views_of
from granpipe.survey.parcels import ParcelFile

import exif_blocks as eb
from conftest import SMALL, assert_one_line, picture, put, rows, tree
from draw_parcels import CROPS, DEGREE, Land, Shot
from pages import page_data

pytestmark = pytest.mark.slow
COLUMNS = ("field", "field_distance", "field_crop", "field_sure")


def shoot(path: Path, lat: float, lon: float, seed: int = 0, **gps: eb.Value) -> Path:
    """Write a photograph."""
    tags = {"lat": eb.dms(lat), "lon": eb.dms(lon)}
    tags |= {
        "lat_ref": eb.text("S" if lat < 0 else "N"),
        "lon_ref": eb.text("W" if lon < 0 else "E"),
    }
    table = eb.gps(**{name: one for name, one in (tags | gps).items() if name != "north"})
    table |= {16: eb.text("T")} if "north" not in gps else {16: gps["north"]}
    return put(path, eb.jpeg(eb.block(table), picture=picture(24, 18, seed)))


def take(path: Path, shot: Shot, seed: int) -> Path:
    looking = {} if shot.direction is None else {"direction": eb.rational(round(shot.direction, 2))}
    accuracy = eb.rational(shot.accuracy)
    return shoot(path, shot.lat, shot.lon, seed, accuracy=accuracy, **looking)


def square(name: str, lat: float, lon: float, metres: float, crop: str = "maize") -> dict:
    """Return a square field whose south-west corner is there."""
    up = metres / DEGREE
    aside = up / np.cos(np.radians(lat))
    corners = [(0, 0), (aside, 0), (aside, up), (0, up), (0, 0)]
    ring = [[lon + x, lat + y] for x, y in corners]
    properties = {"field_id": name, "crop": crop}
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def write(path: Path, features: list[dict], **more) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features} | more))
    return path


def fields_of(out: Path) -> dict[str, list[str]]:
    """Return what labels.csv says of the fields, by the name of the photograph."""
    return {
        Path(row["source"]).stem: [row[name] for name in COLUMNS]
        for row in rows(out / "labels.csv")
    }


def judge(land: Land, shots: list[Shot], file: Path) -> Counter:
    """Return how many photographs are how sure of which field, right or wrong."""
    file.write_text(land.geojson())
    fields = Fields(Database(""))
    views = views_of((one.lat, one.lon, one.accuracy, one.direction, "true", "") for one in shots)
    fields.find(ParcelFile(str(file)), views)
    found = dict(fields.rows())
    return Counter(
        (one.sure, one.name == shots[photo].field) for photo, one in found.items()
    ) + Counter({("nothing", False): len(shots) - len(found)})


@pytest.mark.parametrize("where", [(48, 11), (-17, 179.98), (84, -179.99), (-0.01, -0.02)])
def test_a_sure_field_is_wrong_in_under_one_of_a_hundred(tmp_path, rng, where):
    """Photographs from roads to both sides, by compasses and positions that are off."""
    land = Land(rng, *where)
    counts = judge(land, [land.shot(has_direction=True) for _ in range(1_500)], tmp_path / "p.json")
    sure = counts["yes", True] + counts["yes", False]
    assert sure > 300
    assert counts["yes", False] < 0.01 * sure


def test_without_a_direction_nothing_is_sure_at_the_edge(tmp_path, rng):
    land = Land(rng, 48, 11)
    counts = judge(
        land, [land.shot(has_direction=False) for _ in range(1_500)], tmp_path / "p.json"
    )
    assert counts["yes", False] <= 2
    assert counts["near", True] > counts["near", False]


def test_contradictions_that_are_planted_are_found_and_none_is_invented(
    granpipe, src, out, tmp_path
):
    rng = random.Random(7)  # one of some thousand sure fields is wrong, and may be so anew
    land = Land(rng, 48, 11)
    (tmp_path / "parcels.geojson").write_text(land.geojson())
    wrong = {}
    for number in range(250):
        shot = land.shot(has_direction=True)
        label = shot.crop
        if number % 10 == 0:
            label = rng.choice([crop for crop in CROPS if crop != shot.crop])
            wrong[f"{label}/{number:03}.jpg"] = shot.crop
        take(src / f"{label}/{number:03}.jpg", shot, number)
    asked = ("prepare", src, out, *SMALL, "--fields", tmp_path / "parcels.geojson")
    planned = granpipe(*asked, "--dry-run").stdout
    assert "contradicts: " in planned
    assert "the page" not in planned
    printed = granpipe(*asked).stdout
    found = {row["source"]: row["field_crop"] for row in rows(out / "conflicts.csv")}
    sure = {row["source"] for row in rows(out / "labels.csv") if row["field_sure"] == "yes"}
    assert len(sure) > 60
    assert found == {source: crop for source, crop in wrong.items() if source in sure}
    assert f"contradicts: {len(found)} photograph" in printed
    before = tree(out)
    again = granpipe("prepare", src, out, *SMALL, "--workers", 2)
    assert "(250 unchanged)" in again.output
    assert tree(out) == before
    granpipe("prepare", src, tmp_path / "two", *SMALL, "--workers", 2, "--fields", "none")
    assert not (tmp_path / "two/conflicts.csv").exists()
    granpipe("prepare", src, out, *SMALL, "--fields", "none")
    assert not (out / "conflicts.csv").exists()
    assert set(fields_of(out)["001"]) == {""}


def test_a_field_is_told_by_the_way_a_photograph_looks(granpipe, src, out, tmp_path):
    """Two fields of 100 metres, and a road of 20 metres between them."""
    east = 120 / (DEGREE * np.cos(np.radians(48)))
    fields = [square("west", 48, 11, 100), square("east", 48, 11 + east, 100)]
    middle = 48 + 50 / DEGREE
    road = 11 + 110 / 120 * east
    good = {"accuracy": eb.rational(3)}
    shoot(src / "maize/in.jpg", middle, 11 + 50 / 120 * east, 1, accuracy=eb.rational(5))
    shoot(src / "maize/west.jpg", middle, road, 2, direction=eb.rational(270), **good)
    shoot(src / "maize/east.jpg", middle, road, 3, direction=eb.rational(90), **good)
    shoot(src / "maize/along.jpg", middle, road, 4, direction=eb.rational(0), **good)
    shoot(src / "maize/blind.jpg", middle, road, 5, accuracy=eb.rational(30))
    shoot(src / "maize/edge.jpg", middle, road - 8 / 120 * east, 6, accuracy=eb.rational(5))
    shoot(src / "maize/lost.jpg", middle, road, 7, accuracy=eb.rational(300))
    shoot(src / "maize/far.jpg", 48.01, 11, 8)
    file = write(tmp_path / "p.geojson", fields)
    granpipe("prepare", src, out, *SMALL, "--fields", file)
    found = fields_of(out)
    assert found["in"] == ["west", "-50.0", "maize", "yes"]
    assert found["west"] == ["west", "10.0", "maize", "yes"]
    assert found["east"] == ["east", "10.0", "maize", "yes"]
    assert found["along"][3] == "ambiguous"
    assert found["blind"][3] == "ambiguous"
    assert found["edge"] == ["west", "2.0", "maize", "near"]
    assert found["lost"] == found["far"] == ["", "", "", ""]


@pytest.mark.parametrize(
    ("when", "degrees"),
    [("2025-04-01T12:00:00", 15.0656), ("2013-04-01", 16.4156)],  # as pygeomag documents
)
def test_magnetic_north_is_made_true_by_the_world_magnetic_model(when, degrees):
    pytest.importorskip("pygeomag", reason="needs the extra fields")
    view = views_of([(47.6205, -122.3493, 5, 350, "magnetic", when)])
    assert view.direction[0] == pytest.approx(350 + degrees - 360, abs=0.05)
    assert view.doubt[0] == 0


@pytest.mark.parametrize(
    ("place", "when", "north"),
    [
        ((48, 11), "", "magnetic"),
        ((48, 11), "2035-01-01T00:00:00", "magnetic"),
        ((85.8, 139), "2025-06-01T00:00:00", "magnetic"),  # near the pole of compasses
        ((48, 11), "2025-06-01T00:00:00", ""),
    ],
)
def test_a_north_that_nobody_knows_is_doubted(place, when, north):
    view = views_of([(*place, 5, 350, north, when)])
    assert (view.direction[0], view.doubt[0]) == (350, 15)


def test_without_the_model_magnetic_north_is_doubted(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygeomag.geomag", None)
    view = views_of([(12.3, 45.6, 5, 350, "magnetic", "2025-06-01T00:00:00")])
    assert (view.direction[0], view.doubt[0]) == (350, 15)


def test_a_magnetic_direction_is_doubted(granpipe, src, out, tmp_path):
    """The corner of a field, seen 40 degrees to the side of it: 15 degrees more see another."""
    east = 1 / np.cos(np.radians(48))
    fields = [square("north", 48, 11, 80), square("south", 48 - 80.5 / DEGREE, 11, 80)]
    lat, lon = 48 + 12 / DEGREE, 11 - 4 / DEGREE * east
    for name, north in (("true", "T"), ("magnetic", "M")):
        looks = {"direction": eb.rational(75), "accuracy": eb.rational(1), "north": eb.text(north)}
        shoot(src / f"maize/{name}.jpg", lat, lon, len(name), **looks)
    granpipe("prepare", src, out, *SMALL, "--fields", write(tmp_path / "p.geojson", fields))
    assert fields_of(out)["true"][::3] == ["north", "yes"]
    assert fields_of(out)["magnetic"][0] == "north"


def test_holes_parts_and_the_antimeridian_are_no_edges_of_the_world(granpipe, src, out, tmp_path):
    up = 400 / DEGREE
    ring = [[179.999, 0], [180, 0], [180, up], [179.999, up], [179.999, 0]]
    other = [[-180, 0], [-179.999, 0], [-179.999, up], [-180, up], [-180, 0]]
    crossing = [[179.999, 1], [-179.999, 1], [-179.999, 1 + up], [179.999, 1 + up], [179.999, 1]]
    beyond = [[179.999, 2], [180.001, 2], [180.001, 2 + up], [179.999, 2 + up], [179.999, 2]]
    hole = [[0, 0], [0.004, 0], [0.004, 0.004], [0, 0.004], [0, 0]]
    inner = [[0.001, 0.001], [0.001, 0.003], [0.003, 0.003], [0.003, 0.001], [0.001, 0.001]]
    cap = [[lon, 89.99] for lon in range(-180, 181, 10)]
    shapes = {
        "cut": ("MultiPolygon", [[ring], [other]]),
        "crossing": ("Polygon", [crossing]),
        "beyond": ("Polygon", [beyond]),
        "holed": ("Polygon", [hole, inner]),
        "pole": ("Polygon", [[*cap, [180, 90], [-180, 90], cap[0]]]),
    }
    features = [
        {
            "type": "Feature",
            "properties": {"field_id": name, "crop": "maize"},
            "geometry": {"type": kind, "coordinates": parts},
        }
        for name, (kind, parts) in shapes.items()
    ]
    middle = up / 2
    places = {"a_cut": (middle, 180), "b_crossing": (1 + middle, -179.9999)}
    places |= {"c_beyond": (2 + middle, -179.9999), "d_hole": (0.002, 0.002)}
    places |= {"e_ring": (0.0005, 0.002), "f_pole": (89.999, 123)}
    for number, (name, place) in enumerate(places.items()):
        shoot(src / f"maize/{name}.jpg", *place, number, accuracy=eb.rational(5))
    granpipe("prepare", src, out, *SMALL, "--fields", write(tmp_path / "p.geojson", features))
    found = fields_of(out)
    assert {name: one[0] for name, one in found.items()} == {
        **{"a_cut": "cut", "b_crossing": "crossing", "c_beyond": "beyond", "d_hole": ""},
        **{"e_ring": "holed", "f_pole": "pole"},
    }
    assert all(one[3] == "yes" for name, one in found.items() if one[0])
    assert float(found["a_cut"][1]) == pytest.approx(-111, abs=1)
    assert float(found["f_pole"][1]) == pytest.approx(-1_000, abs=5)


def test_photographs_of_one_field_stay_together(granpipe, src, out, tmp_path, rng):
    """A field of a kilometre, at both ends of which photographs are taken; and others."""
    fields = [square(f"f{number}", 48 + number / 10, 11, 1_000) for number in range(8)]
    for number, end in itertools.product(range(8), (0.002, 0.007)):
        lat, lon = 48 + number / 10 + end, 11 + end
        path = src / f"maize/{number}_{end}.jpg"
        shoot(path, lat, lon, accuracy=eb.rational(5))
        path.write_bytes(path.read_bytes() + bytes([number]))
    file = write(tmp_path / "p.geojson", fields)
    groups = ("--split", "60/20/20", "--keep-together")
    granpipe("prepare", src, out, *SMALL, *groups, "place:200", "--fields", file)
    assert len({row["group"] for row in rows(out / "labels.csv")}) == 16
    granpipe("prepare", src, out, *SMALL, *groups, "field", "--allow-empty")
    table = rows(out / "labels.csv")
    assert len({row["group"] for row in table}) == 8
    assert len({(row["group"], row["field"]) for row in table}) == 8
    line = granpipe("prepare", src, out, *SMALL, "--fields", "none", code=None).stderr
    assert "--keep-together field needs parcels" in line


def test_fields_that_change_change_the_tables_and_decode_nothing(granpipe, src, out, tmp_path):
    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    file = write(tmp_path / "p.geojson", [square("one", 48, 11, 200)])
    granpipe("prepare", src, out, *SMALL, "--fields", file)
    assert fields_of(out)["a"][0] == "one"
    write(file, [square("two", 48, 11, 200, "Wheat")])
    assert "(1 unchanged)" in granpipe("prepare", src, out, *SMALL).output
    assert fields_of(out)["a"] == ["two", "-37.2", "Wheat", "yes"]
    settings = json.loads((out / "dataset.json").read_text())["settings"]
    assert settings["fields"] == "p.geojson"


def test_crops_of_other_names_are_asked_for_and_a_table_tells_them(granpipe, src, out, tmp_path):
    crops = ("Mais", "Mais", "Mais", "WEIZEN", "Zuckerrübe")
    fields = [
        square(f"f{number}", 48 + number / 10, 11, 200, crop) for number, crop in enumerate(crops)
    ]
    for number, label in enumerate(("corn", "corn", "wheat", "wheat", "corn")):
        shoot(src / f"{label}/{number}.jpg", 48.0009 + number / 10, 11.0012, number)
    file = write(tmp_path / "p.geojson", fields)
    done = granpipe("prepare", src, out, *SMALL, "--fields", file)
    assert "declared crops that are no label: 'Mais' (3 photographs) and 2 more" in done.stderr
    assert "--crop-names" in done.stderr
    assert not (out / "conflicts.csv").exists()
    names = tmp_path / "names.csv"
    names.write_text("field_crop;label\nmais;corn\nMais;sweetcorn\nweizen;wheat\n")
    done = granpipe("prepare", src, out, *SMALL, "--crop-names", names)
    assert [(row["source"], row["field_crop"]) for row in rows(out / "conflicts.csv")] == [
        ("wheat/2.jpg", "Mais")
    ]
    assert "'Zuckerrübe' (1 photographs)" in done.stderr
    names.write_text("field_crop;label\nMais;\n")  # that is to be filled in
    done = granpipe("prepare", src, out, *SMALL, "--crop-names", names)
    assert "'Mais' (3 photographs)" in done.stderr


def test_the_map_draws_fields_and_lists_contradictions(granpipe, src, tmp_path):
    shoot(src / "maize/a.jpg", 48.0009, 11.0012, 1)
    shoot(src / "wheat/b.jpg", 48.1009, 11.0012, 2)
    fields = [square("one", 48, 11, 200), square("two", 48.1, 11, 200)]
    fields.append(square("none", 49, 11, 200))
    file = write(tmp_path / "p.geojson", fields)
    page, table = tmp_path / "map.html", tmp_path / "map.csv"
    done = granpipe("map", src, "-o", page, "-o", table, "--fields", file, "--thumbnails", 0)
    assert f"contradicts: 1 photograph; see {page}.\n" in done.stdout
    lone = granpipe("map", src, "-o", table, "--fields", file).stdout
    assert "contradicts: 1 photograph.\n" in lone
    data = page_data(page)
    assert [[*one[:2], *one[3:]] for one in data["overlay"]] == [
        ["one", 0, "maize", 0],
        ["two", 0, "maize", 0],
    ]
    assert data["conflicts"] == [[1, "two", "maize"]]
    assert [[row[name] for name in COLUMNS] for row in rows(table)] == [
        ["one", "-89.3", "maize", "yes"],
        ["two", "-89.1", "maize", "yes"],
    ]
    line = granpipe("map", src, "-o", page, "--fields", file, "--redact", 2, code=2).stderr
    assert "--redact leaves out exact positions; give it or --fields" in line


def test_the_page_shows_a_contradiction(visit, granpipe, src, tmp_path):
    shoot(src / "maize/a.jpg", 48.0009, 11.0012, 1)
    shoot(src / "wheat/b.jpg", 48.1009, 11.0012, 2)
    fields = [square("one", 48, 11, 200), square("two", 48.1, 11, 200)]
    file = write(tmp_path / "p.geojson", fields)
    granpipe("map", src, "-o", tmp_path / "map.html", "--fields", file, "--offline")
    opened = visit(tmp_path / "map.html")
    opened.unfold("conflicts")
    assert opened.texts("#conflicts .hint") == ["wheat, but field two is declared as maize"]
    opened.unfold("overlay")
    assert [text.split(":")[0] for text in opened.texts("#overlay .row")] == ["one", "two"]
    colours = "[...document.querySelectorAll('.swatch')].map((one) => one.style.background)"
    assert opened.page.evaluate(colours) == ["rgb(230, 159, 0)", "rgb(230, 159, 0)"]
    opened.page.locator("#conflicts .row").click()
    assert "b.jpg" in opened.page.locator(".popup").inner_text()


@pytest.mark.parametrize("ending", ["gpkg", "shp", "parquet"])
def test_other_formats_say_the_same(granpipe, src, out, tmp_path, rng, ending):
    pyogrio = pytest.importorskip("pyogrio", reason="needs the extra fields")
    shapely = pytest.importorskip("shapely", reason="needs the extra fields")
    land = Land(rng, 48, 11)
    (tmp_path / "p.geojson").write_text(land.geojson())
    for number in range(40):
        take(src / f"maize/{number}.jpg", land.shot(has_direction=True), number)
    features = json.loads(land.geojson())["features"]
    shapes = shapely.to_wkb([shapely.geometry.shape(one["geometry"]) for one in features])
    columns = [
        np.array([one["properties"][name] for one in features], object)
        for name in ("field_id", "crop")
    ]
    path = tmp_path / f"p.{ending}"
    if ending == "parquet":
        write_parquet(path, shapes, columns)
    else:
        names = {"fields": ["field_id", "crop"], "geometry_type": "Polygon", "crs": "EPSG:4326"}
        pyogrio.raw.write(path, np.array(shapes), columns, **names)
    granpipe("prepare", src, out, *SMALL, "--fields", tmp_path / "p.geojson")
    expected = (out / "labels.csv").read_bytes()
    granpipe("prepare", src, out, *SMALL, "--fields", path)
    assert (out / "labels.csv").read_bytes() == expected
    line = granpipe("prepare", src, out, *SMALL, "--field-id", "nr", code=1).stderr
    assert "has no column nr, as --field-id says" in line


def write_parquet(path: Path, shapes, columns) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    about = {"primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
    table = pyarrow.table(
        {"geometry": list(shapes), "field_id": list(columns[0]), "crop": list(columns[1])}
    )
    parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(about)}), path)


def test_another_system_of_coordinates_ends_in_a_line(granpipe, src, out, tmp_path):
    pyogrio = pytest.importorskip("pyogrio", reason="needs the extra fields")
    shapely = pytest.importorskip("shapely", reason="needs the extra fields")
    shoot(src / "maize/a.jpg", 48, 11)
    shapes = np.array([shapely.to_wkb(shapely.box(0, 0, 1, 1))], object)
    path = tmp_path / "p.gpkg"
    pyogrio.raw.write(path, shapes, [], fields=[], geometry_type="Polygon", crs="EPSG:25832")
    line = granpipe("prepare", src, out, *SMALL, "--fields", path, code=1).stderr
    assert "p.gpkg: is not in WGS 84; export it with the coordinates EPSG:4326" in line


def test_an_odd_parcel_is_named_also_where_no_other_is_near(granpipe, src, out, tmp_path):
    pyogrio = pytest.importorskip("pyogrio", reason="needs the extra fields")
    import shapely

    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    near, far = shapely.box(11, 48, 11.002, 48.002), shapely.box(31, 48, 31.002, 48.002)
    shapes = np.array([shapely.GeometryCollection([near]).wkb, far.wkb])
    path = tmp_path / "p.gpkg"
    pyogrio.raw.write(path, shapes, [], fields=[], geometry_type="Unknown", crs="EPSG:4326")
    said = granpipe("prepare", src, out, *SMALL, "--fields", path).stderr
    assert "not used: parcel" in said and "is a GeometryCollection" in said


@pytest.mark.parametrize("ending", ["gpkg", "shp", "parquet", "txt"])
def test_a_file_that_names_other_files_is_refused(granpipe, src, out, tmp_path, ending):
    """GDAL would open what a VRT names, also an address, whatever the file is called."""
    pytest.importorskip("pyogrio", reason="needs the extra fields")
    shoot(src / "maize/a.jpg", 48, 11)
    other = tmp_path / "other.csv"
    other.write_text('wkt,id\n"POLYGON((11 47,12 47,12 49,11 49,11 47))",secret\n')
    path = tmp_path / f"p.{ending}"
    path.write_text(
        f'<OGRVRTDataSource><OGRVRTLayer name="other"><SrcDataSource>{other}</SrcDataSource>'
        "<LayerSRS>EPSG:4326</LayerSRS><GeometryField encoding='WKT' field='wkt'/>"
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    line = granpipe("prepare", src, out, *SMALL, "--fields", path, code=1).stderr
    assert line.startswith(f"granpipe: {path}: ")
    assert line.count("\n") == 1


@pytest.mark.parametrize("about", ["[]", "{", '{"columns": []}'])
def test_a_damaged_parquet_ends_in_a_line(granpipe, src, out, tmp_path, about):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra fields")
    pytest.importorskip("pyogrio", reason="needs the extra fields")
    shoot(src / "maize/a.jpg", 48, 11)
    path = tmp_path / "p.parquet"
    write_parquet(path, [b"junk"], [["a"], ["b"]])
    parquet.write_table(parquet.read_table(path).replace_schema_metadata({"geo": about}), path)
    line = granpipe("prepare", src, out, *SMALL, "--fields", path, code=1).stderr
    assert line.startswith(f"granpipe: {path}: ")
    assert line.count("\n") == 1
    write_parquet(path, [b"junk"], [["a"], ["b"]])
    line = granpipe("prepare", src, out, *SMALL, "--fields", path, code=1).stderr
    assert line.startswith(f"granpipe: {path}: cannot be read: ")


RING = [[11, 48], [12, 48], [12, 49], [11, 48]]
FEATURE = square("one", 48, 11, 200)
HOSTILE = {
    "no JSON": ("junk", "is no GeoJSON"),
    "cut": (json.dumps({"type": "FeatureCollection", "features": [FEATURE]})[:-40], ""),
    "deep": ('{"features": [' + "[" * 300_000, "too deep"),
    "NaN": (
        '{"features": [{"geometry": {"type": "Polygon", "coordinates": [[[NaN, 1]]]}}]}',
        "NaN",
    ),
    "infinity": (json.dumps({"features": [FEATURE]}).replace("48.0", "1e999", 1), "not in WGS 84"),
    "metres": (json.dumps({"features": [FEATURE]}).replace("48.0", "5400000", 1), "not in WGS 84"),
    "words": (json.dumps({"features": [FEATURE]}).replace("48.0", '"x"', 1), ""),
    "other": (json.dumps({"crs": {"name": "EPSG:25832"}, "features": [FEATURE]}), "not in WGS 84"),
    "lists": ('{"features": [1, 2]}', "a feature is no object"),
    "no features": ('{"type": "Polygon", "coordinates": []}', "has no features"),
    "a number": (
        '{"features": [{"geometry": {"type": "Polygon", "coordinates": 5}}]}',
        "no lists of rings",
    ),
    "uneven": (
        '{"features": [{"geometry": {"type": "Polygon", "coordinates": [[[1, 2], [3]]]}}]}',
        "no pair of numbers",
    ),
    "large": ('{"features": ["' + "x" * 20_000_000, ""),
    "positions": (
        json.dumps(
            {"features": [{"geometry": {"type": "Polygon", "coordinates": [RING * 20_000]}}]}
        ),
        "over 50,000 positions",
    ),
}


@pytest.mark.parametrize(("text", "line"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_of_parcels_ends_in_a_line(granpipe, src, out, tmp_path, text, line):
    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    (tmp_path / "p.geojson").write_text(text)
    result = granpipe("prepare", src, out, *SMALL, "--fields", tmp_path / "p.geojson", code=1)
    assert_one_line(result, "p.geojson: ", line)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--fields", "nowhere.geojson"), "no such file of parcels"),
        (("--fields", "nowhere.gpkg"), "no such file of parcels"),
        (("--field-id", "nr"), "name them by --fields"),
        (("--keep-together", "field", "--split", "80/10/10"), "needs parcels"),
    ],
)
def test_a_wrong_option_ends_in_a_line(granpipe, src, out, options, line):
    shoot(src / "maize/a.jpg", 48, 11)
    assert line in granpipe("prepare", src, out, *SMALL, *options, code=2).stderr


@pytest.mark.parametrize("features", [[], [{"type": "Feature", "geometry": None}]], ids=len)
def test_a_file_without_parcels_ends_in_a_line(granpipe, src, out, tmp_path, features):
    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    file = write(tmp_path / "p.geojson", features)
    line = f"{file}: has no Polygon or MultiPolygon; export the layer of the parcels\n"
    for command in (("prepare", src, out), ("map", src, "-o", tmp_path / "m.html")):
        assert granpipe(*command, "--fields", file, code=1).stderr == f"granpipe: {line}"


def test_parcels_in_another_form_are_no_matter_of_extras(granpipe, src, out, tmp_path):
    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    (tmp_path / "p.kml").write_text("<kml/>")
    said = granpipe("prepare", src, out, *SMALL, "--fields", tmp_path / "p.kml", code=1).stderr
    assert "p.kml: does not end in .geojson, .json, .gpkg, .shp" in said
    assert "pip install" not in said


def test_features_without_shapes_and_odd_ids_are_taken_as_they_come(granpipe, src, out, tmp_path):
    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    odd = [
        {"type": "Feature", "geometry": None, "properties": None},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [11, 48]}},
        {"geometry": {"type": "Polygon", "coordinates": []}, "properties": [1]},
        square("x", 48, 11, 200) | {"properties": {"nr": 7.0, "crop": None, "half": "\ud800\0b"}},
    ]
    file = write(tmp_path / "p.geojson", odd)
    granpipe("prepare", src, out, *SMALL, "--fields", file)
    assert fields_of(out)["a"] == ["4", "-37.2", "", "yes"]
    granpipe("prepare", src, out, *SMALL, "--field-id", "nr")
    assert fields_of(out)["a"][0] == "7"
    granpipe("prepare", src, out, *SMALL, "--field-id", "half")
    assert fields_of(out)["a"][0] == "? b"


def test_parcels_that_cannot_be_used_are_named_and_the_others_are_used(
    granpipe, src, out, tmp_path
):
    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    good = square("good", 48, 11, 200)
    words = {"type": "Polygon", "coordinates": [[[11, 48], [10**400, 48]]]}
    both = {"type": "GeometryCollection", "geometries": [good["geometry"]]}
    odd = [square(name, 48, 11, 200) | {"geometry": words} for name in "abcd"]
    file = write(tmp_path / "p.geojson", [odd[0], good, good | {"geometry": both, "id": "both"}])
    said = granpipe("prepare", src, out, *SMALL, "--fields", file).stderr
    assert said == (
        f"granpipe: {file}: not used: parcel a (a position is no pair of numbers), "
        "both (is a GeometryCollection; export its areas as a MultiPolygon)\n"
    )
    assert fields_of(out)["a"][0] == "good"
    write(file, [*odd, good])
    said = granpipe("map", src, "-o", tmp_path / "map.csv", "--fields", file).stderr
    assert said.endswith("c (a position is no pair of numbers), and 1 more\n")


@pytest.mark.parametrize("command", ["prepare", "map"])
def test_fields_that_no_photograph_shows_are_told(granpipe, src, tmp_path, command):
    """With latitude before longitude, say."""
    shoot(src / "maize/a.jpg", 48.0005, 11.0005)
    file = write(tmp_path / "p.geojson", [square("one", 11, 48, 200)])
    where = (tmp_path / "out", *SMALL) if command == "prepare" else ("-o", tmp_path / "map.csv")
    done = granpipe(command, src, *where, "--fields", file)
    assert "no photograph shows a field" in done.stderr
    write(file, [square("one", 48, 11, 200)])
    assert granpipe(command, src, *where, "--fields", file).stderr == ""


@pytest.mark.slow
def test_a_country_of_parcels_takes_little_memory(granpipe, src, tmp_path):
    """24,000 parcels, of which two photographs show two."""
    for number in range(2):
        shoot(src / f"maize/{number}.jpg", 40.0005 + number, 11.0005, number)
    file = tmp_path / "country.geojson"
    with file.open("w") as stream:
        stream.write('{"type": "FeatureCollection", "features": [')
        places = itertools.product(range(400), range(60))
        for number, (up, aside) in enumerate(places):
            feature = square(f"f{number}", 40 + up / 200, 11 + aside / 200, 300)
            stream.write(("," if number else "") + json.dumps(feature))
        stream.write("]}")
    tracemalloc.start()
    granpipe("map", src, "-o", tmp_path / "map.csv", "--fields", file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row["field"] for row in rows(tmp_path / "map.csv")] == ["f0", "f12000"]
    assert most < 20_000_000


def heavy(name: str, lat: float, positions: int = 49_000) -> dict:
    """Return a round field of a hundred metres whose edge has very many positions."""
    angles = np.linspace(0, 2 * np.pi, positions)
    ring = np.stack([11 + np.cos(angles) / DEGREE * 100, lat + np.sin(angles) / DEGREE * 100], 1)
    ring[-1] = ring[0]
    geometry = {"type": "Polygon", "coordinates": [ring.round(9).tolist()]}
    return {"type": "Feature", "properties": {"id": name}, "geometry": geometry}


def test_parcels_of_very_many_positions_take_little_memory(granpipe, src, tmp_path):
    """Forty photographs, each in such a field of its own."""
    for number in range(40):
        shoot(src / f"maize/{number:02}.jpg", 40 + number / 10, 11, number)
    file = write(tmp_path / "p.geojson", [heavy(f"{n:02}", 40 + n / 10) for n in range(40)])
    tracemalloc.start()
    granpipe("map", src, "-o", tmp_path / "map.csv", "--fields", file)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [row["field"] for row in rows(tmp_path / "map.csv")] == [f"{n:02}" for n in range(40)]
    assert most < 150_000_000


def test_too_many_positions_around_one_photograph_end_in_a_line(granpipe, src, tmp_path):
    shoot(src / "maize/a.jpg", 40, 11)
    file = write(tmp_path / "p.geojson", [heavy(f"{n}", 40) for n in range(21)])
    result = granpipe("map", src, "-o", tmp_path / "map.csv", "--fields", file, code=1)
    assert_one_line(result, "around one photograph have over 1,000,000 positions")
