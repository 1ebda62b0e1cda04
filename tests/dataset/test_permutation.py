"""What gives classes away is found, and clean sets raise no alarm: on drawn arrays."""

from dataclasses import replace

import numpy as np
import pytest

from granpipe.dataset import permutation
from granpipe.dataset.permutation import Blocks, Cut, p_values
from granpipe.dataset.shortcut_facts import Circle, Columns, Fact, Hour, Place, Words
from granpipe.dataset.shortcuts import CONSTANT, FEW, NONE, STRONG, Finding, find_shortcuts


def drawn(seed: int, groups: int = 80, classes: int = 3, size: int = 4, share: float = 0.0):
    """Draw labels, groups and facts; class 0 has values of its own in a share of its groups.

    Photographs of a group have nearly the same values, as those of a field do.
    """
    rng = np.random.default_rng([seed, groups, classes, size])
    group = np.repeat(np.arange(groups), rng.integers(1, 2 * size, groups))
    label = rng.permutation(np.arange(groups) % classes)[group]
    is_planted = (rng.random(groups) < share)[group] & (label == 0)
    number = rng.normal(size=groups)[group] + 0.1 * rng.normal(size=len(group))
    place = np.stack([rng.uniform(40, 50, groups), rng.uniform(0, 20, groups)], 1)[group]
    hour = rng.normal(12, 3, groups)[group] % 24
    words = rng.integers(1, 6, groups).astype(np.uint64)[group]
    columns = rng.normal(size=(groups, 5))[group]
    number[is_planted], place[is_planted], hour[is_planted] = 5, (10, 10), 3
    words[is_planted], columns[is_planted] = 9, 4
    facts = [
        Place("place", "circumstance", lambda: place),
        Hour("hour", "circumstance", lambda: hour),
        Words("camera", "circumstance", lambda: words),
        Fact("light", "scene", lambda: number),
        Columns("border", "scene", lambda: columns),
    ]
    return label, group, facts


def at(fact: Fact, places: np.ndarray) -> Fact:
    """Return a fact of the photographs at these places."""
    return type(fact)(fact.name, fact.sort, lambda: fact.made()[places])


def only(facts: list[Fact], clean: list[Fact], name: str) -> list[Fact]:
    """Return clean facts but for one."""
    return [one if one.name == name else other for one, other in zip(facts, clean, strict=True)]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"groups": 45, "classes": 2, "size": 10},
        {"groups": 150, "classes": 10, "size": 1},
    ],
)
def test_clean_sets_raise_hardly_an_alarm(how):
    alarms = 0
    for seed in range(25):
        findings = find_shortcuts(*drawn(seed, **how), exchanges=199)
        alarms += any(one.verdict != NONE for one in findings)
    assert alarms <= 2  # of 25 that are raised once in a hundred, a third is more than one in 500


@pytest.mark.parametrize("name", ["place", "hour", "camera", "light", "border"])
def test_what_half_of_a_class_has_for_itself_is_found_and_nothing_else(name):
    label, group, clean = drawn(1, groups=120)
    facts = only(drawn(1, groups=120, share=0.6)[2], clean, name)
    findings = {one.feature: one for one in find_shortcuts(label, group, facts)}
    assert findings[name].verdict == STRONG
    assert findings[name].given_away[:1] == (0,)
    assert findings[name].most == 0
    assert {one.verdict for other, one in findings.items() if other != name} == {NONE}


def test_more_photographs_of_the_same_groups_tell_no_more():
    label, group, facts = drawn(2, share=0.4)
    again = np.repeat(np.arange(len(label)), 3)
    repeated = [at(one, again) for one in facts]
    findings = find_shortcuts(label[again], group[again], repeated)
    for one, once in zip(findings, find_shortcuts(label, group, facts), strict=True):
        assert one.right == pytest.approx(once.right)
        assert replace(one, right=None) == replace(once, photographs=len(again), right=None)


def test_the_order_of_photographs_changes_nothing():
    label, group, facts = drawn(3, share=0.3)
    order = np.random.default_rng(0).permutation(len(label))
    mixed = [at(one, order) for one in facts]
    assert find_shortcuts(label[order], group[order], mixed) == find_shortcuts(label, group, facts)


def test_photographs_of_a_group_are_no_independent_cases():
    """Twenty fields of two classes, with fifty photographs each, say nothing."""
    label, group, facts = drawn(4, groups=20, classes=2, size=50)
    assert {one.verdict for one in find_shortcuts(label, group, facts)} == {FEW}
    label, group, facts = drawn(4, groups=50, classes=2, size=50)
    assert {one.verdict for one in find_shortcuts(label, group, facts)} == {NONE}
    alone = np.arange(len(label))
    assert STRONG in {one.verdict for one in find_shortcuts(label, alone, facts)}


def test_classes_of_few_groups_are_left_out():
    label, group, facts = drawn(5, groups=90, classes=3)
    rare = np.flatnonzero(label == 2)
    kept = np.isin(np.arange(len(label)), rare[np.isin(group[rare], np.unique(group[rare])[:4])])
    some = kept | (label != 2)
    facts = [at(one, some) for one in facts]
    findings = find_shortcuts(label[some], group[some], facts)
    assert {one.classes for one in findings} == {2}
    assert {one.groups for one in findings} == {60}


def test_of_very_many_classes_the_largest_are_judged():
    label = np.repeat(np.arange(130), 6)
    label[:12] = 1  # class 0 has no group, class 1 has twelve
    values = np.random.default_rng(0).normal(size=len(label))
    fact = Fact("light", "scene", lambda: values)
    (finding,) = find_shortcuts(label, np.arange(len(label)), [fact], exchanges=9)
    assert (finding.classes, finding.chance) == (100, 0.01)
    assert finding.groups == 606


def test_what_is_constant_or_known_of_few_is_said_to_be_so():
    label, group, facts = drawn(6)
    values = facts[3].made()
    few = np.where(group < 30, values, np.nan)
    nowhere = np.full(len(label), np.nan)
    verdicts = [
        one.verdict
        for one in find_shortcuts(
            *(label, group),
            [
                Fact("same", "frame", lambda: np.ones(len(label))),
                Fact("nowhere", "frame", lambda: nowhere),
                Fact("few", "frame", lambda: few),
                *facts,
            ],
        )
    ]
    assert verdicts[:3] == [CONSTANT, CONSTANT, FEW]
    assert CONSTANT not in verdicts[3:]


@pytest.mark.parametrize("count", [0, 1])
def test_without_photographs_there_is_nothing_to_say(count):
    label = np.zeros(count, np.int64)
    (finding,) = find_shortcuts(label, label, [Fact("light", "scene", lambda: np.ones(count))])
    assert finding == Finding("light", "scene", FEW, count, count, 0)


def test_groups_exchange_their_labels_whole():
    group = np.array([0, 0, 1, 1, 2, 3, 4, 4, 4])
    label = np.array([0, 0, 0, 1, 2, 2, 1, 1, 2])
    blocks = Blocks.of(group, label)
    assert [one.tolist() for one in blocks.alike] == [[[0], [3], [4]], [[1, 2], [5, 6]]]
    rng = np.random.PCG64(0)
    for _ in range(20):
        new = blocks.exchanged(rng)
        assert new[0] == new[1]
        assert new[6] == new[7]
        assert sorted([new[0], new[4], new[5]]) == [0, 2, 2]
        assert sorted([*new[2:4], new[6], new[8]]) == [0, 1, 1, 2]
        assert {tuple(sorted(new[2:4])), tuple(sorted(new[[6, 8]]))} == {(0, 1), (1, 2)}


def test_chi_square_is_that_of_pearson():
    """Of the table 10 20 / 30 5: 65 (10 x 5 - 20 x 30)^2 / (30 x 35 x 40 x 25)."""
    label = np.repeat([0, 0, 1, 1], [10, 20, 30, 5])
    cells = np.repeat([0, 1, 0, 1], [10, 20, 30, 5]).astype(np.uint8)
    blocks = Blocks.of(np.arange(65), label)
    cut = Cut(None, np.arange(2), blocks.weight, cells[None], 2, 0)
    expected = 65 * (10 * 5 - 20 * 30) ** 2 / (30 * 35 * 40 * 25)
    assert cut.statistic(cut.packs(2), [label], 2).tolist() == pytest.approx([expected])
    assert p_values([cut], blocks, 2, 99) == [0.01]


def test_columns_that_are_counted_together_give_the_same(monkeypatch):
    label, group, facts = drawn(7, share=0.2)
    alone = find_shortcuts(label, group, facts)
    monkeypatch.setattr(permutation, "_WORTH", 0)
    assert find_shortcuts(label, group, facts) == alone


def test_a_circle_has_no_end():
    """Photographs around New Year are neighbours, so that a class of that time is found."""
    rng = np.random.default_rng(0)
    label = np.arange(100) % 2
    day = np.where(label == 1, rng.normal(0, 8, 100), rng.uniform(100, 300, 100)) % 365.25
    (finding,) = find_shortcuts(
        label, np.arange(100), [Season("season", "circumstance", lambda: day)]
    )
    assert finding.verdict == STRONG
    assert finding.right == 1


class Season(Circle):
    period = 365.25
