"""Can an explanation be trusted? Measures that need a score of each sample only, whatever the model.

Deletion: the explained output while the most relevant elements are removed first; insertion: while they are put in
first. A good explanation lets the first fall fast and the second rise fast, so its score is the area between the two.

References: Samek et al., IEEE TNNLS 28 (2017) 2660 (deletion); Petsiuk et al., arXiv:1806.07421 (insertion); Adebayo et
al., arXiv:1810.03292 (randomisation of the model).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .composites import COMPOSITES

__all__ = [
    "GRADIENT",
    "RANDOM",
    "area_between",
    "cascade",
    "mean",
    "paired_bootstrap",
    "rank_correlation",
    "recommend",
    "removal_curves",
    "removal_table",
]

#: Rankings that aren't explanations.
RANDOM, GRADIENT = "random order", "gradient x input"
#: Deletion and insertion curves of every sample, each ``[samples, steps + 1]``.
Curves = tuple[Tensor, Tensor]

#: Score of every sample ``[samples]``, given which elements are kept ``[samples, elements]``.
Score = Callable[[Tensor], Tensor]


def removal_curves(score: Score, relevance: Tensor, mask: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Return the deletion and the insertion curve of every sample.

    Parameters
    ----------
    score
        The explained output, given which elements are kept.
    relevance
        Relevance of every element ``[samples, elements]``; the highest is removed, or put in, first.
    mask
        Elements that exist ``[samples, elements]``.
    steps
        Steps from nothing to everything.

    Returns
    -------
    deletion, insertion
        ``[samples, steps + 1]``; column i belongs to the fraction i / steps removed, or put in.
    """
    order = torch.where(mask, relevance, -torch.inf).argsort(stable=True, dim=1, descending=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order))
    count = mask.sum(1, keepdim=True)
    everything, nothing = score(mask), score(torch.zeros_like(mask))
    deletion, insertion = [everything], [nothing]
    for step in range(1, steps):
        chosen = rank < torch.round(count * (step / steps))
        deletion.append(score(mask & ~chosen))
        insertion.append(score(mask & chosen))
    return torch.stack([*deletion, nothing], 1), torch.stack([*insertion, everything], 1)


def area_between(deletion: Tensor, insertion: Tensor) -> Tensor:
    """Return insertion minus deletion area of every sample ``[samples]``, in units of the score."""
    return torch.trapezoid(insertion - deletion, dx=1.0 / (deletion.shape[1] - 1), dim=1)


def removal_table(
    curves: Mapping[str, Curves],
    frozen: Mapping[str, Curves] | None = None,
    *,
    seed: int,
    classes: Mapping[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Return what removal curves say, and the composite that they recommend.

    Parameters
    ----------
    curves
        By ranking, on graphs that the network finds anew; `RANDOM` is one of them, composites go by their names.
    frozen
        The same on the graphs of the whole samples; None for networks without graphs.
    seed
        Seed of the bootstrap.
    classes
        By class, which samples are of it ``[samples]``: one explained output speaks for some classes and against
        others, so that their mean curves differ in sign. Classes without a sample are left out.

    Returns
    -------
    table
        JSON values. "removal": for every ranking the area between insertion and deletion with its error, the area on
        frozen graphs, the difference to the random order, the mean curves and, by class, number of samples, area and
        curves. "recommended": the best composite.
    """
    scores = {name: area_between(*pair) for name, pair in curves.items()}
    table: dict[str, Any] = {}
    for name, values in scores.items():
        difference, sigma = paired_bootstrap(values, scores[RANDOM], seed=seed)
        table[name] = {
            **_mean_curves(values, curves[name]),
            **({"frozen_area": float(area_between(*frozen[name]).mean())} if frozen else {}),
            "above_random": difference,
            "above_random_error": sigma,
            "classes": {
                kind: {"samples": int(chosen.sum()), **_mean_curves(values[chosen], [c[chosen] for c in curves[name]])}
                for kind, chosen in (classes or {}).items()
                if chosen.any()
            },
        }
    return {"removal": table, "recommended": recommend({name: scores[name] for name in COMPOSITES if name in scores})}


def _mean_curves(areas: Tensor, curves: Sequence[Tensor]) -> dict[str, Any]:
    deletion, insertion = (curve.mean(0).tolist() for curve in curves)
    error = float(areas.std() / len(areas) ** 0.5) if len(areas) > 1 else 0.0
    return {"area": float(areas.mean()), "area_error": error, "deletion": deletion, "insertion": insertion}


def mean(values: Tensor) -> float | None:
    """Return the mean of the values that aren't NaN; None if all are."""
    found = float(values.nanmean())
    return found if found == found else None  # noqa: PLR0124 - NaN isn't itself


def paired_bootstrap(first: Tensor, second: Tensor, *, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """Return the mean difference of paired scores ``[samples]`` and its bootstrap error."""
    difference = (first - second).double()
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(difference), (draws, len(difference)), generator=generator)
    return float(difference.mean()), float(difference[rows].mean(1).std())


def recommend(scores: Mapping[str, Tensor]) -> str:
    """Return the name with the highest mean score; within 2 sigma of it, the first name is the simplest and wins."""
    best = max(scores, key=lambda name: float(scores[name].mean()))
    for name, values in scores.items():
        difference, sigma = paired_bootstrap(scores[best], values)
        if name == best or difference <= 2 * sigma:
            return name
    return best


def rank_correlation(first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """Return Spearman's correlation over the elements of every sample; NaN where fewer than two elements exist."""
    result = torch.full((len(mask),), torch.nan, dtype=torch.float64)
    for sample, real in enumerate(mask):
        ranks = [values[sample, real].double().argsort().argsort().double() for values in (first, second)]
        if int(real.sum()) > 1:
            result[sample] = torch.corrcoef(torch.stack(ranks))[0, 1]
    return result


def cascade(module: nn.Module, stages: Sequence[str], seed: int) -> Iterator[tuple[str, nn.Module]]:
    """Give copies of a network whose weights are random from the output down, one stage further each time.

    Parameters
    ----------
    module
        The trained network; it isn't changed.
    stages
        Names of submodules, the last one of the forward pass first.
    seed
        Seed of the random weights.
    """
    changed = copy.deepcopy(module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for stage in stages:
            for part in changed.get_submodule(stage).modules():
                reset = getattr(part, "reset_parameters", None)
                if callable(reset):
                    reset()
            yield stage, changed
