"""One photograph -> its array, as a network that was trained on a dataset is to see it."""

import os

from granpipe import checks
from granpipe.checks import checked
from granpipe.dataset.sources import read_photo
from granpipe.errors import PhotoError
from granpipe.photo.letterbox import Colour, Pixels, letterbox
from granpipe.photo.memory import MAX_MEMORY
from granpipe.photo.opening import MAX_PIXELS, open_photo
from granpipe.stores.protocol import Entry
from granpipe.stores.urls import open_file


def letterbox_photo(
    photo: bytes | bytearray | memoryview | str | os.PathLike[str],
    size: int = 224,
    fill: int | str | Colour = 0,
    *,
    max_pixels: int = MAX_PIXELS,
    max_memory: int = MAX_MEMORY // checks.MEGABYTE,
) -> Pixels:
    """Return the array that `prepare` writes of a photograph.

    Parameters
    ----------
    photo : bytes, str or Path
        The photograph's file as it is, EXIF and all; or its name, or an s3:// URL.
    size, fill, max_pixels, max_memory
        As for `prepare`: the dataset's, as `settings` in its dataset.json says.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Rows from the top, channels R G B.

    Raises
    ------
    OptionError
        An argument is not what it may be.
    PhotoError
        The photograph cannot be used; its reason is one of those in rejected.csv.
    """
    side, colour = checked("size", size, checks.SIZE), checked("fill", fill, checks.colour)
    most = checked("max_pixels", max_pixels, checks.PIXELS)
    memory = checked("max_memory", max_memory, checks.memory)
    if isinstance(photo, bytes | bytearray | memoryview):
        return _letterboxed(bytes(photo), side, colour, most, memory)
    store, name = open_file(checked("photo", photo, checks.place))
    try:
        data, _ = read_photo(store, Entry(name, 1, ""), most)
        return _letterboxed(data, side, colour, most, memory)
    except PhotoError as error:
        error.add_note(f"photo: {os.fspath(photo)}")
        raise


def _letterboxed(data: bytes, size: int, fill: Colour, max_pixels: int, max_memory: int) -> Pixels:
    if not data:
        raise PhotoError("unreadable", "the file is empty")
    return letterbox(open_photo(data, max_pixels, max_memory), size, fill, max_memory)[0]
