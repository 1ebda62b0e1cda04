"""The search for what looks alike finds what comparing each with each finds."""

from itertools import combinations

import numpy as np
import pytest

from granpipe.dataset import alike
from granpipe.dataset.alike import FARTHEST, distance, find_alike
from granpipe.dataset.components import Components, links
from granpipe.photo.likeness import BYTES, WINDOWS, turns

KINDS = ["same bits", "light", "crop", "turned", "frame"]


def noisy(hashes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return hashes ^ np.packbits(rng.random((*hashes.shape[:-1], 256)) < share, axis=-1)


def stranger(rng: np.random.Generator) -> np.ndarray:
    """Return hashes of a picture like no other: windows are some bits from the whole."""
    whole = rng.integers(0, 256, (1, BYTES), np.uint8)
    return np.concatenate([whole, noisy(whole.repeat(WINDOWS, 0), 0.15, rng)])


def copy(look: np.ndarray, kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "crop":
        other = stranger(rng)
        other[0] = noisy(look[7], 0.12, rng)
        return other
    if kind == "turned":
        return np.concatenate([noisy(turns(look[:1])[rng.integers(1, 8)], 0.05, rng), look[1:]])
    if kind == "frame":
        return np.concatenate([stranger(rng), noisy(look[:1], 0.05, rng)])
    return noisy(look, {"same bits": 0, "light": 0.1}[kind], rng)


@pytest.fixture(scope="module")
def looks() -> list[bytes]:
    """Hashes of 300 pictures, fifty of them copies of others, and some with nothing to see."""
    rng = np.random.default_rng(3)
    some = [stranger(rng) for _ in range(240)]
    some += [copy(some[number], KINDS[number % 5], rng) for number in range(50)]
    return [look.tobytes() for look in some] + 10 * [b""]


def each_with_each(looks: list[bytes]) -> dict[tuple[int, int], int]:
    places = [number for number in range(len(looks)) if number % 240 < 60]
    pairs = combinations(places, 2)
    found = {pair: distance(looks[pair[0]], looks[pair[1]]) for pair in pairs}
    return {pair: bits for pair, bits in found.items() if bits <= FARTHEST}


@pytest.mark.slow
def test_the_search_agrees_with_comparing_each_with_each(looks):
    wanted = each_with_each(looks[:290])
    assert wanted.keys() == {(number, 240 + number) for number in range(50)}
    found = find_alike(looks)
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    assert dict(zip(pairs, found.weight.tolist(), strict=True)) == wanted


@pytest.mark.parametrize("way", range(1, 8))
def test_every_turn_is_found_whichever_picture_comes_first(way):
    rng = np.random.default_rng(way)
    one = stranger(rng)
    other = np.concatenate([turns(one[:1])[way], stranger(rng)[1:]])
    for looks in ([one, other], [other, one]):
        assert len(find_alike([look.tobytes() for look in looks])) == 1


def test_the_frames_of_a_film_hang_together_with_few_comparisons():
    rng = np.random.default_rng(4)
    film = noisy(rng.integers(0, 256, (1, BYTES), np.uint8).repeat(500, 0), 0.03, rng)
    found = find_alike([frame.tobytes() for frame in film])
    assert len(found) == 499
    components = Components(500)
    components.union(found)
    assert set(components.component.tolist()) == {0}


def test_windows_are_compared_with_wholes_not_with_one_another():
    rng = np.random.default_rng(7)
    one, other = stranger(rng), stranger(rng)
    one[1:] = other[1:] = rng.integers(0, 256, (WINDOWS, BYTES), np.uint8)
    assert len(find_alike([one.tobytes(), other.tobytes()])) == 0
    other[1:] = one[0]
    assert len(find_alike([one.tobytes(), other.tobytes()])) == 1


def test_a_distance_is_the_same_from_either_side(looks):
    for one, other in [(0, 240), (1, 241), (2, 242), (3, 243), (4, 244), (0, 1)]:
        assert distance(looks[one], looks[other]) == distance(looks[other], looks[one])


@pytest.mark.parametrize(("bits", "count"), [(FARTHEST, 1), (FARTHEST + 1, 0)])
def test_alike_is_what_differs_in_56_bits(bits, count):
    whole = np.random.default_rng(5).integers(0, 2, (1, 256), np.uint8)
    other = whole.copy()
    other[0, -bits:] ^= 1  # the highest: the lowest decide on who is compared
    looks = [np.packbits(one, axis=1).tobytes() for one in (whole, other)]
    assert distance(*looks) == bits
    assert len(find_alike(looks)) == count


@pytest.mark.parametrize("looks", [[], [b""], [b"", b""], [bytes(32)], [bytes(32), b""]])
def test_few_or_no_hashes_have_no_links(looks):
    assert len(find_alike(looks)) == 0


def test_bits_are_counted_as_python_counts_them():
    words = np.random.default_rng(6).integers(0, 2**64, 1000, np.uint64)
    counted = alike._count(np.concatenate([words, np.array([0, 2**64 - 1], np.uint64)]))
    assert counted.tolist() == [*(int(word).bit_count() for word in words), 0, 64]


def test_links_are_whole_numbers_of_photographs(looks):
    found = find_alike(looks)
    assert (found.first < found.second).all()
    assert len(links(found.first, found.second)) == 50
