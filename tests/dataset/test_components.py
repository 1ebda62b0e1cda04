"""A spanning components agrees with one that is found link by link."""

from hypothesis import given
from hypothesis import strategies as st

from granpipe.dataset.components import Components, Links, joined, links

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
    components = Components(COUNT)
    kept = components.union(links(*zip(*found, strict=True)) if found else links())
    assert (components.component.tolist(), triples(kept)) == one_by_one(found)


@given(LINKS, LINKS)
def test_what_is_joined_already_is_not_joined_again(first, second):
    components, whole = Components(COUNT), Components(COUNT)
    parts = [links(*zip(*some, strict=True)) if some else links() for some in (first, second)]
    kept = joined([components.union(part) for part in parts])
    whole.union(joined(parts))
    assert components.component.tolist() == whole.component.tolist()
    assert len(kept) == COUNT - len(set(components.component.tolist()))


def test_nothing_joins_nothing():
    components = Components(0)
    assert len(components.union(links())) == 0
    assert components.component.tolist() == []
