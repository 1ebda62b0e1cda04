"""Which kinds of file a HEIC or AVIF says it is (`ftyp`: ISO/IEC 14496-12, section 4.3).

The first brand is the major one, which Pillow and pillow-heif go by alone. Compatible ones follow,
by which readers are to judge (23008-12, section 10), as libavif and libheif do.
"""

from collections.abc import Iterator

from granpipe.photo.meta_box import HEVC, DamagedError, Meta, boxes

_STILL, _MOVING = b"avif", b"avis"
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_CONTAINERS = (b"mif1", b"msf1")
_PICTURES = frozenset((_STILL, _MOVING, *_HEIC, *_CONTAINERS, b"mif2", b"miaf"))
_TAKEN_BY_LIBHEIF = frozenset((b"heic", b"heix", b"mif1"))
_FILMS = frozenset((b"msf1", b"isom", b"mp41", b"mp42"))  # by which libheif looks for a film
_GAIN_MAP = b"tmap"  # which is not used, and may be of a kind that libavif refuses
_BEGIN_FILM = (b"ftyp", b"moov", b"moof")
_MOST_BRANDS = 64


def are_of_picture(head: bytes) -> bool:
    r"""Return whether a file that begins so has a brand of HEIC or AVIF.

    Examples
    --------
    >>> are_of_picture(b"\0\0\0\x14ftypMA1B\0\0\0\0avif")
    True
    >>> are_of_picture(b"\0\0\0\x14ftypisom\0\0\0\0mp41")
    False
    """
    return not _PICTURES.isdisjoint(brands_of(head))


def brands_of(data: bytes) -> list[bytes]:
    """Return the brands of a file, the major one first, as far as they are there."""
    if data[4:8] != b"ftyp":
        return []
    return [data[8:12], *(data[place : place + 4] for place in _places(data))]


def names_heic(data: bytes) -> bool:
    """Return whether the major brand is of HEIC, or of any coding."""
    return data[8:12] in (*_HEIC, *_CONTAINERS)


def lone_brand(data: bytes) -> str:
    """Return the major brand of a file without room for others; nothing where there is some."""
    return "" if _places(data) else data[8:12].decode("latin-1")


def patch_brands(data: bytes, meta: Meta) -> Iterator[tuple[int, bytes]]:
    """Yield places in a file, and brands to be written there, with which decoders read it.

    Its tables say how the picture is coded, whatever the brands say.
    """
    if data[4:8] != b"ftyp":
        return
    parts = (meta.primary, *meta.inputs(meta.primary))
    codings = {meta.kinds.get(item) for item in parts}
    if b"av01" in codings:
        yield from _patch_avif(data)
    elif not codings.isdisjoint(HEVC):
        yield from _patch_heic(data)


def _patch_avif(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the brand of AVIF for a major one that is unusual, and for that of films in none."""
    major, *others = brands_of(data)
    is_film = bool({major, *others} & {_MOVING, b"msf1"}) and _has_film(data)
    is_usual = major == _STILL or (major == b"mif1" and _STILL in others)
    if not is_usual and not (is_film and major in {_MOVING, b"msf1"}):
        yield 8, _STILL
    unused = {_GAIN_MAP} if is_film else {_GAIN_MAP, _MOVING}
    places = _places(data)
    yield from ((places[row], _STILL) for row, brand in enumerate(others) if brand in unused)


def _patch_heic(data: bytes) -> Iterator[tuple[int, bytes]]:
    major, *others = brands_of(data)
    unused = _FILMS if not _FILMS.isdisjoint((major, *others)) and not _has_film(data) else ()
    if major in unused or major not in (*_HEIC, *_CONTAINERS):
        yield 8, b"heic"
    places = _places(data)
    yield from ((places[row], b"heic") for row, brand in enumerate(others) if brand in unused)
    if others and _TAKEN_BY_LIBHEIF.isdisjoint(others):
        yield places[0], b"heic"


def _places(data: bytes) -> range:
    """Return where the compatible brands are."""
    end = min(int.from_bytes(data[:4], "big"), len(data))
    return range(16, end - 3, 4)[:_MOST_BRANDS]


def _has_film(data: bytes) -> bool:
    try:
        return any(box.kind == b"moov" for box in boxes(data, 0, len(data)))
    except DamagedError:
        return False


def before_film(data: bytes) -> bytes:
    """Return a HEIC or AVIF without the film that follows its picture, as of a motion photo."""
    place, has_picture = 0, False
    for _ in range(_MOST_BRANDS):
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if has_picture and kind in _BEGIN_FILM:
            return data[:place]
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size < 8 or place + size >= len(data):
            break
        has_picture |= kind == b"meta"
        place += size
    return data
