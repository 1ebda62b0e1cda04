"""Bring any picture to 8-bit sRGB."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from granpipe.photo.profiles import Colours, make_profile

_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_CUBE = range(0, 256, 51)


def to_srgb(image: Image.Image, profile: bytes | Colours | None) -> Image.Image:
    """Return a picture as RGB or RGBA with sRGB primaries.

    Parameters
    ----------
    image : PIL.Image.Image
        Decoded, of 8 bits a channel: L, LA, RGB, RGBA or CMYK.
    profile : bytes, Colours or None
        Its ICC profile, or the name of its colours. A profile that is damaged, or meant for another
        kind of pixel, is left out of account, as browsers do.
    """
    if image.mode == "RGB" and not profile:
        return image
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    opaque = image.convert(image.mode.removesuffix("A"))
    if isinstance(profile, Colours):
        profile = make_profile(profile, is_grey=opaque.mode == "L")
    transform = _transform(profile, opaque.mode) if profile else None
    if profile and not transform and opaque.mode == "L":  # as of colours that were made grey
        opaque = opaque.convert("RGB")
        transform = _transform(profile, "RGB")
    rgb = ImageCms.applyTransform(opaque, transform) if transform else opaque.convert("RGB")
    assert rgb is not None
    if alpha:
        rgb.putalpha(alpha)
    return rgb


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile's colours to sRGB, or None where there is none to go."""
    try:
        source = ImageCms.getOpenProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILE_SPACES[mode]:
            return None
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return None if mode == "RGB" and _changes_nothing(transform) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a profile is sRGB in effect, whatever it is called."""
    cube = np.array(np.meshgrid(_CUBE, _CUBE, _CUBE), np.uint8).reshape(3, -1, 1).T.copy()
    after = ImageCms.applyTransform(Image.fromarray(cube), transform)
    return bool(np.abs(np.asarray(after).astype(int) - cube).max() <= 2)
