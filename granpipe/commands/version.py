"""What `granpipe --version` prints: all that a bug report needs."""

import platform
import sys
import textwrap
from importlib.metadata import PackageNotFoundError, version

from granpipe import __version__

_PACKAGES = ("Pillow", "numpy", "exifread", "click", "folium", "tqdm")
_ABSENT = "absent"
_EXTRAS = {
    "heic": "pillow-heif",
    "offline": "XStatic-Leaflet",
    "s3": "obstore",
    "spark": "pyspark",
    "service": "flask",
}


def details() -> str:
    """Return the versions of granpipe, Python, packages, codecs and extras, in lines."""
    from PIL import features  # noqa: PLC0415 - `granpipe --help` is to answer at once

    packages = ", ".join(f"{name} {_version_of(name)}" for name in _PACKAGES)
    codecs = {
        "libjpeg-turbo": features.version_feature("libjpeg_turbo") or features.version("jpg"),
        "zlib": features.version("zlib"),
        "libtiff": features.version("libtiff"),
        "WebP": features.version("webp"),
        "AVIF": features.version("avif"),
        "LittleCMS": features.version("littlecms2"),
    }
    libraries = ", ".join(f"{name} {found or _ABSENT}" for name, found in codecs.items())
    extras = ", ".join(f"{name} {_version_of(package)}" for name, package in _EXTRAS.items())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return (
        f"granpipe {__version__}\n"
        f"{python}, {platform.platform()}, {sys.byteorder}-endian\n"
        f"{_lines(packages)}\n"
        f"{_lines(libraries)}\n"
        f"{_lines(f'extras: {extras}')}\n"
        f"reads {_formats(has_avif=bool(codecs['AVIF']))}"
    )


def _lines(text: str) -> str:
    return textwrap.fill(text, 80, subsequent_indent="  ")


def _formats(*, has_avif: bool) -> str:
    avif, heic = ["AVIF"] * has_avif, ["HEIC"] * (_version_of(_EXTRAS["heic"]) != _ABSENT)
    return ", ".join(["JPEG", "MPO", "PNG", "WebP", "TIFF", "BMP", *avif, *heic])


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return _ABSENT
