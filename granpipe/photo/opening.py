"""Open a photograph safely: only known formats, nothing larger than allowed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from io import BytesIO
from typing import BinaryIO, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from granpipe.errors import PhotoError
from granpipe.photo.jpeg_header import open_plain
from granpipe.photo.jpeg_integrity import decode_jpeg
from granpipe.photo.png import check_rows, check_sums

MAX_PIXELS = 200_000_000
"""Pixels of the largest photograph that is decoded, unless told otherwise."""

# Other formats stay shut, whatever a file is called: Pillow would run Ghostscript for EPS.
# MPO, which some phones write, is opened by way of JPEG.
_FORMATS = (
    "JPEG",
    "PNG",
    "WEBP",
    "TIFF",
    "BMP",
    "GIF",
    "AVIF",
)
JPEGS = ("JPEG", "MPO")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*", b"BM", b"GIF8")
_IMAGE_WIDTH, _IMAGE_LENGTH, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_BYTE_COUNTS, _PLANAR, _APART = 279, 284, 2
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def open_photo(file: bytes | BinaryIO, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a photograph as far as its header; its pixels are decoded later.

    Parameters
    ----------
    file : bytes or binary file
        The photograph, in one of the formats of `granpipe.photo.kinds`, or GIF.
    max_pixels : int
        Width times height of the largest picture that is accepted.

    Raises
    ------
    PhotoError
        `unreadable`, `truncated`, `unsupported` or `too_large`.
    """
    plain = open_plain(file) if isinstance(file, bytes) else None
    image = plain or _open_by_pillow(BytesIO(file) if isinstance(file, bytes) else file)
    if image.width * image.height > max_pixels:
        raise PhotoError("too_large", f"{image.width} x {image.height} pixels")
    return image


def _open_by_pillow(stream: BinaryIO) -> Image.Image:
    head = stream.read(16)
    stream.seek(0)
    formats = (*_FORMATS, "HEIF") if head[4:8] == b"ftyp" and _reads_heic() else _FORMATS
    try:
        with _own_limit():
            return Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        raise _not_opened(head) from error
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile bytes
        raise PhotoError("truncated", one_line(error)) from error


@cache
def _reads_heic() -> bool:
    try:
        import pillow_heif  # noqa: PLC0415 - takes as long as Pillow, which only HEIC is worth
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


@contextmanager
def _own_limit() -> Iterator[None]:
    """Keep Pillow from judging the number of pixels, which is ours to judge, and from warning."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _not_opened(head: bytes) -> PhotoError:
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS and not _reads_heic():
        return PhotoError("unsupported", "HEIC needs the extra: pip install 'granpipe[heic]'")
    if head.startswith(_MAGIC) or head[4:8] == b"ftyp":
        return PhotoError("truncated", "cut off or damaged before its pixels begin")
    return PhotoError("unreadable", "is no picture, whatever its name says")


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
        failure = PhotoError("truncated", one_line(error))
    else:
        return image
    image.load = partial(_fail, failure)  # type: ignore[method-assign]
    raise failure


def _load_by_pillow(image: Image.Image, data: bytes) -> None:
    _check_file(image)
    with _own_limit():
        image.load()
    if image.format == "PNG" and data:
        check_rows(image, data)


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


def _check_file(image: Image.Image) -> None:
    """Raise PhotoError for damage that Pillow passes over."""
    if image.format == "PNG":
        check_sums(bytes_of(image))
    if image.format == "TIFF":
        _check_strips(image)


def _check_strips(image: Image.Image) -> None:
    """See that a TIFF's strips or tiles cover the whole picture, each part once."""
    tiles = [tile for tile in image.tile if tile[1]]  # type: ignore[attr-defined]
    if not tiles:
        return
    tags = image.tag_v2  # type: ignore[attr-defined]
    width, height = int(tags[_IMAGE_WIDTH]), int(tags[_IMAGE_LENGTH])  # not turned yet
    boxes = np.array([tile[1] for tile in tiles]).clip(0, [width, height] * 2)
    planes = int(tags.get(_SAMPLES, 1)) if tags.get(_PLANAR) == _APART else 1
    is_raw = tags.get(_COMPRESSION, 1) == 1
    if planes == 2 or (planes > 1 and is_raw and set(tags.get(_BITS, ())) != {8}):
        raise PhotoError("unsupported", "keeps its channels apart in a way that Pillow misreads")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    offsets = {tile[2] for tile in tiles}
    is_whole = _covers(boxes, width, height) and len(offsets) == len(tiles)
    if not is_whole or areas.sum() not in {width * height, planes * width * height}:
        raise PhotoError("truncated", "its strips are not the parts of one picture")
    counts = tags.get(_BYTE_COUNTS, ())
    if is_raw and len(counts) == len(tiles):
        bits = sum(tags.get(_BITS, (1,))) // planes
        if (np.array(counts) * 8 < areas * bits).any():
            raise PhotoError("truncated", "its strips hold less than their part of the picture")


def _covers(boxes: NDArray[np.int64], width: int, height: int) -> bool:
    across, down = np.unique(boxes[:, ::2]), np.unique(boxes[:, 1::2])
    covered = np.zeros((len(down), len(across)), bool)
    lefts, rights = np.searchsorted(across, boxes[:, ::2]).T
    tops, bottoms = np.searchsorted(down, boxes[:, 1::2]).T
    for left, top, right, bottom in zip(lefts, tops, rights, bottoms, strict=True):
        covered[top:bottom, left:right] = True
    corners = (across[0], across[-1], down[0], down[-1])
    return bool(covered[:-1, :-1].all()) and corners == (0, width, 0, height)


def one_line(error: Exception) -> str:
    """Return what an error of another library says, on one line of at most 200 characters."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
