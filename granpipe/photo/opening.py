"""Open a photograph safely: only known formats, nothing larger than allowed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from granpipe.errors import PhotoError, one_line
from granpipe.photo.clutter import check_clutter
from granpipe.photo.details import details_of, note_details, read_details
from granpipe.photo.isobmff import Container, read_container
from granpipe.photo.jpeg_header import open_plain
from granpipe.photo.kinds import HEAD, begins_like_photo
from granpipe.photo.memory import too_much
from granpipe.photo.png import scale_key
from granpipe.photo.raw import describe_raw
from granpipe.photo.tiff import PREFIXES, check_tables, fix_colour_map
from granpipe.photo.tiff_jpegs import whole_jpeg
from granpipe.photo.unread import (
    describe,
    has_stray_segment,
    is_lossless,
    keeps_coefficients,
    patched,
    simpler,
    webp_sides,
)

MAX_PIXELS = 200_000_000
"""Pixels of the largest photograph that is decoded, by default."""

# Other formats stay shut, whatever a file is called: Pillow would run Ghostscript for EPS, and
# while it opens a GIF it makes room for whatever frame that claims. MPO, which some phones write,
# is opened by way of JPEG.
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF")
JPEGS = ("JPEG", "MPO")
_BROKEN = b"\x89PNG"  # as of a PNG whose line ends were taken for those of a text
_ERASED = (bytes(HEAD), b"\xff" * HEAD)  # as on a card that fails
_SAID_BEFORE = (b"GIF8", b"\xff\xd8\xff")  # Pillow would open what it does not decode
_LONGEST_AVIF, _LARGEST_AVIF = 32_768, 1 << 28  # sides and pixels that libavif takes at most
_WEBP_BUFFERS = 4  # that its decoder makes when it is opened, of 4 bytes a pixel


def open_photo(
    file: bytes | BinaryIO, max_pixels: int = MAX_PIXELS, max_memory: int | None = None
) -> Image.Image:
    """Open a photograph as far as its header; its pixels are decoded later.

    Parameters
    ----------
    file : bytes or binary file
        The photograph, in one of the formats of `granpipe.photo.kinds`.
    max_pixels : int
        Width times height of the largest picture that is accepted.
    max_memory : int, optional
        Bytes that a decoder may take which makes its buffers when it opens; any number by default.

    Raises
    ------
    PhotoError
        `unreadable`, `truncated`, `unsupported` or `too_large`.
    """
    data = file if isinstance(file, bytes) else _whole(file)
    image = open_plain(data) or _open_by_pillow(data, max_pixels, max_memory)
    _check_pixels(image.size, max_pixels)
    return image


def _whole(file: BinaryIO) -> bytes:
    return file.getvalue() if isinstance(file, BytesIO) else file.read()


def _check_pixels(sides: tuple[int, int], max_pixels: int) -> None:
    if sides[0] * sides[1] > max_pixels:
        raise PhotoError("too_large", f"{sides[0]} x {sides[1]} pixels")


def _open_by_pillow(data: bytes, max_pixels: int, max_memory: int | None) -> Image.Image:
    check_clutter(data)
    if data.startswith(_SAID_BEFORE) and (what := describe(data)):
        raise PhotoError("unsupported", what)
    if data.startswith(PREFIXES):
        if raw := describe_raw(data):
            raise PhotoError("unsupported", raw)
        check_tables(data)
    if sides := webp_sides(data):
        _check_pixels(sides, max_pixels)
        _check_opener(sides, max_memory)
    try:
        image = _opened(data)
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile bytes
        image = _opened_again(data, error, max_pixels)
    if container := details_of(image).container:
        if container.contradiction:
            raise PhotoError("truncated", container.contradiction)
        if container.decoded:  # of which its clean aperture may be a small part
            _check_pixels(container.decoded, max_pixels)
    return image


def _check_opener(sides: tuple[int, int], max_memory: int | None) -> None:
    needed = 4 * _WEBP_BUFFERS * sides[0] * sides[1]
    if max_memory is not None and needed > max_memory:
        raise too_much(needed, max_memory, "open")


def _opened(data: bytes) -> Image.Image:
    image = _open(data)
    details = read_details(image, data)
    if details.chunks:
        if details.chunks.is_odd:
            image = _open(simpler(data))
        scale_key(image, details.chunks)
    elif details.container and details.container.patches:
        image = _open(patched(data, details.container.patches))
        details = replace(details, decoder_turns=image.format == "HEIF")  # by its brands at first
    elif image.format == "TIFF":
        image.info.pop("xmp", None)  # by which Pillow would turn it
        image.is_animated = True  # type: ignore[attr-defined]  # else it reads all EXIF at its end
        fix_colour_map(image)
        image.info["scans"] = keeps_coefficients(whole_jpeg(image, data))
    elif image.format in JPEGS:
        if has_stray_segment(data):
            image = _open(simpler(data))
        image.info["lossless"] = is_lossless(data)
        image.info["scans"] = keeps_coefficients(data)
    note_details(image, details)
    return image


def _open(data: bytes) -> Image.Image:
    formats = (*_FORMATS, "HEIF") if data[4:8] == b"ftyp" and _reads_heic() else _FORMATS
    with own_limit():
        return Image.open(BytesIO(data), formats=formats)


def _opened_again(data: bytes, error: Exception, max_pixels: int) -> Image.Image:
    """Open a file without what is no part of its picture, or raise what is to be said of it."""
    is_container = data[4:8] == b"ftyp"
    if what := describe(data, reads_heic=not is_container or _reads_heic()):
        raise PhotoError("unsupported", what) from error
    if is_container:
        _check_container(read_container(data), max_pixels)
    for plain in _versions(data):
        try:
            image = _opened(plain)
        except Exception as cause:
            error = cause
        else:
            note_details(image, read_details(image, data))
            return image
    if isinstance(error, UnidentifiedImageError):
        raise _not_opened(data) from error
    raise PhotoError("truncated", one_line(error)) from error


def _versions(data: bytes) -> Iterator[bytes]:
    """Yield a file without what decoders stop at, and then without remarks."""
    tried = [data]
    if data[4:8] == b"ftyp" and (patches := read_container(data).patches):
        tried.append(patched(data, patches))
        yield tried[-1]
    if (plain := simpler(data)) not in tried:
        yield plain


def _check_container(container: Container, max_pixels: int) -> None:
    """Raise PhotoError for a HEIC or AVIF that did not open, and is other or larger than read."""
    if container.contradiction:
        raise PhotoError("truncated", container.contradiction)
    sides = container.sides or (0, 0)
    _check_pixels(sides, max_pixels)
    is_large = max(sides) > _LONGEST_AVIF or sides[0] * sides[1] > _LARGEST_AVIF
    if is_large and b"av01" in container.codings:
        most = f"{_LONGEST_AVIF:,} a side and {_LARGEST_AVIF:,} in all"
        what = f"{sides[0]} x {sides[1]} pixels; of an AVIF {most} are decoded"
        raise PhotoError("too_large", what)


@cache
def _reads_heic() -> bool:
    try:
        import pillow_heif  # noqa: PLC0415 - takes as long as Pillow, which only HEIC is worth
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


@contextmanager
def own_limit() -> Iterator[None]:
    """Keep Pillow from judging the number of pixels, which is ours to judge, and from warning."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _not_opened(data: bytes) -> PhotoError:
    if data.startswith(_ERASED):
        return PhotoError("truncated", "its beginning was never written, or is erased")
    if data.startswith(_BROKEN) or begins_like_photo(data[:HEAD]):
        return PhotoError("truncated", "cut off or damaged before its pixels begin")
    return PhotoError("unreadable", "is no picture, whatever its name says")
