"""The check of pruning: channels that are taken out are just those that no layer hears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..bundle.errors import ModelError
from .trial import SEED, TOLERANCE, Broken, NotPossible, Trial, promise

if TYPE_CHECKING:
    from torch import Tensor

    from ..pruning.groups import Group

__all__ = ["channels_can_go"]


@promise(
    "correct what fair_hep.nets.channels.register was told of the layer; write what normalises, sorts or reshapes "
    "channels as a layer of its own, and name it in prune.keep"
)
def channels_can_go(trial: Trial) -> None:
    """Without half of its channels, the network gives what it gives where no layer hears them."""
    import torch

    from ..pruning.groups import find_groups

    network = trial.network().double()
    with torch.no_grad():
        features = trial.features(network, trial.batch(4, double=True))
    try:
        groups = find_groups(network.body, features, keep=trial.config.prune.keep)
    except ModelError as error:
        raise NotPossible(f"{error}; `prune` will say the same") from error
    source = torch.Generator().manual_seed(SEED)
    removed = {g.name: torch.randperm(g.size, generator=source)[: g.size // 2] for g in groups}
    if (said := _complaint(network.body, features, groups, removed)) is None:
        return
    guilty = [g for g in groups if _complaint(network.body, features, groups, {g.name: removed[g.name]})] or groups
    layers = dict.fromkeys(member.layer for group in guilty[:1] for member in group.members)
    raise Broken(f"without half of the channels that {', '.join(layers)} share, {said}")


def _complaint(body: Any, features: Sequence[Any], groups: Sequence[Group], removed: dict[str, Tensor]) -> str | None:
    from ..pruning.verified import apart

    try:
        gap = apart(body, features, groups, removed)
    except ModelError as error:
        return str(error)
    if gap <= TOLERANCE:
        return None
    return f"the outputs differ by {gap:.1e} from those of a network whose layers don't hear them"
