"""A few hundred damaged files; `make fuzz` does the same with thousands."""

import random

import pytest

import fuzz

SEED = 20261124

pytestmark = pytest.mark.slow


@pytest.fixture
def rng(pytestconfig) -> random.Random:
    """Draw the same damage every day, so that only a change of the code fails; or by `--seed`."""
    given = pytestconfig.option.seed
    return random.Random(SEED if given is None else given)


def test_damaged_photographs_are_accounted_for_and_no_half_picture_is_accepted(tmp_path, rng):
    reasons = fuzz.fuzz_prepare(tmp_path, 690, rng)
    assert reasons["prepared"] > 100
    assert reasons["truncated"] > 200
    verdicts = fuzz.fuzz_map(tmp_path)
    assert verdicts["ok"] > 30
    assert verdicts["unreadable"] > 30


def test_a_damaged_array_costs_its_photograph_only(tmp_path, rng):
    found = fuzz.fuzz_augment(tmp_path, 200, rng)
    assert found["rejected"] > 50
    assert found["copied"] >= 100


def test_a_damaged_ledger_is_not_believed(tmp_path, rng):
    fuzz.fuzz_ledger(tmp_path, 12, rng)
