"""Draw roads with fields on both sides, and photographs of these fields taken from the road."""

import json
import math
import random
from dataclasses import dataclass

DEGREE = 111_195.0  # metres
ROAD = 7.0  # metres
CROPS = ("maize", "wheat", "barley", "soybean")


@dataclass(frozen=True, slots=True)
class Shot:
    """A photograph: what it shows in truth, and what its file says of where it was taken."""

    field: str
    crop: str
    lat: float
    lon: float
    accuracy: float
    direction: float | None


class Land:
    """Fields in rows along roads.

    Parameters
    ----------
    rng : random.Random
    lat, lon : float
        Of the beginning, in degrees.
    roads : int
        Each has two rows of fields on either side, and is 4 km long.
    """

    def __init__(self, rng: random.Random, lat: float, lon: float, roads: int = 4) -> None:
        self.rng, self.lat, self.lon = rng, lat, lon
        self.fields: list[tuple[str, str, float, float, float, float]] = []
        self.roads = []
        north = 0.0
        for _ in range(roads):
            depths = [rng.uniform(60, 250) for _ in range(4)]
            rows = [depths[0], depths[1], ROAD, depths[2], depths[3]]
            for place, depth in enumerate(rows):
                if place == 2:
                    self.roads.append(north)
                else:
                    self._row(north, depth)
                north += depth
            north += 20

    def _row(self, south: float, depth: float) -> None:
        east = 0.0
        while east < 4_000:
            width = self.rng.uniform(15, 250)
            name = f"F{len(self.fields)}"
            crop = self.rng.choice(CROPS)
            self.fields.append((name, crop, east, south, east + width, south + depth))
            east += width

    def at(self, east: float, north: float) -> tuple[float, float]:
        """Return latitude and longitude of a place in metres."""
        lat = self.lat + north / DEGREE
        lon = self.lon + east / (DEGREE * math.cos(math.radians(self.lat)))
        return lat, (lon + 180) % 360 - 180

    def shot(self, has_direction: bool, compass: float = 7.0) -> Shot:
        """Return a photograph from a road of a field beside it."""
        rng = self.rng
        road, side = rng.choice(self.roads), rng.choice((-1, 1))
        edge = road + (ROAD if side > 0 else 0)
        name, crop, west, _, east, _ = rng.choice(
            [field for field in self.fields if (field[3] if side > 0 else field[5]) == edge]
        )
        x = rng.uniform(west, east)
        y = edge - side * rng.uniform(-2, ROAD / 2)  # some stand in the field
        # To the middle of the field, somewhere in its first 30 metres.
        aim = rng.uniform(west + 0.2 * (east - west), east - 0.2 * (east - west))
        ahead = rng.uniform(15, 30)
        aim = min(max(aim, x - ahead), x + ahead)
        true = math.degrees(math.atan2(aim - x, side * ahead + (edge - y)))
        accuracy = rng.choice((3.0, 4.8, 6.5, 10.0, 16.0))
        sigma = accuracy / 1.5096
        lat, lon = self.at(x + rng.gauss(0, sigma), y + rng.gauss(0, sigma))
        direction = (true + rng.gauss(0, compass)) % 360 if has_direction else None
        return Shot(name, crop, lat, lon, accuracy, direction)

    def geojson(self) -> str:
        """Return the fields as GeoJSON."""
        features = []
        for name, crop, west, south, east, north in self.fields:
            corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
            ring = [[*reversed(self.at(*corner))] for corner in corners]
            features.append(
                {
                    "type": "Feature",
                    "properties": {"field_id": name, "crop": crop},
                    "geometry": {"type": "Polygon", "coordinates": [ring]},
                }
            )
        return json.dumps({"type": "FeatureCollection", "features": features})
