"""Which files are photographs: by their ending, or else by their first bytes."""

import re

from granpipe.photo.brands import are_of_picture
from granpipe.photo.raw import describe_raw
from granpipe.photo.tiff import PREFIXES

_PHOTOS = ".jpg .jpeg .jpe .png .webp .tif .tiff .bmp .avif .heic .heif"
SUFFIXES = frozenset(_PHOTOS.split())
"""Endings of the file names that are taken for photographs, in lower case."""

_RAW = """.3fr .arw .bay .cap .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf
    .pef .raf .fff .gpr .ptx .raw .rw2 .rwl .sr2 .srf .srw .x3f"""
_BESIDE = ".aae .acr .ctg .dop .lrv .on1 .pp3 .thm .vrd .xmp"  # of cameras and their programs
_PICTURES = ".ai .eps .exr .gif .hdr .ico .j2k .jp2 .jxl .kra .psb .psd .svg .tga .xcf"
_FILMS = """.3g2 .3gp .aac .amr .avi .flac .flv .m2ts .m4a .m4v .mkv .mov .mp3 .mp4 .mpeg .mpg .mts
    .ogg .opus .ts .wav .webm .wma .wmv"""
_TEXTS = """.csv .doc .docx .eml .htm .html .json .jsonl .log .md .odp .ods .odt .pdf .ppt .pptx
    .rst .rtf .tex .tsv .txt .xls .xlsx .xml .yaml .yml"""
_MAPS = """.cpg .dbf .fgb .geojson .gpkg .gpx .kml .kmz .prj .qgs .qgz .qmd .sbn .sbx .shp .shx
    .topojson"""
_DATA = """.7z .arrow .bz2 .db .feather .gz .h5 .hdf5 .mat .nc .npy .npz .parquet .pkl .pt .pth .rar
    .safetensors .sqlite .tar .tfrecord .tgz .xz .zip .zst"""
_PROGRAMS = """.bat .c .cfg .conf .cpp .css .dll .exe .go .h .ini .ipynb .java .js .lnk .lock .m .pl
    .py .pyc .r .rb .rs .sh .so .sql .toml .url"""
_NEVER = frozenset(" ".join((_RAW, _BESIDE, _FILMS)).split())
_SELDOM = frozenset(" ".join((_PICTURES, _TEXTS, _MAPS, _DATA, _PROGRAMS)).split())
_NO_PHOTOS = ("thumbs.db",)

HEAD = 64
"""How many first bytes show what a file is."""

HEAD_OF_TIFF = 1 << 16
"""How many first bytes show whether a TIFF is a raw photograph."""

_ENDING = re.compile(r"\.[a-z0-9]{1,9}")
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", *PREFIXES)


def is_photo(path: str) -> bool:
    """Return whether a path, with forward slashes, is named like a photograph.

    >>> is_photo("corn/IMG_1.JPG"), is_photo("corn/.jpg"), is_photo("corn.jpg/a")
    (True, False, False)
    """
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return bool(stem.strip(".")) and dot + suffix.lower() in SUFFIXES


def ending_of(path: str) -> str:
    """Return a file's ending in lower case; empty where there is none, or none like others.

    >>> ending_of("corn/IMG_1.CR2"), ending_of("corn/a.jpg?w=300"), ending_of("corn/.x")
    ('.cr2', '', '')
    """
    stem, dot, suffix = path.rpartition("/")[2].rpartition(".")
    ending = dot + suffix.lower()
    return ending if stem.strip(".") and _ENDING.fullmatch(ending) else ""


def is_never_photo(path: str) -> bool:
    """Return whether a file is raw, a film or a camera's note, going by its name.

    >>> is_never_photo("corn/a.CR2"), is_never_photo("corn/a.txt")
    (True, False)
    """
    return ending_of(path) in _NEVER or path.lower().rpartition("/")[2] in _NO_PHOTOS


def is_seldom_photo(path: str) -> bool:
    """Return whether a file's name is that of a text, a table or the like.

    >>> is_seldom_photo("corn/notes.TXT"), is_seldom_photo("corn/a.jfif")
    (True, False)
    """
    return ending_of(path) in _SELDOM


def begins_like_photo(head: bytes) -> bool:
    r"""Return whether a file that begins so is a photograph of a kind that can be opened.

    Parameters
    ----------
    head : bytes
        Its first `HEAD` bytes, or of a TIFF, which may be raw, the first `HEAD_OF_TIFF`.

    Examples
    --------
    >>> begins_like_photo(b"\xff\xd8\xff\xe1"), begins_like_photo(b"GIF89a")
    (True, False)
    """
    if head.startswith(_SIGNATURES) or are_of_picture(head):
        return not describe_raw(head)
    if head.startswith(b"BM"):
        return len(head) >= 18 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"
