"""Find photographs that look alike, without comparing each with each.

All hashes are put into tables by some of their lowest bits, and only what agrees in these, or in
all but one, is compared. Copies as far away as is allowed agree in one table or another in 97 of
100 cases; common ones do always.
"""

import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from granpipe.dataset.components import Components, Links, blocks, is_new, joined
from granpipe.photo.likeness import BYTES, WINDOWS, Hashes, turns

FARTHEST = 56
"""Bits of 256 in which the hashes of two photographs that look alike may differ."""

_Words = NDArray[np.uint64]
_Numbers = NDArray[np.int64]
_Places = NDArray[np.int32]
_Sizes = NDArray[np.uint8]

_TABLES = 32
_TABLES_OF_TURNS = 4  # turned copies are near, as nothing is cut off
_LOWEST = 128
# Of 412 copies within 56 bits none differed in over 16 of the lowest 64; strangers do in 27.
_FARTHEST_IN_64 = 24
# A film of a thousand frames fills a bucket; its frames find each other all the same.
_MOST_IN_BUCKET = 64
_MOST_AT_ONCE = 1 << 18


def find_alike(looks: Iterable[bytes]) -> Links:
    """Return the links that join photographs which look alike.

    Parameters
    ----------
    looks : iterable of bytes
        For each photograph the bytes of its `granpipe.photo.likeness.hashes`; often empty ones.

    Returns
    -------
    Links
        Between numbers of photographs, the smaller first, weighing their `distance`; no more than
        hold each component together. They depend on the order of the photographs.
    """
    shelf = _shelve(looks)
    found = _found(shelf, Components(int(shelf.owner.max(initial=-1)) + 1))
    return Links(found.first, found.second, _distances(shelf, found.first, found.second))


def alike_across(looks: Iterable[bytes], split: NDArray[np.int8]) -> Links:
    """Return all pairs of photographs that look alike and are not of one split.

    Parameters
    ----------
    looks : iterable of bytes
    split : ndarray of shape (n,), int8

    Returns
    -------
    Links
        As of `find_alike`, but every pair that is found.
    """
    shelf = _shelve(looks)
    found = _found(shelf, _Splits(split))
    first, second = np.divmod(np.unique(found.first * len(split) + found.second), len(split))
    return Links(first, second, _distances(shelf, first, second))


@dataclass(frozen=True, slots=True, eq=False)
class _Splits:
    """Splits in place of components: what is of two splits is apart, whatever was found."""

    component: NDArray[np.int8]

    def union(self, links: Links) -> Links:
        return links


def _found(shelf: "_Shelf", components: Components | _Splits) -> Links:
    wholes = shelf.at(shelf.starts())
    found = _search(shelf, [shelf.at(np.flatnonzero(~shelf.is_window))], _TABLES, components)
    # The sixth turn undoes the fifth, and all others themselves: one of the two finds both.
    turned = [shelf for way, shelf in enumerate(_turned(wholes)) if way not in {0, 6}]
    return joined(found + _search(wholes, turned, _TABLES_OF_TURNS, components))


def _search(
    among: "_Shelf", queries: Sequence["_Shelf"], tables: int, components: Components | _Splits
) -> list[Links]:
    found = []
    for number in range(tables if len(among) else 0):
        table = _Table(among, number)
        for query in queries:
            found += [components.union(links) for links in table.near(query, components)]
        del table  # before the next one takes as much memory
    return found


def distance(one: bytes, other: bytes) -> int:
    """Return in how many bits two photographs differ where they are most alike.

    The whole and the inside of a frame are compared with all of the other's hashes, and the wholes
    in all turns. Without a hash, all 256 bits count as different.
    """
    if not (one and other):
        return 8 * BYTES
    return int(_distances(_shelve([one, other]), np.array([0]), np.array([1]))[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Shelf:
    """Hashes as four words each, the photographs that they are of, in order, and which see all."""

    words: _Words
    owner: _Places
    is_window: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.owner)

    def at(self, places: _Numbers) -> "_Shelf":
        return _Shelf(self.words[places], self.owner[places], self.is_window[places])

    def starts(self) -> _Numbers:
        """Return where the hashes of each photograph begin."""
        return np.flatnonzero(is_new(self.owner))


def _shelve(looks: Iterable[bytes]) -> _Shelf:
    data, lengths = bytearray(), array("q")
    for look in looks:
        data += look
        lengths.append(len(look))
    counts = np.frombuffer(lengths, np.int64) // BYTES
    owner = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    place = np.arange(len(owner), dtype=np.int32)
    place -= np.repeat((np.cumsum(counts) - counts).astype(np.int32), counts)
    words = np.frombuffer(data, np.uint64).reshape(-1, BYTES // 8)
    if sys.byteorder == "little":
        words.byteswap(inplace=True)
    return _Shelf(words, owner, (place > 0) & (place <= WINDOWS))


def _turned(wholes: _Shelf) -> list[_Shelf]:
    ways = [np.empty_like(wholes.words) for _ in range(8)]
    for some in blocks(len(wholes)):
        turned = turns(wholes.words[some].astype(">u8").view(np.uint8).reshape(-1, BYTES))
        for way, hashes in zip(ways, turned, strict=True):
            way[some] = _words(hashes)
    return [_Shelf(way, wholes.owner, wholes.is_window) for way in ways]


def _distances(shelf: _Shelf, one: _Numbers, other: _Numbers) -> _Numbers:
    whole, wholes = shelf.at(np.flatnonzero(~shelf.is_window)), shelf.at(shelf.starts())
    ways = [_nearest(way, wholes, one, other) for way in _turned(wholes)]
    seen = [_nearest(whole, shelf, one, other), _nearest(whole, shelf, other, one)]
    fewest: _Numbers = np.minimum.reduce([*ways, *seen])
    return fewest


def _nearest(shelf: _Shelf, others: _Shelf, one: _Numbers, other: _Numbers) -> _Numbers:
    """Return the fewest bits between any hash of one photograph and any of the other's."""
    (here, width), (there, depth) = _spans(shelf, one), _spans(others, other)
    sizes = width * depth
    pair = np.repeat(np.arange(len(one)), sizes)
    first = np.cumsum(sizes) - sizes
    row, column = np.divmod(np.arange(len(pair)) - first[pair], depth[pair])
    words = shelf.words[here[pair] + row] ^ others.words[there[pair] + column]
    bits = _count_all(words)
    return np.minimum.reduceat(bits, first) if len(first) else bits


def _spans(shelf: _Shelf, photos: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Return where the hashes of photographs begin, and how many they are."""
    starts = np.searchsorted(shelf.owner, photos)
    return starts, np.searchsorted(shelf.owner, photos, "right") - starts


def _words(hashes: Hashes) -> _Words:
    return np.ascontiguousarray(hashes).view(">u8").astype(np.uint64)


def _count_all(words: _Words) -> _Numbers:
    """Return how many bits of each row of words are set."""
    counts: _Numbers = _count(words).sum(axis=1, dtype=np.int64)
    return counts


def _count(words: _Words) -> NDArray[np.unsignedinteger[Any]]:
    """Return how many bits of each word are set; NumPy itself counts them from 2.0 on only."""
    if hasattr(np, "bitwise_count"):
        counts: NDArray[np.uint8] = np.bitwise_count(words)
        return counts
    pairs = words - (words >> np.uint64(1) & np.uint64(0x5555555555555555))
    low = np.uint64(0x3333333333333333)
    fours = (pairs & low) + (pairs >> np.uint64(2) & low)
    eights = fours + (fours >> np.uint64(4)) & np.uint64(0x0F0F0F0F0F0F0F0F)
    sixty_fours: _Words = eights * np.uint64(0x0101010101010101) >> np.uint64(56)
    return sixty_fours


class _Table:
    """Hashes in buckets, by some of their lowest bits."""

    def __init__(self, shelf: _Shelf, number: int) -> None:
        self.shelf = shelf
        bits = min(max(math.ceil(math.log2(len(shelf))), 8), 22)
        self.chosen = _chosen(number, bits)
        self.factors = np.frombuffer(_bytes_of(number)[-16:], "<u8") | np.uint64(1)
        self.shift = np.uint64(64 - bits - 1)  # half empty, since other bits may meet there
        # Sorted with their places, so that no order is left to the kind of sorting.
        places = np.arange(len(shelf), dtype=np.uint64)
        for some in blocks(len(shelf)):
            places[some] |= self._mix(shelf.words[some]) >> self.shift << np.uint64(32)
        places.sort()
        self.order = places.astype(np.uint32)  # the lower half
        self.starts = np.zeros((2 << bits) + 1, np.int32)
        for some in blocks(len(shelf)):
            buckets = (places[some] >> np.uint64(32)).astype(np.int64)
            sizes = np.bincount(buckets - buckets[0])
            self.starts[buckets[0] + 1 : buckets[-1] + 2] += sizes.astype(np.int32)
        np.cumsum(self.starts, out=self.starts)
        del places
        self.lowest = shelf.words[self.order, 0]

    def _mix(self, words: _Words) -> _Words:
        mask = _words(np.packbits(np.isin(np.arange(_LOWEST), self.chosen)))
        masked = [words[:, word] & mask[word] for word in (0, 1)]
        mixed: _Words = masked[0] * self.factors[0] + masked[1] * self.factors[1]
        return mixed

    def near(self, query: _Shelf, components: Components | _Splits) -> Iterator[Links]:
        """Yield links between photographs that are not joined yet and look alike."""
        starts, sizes = self._probe(query)
        ends = np.cumsum(sizes.sum(axis=1, dtype=np.int64))
        stops = np.searchsorted(ends, np.arange(_MOST_AT_ONCE, ends[-1], _MOST_AT_ONCE))
        for part in np.split(np.arange(len(query)), np.unique(stops)):
            if len(part):
                yield self._compare(query.at(part), starts[part], sizes[part], components)

    def _probe(self, query: _Shelf) -> tuple[_Places, _Sizes]:
        """Return where each query is to look, and how far: its bucket, and those one bit away."""
        word, bit = self.chosen // 64, (63 - self.chosen % 64).astype(np.uint64)
        steps = self.factors[word] << bit
        starts = np.empty((len(query), 1 + len(word)), np.int32)
        sizes = np.empty(starts.shape, np.uint8)
        for some in blocks(len(query)):
            is_set = query.words[some][:, word] >> bit & np.uint64(1)
            mixed = self._mix(query.words[some])[:, None]
            probes = np.concatenate([mixed, mixed + steps - 2 * steps * is_set], axis=1)
            buckets = (probes >> self.shift).astype(np.int64)
            starts[some] = self.starts[buckets]
            sizes[some] = np.minimum(self.starts[buckets + 1] - starts[some], _MOST_IN_BUCKET)
        return starts, sizes

    def _compare(
        self, query: _Shelf, starts: _Places, sizes: _Sizes, components: Components | _Splits
    ) -> Links:
        flat, ends = sizes.ravel(), np.cumsum(sizes, dtype=np.int64)
        place = np.arange(ends[-1]) + np.repeat(starts.ravel() - (ends - flat), flat)
        totals = sizes.sum(axis=1, dtype=np.int64)
        apart_in_64 = _count(self.lowest[place] ^ np.repeat(query.words[:, 0], totals))
        near = np.flatnonzero(apart_in_64 <= _FARTHEST_IN_64)
        # Few of those compared are near, so that their askers are found rather than written out.
        place, asker = self.order[place[near]], np.searchsorted(np.cumsum(totals), near, "right")
        one = self.shelf.owner[place].astype(np.int64)
        other = query.owner[asker].astype(np.int64)
        apart = components.component[one] != components.component[other]
        one, other, place, asker = one[apart], other[apart], place[apart], asker[apart]
        weight = _count_all(self.shelf.words[place] ^ query.words[asker])
        alike = weight <= FARTHEST
        one, other = one[alike], other[alike]
        return Links(np.minimum(one, other), np.maximum(one, other), weight[alike])


def _bytes_of(number: int) -> bytes:
    """Return bytes that look random, the same for ever; others for every table."""
    return b"".join(sha256(f"{number} {part}".encode()).digest() for part in range(5))


def _chosen(number: int, bits: int) -> _Numbers:
    """Return so many of the lowest bits, others for every table."""
    order = np.argsort(np.frombuffer(_bytes_of(number)[:_LOWEST], np.uint8), kind="stable")
    return order[:bits]
