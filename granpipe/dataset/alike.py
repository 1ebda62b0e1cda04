"""Find photographs that look alike, without comparing each with each.

All hashes are put into tables by some of their lowest bits, and only what agrees in these, or in
all but one, is compared. Copies as far away as is allowed agree in one table or another in 97 of
100 cases; common ones do always.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.forest import Forest, Links, joined
from granpipe.photo.likeness import BYTES, WINDOWS, Hashes, turns

FARTHEST = 56
"""Bits of 256 in which the hashes of two photographs that look alike may differ."""

_Words = NDArray[np.uint64]
_Numbers = NDArray[np.int64]

_TABLES = 32
_TABLES_OF_TURNS = 4  # turned copies are near, as nothing is cut off
_LOWEST = 128
# Of 412 copies within 56 bits none differed in over 16 of the lowest 64; strangers do in 27.
_FARTHEST_IN_64 = 24
# A film of a thousand frames fills a bucket; its frames find each other all the same.
_MOST_IN_BUCKET = 64
_MOST_AT_ONCE = 1 << 18


def find_alike(looks: Sequence[bytes]) -> Links:
    """Return the links that join photographs which look alike.

    Parameters
    ----------
    looks : sequence of bytes
        For each photograph the bytes of its `granpipe.photo.likeness.hashes`; often empty ones.

    Returns
    -------
    Links
        Between numbers of photographs, the smaller first, weighing their `distance`; no more than
        hold each component together. They depend on the order of the photographs.
    """
    shelf, is_window = _shelve(looks)
    forest = Forest(len(looks))
    first = shelf.at(shelf.starts())
    # The sixth turn undoes the fifth, and all others themselves: one of the two finds both.
    ways = [turns(_bytes(first.words))[way] for way in (1, 2, 3, 4, 5, 7)]
    turned = [_Shelf(_words(way), first.owner) for way in ways]
    searches = [(shelf, [shelf.at(np.flatnonzero(~is_window))], _TABLES)]
    searches += [(first, turned, _TABLES_OF_TURNS)]
    found = []
    for among, queries, tables in searches:
        for number in range(tables if len(among) else 0):
            table = _Table(among, number)
            found += [
                forest.join(links) for query in queries for links in table.near(query, forest)
            ]
    return _weighed(joined(found), looks)


def distance(one: bytes, other: bytes) -> int:
    """Return in how many bits two photographs differ where they are most alike.

    The whole and the inside of a frame are compared with all of the other's hashes, and the wholes
    in all turns. Without a hash, all 256 bits count as different.
    """
    hashes, others = _rows(one), _rows(other)
    if not (len(hashes) and len(others)):
        return 8 * BYTES
    return min(
        _nearest(_without_windows(hashes), others),
        _nearest(_without_windows(others), hashes),
        _nearest(np.concatenate(turns(hashes[:1])), others[:1]),
    )


def _rows(look: bytes) -> Hashes:
    return np.frombuffer(look, np.uint8).reshape(-1, BYTES)


def _without_windows(hashes: Hashes) -> Hashes:
    return np.concatenate([hashes[:1], hashes[1 + WINDOWS :]])


def _nearest(some: Hashes, others: Hashes) -> int:
    return int(_count(_words(some)[:, None] ^ _words(others)[None]).sum(axis=2).min())


def _weighed(links: Links, looks: Sequence[bytes]) -> Links:
    pairs = zip(links.first.tolist(), links.second.tolist(), strict=True)
    weights = [distance(looks[one], looks[other]) for one, other in pairs]
    return Links(links.first, links.second, np.array(weights, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class _Shelf:
    """Hashes as four words each, and the photographs that they are of, in order."""

    words: _Words
    owner: _Numbers

    def __len__(self) -> int:
        return len(self.owner)

    def at(self, places: _Numbers) -> "_Shelf":
        return _Shelf(self.words[places], self.owner[places])

    def starts(self) -> _Numbers:
        """Return where the hashes of each photograph begin."""
        return np.flatnonzero(np.diff(self.owner, prepend=-1))


def _shelve(looks: Sequence[bytes]) -> tuple[_Shelf, NDArray[np.bool_]]:
    """Return all hashes, and which of them are windows'."""
    counts = np.array([len(look) // BYTES for look in looks], np.int64)
    owner = np.repeat(np.arange(len(looks)), counts)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return _Shelf(_words(_rows(b"".join(looks))), owner), (place > 0) & (place <= WINDOWS)


def _words(hashes: Hashes) -> _Words:
    return np.ascontiguousarray(hashes).view(">u8").astype(np.uint64)


def _bytes(words: _Words) -> Hashes:
    return words.astype(">u8").view(np.uint8)


def _count(words: _Words) -> NDArray[np.int64]:
    """Return how many bits of each word are set; NumPy itself counts them from 2.0 on only."""
    pairs = words - (words >> np.uint64(1) & np.uint64(0x5555555555555555))
    low = np.uint64(0x3333333333333333)
    fours = (pairs & low) + (pairs >> np.uint64(2) & low)
    eights = fours + (fours >> np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    counts: _Words = eights * np.uint64(0x0101010101010101) >> np.uint64(56)
    return counts.astype(np.int64)


class _Table:
    """Hashes in buckets, by some of their lowest bits."""

    def __init__(self, shelf: _Shelf, number: int) -> None:
        self.shelf = shelf
        bits = min(max(math.ceil(math.log2(len(shelf))), 8), 22)
        self.chosen = _chosen(number, bits)
        self.factors = np.frombuffer(_digest(number)[:16], "<u8") | np.uint64(1)
        self.shift = np.uint64(64 - bits - 1)  # half empty, since other bits may meet there
        buckets = self._mix(shelf) >> self.shift
        # Sorted with their places, so that no order is left to the kind of sorting.
        places = np.sort(buckets << np.uint64(32) | np.arange(len(shelf), dtype=np.uint64))
        self.order = (places & np.uint64(0xFFFFFFFF)).astype(np.int64)
        self.lowest = shelf.words[self.order, 0]
        sizes = np.bincount(buckets.astype(np.int64), minlength=2 << bits)
        self.starts = np.concatenate([[0], np.cumsum(sizes)])

    def _mix(self, shelf: _Shelf) -> _Words:
        mask = _words(np.packbits(np.isin(np.arange(_LOWEST), self.chosen)))
        masked = [shelf.words[:, word] & mask[word] for word in (0, 1)]
        mixed: _Words = masked[0] * self.factors[0] + masked[1] * self.factors[1]
        return mixed

    def near(self, query: _Shelf, forest: Forest) -> Iterator[Links]:
        """Yield links between photographs that are not joined yet and look alike."""
        starts, sizes = self._probe(query)
        ends = np.cumsum(sizes.sum(axis=1))
        stops = np.searchsorted(ends, np.arange(_MOST_AT_ONCE, ends[-1], _MOST_AT_ONCE))
        for part in np.split(np.arange(len(query)), np.unique(stops)):
            if len(part):
                yield self._compare(query.at(part), starts[part], sizes[part], forest)

    def _probe(self, query: _Shelf) -> tuple[_Numbers, _Numbers]:
        """Return where each query is to look, and how far: its bucket, and those one bit away."""
        word, bit = self.chosen // 64, (63 - self.chosen % 64).astype(np.uint64)
        steps = self.factors[word] << bit
        is_set = query.words[:, word] >> bit & np.uint64(1)
        mixed = self._mix(query)[:, None]
        probes = np.concatenate([mixed, mixed + steps - 2 * steps * is_set], axis=1)
        buckets = (probes >> self.shift).astype(np.int64)
        starts = self.starts[buckets]
        return starts, np.minimum(self.starts[buckets + 1] - starts, _MOST_IN_BUCKET)

    def _compare(self, query: _Shelf, starts: _Numbers, sizes: _Numbers, forest: Forest) -> Links:
        flat, ends = sizes.ravel(), np.cumsum(sizes)
        place = np.arange(ends[-1]) + np.repeat(starts.ravel() - (ends - flat), flat)
        asker = np.repeat(np.arange(len(query)), sizes.sum(axis=1))
        near = _count(self.lowest[place] ^ query.words[asker, 0]) <= _FARTHEST_IN_64
        place, asker = self.order[place[near]], asker[near]
        one, other = self.shelf.owner[place], query.owner[asker]
        apart = forest.component[one] != forest.component[other]
        one, other, place, asker = one[apart], other[apart], place[apart], asker[apart]
        weight = _count(self.shelf.words[place] ^ query.words[asker]).sum(axis=1)
        alike = weight <= FARTHEST
        one, other = one[alike], other[alike]
        return Links(np.minimum(one, other), np.maximum(one, other), weight[alike])


def _digest(*numbers: int) -> bytes:
    return sha256(repr(numbers).encode()).digest()


def _chosen(number: int, bits: int) -> _Numbers:
    """Return so many of the lowest bits, others for every table."""
    return np.array(sorted(range(_LOWEST), key=lambda bit: _digest(number, bit))[:bits])
