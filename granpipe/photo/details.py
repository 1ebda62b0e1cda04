"""What a file says of its picture: EXIF, XMP, how it is turned, cut and coloured."""

import re
from dataclasses import dataclass

from PIL import Image

from granpipe.photo.adobe_rgb import is_adobe_rgb
from granpipe.photo.isobmff import Container, read_container
from granpipe.photo.png_chunks import PngChunks, read_chunks
from granpipe.photo.profiles import ADOBE_RGB, Colours, coded_colours, is_profile
from granpipe.photo.tags import read_orientation
from granpipe.photo.unread import bmp_profile

_ORIENTATION = 0x0112
_IN_XMP = re.compile(rb"tiff:Orientation(?:\s*=\s*[\"']|\s*>\s*)([1-8])\b")
_CONTAINERS = ("AVIF", "HEIF")
_UNSPECIFIED = 2  # as in ITU-T H.273


@dataclass(frozen=True, slots=True)
class Details:
    """What is in the file of an opened picture.

    Attributes
    ----------
    exif : bytes
        The TIFF block of its EXIF; of a TIFF the whole file. Empty where there is none.
    xmp : bytes
        Its XMP packet.
    profile : bytes or None
        Its ICC profile.
    chunks : PngChunks or None
        What a PNG says.
    container : Container or None
        What the boxes of a HEIC or AVIF file say.
    decoder_turns : bool
        Decoding turns the pixels upright.
    """

    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes | None = None
    chunks: PngChunks | None = None
    container: Container | None = None
    decoder_turns: bool = False

    @property
    def orientation(self) -> int:
        """What turns the decoded pixels upright, as in Exif 2.32, section 4.6.4, tag 274.

        HEIC and AVIF are turned by their own properties alone (ISO/IEC 23008-12, section 6.5.10).
        """
        if self.decoder_turns:
            return 1
        if self.container:
            return self.container.orientation
        return read_orientation(self.exif) if self.exif else 1

    @property
    def is_contradicted(self) -> bool:
        """EXIF or XMP says to turn the picture, and what decides says something else."""
        found = _IN_XMP.search(self.xmp) if self.xmp else None
        others = {int(found[1])} if found else set()
        in_exif = read_orientation(self.exif) if self.exif and (found or self.container) else 1
        if self.container:
            return bool({in_exif, *others} - {1, self.container.orientation})
        return bool(others - {1, in_exif})

    @property
    def aperture(self) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom of what is to be cut out of the decoded pixels."""
        return self.container.aperture if self.container and not self.decoder_turns else None

    def colours(self) -> bytes | Colours | None:
        """Return the ICC profile or the name of the pixels' colours; None for those of sRGB.

        Raises
        ------
        PhotoError
            `unsupported` where they cannot be converted.
        """
        profile = self.profile if self.profile and is_profile(self.profile) else None
        if self.chunks and (self.chunks.has_code_points or not profile):
            named = self.chunks.colours()
            if named or self.chunks.has_code_points:
                return named
        if profile:
            return profile
        if self.container and self.container.code_points:
            primaries, transfer, matrix, _ = self.container.code_points
            named = coded_colours(primaries, transfer, matrix)
            if (primaries, transfer) != (_UNSPECIFIED, _UNSPECIFIED):
                return named
        return ADOBE_RGB if is_adobe_rgb(self.exif) else None


def details_of(image: Image.Image, data: bytes = b"") -> Details:
    """Return what the file of a picture says, as `open_photo` noted it, or else as it is read."""
    details: Details | None = getattr(image, "details", None)
    if details is None:
        details = read_details(image, data)
    return details


def note_details(image: Image.Image, details: Details) -> None:
    """Keep what the file of a picture says, for `details_of`."""
    image.details = details  # type: ignore[attr-defined]


def read_details(image: Image.Image, data: bytes) -> Details:
    """Return what the file of an opened picture says; without the file, what Pillow says is all."""
    info = image.info
    exif, xmp = info.get("exif"), info.get("xmp")
    exif = exif.removeprefix(b"Exif\0\0") if isinstance(exif, bytes) else b""
    xmp = xmp if isinstance(xmp, bytes) else b""
    profile = info.get("icc_profile")
    if image.format == "PNG" and data:
        chunks = read_chunks(data)
        return Details(chunks.exif, chunks.xmp, profile or chunks.profile, chunks)
    if image.format in _CONTAINERS and data:
        container = read_container(data)
        return Details(
            *(container.exif or exif, xmp, profile),
            container=container,
            decoder_turns=image.format == "HEIF",
        )
    if image.format == "TIFF":
        turned = image.tag_v2.get(_ORIENTATION)  # type: ignore[attr-defined]
        return Details(data, xmp, profile, decoder_turns=turned in range(1, 9))
    if image.format == "BMP":
        profile = bmp_profile(data)
    return Details(exif, xmp, profile)
