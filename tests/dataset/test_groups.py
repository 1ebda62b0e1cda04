"""What belongs together stands in one group, by the rules that were asked for."""

import random

import pytest

from granpipe.dataset.grouping_input import Facts, GroupingInput
from granpipe.dataset.groups import Grouping
from granpipe.dataset.together import parse_together
from granpipe.errors import DatasetError

NOWHERE = (None, None)


def grouping(photos: list[Facts], rules: str, looks: dict[str, bytes] | None = None) -> Grouping:
    by_digest = sorted(photos, key=lambda one: (one.sha256, one.source))
    hashes = [(looks or {}).get(one.source, b"") for one in by_digest]
    sources = sorted(one.source for one in photos)
    by_digest = [one._replace(place=sources.index(one.source)) for one in by_digest]
    return Grouping(GroupingInput.of(by_digest, hashes), parse_together(rules))


def group(photos: list[Facts], rules: str, looks: dict[str, bytes] | None = None) -> dict[str, str]:
    """Return the name of each photograph's group."""
    found = grouping(photos, rules, looks)
    sources = sorted(one.source for one in photos)
    names = map(found.photos.name, found.firsts().tolist())
    places = found.photos.rows["place"].tolist()
    return {sources[place]: name for place, name in zip(places, names, strict=True)}


def facts(source: str, sha: str, place=NOWHERE, taken_at="", camera="") -> Facts:
    return Facts(0, source, 64 * sha, *place, taken_at, camera)


def at(second: int) -> str:
    return f"2024-06-01T10:00:{second:02}"


def sets(photos: list[Facts], rules: str) -> set[frozenset[str]]:
    """Return the groups as sets of names without folders."""
    names = group(photos, rules)
    return {
        frozenset(one.rpartition("/")[2] for one in names if names[one] == name)
        for name in names.values()
    }


def test_a_group_is_named_after_its_smallest_digest():
    photos = [facts("corn/b", "b", (1, 1)), facts("corn/a", "a", (1, 1)), facts("corn/c", "c")]
    names = group(photos, "place")
    assert names == {"corn/a": "g" + 16 * "a", "corn/b": "g" + 16 * "a", "corn/c": "g" + 16 * "c"}


@pytest.mark.parametrize(("seconds", "count"), [(10, 1), (11, 2)])
def test_a_burst_is_what_one_camera_takes_within_ten_seconds(seconds, count):
    photos = [
        facts("corn/a", "a", taken_at=at(0), camera="X 1"),
        facts("corn/b", "b", taken_at=at(seconds), camera="X 1"),
    ]
    assert len(sets(photos, "burst")) == count


def test_a_burst_joins_only_what_has_no_position_on_one_side():
    here, far = (10.0, 10.0), (20.0, 20.0)
    photos = [
        facts("corn/a", "a", here, at(0), "X"),
        facts("corn/b", "b", far, at(1), "X"),
        facts("corn/c", "c", taken_at=at(11), camera="X"),
        facts("corn/d", "d", far, at(15), "X"),
        facts("corn/e", "e", here, at(21), "X"),
        facts("corn/f", "f", here, at(22), "X"),
    ]
    assert sets(photos, "burst") == {frozenset("a"), frozenset("bcde"), frozenset("f")}


def test_other_cameras_and_unknown_ones_make_no_burst():
    cameras = {"a": "X 1", "b": "X 2", "c": "", "d": ""}
    photos = [facts(f"corn/{n}", n, taken_at=at(0), camera=cameras[n]) for n in cameras]
    photos += [facts("corn/e", "e", camera="X 1"), facts("corn/f", "f", camera="X 1")]
    assert len(sets(photos, "burst")) == 6


def test_bursts_agree_with_comparing_each_with_each():
    rng = random.Random(1)
    photos = [
        facts(
            f"corn/{n}",
            f"{n:03x}",
            (1.0 * n, 1.0) if rng.random() < 0.5 else NOWHERE,
            f"2024-06-01T{10 + n % 2}:{rng.randrange(10):02}:{rng.randrange(60):02}",
            rng.choice(["X", "Y"]),
        )
        for n in range(150)
    ]
    assert sets(photos, "burst") == {frozenset(one) for one in slow_bursts(photos)}


def slow_bursts(photos: list[Facts]) -> list[set[str]]:
    def seconds(one: Facts) -> int:
        hours, minutes, rest = map(int, one.taken_at[11:].split(":"))
        return 3600 * hours + 60 * minutes + rest

    groups = [{one.source.rpartition("/")[2]} for one in photos]
    for one in photos:
        for other in photos:
            near = abs(seconds(one) - seconds(other)) <= 10 and one.camera == other.camera
            if near and None in (one.lat, other.lat):
                ends = {one.source[5:], other.source[5:]}
                both = set().union(*(some for some in groups if some & ends))
                groups = [some for some in groups if not some & ends] + [both]
    return groups


def test_a_fields_folder_is_the_second_one_and_belongs_to_its_class():
    names = ("corn/north/a", "corn/north/x/b", "corn/south/c", "wheat/north/d", "corn/e", "corn/f")
    photos = [facts(name, name[-1]) for name in names]
    assert sets(photos, "folder") == {frozenset("ab"), *map(frozenset, "cdef")}


def test_rules_add_up_and_none_counts_that_was_not_asked_for():
    photos = [
        facts("corn/n/a", "a", (1, 1)),
        facts("corn/m/b", "b", (1, 1), at(1), "X"),
        facts("corn/m/c", "c"),
        facts("corn/d", "d", taken_at=at(2), camera="X"),
    ]
    assert sets(photos, "place,burst,folder,likeness") == {frozenset("abcd")}
    assert sets(photos, "place") == {frozenset("ab"), *map(frozenset, "cd")}
    assert sets(photos, "likeness") == set(map(frozenset, "abcd"))


def test_the_order_of_the_photographs_decides_nothing():
    rng = random.Random(2)
    photos = [facts(f"corn/{n}", f"{n:02x}", (rng.uniform(0, 0.02), 0.0)) for n in range(60)]
    looks = {one.source: rng.randbytes(32) for one in photos}
    found = group(photos, "place,likeness", looks)
    rng.shuffle(photos)
    assert group(photos, "place,likeness", looks) == found


def test_what_looks_alike_is_told_with_its_distance():
    look = random.Random(3).randbytes(32)
    other = bytes([look[0] ^ 0b111]) + look[1:]
    photos, looks = (
        [facts("wheat/b", "a"), facts("corn/a", "b")],
        {"wheat/b": other, "corn/a": look},
    )
    alike = grouping(photos, "likeness", looks).alike
    assert (alike.first.tolist(), alike.second.tolist(), alike.weight.tolist()) == ([0], [1], [3])
    assert not len(grouping(photos, "place", looks).alike)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("place", "place:200"),
        ("place:200,burst,likeness", "place:200,burst,likeness"),
        (" likeness , place:0.5", "place:0.5,likeness"),
        ("folder", "folder"),
        ("place:20000000", "place:20000000"),
    ],
)
def test_rules_are_read_and_told_in_one_order(text, expected):
    assert str(parse_together(text)) == expected
    assert str(parse_together(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "fields", "place:", "place:x", "place:-1", "place:0", "place:nan", "place:1e9"),
        *("burst:10", "place,place:50", "burst,burst", "place:200,"),
    ],
)
def test_nonsense_is_refused(text):
    with pytest.raises(DatasetError, match="is not a list of place:METRES"):
        parse_together(text)
