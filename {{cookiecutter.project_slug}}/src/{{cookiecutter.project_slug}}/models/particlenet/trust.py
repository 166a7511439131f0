"""Can ParticleNet's explanations be trusted? Removal of constituents, randomised networks, and agreement of rules."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...explain import COMPOSITES, explain
from ...explain.trust import area_between, cascade, paired_bootstrap, rank_correlation, recommend, removal_curves
from .relevances import BOUNDS

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["trust"]

#: Rankings that aren't explanations.
RANDOM, GRADIENT = "random order", "gradient x input"


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
    with torch.no_grad():
        features, points, mask = network.features(batch["particles"], batch["axis"])  # type: ignore[operator]
    weights = torch.tensor(target, dtype=features.dtype)
    rankings: dict[str, Tensor] = {}
    for name in dict.fromkeys([*composites, composite]):
        rankings[name] = _relevance(body, (features, points, mask), target, name)
    rankings[GRADIENT] = _gradient_times_input(body, (features, points, mask), weights)
    generator = torch.Generator().manual_seed(seed)
    rankings[RANDOM] = torch.rand(mask.shape, generator=generator)

    def plain(kept: Tensor) -> Tensor:
        with torch.no_grad():
            return body(features, points, kept) @ weights

    graphs = _graphs(body, (features, points, mask))

    def frozen(kept: Tensor) -> Tensor:
        with torch.no_grad(), _frozen(body, graphs, kept):
            return body(features, points, kept) @ weights

    curves = {name: removal_curves(plain, ranking, mask, steps) for name, ranking in rankings.items()}
    scores = {name: area_between(*pair) for name, pair in curves.items()}
    beside = {name: area_between(*removal_curves(frozen, ranking, mask, steps)) for name, ranking in rankings.items()}
    table: dict[str, Any] = {}
    for name, values in scores.items():
        difference, sigma = paired_bootstrap(values, scores[RANDOM], seed=seed)
        table[name] = {
            "area": float(values.mean()),
            "area_error": float(values.std() / len(values) ** 0.5),
            "frozen_area": float(beside[name].mean()),
            "above_random": difference,
            "above_random_error": sigma,
            "deletion": curves[name][0].mean(0).tolist(),
            "insertion": curves[name][1].mean(0).tolist(),
        }
    chosen = {name: scores[name] for name in COMPOSITES if name in scores}
    agreement = {n: _mean(rank_correlation(rankings[composite], rankings[n], mask)) for n in rankings}
    return {
        "jets": len(mask),
        "steps": steps,
        "removal": table,
        "recommended": recommend(chosen),
        "agreement": agreement,
        "randomised": _randomised(body, (features, points, mask), target, composite, seed),
    }


def _relevance(body: nn.Module, inputs: Sequence[Tensor], target: Sequence[float], composite: str) -> Tensor:
    """Return the relevance of constituents ``[jets, constituents]``."""
    import torch

    bounds = (torch.tensor(BOUNDS[0]).to(inputs[0]), torch.tensor(BOUNDS[1]).to(inputs[0]))
    parts = zip(*(part.split(16) for part in inputs), strict=True)
    return torch.cat(
        [explain(body, part, target, composite=composite, bounds=bounds).relevance.sum(2) for part in parts]
    )


def _gradient_times_input(body: nn.Module, inputs: Sequence[Tensor], weights: Tensor) -> Tensor:
    import torch

    values = inputs[0].clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((body(values, *inputs[1:]) @ weights).sum(), values)
    return (gradient * inputs[0]).sum(2)


def _randomised(
    body: Any, inputs: Sequence[Tensor], target: Sequence[float], composite: str, seed: int
) -> list[dict[str, Any]]:
    """Return the correlation with the trained network's relevance, while weights become random from the output down."""
    blocks = [f"blocks.{number}" for number in reversed(range(len(body.blocks)))]
    trained = _relevance(body, inputs, target, composite)
    rows = []
    for stage, changed in cascade(body, ["classify", "hidden", *blocks], seed):
        found = _relevance(changed, inputs, target, composite)
        rows.append({"down_to": stage, "correlation": _mean(rank_correlation(trained, found, inputs[2]))})
    return rows


def _graphs(body: Any, inputs: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    import torch

    found: list[tuple[Tensor, Tensor]] = []
    hooks = [graph.register_forward_hook(lambda _, __, result: found.append(result)) for graph in body.graphs]
    try:
        with torch.no_grad():
            body(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found


@contextlib.contextmanager
def _frozen(body: Any, graphs: Sequence[tuple[Tensor, Tensor]], kept: Tensor) -> Iterator[None]:
    """Let the network use given graphs, less the edges of constituents that aren't kept."""
    with contextlib.ExitStack() as stack:
        for module, (index, valid) in zip(body.graphs, graphs, strict=True):
            ends = kept[:, None, :].expand(-1, index.shape[1], -1).gather(2, index)
            answer = (index, valid & ends & kept[..., None])
            stack.callback(module.register_forward_hook(lambda *_, answer=answer: answer).remove)
        yield


def _mean(values: Tensor) -> float | None:
    mean = float(values.nanmean())
    return mean if mean == mean else None  # noqa: PLR0124 - NaN isn't itself
