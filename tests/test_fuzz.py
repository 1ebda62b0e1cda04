"""A few hundred damaged files; `make fuzz` does the same with thousands."""

import random

import fuzz

SEED = 20261124


def test_damaged_photographs_are_accounted_for_and_no_half_picture_is_accepted(tmp_path):
    reasons = fuzz.fuzz_prepare(tmp_path, 690, random.Random(SEED))
    assert reasons["prepared"] > 100
    assert reasons["truncated"] > 200
    verdicts = fuzz.fuzz_map(tmp_path)
    assert verdicts["ok"] > 30
    assert verdicts["unreadable"] > 30


def test_a_damaged_array_costs_its_photograph_only(tmp_path):
    found = fuzz.fuzz_augment(tmp_path, 200, random.Random(SEED))
    assert found["rejected"] > 50
    assert found["copied"] >= 100


def test_a_damaged_ledger_is_not_believed(tmp_path):
    fuzz.fuzz_ledger(tmp_path, 12, random.Random(SEED))
