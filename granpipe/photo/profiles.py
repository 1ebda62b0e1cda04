"""Colours that are named, not described by an ICC profile: code points, chromaticities, gamma.

Code points are those of ITU-T H.273, which HEIC and AVIF (`nclx`) and PNG (`cICP`) write. What they
name becomes an ICC profile, so that all colours take one way to sRGB.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

from granpipe.errors import PhotoError

LARGEST_PROFILE = 16 << 20
"""Bytes of an ICC profile that are read."""

_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_D50 = (0.9642, 1.0, 0.8249)
# Chromaticities x and y of white, red, green and blue (H.273, table 2).
_PRIMARIES = {
    1: (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
SRGB_PRIMARIES = _PRIMARIES[1]
"""Chromaticities x and y of white, red, green and blue of sRGB."""

# Television's curves (1, 6, 7, 11, 12, 14, 15) describe cameras. Screens show them about as they
# show sRGB, and so does every browser.
_LIKE_SRGB = frozenset((0, 1, 2, 3, 6, 7, 11, 12, 13, 14, 15))
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}
_UNREAD = {
    9: "a logarithmic curve",
    10: "a logarithmic curve",
    16: "high dynamic range (PQ)",
    18: "high dynamic range (HLG)",
}
_UNREAD_MATRICES = {
    **{10: "BT.2020 constant luminance", 11: "Y'D'zD'x", 13: "derived", 14: "ICtCp"},
    **{15: "IPT", 16: "YCgCo of more bits", 17: "YCgCo of more bits"},
}
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_SMALLEST = 1e-5  # chromaticity that PNG can write
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@dataclass(frozen=True, slots=True)
class Colours:
    """A named RGB space.

    Attributes
    ----------
    chromaticities : tuple of float
        x and y (CIE 1931) of white, red, green and blue.
    gamma : float
        Exponent that makes light of levels; 0 for the curve of sRGB.
    """

    chromaticities: tuple[float, ...] = SRGB_PRIMARIES
    gamma: float = 0.0


ADOBE_RGB = Colours((*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 563 / 256)
"""Adobe RGB (1998), section 4.3."""


def coded_colours(primaries: int, transfer: int, matrix: int = 0) -> Colours | None:
    """Return the colours that code points of H.273 mean, or None for those of sRGB.

    Unspecified and reserved points mean sRGB.

    Raises
    ------
    PhotoError
        `unsupported` for high dynamic range and what else no profile describes.

    Examples
    --------
    >>> coded_colours(1, 13), coded_colours(12, 8).gamma
    (None, 1.0)
    """
    if unread := _UNREAD.get(transfer) or _UNREAD_MATRICES.get(matrix):
        raise PhotoError("unsupported", f"its colours are coded as {unread}")
    if primaries == 10:
        raise PhotoError("unsupported", "its colours are coded as CIE XYZ")
    chromaticities = _PRIMARIES.get(primaries, SRGB_PRIMARIES)
    gamma = 0.0 if transfer in _LIKE_SRGB else _GAMMAS.get(transfer, 0.0)
    is_srgb = chromaticities == SRGB_PRIMARIES and not gamma
    return None if is_srgb else Colours(chromaticities, gamma)


@lru_cache(maxsize=16)
def make_profile(colours: Colours, *, is_grey: bool = False) -> bytes | None:
    """Return an ICC profile (ICC.1:2010) of named colours, or of their curve for a grey picture.

    None means that no light has such chromaticities.
    """
    tags = {b"wtpt": _xyz(_D50)}
    curve = _curve(colours.gamma)
    if is_grey:
        tags[b"kTRC"] = curve
    else:
        columns = _to_d50(colours.chromaticities)
        if columns is None:
            return None
        for letter, column in zip("rgb", columns.T.tolist(), strict=True):
            tags[f"{letter}XYZ".encode()] = _xyz(column)
            tags[f"{letter}TRC".encode()] = curve
    start, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content
    space = b"GRAY" if is_grey else b"RGB "
    kinds = (b"mntr", space, b"XYZ ", b"acsp")
    head = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x04300000, *kinds)
    return (head + bytes(28) + _xyz(_D50)[8:]).ljust(128, b"\0") + table + body


def _xyz(values: tuple[float, ...] | list[float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65536) for value in values))


def _curve(gamma: float) -> bytes:
    kind, numbers = (0, (gamma,)) if gamma else (3, _SRGB_CURVE)
    fixed = [round(number * 65536) for number in numbers]
    return struct.pack(f">4s4xH2x{len(fixed)}i", b"para", kind, *fixed)


def _to_d50(chromaticities: tuple[float, ...]) -> NDArray[np.float64] | None:
    """Return XYZ of red, green and blue in columns, adapted to D50 (ICC.1:2010, annex E)."""
    points = np.array(chromaticities).reshape(4, 2)
    if not (points[:, 1] >= _SMALLEST).all():
        return None
    lights = (np.column_stack([points, 1 - points.sum(1)]) / points[:, 1:]).T
    white, primaries = lights[:, 0], lights[:, 1:]
    if abs(np.linalg.det(primaries)) < 1e-4 or not (_BRADFORD @ white > 0).all():
        return None
    columns = primaries * np.linalg.solve(primaries, white)
    adapted = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    moved = np.linalg.inv(_BRADFORD) @ (adapted[:, None] * (_BRADFORD @ columns))
    return moved if np.abs(moved).max() < 30_000 else None


@lru_cache(maxsize=16)
def is_profile(profile: bytes) -> bool:
    """Return whether an ICC profile is whole enough to be read."""
    try:
        ImageCms.getOpenProfile(BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return True
