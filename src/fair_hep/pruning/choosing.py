"""Which channels go: those that matter least, until the network is as small as asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..bundle.errors import ModelError
from .criteria import Scores
from .groups import Group, Removed

__all__ = ["choose", "least"]


def choose(
    groups: Sequence[Group],
    scores: Scores,
    fits: Callable[[Removed], bool],
    *,
    smallest: int = 2,
    most: float = 1.0,
) -> Removed:
    """Choose as few channels as make a network fit, the least important of all groups first.

    Parameters
    ----------
    groups, scores
        Channels, and how much each one matters.
    fits
        Says whether the network is small enough without some channels; it never gets larger as more go.
    smallest
        Channels that stay of every group, at least.
    most
        Largest share of a group that goes: what nothing else tells apart would all go at once, and leave a bottleneck.

    Raises
    ------
    ModelError
        If it can't get as small.
    """
    order = least(groups, scores, smallest=smallest, most=most)
    if not fits(_first(groups, order, len(order))):
        raise ModelError(
            f"the network can't get as small: without {most:.0%} of each of {len(groups)} groups of channels, or with "
            f"{smallest} left, it is still too large; ask for less, take more rounds (prune.steps), or let fewer stay "
            "(prune.smallest, prune.most)"
        )
    few, enough = -1, len(order)
    while enough - few > 1:
        tried = (few + enough) // 2
        few, enough = (few, tried) if fits(_first(groups, order, tried)) else (tried, enough)
    return _first(groups, order, enough)


def least(groups: Sequence[Group], scores: Scores, *, smallest: int, most: float = 1.0) -> list[tuple[str, int]]:
    """Return the channels that may go, by the name of their group and their place in it, the least important first.

    The ``smallest`` most important ones of a group stay, all of them if there aren't more, and at most a share ``most``
    of it goes. Equal scores go in order.
    """
    ranked: list[tuple[float, int, int]] = []
    for number, group in enumerate(groups):
        found = scores[group.name]
        free = max(0, min(group.size - smallest, int(most * group.size)))
        ranked += [(float(found[place]), number, place) for place in found.argsort(stable=True).tolist()[:free]]
    return [(groups[number].name, place) for _, number, place in sorted(ranked)]


def _first(groups: Sequence[Group], order: Sequence[tuple[str, int]], count: int) -> Removed:
    gone: dict[str, list[int]] = {}
    for name, place in order[:count]:
        gone.setdefault(name, []).append(place)
    return {group.name: torch.tensor(gone.get(group.name, []), dtype=torch.long) for group in groups}
