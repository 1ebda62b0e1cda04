"""Decode the pixels of an opened photograph, and judge what is damaged or not supported."""

from functools import partial
from io import BytesIO
from typing import BinaryIO, NoReturn

import numpy as np
from PIL import Image

from granpipe.errors import PhotoError, one_line
from granpipe.photo.details import details_of
from granpipe.photo.item_integrity import check_items
from granpipe.photo.jpeg_integrity import decode_jpeg
from granpipe.photo.opening import JPEGS, own_limit
from granpipe.photo.png import check_rows, check_sums, resolve_key
from granpipe.photo.tiff import check_strips, unread_coding
from granpipe.photo.tiff_jpegs import check_jpegs
from granpipe.photo.tiff_sums import check_sums as check_tiff_sums
from granpipe.photo.unread import unknown_need

_EIGHT_BITS = {"L", "LA", "RGB", "RGBA", "CMYK"}
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_FORMAT, _SIGNED = 339, 2
_STRIP = 256  # rows, so that a large picture is never whole in two kinds of numbers


def decode(image: Image.Image) -> Image.Image:
    """Decode a photograph, opened and perhaps drafted, into L, LA, RGB, RGBA or CMYK of 8 bits.

    Raises
    ------
    PhotoError
        As `load` does; `unsupported` for 32-bit pixels, whose range nobody knows.
    """
    decoded = load(image)
    if image.format == "BMP" and image.mode == "RGBA" and not image.getbbox():
        return decoded.convert("RGB")  # nobody means alpha of 0 all over, as browsers see it, too
    return _eight_bits(decoded)


def load(image: Image.Image) -> Image.Image:
    """Decode the pixels of an opened photograph.

    A picture whose decoding failed once is failed: Pillow itself calls what it has of one whole
    when it is asked again.

    Raises
    ------
    PhotoError
        `truncated` where the file ends early or is damaged, `too_large` without memory for it.
    """
    size = image.size
    try:
        data = bytes_of(image)
        if image.format not in JPEGS or not decode_jpeg(image, data):
            _load_by_pillow(image, data)
        if image.size != size:
            raise PhotoError("truncated", f"has other sides than its header's {size}")  # noqa: TRY301
    except PhotoError as error:
        failure = error
    except MemoryError:
        width, height = size
        what = f"{width} x {height} pixels: rows too long to decode, or not enough memory"
        failure = PhotoError("too_large", what)
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile bytes
        failure = _not_decoded(image, error)
    else:
        return image
    image.load = partial(_fail, failure)  # type: ignore[method-assign]
    raise failure


def _not_decoded(image: Image.Image, error: Exception) -> PhotoError:
    if image.format == "TIFF" and (what := unread_coding(image)):
        return PhotoError("unsupported", f"is {what}, which is not read")
    if image.format == "HEIF" and str(error).startswith("Unsupported"):
        return PhotoError("unsupported", one_line(error))
    container = details_of(image).container
    if container and (what := unknown_need(container)):
        return PhotoError("unsupported", what)
    return PhotoError("truncated", one_line(error))


def _load_by_pillow(image: Image.Image, data: bytes) -> None:
    """Decode a photograph; damage that Pillow passes over raises PhotoError."""
    if image.format == "PNG":
        check_sums(data)
    if image.format == "TIFF":
        check_strips(image)
        check_jpegs(image, data)
        check_tiff_sums(image, data)
    if details_of(image).container:
        check_items(data)
    with own_limit():
        image.load()
        if image.format == "PNG" and data:
            check_rows(image, data)
            resolve_key(image, data)


def _fail(failure: PhotoError) -> NoReturn:
    raise failure


def bytes_of(image: Image.Image) -> bytes:
    """Return the file of an opened photograph; nothing once Pillow has closed it."""
    file: BinaryIO | None = getattr(image, "fp", None)
    if file is None:
        return b""
    if isinstance(file, BytesIO):
        return file.getvalue()
    place = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(place)
    return data


def _eight_bits(image: Image.Image) -> Image.Image:
    """Resolve palettes, scale 16-bit grey to 8 bits, make transparency an alpha channel."""
    tags = getattr(image, "tag_v2", {})
    if image.mode in {"I", "F"} or _SIGNED in tags.get(_FORMAT, ()):
        raise PhotoError("unsupported", "has signed or 32-bit pixels, whose range nobody knows")
    if image.mode.startswith("I;16"):
        return _scaled_grey(image)
    if image.mode == "La":  # grey times its alpha
        return image.convert("LA")
    if image.has_transparency_data and image.mode not in _EIGHT_BITS - {"L", "RGB"}:
        return image.convert("RGBA")
    if image.mode in _EIGHT_BITS:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _scaled_grey(image: Image.Image) -> Image.Image:
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
