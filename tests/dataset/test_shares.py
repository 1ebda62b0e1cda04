"""Groups are dealt whole, near to the shares, and keep the splits that they had."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granpipe.dataset.shares import SPLITS, Shares, parse_shares
from granpipe.errors import DatasetError

from members import Member, deal

EIGHTY = Shares(80, 10, 10)

MEMBERS = st.lists(
    st.builds(
        Member, st.sampled_from("abc"), st.sampled_from("pqrstuvw"), st.sampled_from(["", *SPLITS])
    ),
    max_size=60,
)
SHARES = st.sampled_from([EIGHTY, Shares(70, 0, 30), Shares(100, 0, 0), Shares(34, 33, 33)])


def heavy(count: int, seed: int) -> list[Member]:
    """Return photographs of twelve classes, in groups of which some are large and some mixed."""
    rng = random.Random(seed)
    members: list[Member] = []
    while len(members) < count:
        labels = rng.choices([f"class {n}" for n in range(12)], range(1, 13), k=2)
        size, name = min(round(rng.paretovariate(1.0)), 60), f"g{len(members):05}"
        mixed = 0.3 if rng.random() < 0.2 else 0.0
        members += [Member(labels[rng.random() < mixed], name) for _ in range(size)]
    return members


def shares_of(members: list[Member], splits: dict[str, str]) -> dict[tuple[str, str], float]:
    totals = Counter(one.label for one in members)
    counts = Counter((one.label, splits[one.group]) for one in members)
    return {
        (label, split): counts[label, split] / totals[label] for label in totals for split in SPLITS
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_shares_of_every_class_are_met_within_a_few_percent(seed):
    members = heavy(1000, seed)
    found = shares_of(members, deal(members, EIGHTY, 0))
    errors = [abs(share - EIGHTY.of(split) / 100) for (_, split), share in found.items()]
    assert sum(errors) / len(errors) < 0.04


@given(MEMBERS, SHARES, st.integers())
def test_every_group_has_one_side_and_that_has_a_share_or_is_its_former_one(members, shares, seed):
    splits = deal(members, shares, seed)
    assert splits.keys() == {one.group for one in members}
    for name, split in splits.items():
        former = [one.former for one in members if one.group == name and one.former]
        assert split == min(former, key=SPLITS.index) if former else split in shares.splits


@given(MEMBERS, SHARES, st.integers(), st.randoms())
def test_the_order_of_the_photographs_decides_nothing(members, shares, seed, rng):
    splits = deal(members, shares, seed)
    rng.shuffle(members)
    assert deal(members, shares, seed) == splits


@given(MEMBERS, SHARES)
def test_dealing_again_changes_nothing(members, shares):
    splits = deal(members, shares, 0)
    again = [replace(one, former=splits[one.group]) for one in members]
    assert deal(again, shares, 0) == splits


@given(MEMBERS, MEMBERS, SHARES)
def test_photographs_that_come_move_none_that_was_there(first, then, shares):
    splits = deal(first, shares, 0)
    known = [replace(one, former=splits[one.group]) for one in first]
    both = deal(known + [replace(one, group=one.group + "'", former="") for one in then], shares, 0)
    assert {name: both[name] for name in splits} == splits


@given(st.lists(MEMBERS, min_size=1, max_size=1), SHARES)
def test_nothing_is_tested_after_it_was_trained_on(members, shares):
    splits = deal(members[0], shares, 0)
    for one in members[0]:
        if one.former == "train":
            assert splits[one.group] == "train"
        if one.former == "validation":
            assert splits[one.group] != "test"


@given(
    st.lists(st.integers(1, 50), min_size=3, max_size=9),
    st.lists(st.integers(1, 500), min_size=3, max_size=9),
    SHARES,
)
def test_a_class_with_three_groups_of_its_own_stands_on_every_side(rare, common, shares):
    members = [Member("rare", f"r{n}") for n, size in enumerate(rare) for _ in range(size)]
    members += [Member("common", f"c{n}") for n, size in enumerate(common) for _ in range(size)]
    members += [Member(label, "both") for label in ("rare", "common", "common")]
    splits = deal(members, shares, 0)
    for label in "rc":
        assert {splits[name] for name in splits if name[0] == label} == set(shares.splits)


def test_another_seed_deals_otherwise():
    members = heavy(300, 1)
    assert deal(members, EIGHTY, 0) != deal(members, EIGHTY, 1)


def test_ten_batches_of_fields_move_none_and_come_near_to_the_shares():
    away = Counter()
    for seed in range(20):
        members = heavy(1000, seed)
        names = sorted({one.group for one in members})
        former: dict[str, str] = {}
        step = len(names) // 10
        for stop in range(step, len(names) + step, step):
            here = [one for one in members if one.group in names[:stop]]
            splits = deal([replace(m, former=former.get(m.group, "")) for m in here], EIGHTY, 0)
            assert former.items() <= splits.items()
            former = splits
        counts = Counter(former[one.group] for one in members)
        assert former.keys() == set(names)
        for split in ("validation", "test"):
            away[split] += abs(counts[split] / len(members) - 0.1) / 20
    assert max(away.values()) < 0.03


def test_classes_of_two_groups_are_on_all_sides_together():
    """Two groups are too few for three splits, but five times two are enough."""
    members = [Member(f"class {number // 2}", f"g{number}") for number in range(10)]
    for seed in range(20):
        splits = deal(members, Shares(60, 20, 20), seed)
        assert Counter(splits.values())["train"] == 5
        assert {"validation", "test"} < set(splits.values())


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("80/10/10", EIGHTY),
        ("70/30", Shares(70, 0, 30)),
        ("100/0/0", Shares(100, 0, 0)),
        ("100/0", Shares(100, 0, 0)),
        ("90/10/0", Shares(90, 10, 0)),
    ],
)
def test_shares_are_read_and_told(text, shares):
    assert parse_shares(text) == shares
    assert parse_shares(str(shares)) == shares


@pytest.mark.parametrize(
    "text",
    [
        *("", "80", "100", "80/10", "80/20/10", "a/b", "80/10/10/0", "-80/90/90", "80.5/19.5"),
        *("80//20", "0/50/50", "80/10/10\n", "8\u0660/10/10", "1000/0", " 80/20"),
    ],
)
def test_nonsense_is_refused(text):
    with pytest.raises(DatasetError, match="is not a split"):
        parse_shares(text)
