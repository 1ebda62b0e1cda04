"""Which photographs belong together, and must stand on one side of a split."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.alike import find_alike
from granpipe.dataset.forest import Forest, Links, Numbers, links
from granpipe.dataset.places import link_places
from granpipe.errors import DatasetError

BURST = 10
"""Seconds between two photographs of a burst, at most."""

RULES = ("place", "burst", "likeness", "folder")
"""What may keep photographs together."""


@dataclass(frozen=True, slots=True)
class Together:
    """What keeps photographs together.

    Attributes
    ----------
    rules : tuple of str
        Some of `RULES`, in their order.
    metres : float
        How far apart two photographs of one place may be.
    """

    rules: tuple[str, ...] = ("place", "burst", "likeness")
    metres: float = 200.0

    def __str__(self) -> str:
        place = f"place:{self.metres:.12g}"
        return ",".join(place if rule == "place" else rule for rule in self.rules)


def parse_together(text: str) -> Together:
    """Return what a text such as place:200,burst,likeness says.

    Raises
    ------
    DatasetError
        It says nothing that can be done.

    Examples
    --------
    >>> str(parse_together("folder,place:50"))
    'place:50,folder'
    """
    words = [word.strip() for word in text.split(",")]
    names = [word.partition(":")[0] if word.startswith("place:") else word for word in words]
    metres = next((word[6:] for word in words if word.startswith("place:")), "200")
    is_known = set(names) <= set(RULES) and len(set(names)) == len(names)
    if not is_known or not re.fullmatch(r"[0-9]{1,8}([.][0-9]{1,3})?", metres) or not float(metres):
        raise DatasetError(
            f"{text!r} does not say what belongs together; name some of place:METRES, burst, "
            "likeness and folder, with commas between them"
        )
    return Together(tuple(rule for rule in RULES if rule in names), float(metres))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a photograph that may tell to which others it belongs.

    Attributes
    ----------
    source, sha256 : str
        Its path below the folder of photographs; the SHA-256 of its bytes.
    lat, lon : float
        In decimal degrees; NaN where it has no position.
    taken_at, camera : str
        Local time as ISO 8601, and make and model; each may be empty.
    look : bytes
        Of `granpipe.photo.likeness.hashes`; empty where there is too little to see.
    """

    source: str
    sha256: str
    lat: float
    lon: float
    taken_at: str
    camera: str
    look: bytes


@dataclass(frozen=True, slots=True)
class Groups:
    """Photographs in groups.

    Attributes
    ----------
    names : dict of str to str
        The group of each photograph, by source.
    alike : list of tuple
        Two sources in their order, and the bits in which the photographs differ, for every link of
        likeness; sorted.
    """

    names: dict[str, str]
    alike: list[tuple[str, str, int]]


def group(photos: Sequence[Facts], together: Together) -> Groups:
    """Return which photographs belong together; the same in whatever order they come."""
    photos = sorted(photos, key=lambda photo: (photo.sha256, photo.source))
    found = {rule: _LINKERS[rule](photos, together) for rule in together.rules}
    forest = Forest(len(photos))
    for one in found.values():
        forest.join(one)
    names = {
        photo.source: f"g{photos[first].sha256[:16]}"
        for photo, first in zip(photos, forest.component.tolist(), strict=True)
    }
    return Groups(names, sorted(_pairs(photos, found.get("likeness", links()))))


def _pairs(photos: Sequence[Facts], found: Links) -> list[tuple[str, str, int]]:
    numbers = zip(found.first.tolist(), found.second.tolist(), found.weight.tolist(), strict=True)
    pairs = [(photos[one].source, photos[other].source, bits) for one, other, bits in numbers]
    return [(min(one, other), max(one, other), bits) for one, other, bits in pairs]


def _link_places(photos: Sequence[Facts], together: Together) -> Links:
    lat, lon = np.array([(photo.lat, photo.lon) for photo in photos]).reshape(-1, 2).T
    return link_places(lat, lon, together.metres)


def _link_bursts(photos: Sequence[Facts], _: Together) -> Links:
    """Join what one camera took within seconds, where the place of one of the two is not known."""
    known = [number for number, photo in enumerate(photos) if photo.taken_at and photo.camera]
    times = np.array([photos[number].taken_at for number in known], "datetime64[s]")
    cameras = np.array([photos[number].camera for number in known], str)
    order = np.lexsort((times, cameras))
    number, times = np.array(known, np.int64)[order], times[order].astype(np.int64)
    camera = np.unique(cameras[order], return_inverse=True)[1]
    lost = np.isnan(np.array([photos[one].lat for one in number.tolist()], np.float64))
    after = len(lost) - 1 - _last_before(lost[::-1])[::-1]
    here = np.tile(np.arange(len(lost)), 2)
    there = np.concatenate([_last_before(lost), after])
    is_one = (there >= 0) & (there < len(lost))
    here, there = here[is_one], there[is_one]
    near = (camera[here] == camera[there]) & (np.abs(times[here] - times[there]) <= BURST)
    return links(number[here[near]], number[there[near]])


def _last_before(is_one: NDArray[np.bool_]) -> Numbers:
    """Return for every place the nearest before it that is one; -1 without any."""
    places = np.where(is_one, np.arange(len(is_one)), -1)
    latest: Numbers = np.maximum.accumulate(np.concatenate([[-1], places]))
    return latest[:-1]


def _link_looks(photos: Sequence[Facts], _: Together) -> Links:
    return find_alike([photo.look for photo in photos])


def _link_folders(photos: Sequence[Facts], _: Together) -> Links:
    """Join what stands in one field's folder below its class."""
    firsts: dict[tuple[str, ...], int] = {}
    ends = []
    for number, photo in enumerate(photos):
        label, *folders = photo.source.split("/")[:-1]
        if folders:
            ends.append((firsts.setdefault((label, folders[0]), number), number))
    return links(*np.array(ends, np.int64).reshape(-1, 2).T)


_LINKERS = {
    "place": _link_places,
    "burst": _link_bursts,
    "likeness": _link_looks,
    "folder": _link_folders,
}
