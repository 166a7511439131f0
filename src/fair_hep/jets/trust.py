"""Can ParticleNet's explanations be trusted? Removal of constituents, randomised networks, and agreement of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..lrp.edges import frozen_graphs, graphs_found
from ..study import trust as set_trust
from .relevances import BOUNDS

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["trust"]


def trust(
    network: nn.Module,
    batch: Mapping[str, Tensor],
    target: Sequence[float],
    *,
    composite: str,
    composites: Sequence[str],
    steps: int,
    seed: int,
) -> dict[str, Any]:
    """Measure how far the explanations of some jets can be trusted.

    Constituents are removed by mask; their features stay as computed from the whole jet. Removing constituents changes
    the neighbours of those that stay: the score counts the graph that the network then finds, and the one with the
    whole jet's graph (less the removed constituents) is given beside it.

    Parameters
    ----------
    network
        ParticleNet in evaluation mode.
    batch
        Jets, none of them empty.
    target
        Weights of the explained combination of logits.
    composite
        The composite that the study uses: its agreement with the others and with randomised networks is measured.
    composites
        Composites to compare, the simplest first.
    steps
        Steps of the removal.
    seed
        Seed of the random order, of the randomised weights and of the bootstrap.

    Returns
    -------
    table
        JSON values: for every ranking the area between insertion and deletion with its error (recomputed and frozen
        graph), its difference to the random order and the mean curves; the recommended composite; correlations.
    """
    import torch

    body: Any = network.body
    blocks = [f"blocks.{number}" for number in reversed(range(len(body.blocks)))]
    inputs = {name: batch[name] for name in ("particles", "axis")}
    with torch.no_grad():
        features, points, mask = network.features(**inputs)  # type: ignore[operator]
    weights = torch.tensor(target, dtype=features.dtype)

    def plain(kept: Tensor) -> Tensor:
        with torch.no_grad():
            return body(features, points, kept) @ weights

    with torch.no_grad(), graphs_found(body, body.edges()) as graphs:
        body(features, points, mask)

    def frozen(kept: Tensor) -> Tensor:
        with torch.no_grad(), frozen_graphs(body, body.edges(), graphs, kept):
            return body(features, points, kept) @ weights

    return set_trust.trust(
        network,
        inputs,
        target,
        composite=composite,
        composites=composites,
        bounds=(torch.tensor(BOUNDS[0]), torch.tensor(BOUNDS[1])),
        steps=steps,
        seed=seed,
        score=plain,
        frozen=frozen,
        parts=["classify", "hidden", *blocks],
    )
