"""Draw a field of a crop in perspective: sky, soil, trees and every plant in its row."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

FINE = 2  # drawn this many times larger, then shrunk, for smooth edges


@dataclass(frozen=True, slots=True)
class Light:
    """Sky colours, tint of the sunlight, cloud cover from 0 to 1, sight in metres."""

    zenith: tuple[int, int, int]
    horizon: tuple[int, int, int]
    tint: tuple[float, float, float]
    clouds: float
    sight: float


LIGHTS = {
    "noon": Light((62, 122, 198), (190, 214, 232), (1.06, 1.04, 0.98), 0.55, 500),
    "clear": Light((44, 104, 190), (186, 212, 234), (1.10, 1.06, 0.96), 0.25, 700),
    "low": Light((112, 142, 182), (250, 214, 166), (1.12, 0.99, 0.82), 0.45, 220),
    "overcast": Light((158, 168, 180), (216, 220, 222), (0.90, 0.94, 0.97), 0.95, 300),
    "haze": Light((146, 176, 202), (232, 228, 214), (1.02, 1.00, 0.93), 0.15, 110),
}


@dataclass(frozen=True, slots=True)
class Crop:
    """How a field is sown; sizes in metres."""

    height: float
    spacing: float  # between rows
    spread: float  # of the plants about their row
    eye: float  # height of the camera
    plants: int
    tramlines: bool  # bare wheel tracks of the sprayer
    soil: tuple[int, int, int]
    far: tuple[int, int, int]  # colour where no plant can be told from the next


CROPS = {
    "alfalfa": Crop(0.50, 0.60, 0.15, 1.7, 9000, False, (30, 46, 20), (74, 100, 58)),
    "barley": Crop(0.75, 0.30, 0.07, 1.6, 9000, True, (84, 86, 40), (136, 136, 70)),
    "corn": Crop(1.00, 0.90, 0.03, 2.5, 4000, False, (134, 104, 74), (66, 96, 46)),
    "soybean": Crop(0.45, 0.80, 0.07, 2.2, 5000, False, (116, 88, 66), (68, 108, 42)),
    "wheat": Crop(0.85, 0.20, 0.04, 1.6, 9000, True, (104, 76, 36), (176, 136, 68)),
}


@dataclass(frozen=True, slots=True)
class Stroke:
    """A stalk, leaf, head or flower, drawn `count` times for every plant; sizes in metres."""

    label: str
    count: int
    low: float  # where it grows, as parts of the plant's height
    high: float
    length: float
    width: float
    lean: float  # radians from upright, standard deviation
    droop: float  # how much more the outer half leans
    dark: tuple[int, int, int]
    bright: tuple[int, int, int]


STROKES = (
    Stroke("alfalfa", 2, 0.0, 0.2, 0.40, 0.012, 0.25, 0.5, (30, 60, 24), (70, 112, 44)),
    Stroke("alfalfa", 7, 0.3, 1.0, 0.10, 0.035, 1.10, 0.6, (30, 68, 32), (100, 142, 76)),
    Stroke("alfalfa", 1, 0.7, 1.1, 0.05, 0.030, 0.40, 0.0, (92, 66, 140), (170, 132, 206)),
    Stroke("barley", 2, 0.0, 0.2, 0.60, 0.012, 0.12, 0.6, (74, 90, 36), (136, 144, 66)),
    Stroke("barley", 2, 0.7, 0.9, 0.10, 0.020, 0.50, 1.2, (118, 120, 52), (176, 172, 96)),
    Stroke("barley", 4, 0.8, 1.0, 0.16, 0.006, 0.60, 0.8, (132, 134, 66), (214, 206, 138)),
    Stroke("corn", 1, 0.0, 0.0, 0.90, 0.030, 0.05, 0.5, (52, 84, 34), (84, 120, 50)),
    Stroke("corn", 9, 0.1, 0.9, 0.42, 0.055, 0.70, 1.3, (14, 44, 20), (74, 132, 46)),
    Stroke("corn", 2, 0.9, 1.0, 0.14, 0.010, 0.30, 0.5, (150, 138, 70), (206, 186, 110)),
    Stroke("soybean", 14, 0.1, 1.0, 0.11, 0.080, 1.20, 0.5, (24, 62, 22), (112, 156, 62)),
    Stroke("wheat", 3, 0.0, 0.2, 0.70, 0.010, 0.10, 0.4, (116, 82, 36), (196, 152, 76)),
    Stroke("wheat", 4, 0.8, 1.0, 0.10, 0.018, 0.22, 0.8, (158, 112, 48), (236, 196, 112)),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """A flat field before a pinhole camera; pixels are the fine ones."""

    crop: Crop
    strokes: tuple[Stroke, ...]
    light: Light
    width: int
    height: int
    horizon: float  # pixels from the top
    focal: float  # pixels
    eye: float  # metres above the ground
    heading: float  # of the rows against the line of sight, radians
    sun: float  # pixels from the left

    def scale(self, y):
        """Pixels per metre where the ground shows at line `y`."""
        return (y - self.horizon) / self.eye

    def ground(self, x, y):
        """Metres across the rows, metres along them, metres away."""
        right, far = (x - self.width / 2) / self.scale(y), self.focal / self.scale(y)
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return right * cos - far * sin, right * sin + far * cos, far

    def haze(self, colours, far):
        """Fade colours towards the horizon's; `far` in metres."""
        return _mix(colours, self.light.horizon, 1 - np.exp(-far / self.light.sight))


def draw_field(label, light, size, rng):
    """Draw one picture in sRGB.

    Parameters
    ----------
    label : str
        A key of CROPS.
    light : str
        A key of LIGHTS.
    size : tuple of int
        Width and height in pixels.
    rng : numpy.random.Generator
        Decides what the tables leave open: the horizon, the sun, the rows' direction.
    """
    scene, cloth = _look(label, light, size, rng), _cloth(rng)
    canvas = _backdrop(scene, cloth).resize((scene.width, scene.height))
    _draw_trees(canvas, scene, rng)
    _draw_plants(canvas, scene, cloth, rng)
    return Image.fromarray(_bytes(np.asarray(canvas.reduce(FINE)) * scene.light.tint))


def _look(label, light, size, rng):
    crop = CROPS[label]
    width, height = FINE * size[0], FINE * size[1]
    return Scene(
        crop,
        tuple(stroke for stroke in STROKES if stroke.label == label),
        LIGHTS[light],
        width,
        height,
        horizon=height * rng.uniform(0.26, 0.44),
        focal=0.9 * min(width, 1.4 * height),
        eye=crop.eye * rng.uniform(0.92, 1.2),
        heading=rng.uniform(-0.4, 0.4),
        sun=width * rng.uniform(),
    )


def _cloth(rng, side=1024):
    """A square of smooth noise, about 0 to 1, whose edges join."""
    pitch = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    pitch[0, 0] = np.inf
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / pitch**1.5).real
    return np.clip(0.5 + noise / (4 * noise.std()), 0, 1)


def _pick(cloth, x, y):
    """Read the noise anywhere; the cloth is 1 wide and repeats."""
    column, row = (np.floor(np.multiply(place, len(cloth))).astype(int) for place in (x, y))
    return cloth[row % len(cloth), column % len(cloth)]


def _patches(cloth, across, along):
    """Brighter and duller parts of a field: soil some 60 m wide, wind some 12 m."""
    soil, wind = _pick(cloth, across / 60, along / 90), _pick(cloth, along / 40, across / 12)
    return 0.55 + 0.45 * soil + 0.45 * wind


def _mix(first, second, part):
    """Blend two colours; `part` is 0 for the first and 1 for the second."""
    part = np.clip(part, 0.0, 1.0)[..., None]
    return np.multiply(first, 1 - part) + np.multiply(second, part)


def _bytes(colours):
    return np.clip(colours, 0, 255).astype(np.uint8)


def _backdrop(scene, cloth):
    """Sky, hills and bare ground: smooth enough to do without the fine pixels."""
    y, x = np.mgrid[0 : scene.height : FINE, 0 : scene.width : FINE].astype(float)
    line = math.ceil(scene.horizon / FINE)
    sky = _sky(scene, cloth, x[:line], y[:line])
    soil = _soil(scene, cloth, x[line:], y[line:] + 1)
    return Image.fromarray(_bytes(np.concatenate([sky, soil])))


def _sky(scene, cloth, x, y):
    light, up = scene.light, 1 - y / scene.horizon
    sky = _mix(light.horizon, light.zenith, up**0.8)
    from_sun = np.hypot(x - scene.sun, y - 0.75 * scene.horizon) / scene.height
    sky = _mix(sky, (255, 248, 226), 0.75 * np.exp(-from_sun / 0.16))
    depth = 0.24 / (scene.horizon / scene.height * up + 0.06)
    noise = _pick(cloth, (x / scene.width - 0.5) * depth, depth)
    cover = np.clip((noise - 0.72 + 0.5 * light.clouds) * 3.5, 0, 0.9) * np.clip(up * 5, 0.2, 1)
    sky = _mix(sky, _mix((255, 253, 248), (176, 184, 194), (noise - 0.6) * 2), cover)
    hill = up < 0.14 * _pick(cloth, x / scene.width / 2, scene.heading)
    return _mix(sky, _mix(light.horizon, (64, 92, 108), 0.4), hill)


def _soil(scene, cloth, x, y):
    across, along, far = scene.ground(x, y)
    crumbs = (_pick(cloth, across / 2, along / 2) - 0.5) / (1 + far / 8)
    soil = scene.crop.soil * (1 + 0.8 * crumbs[..., None])
    field = _mix(soil, scene.crop.far, (far - 10) / 30)
    return scene.haze(field * _patches(cloth, across, along)[..., None], far)


def _draw_trees(canvas, scene, rng):
    draw = ImageDraw.Draw(canvas)
    unit = scene.height / 100 * rng.uniform(0.5, 1.4)
    gaps = rng.choice([0.6, 1.2, 9.0], 300, p=[0.6, 0.3, 0.1]) * rng.uniform(0.5, 2, 300)
    for x in np.cumsum(gaps * unit):
        size = unit * rng.gamma(4, 0.3)
        for step in np.linspace(0, 1, 16):  # clumps of leaves, the upper ones in the sun
            leaf = _mix((20, 40, 28), (86, 112, 56), step)
            left = x + size * (rng.normal(0, 0.4 - 0.2 * step) - 0.3)
            top = scene.horizon - size * (0.5 + 1.3 * step)
            box = (left, top, left + 0.6 * size, top + 0.5 * size)
            draw.ellipse(box, fill=tuple(_bytes(_mix(leaf, scene.light.horizon, 0.25))))


def _draw_plants(canvas, scene, cloth, rng):
    x, y = _sow(scene, rng)
    across, along, far = scene.ground(x, y)
    grown = [_grow(scene, stroke, x, y, rng) for stroke in scene.strokes]
    corners, colours = (np.concatenate(parts, axis=1) for parts in zip(*grown, strict=True))
    colours *= rng.normal(1, 0.03, 3) * _patches(cloth, across, along)[:, None, None]
    fills = _bytes(scene.haze(colours, far[:, None])).reshape(-1, 3).tolist()
    draw = ImageDraw.Draw(canvas)
    for shape, fill in zip(corners.reshape(-1, 8).tolist(), fills, strict=True):
        draw.polygon(shape, fill=tuple(fill))


def _sow(scene, rng):
    """Feet of the plants in pixels, farthest first, each moved to its nearest row."""
    crop = scene.crop
    reach = scene.eye / (scene.eye - crop.height)  # feet below the edge, heads still in sight
    depth = np.sort(rng.uniform(0.02, 1, crop.plants) ** 1.6)
    y = scene.horizon + (scene.height - scene.horizon) * reach * depth
    x = rng.uniform(-0.15, 1.15, crop.plants) * scene.width
    across, _, _ = scene.ground(x, y)
    row = np.round(across / crop.spacing) * crop.spacing
    shift = row + rng.normal(0, crop.spread, crop.plants) - across
    x += shift / math.cos(scene.heading) * scene.scale(y)
    wheel = np.abs(np.abs((row + rng.uniform(3, 9)) % 12 - 6) - 0.9) < 0.25
    keep = ~(wheel & crop.tramlines)
    return x[keep], y[keep]


def _grow(scene, stroke, x, y, rng):
    """Corners (plant, stroke, 4, 2) in pixels, and colours (plant, stroke, 3)."""
    shape = (len(x), stroke.count)
    size = scene.scale(y)[:, None] * rng.uniform(0.7, 1.2, shape)
    start = rng.uniform(stroke.low, stroke.high, shape)
    lean = rng.normal(0, stroke.lean, shape)
    foot = np.stack([x, y], axis=-1)[:, None]
    root = foot + _arm(0 * lean, start * scene.crop.height * size)
    middle = root + _arm(lean, stroke.length / 2 * size)
    tip = middle + _arm(lean * (1 + stroke.droop), stroke.length / 2 * size)
    side = _arm(lean + math.pi / 2, stroke.width / 2 * size)
    lit = 0.35 * start + 0.25 * np.sin(lean) + rng.uniform(0, 0.6, shape)
    corners = np.stack([root, middle + side, tip, middle - side], axis=2)
    return corners, _mix(stroke.dark, stroke.bright, lit)


def _arm(angle, length):
    """Pixels right and down of an arm that leans clockwise from upright, in radians."""
    return np.stack([np.sin(angle) * length, -np.cos(angle) * length], axis=-1)
