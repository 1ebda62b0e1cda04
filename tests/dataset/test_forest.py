"""A spanning forest agrees with one that is found link by link."""

from hypothesis import given
from hypothesis import strategies as st

from granpipe.dataset.forest import Forest, Links, joined, links

COUNT = 12
LINKS = st.lists(st.tuples(*2 * [st.integers(0, COUNT - 1)], st.integers(0, 4)), max_size=40)


def one_by_one(found: list[tuple[int, int, int]]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Kruskal's way."""
    component, kept = list(range(COUNT)), []
    for weight, one, other in sorted((weight, one, other) for one, other, weight in found):
        low, high = sorted((component[one], component[other]))
        if low != high:
            kept.append((one, other, weight))
            component = [low if at == high else at for at in component]
    return component, kept


def triples(some: Links) -> list[tuple[int, int, int]]:
    return list(zip(some.first.tolist(), some.second.tolist(), some.weight.tolist(), strict=True))


@given(LINKS)
def test_the_lightest_links_that_join_are_kept(found):
    forest = Forest(COUNT)
    kept = forest.join(links(*zip(*found, strict=True)) if found else links())
    assert (forest.component.tolist(), triples(kept)) == one_by_one(found)


@given(LINKS, LINKS)
def test_what_is_joined_already_is_not_joined_again(first, second):
    forest, whole = Forest(COUNT), Forest(COUNT)
    parts = [links(*zip(*some, strict=True)) if some else links() for some in (first, second)]
    kept = joined([forest.join(part) for part in parts])
    whole.join(joined(parts))
    assert forest.component.tolist() == whole.component.tolist()
    assert len(kept) == COUNT - len(set(forest.component.tolist()))


def test_nothing_joins_nothing():
    forest = Forest(0)
    assert len(forest.join(links())) == 0
    assert forest.component.tolist() == []
