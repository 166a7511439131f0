"""Which channels go: as few as are needed, the least important first."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fair_hep.bundle.errors import ModelError
from fair_hep.pruning.choosing import choose, least
from fair_hep.pruning.groups import Group, Member, Removed


def group(name: str, size: int) -> Group:
    """Return a group of some channels."""
    return Group(name, (Member(name, "outputs", torch.arange(size)),))


GROUPS = (group("a", 4), group("b", 3), group("c", 2))


def number(removed: Removed) -> int:
    """Return how many channels are gone."""
    return sum(len(places) for places in removed.values())


@given(st.lists(st.floats(0, 1, width=32), min_size=9, max_size=9), st.integers(0, 6), st.integers(1, 2))
def test_as_few_as_fit_go_and_none_that_stays_matters_less(values: list[float], wanted: int, smallest: int) -> None:
    scores = dict(zip("abc", torch.tensor(values).split([4, 3, 2]), strict=True))
    most = sum(max(0, one.size - smallest) for one in GROUPS)
    if wanted > most:
        with pytest.raises(ModelError, match="can't get as small"):
            choose(GROUPS, scores, lambda gone: number(gone) >= wanted, smallest=smallest)
        return
    removed = choose(GROUPS, scores, lambda gone: number(gone) >= wanted, smallest=smallest)
    assert number(removed) == wanted
    free = least(GROUPS, scores, smallest=smallest)
    gone = {(name, int(place)) for name, places in removed.items() for place in places}
    assert gone == set(free[:wanted])
    for one in GROUPS:
        assert one.size - len(removed[one.name]) >= min(smallest, one.size)
    if gone and gone < set(free):
        assert max(float(scores[n][p]) for n, p in gone) <= min(float(scores[n][p]) for n, p in set(free) - gone)


def test_nothing_goes_where_everything_fits() -> None:
    assert number(choose(GROUPS, {one.name: torch.ones(one.size) for one in GROUPS}, lambda gone: True)) == 0


def test_no_group_loses_more_than_a_share() -> None:
    """What nothing tells apart would go at once: ``a`` matters least, and keeps half of its channels all the same."""
    scores = {"a": torch.zeros(4), "b": torch.ones(3), "c": torch.ones(2)}
    removed = choose(GROUPS, scores, lambda gone: number(gone) >= 3, smallest=1, most=0.5)
    assert {name: len(places) for name, places in removed.items()} == {"a": 2, "b": 1, "c": 0}
    with pytest.raises(ModelError, match=r"without 50% of each of 3 groups .* take more rounds"):
        choose(GROUPS, scores, lambda gone: number(gone) >= 5, smallest=1, most=0.5)
