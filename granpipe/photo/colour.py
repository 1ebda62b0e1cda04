"""Bring any picture to 8-bit sRGB."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from granpipe.errors import PhotoError
from granpipe.photo.profiles import Colours, make_profile

_RESAMPLED = {"L", "LA", "RGB", "RGBA", "CMYK"}
_PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_STRIP = 256  # rows, so that a large picture is never whole in two kinds of numbers
_CUBE = range(0, 256, 51)


def resamplable(image: Image.Image) -> Image.Image:
    """Return a decoded picture in a mode that can be resampled: L, LA, RGB, RGBA or CMYK.

    16-bit grey is scaled to 8 bits; palettes are resolved; transparency becomes an alpha channel.

    Raises
    ------
    PhotoError
        `unsupported` for 32-bit pixels, whose range nobody knows.
    """
    if image.mode in {"I", "F"}:
        raise PhotoError("unsupported", "has signed or 32-bit pixels, whose range nobody knows")
    if image.mode.startswith("I;16"):
        return _eight_bit(image)
    if image.has_transparency_data and image.mode not in _RESAMPLED - {"L", "RGB"}:
        return image.convert("RGBA")
    if image.mode in _RESAMPLED:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8; a TIFF may use fewer of the bits, and may count from white."""
    tags = getattr(image, "tag_v2", {})
    bits = int(tags.get(_BITS_PER_SAMPLE, (16,))[0])
    levels = (np.arange(65_536) * (255 / (2**bits - 1))).round().clip(0, 255).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        levels = 255 - levels
    key = image.info.get("transparency")
    grey = Image.new("L", image.size)
    alpha = None if key is None else Image.new("L", image.size)
    for top in range(0, image.height, _STRIP):
        strip = np.asarray(image.crop((0, top, image.width, min(top + _STRIP, image.height))))
        grey.paste(Image.fromarray(levels[strip]), (0, top))
        if alpha:
            alpha.paste(Image.fromarray((strip != key).astype(np.uint8) * 255), (0, top))
    return Image.merge("LA", (grey, alpha)) if alpha else grey


def to_srgb(image: Image.Image, profile: bytes | Colours | None) -> Image.Image:
    """Return a picture as RGB or RGBA with sRGB primaries.

    Parameters
    ----------
    image : PIL.Image.Image
        As `resamplable` returns it.
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
    """Tell whether a profile is sRGB in effect, whatever it is called."""
    cube = np.array(np.meshgrid(_CUBE, _CUBE, _CUBE), np.uint8).reshape(3, -1, 1).T.copy()
    after = ImageCms.applyTransform(Image.fromarray(cube), transform)
    return bool(np.abs(np.asarray(after).astype(int) - cube).max() <= 2)
