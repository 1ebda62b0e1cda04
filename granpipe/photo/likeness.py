"""What a picture looks like, in 256 bits that survive other bytes of the same picture.

A bit says whether one of the lowest frequencies of a small grey picture is above their median, as
in PDQ (Facebook, 2019). All products and sums are whole numbers below 2**53, so that no rounding,
and no other order of additions, makes other bits on another machine.
"""

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey: TypeAlias = NDArray[np.uint8]
Hashes: TypeAlias = NDArray[np.uint8]

BYTES = 32
"""Length of a hash; its bits go from the lowest frequencies to the highest."""

WINDOWS = 18
"""Windows of a picture that have a hash of their own."""

_SIDE = 64
_FREQUENCIES = 16
_BITS = _FREQUENCIES**2
_SCALE = 1 << 12
# What the windows leave of a side: copies cut by up to a tenth are near to one of them.
_LEFT_OUT = (0.04, 0.08)
# PDQ wants 50 of its units of gradient; below that, flat skies would all be the same picture.
_LEAST_GRADIENT = 50 * 90 * 255 // 100
# The lines of a frame differ by up to this many levels once they went through JPEG.
_FRAME_LEVELS = 16

_ROWS, _COLUMNS = np.divmod(np.arange(_BITS), _FREQUENCIES)
_ORDER = np.lexsort((_ROWS, _ROWS + _COLUMNS))


def levels_of(grey: Image.Image) -> Grey:
    """Return the pixels of a picture of mode L, which takes NumPy itself three times as long."""
    return np.frombuffer(grey.tobytes(), np.uint8).reshape(grey.height, grey.width)


def hashes(picture: Grey) -> Hashes:
    """Return what a picture looks like by its luminance, of shape (height, width).

    Returns
    -------
    ndarray of shape (n, 32), uint8
        A hash of the whole, one of each of its `WINDOWS`, and where it has a frame or bars, one of
        what is inside. None at all where there is too little to see.
    """
    small = _thumbnail(picture)
    if _gradient(small) < _LEAST_GRADIENT:
        return np.empty((0, BYTES), np.uint8)
    parts = [_spectra(small, share) for share in (0.0, *_LEFT_OUT)]
    inside = _inside(picture)
    if inside is not None:
        small = _thumbnail(inside)
        parts += [_spectra(small, 0.0)] if _gradient(small) >= _LEAST_GRADIENT else []
    return _bits(np.concatenate(parts))


def turns(whole: Hashes) -> list[Hashes]:
    """Return whole pictures' hashes as they are, and turned and mirrored in all other ways.

    Mirroring changes the sign of every odd frequency, and a diagonal swaps rows with columns.
    """
    bits = np.unpackbits(whole, axis=1)
    swapped = np.argsort(_ORDER)[_COLUMNS * _FREQUENCIES + _ROWS][_ORDER]
    # The lowest frequency is 1, since the constant is left out.
    across, down = (1 - _COLUMNS % 2)[_ORDER], (1 - _ROWS % 2)[_ORDER]
    masks = [np.zeros_like(across), across, down, across ^ down]
    return [
        np.packbits(kept ^ mask.astype(np.uint8), axis=1)
        for kept in (bits, bits[:, swapped])
        for mask in masks
    ]


def _thumbnail(picture: Grey) -> NDArray[np.float64]:
    small = Image.fromarray(picture).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, np.float64)


def _gradient(small: NDArray[np.float64]) -> int:
    return int(np.abs(np.diff(small, axis=0)).sum() + np.abs(np.diff(small, axis=1)).sum())


def _spectra(small: NDArray[np.float64], left_out: float) -> NDArray[np.float64]:
    """Return how strong each frequency is in the whole, or in nine windows that leave a share."""
    cosines = _cosines(left_out)
    windows = len(cosines) // _FREQUENCIES
    spectra = (cosines @ small @ cosines.T).reshape(windows, _FREQUENCIES, windows, _FREQUENCIES)
    return spectra.swapaxes(1, 2).reshape(-1, _BITS)


def _bits(spectra: NDArray[np.float64]) -> Hashes:
    half = _BITS // 2
    # Partitioning by two ranks takes five times as long as sorting.
    ranked = np.sort(spectra, axis=1)
    is_above = 2 * spectra > ranked[:, half - 1, None] + ranked[:, half, None]
    return np.packbits(is_above[:, _ORDER], axis=1)


@cache
def _cosines(left_out: float) -> NDArray[np.float64]:
    """Return the waves over a side, or over its three windows, as whole numbers."""
    befores = (0.0, left_out / 2, left_out) if left_out else (0.0,)
    return np.concatenate([_waves(before, left_out - before) for before in befores])


def _waves(before: float, after: float) -> NDArray[np.float64]:
    start, stop = before * _SIDE, (1 - after) * _SIDE
    edges = np.arange(_SIDE + 1.0).clip(start, stop)
    middles = ((edges[1:] + edges[:-1]) / 2 - start) / (stop - start)
    frequencies = np.arange(1, _FREQUENCIES + 1)[:, None]
    waves: NDArray[np.float64] = np.cos(np.pi * frequencies * middles)
    return np.rint(_SCALE * np.diff(edges) * waves)


def _inside(picture: Grey) -> Grey | None:
    """Return what is inside a frame or between bars of one colour; None without any."""
    edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    if all(np.ptp(edge) > _FRAME_LEVELS for edge in edges):
        return None
    inside = picture
    for axis in (1, 0):
        busy = np.flatnonzero(np.ptp(inside, axis=axis) > _FRAME_LEVELS)
        if not busy.size:
            return None
        inside = inside.take(range(int(busy[0]), int(busy[-1]) + 1), axis=1 - axis)
    return inside if inside.size < picture.size else None
