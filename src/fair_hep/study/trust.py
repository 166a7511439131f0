"""Can explanations of sets be trusted? Removal of elements, randomised networks, and agreement of rules.

It needs of a network what the contract promises, and no more. How elements are removed is a choice, see `removal`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle.errors import ExplainError
from ..lrp import explain, find_composite
from ..lrp.faithfulness import GRADIENT, RANDOM, cascade, mean, rank_correlation, removal_curves, removal_table
from .averages import by_class
from .picking import picked
from .removal import from_inputs

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..lrp.composites import Bounds
    from .removal import Score

__all__ = ["Truth", "gradient_times_input", "randomised", "relevance_of_elements", "stages", "trust"]

#: Examples in one pass.
BATCH = 16


def trust(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    target: Sequence[float],
    *,
    composite: str,
    composites: Sequence[str],
    bounds: Bounds | None,
    steps: int,
    seed: int,
    score: Score | None = None,
    frozen: Score | None = None,
    parts: Sequence[str] = (),
    truth: Truth | None = None,
    classes: Mapping[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Measure how far the explanations of some examples can be trusted.

    Parameters
    ----------
    network
        Network in evaluation mode, with ``features`` and ``body`` as the contract says.
    inputs
        Raw inputs by name; the first is the set ``[examples, elements, columns]``, a row of zeros is padding. No
        example is empty.
    target
        Weights of the explained combination of outputs.
    composite
        The composite that the study uses: its agreement with the others and with randomised networks is measured.
    composites
        Composites to compare, the simplest first.
    bounds
        Lowest and highest values of the features, if they are known.
    steps
        Steps of the removal.
    seed
        Seed of the random order, of the randomised weights and of the bootstrap.
    score
        Gives what is explained ``[examples]`` if only some elements are kept ``[examples, elements]``; by default the
        others are taken out of the raw inputs (`removal`).
    frozen
        The same with the graphs of whole examples, for networks that find graphs; its areas stand beside the others.
    parts
        Names of the parts of ``body`` that get random weights one after the other, the last of the forward pass first;
        by default `stages`.
    truth
        What a good ranking picks, if that is known.
    classes
        By class, which examples are of it ``[examples]``; their curves are given apart.

    Returns
    -------
    table
        JSON values: for every ranking the area between insertion and deletion with its error, its difference to the
        random order and the mean curves; the recommended composite; correlations; composites that this network can't
        have ("refused"), with the reason.

    Raises
    ------
    ExplainError
        If a composite is unknown, or the study's own can't explain this network.
    """
    import torch

    body: Any = network.body
    values = next(iter(inputs.values()))
    mask = (values != 0).any(-1)
    weights = torch.tensor(target, dtype=values.dtype)
    wanted = dict.fromkeys([*composites, composite])
    for rules in wanted:
        find_composite(rules)  # an unknown name is a mistake, and no property of the network
    rankings: dict[str, Tensor] = {}
    refused: dict[str, str] = {}
    for rules in wanted:
        try:
            rankings[rules] = relevance_of_elements(network, inputs, target, rules, bounds)
        except ExplainError as error:
            if rules == composite:
                raise
            refused[rules] = str(error)
    rankings[GRADIENT] = gradient_times_input(network, inputs, weights)
    rankings[RANDOM] = torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed))

    def curves(of: Score) -> dict[str, Any]:
        return {rules: removal_curves(of, ranking, mask, steps) for rules, ranking in rankings.items()}

    def relevance(changed: nn.Module) -> Tensor:
        return relevance_of_elements(network, inputs, target, composite, bounds, body=changed)

    return {
        "jets": len(mask),
        "steps": steps,
        **removal_table(
            curves(score or from_inputs(network, inputs, weights)),
            curves(frozen) if frozen else None,
            seed=seed,
            classes=classes,
        ),
        "agreement": {n: mean(rank_correlation(rankings[composite], rankings[n], mask)) for n in rankings},
        "randomised": randomised(body, parts or stages(body), relevance, mask, seed),
        "refused": refused,
        **({"picked": _picked(rankings, truth)} if truth else {}),
    }


@dataclass(frozen=True)
class Truth:
    """What is known of the elements of some examples.

    Parameters
    ----------
    right, judged
        Which elements matter, and which can be right or wrong at all ``[examples, elements]``.
    orders
        Rankings that need no network, by name ``[examples, elements]``; the highest comes first.
    """

    right: np.ndarray
    judged: np.ndarray
    orders: Mapping[str, np.ndarray]


def _picked(rankings: Mapping[str, Tensor], truth: Truth) -> dict[str, Any]:
    """Return the area under precision-recall of every ranking, mean over examples, with its error."""
    rows = {**{name: ranking.double().numpy() for name, ranking in rankings.items()}, **truth.orders}
    areas = np.stack([picked(ranking, truth.right, truth.judged) for ranking in rows.values()], 1)
    found = by_class(areas, {"all": np.ones(len(areas), bool)})["all"]
    return {
        name: {"area": mean, "error": error}
        for name, mean, error in zip(rows, found["mean"], found["error"], strict=True)
    }


def relevance_of_elements(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    target: Sequence[float],
    composite: str,
    bounds: Bounds | None,
    *,
    body: nn.Module | None = None,
) -> Tensor:
    """Return the relevance of elements ``[examples, elements]``, summed over features.

    Parameters
    ----------
    network
        Network in evaluation mode, with ``features`` and ``body`` as the contract says.
    inputs
        Raw inputs by name.
    target
        Weights of the explained combination of outputs.
    composite, bounds
        Rules, and the lowest and highest values of the features if they are known.
    body
        Takes the place of the network's own.
    """
    import torch

    parts: Any = network
    if bounds is not None:
        like = next(iter(inputs.values()))
        low, high = (torch.as_tensor(bound).to(like) for bound in bounds)
        bounds = (low, high)
    return torch.cat(
        [
            explain(body or parts.body, values, target, composite=composite, bounds=bounds).relevance.sum(2)
            for values in _features(network, inputs)
        ]
    )


def gradient_times_input(network: nn.Module, inputs: Mapping[str, Tensor], weights: Tensor) -> Tensor:
    """Return gradient times input of elements ``[examples, elements]``, summed over features."""
    import torch

    parts: Any = network
    found = []
    for values in _features(network, inputs):
        leaf = values[0].clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad((parts.body(leaf, *values[1:]) @ weights).sum(), leaf)
        found.append((gradient * values[0]).sum(2))
    return torch.cat(found)


def _features(network: Any, inputs: Mapping[str, Tensor]) -> Iterator[tuple[Any, ...]]:
    """Give what ``features`` returns, some examples at a time."""
    import torch

    for start in range(0, len(next(iter(inputs.values()))), BATCH):
        with torch.no_grad():
            found = network.features(**{name: values[start : start + BATCH] for name, values in inputs.items()})
        yield found if isinstance(found, tuple) else (found,)


def randomised(
    body: nn.Module, names: Sequence[str], relevance: Callable[[nn.Module], Tensor], mask: Tensor, seed: int
) -> list[dict[str, Any]]:
    """Return the correlation with the trained network's relevance, while weights become random from the output down.

    Parameters
    ----------
    body
        The trained network.
    names
        Names of its parts, the last one of the forward pass first.
    relevance
        Gives the relevance of elements ``[examples, elements]``, by a network.
    mask
        Elements that exist.
    seed
        Seed of the random weights.
    """
    trained = relevance(body)
    return [
        {"down_to": stage, "correlation": mean(rank_correlation(trained, relevance(changed), mask))}
        for stage, changed in cascade(body, names, seed)
    ]


def stages(body: nn.Module) -> list[str]:
    """Return the parts of a network that have weights, the last one first; lists of parts count part by part.

    The order is that in which the network names its parts.
    """
    from torch import nn

    names: list[str] = []
    for name, part in body.named_children():
        inner = part.named_children() if isinstance(part, nn.ModuleList | nn.Sequential) else ()
        below = [f"{name}.{number}" for number, child in inner if any(True for _ in child.parameters())]
        names += below or ([name] if any(True for _ in part.parameters()) else [])
    return names[::-1]
