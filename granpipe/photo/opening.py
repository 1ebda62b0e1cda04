"""Find photographs in a folder tree, and open one safely."""

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from granpipe.errors import DatasetError, PhotoError

SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .png .webp .tif .tiff .bmp .avif .heic .heif".split()  # noqa: SIM905
)
"""Endings of the file names that are taken for photographs, in lower case."""

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
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*", b"BM", b"GIF8")
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph by name.

    Attributes
    ----------
    source : str
        Path relative to the folder searched, with forward slashes.
    label : str
        First folder of `source`, or empty for a photograph directly in the folder.
    """

    source: str

    @property
    def label(self) -> str:
        first, slash, _ = self.source.partition("/")
        return first if slash else ""


@dataclass(slots=True)
class Found:
    """What a search found: photographs by sorted source, and what is no photograph.

    `unlisted` are the folders that could not be listed, each with the cause.
    """

    photos: list[Photo] = field(default_factory=list)
    unlisted: list[tuple[str, str]] = field(default_factory=list)
    ignored: int = 0


def find_photos(folder: Path) -> Found:
    """Find every photograph below a folder.

    Names that begin with a dot and names without one of `SUFFIXES` are counted as ignored. Links
    to folders are followed after all real folders, each folder once, so that a loop ends. A folder
    below the first level that is named like a photograph is listed as one, and searched too.

    Parameters
    ----------
    folder : Path
        Where to look.

    Returns
    -------
    Found
        Photographs in the order of their sources.

    Raises
    ------
    DatasetError
        `folder` is not a folder that can be listed.
    """
    try:
        os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        raise DatasetError(f"{folder}: {error.strerror}; name a folder of photographs") from error
    found = Found()
    folders, links = [""], list[str]()
    entered: set[tuple[int, int]] = set()
    while folders or links:
        name = folders.pop() if folders else links.pop(0)
        if not _enter(folder / name, entered):
            continue
        for path, entry in _list(folder, name, found):
            is_folder = _is_folder(entry)
            if is_folder:
                (links if entry.is_symlink() else folders).append(path)
            if _is_photo(path) and (name or not is_folder):
                found.photos.append(Photo(path))
            elif not is_folder:
                found.ignored += 1
        links.sort()
    found.photos.sort(key=lambda photo: photo.source)
    found.unlisted.sort()
    return found


def _list(folder: Path, name: str, found: Found) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    try:
        with os.scandir(folder / name) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    found.ignored += 1
                else:
                    yield f"{name}/{entry.name}" if name else entry.name, entry
    except OSError as error:
        found.unlisted.append((name, f"cannot list the folder: {error.strerror}"))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, for one
        return False


def _enter(folder: Path, entered: set[tuple[int, int]]) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return True  # listing it will say what is wrong
    if not status.st_ino:
        return True  # a file system without such numbers
    identity = (status.st_dev, status.st_ino)
    known = identity in entered
    entered.add(identity)
    return not known


def _is_photo(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122


@contextmanager
def open_file(path: Path, max_pixels: int = MAX_PIXELS) -> Iterator[BinaryIO]:
    """Open a photograph's file for as long as the `with` lasts.

    Raises
    ------
    PhotoError
        `unreadable` where the system does not open it; `too_large` above 8 bytes for each of
        `max_pixels`, more than any picture of that size holds.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise PhotoError("unreadable", f"is {kind}, though named like a photograph")
        if status.st_size > 8 * max_pixels + 1_000_000:
            raise PhotoError("too_large", f"the file has {status.st_size:,} bytes")
        if not status.st_size:
            raise PhotoError("unreadable", "the file is empty")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        cause = "link to a file that is not there" if path.is_symlink() else "is gone"
        raise PhotoError("unreadable", cause) from error
    except OSError as error:
        raise PhotoError("unreadable", error.strerror or str(error)) from error
    except MemoryError as error:
        raise PhotoError("too_large", "not enough memory to read it") from error


def open_photo(file: bytes | BinaryIO, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a photograph as far as its header; its pixels are decoded later.

    Parameters
    ----------
    file : bytes or binary file
        The photograph, in one of the formats behind `SUFFIXES` (or GIF under such a name).
    max_pixels : int
        Width times height of the largest picture that is accepted.

    Raises
    ------
    PhotoError
        `unreadable`, `truncated`, `unsupported` or `too_large`.
    """
    stream = BytesIO(file) if isinstance(file, bytes) else file
    head = stream.read(16)
    stream.seek(0)
    formats = (*_FORMATS, "HEIF") if head[4:8] == b"ftyp" and _reads_heic() else _FORMATS
    try:
        with _own_limit():
            image = Image.open(stream, formats=formats)
    except UnidentifiedImageError as error:
        raise _not_opened(head) from error
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile bytes
        raise PhotoError("truncated", one_line(error)) from error
    if image.width * image.height > max_pixels:
        raise PhotoError("too_large", f"{image.width} x {image.height} pixels")
    return image


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

    Raises
    ------
    PhotoError
        `truncated` where the file ends early or is damaged, `too_large` without memory for it.
    """
    try:
        with _own_limit():
            image.load()
    except MemoryError as error:
        raise PhotoError("too_large", "not enough memory to decode it") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on hostile bytes
        raise PhotoError("truncated", one_line(error)) from error
    return image


def one_line(error: Exception) -> str:
    """Return what an error of another library says, on one line of at most 200 characters."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
