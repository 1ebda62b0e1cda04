"""Draw the picture of the map at the top of README.md: a farm's parcels and photographs.

`PYTHONPATH=tests python tests/draw_map.py` writes .readme/map.png; it needs Chromium.
"""

import json
import math
import tempfile
from pathlib import Path

import numpy as np

from granpipe import map_photos

import draw_fields
import exif_blocks as eb
from harm import ROOT
from pages import chromium, visits

SOUTH, WEST = 42.0210, -93.7745
METRE = 1 / 111_320
"""Degrees of latitude."""

# Name, crop, and the metres east and north where a parcel begins and ends.
PARCELS = [
    ("North 40", "corn", (0, 420), (400, 820)),
    ("Creek", "soybean", (420, 420), (860, 820)),
    ("Schoolhouse", "wheat", (880, 520), (1290, 820)),
    ("Home", "alfalfa", (0, 0), (260, 400)),
    ("South 60", "corn", (280, 0), (860, 400)),
    ("Barley strip", "barley", (880, 0), (1290, 500)),
]
LIGHTS = ("noon", "clear", "haze", "low")


def place(east: float, north: float) -> tuple[float, float]:
    """Return latitude and longitude of metres from the farm's corner."""
    lat = SOUTH + north * METRE
    return lat, WEST + east * METRE / math.cos(math.radians(SOUTH))


def write_parcels(path: Path) -> None:
    features = []
    for name, _, (west, south), (east, north) in PARCELS:
        corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        ring = [place(*corner)[::-1] for corner in corners]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"name": name}, "geometry": geometry})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def write_photographs(folder: Path) -> None:
    """Write a walk along each parcel's edge and one across it, with the camera's direction."""
    rng = np.random.default_rng(4)
    for number, (_, crop, (west, south), (east, north)) in enumerate(PARCELS):
        pictures = [draw_fields.draw_field(crop, light, (480, 360), rng) for light in LIGHTS[:2]]
        for step in range(9):
            along = rng.uniform(0.05, 0.95)
            is_edge = step < 5
            spot = (
                (west + along * (east - west), south + 6)
                if is_edge
                else (west + along * (east - west), south + rng.uniform(0.2, 0.8) * (north - south))
            )
            lat, lon = place(*spot)
            tags = eb.gps(
                lat_ref=eb.text("N"),
                lat=eb.dms(lat),
                lon_ref=eb.text("W"),
                lon=eb.dms(lon),
                altitude_ref=eb.byte(0),
                altitude=eb.rational(int(300 + rng.integers(0, 9))),
                direction=eb.rational(int(rng.integers(-30, 31)) % 360),
            )
            month, day = 5 + (number + step) % 4, int(rng.integers(1, 29))
            taken = f"2024:{month:02}:{day:02} {9 + step:02}:{day + 10:02}:00"
            exif = eb.block(tags, {eb.TAKEN: eb.text(taken)}, {eb.MODEL: eb.text("Pixel 8")})
            name = f"IMG_{taken[:10].replace(':', '')}_{9 + step:02}{day + 10:02}00.jpg"
            path = folder / crop / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(eb.jpeg(exif, picture=pictures[step % 2]))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parcels(folder / "parcels.geojson")
        write_photographs(folder / "farm")
        page = folder / "map.html"
        options = {"offline": True, "thumbnails": 192, "overlay": folder / "parcels.geojson"}
        map_photos(folder / "farm", page, title="Farm 2024", **options)
        opened = sorted((folder / "farm/soybean").iterdir())[4]
        middle = place(700, 460)
        with chromium() as browser, visits(browser) as open_page:
            hash = f"#map=16/{middle[0]:.5f}/{middle[1]:.5f}&photo=soybean/{opened.name}"
            visit = open_page(page, size=(1200, 720), hash=hash)
            visit.page.wait_for_selector(".card img")
            visit.page.wait_for_timeout(1000)
            visit.page.screenshot(path=ROOT / ".readme/map.png")


if __name__ == "__main__":
    main()
