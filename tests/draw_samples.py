"""Draw a small set of crop-field pictures, with EXIF as phones write it.

All are drawn, none is a photograph. The same Pillow and numpy give the same bytes each time::

    python tests/draw_samples.py img
"""

import argparse
import io
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from draw_fields import draw_field

SEED = 7
REMARK = "drawn by tests/draw_samples.py, not a photograph"


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: what is drawn, and what its file says about it."""

    label: str
    name: str
    when: str  # local time; "" leaves out all EXIF
    spot: str  # a key of SPOTS; "" leaves out the GPS block
    light: str  # a key of LIGHTS
    size: tuple[int, int] = (640, 480)  # upright, in pixels
    turn: int = 1  # EXIF orientation
    facing: float | None = None  # degrees from true north
    status: str = "A"  # "V" marks a position that was not measured
    p3: bool = False  # Display P3 colours, with their profile


SHOTS = (
    Shot("alfalfa", "IMG_20240521_101530.jpg", "2024-05-21 10:15:30+02:00", "Po valley", "noon"),
    Shot("alfalfa", "IMG_0031.jpeg", "2023-04-18 16:42:09", "Imperial Valley", "clear", turn=3),
    Shot("alfalfa", "DSC_0412.JPG", "2022-06-09 19:48:51", "", "low"),
    Shot("alfalfa", "IMG_0093.PNG", "2024-06-14 11:20:00", "Nebraska", "noon", (400, 300)),
    Shot("alfalfa", "20231205_090812.jpg", "2023-12-05 09:08:12", "", "overcast"),
    Shot("barley", "IMG_20230708_174425.jpg", "2023-07-08 17:44:25-06:00", "Saskatchewan", "clear"),
    Shot("barley", "DSC_1187.JPG", "2022-05-28 20:31:17", "Castilla", "low", turn=8),
    Shot("barley", "IMG_2290.jpeg", "2024-07-19 13:05:44+01:00", "Fife", "overcast", facing=241.5),
    Shot("barley", "PANO_0007.jpg", "2023-10-02 11:52:36", "Western Australia", "noon", (900, 240)),
    Shot("barley", "20240627_151002.jpg", "2024-06-27 15:10:02", "", "haze"),
    Shot("corn", "IMG_20240712_153341.jpg", "2024-07-12 15:33:41", "Iowa", "noon", (1600, 1200)),
    Shot("corn", "IMG_5518.jpeg", "2023-01-24 07:12:58+02:00", "Highveld", "low", turn=6),
    Shot("corn", "DSC_0093.JPG", "2024-04-03 12:26:33", "Mato Grosso", "clear", facing=88.0),
    Shot("corn", "IMG-20230801-WA0012.jpg", "", "", "overcast"),
    Shot("corn", "P1040226.JPG", "2022-07-30 10:02:19", "", "haze"),
    Shot("soybean", "PXL_20240118_143052417.jpg", "2024-01-18 10:30:52-04:00", "Sorriso", "noon"),
    Shot("soybean", "IMG_0764.jpeg", "2023-02-11 18:55:27", "Pampas", "low", turn=2),
    Shot("soybean", "IMG_1420.JPG", "2024-07-22 14:18:40-04:00", "Ontario", "clear", (480, 640)),
    Shot("soybean", "DSC_2051.JPG", "2022-08-06 09:37:05", "Heilongjiang", "haze"),
    Shot("soybean", "20230715_121904.jpg", "2023-07-15 12:19:04", "Illinois", "noon", status="V"),
    Shot("wheat", "IMG_20240402_080917.jpg", "2024-04-02 08:09:17+05:30", "Punjab", "haze"),
    Shot("wheat", "DSC_0650.JPG", "2023-07-11 12:40:13", "Beauce", "noon", facing=195.0),
    Shot("wheat", "DSC_0651.JPG", "2023-07-11 12:41:02", "Beauce", "clear", turn=5),
    Shot("wheat", "PXL_20230706_171033905.jpg", "2023-07-06 20:10:33+03:00", "Ukraine", "low"),
    Shot("wheat", "IMG_3307.jpeg", "2022-11-20 10:58:46", "New South Wales", "clear", p3=True),
)

SPOTS = {  # latitude and longitude in degrees, metres above the sea
    "Beauce": (48.24173, 1.68391, 135.0),
    "Castilla": (42.13862, -4.82134, 781.0),
    "Fife": (56.28611, -3.02742, 58.4),
    "Heilongjiang": (47.22534, 126.83170, 232.0),
    "Highveld": (-27.45192, 26.73081, 1304.0),
    "Illinois": (40.05127, -88.51263, 218.0),
    "Imperial Valley": (32.91274, -115.43062, -38.2),
    "Iowa": (42.12031, -93.51268, 312.6),
    "Mato Grosso": (-13.48216, -58.71433, 561.0),
    "Nebraska": (40.89213, -97.66842, 498.0),
    "New South Wales": (-33.24183, 148.07631, 262.0),
    "Ontario": (42.35264, -82.20175, 181.3),
    "Pampas": (-33.95127, -60.62371, 66.0),
    "Po valley": (45.22645, 9.57312, 71.9),
    "Punjab": (30.74621, 75.33184, 236.0),
    "Saskatchewan": (51.53182, -107.89423, 587.0),
    "Sorriso": (-12.64215, -55.78932, 367.8),
    "Ukraine": (49.37254, 34.11862, 118.5),
    "Western Australia": (-31.56073, 118.23411, 334.0),
}


def draw_samples(folder):
    """Draw all SHOTS and write each into the folder of its label.

    Parameters
    ----------
    folder : pathlib.Path
        Made if missing; files of the same names are written over.
    """
    for number, shot in enumerate(SHOTS):
        path = folder / shot.label / shot.name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(shot, path, np.random.default_rng([SEED, number]))


def _write(shot, path, rng):
    picture, profile = draw_field(shot.label, shot.light, shot.size, rng), None
    if shot.p3:
        srgb, profile = ImageCms.createProfile("sRGB"), _display_p3()
        picture = ImageCms.profileToProfile(picture, srgb, io.BytesIO(profile))
    # What undoes a quarter turn is the other quarter turn; all else undoes itself.
    picture.getexif()[ExifTags.Base.Orientation] = {6: 8, 8: 6}.get(shot.turn, shot.turn)
    stored = ImageOps.exif_transpose(picture)
    exif = _exif(shot) if shot.when else b""
    stored.save(path, quality=84, exif=exif, icc_profile=profile)


def _exif(shot):
    taken = datetime.fromisoformat(shot.when)
    exif, base = Image.Exif(), ExifTags.Base
    exif[base.ImageDescription] = exif[base.Software] = REMARK
    exif[base.Make] = "granpipe"
    exif[base.Model] = "Sketch 2" if shot.name.startswith("DSC") else "Sketch 1"
    exif[base.Orientation] = shot.turn
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[base.ExifVersion] = b"0232"
    details[base.DateTimeOriginal] = f"{taken:%Y:%m:%d %H:%M:%S}"
    if taken.tzinfo:
        details[base.OffsetTimeOriginal] = taken.isoformat()[-6:]
    if shot.spot:
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(_gps(shot, taken))
    return exif


def _gps(shot, taken):
    lat, lon, altitude = SPOTS[shot.spot]
    tag = ExifTags.GPS
    block = {
        tag.GPSVersionID: bytes([2, 3, 0, 0]),
        tag.GPSLatitudeRef: "N" if lat > 0 else "S",
        tag.GPSLatitude: _sexagesimal(lat),
        tag.GPSLongitudeRef: "E" if lon > 0 else "W",
        tag.GPSLongitude: _sexagesimal(lon),
        tag.GPSAltitudeRef: bytes([altitude < 0]),
        tag.GPSAltitude: abs(altitude),
        tag.GPSStatus: shot.status,
    }
    if shot.facing is not None:
        block |= {tag.GPSImgDirectionRef: "T", tag.GPSImgDirection: shot.facing}
    if taken.tzinfo:
        block[tag.GPSDateStamp] = f"{taken.astimezone(UTC):%Y:%m:%d}"
    return block


def _sexagesimal(degrees):
    """Degrees, minutes and seconds without sign, the seconds to a hundredth."""
    minutes, hundredths = divmod(round(abs(degrees) * 360_000), 6000)
    return minutes // 60, minutes % 60, Fraction(hundredths, 100)


def _display_p3():
    """Display P3 is sRGB with other primaries, so those are changed in Pillow's sRGB profile."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    names = [text.encode("utf-16-be") for text in ("sRGB built-in", "Display P3   ")]
    profile = bytearray(srgb.replace(*names))
    struct.pack_into(">6H", profile, 24, 2024, 1, 1, 0, 0, 0)  # else the clock's time
    changes = (
        (b"rXYZ", 8, (0.5151, 0.2412, -0.0011)),
        (b"gXYZ", 8, (0.2920, 0.6922, 0.0419)),
        (b"bXYZ", 8, (0.1571, 0.0666, 0.7841)),
        (b"chrm", 12, (0.680, 0.320, 0.265, 0.690, 0.150, 0.060)),
    )
    for tag, skip, values in changes:
        (start,) = struct.unpack_from(">I", profile, profile.index(tag) + 4)
        fixed = [round(value * 65536) for value in values]
        struct.pack_into(f">{len(fixed)}i", profile, start + skip, *fixed)
    return bytes(profile)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("img"))
    draw_samples(parser.parse_args().folder)
